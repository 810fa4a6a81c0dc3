//! The top machine: accounts, calls and the transaction layer, and who of them is meant by what comes in.
//!
//! The runtime drives it as the crate's documentation says. Nothing here decides what a call or a registration does;
//! it hands each input to the one machine that it is for, and each wish of a machine to the one that can fulfil it.
//! Every outgoing call goes through [`Phone::place`].

mod command;
mod commands;
mod conference;
mod dispatch;
mod focus;
mod incoming;
mod io;
mod leaving;
mod lines;
mod long_way;
mod moved;
mod place;
mod ring;
mod services;
mod takeover;
#[cfg(test)]
mod tests;
mod transfer;

pub use crate::call::{MediaFact, PhoneSound};
pub use crate::event::Event;
pub use crate::view::{
    AccountView, CallDirection, CallEnd, CallState, CallView, ForwardView, HeldBy, LampKind, LampState, LampView,
    Messages, View,
};
pub use command::{Accepted, Command, Others, Refused};
pub use conference::CONFERENCE_LIMIT;
pub use io::{Input, Output};
use place::Errand;
pub use place::Origin;

use crate::account::{Account, AccountMemory, FlowNumbers};
use crate::account_config::{AccountConfig, AccountError};
use crate::call::{Call, Turn};
use crate::codec::{Codec, Suite};
use crate::ids::{AccountId, CallId, FlowId};
use crate::lines::{LineId, Lines};
use crate::media::session::MediaStats;
use crate::random::Random;
use crate::secret::Secret;
use crate::sip::endpoint::{ClientKey, Endpoint, ServerKey};
use crate::sip::msg::Request;
use crate::sip::session::RequestId;
use crate::sip::timers::Timers;
use crate::time::{Instant, Wake, earliest};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// As many calls as one person can have at once; further ones are refused as busy.
pub const CALL_LIMIT: usize = 16;

/// See the module.
#[derive(Debug)]
pub struct Phone {
    random: Random,
    endpoint: Endpoint,
    accounts: BTreeMap<AccountId, Account>,
    calls: BTreeMap<CallId, Call>,
    lines: Lines,
    /// Whose request each client transaction carries.
    asked: BTreeMap<ClientKey, Asker>,
    /// The calls whose INVITE was answered: its 2xx may come again, from another branch too, as long as they are kept.
    answered: BTreeMap<ClientKey, Asker>,
    /// Which call rings by each INVITE that is not decided yet.
    ringing: BTreeMap<ServerKey, CallId>,
    /// Calls that were placed about another one: which that is.
    consultations: BTreeMap<CallId, CallId>,
    /// Calls that were placed because the far end of another one wants it: which that is.
    followers: BTreeMap<CallId, CallId>,
    /// Calls that take the place of another one: which that is.
    successors: BTreeMap<CallId, CallId>,
    /// The calls that are in a conference with each other; none, or at least two.
    conference: BTreeSet<CallId>,
    /// Whose sound is mixed: the conference without whoever is on hold.
    mixed: BTreeSet<CallId>,
    /// How each call that rings here is heard.
    rings: BTreeMap<CallId, PhoneSound>,
    /// Requests that are too long for a datagram and wait for a stream, or for the news that there is none.
    waiting: Vec<Waiting>,
    /// Accounts that are being taken away.
    leaving: BTreeSet<AccountId>,
    flows: FlowNumbers,
    last_account: u32,
    last_call: u32,
    outputs: VecDeque<Output>,
}

/// What a phone keeps; all of it is nothing when no call has been made for a minute and no request is under way.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Load {
    /// Calls that live, or whose end is not settled with the other side yet.
    pub calls: usize,
    /// Transactions of ours.
    pub client_transactions: usize,
    /// Transactions of others.
    pub server_transactions: usize,
    /// Requests of ours whose answer, or repeated answer, has somebody to go to.
    pub requests: usize,
    /// Calls that came in and are not decided.
    pub ringing: usize,
}

/// A request of an account that cannot be sent yet.
#[derive(Debug)]
struct Waiting {
    account: AccountId,
    asker: Asker,
    request: Request,
}

/// Who asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asker {
    Registration(AccountId),
    Call(CallId, RequestId),
    Line(LineId),
}

