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

/// What was mixed last, since the last look.
fn mixed(bench: &mut Bench) -> Option<Vec<CallId>> {
    let wishes = std::mem::take(&mut bench.wishes);
    let mut sets = wishes.into_iter().filter_map(|wish| match wish {
        Output::Conference(calls) => Some(calls.into_iter().collect()),
        _ => None,
    });
    sets.next_back()
}

impl Bench {
    /// As many calls as that, each answered by the PBX; all but the last are on hold.
    fn several(&mut self, count: usize) -> Vec<CallId> {
        let mut calls = Vec::new();
        for number in 0..count {
            calls.push(self.dial(&format!("10{number:02}")));
            self.agree();
        }
        self.events.clear();
        self.wishes.clear();
        calls
    }

    /// The PBX agrees to whatever was offered.
    fn agree(&mut self) {
        while let Some(place) = self
            .said
            .iter()
            .position(|said| matches!(&said.message, Message::Request(request) if request.method == Method::Invite))
        {
            let Some(Said {
                message: Message::Request(invite),
                ..
            }) = self.said.remove(place)
            else {
                break;
            };
            let tag = invite.to.tag().map_or_else(|| invite.call_id.clone(), str::to_owned);
            let is_hold = std::str::from_utf8(&invite.body).unwrap().contains("a=sendonly");
            let answer = if is_hold {
                described("recvonly")
            } else {
                ANSWER.to_owned()
            };
            self.reply(&invite, 200, &tag, Some(&answer));
        }
    }

    fn is_held(&self, call: CallId) -> bool {
        self.call(call).held_by == HeldBy::Us
    }
}

#[test]
fn a_conference_takes_everybody_off_hold_and_mixes_them() {
    let mut bench = Bench::new();
    let calls = bench.several(3);
    bench.command(Command::Conference { calls: None }).unwrap();
    bench.agree();
    assert_eq!(mixed(&mut bench), Some(calls.clone()));
    assert!(calls.iter().all(|call| !bench.is_held(*call)));
    assert_eq!(bench.phone.view(bench.now).conference, calls);
    assert!(bench.events.contains(&Event::Conference { calls }));
}

#[test]
fn who_is_not_in_the_conference_is_on_hold_and_not_mixed() {
    let mut bench = Bench::new();
    let calls = bench.several(3);
    let pair = vec![calls[0], calls[2]];
    bench
        .command(Command::Conference {
            calls: Some(pair.clone()),
        })
        .unwrap();
    bench.agree();
    assert_eq!(mixed(&mut bench), Some(pair));
    assert!(bench.is_held(calls[1]));
}

#[test]
fn who_is_put_on_hold_hears_nobody_and_comes_back_into_the_conference() {
    let mut bench = Bench::new();
    let calls = bench.several(3);
    bench.command(Command::Conference { calls: None }).unwrap();
    bench.agree();
    bench.command(Command::Hold { call: Some(calls[0]) }).unwrap();
    bench.agree();
    assert_eq!(mixed(&mut bench), Some(calls[1..].to_vec()));
    assert_eq!(bench.phone.view(bench.now).conference, calls);
    bench.command(Command::Resume { call: Some(calls[0]) }).unwrap();
    bench.agree();
    assert_eq!(mixed(&mut bench), Some(calls.clone()));
    assert!(
        calls.iter().all(|call| !bench.is_held(*call)),
        "taking one back holds no other member"
    );
}

#[test]
fn a_conference_of_whom_all_but_one_have_left_is_an_ordinary_call() {
    let mut bench = Bench::new();
    let calls = bench.several(3);
    bench.command(Command::Conference { calls: None }).unwrap();
    bench.agree();
    bench.command(Command::Hangup { call: Some(calls[0]) }).unwrap();
    assert_eq!(mixed(&mut bench), Some(calls[1..].to_vec()));
    bench.command(Command::Hangup { call: Some(calls[1]) }).unwrap();
    assert_eq!(mixed(&mut bench), Some(vec![]));
    assert_eq!(bench.phone.view(bench.now).conference, []);
    assert_eq!(bench.call(calls[2]).state, CallState::Active);
    assert_eq!(bench.events.last(), Some(&Event::Conference { calls: vec![] }));
}

#[test]
fn turning_to_a_call_outside_holds_the_whole_conference_and_ending_it_holds_everybody() {
    let mut bench = Bench::new();
    let calls = bench.several(3);
    let pair = vec![calls[0], calls[1]];
    bench
        .command(Command::Conference {
            calls: Some(pair.clone()),
        })
        .unwrap();
    bench.agree();
    bench.command(Command::Resume { call: Some(calls[2]) }).unwrap();
    bench.agree();
    assert_eq!(mixed(&mut bench), Some(vec![]));
    assert!(bench.is_held(calls[0]) && bench.is_held(calls[1]) && !bench.is_held(calls[2]));
    bench.command(Command::Conference { calls: Some(pair) }).unwrap();
    bench.agree();
    bench.command(Command::Conference { calls: Some(vec![]) }).unwrap();
    bench.agree();
    assert_eq!(mixed(&mut bench), Some(vec![]));
    assert!(calls.iter().all(|call| bench.is_held(*call)));
}

#[test]
fn a_conference_takes_two_to_four_answered_calls() {
    let mut bench = Bench::new();
    let calls = bench.several(5);
    let confer = |bench: &mut Bench, calls: Option<Vec<CallId>>| bench.command(Command::Conference { calls });
    assert_eq!(confer(&mut bench, None), Err(Refused::ConferenceSize(5)));
    assert_eq!(
        confer(&mut bench, Some(calls[..1].to_vec())),
        Err(Refused::ConferenceSize(1))
    );
    let ringing = bench.dial("1099");
    assert_eq!(
        confer(&mut bench, Some(vec![calls[0], ringing])),
        Err(Refused::WrongState("dialing"))
    );
    assert!(bench.phone.view(bench.now).conference.is_empty());
    assert!(confer(&mut bench, Some(calls[..4].to_vec())).is_ok());
}
