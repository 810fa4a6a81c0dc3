//! The one way by which a call is placed or sent elsewhere, whoever wants it: the policy is asked here and nowhere else.

use super::{CALL_LIMIT, Phone, Refused};
use crate::account::Account;
use crate::call::{Call, Refer, Turn, Wish};
use crate::ids::{AccountId, CallId};
use crate::policy::caller_id::caller_identity;
use crate::policy::dial::{DialKind, DialPlan, Dialled, dial};
use crate::sip::msg::{HeaderName, NameAddr, Uri};
use crate::sip::transfer::{Wanted, refer_to};
use crate::time::Instant;

/// Who wants a call to be placed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A person, by typing or by a button, or a program that speaks for one.
    User,
    /// The far end of a call, by REFER; the account's policy, or the user, has agreed.
    FarEnd,
}

/// What is to be placed.
#[derive(Clone, Debug)]
pub(super) enum Errand<'a> {
    /// A call, from this account or from the first that is connected.
    Call {
        account: Option<AccountId>,
        target: &'a str,
    },
    /// A call that takes the place of one of ours.
    Follow { account: AccountId, wanted: &'a Wanted },
    /// The far end of a call is to call somebody else.
    Transfer { call: CallId, target: &'a str },
    /// The far end of a call is to take over our place in another one.
    Join { call: CallId, with: CallId },
}

impl Phone {
    /// Places a call, or has the far end of one place it. The call that is meant: the new one, or the one that leaves.
    ///
    /// # Errors
    /// Why it cannot be placed.
    pub(super) fn place(&mut self, origin: Origin, errand: Errand<'_>, now: Instant) -> Result<CallId, Refused> {
        match errand {
            Errand::Call { account, target } => {
                if self.accounts.is_empty() {
                    return Err(refused_without_account(target));
                }
                let account = self.caller(account)?;
                let mut dialled = dialled(account, target)?;
                let way = self.way_to(&dialled, account)?;
                if way.id() != account.id() {
                    dialled.target = DialPlan::of_account(account.config()).without_prefix(&dialled.target);
                }
                let account = way.id();
                self.place_call(origin, account, (dialled, None), now)
            }
            Errand::Follow { account, wanted } => {
                let meant = self.accounts.get(&account).ok_or(Refused::UnknownAccount(account))?;
                let dialled = dialled(meant, &wanted.target.to_string())?;
                self.place_call(origin, account, (dialled, Some(wanted)), now)
            }
            Errand::Transfer { call, target } => {
                let account = self.account_in(call)?;
                let dialled = dialled(account, target)?;
                if !dialled.tones.is_empty() {
                    return Err(Refused::Target(
                        "Tones behind the number cannot be transferred to.".to_owned(),
                    ));
                }
                let to = request_uri(&dialled, account)?;
                let by = NameAddr::new(account.address());
                self.send_away(
                    call,
                    Refer {
                        to: refer_to(&to, None),
                        by,
                    },
                    now,
                )
            }
            Errand::Join { call, with } => {
                let by = NameAddr::new(self.account_in(call)?.address());
                let other = self.calls.get(&with).ok_or(Refused::UnknownCall(with))?;
                let (replaces, target) = other.takeover().ok_or(Refused::WrongState(other.state().name()))?;
                let to = refer_to(target, Some(&replaces));
                self.send_away(call, Refer { to, by }, now)
            }
        }
    }

    fn place_call(
        &mut self,
        origin: Origin,
        account: AccountId,
        (mut dialled, wanted): (Dialled, Option<&Wanted>),
        now: Instant,
    ) -> Result<CallId, Refused> {
        let account = self.accounts.get(&account).ok_or(Refused::UnknownAccount(account))?;
        let live = self.calls.values().filter(|call| call.is_live()).count();
        if live >= CALL_LIMIT && dialled.kind != DialKind::Emergency {
            return Err(Refused::TooManyCalls(live));
        }
        let shown = caller_identity(&account.config().caller_id, &dialled, &account.config().domain);
        if let Some(prefix) = &shown.prefix {
            dialled.target.insert_str(0, prefix);
        }
        let uri = request_uri(&dialled, account)?;
        if let Some(why) = account.obstacle().filter(|_| !account.is_returning()) {
            return Err(Refused::NotConnected(why));
        }
        let mut wish = account.call_to(uri, &shown);
        if let Some(wanted) = wanted {
            follow(&mut wish, wanted);
        }
        let what = (wish, account.way());
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
        let mut call = Call::outgoing(call_id, id, what, dialled.target, profile, &mut turn);
        call.dial_on(&dialled.tones);
        self.calls.insert(call_id, call);
        self.turn_to(call_id, now);
        if is_unconnected {
            // Whatever pause there is, the user does not wait for its end.
            self.with_account(id, |account, _, random| account.register(now, random));
        }
        Ok(call_id)
    }

    /// Whether nobody has to be asked before `target` is called by the account of `call`. What cannot be called at all
    /// costs nothing either.
    pub(super) fn is_harmless(&self, call: CallId, target: &Uri) -> bool {
        let known = self
            .account_in(call)
            .and_then(|account| dialled(account, &target.to_string()));
        known.map_or(true, |dialled| {
            dialled.confirm.is_empty() && dialled.kind != DialKind::Emergency
        })
    }

    fn send_away(&mut self, call: CallId, refer: Refer, now: Instant) -> Result<CallId, Refused> {
        tracing::info!(%call, "transferring a call");
        self.on_call(Some(call), Call::is_answered, now, |call, turn| call.refer(refer, turn))?;
        Ok(call)
    }

    pub(super) fn account_in(&self, call: CallId) -> Result<&Account, Refused> {
        let account = self.calls.get(&call).ok_or(Refused::UnknownCall(call))?.account();
        self.accounts.get(&account).ok_or(Refused::UnknownAccount(account))
    }

    /// The account that is meant: the one named, else the first that is connected, else the first.
    pub(super) fn caller(&self, named: Option<AccountId>) -> Result<&Account, Refused> {
        match named {
            Some(id) => self.accounts.get(&id).ok_or(Refused::UnknownAccount(id)),
            None => self
                .connected()
                .or(self.accounts.values().next())
                .ok_or(Refused::NoAccount),
        }
    }

    /// The account by which it is called. Whatever gets through to help will do, and who would have to wait for it is
    /// told at once.
    fn way_to<'a>(&'a self, dialled: &Dialled, account: &'a Account) -> Result<&'a Account, Refused> {
        if dialled.kind != DialKind::Emergency || account.obstacle().is_none() {
            return Ok(account);
        }
        self.connected()
            .ok_or_else(|| Refused::UseAMobile(printable(&dialled.target)))
    }

    fn connected(&self) -> Option<&Account> {
        self.accounts.values().find(|account| account.obstacle().is_none())
    }
}

fn dialled(account: &Account, target: &str) -> Result<Dialled, Refused> {
    dial(target, &DialPlan::of_account(account.config()))
        .map_err(|error| Refused::Target(format!("\"{}\" cannot be called: {error}.", printable(target))))
}

fn request_uri(dialled: &Dialled, account: &Account) -> Result<Uri, Refused> {
    dialled
        .request_uri(&account.config().domain)
        .parse()
        .map_err(|_| Refused::Target("That address cannot be called: it is no SIP address.".to_owned()))
}

/// Without any account there is no dial plan but everybody's.
fn refused_without_account(target: &str) -> Refused {
    match dial(target, &DialPlan::of_country("")) {
        Ok(dialled) if dialled.kind == DialKind::Emergency => Refused::UseAMobile(dialled.target),
        _ => Refused::NoAccount,
    }
}

/// Where a call is forwarded to: its address, and what people may be shown.
pub(super) fn forward_target(account: &Account, text: &str) -> Result<(Uri, String), Refused> {
    let dialled = dialled(account, text)?;
    if !dialled.tones.is_empty() || dialled.kind == DialKind::Emergency || dialled.target == account.config().user {
        return Err(Refused::Target(format!(
            "Calls cannot be forwarded to \"{}\".",
            printable(text)
        )));
    }
    let uri = request_uri(&dialled, account)?;
    Ok((uri, dialled.target))
}

/// What our INVITE says because a REFER wanted it. The target is taken letter for letter: it may be a phone's Contact.
fn follow(wish: &mut Wish, wanted: &Wanted) {
    if wanted.target.is_sip() {
        wish.target = wanted.target.clone();
    }
    if let Some(replaces) = &wanted.replaces {
        wish.headers.push(HeaderName::Replaces, replaces);
        wish.headers.push(HeaderName::Require, "replaces");
    }
    if let Some(by) = &wanted.referred_by {
        wish.headers.push(HeaderName::ReferredBy, by);
    }
}

/// What the user typed or pasted, fit for a sentence.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}
