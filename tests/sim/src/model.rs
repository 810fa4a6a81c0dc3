//! The reference model: what must be seen from outside, in as few words as possible, and how a world differs from it.

use crate::numbers;
use crate::world::World;
use toestel_proto::account_config::Transport;
use toestel_proto::codec::{Direction, MediaPolicy};
use toestel_proto::ids::CallId;
use toestel_proto::phone::{CallDirection, CallState, CallView, HeldBy, Load};

/// The call that is under way in a model world; there is at most one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Call {
    /// None.
    None,
    /// One phone calls, others ring.
    Ringing {
        /// Who calls.
        caller: usize,
        /// Who rings.
        callees: Vec<usize>,
    },
    /// One phone and the exchange itself.
    WithExchange {
        /// Which one.
        phone: usize,
        /// Whether the phone called.
        placed: bool,
        /// How far it is.
        state: CallState,
    },
    /// Two phones talk.
    Talking {
        /// Who called, and who answered.
        ends: [usize; 2],
        /// Which of them holds the other.
        holds: [bool; 2],
        /// Which of them has closed its microphone.
        muted: [bool; 2],
    },
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Model {
    /// Which phones are to be registered.
    pub registered: Vec<bool>,
    /// The call.
    pub call: Call,
}

/// What must be seen of a phone's only call.
struct Expected {
    direction: CallDirection,
    state: CallState,
    held_by: HeldBy,
    muted: bool,
}

impl Model {
    /// All registered, nobody talks.
    pub fn new(phones: usize) -> Self {
        Self {
            registered: vec![true; phones],
            call: Call::None,
        }
    }

    /// What a world shows otherwise than this model says; nothing if they agree.
    pub fn differences(&self, world: &World) -> Vec<String> {
        let mut found = Vec::new();
        for phone in 0..world.hosts.len() {
            let is_with_exchange = matches!(&self.call, Call::WithExchange { phone: with, .. } if *with == phone);
            if world.exchange.is_busy_with(&numbers::extension(phone)) != is_with_exchange {
                found.push(format!(
                    "the exchange does not agree with phone {phone} on a call between them"
                ));
            }
            found.extend(self.difference_of_registration(world, phone));
            found.extend(
                self.difference_of_call(world, phone)
                    .map(|text| format!("phone {phone}: {text}")),
            );
        }
        if found.is_empty() {
            found.extend(self.difference_of_media(world));
        }
        found
    }

    /// What is left over although nothing has happened for a minute.
    pub fn leftovers(&self, world: &World) -> Vec<String> {
        let mut found = Vec::new();
        for (phone, host) in world.hosts.iter().enumerate() {
            let load = host.phone.load();
            if load != Load::default() {
                found.push(format!("phone {phone} keeps {load:?}"));
            }
            if !host.phone.is_quiet() {
                found.push(format!("phone {phone} is not quiet"));
            }
            if !host.paths.is_empty() || !host.plans.is_empty() {
                found.push(format!("phone {phone} keeps media of a call that is over"));
            }
            let flows = world.flows_of(phone).len();
            // By UDP there may be another, for requests that are too long for a datagram.
            let most = if world.setup.transport == Transport::Udp { 2 } else { 1 };
            if flows > most {
                found.push(format!("phone {phone} keeps {flows} connections"));
            }
        }
        let unfinished = world.exchange.unfinished();
        if unfinished > 0 {
            found.push(format!("the exchange waits for {unfinished} things"));
        }
        found
    }

    fn difference_of_registration(&self, world: &World, phone: usize) -> Option<String> {
        let wanted = self.registered[phone];
        let claims = world.hosts[phone].is_registered(world.now);
        let bindings = world.exchange.bindings(&numbers::extension(phone), world.now).len();
        if claims == wanted && bindings == usize::from(wanted) && (!wanted || world.is_reachable(phone)) {
            return None;
        }
        Some(format!(
            "phone {phone} is to be {}, says {}, has {bindings} bindings and {} be reached ({:?})",
            if wanted { "registered" } else { "unregistered" },
            if claims { "registered" } else { "unregistered" },
            if world.is_reachable(phone) { "can" } else { "cannot" },
            world.hosts[phone].unregistered,
        ))
    }

    fn difference_of_call(&self, world: &World, phone: usize) -> Option<String> {
        let host = &world.hosts[phone];
        let live = host.live_calls(world.now);
        let Some(expected) = self.expected(phone) else {
            let first = live.first()?;
            return Some(format!("{} should be over and is {}", first.id, first.state.name()));
        };
        let [call] = live.as_slice() else {
            let endings = host.endings.values().last();
            return Some(format!(
                "has {} calls and should have one that is {} (the last one ended: {endings:?})",
                live.len(),
                expected.state.name()
            ));
        };
        let told = host.told.get(&call.id).copied();
        if told != Some(call.state) {
            return Some(format!(
                "the events say {told:?} of {}, the view {:?}",
                call.id, call.state
            ));
        }
        // By datagram a 180 or 183 is sent once and may be lost, unless it has to be acknowledged.
        let may_be_lost = world.setup.transport == Transport::Udp && !world.exchange.rules.reliable;
        let was_told = matches!(expected.state, CallState::Ringing | CallState::Early);
        if may_be_lost && was_told && call.state == CallState::Dialing {
            return None;
        }
        expected.difference(call, world.setup.media)
    }

