//! An account that is reached elsewhere takes its calls along.

use super::Phone;
use crate::call::Turn;
use crate::ids::AccountId;
use crate::time::Instant;

impl Phone {
    /// The account has another Contact, and perhaps another network under it.
    pub(super) fn move_calls(&mut self, id: AccountId, now: Instant) {
        let Some(account) = self.accounts.get(&id) else { return };
        let (Some(contact), Some(flow)) = (account.contact(), account.flow()) else {
            return;
        };
        for call in self.calls.values_mut().filter(|call| call.account() == id) {
            let mut turn = Turn {
                now,
                random: &mut self.random,
            };
            call.handle_moved(&contact, flow.local.ip(), &mut turn);
        }
    }
}
