//! Registration of one account over one flow (RFC 3261 10, RFC 3327, RFC 3608, RFC 5626, RFC 5627).
//!
//! The owner opens flows and sends: [`Output::NeedFlow`] asks for a flow, [`Registration::register`] gives it,
//! [`Output::Send`] goes out with [`Authenticator::authorise`] and the endpoint, and what comes back is handed to
//! [`Registration::handle_response`] or [`Registration::handle_failed`]. One Call-ID, rising CSeq, one REGISTER at a
//! time. Keep-alives are sent elsewhere; [`Registered::flow_timer`] says how often the server wants them.

mod answers;
mod backoff;
mod repair;
mod requests;
mod wishes;

use super::auth::{Authenticator, Refusal};
use super::endpoint::{Failure, Flow};
use super::msg::{NameAddr, Request, Response, StatusCode, Uri};
use crate::ids::FlowId;
use crate::random::Random;
use crate::time::{Instant, Wake, earliest};
pub(super) use backoff::Backoff;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use wishes::Next;

/// What is registered, and where.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address of record, with the display name that REGISTER shows.
    pub aor: NameAddr,
    /// The Request-URI: `sip:domain`.
    pub registrar: Uri,
    /// Outbound proxies that every REGISTER is routed through; usually none.
    pub route: Vec<NameAddr>,
    /// The user part of Contact: random, drawn once per account and stored, so that nobody can guess it.
    pub contact_user: String,
    /// The device, `urn:uuid:…`, drawn once and stored (RFC 5626 4.1).
    pub instance: String,
    /// Which of the account's flows this is, from 1.
    pub reg_id: u32,
    /// The validity to ask for, in seconds.
    pub expires: u32,
    /// Whether RFC 5626 is offered.
    pub outbound: bool,
    /// The value of User-Agent.
    pub user_agent: String,
    /// Contacts that an earlier run may have left behind: the last [`Output::StoreContacts`]. They are removed.
    pub stale_contacts: Vec<Uri>,
}

/// A binding that the registrar confirmed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registered {
    /// Over which flow.
    pub flow: FlowId,
    /// Our Contact, as it was registered.
    pub contact: Uri,
    /// How long it holds from now.
    pub expires_in: Duration,
    /// The route of all other requests (RFC 3608), topmost first.
    pub service_route: Vec<NameAddr>,
    /// RFC 5626 is in force: the registrar knows the flow, and the Contact's address does not matter.
    pub outbound: bool,
    /// The addresses to give out, if the registrar assigned any (RFC 5627).
    pub gruu: Option<Gruu>,
    /// How often the server wants to see a keep-alive (RFC 5626 4.4), at most.
    pub flow_timer: Option<Duration>,
    /// Our address as the far end saw it.
    pub seen_as: Option<SocketAddr>,
}

/// Globally routable addresses of this device (RFC 5627).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gruu {
    /// The one that never changes.
    pub public: Uri,
    /// One that does not tell who we are.
    pub temporary: Option<Uri>,
}

/// Why there is no binding, or none any more.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Nobody erred.
    #[error("unregistered as asked")]
    Asked,
    /// The user or the PBX erred; see the refusal.
    #[error("{0}")]
    Login(#[from] Refusal),
    /// The PBX does not let this user in (403).
    #[error("the server forbids this login")]
    Forbidden,
    /// The PBX said no.
    #[error("the server refused the registration: {status} {phrase}")]
    Refused {
        /// Its code.
        status: StatusCode,
        /// Its words.
        phrase: String,
    },
    /// The network or the PBX: nobody answered.
    #[error("the server does not answer")]
    Timeout,
    /// The network: the connection broke.
    #[error("the connection to the server was lost")]
    FlowLost,
    /// The network: no connection could be made; the transport knows more.
    #[error("the server cannot be reached")]
    Unreachable,
    /// The binding ran out before it could be renewed, as after a long sleep.
    #[error("the registration ran out")]
    Expired,
    /// The PBX granted no time at all.
    #[error("the server confirmed the registration for no time at all")]
    NothingGranted,
}

/// What the registration wants done, or has to tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Open a flow and give it to [`Registration::register`], or tell [`Registration::handle_flow_failed`].
    NeedFlow,
    /// This flow answers no more: close it. A new one is asked for in its time.
    CloseFlow(FlowId),
    /// Send this REGISTER over `flow`, after [`Authenticator::authorise`].
    Send {
        /// Which flow.
        flow: FlowId,
        /// A request without Via.
        request: Request,
    },
    /// A binding was confirmed, for the first time or again.
    Registered(Registered),
    /// There is no binding, or an attempt failed while there was none.
    Unregistered {
        /// Why.
        reason: Reason,
        /// When the next attempt comes by itself; `None` if somebody must act.
        retry_in: Option<Duration>,
    },
    /// Save these for [`Config::stale_contacts`]: what may be bound at the registrar now.
    StoreContacts(Vec<Uri>),
}

