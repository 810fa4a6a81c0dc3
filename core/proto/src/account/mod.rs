//! One account: its line to the PBX, its logins, its registration, and what its calls are built from.
//!
//! A dialog names its account and never a flow: whoever sends a request asks [`Account::flow`] for the current one.
//! Only what comes by that one flow is believed, and only for a user part that is ours.

mod detour;
mod identity;
mod line;
mod memory;
mod registration;
mod wire;

pub use detour::LongWay;
pub use line::{CONNECT_TIMEOUT, FlowNumbers, Query, Target};
pub use memory::AccountMemory;

use crate::account_config::{AccountConfig, Transport as ConfigTransport};
use crate::call::{Profile, Way, Wish};
use crate::event::Event;
use crate::ids::{AccountId, FlowId};
use crate::policy::caller_id::CallerIdentity;
use crate::policy::reach::Rules;
use crate::random::Random;
use crate::sdp::negotiate::MediaSettings;
use crate::secret::Secret;
use crate::sip::auth::{Authenticator, Retry};
use crate::sip::endpoint::Flow;
use crate::sip::msg::{Message, Method, NameAddr, Request, Response, Transport, Uri};
use crate::sip::parse::Refusal;
use crate::sip::register::{Registered, Registration};
use crate::sip::session::Settings;
use crate::time::{Instant, Wake, earliest};
use crate::view::AccountView;
use detour::Detour;
use line::Line;
use std::collections::VecDeque;
use std::net::SocketAddr;
use wire::Wire;

/// What an account wants done, or has to tell.
#[derive(Debug)]
pub enum Output {
    /// Look this up.
    Resolve(Query),
    /// Open a flow.
    Connect(FlowId, Target),
    /// Close a flow, and fail what was asked by it.
    Close(FlowId),
    /// A flow is gone: fail what was asked by it.
    FlowLost(FlowId),
    /// Send these bytes on a flow: keep-alive.
    Transmit(FlowId, Vec<u8>),
    /// For the transaction layer: a message came by the account's flow.
    Message(Flow, Box<Message>),
    /// For the transaction layer: something came that is no message.
    Refused(Flow, Box<Refusal>),
    /// Send a REGISTER.
    Register(Box<Request>),
    /// Store what was learnt.
    Remember(Box<AccountMemory>),
    /// What [`Account::long_way`] could not say is known now.
    LongWay,
    /// The account is reached at another Contact, perhaps over another network, or by another way at the same.
    Moved,
    /// Tell whoever listens.
    Event(Event),
}

/// See the module.
#[derive(Debug)]
pub struct Account {
    id: AccountId,
    config: AccountConfig,
    login: Authenticator,
    registration: Registration,
    line: Line,
    wire: Option<Wire>,
    detour: Detour,
    memory: AccountMemory,
    status: Status,
    outputs: VecDeque<Output>,
}

/// What people see of an account.
#[derive(Clone, Debug, Default)]
struct Status {
    /// The last confirmed binding.
    binding: Option<Registered>,
    /// When the PBX last proved that it is there, by a message that only it could send.
    proven_at: Option<Instant>,
    /// Why there is no registration.
    reason: Option<String>,
    /// What happened to the line last: it says more than the registration can.
    line_down: Option<String>,
    /// The connection was lost, and no attempt to have it back has failed yet.
    returning: bool,
    /// The Contact that the calls know, and the address behind it where it names none.
    told: Option<(NameAddr, Option<SocketAddr>)>,
}

impl Account {
    /// An account that is not connected yet. `config` has passed its validation.
    pub fn new(
        id: AccountId,
        config: AccountConfig,
        password: Secret,
        mut memory: AccountMemory,
        random: &mut Random,
    ) -> Self {
        let mut outputs = VecDeque::new();
        if memory.complete(random) {
            outputs.push_back(Output::Remember(Box::new(memory.clone())));
        }
        Self {
            id,
            login: Authenticator::new(
                config.digest_user(),
                password,
                config.domain.clone(),
                memory.login.clone(),
            ),
            registration: registration::of(&config, &memory, random),
            line: Line::new(query(&config)),
            wire: None,
            detour: Detour::default(),
            config,
            memory,
            status: Status::default(),
            outputs,
        }
    }

    /// Its number.
    pub const fn id(&self) -> AccountId {
        self.id
    }

    /// Its configuration.
    pub const fn config(&self) -> &AccountConfig {
        &self.config
    }

    /// The flow by which requests go now.
    pub fn flow(&self) -> Option<Flow> {
        self.wire.as_ref().map(|wire| wire.flow().clone())
    }

    /// Whether `flow` is this account's.
    pub fn owns(&self, flow: FlowId) -> bool {
        self.line.owns(flow) || self.detour.flow() == Some(flow)
    }

    /// The flows that are to be closed when the account is taken away.
    pub fn flows(&self) -> impl Iterator<Item = FlowId> {
        [self.line.flow(), self.detour.flow()].into_iter().flatten()
    }

