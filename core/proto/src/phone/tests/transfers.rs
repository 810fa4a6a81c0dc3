//! Calls that change hands: blind and attended transfer both ways, and INVITEs that take the place of a call.

use super::*;
use crate::account_config::TransferPolicy;
use crate::event::TransferState;

/// The far end's answer to our hold.
const HOLD: &str = "recvonly";

/// A blind transfer that was asked for: the REFER, which is not answered yet.
fn transferring() -> (Bench, CallId, Dialog, Request) {
    let (mut bench, call, dialog) = talking();
    let target = "1003".to_owned();
    bench.command(Command::Transfer { call: None, target }).unwrap();
    let hold = bench.request(Method::Invite);
    bench.reply(&hold, 200, "b", Some(&described(HOLD)));
    let refer = bench.request(Method::Refer);
    (bench, call, dialog, refer)
}

impl Bench {
    /// The PBX tells what became of a REFER.
    fn tell(&mut self, dialog: &Dialog, cseq: u32, state: &str, body: &str) -> u16 {
        let mut notify = self.inside(Method::Notify, dialog, cseq);
        notify.headers.push(HeaderName::Event, "refer");
        notify.headers.push(HeaderName::SubscriptionState, state);
        notify.set_body("message/sipfrag;version=2.0", body.to_owned());
        self.ask(&notify);
        self.final_response().status.code()
    }

    /// The PBX wants us to call somebody else.
    fn refer_us(&mut self, dialog: &Dialog, cseq: u32, to: &str) -> u16 {
        let mut refer = self.inside(Method::Refer, dialog, cseq);
        refer.headers.push(HeaderName::ReferTo, to);
        refer.headers.push(HeaderName::ReferredBy, "<sip:1002@pbx.example>");
        self.ask(&refer);
        self.final_response().status.code()
    }

    fn transfers(&self) -> Vec<(TransferState, Option<u16>)> {
        let told = self.events.iter().filter_map(|event| match event {
            Event::Transfer { state, code, .. } => Some((*state, *code)),
            _ => None,
        });
        told.collect()
    }

    /// The status that the next NOTIFY of ours tells.
    fn told_by_us(&mut self) -> String {
        let notify = self.request(Method::Notify);
        self.reply(&notify, 200, "b", None);
        let text = std::str::from_utf8(&notify.body).unwrap();
        text.split(' ').nth(1).unwrap().to_owned()
    }

    /// The next INVITE of ours that begins a call; whoever is put on hold for it agrees.
    fn new_invite(&mut self) -> Request {
        loop {
            let invite = self.request(Method::Invite);
            let Some(tag) = invite.to.tag().map(str::to_owned) else {
                return invite;
            };
            self.reply(&invite, 200, &tag, Some(&described(HOLD)));
        }
    }

    /// A second call, answered, besides the one that there is.
    fn second(&mut self) -> (CallId, Request) {
        let call = self.dial("1004");
        let invite = self.new_invite();
        self.reply(&invite, 200, "second", Some(ANSWER));
        self.request(Method::Ack);
        (call, invite)
    }
}

#[test]
fn a_blind_transfer_holds_first_and_names_target_and_ourselves() {
    let (mut bench, call, _, refer) = transferring();
    assert_eq!(refer.headers.get(HeaderName::ReferTo), Some("<sip:1003@pbx.example>"));
    assert_eq!(
        refer.headers.get(HeaderName::ReferredBy),
        Some("<sip:1001@pbx.example>")
    );
    assert_eq!(refer.uri.to_string(), "sip:b@192.0.2.1:5061;transport=tls");
    assert!(bench.call(call).transferring);
    assert_eq!(bench.call(call).held_by, HeldBy::Us);
    let again = bench.command(Command::Transfer {
        call: None,
        target: "1004".to_owned(),
    });
    assert_eq!(again, Err(Refused::WrongState("being transferred")));
}

#[test]
fn every_step_of_a_transfer_is_told_once_and_its_success_ends_the_call_here() {
    let (mut bench, call, dialog, refer) = transferring();
    bench.reply(&refer, 202, "b", None);
    assert_eq!(bench.tell(&dialog, 2, "active;expires=60", "SIP/2.0 100 Trying"), 200);
    assert_eq!(bench.tell(&dialog, 3, "active;expires=60", "SIP/2.0 180 Ringing"), 200);
    assert_eq!(bench.tell(&dialog, 4, "active;expires=60", "SIP/2.0 180 Ringing"), 200);
    assert_eq!(bench.call(call).state, CallState::Held);
    assert_eq!(
        bench.tell(&dialog, 5, "terminated;reason=noresource", "SIP/2.0 200 OK"),
        200
    );
    assert_eq!(
        bench.transfers(),
        [
            (TransferState::Trying, Some(100)),
            (TransferState::Trying, Some(180)),
            (TransferState::Done, None)
        ]
    );
    assert_eq!(bench.end(), (None, Some("Transferred.".to_owned())));
}

