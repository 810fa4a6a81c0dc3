//! The way round for requests that are too long for a datagram: a TCP connection beside the account's UDP flow, to the
//! same server, opened when first needed (RFC 3261 18.1.1).
//!
//! Where TCP is refused, or nobody answers there, such requests go by datagram after all, in fragments.

use super::line::FlowNumbers;
use super::wire::Wire;
use super::{Account, Output, Target};
use crate::account_config::Transport as ConfigTransport;
use crate::ids::FlowId;
use crate::random::Random;
use crate::sip::endpoint::Flow;
use crate::sip::msg::Transport;
use crate::time::{Instant, Wake, earliest};
use std::net::SocketAddr;
use std::time::Duration;

/// How long a connection may take: a call waits for it.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long an unused connection is kept: longer than anything rings.
const IDLE: Duration = Duration::from_secs(600);

/// By what a long request may go.
#[derive(Clone, Debug)]
pub enum LongWay {
    /// By this flow.
    By(Flow),
    /// It is not known yet; [`Output::LongWay`] tells.
    Later,
    /// By nothing: there is no connection at all.
    None,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) enum Detour {
    /// Nobody needed it yet.
    #[default]
    Unused,
    /// The connection is being made.
    Opening {
        flow: FlowId,
        remote: SocketAddr,
        deadline: Instant,
    },
    /// Bytes pass, until nobody needs them.
    Open { wire: Box<Wire>, idle_at: Instant },
    /// It was tried in vain.
    Barred,
}

impl Detour {
    /// Its flow, open or being opened.
    pub(super) fn flow(&self) -> Option<FlowId> {
        match self {
            Self::Opening { flow, .. } => Some(*flow),
            Self::Open { wire, .. } => Some(wire.flow().id),
            Self::Unused | Self::Barred => None,
        }
    }

    pub(super) fn wire(&mut self) -> Option<&mut Wire> {
        match self {
            Self::Open { wire, .. } => Some(wire),
            _ => None,
        }
    }

    pub(super) fn poll_wake(&self) -> Option<Wake> {
        match self {
            Self::Opening { deadline, .. } => Some(Wake::new(*deadline, "connection time-out")),
            Self::Open { wire, idle_at } => earliest([wire.poll_wake(), Some(Wake::new(*idle_at, "unused stream"))]),
            Self::Unused | Self::Barred => None,
        }
    }
}

impl Account {
    /// By what a request goes that is too long for the account's own flow.
    pub fn long_way(&mut self, flows: &mut FlowNumbers, now: Instant) -> LongWay {
        let Some(mut datagrams) = self.flow() else {
            return LongWay::None;
        };
        match &mut self.detour {
            Detour::Open { wire, idle_at } => {
                *idle_at = now + IDLE;
                return LongWay::By(wire.flow().clone());
            }
            Detour::Barred => {
                datagrams.datagram_limit = usize::MAX;
                return LongWay::By(datagrams);
            }
            Detour::Opening { .. } => {}
            Detour::Unused => {
                let flow = flows.next();
                let target = Target {
                    transport: ConfigTransport::Tcp,
                    address: datagrams.remote,
                };
                self.detour = Detour::Opening {
                    flow,
                    remote: datagrams.remote,
                    deadline: now + PATIENCE,
                };
                self.outputs.push_back(Output::Connect(flow, target));
            }
        }
        LongWay::Later
    }

    /// Whether `flow` was the detour's, and is open now.
    pub(super) fn open_detour(&mut self, flow: FlowId, local: SocketAddr, now: Instant, random: &mut Random) -> bool {
        match self.detour {
            Detour::Opening { flow: own, remote, .. } if own == flow => {
                let flow = Flow::new(flow, Transport::Tcp, local, remote);
                self.detour = Detour::Open {
                    wire: Box::new(Wire::new(flow, now, random)),
                    idle_at: now + IDLE,
                };
                self.outputs.push_back(Output::LongWay);
                true
            }
            _ => false,
        }
    }

    /// The detour ended, or cannot be had; `next` is what it is from now on.
    fn leave_detour(&mut self, next: Detour) -> Option<FlowId> {
        let flow = self.detour.flow()?;
        self.detour = next;
        self.outputs.push_back(Output::LongWay);
        Some(flow)
    }

    /// Whether `flow` was the detour's, and is gone now.
    pub(super) fn lose_detour(&mut self, flow: FlowId) -> bool {
        if self.detour.flow() != Some(flow) {
            return false;
        }
        let next = match self.detour {
            Detour::Opening { .. } => Detour::Barred,
            _ => Detour::Unused,
        };
        self.leave_detour(next);
        self.outputs.push_back(Output::FlowLost(flow));
        true
    }

    /// The flow beside which it was is gone: so is it, and what was known about it.
    pub(super) fn close_detour(&mut self) {
        if let Some(flow) = self.leave_detour(Detour::Unused) {
            self.outputs.push_back(Output::Close(flow));
        }
        self.detour = Detour::Unused;
    }

    pub(super) fn run_detour(&mut self, now: Instant, random: &mut Random) {
        let over = match &mut self.detour {
            Detour::Opening { deadline, .. } if *deadline <= now => Detour::Barred,
            Detour::Open { idle_at, .. } if *idle_at <= now => Detour::Unused,
            Detour::Open { wire, .. } => return wire.handle_timeout(now, random),
            _ => return,
        };
        if let Some(flow) = self.leave_detour(over) {
            self.outputs.push_back(Output::Close(flow));
        }
    }
}
