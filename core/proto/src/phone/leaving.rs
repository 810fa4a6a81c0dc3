//! Accounts that are taken away: gone once nobody is owed anything on their account.

use super::{Asker, Output, Phone};
use crate::call::Call;
use crate::ids::AccountId;
use crate::time::Instant;

impl Phone {
    /// Whether any account went.
    pub(super) fn let_go(&mut self, now: Instant) -> bool {
        let is_owed = |id: &AccountId| {
            let calls = self.calls.values().map(Call::account).any(|account| account == *id);
            let asks = |asker: &Asker| match asker {
                Asker::Registration(account) => account == id,
                Asker::Line(line) => self.lines.account_of(*line) == Some(*id),
                Asker::Call(..) => false,
            };
            calls || self.asked.values().any(asks)
        };
        let gone: Vec<AccountId> = self.leaving.iter().filter(|id| !is_owed(id)).copied().collect();
        for id in &gone {
            self.leaving.remove(id);
            self.lines.forget(*id);
            let Some(account) = self.accounts.remove(id) else {
                continue;
            };
            for flow in account.flows() {
                self.endpoint.handle_flow_lost(flow, now);
                self.outputs.push_back(Output::CloseFlow(flow));
            }
        }
        !gone.is_empty()
    }
}