#[test]
fn the_caller_comes_back_when_the_transfer_fails() {
    for (code, body) in [(486, "SIP/2.0 486 Busy Here"), (404, "SIP/2.0 404 Not Found")] {
        let (mut bench, call, dialog, refer) = transferring();
        bench.reply(&refer, 202, "b", None);
        bench.tell(&dialog, 2, "terminated;reason=noresource", body);
        let resume = bench.request(Method::Invite);
        assert!(std::str::from_utf8(&resume.body).unwrap().contains("a=sendrecv"));
        bench.reply(&resume, 200, "b", Some(ANSWER));
        assert_eq!(bench.transfers(), [(TransferState::Failed, Some(code))]);
        assert_eq!(bench.call(call).state, CallState::Active);
        assert!(!bench.call(call).transferring);
    }
}

#[test]
fn a_transfer_that_the_pbx_refuses_or_never_answers_leaves_the_call_as_it_was() {
    let (mut bench, call, _, refer) = transferring();
    bench.reply(&refer, 403, "b", None);
    let resume = bench.request(Method::Invite);
    bench.reply(&resume, 200, "b", Some(ANSWER));
    assert_eq!(bench.call(call).state, CallState::Active);

    let (mut bench, call, dialog, refer) = transferring();
    bench.reply(&refer, 202, "b", None);
    bench.tell(&dialog, 2, "active;expires=30", "SIP/2.0 100 Trying");
    bench.run(SECOND * 31);
    let resume = bench.request(Method::Invite);
    bench.reply(&resume, 200, "b", Some(ANSWER));
    assert_eq!(bench.transfers().last(), Some(&(TransferState::Failed, None)));
    assert_eq!(bench.call(call).state, CallState::Active);
}

#[test]
fn whom_the_user_had_on_hold_stays_there_when_the_transfer_fails() {
    let (mut bench, call, _) = talking();
    bench.command(Command::Hold { call: None }).unwrap();
    let hold = bench.request(Method::Invite);
    bench.reply(&hold, 200, "b", Some(&described(HOLD)));
    bench.request(Method::Ack);
    let target = "1003".to_owned();
    bench.command(Command::Transfer { call: None, target }).unwrap();
    let refer = bench.request(Method::Refer);
    bench.reply(&refer, 603, "b", None);
    assert!(bench.says_nothing());
    assert_eq!(bench.call(call).held_by, HeldBy::Us);
}

#[test]
fn a_hold_that_is_refused_does_not_stop_the_transfer() {
    let (mut bench, ..) = talking();
    let target = "1003".to_owned();
    bench.command(Command::Transfer { call: None, target }).unwrap();
    let hold = bench.request(Method::Invite);
    bench.reply(&hold, 488, "b", None);
    bench.request(Method::Refer);
}

#[test]
fn a_far_end_that_hangs_up_once_it_has_taken_the_transfer_was_transferred() {
    let (mut bench, _, dialog, refer) = transferring();
    bench.reply(&refer, 202, "b", None);
    let bye = bench.inside(Method::Bye, &dialog, 2);
    bench.ask(&bye);
    assert_eq!(bench.transfers(), [(TransferState::Done, None)]);
    assert_eq!(bench.end(), (None, Some("Transferred.".to_owned())));
    let (mut bench, _, dialog, _) = transferring();
    let bye = bench.inside(Method::Bye, &dialog, 2);
    bench.ask(&bye);
    assert_eq!((bench.transfers(), bench.end()), (vec![], (None, None)));
}

#[test]
fn news_of_a_transfer_that_nobody_asked_for_is_refused() {
    let (mut bench, _, dialog) = talking();
    assert_eq!(bench.tell(&dialog, 1, "active", "SIP/2.0 200 OK"), 481);
    let mut other = bench.inside(Method::Notify, &dialog, 2);
    other.headers.push(HeaderName::Event, "conference");
    bench.ask(&other);
    assert_eq!(bench.final_response().status.code(), 481);
}

