//! Our REFER, until we know what became of it (RFC 3515 2.4.4 to 2.4.7).
//!
//! The answer to the REFER says whether the other side tries at all; NOTIFYs say how far it is. The first of them may
//! overtake the answer. A PBX that wants no subscription says so (`Refer-Sub: false`, RFC 4488), and one that falls silent
//! is not waited for longer than its subscription lasts.

use crate::sip::endpoint::Failure;
use crate::sip::msg::{Request, Response, StatusCode};
use crate::sip::transfer::sipfrag;
use crate::time::{Instant, Wake};
use std::time::Duration;

/// How long news is waited for: longer than any phone rings. The sender of the NOTIFY may name another time.
const PATIENCE: Duration = Duration::from_secs(180);

/// The longest that the other side can make us wait.
const LIMIT: Duration = Duration::from_secs(600);

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// They try: a provisional response of whoever they call.
    Progress(StatusCode),
    /// No more news will come.
    Over(Outcome),
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Whoever they called has answered.
    Answered,
    /// They took it over and will tell no more.
    TakenOver,
    /// They will not try, or whoever they called refused: the status that says so.
    Refused(StatusCode),
    /// The REFER got no answer.
    NoResponse(Failure),
    /// They tried, and never said what came of it.
    Unknown,
}

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Referral {
    until: Instant,
    is_taken: bool,
}

impl Referral {
    /// A REFER that is being sent.
    pub fn new(now: Instant) -> Self {
        Self {
            until: now + PATIENCE,
            is_taken: false,
        }
    }

    /// Whether the other side has said that it tries.
    pub const fn is_taken(&self) -> bool {
        self.is_taken
    }

