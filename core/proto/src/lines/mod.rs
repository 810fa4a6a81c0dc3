//! What the phone knows of other people's lines: lamps, presence, and what waits in its own mailboxes.
//!
//! [`Lines`] holds every subscription of every account. It asks at most five times a second, however many lamps there
//! are, and has one wake-up for all of them. What an account tells as a list is not asked for one by one. Waiting messages
//! are taken as they come, asked for or not, and asked for only where the PBX does not tell by itself: each message counts
//! once.

pub mod dialog_info;
mod lamp;
mod line;
mod mailbox;
pub mod message_summary;
pub mod pidf;
pub mod rlmi;
mod wishes;
pub mod xml;

pub use wishes::{LampRefused, Watcher};

use crate::event::Event;
use crate::ids::AccountId;
use crate::random::Random;
use crate::sip::auth::Retry;
use crate::sip::endpoint::{Failure, ServerKey};
use crate::sip::msg::{HeaderName, Request, Response};
use crate::sip::parse::Refusal;
use crate::sip::subscribe::{self, Standing, Way};
use crate::time::{Instant, Wake, earliest};
use crate::view::{LampKind, LampView};
use line::Line;
use mailbox::Mailbox;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How far apart SUBSCRIBEs are: five a second.
const PACE: Duration = Duration::from_millis(200);

/// How many subscriptions are taken back when an account goes; the rest runs out by itself.
const FAREWELLS: usize = 50;

/// Names a subscription of the phone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LineId(u32);

/// What the lines want done, or have to tell.
#[derive(Debug)]
pub enum Output {
    /// Send this SUBSCRIBE by the account.
    Send {
        /// What to name in [`Lines::handle_response`].
        line: LineId,
        /// By which account.
        account: AccountId,
        /// What.
        request: Box<Request>,
    },
    /// Answer a NOTIFY.
    Respond {
        /// Which.
        key: ServerKey,
        /// With what.
        response: Box<Response>,
    },
    /// Tell whoever listens.
    Event(Event),
}

/// See the module.
#[derive(Default, Debug)]
pub struct Lines {
    last: u32,
    lines: BTreeMap<LineId, Line>,
    accounts: BTreeMap<AccountId, Mailbox>,
    /// SUBSCRIBEs that wait for their turn.
    waiting: VecDeque<(LineId, Box<Request>)>,
    /// When the next may go out.
    next_slot: Instant,
    outputs: VecDeque<Output>,
}

impl Lines {
    /// The account is registered, or reached at another Contact: what is wanted is asked for.
    pub fn connect(&mut self, account: AccountId, way: &Way, now: Instant, random: &mut Random) {
        if let Some(mailbox) = self.accounts.get_mut(&account) {
            mailbox.connect(way.clone(), now, random);
        }
        self.pursue(account, now, random);
    }

    /// The account is not registered any more: nothing is known by it.
    pub fn disconnect(&mut self, account: AccountId) {
        if let Some(mailbox) = self.accounts.get_mut(&account) {
            mailbox.disconnect();
        }
        for line in self.lines.values_mut().filter(|line| line.account == account) {
            line.disconnect();
        }
        self.lines.retain(|_, line| line.account != account || !line.is_leaving);
        self.settle();
    }

