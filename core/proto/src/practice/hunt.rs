//! Phones that ring for one call: all phones of an extension at once, and the first to answer has it (RFC 3261 16.7).

use super::leg::{Activity, HuntId, Leg, Role, Service};
use super::mailbox::contact;
use super::registrar::Binding;
use super::{Exchange, LegId, Output};
use crate::call::Sound;
use crate::codec::{Codec, MediaPolicy};
use crate::ids::FlowId;
use crate::sdp::negotiate::MediaSettings;
use crate::sip::endpoint::Flow;
use crate::sip::msg::{HeaderName, Headers, NameAddr, Reason, StatusCode, Transport};
use crate::sip::session::{Dial, Settings as SessionSettings};
use crate::time::Instant;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long phones ring before the exchange gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug)]
pub(super) struct Hunt {
    /// Who waits; nobody, where the exchange itself calls.
    pub caller: Option<LegId>,
    ringing: BTreeSet<LegId>,
    /// The best refusal so far (16.7 item 6).
    refusal: Option<StatusCode>,
    pub give_up_at: Instant,
}

/// A call that the exchange places to every phone of an extension.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub caller: Option<LegId>,
    /// Who is shown as calling.
    pub from: NameAddr,
    /// The user part of the exchange's Contact.
    pub number: String,
    /// Who is called.
    pub user: String,
    /// What may be spoken, the preferred first.
    pub codecs: Vec<Codec>,
}

impl Exchange {
    pub(super) const fn next_hunt(&mut self) -> HuntId {
        self.last_hunt = self.last_hunt.saturating_add(1);
        HuntId(self.last_hunt)
    }

    /// Rings every phone of an extension. Without any the hunt ends at once.
    pub(super) fn hunt(&mut self, id: HuntId, wanted: &Wanted, now: Instant) {
        let bindings = self.registrar.bindings(&wanted.user).to_vec();
        let ringing: BTreeSet<LegId> = bindings
            .iter()
            .filter_map(|binding| self.ring_phone(id, binding, wanted))
            .collect();
        let is_vain = ringing.is_empty();
        self.hunts.insert(
            id,
            Hunt {
                caller: wanted.caller,
                ringing,
                refusal: None,
                give_up_at: now + PATIENCE,
            },
        );
        if is_vain {
            self.end_hunt(id, StatusCode::TEMPORARILY_UNAVAILABLE, now);
        }
    }

    fn ring_phone(&mut self, hunt: HuntId, binding: &Binding, wanted: &Wanted) -> Option<LegId> {
        let flow = self.wires.get(&binding.flow)?.flow.clone();
        let mut leg = Leg::new(Role::Called(hunt), wanted.user.clone(), flow.id);
        let secure = flow.transport == Transport::Tls;
        let settings = MediaSettings {
            // A phone that insists on encryption takes nothing else, and only TLS may carry the keys.
            policy: if secure {
                MediaPolicy::Required
            } else {
                MediaPolicy::Off
            },
            ..media_settings(wanted.codecs.clone(), &flow)
        };
        leg.sound = Some(Sound::new(settings, &mut self.random));
        leg.dial = Some(Dial {
            settings: session_settings(&wanted.number, &flow),
            target: binding.contact.clone(),
            from: wanted.from.clone(),
            routes: binding.path.clone(),
            offer: None,
            headers: Headers::new(),
        });
        Some(self.add_leg(leg, &flow))
    }

    /// A new leg; its media path is asked for where it will speak.
    pub(super) fn add_leg(&mut self, leg: Leg, flow: &Flow) -> LegId {
        self.last_leg = self.last_leg.saturating_add(1);
        let id = LegId(self.last_leg);
        let speaks = leg.role.speaks();
        self.legs.insert(id, leg);
        if speaks {
            self.outputs.push_back(Output::OpenPath {
                leg: id,
                local: flow.local.ip(),
            });
        }
        id
    }

    /// A phone rings: so its caller hears.
    pub(super) fn pass_ringing(&mut self, hunt: HuntId, now: Instant) {
        let caller = self.hunts.get(&hunt).and_then(|hunt| hunt.caller);
        if let Some(leg) = caller.and_then(|caller| self.legs.get_mut(&caller))
            && !leg.rang
            && let Some(session) = &mut leg.session
        {
            leg.rang = session.ring(now).is_ok();
        }
    }

    /// A phone answered: the others stop ringing, and its caller gets it.
    pub(super) fn hand_over(&mut self, hunt: HuntId, answered: LegId, now: Instant) {
        let Some(Hunt { caller, ringing, .. }) = self.hunts.remove(&hunt) else {
            return self.hang_up(answered, None, now);
        };
        let elsewhere = Reason {
            protocol: "SIP".to_owned(),
            cause: Some(200),
            text: Some("Call completed elsewhere".to_owned()),
        };
        for other in ringing.into_iter().filter(|other| *other != answered) {
            self.hang_up(other, Some(elsewhere.clone()), now);
        }
        match caller {
            None => self.speak_to(answered, now),
            Some(caller) => self.bridge(caller, answered, now),
        }
    }