    /// The final response to the REFER, or that there was none.
    pub fn handle_response(&mut self, result: Result<&Response, Failure>) -> Option<Step> {
        let response = match result {
            Ok(response) => response,
            // It may have arrived: news has come already.
            Err(_) if self.is_taken => return None,
            Err(why) => return Some(Step::Over(Outcome::NoResponse(why))),
        };
        if !response.status.is_success() {
            return Some(Step::Over(Outcome::Refused(response.status)));
        }
        self.is_taken = true;
        let unsubscribed = response
            .headers
            .get(crate::sip::msg::HeaderName::ReferSub)
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("false"));
        unsubscribed.then_some(Step::Over(Outcome::TakenOver))
    }

    /// A NOTIFY of the event `refer` in the same dialog.
    ///
    /// # Errors
    /// The status to refuse it with: it says nothing that could be understood.
    pub fn handle_notify(&mut self, notify: &Request, now: Instant) -> Result<Option<Step>, StatusCode> {
        let state = notify.headers.subscription_state();
        let is_last = state.as_ref().is_some_and(|state| state.state == "terminated");
        let status = sipfrag::status_of(&notify.body);
        if status.is_none() && !is_last {
            return Err(StatusCode::BAD_REQUEST);
        }
        self.is_taken = true;
        if let Some(seconds) = state.and_then(|state| state.expires) {
            self.until = now + Duration::from_secs(seconds.into()).min(LIMIT);
        }
        Ok(match status {
            Some(status) if status.is_success() => Some(Step::Over(Outcome::Answered)),
            Some(status) if status.is_final() => Some(Step::Over(Outcome::Refused(status))),
            Some(_) | None if is_last => Some(Step::Over(Outcome::Unknown)),
            Some(status) => Some(Step::Progress(status)),
            None => None,
        })
    }

    /// When [`Referral::handle_timeout`] is due.
    pub const fn poll_wake(&self) -> Option<Wake> {
        Some(Wake::new(self.until, "news of a transfer"))
    }

    /// Gives up waiting once it has been long enough.
    pub fn handle_timeout(&self, now: Instant) -> Option<Step> {
        (now >= self.until).then_some(Step::Over(Outcome::Unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::msg::{HeaderName, Method, NameAddr, Uri};

    fn refer() -> Request {
        let uri: Uri = "sip:b@192.0.2.1".parse().unwrap();
        let us: NameAddr = "<sip:a@example.org>;tag=a".parse().unwrap();
        let them: NameAddr = "<sip:b@example.org>;tag=b".parse().unwrap();
        Request::new(Method::Refer, uri, us, them, "call", 7)
    }

    fn answered(status: u16) -> Response {
        Response::to(&refer(), StatusCode::new(status).unwrap())
    }

    fn notify(state: &str, body: &str) -> Request {
        let mut request = Request {
            method: Method::Notify,
            ..refer()
        };
        request.headers.push(HeaderName::SubscriptionState, state);
        request.set_body(sipfrag::CONTENT_TYPE, body.to_owned());
        request
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1000)
    }

    #[test]
    fn every_step_on_the_way_is_told_and_the_answer_ends_it() {
        let mut referral = Referral::new(at(0));
        assert_eq!(referral.handle_response(Ok(&answered(202))), None);
        for code in [100, 180, 183] {
            let step = referral.handle_notify(&notify("active;expires=60", &format!("SIP/2.0 {code} x")), at(1));
            assert_eq!(step, Ok(Some(Step::Progress(StatusCode::new(code).unwrap()))));
        }
        let last = referral.handle_notify(&notify("terminated;reason=noresource", "SIP/2.0 200 OK"), at(5));
        assert_eq!(last, Ok(Some(Step::Over(Outcome::Answered))));
    }

    #[test]
    fn a_refusal_of_the_refer_or_of_the_call_is_the_outcome() {
        let mut referral = Referral::new(at(0));
        let refused = Some(Step::Over(Outcome::Refused(StatusCode::DECLINE)));
        assert_eq!(referral.handle_response(Ok(&answered(603))), refused);
        let mut referral = Referral::new(at(0));
        referral.handle_response(Ok(&answered(202)));
        assert_eq!(
            referral.handle_notify(&notify("terminated", "SIP/2.0 603 Decline"), at(2)),
            Ok(refused)
        );
    }

    #[test]
    fn news_that_overtakes_the_answer_counts_and_a_lost_answer_is_no_failure_then() {
        let mut referral = Referral::new(at(0));
        assert!(
            referral
                .handle_notify(&notify("active", "SIP/2.0 100 Trying"), at(0))
                .is_ok()
        );
        assert!(referral.is_taken());
        assert_eq!(referral.handle_response(Err(Failure::Timeout)), None);
    }

    #[test]
    fn no_answer_at_all_is_an_outcome() {
        let mut referral = Referral::new(at(0));
        assert_eq!(
            referral.handle_response(Err(Failure::Timeout)),
            Some(Step::Over(Outcome::NoResponse(Failure::Timeout)))
        );
    }

    #[test]
    fn without_a_subscription_the_answer_is_all_that_comes() {
        let mut response = answered(202);
        response.headers.push(HeaderName::ReferSub, "false");
        assert_eq!(
            Referral::new(at(0)).handle_response(Ok(&response)),
            Some(Step::Over(Outcome::TakenOver))
        );
    }

    #[test]
    fn a_subscription_that_ends_without_a_final_status_leaves_it_unknown() {
        let mut referral = Referral::new(at(0));
        for body in ["SIP/2.0 180 Ringing", ""] {
            assert_eq!(
                referral.handle_notify(&notify("terminated;reason=timeout", body), at(3)),
                Ok(Some(Step::Over(Outcome::Unknown)))
            );
        }
    }

    #[test]
    fn silence_is_waited_out_no_longer_than_the_subscription_or_ten_minutes() {
        let mut referral = Referral::new(at(0));
        assert_eq!(referral.handle_timeout(at(179)), None);
        assert_eq!(referral.handle_timeout(at(180)), Some(Step::Over(Outcome::Unknown)));
        let forever = notify("active;expires=4294967295", "SIP/2.0 100 Trying");
        referral.handle_notify(&forever, at(100)).unwrap();
        assert_eq!(referral.poll_wake().map(|wake| wake.at), Some(at(700)));
    }

    #[test]
    fn a_notify_that_says_nothing_is_refused_and_changes_nothing() {
        let mut referral = Referral::new(at(0));
        let before = referral;
        let empty = notify("active;expires=60", "no status line");
        assert_eq!(referral.handle_notify(&empty, at(1)), Err(StatusCode::BAD_REQUEST));
        assert_eq!(referral, before);
    }
}
