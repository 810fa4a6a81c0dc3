//! Do not disturb and forwarding: what callers get, what the user is told, and what is remembered.

use super::*;
use crate::policy::reach::ForwardWhen;
use crate::view::CallEnd;

impl Bench {
    fn dnd(&mut self, on: bool, code: Option<u16>) -> Result<Accepted, Refused> {
        let account = None;
        self.command(Command::Dnd { on, code, account })
    }

    fn forward(&mut self, when: ForwardWhen, target: Option<&str>, after: Option<u32>) -> Result<Accepted, Refused> {
        let target = target.map(str::to_owned);
        self.command(Command::Forward {
            when,
            target,
            after,
            account: None,
        })
    }

    /// Somebody calls; what they get at last, if anything yet.
    fn called(&mut self, call: &str, lines: &[(&str, &str)]) -> Option<Response> {
        self.said.clear();
        let mut invite = self.invite(call, Some(ANSWER));
        for (name, value) in lines {
            invite.headers.push(HeaderName::new(name), value);
        }
        self.ask(&invite);
        self.last_final()
    }

    fn last_final(&mut self) -> Option<Response> {
        let mut last = None;
        while let Some(said) = self.said.pop_front() {
            if let Message::Response(response) = said.message
                && response.status.is_final()
            {
                last = Some(response);
            }
        }
        last
    }
}

fn status(response: Option<Response>) -> Option<u16> {
    response.map(|response| response.status.code())
}

#[test]
fn callers_are_turned_away_and_the_user_is_told_and_not_rung() {
    for (code, given) in [(None, 486), (Some(480), 480)] {
        let mut bench = Bench::new();
        bench.dnd(true, code).unwrap();
        assert_eq!(status(bench.called("in", &[])), Some(given));
        assert!(bench.sounds().is_empty());
        let told = bench.events.iter().find_map(|event| match event {
            Event::TurnedAway { from, code, to, .. } => Some((from.as_str(), *code, to.clone())),
            _ => None,
        });
        assert_eq!(told, Some(("Anna <1002>", given, None)));
        bench.dnd(false, None).unwrap();
        assert_eq!(status(bench.called("again", &[])), None, "it rings");
    }
    assert_eq!(Bench::new().dnd(true, Some(603)), Err(Refused::DndCode(603)));
}

#[test]
fn every_call_goes_elsewhere_and_says_who_sent_it() {
    let mut bench = Bench::new();
    bench.forward(ForwardWhen::Always, Some("020 123 45 67"), None).unwrap();
    let before = "<sip:1000@pbx.example>;reason=user-busy";
    let moved = bench.called("in", &[("Diversion", before)]).unwrap();
    assert_eq!(moved.status.code(), 302);
    assert_eq!(
        moved.headers.contacts().first().unwrap().to_string(),
        "<sip:0201234567@pbx.example>"
    );
    let diversions: Vec<&str> = moved.headers.all(HeaderName::Diversion).collect();
    assert_eq!(
        diversions,
        ["<sip:1001@pbx.example>;reason=unconditional;counter=1", before]
    );
    assert!(bench.phone.view(bench.now).calls.is_empty());
    bench.forward(ForwardWhen::Always, None, None).unwrap();
    assert_eq!(status(bench.called("again", &[])), None);
}

#[test]
fn only_a_second_call_goes_elsewhere_when_busy() {
    let mut bench = Bench::new();
    bench.forward(ForwardWhen::Busy, Some("1005"), None).unwrap();
    assert_eq!(status(bench.called("first", &[])), None, "nobody is there yet");
    assert_eq!(status(bench.called("second", &[])), Some(302));
}

#[test]
fn a_call_that_nobody_takes_goes_elsewhere_after_its_time() {
    let mut bench = Bench::new();
    bench.forward(ForwardWhen::NoAnswer, Some("1005"), Some(10)).unwrap();
    assert_eq!(status(bench.called("in", &[])), None);
    bench.run(SECOND * 9);
    assert_eq!(bench.last_final(), None);
    bench.run(SECOND * 2);
    let moved = bench.last_final().unwrap();
    assert_eq!(moved.status.code(), 302);
    assert!(
        moved
            .headers
            .get(HeaderName::Diversion)
            .unwrap()
            .contains("reason=no-answer")
    );
    assert_eq!(bench.end(), (Some(302), Some("Forwarded to 1005.".to_owned())));
    assert!(bench.events.iter().any(|event| matches!(
        event,
        Event::Call {
            end: Some(CallEnd::Forwarded),
            ..
        }
    )));
}

#[test]
fn a_call_that_was_answered_in_time_goes_nowhere() {
    let mut bench = Bench::new();
    bench.forward(ForwardWhen::NoAnswer, Some("1005"), Some(10)).unwrap();
    bench.called("in", &[]);
    let others = Others::Hold;
    bench.command(Command::Answer { call: None, others }).unwrap();
    let ok = bench.last_final().unwrap();
    let mut ack = bench.inside(Method::Ack, &Dialog::taken(&ok), 1);
    ack.headers.remove(HeaderName::Contact);
    bench.ask(&ack);
    bench.run(SECOND * 30);
    let call = bench.phone.view(bench.now).calls[0].id;
    assert_eq!(bench.call(call).state, CallState::Active);
}

#[test]
fn a_call_that_comes_round_in_circles_rings() {
    let mut bench = Bench::new();
    bench.forward(ForwardWhen::Always, Some("1005"), None).unwrap();
    let ours = "<sip:1001@pbx.example>;reason=unconditional";
    assert_eq!(status(bench.called("in", &[("Diversion", ours)])), None);
}

#[test]
fn what_cannot_be_forwarded_to_is_refused_and_changes_nothing() {
    let mut bench = Bench::new();
    for target in ["1001", "112", "020,,12", "not a number"] {
        let refused = bench.forward(ForwardWhen::Always, Some(target), None);
        assert!(matches!(refused, Err(Refused::Target(_))), "{target}: {refused:?}");
    }
    let refused = bench.forward(ForwardWhen::NoAnswer, Some("1005"), Some(600));
    assert_eq!(refused, Err(Refused::Patience(600)));
    let account = bench.phone.view(bench.now).accounts[0].clone();
    assert_eq!((account.dnd, account.forward), (None, ForwardView::default()));
}

#[test]
fn the_rules_are_seen_and_survive_a_restart() {
    let mut bench = Bench::new();
    bench.dnd(true, None).unwrap();
    bench.forward(ForwardWhen::NoAnswer, Some("1005"), Some(30)).unwrap();
    let memory = bench.wishes.iter().rev().find_map(|wish| match wish {
        Output::Remember { memory, .. } => Some(AccountMemory::clone(memory)),
        _ => None,
    });
    let mut next = Bench::unregistered();
    next.add(plain(), memory.unwrap());
    let rules = next.phone.view(next.now).accounts[0].clone();
    assert_eq!(rules.dnd, Some(486));
    assert_eq!(rules.forward.no_answer.as_deref(), Some("1005"));
    assert_eq!(rules.forward.after, Some(30));
    assert_eq!(status(next.called("in", &[])), Some(486));
}