    /// Why calls cannot be made now, in a sentence; `None` if they can.
    pub fn obstacle(&self) -> Option<String> {
        if self.wire.is_some() {
            return None;
        }
        let why = self.status.reason.clone();
        Some(why.unwrap_or_else(|| "It is being made.".to_owned()))
    }

    /// Whether a request for `uri` is for us: by the Contact that we registered, or by the account's user.
    pub fn serves(&self, uri: &Uri) -> bool {
        let user = uri.user();
        user.as_deref() == Some(self.memory.contact_user.as_str()) || user.as_deref() == Some(self.config.user.as_str())
    }

    /// For the snapshot.
    pub fn view(&self, now: Instant) -> AccountView {
        let age = self
            .status
            .proven_at
            .map(|at| u64::try_from((now - at).as_millis()).unwrap_or(u64::MAX));
        AccountView {
            id: self.id,
            aor: format!("sip:{}", self.config.address()),
            registered: self.registration.is_registered(now),
            last_proven_ms: age,
            reason: self.status.reason.clone(),
            messages: None,
            dnd: self.memory.rules.dnd,
            forward: self.memory.rules.forward.clone().into(),
        }
    }

    /// What becomes of calls that come in.
    pub const fn rules(&self) -> &Rules {
        &self.memory.rules
    }

    /// Changes that, for good.
    pub fn change_rules(&mut self, change: impl FnOnce(&mut Rules)) {
        let before = self.memory.rules.clone();
        change(&mut self.memory.rules);
        if before != self.memory.rules {
            self.outputs.push_back(Output::Remember(Box::new(self.memory.clone())));
        }
    }

    /// Adds credentials that the PBX is known to want, which saves a round trip.
    pub fn authorise(&mut self, request: &mut Request, random: &mut Random) {
        self.login.authorise(request, random);
    }

    /// Answers a challenge to a request of a call.
    pub fn credentials(&mut self, request: &Request, challenge: &Response, random: &mut Random) -> Option<Retry> {
        let answer = self.login.answer(request, challenge, random);
        self.remember_login();
        answer
            .inspect_err(|refusal| tracing::debug!(%refusal, "a challenge is not answered"))
            .ok()
    }

    /// What all sessions of the account are built with; `None` while there is no flow.
    pub fn session_settings(&self) -> Option<Settings> {
        let mut settings = Settings::new(self.contact()?);
        settings.allow = vec![Method::Refer, Method::Notify];
        settings.supported = ["replaces", "norefersub"].map(str::to_owned).to_vec();
        Some(settings)
    }

    /// How requests outside a dialog go; `None` while there is no flow.
    pub fn way(&self) -> Option<Way> {
        let mut routes: Vec<NameAddr> = identity::proxy_route(&self.config).into_iter().collect();
        let service = self.status.binding.iter().flat_map(|binding| &binding.service_route);
        // A proxy may have named itself in what it let through.
        let service = service.filter(|hop| !routes.iter().any(|known| known.uri.equivalent(&hop.uri)));
        let service: Vec<NameAddr> = service.cloned().collect();
        routes.extend(service);
        Some(Way {
            settings: self.session_settings()?,
            routes,
            local: self.flow()?.local.ip(),
        })
    }

    /// What the account says about its calls' sound.
    pub fn call_profile(&self) -> Profile {
        Profile {
            media: MediaSettings {
                policy: self.config.media,
                secure_signalling: self.config.transport == ConfigTransport::Tls,
                codecs: self.config.codecs.clone(),
                ..MediaSettings::default()
            },
            dtmf: self.config.dtmf,
            transfers: self.config.transfers,
            user: self.config.user.clone(),
        }
    }

    /// The address of record.
    pub fn address(&self) -> Uri {
        identity::address_of_record(&self.config)
    }

    /// A call to `target` that shows what `wish` says.
    pub fn call_to(&self, target: Uri, wish: &CallerIdentity) -> Wish {
        let (from, headers) = identity::caller(&self.config, wish);
        Wish { target, from, headers }
    }

    /// Whether a connection is gone that worked, and no attempt to have it back has failed yet: a call may wait for it.
    pub const fn is_returning(&self) -> bool {
        self.status.returning
    }

    /// A look-up ended.
    pub fn handle_resolved(
        &mut self,
        found: Result<Vec<Target>, String>,
        flows: &mut FlowNumbers,
        now: Instant,
        random: &mut Random,
    ) {
        self.line.handle_resolved(found, flows, now);
        self.drain(now, random);
    }

    /// A flow that was asked for is open.
    pub fn handle_opened(&mut self, flow: FlowId, local: SocketAddr, now: Instant, random: &mut Random) {
        if !self.open_detour(flow, local, now, random) {
            self.line.handle_opened(flow, local);
        }
        self.drain(now, random);
    }

    /// A flow could not be opened, or ended.
    pub fn handle_closed(
        &mut self,
        flow: FlowId,
        why: &str,
        flows: &mut FlowNumbers,
        now: Instant,
        random: &mut Random,
    ) {
        if !self.lose_detour(flow) {
            self.line.handle_closed(flow, why, flows, now);
        }
        self.drain(now, random);
    }

