//! How calls end: which of them is a missed one.

use super::*;
use crate::view::CallEnd;

/// A call that rings here: its INVITE.
fn ringing() -> (Bench, Request) {
    let mut bench = Bench::new();
    let invite = bench.invite("in", Some(ANSWER));
    bench.ask(&invite);
    bench.said.clear();
    (bench, invite)
}

impl Bench {
    /// How the last call that ended did.
    fn how(&self) -> CallEnd {
        let ends = self.events.iter().rev().find_map(|event| match event {
            Event::Call { end, .. } => *end,
            _ => None,
        });
        ends.unwrap_or_else(|| panic!("no call ended: {:?}", self.events))
    }

    fn cancel(&mut self, invite: &Request, reason: Option<&str>) {
        let mut cancel = invite.clone();
        cancel.method = Method::Cancel;
        cancel.body = bytes::Bytes::new();
        cancel.headers.remove(HeaderName::ContentType);
        if let Some(reason) = reason {
            cancel.headers.push(HeaderName::Reason, reason);
        }
        self.ask(&cancel);
    }
}

#[test]
fn a_call_that_the_caller_gives_up_is_missed() {
    let (mut bench, invite) = ringing();
    bench.cancel(&invite, None);
    assert_eq!(bench.how(), CallEnd::Missed);
    let (mut bench, invite) = ringing();
    bench.cancel(&invite, Some("SIP;cause=487;text=\"ORIGINATOR_CANCEL\""));
    assert_eq!(bench.how(), CallEnd::Missed);
}

#[test]
fn a_call_that_another_phone_decided_is_never_missed() {
    for (reason, sentence) in [
        ("SIP;cause=200;text=\"Call completed elsewhere\"", "Answered elsewhere."),
        ("Q.850;cause=26", "Answered elsewhere."),
        (
            "Q.850;cause=16, SIP;cause=200;text=\"Answered elsewhere\"",
            "Answered elsewhere.",
        ),
        ("SIP;cause=603;text=\"Declined\"", "Declined elsewhere."),
    ] {
        let (mut bench, invite) = ringing();
        bench.cancel(&invite, Some(reason));
        assert_eq!(bench.how(), CallEnd::Elsewhere, "{reason}");
        assert_eq!(bench.end().1.as_deref(), Some(sentence), "{reason}");
    }
}

#[test]
fn what_we_turn_down_is_not_missed() {
    for code in [486, 480, 603] {
        let (mut bench, _) = ringing();
        let reject = Command::Reject {
            call: None,
            code: Some(code),
        };
        bench.command(reject).unwrap();
        assert_eq!(bench.how(), CallEnd::Refused);
    }
    let (mut bench, _) = ringing();
    bench.command(Command::Hangup { call: None }).unwrap();
    assert_eq!(bench.how(), CallEnd::Refused);
}

#[test]
fn an_answered_call_was_answered_whoever_ends_it_and_why() {
    let (mut bench, _, dialog) = talking();
    let mut bye = bench.inside(Method::Bye, &dialog, 2);
    bye.headers
        .push(HeaderName::Reason, "SIP;cause=200;text=\"Call completed elsewhere\"");
    bench.ask(&bye);
    assert_eq!(bench.how(), CallEnd::Answered);
}

#[test]
fn a_call_of_ours_that_nobody_takes_was_unanswered() {
    let mut bench = Bench::new();
    bench.dial("1002");
    let invite = bench.request(Method::Invite);
    let mut busy = reply(&invite, 486, "b", None);
    busy.headers.push(HeaderName::Reason, "SIP;cause=486");
    bench.deliver(&busy.to_bytes());
    assert_eq!(bench.how(), CallEnd::Unanswered);
    assert_eq!(bench.end().1.as_deref(), Some("The line is busy."));
}
