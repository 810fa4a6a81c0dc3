//! One subscription of the phone and the lamps that hang on it: one, or as many as a list has members.

use super::dialog_info::{self, Applied};
use super::lamp::{Lamp, Shown};
use super::rlmi::{self, Instance};
use super::xml::Unreadable;
use super::{message_summary, pidf};
use crate::ids::AccountId;
use crate::sip::msg::{NameAddr, Uri};
use crate::sip::subscribe::{Config, News, Reason, Standing, Subscription};
use crate::time::{Instant, Wake};
use crate::view::{LampKind, Messages};
use std::collections::BTreeMap;
use std::time::Duration;

/// For how long state is asked for, in seconds.
const EXPIRES: u32 = 3_600;

/// More members than any list is watched for.
const MEMBER_LIMIT: usize = 1_000;

/// How many documents of one subscription are read in a row, and how many a second after that.
const BURST: u32 = 50;
const READ_EVERY: Duration = Duration::from_millis(100);

/// How long after a flood, or a document that could not be used, the whole state is asked for.
const REFETCH_AFTER: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(super) struct Line {
    pub account: AccountId,
    pub kind: LampKind,
    /// As the user, or the account, named it.
    pub target: String,
    /// The account's settings want it, and not the user.
    pub by_account: bool,
    /// What came of it so far.
    pub heard: Heard,
    /// Nobody wants it any more; it ends.
    pub is_leaving: bool,
    /// A list tells of it: nothing is asked for it.
    pub is_covered: bool,
    pub subscription: Subscription,
    lamps: BTreeMap<String, Lamp>,
    budget: Budget,
    refetch_at: Option<Instant>,
    domain: String,
}

/// Whether a subscription serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    /// That is not known yet.
    NotYet,
    /// It tells.
    Told,
    /// It was refused, or is silent.
    Failed,
}

/// Reads no more documents than it has time for.
#[derive(Clone, Copy, Debug)]
struct Budget {
    left: u32,
    counted: Instant,
}

impl Budget {
    fn spend(&mut self, now: Instant) -> bool {
        let earned = (now - self.counted).as_millis() / READ_EVERY.as_millis();
        if earned > 0 {
            self.left = self
                .left
                .saturating_add(u32::try_from(earned).unwrap_or(BURST))
                .min(BURST);
            self.counted = now;
        }
        let has_time = self.left > 0;
        self.left = self.left.saturating_sub(1);
        has_time
    }
}

impl Line {
    /// A line to `uri`, not yet asked for.
    pub fn new(account: AccountId, kind: LampKind, target: &str, (uri, from, domain): (Uri, NameAddr, &str)) -> Self {
        let (package, accept) = match kind {
            LampKind::Dialog => (
                "dialog",
                "application/dialog-info+xml, multipart/related, application/rlmi+xml",
            ),
            LampKind::Presence => (
                "presence",
                "application/pidf+xml, multipart/related, application/rlmi+xml",
            ),
            LampKind::Mwi => ("message-summary", message_summary::TYPE),
        };
        let config = Config {
            package,
            accept,
            target: uri,
            from,
            expires: EXPIRES,
            lists: kind != LampKind::Mwi,
        };
        let mut line = Self {
            account,
            kind,
            target: target.to_owned(),
            by_account: false,
            heard: Heard::NotYet,
            is_leaving: false,
            is_covered: false,
            subscription: Subscription::new(config),
            lamps: BTreeMap::new(),
            budget: Budget {
                left: BURST,
                counted: Instant::ORIGIN,
            },
            refetch_at: None,
            domain: domain.to_owned(),
        };
        if kind != LampKind::Mwi {
            line.lamps.insert(target.to_owned(), Lamp::default());
        }
        line
    }

    /// Whether it is the account's list of lamps.
    pub fn is_list(&self) -> bool {
        self.by_account && self.kind == LampKind::Dialog
    }

    /// Its lamps, by the names of those whom they are for.
    pub fn lamps(&self) -> impl Iterator<Item = (&String, &Lamp)> {
        self.lamps.iter().filter(|_| !self.is_covered)
    }

    /// The lamps that show something new.
    pub fn news(&mut self) -> Vec<(String, Shown)> {
        if self.is_leaving || self.is_covered {
            return Vec::new();
        }
        let news = self.lamps.iter_mut();
        news.filter_map(|(target, lamp)| Some((target.clone(), lamp.news()?)))
            .collect()
    }

    /// The account is registered.
    pub fn connect(&mut self) {
        self.lamps.values_mut().for_each(Lamp::connect);
    }

    /// The account is not registered any more.
    pub fn disconnect(&mut self) {
        self.subscription.disconnect();
        self.refetch_at = None;
        self.heard = Heard::NotYet;
        self.lamps.values_mut().for_each(Lamp::disconnect);
    }

