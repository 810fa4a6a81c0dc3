//! Calls of other phones that come to this one: what rings at a colleague, and what we say on another phone of ours.
//!
//! Where the PBX tells the dialog (RFC 4235) our INVITE takes the other phone's place in it (RFC 3891), and goes to
//! whoever is at its other end. Elsewhere a pickup goes by the account's code. A colleague's call that was answered is
//! nobody else's to take.

use super::{Accepted, Errand, Origin, Phone, Refused};
use crate::ids::AccountId;
use crate::sip::transfer::Wanted;
use crate::time::Instant;

impl Phone {
    /// Takes what rings at `target`, if the PBX has told enough of it.
    pub(super) fn take_ringing(
        &mut self,
        account: Option<AccountId>,
        target: &str,
        now: Instant,
    ) -> Result<Option<Accepted>, Refused> {
        let account = self.caller(account)?.id();
        self.take(account, target, true, now)
    }

    /// Takes our own call that runs on another phone.
    pub(super) fn pull(&mut self, account: Option<AccountId>, now: Instant) -> Result<Accepted, Refused> {
        let account = self.caller(account)?;
        let (id, user) = (account.id(), account.config().user.clone());
        self.take(id, &user, false, now)?.ok_or(Refused::NothingToPull)
    }

    fn take(
        &mut self,
        account: AccountId,
        target: &str,
        is_ringing: bool,
        now: Instant,
    ) -> Result<Option<Accepted>, Refused> {
        let Some((replaces, Some(other_end))) = self.lines.to_take(account, target) else {
            return Ok(None);
        };
        if replaces.early_only != is_ringing {
            return Ok(None);
        }
        let wanted = Wanted::in_place_of(replaces.clone(), other_end.uri.clone());
        let errand = Errand::Follow {
            account,
            wanted: &wanted,
        };
        let call = self.place(Origin::User, errand, now)?;
        Ok(Some(Accepted { call: Some(call) }))
    }
}
