//! Calls between a phone and the exchange itself, and numbers that have moved.

use super::{SOON, Transition, Walk};
use crate::model::Call;
use crate::numbers;
use toestel_proto::phone::{CallState, Command, Others};

const ANSWER: Command = Command::Answer {
    call: None,
    others: Others::Hold,
};
const HANG_UP: Command = Command::Hangup { call: None };
const HOLD: Command = Command::Hold { call: None };
const RESUME: Command = Command::Resume { call: None };

impl Walk {
    pub(super) fn perform_with_exchange(&mut self, transition: Transition) {
        match transition {
            Transition::EarlyMedia => {
                let phone = self.hear_announcement();
                self.world.exchange_picks_up(phone);
                self.with_exchange(phone, true, CallState::Active);
                self.end_with_exchange(phone);
            }
            Transition::EarlyMediaGivenUp => {
                let phone = self.hear_announcement();
                self.end_with_exchange(phone);
            }
            Transition::CalledWithoutOffer => {
                let phone = self.be_called();
                self.command(phone, ANSWER);
                self.with_exchange(phone, false, CallState::Active);
                self.command(phone, HOLD);
                self.with_exchange(phone, false, CallState::Held);
                self.command(phone, RESUME);
                self.with_exchange(phone, false, CallState::Active);
                self.end_with_exchange(phone);
            }
            Transition::CalledWithoutOfferInVain => {
                let phone = self.be_called();
                self.end_with_exchange(phone);
            }
            Transition::DialMoved => {
                let caller = self.pair().0;
                // The exchange names the first phone that is there.
                let callee = self.registered().into_iter().find(|phone| *phone != caller);
                self.dial_to(caller, numbers::MOVED, callee.unwrap_or(0));
            }
            Transition::DialMovedInCircles => self.dial_in_vain(numbers::MOVED_IN_CIRCLES, 302, SOON),
            Transition::ReliabilityChange => {
                let rules = &mut self.world.exchange.rules;
                rules.reliable = !rules.reliable;
            }
            _ => {}
        }
    }

    /// A phone hears the announcement.
    fn hear_announcement(&mut self) -> usize {
        let all = self.registered();
        let phone = self.pick(&all);
        self.dial(phone, numbers::ANNOUNCEMENT);
        let user = Self::extension(phone);
        self.world
            .run_until(SOON, |world| world.exchange.agreed(&user).is_some());
        self.with_exchange(phone, true, CallState::Early);
        phone
    }

    /// A phone rings because the exchange calls it.
    fn be_called(&mut self) -> usize {
        let all = self.registered();
        let phone = self.pick(&all);
        self.tally.calls += 1;
        self.world.exchange_calls(phone);
        self.with_exchange(phone, false, CallState::Ringing);
        phone
    }

    fn with_exchange(&mut self, phone: usize, placed: bool, state: CallState) {
        self.model.call = Call::WithExchange { phone, placed, state };
        self.agree(SOON);
    }

    /// Either side ends it.
    fn end_with_exchange(&mut self, phone: usize) {
        if self.random.below(2) == 0 {
            self.command(phone, HANG_UP);
        } else {
            self.world.exchange_hangs_up(phone);
        }
        self.no_call(SOON);
    }
}