    fn expected(&self, phone: usize) -> Option<Expected> {
        let (direction, state, held_by, muted) = match &self.call {
            Call::Ringing { caller, .. } if *caller == phone => {
                (CallDirection::Out, CallState::Ringing, HeldBy::None, false)
            }
            Call::Ringing { callees, .. } if callees.contains(&phone) => {
                (CallDirection::In, CallState::Ringing, HeldBy::None, false)
            }
            Call::WithExchange {
                phone: with,
                placed,
                state,
            } if *with == phone => {
                let direction = if *placed { CallDirection::Out } else { CallDirection::In };
                let held_by = HeldBy::of(*state == CallState::Held, false);
                (direction, *state, held_by, false)
            }
            Call::Talking { ends, holds, muted } => {
                let side = ends.iter().position(|end| *end == phone)?;
                let held_by = HeldBy::of(holds[side], holds[1 - side]);
                let state = match held_by {
                    HeldBy::None => CallState::Active,
                    _ => CallState::Held,
                };
                let direction = [CallDirection::Out, CallDirection::In][side];
                (direction, state, held_by, muted[side])
            }
            _ => return None,
        };
        Some(Expected {
            direction,
            state,
            held_by,
            muted,
        })
    }

    /// Keys match pairwise, each sends to where the other listens, and only who may speak speaks.
    fn difference_of_media(&self, world: &World) -> Option<String> {
        if let Call::WithExchange { phone, state, .. } = &self.call {
            return difference_of_exchange(world, *phone, *state);
        }
        let Call::Talking { ends, holds, .. } = &self.call else {
            return None;
        };
        for side in 0..2 {
            let (near, far) = (ends[side], ends[1 - side]);
            let call = only_call(world, near)?;
            let Some((talker, back)) = world.talker(near, call) else {
                return Some(format!("phone {near} does not hear phone {far}"));
            };
            let plan = &world.hosts[near].plans[&call];
            let other = &world.hosts[talker].plans[&back];
            let keys_match = match (&plan.srtp, &other.srtp) {
                (Some(ours), Some(theirs)) => ours.local() == theirs.remote() && ours.suite() == theirs.suite(),
                (None, None) => true,
                _ => false,
            };
            if talker != far || !keys_match {
                return Some(format!("phone {far} cannot open what phone {near} sends"));
            }
            let expected = Direction::of(!holds[1 - side], !holds[side]);
            if plan.direction != expected {
                return Some(format!("phone {near} has media {:?}, not {expected:?}", plan.direction));
            }
            if plan.send.codec != other.send.codec {
                return Some("the two ends speak different codecs".to_owned());
            }
        }
        None
    }
}

impl Expected {
    fn difference(&self, call: &CallView, media: MediaPolicy) -> Option<String> {
        let is_as_expected = call.direction == self.direction
            && call.state == self.state
            && call.held_by == self.held_by
            && call.muted == self.muted;
        if !is_as_expected {
            return Some(format!(
                "is {} {:?} held by {:?}, muted {}; should be {} {:?} held by {:?}, muted {}",
                call.state.name(),
                call.direction,
                call.held_by,
                call.muted,
                self.state.name(),
                self.direction,
                self.held_by,
                self.muted
            ));
        }
        let talks = matches!(call.state, CallState::Active | CallState::Held);
        let encrypted = media != MediaPolicy::Off;
        (talks && call.suite.is_some() != encrypted).then(|| format!("is protected by {:?}", call.suite))
    }
}

/// The same for a phone and the exchange, which never holds.
fn difference_of_exchange(world: &World, phone: usize, state: CallState) -> Option<String> {
    let call = world.hosts[phone].only_call(world.now)?;
    // Nothing is agreed while it rings, or its 183 was lost.
    if matches!(call.state, CallState::Ringing | CallState::Dialing) {
        return None;
    }
    if !world.hears_exchange(phone, call.id) {
        return Some(format!("phone {phone} and the exchange do not understand each other"));
    }
    let expected = Direction::of(true, state != CallState::Held);
    let direction = world.hosts[phone].plans[&call.id].direction;
    (direction != expected).then(|| format!("phone {phone} has media {direction:?}, not {expected:?}"))
}

fn only_call(world: &World, phone: usize) -> Option<CallId> {
    world.hosts[phone].only_call(world.now).map(|call| call.id)
}