/// The registration of one account over one flow at a time.
#[derive(Debug)]
pub struct Registration {
    config: Config,
    call_id: String,
    from_tag: String,
    cseq: u32,
    /// What is asked for: [`Config::expires`], or more after a 423.
    expires: u32,
    /// RFC 5626 is offered, until a 439 says that it cannot be.
    outbound: bool,
    flow: Option<Flow>,
    /// The address in Contact, once the far end's view replaced our own; per flow.
    repaired: Option<SocketAddr>,
    /// The last address that a repair was tried with; per flow. One try for each change.
    repair_tried: Option<SocketAddr>,
    /// Contacts to remove with the next REGISTER.
    leftovers: Vec<Uri>,
    stored: Vec<Uri>,
    binding: Option<Binding>,
    state: State,
    backoff: Backoff,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum State {
    /// Not wanted, or stopped until somebody acts.
    Idle,
    /// No flow. `ask_at` is when to ask for one; `None` once that is done.
    WithoutFlow { ask_at: Option<Instant> },
    /// A REGISTER is on its way.
    Asking(Pending),
    /// A pause before the next REGISTER on the same flow: until the refresh, or after a failure.
    Resting { until: Instant, why: &'static str },
}

/// The REGISTER that is on its way.
#[derive(Clone, Debug)]
struct Pending {
    cseq: u32,
    purpose: Purpose,
    contact: Uri,
    removed: Vec<Uri>,
    asked: u32,
    /// What is to be asked once it is answered.
    next: Option<Next>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Purpose {
    /// A new binding, or the same for longer.
    Bind,
    /// The same binding under the address that the far end sees.
    Repair,
    /// No binding any more.
    Unbind,
}

#[derive(Debug)]
struct Binding {
    contact: Uri,
    /// When this flow first had a binding.
    since: Instant,
    /// When the registrar last confirmed it.
    proven: Instant,
    expires_at: Instant,
    refresh_at: Instant,
    outbound: bool,
    /// Our address as the far end saw it when it confirmed.
    seen_as: Option<SocketAddr>,
    /// The way that it names is gone: it counts until the next answer, and not longer.
    doubtful: bool,
}

impl Registration {
    /// A registration that does nothing before [`Registration::start`] or [`Registration::register`].
    pub fn new(config: Config, random: &mut Random) -> Self {
        Self {
            call_id: random.token(16),
            from_tag: random.token(8),
            cseq: 0,
            expires: config.expires,
            outbound: config.outbound,
            flow: None,
            repaired: None,
            repair_tried: None,
            leftovers: config.stale_contacts.clone(),
            stored: config.stale_contacts.clone(),
            binding: None,
            state: State::Idle,
            backoff: Backoff::default(),
            outputs: VecDeque::new(),
            config,
        }
    }

    /// Whether a binding is proven and unexpired.
    pub fn is_registered(&self, now: Instant) -> bool {
        self.binding.as_ref().is_some_and(|binding| now < binding.expires_at)
    }

    /// Whether somebody wants a binding: not before [`Registration::start`], nor once it was unregistered or stopped.
    pub const fn is_wanted(&self) -> bool {
        !matches!(self.state, State::Idle)
    }

    /// When the registrar last confirmed the binding.
    pub fn last_proven(&self) -> Option<Instant> {
        self.binding.as_ref().map(|binding| binding.proven)
    }

    /// A flow is open: register over it. The Contact of another flow is removed.
    pub fn register(&mut self, flow: &Flow) {
        if self.flow.as_ref().is_none_or(|known| known.id != flow.id) {
            self.leave_flow();
            self.flow = Some(flow.clone());
        } else if matches!(self.state, State::Asking(_)) {
            return;
        }
        self.send(Purpose::Bind);
    }

    /// The final response to `sent`, the REGISTER as it went out. Provisional ones are ignored.
    pub fn handle_response(
        &mut self,
        sent: &Request,
        response: &Response,
        authenticator: &mut Authenticator,
        now: Instant,
        random: &mut Random,
    ) {
        let State::Asking(pending) = &self.state else { return };
        if pending.cseq != sent.cseq || response.status.is_provisional() {
            return;
        }
        let pending = pending.clone();
        let answer = answers::Answer {
            pending,
            sent,
            response,
            now,
        };
        answer.judge(self, authenticator, random);
    }

    /// The REGISTER with this CSeq got no final response.
    pub fn handle_failed(&mut self, sent: &Request, why: Failure, now: Instant, random: &mut Random) {
        let State::Asking(pending) = &self.state else { return };
        if pending.cseq != sent.cseq {
            return;
        }
        let is_unwanted = pending.is_unwanted();
        match why {
            Failure::Timeout if is_unwanted => self.give_up(),
            Failure::FlowLost if is_unwanted => {
                self.leave_flow();
                self.give_up();
            }
            Failure::FlowLost => self.lose_flow(Reason::FlowLost, now, random),
            // Whoever does not answer for 32 s will not hear a call either: another flow.
            Failure::Timeout => self.lose_flow(Reason::Timeout, now, random),
        }
    }

    /// A connection is gone. Where it had worked a new one is wanted soon, else after the back-off.
    pub fn handle_flow_lost(&mut self, flow: FlowId, now: Instant, random: &mut Random) {
        if self.misses(flow) {
            self.lose_flow(Reason::FlowLost, now, random);
        }
    }

    /// The flow that was asked for could not be opened.
    pub fn handle_flow_failed(&mut self, now: Instant, random: &mut Random) {
        if matches!(self.state, State::WithoutFlow { ask_at: None }) {
            let wait = self.backoff.failed(random);
            self.state = State::WithoutFlow {
                ask_at: Some(now + wait),
            };
            self.tell_unregistered(Reason::Unreachable, Some(wait));
        }
    }

    /// The network is another one, and `lost` the flow that ran over the old one. What failed on the old network says
    /// nothing, and only this phone left it: a flow is wanted at once.
    pub fn handle_network_changed(&mut self, lost: Option<FlowId>, now: Instant) {
        self.backoff = Backoff::default();
        if lost.is_some_and(|flow| self.misses(flow)) {
            self.replace_flow(Reason::FlowLost, Duration::ZERO, now);
        } else if matches!(self.state, State::WithoutFlow { ask_at: Some(_) }) {
            self.need_flow();
        }
    }

    /// Runs what is due. After a long sleep the lost binding is told and renewed at once.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.binding.as_ref().is_some_and(|binding| binding.expires_at <= now) {
            self.binding = None;
            let retry_in = match self.state {
                State::Idle => None,
                State::Asking(_) | State::WithoutFlow { ask_at: None } => Some(Duration::ZERO),
                State::Resting { until: at, .. } | State::WithoutFlow { ask_at: Some(at) } => Some(at - now),
            };
            self.tell_unregistered(Reason::Expired, retry_in);
        }
        match self.state {
            State::Resting { until, .. } if until <= now => self.send(Purpose::Bind),
            State::WithoutFlow { ask_at: Some(at) } if at <= now => self.need_flow(),
            _ => {}
        }
    }

    /// What is to be done next. Poll until `None` after each call.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Registration::handle_timeout`] must be called. May change with every call.
    #[must_use]
    pub fn poll_wake(&self) -> Option<Wake> {
        let expiry = self
            .binding
            .as_ref()
            .map(|binding| Wake::new(binding.expires_at, "registration expiry"));
        let next = match self.state {
            State::Resting { until, why } => Some(Wake::new(until, why)),
            State::WithoutFlow { ask_at } => ask_at.map(|at| Wake::new(at, "registration: next flow")),
            State::Idle | State::Asking(_) => None,
        };
        earliest([next, expiry])
    }

    fn need_flow(&mut self) {
        self.state = State::WithoutFlow { ask_at: None };
        self.outputs.push_back(Output::NeedFlow);
    }

    fn tell_unregistered(&mut self, reason: Reason, retry_in: Option<Duration>) {
        self.outputs.push_back(Output::Unregistered { reason, retry_in });
    }

    /// It is over until somebody asks again.
    fn end(&mut self, reason: Reason) {
        self.binding = None;
        self.state = State::Idle;
        self.tell_unregistered(reason, None);
    }

    /// What was bound over this flow is to be removed over the next, unless the registrar replaces it by itself.
    fn leave_flow(&mut self) {
        let bound = self
            .binding
            .take()
            .filter(|binding| !binding.outbound)
            .map(|binding| binding.contact);
        let asked = match &self.state {
            State::Asking(pending) if !self.outbound => Some(pending.contact.clone()),
            _ => None,
        };
        for contact in bound.into_iter().chain(asked) {
            self.add_leftover(contact);
        }
        self.flow = None;
        self.repaired = None;
        self.repair_tried = None;
    }

    /// Whether a binding is wanted for which `flow`, now gone, has to be replaced.
    fn misses(&mut self, flow: FlowId) -> bool {
        if self.flow.as_ref().is_none_or(|known| known.id != flow) {
            return false;
        }
        match &self.state {
            State::Idle => self.leave_flow(),
            State::Asking(pending) if pending.is_unwanted() => {
                self.leave_flow();
                self.give_up();
            }
            _ => return true,
        }
        false
    }

    fn lose_flow(&mut self, reason: Reason, now: Instant, random: &mut Random) {
        let lived = self.binding.as_ref().map(|binding| now - binding.since);
        let wait = match lived.filter(|_| reason == Reason::FlowLost) {
            Some(lived) => self.backoff.lost_after(lived, random),
            None => self.backoff.failed(random),
        };
        if reason != Reason::FlowLost
            && let Some(flow) = &self.flow
        {
            self.outputs.push_back(Output::CloseFlow(flow.id));
        }
        self.replace_flow(reason, wait, now);
    }

    fn replace_flow(&mut self, reason: Reason, wait: Duration, now: Instant) {
        self.leave_flow();
        self.tell_unregistered(reason, Some(wait));
        if wait.is_zero() {
            self.need_flow();
        } else {
            self.state = State::WithoutFlow {
                ask_at: Some(now + wait),
            };
        }
    }

    fn add_leftover(&mut self, contact: Uri) {
        if !self.leftovers.iter().any(|known| known.equivalent(&contact)) {
            self.leftovers.push(contact);
        }
    }
}

#[cfg(test)]
mod tests;