    /// A request went out by `flow`: silence makes that flow doubtful from now on.
    pub fn handle_asked(&mut self, flow: FlowId, now: Instant) {
        if let Some(wire) = self.wire_of(flow) {
            wire.handle_asked(now);
        }
    }

    /// Bytes came by the flow.
    pub fn handle_received(
        &mut self,
        flow: FlowId,
        bytes: &[u8],
        flows: &mut FlowNumbers,
        now: Instant,
        random: &mut Random,
    ) {
        if let Some(wire) = self.wire_of(flow) {
            wire.handle_received(bytes);
        }
        self.drain_wire(flows, now, random);
        self.drain(now, random);
    }

    /// A moment that [`Account::poll_wake`] named has come.
    pub fn handle_timeout(&mut self, flows: &mut FlowNumbers, now: Instant, random: &mut Random) {
        if let Some(wire) = &mut self.wire {
            wire.handle_timeout(now, random);
        }
        self.run_detour(now, random);
        self.drain_wire(flows, now, random);
        self.line.handle_timeout(flows, now);
        self.registration.handle_timeout(now);
        self.drain(now, random);
    }

    /// What to do next.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Account::handle_timeout`] is due. It may change after any other method.
    #[must_use]
    pub fn poll_wake(&self) -> Option<Wake> {
        let wire = self.wire.as_ref().and_then(Wire::poll_wake);
        earliest([
            wire,
            self.detour.poll_wake(),
            self.line.poll_wake(),
            self.registration.poll_wake(),
        ])
    }

    fn wire_of(&mut self, flow: FlowId) -> Option<&mut Wire> {
        let mut wires = self.wire.iter_mut().chain(self.detour.wire());
        wires.find(|wire| wire.flow().id == flow)
    }

    /// Carries what the line and the registration want to each other, and the rest out.
    fn drain(&mut self, now: Instant, random: &mut Random) {
        loop {
            if let Some(output) = self.line.poll_output() {
                self.handle_line(output, now, random);
            } else if let Some(output) = self.registration.poll_output() {
                self.handle_registration(output, now, random);
            } else {
                return;
            }
        }
    }

    fn handle_line(&mut self, output: line::Output, now: Instant, random: &mut Random) {
        match output {
            line::Output::Resolve(query) => self.outputs.push_back(Output::Resolve(query)),
            line::Output::Connect(flow, target) => self.outputs.push_back(Output::Connect(flow, target)),
            line::Output::Close(flow) => self.outputs.push_back(Output::Close(flow)),
            line::Output::Up(open) => {
                let transport = match open.target.transport {
                    ConfigTransport::Tls => Transport::Tls,
                    ConfigTransport::Tcp => Transport::Tcp,
                    ConfigTransport::Udp => Transport::Udp,
                };
                let flow = Flow::new(open.id, transport, open.local, open.target.address);
                self.wire = Some(Wire::new(flow.clone(), now, random));
                // A line that fails over by itself must not undo what the user asked.
                if self.registration.is_wanted() {
                    self.registration.register(&flow);
                }
            }
            line::Output::Down(flow, why) => {
                self.wire = None;
                self.close_detour();
                self.status.line_down = Some(why);
                self.outputs.push_back(Output::FlowLost(flow));
                self.registration.handle_flow_lost(flow, now, random);
            }
            line::Output::Failed(why) => {
                self.status.line_down = Some(why);
                self.registration.handle_flow_failed(now, random);
            }
        }
    }

    fn drain_wire(&mut self, flows: &mut FlowNumbers, now: Instant, random: &mut Random) {
        while let Some((flow, output)) = self
            .wire
            .iter_mut()
            .chain(self.detour.wire())
            .find_map(|wire| Some((wire.flow().clone(), wire.poll_output()?)))
        {
            match output {
                wire::Output::Send(bytes) => self.outputs.push_back(Output::Transmit(flow.id, bytes)),
                wire::Output::Message(message) => {
                    self.status.proven_at = Some(now);
                    self.outputs.push_back(Output::Message(flow, message));
                }
                wire::Output::Refused(refusal) => self.outputs.push_back(Output::Refused(flow, Box::new(refusal))),
                wire::Output::Mapped { address, before } => {
                    self.registration.handle_mapped(address, before);
                    self.drain(now, random);
                }
                wire::Output::Dead(_) if self.detour.flow() == Some(flow.id) => self.close_detour(),
                wire::Output::Dead(why) => {
                    self.line.handle_useless(&why, flows, now);
                    self.drain(now, random);
                }
            }
        }
    }

    fn remember_login(&mut self) {
        if self.memory.login != *self.login.memory() {
            self.memory.login = self.login.memory().clone();
            self.outputs.push_back(Output::Remember(Box::new(self.memory.clone())));
        }
    }
}

/// Where the account's line leads: `server` says only where to connect; else the outbound proxy; else the domain.
fn query(config: &AccountConfig) -> Query {
    let place = config.server.as_ref().or(config.outbound_proxy.as_ref());
    Query {
        host: place.map_or_else(|| config.domain.clone(), |place| place.host.clone()),
        port: place.and_then(|place| place.port),
        transport: config.transport,
        addresses_only: config.server.is_some(),
    }
}
