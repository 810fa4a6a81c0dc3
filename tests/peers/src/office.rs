//! Three of our phones at one Asterisk, and what they do with each other.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::agent::{Account, Agent, SOON};
use crate::asterisk::Asterisk;
use crate::lab::Lab;
use crate::process::poll;

/// The phones 201, 202 and 203, registered.
pub fn office(name: &str) -> (Arc<Lab>, Asterisk, [Agent; 3]) {
    let lab = Lab::new(name);
    let asterisk = Asterisk::start(&lab);
    let phones = ["201", "202", "203"].map(|user| {
        let mut phone = Agent::start_in(&lab, &lab.home, &Account::at_asterisk(&lab, user), user);
        phone.event("registered");
        phone
    });
    (lab, asterisk, phones)
}

/// Both hear packets that were sent from now on.
pub fn talk(one: &mut Agent, two: &mut Agent) {
    for phone in [one, two] {
        let before = received(&phone.stats());
        phone.stats_where(SOON, |stats| received(stats) > before + 50);
    }
}

fn received(stats: &Value) -> u64 {
    stats["received"]
        .as_u64()
        .unwrap_or_else(|| panic!("no received in {stats}"))
}

impl Agent {
    /// It calls `other`, who has this number and answers; the other's number of the call.
    pub fn calls(&mut self, other: &mut Self, number: &str) -> i64 {
        let ours = self.dial(number);
        let theirs = other.is_rung();
        other.tell(json!({ "cmd": "answer", "call": theirs }));
        other.call_is(theirs, "active");
        self.call_is(ours, "active");
        // Asterisk refuses to transfer whom it has not quite connected yet.
        self.hears(ours);
        other.hears(theirs);
        theirs
    }

    /// It calls `other` about its only call, and `other` answers; its own number of the new call.
    pub fn consults(&mut self, other: &mut Self, number: &str) -> i64 {
        let answer = self.tell(json!({ "cmd": "consult", "target": number }));
        other.is_rung();
        other.order("answer");
        let call = number_in(&answer);
        self.call_is(call, "active");
        call
    }

    /// Waits until sound comes in this call.
    fn hears(&mut self, call: i64) {
        let heard = poll(SOON, || {
            let stats = self.tell(json!({ "cmd": "stats", "call": call }));
            (received(&stats) > 5).then_some(())
        });
        assert!(heard.is_some(), "nothing is heard in call {call}");
    }

    /// Somebody calls it; its number of the call.
    pub fn is_rung(&mut self) -> i64 {
        number_in(&self.event("incoming"))
    }
}

fn number_in(line: &Value) -> i64 {
    line["call"].as_i64().unwrap_or_else(|| panic!("no call in {line}"))
}
