//! The one way by which a call is placed, whoever wants it: the policy is asked here and nowhere else.

use super::{CALL_LIMIT, Phone, Refused};
use crate::account::Account;
use crate::call::{Call, Turn};
use crate::ids::{AccountId, CallId};
use crate::policy::caller_id::caller_identity;
use crate::policy::dial::{DialKind, DialPlan, dial};
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
        let account = self.caller(account)?;
        let mut dialled = dial(target, &DialPlan::of_account(account.config()))
            .map_err(|error| Refused::Target(format!("\"{}\" cannot be called: {error}.", printable(target))))?;
        let is_emergency = dialled.kind == DialKind::Emergency;
        // Whatever gets through to help will do.
        let account = match account.obstacle() {
            Some(_) if is_emergency => self.connected().unwrap_or(account),
            _ => account,
        };
        let live = self.calls.values().filter(|call| call.is_live()).count();
        if live >= CALL_LIMIT && !is_emergency {
            return Err(Refused::TooManyCalls(live));
        }
        let wish = caller_identity(&account.config().caller_id, &dialled, &account.config().domain);
        if let Some(prefix) = &wish.prefix {
            dialled.target.insert_str(0, prefix);
        }
        let uri: Uri = dialled
            .request_uri(&account.config().domain)
            .parse()
            .map_err(|_| Refused::Target("That address cannot be called: it is no SIP address.".to_owned()))?;
        if let Some(why) = account.obstacle().filter(|_| !account.is_returning()) {
            return Err(Refused::NotConnected(why));
        }
        let what = (account.call_to(uri, &wish), account.way());
        let is_unconnected = what.1.is_none();
        let (id, profile) = (account.id(), account.call_profile());
        self.last_call = self.last_call.saturating_add(1);
        let call_id = CallId(self.last_call);
        self.hush();
        tracing::info!(call = %call_id, account = %id, ?origin, "placing a call");
        let mut turn = Turn {
            now,
            random: &mut self.random,
        };
        let call = Call::outgoing(call_id, id, what, dialled.target, profile, &mut turn);
        self.calls.insert(call_id, call);
        if is_unconnected {
            // Whatever pause there is, the user does not wait for its end.
            self.with_account(id, |account, _, random| account.register(now, random));
        }
        Ok(call_id)
    }

    /// The account that is meant: the one named, else the first that is connected, else the first.
    fn caller(&self, named: Option<AccountId>) -> Result<&Account, Refused> {
        match named {
            Some(id) => self.accounts.get(&id).ok_or(Refused::UnknownAccount(id)),
            None => self
                .connected()
                .or(self.accounts.values().next())
                .ok_or(Refused::NoAccount),
        }
    }

    fn connected(&self) -> Option<&Account> {
        self.accounts.values().find(|account| account.obstacle().is_none())
    }
}

/// What the user typed or pasted, fit for a sentence.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}