#[test]
fn joining_two_calls_names_the_second_by_its_far_ends_contact_and_tags() {
    let (mut bench, first, _) = talking();
    let (second, invite) = bench.second();
    let (call, with) = (Some(first), Some(second));
    bench.command(Command::Join { call, with }).unwrap();
    let refer = bench.request(Method::Refer);
    let to = refer.headers.refer_to().unwrap();
    assert_eq!(
        to.uri.clone().without_headers().to_string(),
        "sip:second@192.0.2.1:5061;transport=tls"
    );
    let (name, value) = to.uri.headers().next().unwrap();
    let ours = invite.from.tag().unwrap();
    assert_eq!(
        (name.as_ref(), value.as_ref()),
        (
            "Replaces",
            format!("{};to-tag=second;from-tag={ours}", invite.call_id).as_str()
        )
    );
}

#[test]
fn after_a_join_both_calls_are_over() {
    let (mut bench, first, dialog) = talking();
    let (second, _) = bench.second();
    bench
        .command(Command::Join {
            call: Some(first),
            with: Some(second),
        })
        .unwrap();
    let refer = bench.request(Method::Refer);
    bench.reply(&refer, 202, "b", None);
    bench.tell(&dialog, 2, "terminated", "SIP/2.0 200 OK");
    for call in [first, second] {
        assert_eq!(bench.call(call).state, CallState::Ended);
    }
}

#[test]
fn a_consultation_needs_no_names_to_be_joined() {
    let (mut bench, first, _) = talking();
    let consult = Command::Consult {
        call: None,
        target: "1004".to_owned(),
    };
    let second = bench.command(consult).unwrap().call.unwrap();
    assert_eq!(bench.call(first).held_by, HeldBy::Us);
    let invite = bench.new_invite();
    let unanswered = bench.command(Command::Join { call: None, with: None });
    assert_eq!(unanswered, Err(Refused::WhichTwo));
    bench.reply(&invite, 200, "second", Some(ANSWER));
    bench.command(Command::Join { call: None, with: None }).unwrap();
    assert!(bench.call(first).transferring && !bench.call(second).transferring);
    bench.request(Method::Refer);
}

#[test]
fn which_calls_are_to_be_joined_must_be_clear() {
    let (mut bench, first, _) = talking();
    let join = |call, with| Command::Join { call, with };
    assert_eq!(bench.command(join(None, None)), Err(Refused::WhichTwo));
    assert_eq!(bench.command(join(Some(first), Some(first))), Err(Refused::WhichTwo));
    let ringing = bench.dial("1004");
    assert_eq!(
        bench.command(join(Some(first), Some(ringing))),
        Err(Refused::WrongState("dialing"))
    );
    assert_eq!(
        bench.command(join(Some(first), Some(CallId(99)))),
        Err(Refused::UnknownCall(CallId(99)))
    );
}

#[test]
fn who_wants_to_transfer_us_is_answered_at_once_and_the_user_is_asked() {
    let (mut bench, call, dialog) = talking();
    assert_eq!(bench.refer_us(&dialog, 2, "<sip:1003@pbx.example>"), 202);
    let to = "1003".to_owned();
    assert_eq!(bench.events, [Event::TransferAsked { call, to }]);
    assert_eq!(bench.told_by_us(), "100");
    assert!(bench.says_nothing());
    bench.run(SECOND * 61);
    assert_eq!(bench.told_by_us(), "603");
    assert_eq!(bench.call(call).state, CallState::Active);
}

#[test]
fn a_transfer_that_the_user_accepts_is_called_and_told_about_until_it_is_answered() {
    let (mut bench, call, dialog) = talking();
    bench.refer_us(
        &dialog,
        2,
        "<sip:1003@pbx.example?Replaces=x%3Bto-tag%3Dt%3Bfrom-tag%3Df>",
    );
    assert_eq!(bench.told_by_us(), "100");
    let new = bench
        .command(Command::AcceptTransfer { call: None })
        .unwrap()
        .call
        .unwrap();
    let invite = bench.new_invite();
    assert_eq!(invite.uri.to_string(), "sip:1003@pbx.example");
    assert_eq!(invite.headers.get(HeaderName::Replaces), Some("x;to-tag=t;from-tag=f"));
    assert!(invite.headers.requires("replaces"));
    assert_eq!(
        invite.headers.get(HeaderName::ReferredBy),
        Some("<sip:1002@pbx.example>")
    );
    bench.reply(&invite, 180, "c", None);
    assert_eq!(bench.told_by_us(), "180");
    bench.reply(&invite, 200, "c", Some(ANSWER));
    assert_eq!(bench.told_by_us(), "200");
    assert_eq!(bench.call(new).state, CallState::Active);
    bench.run(SECOND * 11);
    let bye = bench.request(Method::Bye);
    assert_eq!(bye.call_id, dialog.call_id);
    assert_eq!(bench.call(call).state, CallState::Ended);
}