impl Phone {
    /// A phone without accounts. `random` must be strong: keys are drawn from it.
    pub fn new(mut random: Random) -> Self {
        let endpoint = Endpoint::new(Timers::default(), &mut random);
        Self {
            random,
            endpoint,
            accounts: BTreeMap::new(),
            calls: BTreeMap::new(),
            lines: Lines::default(),
            asked: BTreeMap::new(),
            answered: BTreeMap::new(),
            ringing: BTreeMap::new(),
            consultations: BTreeMap::new(),
            followers: BTreeMap::new(),
            successors: BTreeMap::new(),
            conference: BTreeSet::new(),
            mixed: BTreeSet::new(),
            rings: BTreeMap::new(),
            waiting: Vec::new(),
            leaving: BTreeSet::new(),
            flows: FlowNumbers::default(),
            last_account: 0,
            last_call: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Adds an account and registers it.
    ///
    /// # Errors
    /// When a setting cannot be: the first problem, as a sentence.
    pub fn add_account(
        &mut self,
        config: AccountConfig,
        password: Secret,
        memory: AccountMemory,
        now: Instant,
    ) -> Result<AccountId, AccountError> {
        config.validate()?;
        self.last_account = self.last_account.saturating_add(1);
        let id = AccountId(self.last_account);
        for warning in config.warnings() {
            self.outputs.push_back(Output::Event(Event::Warning {
                text: warning.to_string(),
            }));
        }
        let mut account = Account::new(id, config, password, memory, &mut self.random);
        account.register(now, &mut self.random);
        self.accounts.insert(id, account);
        self.watch_for(id);
        self.settle(now);
        Ok(id)
    }

    /// Takes an account away: its calls end, its binding is removed, and when that is done it is gone.
    pub fn remove_account(&mut self, id: AccountId, now: Instant) {
        self.hang_up_all(|call| call.account() == id, now);
        if let Some(account) = self.accounts.get_mut(&id) {
            self.lines.take_leave(id, now);
            account.unregister(now, &mut self.random);
            self.leaving.insert(id);
        }
        self.settle(now);
    }

    /// A fact from outside.
    pub fn handle(&mut self, input: Input<'_>, now: Instant) {
        match input {
            Input::Resolved { account, found } => {
                self.with_account(account, |account, flows, random| {
                    account.handle_resolved(found, flows, now, random)
                });
            }
            Input::FlowOpened { flow, local } => self.handle_flow_opened(flow, local, now),
            Input::FlowClosed { flow, why } => self.handle_flow_closed(flow, &why, now),
            Input::Received { flow, bytes } => self.handle_received(flow, bytes, now),
            Input::PathReady { call, path } | Input::PathChanged { call, path } => {
                self.with_call(call, now, |call, turn| call.handle_path(path, turn));
            }
            Input::PathFailed { call, why } => {
                self.with_call(call, now, |call, turn| call.handle_path_failed(&why, turn))
            }
            Input::Media { call, fact } => self.with_call(call, now, |call, turn| call.handle_media(fact, turn)),
            Input::NetworkChanged => self.reconnect("The network changed.", now),
            Input::Slept(_) => self.reconnect("The machine was asleep.", now),
        }
        self.settle(now);
    }

    /// A moment that [`Phone::poll_wake`] named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        for account in self.accounts.values_mut() {
            account.handle_timeout(&mut self.flows, now, &mut self.random);
        }
        for call in self.calls.values_mut() {
            call.handle_timeout(&mut Turn {
                now,
                random: &mut self.random,
            });
        }
        self.lines.handle_timeout(now, &mut self.random);
        self.settle(now);
    }

    /// What to do next.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Phone::handle_timeout`] is due. It may change after any other method.
    #[must_use]
    pub fn poll_wake(&self) -> Option<Wake> {
        let accounts = self.accounts.values().map(Account::poll_wake);
        let calls = self.calls.values().map(Call::poll_wake);
        let others = [self.endpoint.poll_wake(), self.lines.poll_wake()];
        earliest(others.into_iter().chain(accounts).chain(calls))
    }

    /// Where everything stands.
    pub fn view(&self, now: Instant) -> View {
        let accounts: Vec<AccountView> = self
            .accounts
            .values()
            .map(|account| self.account_view(account, now))
            .collect();
        View {
            registered: accounts.iter().any(|account| account.registered),
            accounts,
            calls: self.calls.values().filter_map(|call| call.view(now)).collect(),
            conference: self.conference.iter().copied().collect(),
            lamps: self.lines.lamps(),
        }
    }

    /// What was agreed about a call's sound: its protection (`None` for none) and its codec.
    pub fn agreed(&self, call: CallId) -> Option<(Option<Suite>, Codec)> {
        self.calls.get(&call)?.agreed()
    }

    /// The last figures of a call's sound, from its end until it is forgotten.
    pub fn figures(&self, call: CallId) -> Option<MediaStats> {
        self.calls.get(&call)?.figures()
    }

    /// Ends every call and takes every registration back; [`Phone::is_quiet`] tells when that is done.
    pub fn say_farewell(&mut self, now: Instant) {
        self.hang_up_all(|_| true, now);
        for (id, account) in &mut self.accounts {
            self.lines.take_leave(*id, now);
            account.unregister(now, &mut self.random);
        }
        self.settle(now);
    }

    /// Whether nothing is owed to any PBX any more.
    pub fn is_quiet(&self) -> bool {
        self.calls.values().all(Call::is_settled) && self.asked.is_empty() && self.waiting.is_empty()
    }

    /// How much is kept: for tests of leaks and for the support log.
    pub fn load(&self) -> Load {
        let (client_transactions, server_transactions) = self.endpoint.transactions();
        Load {
            calls: self.calls.len(),
            client_transactions,
            server_transactions,
            requests: [self.asked.len(), self.answered.len(), self.waiting.len()].iter().sum(),
            ringing: self.ringing.len(),
        }
    }

    /// How many subscriptions are kept: for tests of leaks and for the support log.
    pub fn subscriptions(&self) -> usize {
        self.lines.count()
    }

    fn hang_up_all(&mut self, which: impl Fn(&Call) -> bool, now: Instant) {
        for call in self.calls.values_mut().filter(|call| call.is_live() && which(call)) {
            call.hang_up(&mut Turn {
                now,
                random: &mut self.random,
            });
        }
    }

    fn with_account(&mut self, id: AccountId, act: impl FnOnce(&mut Account, &mut FlowNumbers, &mut Random)) {
        if let Some(account) = self.accounts.get_mut(&id) {
            act(account, &mut self.flows, &mut self.random);
        }
    }

    fn reconnect(&mut self, why: &str, now: Instant) {
        for account in self.accounts.values_mut() {
            account.reconnect(why, now, &mut self.random);
        }
    }

    fn with_call(&mut self, id: CallId, now: Instant, act: impl FnOnce(&mut Call, &mut Turn<'_>)) {
        if let Some(call) = self.calls.get_mut(&id) {
            act(
                call,
                &mut Turn {
                    now,
                    random: &mut self.random,
                },
            );
        }
    }

    fn account_of(&mut self, flow: FlowId) -> Option<&mut Account> {
        self.accounts.values_mut().find(|account| account.owns(flow))
    }
}
