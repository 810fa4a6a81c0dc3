//! A 2xx of ours on its way: repeated until its ACK comes (RFC 3261 13.3.1.4).

use std::time::Duration;

use super::leg::{Flow, Leg, Over};
use super::outbox::Outbox;
use super::output::{Ended, EndedBy, Event};
use super::settings::{Settings, description};
use crate::sip::endpoint::ServerKey;
use crate::sip::msg::{Request, Response};
use crate::sip::offer_answer::{Carrier, Side};
use crate::time::{Instant, Wake};

/// A 2xx that waits for its ACK.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Accepted {
    key: ServerKey,
    response: Response,
    /// Whether it answers the INVITE that started the session.
    first: bool,
    interval: Duration,
    repeat_at: Instant,
    give_up_at: Instant,
}

impl Accepted {
    /// Sent at `now` for the first time.
    pub(super) fn new(key: ServerKey, response: Response, first: bool, settings: &Settings, now: Instant) -> Self {
        Self {
            key,
            response,
            first,
            interval: settings.t1,
            repeat_at: now + settings.t1,
            give_up_at: now + settings.patience(),
        }
    }

    pub(super) fn wake(&self) -> Wake {
        Wake::new(self.repeat_at.min(self.give_up_at), "2xx without ACK")
    }
}

impl Leg {
    /// An ACK of the other side: ends the repetition, and may carry the answer to the offer in our 2xx.
    pub(super) fn handle_ack(&mut self, out: &mut Outbox, ack: &Request) -> Flow {
        let acked = |accepted: &mut Accepted| accepted.response.cseq.number == ack.cseq;
        let Some(accepted) = self.accepted.take_if(acked) else {
            return Flow::Continue(());
        };
        self.acknowledged(out, &accepted);
        if let Some(reason) = self.bye_due.take() {
            self.send_bye(out, reason);
            return Flow::Continue(());
        }
        let sdp = description(&ack.headers, &ack.body).unwrap_or_default();
        match self.exchange.carry(Side::Them, Carrier::Ack, sdp.is_some()) {
            Ok(meaning) => self.report(out, meaning, sdp),
            Err(misplaced) if !self.exchange.is_stable() => {
                return Over::with_bye(Ended::by(EndedBy::Protocol(misplaced)));
            }
            // A description where none is due: what was agreed holds.
            Err(_) => {}
        }
        Flow::Continue(())
    }

    /// The other side has our 2xx: by its ACK, or because it goes on as only one can who has it (RFC 5407 3.1).
    pub(super) fn acknowledged(&mut self, out: &mut Outbox, accepted: &Accepted) {
        if accepted.first && self.bye_due.is_none() {
            out.event(Event::Confirmed);
        }
    }

    /// Sends the 2xx again: after T1, doubling to T2, for 64*T1; then the call is hung up.
    pub(super) fn repeat_accepted(&mut self, out: &mut Outbox, now: Instant) -> Flow {
        let Some(accepted) = &mut self.accepted else {
            return Flow::Continue(());
        };
        if accepted.give_up_at <= now {
            self.accepted = None;
            return match self.bye_due.take() {
                Some(reason) => {
                    self.send_bye(out, reason);
                    Flow::Continue(())
                }
                None => Over::with_bye(Ended::by(EndedBy::NoAck)),
            };
        }
        if accepted.repeat_at <= now {
            accepted.interval = accepted.interval.saturating_mul(2).min(out.settings.t2);
            accepted.repeat_at = now + accepted.interval;
            out.respond(accepted.key, accepted.response.clone());
        }
        Flow::Continue(())
    }
}
