//! Several calls at once: who is heard, who waits, and who is told.

use super::*;

impl Bench {
    /// Somebody else calls during a call.
    fn ring_too(&mut self) -> CallId {
        let invite = self.invite("second", Some(ANSWER));
        self.ask(&invite);
        let call = self.phone.view(self.now).calls.last().unwrap().id;
        assert_eq!(self.call(call).state, CallState::Ringing);
        self.said.clear();
        call
    }
}

#[test]
fn who_calls_during_a_call_knocks_and_does_not_ring() {
    let (mut bench, ..) = talking();
    let second = bench.ring_too();
    assert_eq!(bench.sounds(), [(second, PhoneSound::CallWaiting)]);
}

#[test]
fn answering_a_second_call_holds_the_first() {
    let (mut bench, first, _) = talking();
    let second = bench.ring_too();
    let others = Others::Hold;
    bench.command(Command::Answer { call: None, others }).unwrap();
    let hold = bench.request(Method::Invite);
    assert!(std::str::from_utf8(&hold.body).unwrap().contains("a=sendonly"));
    bench.reply(&hold, 200, "b", Some(&described("recvonly")));
    assert_eq!(bench.call(first).state, CallState::Held);
    assert_eq!(bench.call(second).state, CallState::Active);
}

#[test]
fn answering_a_second_call_can_end_the_first() {
    let (mut bench, first, dialog) = talking();
    let second = bench.ring_too();
    let others = Others::Hangup;
    bench
        .command(Command::Answer {
            call: Some(second),
            others,
        })
        .unwrap();
    assert_eq!(bench.request(Method::Bye).call_id, dialog.call_id);
    assert_eq!(bench.call(first).state, CallState::Ended);
    assert_eq!(bench.call(second).state, CallState::Active);
}

#[test]
fn a_second_call_can_be_sent_away_and_the_first_does_not_notice() {
    let (mut bench, first, _) = talking();
    let second = bench.ring_too();
    bench.command(Command::Reject { call: None, code: None }).unwrap();
    assert_eq!(bench.call(second).state, CallState::Ended);
    assert_eq!(
        (bench.call(first).state, bench.call(first).held_by),
        (CallState::Active, HeldBy::None)
    );
}

#[test]
fn dialling_holds_whoever_is_heard() {
    let (mut bench, first, _) = talking();
    let second = bench.dial("1004");
    assert_eq!(bench.call(first).held_by, HeldBy::Us);
    bench.command(Command::Hangup { call: Some(second) }).unwrap();
    assert_eq!(
        bench.call(first).held_by,
        HeldBy::Us,
        "the user takes the first back, not the phone"
    );
}

#[test]
fn taking_one_back_holds_the_other_so_that_the_two_are_swapped() {
    let (mut bench, first, _) = talking();
    let second = bench.ring_too();
    let others = Others::Hold;
    bench.command(Command::Answer { call: None, others }).unwrap();
    let hold = bench.request(Method::Invite);
    bench.reply(&hold, 200, "b", Some(&described("recvonly")));
    let held = |bench: &Bench| [first, second].map(|call| bench.call(call).held_by == HeldBy::Us);
    assert_eq!(held(&bench), [true, false]);
    bench.command(Command::Resume { call: Some(first) }).unwrap();
    assert_eq!(held(&bench), [false, true]);
    bench.command(Command::Resume { call: None }).unwrap();
    assert_eq!(held(&bench), [true, false], "the only one that waits is meant");
}

#[test]
fn nobody_can_be_taken_back_while_nobody_waits() {
    let (mut bench, first, _) = talking();
    let active = Err(Refused::WrongState("active"));
    assert_eq!(bench.command(Command::Resume { call: None }), active);
    assert_eq!(bench.command(Command::Resume { call: Some(first) }), active);
    bench.ring_too();
    assert_eq!(bench.command(Command::Resume { call: None }), Err(Refused::WhichCall));
}
