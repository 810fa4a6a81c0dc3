//! The shape of a probe's verdict: what `toestel probe` prints and what `agent` answers to `probe`.
//!
//! Each machine has its own `probe` module that runs the very code of a call and reports in this form.

use serde::Serialize;

/// What a machine makes of one input.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It goes on to whom it is for, or is turned away only because a phone does not do what it asks.
    Accept,
    /// It is malformed, or would be refused.
    Reject,
    /// It is well-formed, but not for this session: it would be ignored.
    Drop,
}

/// A verdict, its reason, and what was understood.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report<T> {
    /// The verdict.
    pub verdict: Verdict,
    /// The reason in a few words.
    pub why: String,
    /// What was read; absent where nothing could be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoded: Option<T>,
}

impl<T> Report<T> {
    /// A verdict on something that was read.
    pub fn new(verdict: Verdict, why: impl ToString, decoded: T) -> Self {
        Self {
            verdict,
            why: why.to_string(),
            decoded: Some(decoded),
        }
    }

    /// A refusal of something that could not be read.
    pub fn reject(why: impl ToString) -> Self {
        Self {
            verdict: Verdict::Reject,
            why: why.to_string(),
            decoded: None,
        }
    }
}