    /// 601 calls: the phone hears speech.
    fn speak_to(&mut self, answered: LegId, now: Instant) {
        let speech = self.settings.speech.clone();
        if let Some(leg) = self.legs.get_mut(&answered) {
            leg.role = Role::Service(Service::Speech);
            leg.follow_plan(|| Activity::say(speech, true), now, &mut self.random);
        }
    }

    fn bridge(&mut self, caller: LegId, answered: LegId, now: Instant) {
        if !self.legs.contains_key(&caller) {
            return self.hang_up(answered, None, now);
        }
        for (leg, peer) in [(caller, answered), (answered, caller)] {
            if let Some(leg) = self.legs.get_mut(&leg) {
                leg.role = Role::Bridged(peer);
                leg.follow_plan(|| Activity::Relay, now, &mut self.random);
            }
        }
    }

    /// A phone that rang is out: it refused, or is gone. The last one decides what the caller is told.
    pub(super) fn drop_out(&mut self, hunt: HuntId, leg: LegId, status: Option<StatusCode>, now: Instant) {
        let Some(ringing) = self.hunts.get_mut(&hunt) else {
            return;
        };
        ringing.ringing.remove(&leg);
        ringing.refusal = better(ringing.refusal, status);
        if ringing.ringing.is_empty() {
            let status = ringing.refusal.unwrap_or(StatusCode::TEMPORARILY_UNAVAILABLE);
            self.end_hunt(hunt, status, now);
        }
    }

    /// Every phone stops ringing, and the caller is refused.
    pub(super) fn end_hunt(&mut self, id: HuntId, status: StatusCode, now: Instant) {
        let Some(hunt) = self.hunts.remove(&id) else { return };
        for leg in hunt.ringing {
            self.hang_up(leg, None, now);
        }
        let caller = hunt.caller.and_then(|caller| self.legs.get_mut(&caller));
        if let Some(session) = caller.and_then(|leg| leg.session.as_mut()) {
            // Refused only if the caller has hung up already.
            let _ = session.reject(status, None, now);
        }
    }

    pub(super) fn give_up_hunts(&mut self, now: Instant) {
        let due: Vec<HuntId> = self
            .hunts
            .iter()
            .filter(|(_, hunt)| now >= hunt.give_up_at)
            .map(|(id, _)| *id)
            .collect();
        for hunt in due {
            self.end_hunt(hunt, StatusCode::TEMPORARILY_UNAVAILABLE, now);
        }
    }

    /// The flow by which a leg's phone is reached now: the one of its call, else wherever it has registered since.
    pub(super) fn flow_of(&mut self, leg: LegId) -> Option<Flow> {
        let leg = self.legs.get_mut(&leg)?;
        let known = |flow: FlowId| self.wires.get(&flow).map(|wire| wire.flow.clone());
        if let Some(flow) = known(leg.flow) {
            return Some(flow);
        }
        leg.flow = self.registrar.bindings(&leg.user).last()?.flow;
        known(leg.flow)
    }
}

/// The refusal to pass on: a 6xx above all, else the lower one; 487 and 408 say least.
fn better(one: Option<StatusCode>, other: Option<StatusCode>) -> Option<StatusCode> {
    let worth = |status: &StatusCode| match status.code() {
        600..=699 => (0, status.code()),
        408 | 487 => (2, status.code()),
        code => (1, code),
    };
    one.into_iter()
        .chain(other.filter(|status| status.is_failure()))
        .min_by_key(worth)
}

pub(super) fn session_settings(number: &str, flow: &Flow) -> SessionSettings {
    SessionSettings::new(NameAddr::new(contact(number, flow)))
}

/// What the exchange takes from a phone on `flow`: encrypted or plain, as the phone likes.
pub(super) fn media_settings(codecs: Vec<Codec>, flow: &Flow) -> MediaSettings {
    MediaSettings {
        policy: MediaPolicy::Preferred,
        secure_signalling: flow.transport == Transport::Tls,
        codecs,
        ..MediaSettings::default()
    }
}

/// Nobody who withholds a name is shown by it (RFC 3323 4.1).
pub(super) fn shown(from: &NameAddr, known: NameAddr, headers: &Headers) -> NameAddr {
    if headers
        .get(HeaderName::Privacy)
        .is_some_and(|privacy| privacy.contains("id"))
    {
        return match "\"Anonymous\" <sip:anonymous@anonymous.invalid>".parse() {
            Ok(anonymous) => anonymous,
            Err(_) => known,
        };
    }
    match &from.display {
        Some(name) => known.with_display(name),
        None => known,
    }
}
