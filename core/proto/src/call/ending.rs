//! How a call ends, and why, as a sentence: what happened and, where there is one, the next step.
//!
//! The PBX's own phrase is never shown alone: "Not Acceptable Here" helps nobody. A Reason with a Q.850 cause, which
//! comes from the telephone network, says more than the status and is preferred.

use super::placing::Placing;
use super::{Call, Output, PhoneSound, Turn};
use crate::sip::msg::{Reason, StatusCode, Warning};
use crate::sip::session::{Ended, EndedBy};
use crate::time::Instant;
use crate::view::CallEnd;

impl Call {
    /// How it ended.
    pub(super) fn end(&self) -> CallEnd {
        if self.progress.answered_at.is_some() {
            CallEnd::Answered
        } else if self.is_outgoing() {
            CallEnd::Unanswered
        } else {
            self.let_go.unwrap_or(CallEnd::Missed)
        }
    }

    /// The call is over for the user.
    pub(super) fn ended(&mut self, code: Option<u16>, reason: Option<String>, now: Instant) {
        if self.progress.ended_at.is_some() {
            return;
        }
        self.progress.ended_at = Some(now);
        self.placing = Placing::Done;
        (self.transfer, self.referred) = (None, None);
        self.answer_wanted = false;
        self.progress.released |= self.session.is_none();
        if self.is_known {
            self.outputs.push_back(Output::Sound(PhoneSound::Silence));
            self.outputs.push_back(Output::ClosePath);
        }
        self.announce(code, reason);
    }

    /// We end it, because of something that the user must know.
    pub(super) fn end_with(&mut self, why: String, turn: &mut Turn<'_>) {
        if let Some(session) = &mut self.session {
            session.hangup(None, turn.now);
        }
        self.ended(None, Some(why), turn.now);
    }
}

/// The sentence for `ended`; `None` for an ordinary hang-up.
pub(super) fn sentence(ended: &Ended, answered: bool) -> Option<String> {
    if let Some(known) = ended.reasons.iter().find_map(|reason| from_reason(reason, answered)) {
        return Some(known.to_owned());
    }
    let sentence = match ended.by {
        EndedBy::Us => return None,
        EndedBy::Them => match ended.status {
            Some(status) => return Some(from_status(status, &ended.phrase, &ended.warnings)),
            None if answered => return None,
            None if is_elsewhere(ended) => "Declined elsewhere.",
            None => "The caller hung up.",
        },
        EndedBy::NoResponse => "The PBX did not answer. Check the connection, or try again in a minute.",
        EndedBy::NoAck => "The far end never confirmed the answer, so the call was ended.",
        EndedBy::NoPrack => "The far end never confirmed the ringing, so the call was ended.",
        EndedBy::Unanswered => "Nobody answered in time.",
        EndedBy::Expired => "The call was not confirmed in time, so it was ended: the network was probably cut.",
        EndedBy::Gone => "The PBX does not know the call any more. Call again.",
        EndedBy::FlowLost => "The connection to the PBX was lost. Call again when it is back.",
        EndedBy::Protocol(_) => "The far end broke the rules of call set-up. Tell whoever runs the PBX.",
    };
    Some(sentence.to_owned())
}

/// Whether another phone of the same people has decided the call (RFC 3326): it took it, or turned it down for all.
pub(super) fn is_elsewhere(ended: &Ended) -> bool {
    let decides = |reason: &Reason| match (reason.protocol.to_ascii_uppercase().as_str(), reason.cause) {
        ("SIP", Some(cause)) => matches!(cause, 200 | 486 | 600 | 603),
        // "Non-selected user clearing".
        ("Q.850", cause) => cause == Some(26),
        _ => false,
    };
    ended.by == EndedBy::Them && ended.reasons.iter().any(decides)
}

/// What is heard when a call that we placed comes to nothing; `None` if we gave it up ourselves.
pub(super) fn tone(ended: &Ended) -> Option<PhoneSound> {
    let busy_line = |reason: &Reason| reason.protocol.eq_ignore_ascii_case("Q.850") && reason.cause == Some(17);
    match ended.status.map(StatusCode::code) {
        _ if ended.by == EndedBy::Us => None,
        Some(486 | 600) => Some(PhoneSound::Busy),
        _ if ended.reasons.iter().any(busy_line) => Some(PhoneSound::Busy),
        _ => Some(PhoneSound::Failed),
    }
}

