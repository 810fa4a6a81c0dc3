//! An account that is reached elsewhere takes its calls along, and one that is connected again has its calls placed.

use super::Phone;
use crate::account::Account;
use crate::call::Turn;
use crate::ids::AccountId;
use crate::time::Instant;

impl Phone {
    /// The account has another Contact, and perhaps another network under it.
    pub(super) fn move_calls(&mut self, id: AccountId, now: Instant) {
        let Some(way) = self.accounts.get(&id).and_then(Account::way) else {
            return;
        };
        for call in self.calls.values_mut().filter(|call| call.account() == id) {
            let mut turn = Turn {
                now,
                random: &mut self.random,
            };
            call.handle_moved(&way, &mut turn);
        }
    }

    /// Calls that wait for a connection go on where it is back, and end where it will not be soon; whether any did.
    pub(super) fn place_waiting(&mut self, now: Instant) -> bool {
        let mut moved = false;
        for call in self.calls.values_mut().filter(|call| call.waits_for_connection()) {
            let account = self.accounts.get(&call.account());
            if account.is_some_and(Account::is_returning) {
                continue;
            }
            let mut turn = Turn {
                now,
                random: &mut self.random,
            };
            match account.and_then(Account::way) {
                Some(way) => call.handle_connected(way, &mut turn),
                None => call.handle_unconnected(&mut turn),
            }
            moved = true;
        }
        moved
    }
}
