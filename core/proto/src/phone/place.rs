//! The one way by which a call is placed, whoever wants it: the policy is asked here and nowhere else.

use super::{CALL_LIMIT, Phone, Refused};
use crate::call::{Call, Turn};
use crate::ids::{AccountId, CallId};
use crate::policy::caller_id::caller_identity;
use crate::policy::dial::{DialPlan, dial};
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
        let mut dialled = dial(target, &DialPlan::of_account(account.config()))
            .map_err(|error| Refused::Target(format!("\"{}\" cannot be called: {error}.", printable(target))))?;
        let wish = caller_identity(&account.config().caller_id, &dialled, &account.config().domain);
        if let Some(prefix) = &wish.prefix {
            dialled.target.insert_str(0, prefix);
        }
        let uri: Uri = dialled
            .request_uri(&account.config().domain)
            .parse()
            .map_err(|_| Refused::Target("That address cannot be called: it is no SIP address.".to_owned()))?;
        if let Some(why) = account.obstacle() {
            return Err(Refused::NotConnected(why));
        }
        let call_to = account
            .dial(uri, &wish)
            .ok_or_else(|| Refused::NotConnected("no flow".to_owned()))?;
        let (id, profile) = (account.id(), account.call_profile());
        self.last_call = self.last_call.saturating_add(1);
        let call_id = CallId(self.last_call);
        tracing::info!(call = %call_id, account = %id, ?origin, "placing a call");
        let mut turn = Turn {
            now,
            random: &mut self.random,
        };
        let call = Call::outgoing(call_id, id, call_to, dialled.target, profile, &mut turn);
        self.calls.insert(call_id, call);
        Ok(call_id)
    }
}

/// What the user typed or pasted, fit for a sentence.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}
