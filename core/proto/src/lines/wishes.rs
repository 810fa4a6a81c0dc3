//! What is wanted to be known: by the user, by an account's settings, and what a list already tells.

use super::line::{Heard, Line};
use super::mailbox::Mailbox;
use super::{Event, LineId, Lines, message_summary};
use crate::ids::AccountId;
use crate::random::Random;
use crate::sip::msg::{Host, NameAddr, Replaces, Request, StatusCode, Uri};
use crate::time::Instant;
use crate::view::{LampKind, Messages};
use std::collections::BTreeSet;

/// More lamps than any phone has.
const LAMP_LIMIT: usize = 2_000;

/// Who asks: an account.
#[derive(Clone, Debug)]
pub struct Watcher {
    /// Its number.
    pub account: AccountId,
    /// Its address of record.
    pub address: Uri,
    /// Its domain, as in its settings.
    pub domain: String,
}

/// Why somebody's state cannot be asked for. The user erred.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LampRefused {
    /// No extension and no SIP address.
    #[error("That is no extension and no SIP address.")]
    Target,
    /// A dialog or a presence is somebody's.
    #[error("Say whose state you want to know.")]
    Nobody,
    /// As many as the phone can hold.
    #[error("There are {0} lamps already.")]
    TooMany(usize),
    /// It is not asked for.
    #[error("That is not asked for.")]
    NotAsked,
}

impl Lines {
    /// An account is there. `asks`: its messages may be subscribed to; `list`: what it has as a list of its lamps.
    pub fn add_account(&mut self, watcher: &Watcher, asks: bool, list: Option<&str>) {
        self.accounts
            .insert(watcher.account, Mailbox::new(watcher.clone(), asks));
        if let Some(uri) = list.and_then(|list| address(list, &watcher.domain)) {
            let id = self.add(watcher, LampKind::Dialog, list.unwrap_or_default(), uri);
            if let Some(line) = self.lines.get_mut(&id) {
                line.by_account = true;
            }
        }
    }

    /// The user wants to know `target`'s state; asked again at once where it was refused before.
    ///
    /// # Errors
    /// Why it is not asked for.
    pub fn subscribe(
        &mut self,
        watcher: &Watcher,
        kind: LampKind,
        target: Option<&str>,
        now: Instant,
        random: &mut Random,
    ) -> Result<(), LampRefused> {
        let own = watcher.address.to_string();
        let target = match (target, kind) {
            (Some(target), _) => target.trim(),
            (None, LampKind::Mwi) => own.as_str(),
            (None, _) => return Err(LampRefused::Nobody),
        };
        let uri = address(target, &watcher.domain).ok_or(LampRefused::Target)?;
        if let Some(line) = self.line(watcher.account, kind, target) {
            line.subscription.ask_again(now, random);
        } else {
            if self.lines.len() >= LAMP_LIMIT {
                return Err(LampRefused::TooMany(self.lines.len()));
            }
            self.add(watcher, kind, target, uri);
        }
        self.pursue(watcher.account, now, random);
        Ok(())
    }

    /// The user does not want to know it any more.
    ///
    /// # Errors
    /// It is not asked for.
    pub fn unsubscribe(
        &mut self,
        watcher: &Watcher,
        kind: LampKind,
        target: Option<&str>,
        now: Instant,
    ) -> Result<(), LampRefused> {
        let own = watcher.address.to_string();
        let target = target.map_or(own.as_str(), str::trim);
        let line = self.line(watcher.account, kind, target).ok_or(LampRefused::NotAsked)?;
        line.is_leaving = true;
        line.subscription.stop(now);
        self.collect(now);
        Ok(())
    }

    /// A NOTIFY about waiting messages that nobody asked for; what to answer.
    pub fn handle_unsolicited(&mut self, account: AccountId, notify: &Request, now: Instant) -> StatusCode {
        if notify.body.is_empty() {
            return StatusCode::OK;
        }
        let kind = notify.headers.content_type();
        if kind.is_some_and(|kind| kind.essence != message_summary::TYPE) {
            return StatusCode::UNSUPPORTED_MEDIA_TYPE;
        }
        let Ok(messages) = message_summary::read(&notify.body) else {
            return StatusCode::BAD_REQUEST;
        };
        self.tell_messages(account, Some(messages), true);
        // What comes unasked is not asked for as well.
        let of_account = |line: &&mut Line| line.account == account && line.kind == LampKind::Mwi && line.by_account;
        for line in self.lines.values_mut().filter(of_account) {
            line.is_leaving = true;
            line.subscription.stop(now);
        }
        self.collect(now);
        StatusCode::OK
    }

