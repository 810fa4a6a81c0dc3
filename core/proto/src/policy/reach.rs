//! What becomes of a call that comes in, before anybody is rung: do not disturb, and forwarding.
//!
//! The phone does it itself, for one account: by 486 or 480, and by 302. What the PBX does of the same kind is switched by
//! its feature codes, and neither knows of the other.

use crate::view::ForwardView;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a phone rings before a call is forwarded that nobody takes, in seconds, where nothing else is said.
pub const PATIENCE: u32 = 20;

/// What it may be.
pub const PATIENCE_RANGE: std::ops::RangeInclusive<u32> = 3..=120;

/// The user's rules for one account.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// Do not disturb: the status that callers get.
    pub dnd: Option<u16>,
    /// Where calls go instead.
    pub forward: Forwarding,
}

/// Where calls go instead, each as typed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Forwarding {
    /// Each of them.
    pub always: Option<String>,
    /// One that comes while another is there, or while nobody is to be disturbed.
    pub busy: Option<String>,
    /// One that nobody takes.
    pub no_answer: Option<String>,
    /// How long it rings before that, in seconds.
    pub after: Option<u32>,
}

/// When a call is forwarded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForwardWhen {
    /// At once, each of them.
    Always,
    /// While another call is there.
    Busy,
    /// After it has rung for a while.
    NoAnswer,
}

/// What becomes of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It rings; after that long it goes there.
    Ring(Option<(Duration, String)>),
    /// It is turned away with this status.
    Refuse(u16),
    /// It goes there at once.
    Forward(ForwardWhen, String),
}

impl Rules {
    /// What becomes of a call that comes in; `is_busy` says whether another one is there.
    pub fn judge(&self, is_busy: bool) -> Verdict {
        if let Some(to) = &self.forward.always {
            return Verdict::Forward(ForwardWhen::Always, to.clone());
        }
        let is_busy = is_busy || self.dnd.is_some();
        if let Some(to) = self.forward.busy.as_ref().filter(|_| is_busy) {
            return Verdict::Forward(ForwardWhen::Busy, to.clone());
        }
        match (self.dnd, &self.forward.no_answer) {
            (Some(code), _) => Verdict::Refuse(code),
            (None, Some(to)) => Verdict::Ring(Some((self.patience(), to.clone()))),
            (None, None) => Verdict::Ring(None),
        }
    }

    /// Sets where calls go, or that they do not.
    pub fn set_forward(&mut self, when: ForwardWhen, target: Option<String>, after: Option<u32>) {
        match when {
            ForwardWhen::Always => self.forward.always = target,
            ForwardWhen::Busy => self.forward.busy = target,
            ForwardWhen::NoAnswer => {
                self.forward.after = after.or(self.forward.after).filter(|_| target.is_some());
                self.forward.no_answer = target;
            }
        }
    }

    fn patience(&self) -> Duration {
        let seconds = self.forward.after.unwrap_or(PATIENCE);
        Duration::from_secs(seconds.clamp(*PATIENCE_RANGE.start(), *PATIENCE_RANGE.end()).into())
    }
}

impl From<Forwarding> for ForwardView {
    fn from(forward: Forwarding) -> Self {
        Self {
            always: forward.always,
            busy: forward.busy,
            no_answer: forward.no_answer,
            after: forward.after,
        }
    }
}

impl ForwardWhen {
    /// The reason in Diversion (RFC 5806 5.1).
    pub const fn diversion(self) -> &'static str {
        match self {
            Self::Always => "unconditional",
            Self::Busy => "user-busy",
            Self::NoAnswer => "no-answer",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(number: &str) -> Option<String> {
        Some(number.to_owned())
    }

    #[test]
    fn always_goes_before_busy_and_busy_before_no_answer() {
        let mut rules = Rules::default();
        assert_eq!(rules.judge(true), Verdict::Ring(None));
        rules.set_forward(ForwardWhen::NoAnswer, to("3"), None);
        assert_eq!(
            rules.judge(true),
            Verdict::Ring(Some((Duration::from_secs(20), "3".to_owned())))
        );
        rules.set_forward(ForwardWhen::Busy, to("2"), None);
        assert_eq!(rules.judge(true), Verdict::Forward(ForwardWhen::Busy, "2".to_owned()));
        assert!(matches!(rules.judge(false), Verdict::Ring(Some(_))));
        rules.set_forward(ForwardWhen::Always, to("1"), None);
        assert_eq!(
            rules.judge(false),
            Verdict::Forward(ForwardWhen::Always, "1".to_owned())
        );
    }

    #[test]
    fn who_is_not_to_be_disturbed_is_busy() {
        let mut rules = Rules {
            dnd: Some(480),
            ..Rules::default()
        };
        assert_eq!(rules.judge(false), Verdict::Refuse(480));
        rules.set_forward(ForwardWhen::Busy, to("2"), None);
        assert_eq!(rules.judge(false), Verdict::Forward(ForwardWhen::Busy, "2".to_owned()));
    }
}