fn from_reason(reason: &Reason, answered: bool) -> Option<&'static str> {
    if reason.protocol.eq_ignore_ascii_case("SIP") && reason.cause == Some(200) {
        return Some("Answered elsewhere.");
    }

    if !reason.protocol.eq_ignore_ascii_case("Q.850") {
        return None;
    }
    Some(match reason.cause? {
        1 => "That number does not exist. Check it.",
        3 | 25 | 27 | 38 | 41 => "The telephone network cannot reach that number now. Try again later.",
        16 if answered => return None,
        17 => "The line is busy.",
        18 | 19 => "Nobody answered.",
        20 => "That phone is switched off or out of reach.",
        21 => "The call was declined.",
        22 => "That number has changed.",
        26 => "Answered elsewhere.",
        28 => "That number is not complete. Check it.",
        34 | 42 | 44 | 47 => "All lines are taken. Try again in a minute.",
        50 | 57 | 63 => "This account may not make that call. Ask whoever runs the PBX.",
        _ => return None,
    })
}

fn from_status(status: StatusCode, phrase: &str, warnings: &[Warning]) -> String {
    let known = match status.code() {
        300..=399 => "The number has moved, and the PBX gave no place where it may be called.",
        401 | 407 => "The PBX did not accept the password for this call. Check the account.",
        403 => "The PBX does not allow this call. Ask whoever runs it.",
        404 | 604 => "That number does not exist. Check it.",
        408 | 504 => "The far end cannot be reached. Try again later.",
        410 => "That number is no longer in use.",
        415 | 488 | 606 => return not_acceptable(warnings),
        480 => "Nobody can take the call now.",
        482 | 483 => "The PBX sends the call round in circles. Tell whoever runs it.",
        484 => "That number is not complete. Check it.",
        486 | 600 => "The line is busy.",
        487 => "The call was cancelled.",
        500 | 502 | 513 | 580 => "The PBX has a fault. Try again, and tell whoever runs it if it stays.",
        503 => "The PBX is overloaded. Try again in a minute.",
        603 | 607 | 608 => "The call was declined.",
        _ => return format!("The call failed: {} {}.", status.code(), plain(phrase)),
    };
    known.to_owned()
}

/// The sentence for a transfer that came to nothing.
pub(super) fn refused_transfer(status: StatusCode) -> String {
    let why = match status.code() {
        401 | 403 | 405 | 407 | 501 | 603 => "The PBX does not allow this transfer.",
        404 | 484 | 604 => "The number to transfer to does not exist.",
        486 | 600 => "The line to transfer to is busy.",
        408 | 480 | 487 => "Nobody answered the transfer.",
        _ => return format!("The transfer failed ({status}). The call is still here."),
    };
    format!("{why} The call is still here.")
}

fn not_acceptable(warnings: &[Warning]) -> String {
    let codes: Vec<u16> = warnings.iter().map(|warning| warning.code).collect();
    if codes.iter().any(|code| matches!(code, 304 | 305)) {
        "The far end takes none of our codecs. Allow G.711 for this account.".to_owned()
    } else {
        "The far end refused the sound as it was offered, by its codec or its encryption: \
         compare the account's codecs and media setting with the PBX."
            .to_owned()
    }
}

/// A phrase from outside, without what could break a line or hide text.
fn plain(phrase: &str) -> String {
    phrase
        .chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .take(60)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_networks_cause_says_more_than_the_status() {
        let busy = Reason {
            protocol: "Q.850".to_owned(),
            cause: Some(17),
            text: None,
        };
        assert_eq!(from_reason(&busy, false), Some("The line is busy."));
    }

    #[test]
    fn every_failure_status_has_a_sentence_that_ends() {
        for code in 300..700 {
            let text = from_status(StatusCode::new(code).unwrap(), "No\u{202e}pe\r\n", &[]);
            assert!(text.ends_with('.') && text.is_ascii(), "{code}: {text}");
        }
    }
}
