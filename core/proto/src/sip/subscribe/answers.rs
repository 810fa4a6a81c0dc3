//! What the final response to a SUBSCRIBE means (RFC 6665 4.1.2, RFC 5057 5.1).

use super::{
    Asking, Dialog, Duration, Failure, HeaderName, Instant, LONG_LIVED, LONG_PAUSE, Purpose, Random, Reason, Request,
    Response, Retry, SHORTEST_REFRESH, Stage, Standing, Subscription, TIMER_N,
};
use crate::sip::msg::StatusCode;

/// How often one SUBSCRIBE may be challenged: by a proxy, by the server, and once more for a stale nonce.
const CHALLENGE_LIMIT: u8 = 3;

impl Subscription {
    /// The final response to `sent`. `retry` are the credentials that answer a challenge, if there are any.
    pub fn handle_response(
        &mut self,
        sent: &Request,
        response: &Response,
        retry: Option<&Retry>,
        now: Instant,
        random: &mut Random,
    ) {
        let Some(asking) = self.take_asking(sent, response.status.is_final()) else {
            return;
        };
        match response.status.code() {
            200..300 => self.accepted(asking, sent, response, now, random),
            _ if self.is_ending() && retry.is_none() => self.end(),
            401 | 407 => self.challenged(asking, sent, retry, now, random),
            423 => self.too_brief(asking, response, now, random),
            481 if asking.purpose == Purpose::Refresh => self.gone(now, random),
            405 | 489 | 501 => self.settle(Reason::Unsupported(response.status)),
            403 | 603 => self.refused_for_long(Reason::Forbidden, now, random),
            404 | 410 | 604 => self.refused_for_long(Reason::Unknown, now, random),
            408 | 430 | 480 | 486 | 491 | 500..600 => self.refused_for_now(asking, response, now, random),
            _ => self.refused_for_long(Reason::Refused(response.status), now, random),
        }
    }

    /// No final response came to `sent`.
    pub fn handle_failed(&mut self, sent: &Request, _why: Failure, now: Instant, random: &mut Random) {
        match self.take_asking(sent, true).map(|asking| asking.purpose) {
            None => {}
            Some(_) if self.is_ending() => self.end(),
            Some(Purpose::Initial) => self.rest(Reason::Silent, None, now, random),
            Some(Purpose::Refresh | Purpose::End) => self.try_later(None, now, random),
        }
    }

    fn take_asking(&mut self, sent: &Request, is_final: bool) -> Option<Asking> {
        let is_ours = |asking: &mut Asking| asking.cseq == sent.cseq && sent.call_id == self.call_id;
        self.asking.take_if(|asking| is_final && is_ours(asking))
    }

    fn accepted(&mut self, asking: Asking, sent: &Request, response: &Response, now: Instant, random: &mut Random) {
        if asking.purpose == Purpose::End {
            // The last NOTIFY is answered yet.
            return;
        }
        if self.dialog.is_none() {
            self.dialog = Some(Dialog::uac(sent, response));
        }
        if let Stage::Ending { .. } = self.stage {
            return self.refresh(Purpose::End);
        }
        let granted = response.headers.expires().unwrap_or(self.expires);
        if granted == 0 {
            return self.rest(Reason::Ended("no time was granted".to_owned()), None, now, random);
        }
        match self.stage {
            Stage::NotifyWait { .. } => {
                self.stage = Stage::NotifyWait {
                    until: Some(now + TIMER_N),
                };
            }
            Stage::Live { pending, .. } => {
                self.backoff.succeeded();
                self.live(pending, granted, now, random);
            }
            _ => {}
        }
    }

    /// It holds for `granted` seconds from now.
    pub(super) fn live(&mut self, pending: bool, granted: u32, now: Instant, random: &mut Random) {
        let granted = Duration::from_secs(granted.into());
        let refresh_in = random.duration(granted.mul_f64(0.5), granted.mul_f64(0.8));
        let expires_at = now + granted;
        self.stage = Stage::Live {
            pending,
            refresh_at: now + refresh_in.max(SHORTEST_REFRESH),
            expires_at,
        };
        if self.told {
            self.news_until = Some(expires_at);
        }
    }

    fn challenged(&mut self, asking: Asking, sent: &Request, retry: Option<&Retry>, now: Instant, random: &mut Random) {
        let Some(retry) = retry.filter(|_| asking.challenges < CHALLENGE_LIMIT) else {
            return self.refused_for_long(Reason::Login, now, random);
        };
        let mut again = retry.request(sent);
        match &mut self.dialog {
            Some(dialog) if asking.purpose != Purpose::Initial => again = dialog.renew(&again),
            _ => {}
        }
        self.cseq = again.cseq;
        self.dispatch(again, asking.purpose, asking.challenges.saturating_add(1));
    }

    /// 423: once it is asked for as long as the server wants.
    fn too_brief(&mut self, asking: Asking, response: &Response, now: Instant, random: &mut Random) {
        let least = response.headers.min_expires().unwrap_or(0);
        let is_raise = self.expires == self.config.expires && least > self.expires;
        if !is_raise {
            self.expires = self.config.expires;
            return self.refused_for_long(Reason::Refused(StatusCode::INTERVAL_TOO_BRIEF), now, random);
        }
        self.expires = least;
        match asking.purpose {
            Purpose::Initial => self.subscribe(now, random),
            purpose => self.refresh(purpose),
        }
    }

    /// The other side knows the dialog no more: a new one, at once if it lived for a while.
    pub(super) fn gone(&mut self, now: Instant, random: &mut Random) {
        if now - self.since >= LONG_LIVED {
            self.subscribe(now, random);
        } else {
            self.rest(Reason::Refused(StatusCode::NO_SUCH_CALL), None, now, random);
        }
    }

    pub(super) fn refused_for_long(&mut self, reason: Reason, now: Instant, random: &mut Random) {
        let wait = random.duration(LONG_PAUSE, LONG_PAUSE.mul_f64(1.2));
        self.rest_for(reason, wait, now);
    }

    fn refused_for_now(&mut self, asking: Asking, response: &Response, now: Instant, random: &mut Random) {
        let asked = response
            .headers
            .retry_after()
            .map(|seconds| Duration::from_secs(seconds.into()));
        match asking.purpose {
            Purpose::Refresh => self.try_later(asked, now, random),
            _ => self.rest(Reason::Refused(response.status), asked, now, random),
        }
    }

    /// A refresh failed; what is there holds as long as it was granted (RFC 6665 4.1.2.2).
    fn try_later(&mut self, asked: Option<Duration>, now: Instant, random: &mut Random) {
        let wait = self.backoff.refused(asked, random);
        if let Stage::Live { refresh_at, .. } = &mut self.stage {
            *refresh_at = now + wait;
        }
    }

    /// What we speak of, for a NOTIFY of another package.
    pub(super) fn allowed(&self) -> (HeaderName, &'static str) {
        (HeaderName::AllowEvents, self.config.package)
    }

    pub(super) fn final_state(&mut self) {
        self.forget_dialog();
        self.news_until = None;
        self.stage = Stage::Settled;
        self.tell(Standing::Final);
    }
}
