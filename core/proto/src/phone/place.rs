//! The one way by which a call is placed, whoever wants it: the policy is asked here and nowhere else.

use super::{CALL_LIMIT, Phone, Refused};
use crate::call::{Call, Turn};
use crate::ids::{AccountId, CallId};
use crate::sip::msg::Uri;
use crate::time::Instant;

/// Who wants a call to be placed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A person, by typing or by a button, or a program that speaks for one.
    User,
}

impl Phone {
    /// Places a call to `target` from `account`, or from the first account.
    ///
    /// # Errors
    /// Why it cannot be placed.
    pub(super) fn place(
        &mut self,
        origin: Origin,
        account: Option<AccountId>,
        target: &str,
        now: Instant,
    ) -> Result<CallId, Refused> {
        let account = match account {
            Some(id) => self.accounts.get(&id).ok_or(Refused::UnknownAccount(id))?,
            None => self.accounts.values().next().ok_or(Refused::NoAccount)?,
        };
        let live = self.calls.values().filter(|call| call.is_live()).count();
        if live >= CALL_LIMIT {
            return Err(Refused::TooManyCalls(live));
        }
        let uri: Uri = account.uri_for(target);
        if let Some(why) = account.obstacle() {
            return Err(Refused::NotConnected(why));
        }
        let dial = account
            .dial(uri)
            .ok_or_else(|| Refused::NotConnected("no flow".to_owned()))?;
        let (id, profile) = (account.id(), account.call_profile());
        self.last_call = self.last_call.saturating_add(1);
        let call_id = CallId(self.last_call);
        tracing::info!(call = %call_id, account = %id, ?origin, "placing a call");
        let mut turn = Turn {
            now,
            random: &mut self.random,
        };
        let call = Call::outgoing(call_id, id, dial, target.to_owned(), profile, &mut turn);
        self.calls.insert(call_id, call);
        Ok(call_id)
    }
}