    /// The subscription stands otherwise.
    pub fn handle_standing(&mut self, standing: &Standing) {
        match standing {
            Standing::Asking | Standing::Live { .. } | Standing::Final | Standing::Over => {}
            Standing::Lost {
                reason: Reason::Expired,
                ..
            } => self.lamps.values_mut().for_each(Lamp::expire),
            Standing::Lost { reason, .. } => {
                self.heard = Heard::Failed;
                let text = sentence(reason);
                self.lamps.values_mut().for_each(|lamp| lamp.lose(text.clone()));
            }
        }
    }

    /// A NOTIFY brought a document; what waits in the mailbox, if it was about that.
    pub fn handle_news(&mut self, news: &News, now: Instant) -> Option<Messages> {
        if !self.budget.spend(now) {
            tracing::debug!(kind = ?self.kind, "more news than there is time for");
            self.refetch_at.get_or_insert(now + REFETCH_AFTER);
            return None;
        }
        if news.is_first {
            self.lamps.values_mut().for_each(Lamp::begin);
        }
        match self.read(news) {
            Ok(messages) => {
                self.heard = Heard::Told;
                messages
            }
            Err(why) => {
                tracing::debug!(kind = ?self.kind, %why, "a document about somebody's state cannot be used");
                self.darken(&why.to_string());
                None
            }
        }
    }

    /// When the whole state is to be asked for.
    pub fn poll_wake(&self) -> Option<Wake> {
        self.refetch_at.map(|at| Wake::new(at, "line state again"))
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.refetch_at.take_if(|at| *at <= now).is_some() {
            self.subscription.refetch();
        }
    }

    /// Something came that cannot be read.
    pub fn darken(&mut self, why: &str) {
        for lamp in self.lamps.values_mut() {
            lamp.lose(format!("The PBX told what cannot be read: {why}."));
        }
    }

    fn read(&mut self, news: &News) -> Result<Option<Messages>, Unreadable> {
        let kind = news.content_type.as_ref().ok_or(Unreadable::Type)?;
        match (kind.essence.as_str(), self.kind) {
            (message_summary::TYPE, LampKind::Mwi) => return message_summary::read(&news.body).map(Some),
            (_, LampKind::Mwi) => return Err(Unreadable::Type),
            ("multipart/related", _) => self.read_list(news, kind)?,
            (essence, _) => {
                let target = self.target.clone();
                self.read_one(&target, essence, &news.body)?;
            }
        }
        Ok(None)
    }

    fn read_one(&mut self, target: &str, content_type: &str, body: &[u8]) -> Result<(), Unreadable> {
        let lamp = self.lamps.entry(target.to_owned()).or_default();
        match (content_type, self.kind) {
            (dialog_info::TYPE, LampKind::Dialog) => {
                if lamp.take_dialogs(dialog_info::read(body)?) == Applied::Gap {
                    self.subscription.refetch();
                }
            }
            (pidf::TYPE, LampKind::Presence) => lamp.take_presence(pidf::read(body)?),
            _ => return Err(Unreadable::Type),
        }
        Ok(())
    }

    /// A list makes a lamp of each of its members; the list itself has none.
    fn read_list(&mut self, news: &News, kind: &crate::sip::msg::ContentType) -> Result<(), Unreadable> {
        let listed = rlmi::read(kind, &news.body)?;
        let members: Vec<(String, Instance<'_>)> = listed
            .resources
            .into_iter()
            .take(MEMBER_LIMIT)
            .map(|(uri, instance)| (self.name_of(&uri), instance))
            .collect();
        if listed.full {
            self.lamps
                .retain(|name, _| members.iter().any(|(member, _)| member == name));
        } else {
            self.lamps.remove(&self.target);
        }
        for (name, instance) in members {
            if self.lamps.len() >= MEMBER_LIMIT && !self.lamps.contains_key(&name) {
                continue;
            }
            self.lamps.entry(name.clone()).or_default().connect();
            let outcome = match instance {
                Instance::Told { content_type, body } => self.read_one(&name, &content_type, body),
                Instance::Untold => Err(Unreadable::Incomplete),
                Instance::Silent => Ok(()),
            };
            if outcome.is_err()
                && let Some(lamp) = self.lamps.get_mut(&name)
            {
                lamp.lose("The PBX does not tell of this member of the list.".to_owned());
            }
        }
        Ok(())
    }

    /// Somebody of our own domain is named by their user part.
    fn name_of(&self, uri: &str) -> String {
        let read: Option<Uri> = uri.parse().ok();
        let own = read.as_ref().filter(|uri| {
            uri.host()
                .is_some_and(|host| host.to_string().eq_ignore_ascii_case(&self.domain))
        });
        match own.and_then(Uri::user) {
            Some(user) => user.into_owned(),
            None => uri.chars().filter(|c| !c.is_control()).take(256).collect(),
        }
    }
}

/// Why a lamp is dark.
fn sentence(reason: &Reason) -> String {
    let mut text = reason.to_string();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text.push('.');
    text
}