#[test]
fn a_transfer_of_us_that_fails_is_told_and_the_call_goes_on() {
    let (mut bench, call, dialog) = talking();
    bench.refer_us(&dialog, 2, "<sip:1003@pbx.example>");
    assert_eq!(bench.told_by_us(), "100");
    bench.command(Command::AcceptTransfer { call: Some(call) }).unwrap();
    let invite = bench.new_invite();
    bench.reply(&invite, 486, "c", None);
    assert_eq!(bench.told_by_us(), "486");
    let resume = bench.request(Method::Invite);
    bench.reply(&resume, 200, "b", Some(ANSWER));
    assert_eq!(bench.call(call).state, CallState::Active);
}

#[test]
fn news_of_a_transfer_that_another_request_overtook_is_told_again() {
    let (mut bench, call, dialog) = talking();
    bench.refer_us(&dialog, 2, "<sip:1003@pbx.example>");
    assert_eq!(bench.told_by_us(), "100");
    bench.command(Command::RefuseTransfer { call: Some(call) }).unwrap();
    for _ in 0..5 {
        let notify = bench.request(Method::Notify);
        assert!(std::str::from_utf8(&notify.body).unwrap().starts_with("SIP/2.0 603"));
        bench.reply(&notify, 500, "b", None);
    }
    assert_eq!(bench.told_by_us(), "603");
    bench.run(SECOND * 11);
    assert_eq!(bench.refer_us(&dialog, 3, "<sip:1004@pbx.example>"), 202);
}

#[test]
fn the_policy_may_follow_or_refuse_a_transfer_without_asking() {
    let with = |transfers| {
        let mut config = plain();
        config.transfers = transfers;
        talking_on(Bench::with(config))
    };
    let (mut bench, _, dialog) = with(TransferPolicy::Follow);
    assert_eq!(bench.refer_us(&dialog, 2, "<sip:1003@pbx.example>"), 202);
    bench.request(Method::Invite);
    let (mut bench, _, dialog) = with(TransferPolicy::Refuse);
    assert_eq!(bench.refer_us(&dialog, 2, "<sip:1003@pbx.example>"), 603);
    assert!(bench.events.is_empty() && bench.says_nothing());
}

#[test]
fn a_policy_that_follows_still_asks_before_a_premium_number_or_a_call_for_help() {
    for number in ["09001234", "112"] {
        let mut config = plain();
        config.transfers = TransferPolicy::Follow;
        let (mut bench, call, dialog) = talking_on(Bench::with(config));
        bench.refer_us(&dialog, 2, &format!("<sip:{number}@pbx.example>"));
        let to = number.to_owned();
        assert_eq!(bench.events, [Event::TransferAsked { call, to }]);
        assert_eq!(bench.phone.view(bench.now).calls.len(), 1, "{number} is not called");
    }
}

#[test]
fn a_transfer_that_cannot_be_is_refused_by_what_is_wrong_and_asks_nobody() {
    for (to, status) in [
        ("<http://example.org/>", 416),
        ("<mailto:x@example.org>", 416),
        ("<sip:1003@pbx.example;method=BYE>", 501),
        ("<sip:1003@pbx.example?Replaces=x>", 400),
        ("][", 400),
    ] {
        let (mut bench, _, dialog) = talking();
        assert_eq!(bench.refer_us(&dialog, 2, to), status, "{to}");
        assert!(bench.events.is_empty() && bench.says_nothing(), "{to}");
    }
    let (mut bench, _, dialog) = talking();
    bench.refer_us(&dialog, 2, "<sip:1003@pbx.example>");
    assert_eq!(bench.refer_us(&dialog, 3, "<sip:1004@pbx.example>"), 491);
    bench.command(Command::RefuseTransfer { call: None }).unwrap();
    assert_eq!(
        bench.command(Command::AcceptTransfer { call: None }),
        Err(Refused::WrongState("not being transferred"))
    );
}

/// An INVITE that wants the place of the call in `dialog`.
fn replacing(bench: &mut Bench, dialog: &Dialog, flag: &str) -> Request {
    let mut invite = bench.invite("new", Some(ANSWER));
    let (to, from) = (dialog.ours.tag().unwrap(), dialog.pbx.tag().unwrap());
    let value = format!("{};to-tag={to};from-tag={from}{flag}", dialog.call_id);
    invite.headers.push(HeaderName::Replaces, value);
    invite.headers.push(HeaderName::Require, "replaces");
    invite
}

