//! Commands to the phone: which call or account is meant, and whether the machine takes it.

use super::{Accepted, Command, Phone, Refused};
use crate::call::{Call, CallError, Turn};
use crate::ids::{AccountId, CallId};
use crate::sip::msg::StatusCode;
use crate::time::Instant;

impl Phone {
    /// Carries a command out, as far as that is in our hands.
    ///
    /// # Errors
    /// Why it was refused; nothing has changed then.
    pub fn command(&mut self, command: Command, now: Instant) -> Result<Accepted, Refused> {
        let answer = self.carry_out(command, now);
        self.settle(now);
        answer
    }

    fn carry_out(&mut self, command: Command, now: Instant) -> Result<Accepted, Refused> {
        match command {
            Command::Dial { target, account } => return self.dial_from(account, &target, now),
            Command::Answer { call, others } => self.answer_call(call, others, now)?,
            Command::Reject { call, code } => {
                let status = reject_status(code)?;
                self.on_call(call, Call::rings_here, now, |call, turn| call.reject(status, turn))?;
            }
            Command::Hangup { call: Some(call) } => self.on_call(Some(call), Call::is_live, now, |call, turn| {
                call.hang_up(turn);
                Ok(())
            })?,
            Command::Hangup { call: None } => self.hang_up_all(|_| true, now),
            Command::Hold { call } => self.on_call(call, Call::is_live, now, |call, turn| call.hold(true, turn))?,
            Command::Resume { call } => self.resume(call, now)?,
            Command::Conference { calls } => self.confer(calls, now)?,
            Command::Dtmf { call, digits } => {
                self.on_call(call, Call::is_live, now, |call, turn| call.send_digits(&digits, turn))?;
            }
            Command::Mute { call, on } => self.on_call(call, Call::is_live, now, |call, _| call.mute(on))?,
            Command::Transfer { call, target } => self.transfer(call, &target, now)?,
            Command::Consult { call, target } => {
                let call = self.consult(call, &target, now)?;
                return Ok(Accepted { call: Some(call) });
            }
            Command::Join { call, with } => self.join(call, with, now)?,
            Command::AcceptTransfer { call } => {
                let call = self.accept_transfer(call, now)?;
                return Ok(Accepted { call: Some(call) });
            }
            Command::RefuseTransfer { call } => {
                self.on_call(call, Call::is_asked, now, |call, turn| call.stay(turn))?;
            }
            Command::Subscribe { kind, target, account } => {
                self.subscribe(kind, target.as_deref(), account, now)?;
            }
            Command::Unsubscribe { kind, target, account } => {
                self.unsubscribe(kind, target.as_deref(), account, now)?;
            }
            command @ (Command::Dnd { .. }
            | Command::Forward { .. }
            | Command::Pickup { .. }
            | Command::Pull { .. }
            | Command::Park { .. }
            | Command::Feature { .. }
            | Command::Voicemail { .. }) => return self.serve(&command, now),
            Command::Register { account } => {
                self.on_accounts(account, |account, random| account.register(now, random))?;
            }
            Command::Unregister { account } => {
                self.leave_lines(account, now);
                self.on_accounts(account, |account, random| account.unregister(now, random))?;
            }
        }
        Ok(Accepted::default())
    }

    /// The call that is meant: the one named, else the only live one.
    pub fn resolve_call(&self, named: Option<CallId>) -> Result<CallId, Refused> {
        if let Some(id) = named {
            return match self.calls.get(&id) {
                Some(call) if call.is_live() => Ok(id),
                _ => Err(Refused::UnknownCall(id)),
            };
        }
        self.only_one(Call::is_live)
    }

    /// The call that is named, or the one that fits.
    pub(super) fn meant(&self, named: Option<CallId>, fits: impl Fn(&Call) -> bool) -> Result<CallId, Refused> {
        match named {
            Some(_) => self.resolve_call(named),
            None => self.only_one(fits),
        }
    }

    /// The only live call, or the only one that `fits` where there are several.
    pub(super) fn only_one(&self, fits: impl Fn(&Call) -> bool) -> Result<CallId, Refused> {
        let live: Vec<&Call> = self.calls.values().filter(|call| call.is_live()).collect();
        match live.as_slice() {
            [] => Err(Refused::NoCall),
            [only] => Ok(only.id()),
            several => {
                let mut fitting = several.iter().filter(|call| fits(call));
                match (fitting.next(), fitting.next()) {
                    (Some(only), None) => Ok(only.id()),
                    _ => Err(Refused::WhichCall),
                }
            }
        }
    }

    pub(super) fn on_call(
        &mut self,
        named: Option<CallId>,
        fits: impl Fn(&Call) -> bool,
        now: Instant,
        act: impl FnOnce(&mut Call, &mut Turn<'_>) -> Result<(), CallError>,
    ) -> Result<(), Refused> {
        let id = self.meant(named, fits)?;
        let call = self.calls.get_mut(&id).ok_or(Refused::UnknownCall(id))?;
        act(
            call,
            &mut Turn {
                now,
                random: &mut self.random,
            },
        )
        .map_err(Refused::from)
    }

    pub(super) fn on_accounts(
        &mut self,
        named: Option<AccountId>,
        act: impl Fn(&mut crate::account::Account, &mut crate::random::Random),
    ) -> Result<(), Refused> {
        if let Some(id) = named {
            let account = self.accounts.get_mut(&id).ok_or(Refused::UnknownAccount(id))?;
            act(account, &mut self.random);
            return Ok(());
        }
        if self.accounts.is_empty() {
            return Err(Refused::NoAccount);
        }
        for account in self.accounts.values_mut() {
            act(account, &mut self.random);
        }
        Ok(())
    }
}

impl From<CallError> for Refused {
    fn from(error: CallError) -> Self {
        match error {
            CallError::WrongState(state) => Self::WrongState(state),
            CallError::NotATone(c) => Self::Digit(c),
            CallError::NoTones => Self::Tones,
        }
    }
}

fn reject_status(code: Option<u16>) -> Result<StatusCode, Refused> {
    let code = code.unwrap_or(486);
    match code {
        480 | 486 | 603 => StatusCode::new(code).ok_or(Refused::RejectCode(code)),
        _ => Err(Refused::RejectCode(code)),
    }
}
