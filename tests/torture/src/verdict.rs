//! What the phone does with a datagram, by the very functions that its endpoint calls, and rows to hold it against.

use toestel_proto::sip::admission::{Capabilities, admit, admit_response};
use toestel_proto::sip::msg::Message;
use toestel_proto::sip::parse;

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Well formed, and handed on to its dialog, user or transaction.
    Admitted,
    /// Well formed, and answered with this code before anyone is asked.
    Answered(u16),
    /// Well formed, and not for us: ignored.
    Ignored,
    /// Malformed, and answered with this code.
    Refused(u16),
    /// Malformed, and dropped in silence.
    Dropped,
}

/// One verdict: the message, where the RFC speaks of it, what it says should happen, and why where it leaves a choice.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The name of the message in the RFC.
    pub name: &'static str,
    /// The section of the RFC.
    pub section: &'static str,
    /// What the RFC says should happen.
    pub verdict: Verdict,
    /// What in the message decides it; for a choice that the RFC leaves, why it was made so.
    pub because: &'static str,
}

/// What the phone does with `datagram`.
pub fn judge(datagram: &[u8]) -> Verdict {
    match parse::datagram(datagram) {
        Ok(Message::Request(request)) => match admit(&request, &Capabilities::PHONE) {
            Ok(()) => Verdict::Admitted,
            Err(rejection) => Verdict::Answered(rejection.status.code()),
        },
        Ok(Message::Response(response)) => match admit_response(&response) {
            Ok(()) => Verdict::Admitted,
            Err(_) => Verdict::Ignored,
        },
        Err(refusal) => match refusal.response("torture") {
            Some(_) => refusal
                .status
                .map_or(Verdict::Dropped, |status| Verdict::Refused(status.code())),
            None => Verdict::Dropped,
        },
    }
}