    /// What waits in an account's mailbox, as far as the PBX has said.
    pub fn messages(&self, account: AccountId) -> Option<Messages> {
        self.accounts.get(&account)?.messages
    }

    /// The dialog of `target` that a pickup or a pull takes over, and who is at its other end.
    pub fn to_take(&self, account: AccountId, target: &str) -> Option<(&Replaces, Option<&NameAddr>)> {
        let lines = self.lines.values();
        let mut lamps = lines
            .filter(|line| line.account == account && line.kind == LampKind::Dialog)
            .flat_map(Line::lamps);
        lamps.find_map(|(name, lamp)| lamp.to_take().filter(|_| name == target))
    }

    /// The PBX said nothing by itself: its messages are subscribed to, by the account's own wish.
    pub(super) fn ask_for_messages(&mut self, account: AccountId, now: Instant, random: &mut Random) {
        let Some(watcher) = self.accounts.get(&account).map(|mailbox| mailbox.watcher.clone()) else {
            return;
        };
        let own = watcher.address.to_string();
        if self.line(account, LampKind::Mwi, &own).is_none() {
            let id = self.add(&watcher, LampKind::Mwi, &own, watcher.address.clone());
            if let Some(line) = self.lines.get_mut(&id) {
                line.by_account = true;
            }
        }
        self.pursue(account, now, random);
    }

    /// Asks for what is wanted of an account and not told by its list.
    pub(super) fn pursue(&mut self, account: AccountId, now: Instant, random: &mut Random) {
        let Some(way) = self.accounts.get(&account).and_then(|mailbox| mailbox.way.clone()) else {
            return;
        };
        let list = self
            .lines
            .values()
            .find(|line| line.account == account && line.is_list());
        let heard = list.map_or(Heard::Failed, |list| list.heard);
        let members: BTreeSet<String> = list
            .map(|list| list.lamps().map(|(name, _)| name.clone()).collect())
            .unwrap_or_default();
        for line in self
            .lines
            .values_mut()
            .filter(|line| line.account == account && !line.is_leaving)
        {
            let may_be_listed = line.kind == LampKind::Dialog && !line.is_list();
            let is_covered = may_be_listed && heard == Heard::Told && members.contains(&line.target);
            if is_covered && !line.is_covered {
                line.subscription.stop(now);
            }
            line.is_covered = is_covered;
            line.connect();
            let waits_for_list = may_be_listed && heard == Heard::NotYet;
            if !is_covered && !waits_for_list {
                line.subscription.connect(way.clone(), now, random);
            }
        }
        self.collect(now);
    }

    pub(super) fn tell_messages(&mut self, account: AccountId, messages: Option<Messages>, is_unasked: bool) {
        let Some(mailbox) = self.accounts.get_mut(&account) else {
            return;
        };
        if is_unasked {
            mailbox.handle_told();
        } else if messages.is_none() && mailbox.is_told {
            return;
        }
        let is_news = mailbox.messages != messages;
        mailbox.messages = messages;
        if let Some(messages) = messages.filter(|_| is_news) {
            self.outputs
                .push_back(super::Output::Event(Event::Messages { account, messages }));
        }
    }
}

impl Lines {
    fn line(&mut self, account: AccountId, kind: LampKind, target: &str) -> Option<&mut Line> {
        let mut lines = self.lines.values_mut();
        lines.find(|line| {
            line.account == account
                && line.kind == kind
                && line.target == target
                && !line.is_leaving
                && (!line.by_account || kind == LampKind::Mwi)
        })
    }

    fn add(&mut self, watcher: &Watcher, kind: LampKind, target: &str, uri: Uri) -> LineId {
        self.last = self.last.saturating_add(1);
        let id = LineId(self.last);
        let from = NameAddr::new(watcher.address.clone());
        let line = Line::new(watcher.account, kind, target, (uri, from, &watcher.domain));
        self.lines.insert(id, line);
        id
    }
}

/// Where a lamp's target is asked for: an extension of the account's domain, or an address.
fn address(target: &str, domain: &str) -> Option<Uri> {
    const TARGET_LIMIT: usize = 256;
    let is_plain = |c: char| !c.is_control() && !c.is_whitespace();
    if target.is_empty() || target.len() > TARGET_LIMIT || !target.chars().all(is_plain) {
        return None;
    }
    if target.contains(['@', ':']) {
        let uri: Option<Uri> = target.parse().ok();
        return uri
            .or_else(|| format!("sip:{target}").parse().ok())
            .filter(|uri| uri.is_sip() && uri.user().is_some());
    }
    let host: Host = domain.parse().ok()?;
    (!target.contains([';', '?', '<', '>', '"', '\\', '/', ',', '[', ']'])).then(|| Uri::sip(target, host))
}