#[test]
fn an_invite_that_replaces_a_call_is_answered_without_ringing_and_the_old_one_is_hung_up() {
    let (mut bench, old, dialog) = talking();
    let invite = replacing(&mut bench, &dialog, "");
    bench.ask(&invite);
    assert_eq!(bench.final_response().status.code(), 200);
    let bye = bench.request(Method::Bye);
    assert_eq!(bye.call_id, dialog.call_id);
    assert!(
        bench
            .events
            .iter()
            .any(|event| matches!(event, Event::Incoming { replaces: Some(id), .. } if *id == old))
    );
    let calls = bench.phone.view(bench.now).calls;
    let states: Vec<CallState> = calls.iter().map(|call| call.state).collect();
    assert_eq!(states, [CallState::Ended, CallState::Active]);
    assert!(bench.sounds().iter().all(|(_, sound)| *sound == PhoneSound::Silence));
}

#[test]
fn who_takes_the_place_of_a_muted_or_held_call_is_muted_or_held() {
    let (mut bench, _, dialog) = talking();
    bench.command(Command::Mute { call: None, on: true }).unwrap();
    bench.command(Command::Hold { call: None }).unwrap();
    let hold = bench.request(Method::Invite);
    bench.reply(&hold, 200, "b", Some(&described(HOLD)));
    bench.request(Method::Ack);
    let invite = replacing(&mut bench, &dialog, "");
    bench.ask(&invite);
    let ok = bench.final_response();
    assert!(std::str::from_utf8(&ok.body).unwrap().contains("a=sendonly"));
    let calls = bench.phone.view(bench.now).calls;
    let new = calls.last().unwrap();
    assert_eq!((new.held_by, new.muted), (HeldBy::Us, true));
}

#[test]
fn a_call_that_we_place_may_be_replaced_while_it_rings_and_one_that_rings_here_may_not() {
    let mut bench = Bench::new();
    let old = bench.dial("1002");
    let ours = bench.request(Method::Invite);
    bench.reply(&ours, 180, "b", None);
    let invite = replacing(&mut bench, &Dialog::placed(&ours, "b"), ";early-only");
    bench.ask(&invite);
    assert_eq!(bench.final_response().status.code(), 200);
    bench.request(Method::Cancel);
    assert_eq!(bench.call(old).state, CallState::Ended);

    let mut bench = Bench::new();
    let ringing = bench.invite("x", Some(ANSWER));
    bench.ask(&ringing);
    let tagged = std::iter::from_fn(|| Some(bench.response())).find(|response| response.status.code() == 180);
    let dialog = Dialog::taken(&tagged.unwrap());
    let invite = replacing(&mut bench, &dialog, "");
    bench.ask(&invite);
    assert_eq!(bench.final_response().status.code(), 481);
    assert_eq!(bench.phone.view(bench.now).calls.len(), 1);
}

#[test]
fn guessed_tags_replace_nothing() {
    let (mut bench, call, dialog) = talking();
    for (value, status) in [
        (format!("{};to-tag=a;from-tag=b", dialog.call_id), 481),
        (
            format!("{};to-tag={};from-tag=c", dialog.call_id, dialog.ours.tag().unwrap()),
            481,
        ),
        (
            format!("{};to-tag=b;from-tag={}", dialog.call_id, dialog.ours.tag().unwrap()),
            481,
        ),
        (format!("other;to-tag={};from-tag=b", dialog.ours.tag().unwrap()), 481),
        ("x".to_owned(), 400),
        (format!("{};to-tag={}", dialog.call_id, dialog.ours.tag().unwrap()), 400),
    ] {
        let mut invite = bench.invite(&format!("guess{status}{value}"), Some(ANSWER));
        invite.headers.push(HeaderName::Replaces, &value);
        bench.ask(&invite);
        assert_eq!(bench.final_response().status.code(), status, "{value}");
    }
    let mut twice = replacing(&mut bench, &dialog, "");
    twice.headers.push(HeaderName::Replaces, "x;to-tag=a;from-tag=b");
    bench.ask(&twice);
    assert_eq!(bench.final_response().status.code(), 400);
    let early = replacing(&mut bench, &dialog, ";early-only");
    bench.ask(&early);
    assert_eq!(bench.final_response().status.code(), 486);
    assert_eq!(bench.call(call).state, CallState::Active);
    assert!(bench.events.is_empty());
}

#[test]
fn an_offer_that_cannot_be_answered_replaces_nothing() {
    let (mut bench, call, dialog) = talking();
    let mut invite = replacing(&mut bench, &dialog, "");
    invite.set_body("application/sdp", ANSWER.replace("RTP/AVP 8 101", "RTP/SAVP 8 101"));
    bench.ask(&invite);
    assert_eq!(bench.final_response().status.code(), 488);
    assert_eq!(bench.call(call).state, CallState::Active);
}
