//! A NOTIFY, from the first that may make the dialog to the last that ends it (RFC 6665 4.1.3, 4.4.1).

use super::{
    Dialog, Duration, Instant, LONG_LIVED, News, Output, Random, Reason, Request, Response, ServerKey, Stage, Standing,
    Subscription,
};
use crate::sip::msg::{StatusCode, SubscriptionState};

/// How far the time that a NOTIFY names may be from what we count before it is taken over.
const TOLERANCE: Duration = Duration::from_secs(5);

impl Subscription {
    /// A NOTIFY that [`Subscription::owns`] says is ours.
    pub fn handle_notify(&mut self, key: ServerKey, notify: &Request, now: Instant, random: &mut Random) {
        let state = match self.admit(notify) {
            Ok(state) => state,
            Err(status) => return self.respond(key, notify, status),
        };
        self.respond(key, notify, StatusCode::OK);
        let is_over = state.state == "terminated";
        if self.is_ending() {
            if is_over {
                self.end();
            }
            return;
        }
        if !is_over {
            self.extend(&state, now, random);
        }
        if !notify.body.is_empty() {
            self.outputs.push_back(Output::News(News {
                content_type: notify.headers.content_type(),
                body: notify.body.clone(),
                is_first: !self.told,
            }));
            self.told = true;
            if let Stage::Live { expires_at, .. } = self.stage {
                self.news_until = Some(expires_at);
            }
        }
        if is_over {
            self.terminated(&state, now, random);
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        matches!(self.stage, Stage::Ending { .. })
    }

    /// Whether it is in this dialog, in order, and of our package.
    fn admit(&mut self, notify: &Request) -> Result<SubscriptionState, StatusCode> {
        if notify
            .headers
            .event()
            .is_none_or(|event| event.package != self.config.package)
        {
            return Err(StatusCode::BAD_EVENT);
        }
        let state = notify.headers.subscription_state().ok_or(StatusCode::BAD_REQUEST)?;
        if self.dialog.is_none() {
            let dialog = Dialog::subscriber(notify, self.cseq).map_err(|_| StatusCode::BAD_REQUEST)?;
            self.dialog = Some(dialog);
        }
        let dialog = self.dialog.as_mut().ok_or(StatusCode::NO_SUCH_CALL)?;
        // A request that forked has one notifier for us; the others are told that we are not theirs.
        if dialog.remote().tag() != notify.from.tag() {
            return Err(StatusCode::NO_SUCH_CALL);
        }
        dialog
            .accept_cseq(notify)
            .map_err(|_| StatusCode::SERVER_INTERNAL_ERROR)?;
        dialog.refresh_target(notify.headers.contacts().first());
        Ok(state)
    }

    /// `active` or `pending`, for as long as it says.
    fn extend(&mut self, state: &SubscriptionState, now: Instant, random: &mut Random) {
        let pending = state.state == "pending";
        match &mut self.stage {
            Stage::Live {
                pending: known,
                expires_at,
                ..
            } => {
                let is_news = *known != pending;
                *known = pending;
                let named = state.expires.map(|seconds| now + Duration::from_secs(seconds.into()));
                let is_off = |at: Instant| at - *expires_at > TOLERANCE || *expires_at - at > TOLERANCE;
                if named.is_some_and(is_off) {
                    self.live(pending, state.expires.unwrap_or(self.expires), now, random);
                }
                if is_news {
                    self.tell(Standing::Live { pending });
                }
            }
            _ => {
                self.backoff.succeeded();
                self.live(pending, state.expires.unwrap_or(self.expires), now, random);
                self.tell(Standing::Live { pending });
            }
        }
    }

    /// What to do next, by the reason that the other side gives (RFC 6665 4.1.3).
    fn terminated(&mut self, state: &SubscriptionState, now: Instant, random: &mut Random) {
        let wait = state.retry_after.map(|seconds| Duration::from_secs(seconds.into()));
        let name = state.reason.as_deref().unwrap_or_default().to_ascii_lowercase();
        match name.as_str() {
            "rejected" => self.settle(Reason::Forbidden),
            "noresource" => self.refused_for_long(Reason::Unknown, now, random),
            "invariant" => self.final_state(),
            "probation" | "giveup" => self.rest(Reason::Ended(name), wait, now, random),
            _ if wait.is_some() || now - self.since < LONG_LIVED => {
                self.rest(Reason::Ended(readable(&name)), wait, now, random);
            }
            // What was told holds for as long as it was granted, and soon there is a new dialog.
            _ => self.subscribe(now, random),
        }
    }

    fn respond(&mut self, key: ServerKey, notify: &Request, status: StatusCode) {
        let mut response = Response::to(notify, status);
        if status == StatusCode::BAD_EVENT {
            let (name, value) = self.allowed();
            response.headers.push(name, value);
        }
        self.outputs.push_back(Output::Respond {
            key,
            response: Box::new(response),
        });
    }
}

/// A reason from outside, fit for a sentence.
fn readable(reason: &str) -> String {
    let letters: String = reason.chars().filter(char::is_ascii_alphabetic).take(20).collect();
    if letters.is_empty() {
        "without a reason".to_owned()
    } else {
        letters
    }
}
