//! What a PBX user does besides talking: do not disturb, forwarding, pickup, park, voicemail, and whatever else the PBX
//! has a feature code for.
//!
//! Do not disturb and forwarding are the phone's own here. The rest is the PBX's, reached by the codes of the account: a
//! feature without a code is refused with a sentence that says what is missing.

use super::{Accepted, Command, Errand, Origin, Phone, Refused};
use crate::account_config::Feature;
use crate::call::Call;
use crate::ids::{AccountId, CallId};
use crate::policy::feature;
use crate::policy::reach::{ForwardWhen, PATIENCE_RANGE};
use crate::time::Instant;

/// What a caller may be told while nobody is to be disturbed.
const DND_CODES: [u16; 2] = [486, 480];

/// A feature of the PBX, as a command names it.
struct Wanted<'a> {
    feature: Feature,
    argument: Option<&'a str>,
    account: Option<AccountId>,
    call: Option<CallId>,
}

impl Phone {
    /// Carries out what this module is about; other commands are not its own.
    pub(super) fn serve(&mut self, command: &Command, now: Instant) -> Result<Accepted, Refused> {
        match command {
            Command::Dnd { on, code, account } => self.set_dnd(*on, *code, *account)?,
            Command::Forward {
                when,
                target,
                after,
                account,
            } => self.set_forward(*when, target.as_deref(), *after, *account)?,
            Command::Voicemail { account } => return self.call_voicemail(*account, now),
            Command::Pull { account } => return self.pull(*account, now),
            Command::Pickup {
                target: Some(target),
                account,
            } => {
                if let Some(taken) = self.take_ringing(*account, target, now)? {
                    return Ok(taken);
                }
                return self.use_code(command, now);
            }
            _ => return self.use_code(command, now),
        }
        Ok(Accepted::default())
    }

    fn use_code(&mut self, command: &Command, now: Instant) -> Result<Accepted, Refused> {
        wanted(command).map_or(Ok(Accepted::default()), |wanted| self.use_feature(&wanted, now))
    }

    fn set_dnd(&mut self, on: bool, code: Option<u16>, account: Option<AccountId>) -> Result<(), Refused> {
        let code = code.unwrap_or(486);
        if !DND_CODES.contains(&code) {
            return Err(Refused::DndCode(code));
        }
        self.on_accounts(account, |account, _| {
            account.change_rules(|rules| rules.dnd = on.then_some(code));
        })
    }

    fn set_forward(
        &mut self,
        when: ForwardWhen,
        target: Option<&str>,
        after: Option<u32>,
        account: Option<AccountId>,
    ) -> Result<(), Refused> {
        if let Some(seconds) = after.filter(|seconds| !PATIENCE_RANGE.contains(seconds)) {
            return Err(Refused::Patience(seconds));
        }
        // What cannot be called from one of them is set for none.
        let mut meant = self
            .accounts
            .values()
            .filter(|known| account.is_none_or(|id| known.id() == id));
        if let Some(target) = target {
            meant.try_for_each(|account| super::place::forward_target(account, target).map(drop))?;
        }
        self.on_accounts(account, |account, _| {
            account.change_rules(|rules| rules.set_forward(when, target.map(str::to_owned), after));
        })
    }

    fn call_voicemail(&mut self, account: Option<AccountId>, now: Instant) -> Result<Accepted, Refused> {
        let account = self.caller(account)?;
        let number = account.config().voicemail.clone().ok_or(Refused::NoVoicemail)?;
        self.dial_from(Some(account.id()), &number, now)
    }

    /// Uses a feature of the PBX: in a call, or by calling its code.
    fn use_feature(&mut self, wanted: &Wanted<'_>, now: Instant) -> Result<Accepted, Refused> {
        if !wanted.feature.is_in_call() {
            let account = self.caller(wanted.account)?;
            let code = feature::code(account.config(), wanted.feature, wanted.argument)?;
            return self.dial_from(Some(account.id()), &code, now);
        }
        let call = self.answered(wanted.call)?;
        let account = self.account_in(call)?;
        let code = feature::code(account.config(), wanted.feature, wanted.argument)?;
        if code.starts_with(['*', '#']) {
            self.on_call(Some(call), Call::is_answered, now, |call, turn| {
                call.send_digits(&code, turn)
            })?;
        } else {
            self.transfer(Some(call), &code, now)?;
        }
        Ok(Accepted::default())
    }

    /// Calls somebody from this account, or from the first that is connected.
    pub(super) fn dial_from(
        &mut self,
        account: Option<AccountId>,
        target: &str,
        now: Instant,
    ) -> Result<Accepted, Refused> {
        let errand = Errand::Call { account, target };
        let call = self.place(Origin::User, errand, now)?;
        Ok(Accepted { call: Some(call) })
    }
}

/// Which feature a command means; `None` for a command of another kind.
fn wanted(command: &Command) -> Option<Wanted<'_>> {
    Some(match command {
        Command::Pickup { target, account } => Wanted {
            feature: if target.is_some() {
                Feature::DirectedPickup
            } else {
                Feature::GroupPickup
            },
            argument: target.as_deref(),
            account: *account,
            call: None,
        },
        Command::Park { call, slot } => Wanted {
            feature: Feature::Park,
            argument: slot.as_deref(),
            account: None,
            call: *call,
        },
        Command::Feature {
            name,
            argument,
            account,
            call,
        } => Wanted {
            feature: *name,
            argument: argument.as_deref(),
            account: *account,
            call: *call,
        },
        _ => return None,
    })
}