    /// The account is about to unregister: the PBX is told that nothing more is wanted of it.
    pub fn take_leave(&mut self, account: AccountId, now: Instant) {
        if let Some(mailbox) = self.accounts.get_mut(&account) {
            mailbox.disconnect();
        }
        self.waiting
            .retain(|(id, _)| self.lines.get(id).is_none_or(|line| line.account != account));
        for line in self.lines.values_mut().filter(|line| line.account == account) {
            line.subscription.stop(now);
        }
        self.collect(now);
        // They go at once: whoever leaves cannot wait for their turns. What is too many runs out by itself.
        let (leaving, rest) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|(id, _)| self.lines.get(id).is_some_and(|line| line.account == account));
        self.waiting = rest.into();
        for (line, request) in leaving.into_iter().take(FAREWELLS) {
            self.outputs.push_back(Output::Send { line, account, request });
        }
    }

    /// The account is gone.
    pub fn forget(&mut self, account: AccountId) {
        self.accounts.remove(&account);
        self.lines.retain(|_, line| line.account != account);
        self.settle();
    }

    /// A NOTIFY in a dialog that came by `account`; whether it is for one of ours.
    pub fn handle_notify(
        &mut self,
        account: AccountId,
        key: ServerKey,
        notify: &Request,
        now: Instant,
        random: &mut Random,
    ) -> bool {
        let mut lines = self.lines.values_mut();
        let Some(line) = lines.find(|line| line.account == account && line.subscription.owns(notify)) else {
            return false;
        };
        line.subscription.handle_notify(key, notify, now, random);
        let is_list = line.is_list();
        self.collect(now);
        if is_list {
            self.pursue(account, now, random);
        }
        true
    }

    /// Something came by `account` that was too long to be read, or broken: if it was a NOTIFY of ours, nothing is known.
    pub fn handle_refused(&mut self, account: AccountId, refusal: &Refusal, now: Instant) {
        let mut heads = refusal.recovered();
        let call_id = heads
            .find(|(name, _)| **name == HeaderName::CallId)
            .map(|(_, value)| value.trim());
        let mut lines = self.lines.values_mut();
        let is_meant = |line: &&mut Line| line.account == account && Some(line.subscription.call_id()) == call_id;
        if let Some(line) = lines.find(is_meant) {
            line.darken(refusal.why);
            self.collect(now);
        }
    }

    /// The final response to a SUBSCRIBE. `retry` are the credentials that answer a challenge.
    pub fn handle_response(
        &mut self,
        line: LineId,
        (sent, response, retry): (&Request, &Response, Option<&Retry>),
        now: Instant,
        random: &mut Random,
    ) {
        let Some(line) = self.lines.get_mut(&line) else { return };
        let (account, is_list) = (line.account, line.is_list());
        line.subscription.handle_response(sent, response, retry, now, random);
        self.collect(now);
        if is_list {
            self.pursue(account, now, random);
        }
    }

    /// A SUBSCRIBE got no answer.
    pub fn handle_failed(&mut self, line: LineId, sent: &Request, why: Failure, now: Instant, random: &mut Random) {
        let Some(line) = self.lines.get_mut(&line) else { return };
        let (account, is_list) = (line.account, line.is_list());
        line.subscription.handle_failed(sent, why, now, random);
        self.collect(now);
        if is_list {
            self.pursue(account, now, random);
        }
    }

    /// By which account a line asks.
    pub fn account_of(&self, line: LineId) -> Option<AccountId> {
        self.lines.get(&line).map(|line| line.account)
    }

    /// A moment that [`Lines::poll_wake`] named has come.
    pub fn handle_timeout(&mut self, now: Instant, random: &mut Random) {
        for line in self.lines.values_mut() {
            line.subscription.handle_timeout(now, random);
            line.handle_timeout(now);
        }
        let due: Vec<AccountId> = self
            .accounts
            .iter_mut()
            .filter_map(|(id, mailbox)| mailbox.due(now).then_some(*id))
            .collect();
        for account in due {
            self.ask_for_messages(account, now, random);
        }
        self.collect(now);
    }

    /// What to do next.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Lines::handle_timeout`] is due: one moment for all of them.
    #[must_use]
    pub fn poll_wake(&self) -> Option<Wake> {
        let slot = self
            .waiting
            .front()
            .map(|_| Wake::new(self.next_slot, "next subscription"));
        let lines = self
            .lines
            .values()
            .flat_map(|line| [line.subscription.poll_wake(), line.poll_wake()]);
        let mailboxes = self.accounts.values().map(Mailbox::poll_wake);
        earliest(lines.chain(mailboxes).chain([slot]))
    }

    /// Every lamp.
    pub fn lamps(&self) -> Vec<LampView> {
        let lines = self.lines.values().filter(|line| !line.is_leaving);
        let lamps = lines.flat_map(|line| line.lamps().map(move |lamp| (line, lamp)));
        let mut lamps: Vec<LampView> = lamps
            .map(|(line, (target, lamp))| lamp.show().view(line.account, line.kind, target.clone()))
            .collect();
        lamps.sort_by(|one, other| {
            (one.account, one.kind, &one.target).cmp(&(other.account, other.kind, &other.target))
        });
        lamps
    }

    /// How many subscriptions are kept: for tests of leaks and for the support log.
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// Carries what the subscriptions want, and tells what changed.
    fn collect(&mut self, now: Instant) {
        let mut told = Vec::new();
        for (id, line) in &mut self.lines {
            while let Some(output) = line.subscription.poll_output() {
                match output {
                    subscribe::Output::Send(request) => self.waiting.push_back((*id, request)),
                    subscribe::Output::Respond { key, response } => {
                        self.outputs.push_back(Output::Respond { key, response });
                    }
                    subscribe::Output::Standing(standing) => {
                        tracing::debug!(line = ?id, ?standing, "a subscription");
                        line.handle_standing(&standing);
                        if line.kind == LampKind::Mwi && matches!(standing, Standing::Lost { .. }) {
                            told.push((line.account, None));
                        }
                    }
                    subscribe::Output::News(news) => {
                        let messages = line.handle_news(&news, now);
                        told.extend(messages.map(|messages| (line.account, Some(messages))));
                    }
                }
            }
        }
        for (account, messages) in told {
            self.tell_messages(account, messages, false);
        }
        self.lines
            .retain(|_, line| !line.is_leaving || !line.subscription.is_idle());
        self.settle();
        self.release(now);
    }

    /// Events of what changed, and nothing to ask for lines that are gone.
    fn settle(&mut self) {
        self.waiting.retain(|(id, _)| self.lines.contains_key(id));
        for line in self.lines.values_mut() {
            let (account, kind) = (line.account, line.kind);
            for (target, shown) in line.news() {
                self.outputs.push_back(Output::Event(Event::Lamp {
                    account,
                    kind,
                    target,
                    state: shown.state,
                    remote: shown.remote,
                    reason: shown.reason,
                }));
            }
        }
    }

    /// Lets the next SUBSCRIBE go when its turn has come.
    fn release(&mut self, now: Instant) {
        while self.next_slot <= now {
            let Some((line, request)) = self.waiting.pop_front() else {
                return;
            };
            let Some(account) = self.account_of(line) else { continue };
            self.next_slot = now + PACE;
            self.outputs.push_back(Output::Send { line, account, request });
        }
    }
}
