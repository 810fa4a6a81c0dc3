//! What a final response to a REGISTER means (RFC 3261 10.2.4 and 10.3, RFC 5626 4.2.1).

use super::{Binding, Gruu, Next, Output, Pending, Purpose, Reason, Registered, Registration, State};
use crate::random::Random;
use crate::sip::auth::{Authenticator, Refusal, is_challenge};
use crate::sip::msg::{NameAddr, Request, Response, StatusCode, Uri, Via};
use crate::time::Instant;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// One answer with what it answers.
pub(super) struct Answer<'a> {
    pub pending: Pending,
    pub sent: &'a Request,
    pub response: &'a Response,
    pub now: Instant,
}

impl Answer<'_> {
    pub fn judge(self, registration: &mut Registration, authenticator: &mut Authenticator, random: &mut Random) {
        let status = self.response.status;
        if status.is_success() {
            authenticator.accepted(self.sent, self.response);
            registration.backoff.succeeded();
        }
        if self.pending.next == Some(Next::Unbind) {
            registration.take_back(self.pending, status.is_success());
        } else if status.is_success() {
            self.succeeded(registration, random);
        } else if is_challenge(self.response) {
            match authenticator.answer(self.sent, self.response, random) {
                Ok(retry) => registration.send_again(self.sent, self.pending, &retry),
                Err(refusal) => self.not_answered(registration, refusal, authenticator, random),
            }
        } else if self.pending.purpose == Purpose::Unbind {
            registration.give_up();
        } else if self.pending.purpose == Purpose::Repair {
            self.repair_refused(registration);
        } else {
            self.refused(registration, authenticator, random);
        }
    }

    fn succeeded(self, registration: &mut Registration, random: &mut Random) {
        let removed = &self.pending.removed;
        registration.leftovers.retain(|left| !removed.contains(left));
        if self.pending.purpose == Purpose::Unbind {
            let unbound = &self.pending.contact;
            registration.leftovers.retain(|left| !left.equivalent(unbound));
            registration.store(registration.leftovers.clone());
            registration.give_up();
        } else {
            self.bound(registration, random);
        }
    }

    fn bound(self, registration: &mut Registration, random: &mut Random) {
        let ours = self.our_contact(registration);
        let granted = Duration::from_secs(u64::from(self.granted(ours.as_ref())));
        if granted.is_zero() {
            registration.binding = None;
            registration.rest_after(Reason::NothingGranted, None, self.now, random);
            return;
        }
        let Some(flow) = registration.flow.as_ref().map(|flow| flow.id) else {
            return;
        };
        let registered = Registered {
            flow,
            contact: self.pending.contact.clone(),
            expires_in: granted,
            service_route: self.response.headers.service_routes(),
            outbound: self.response.headers.requires("outbound"),
            gruu: ours.as_ref().and_then(gruu),
            flow_timer: self
                .response
                .headers
                .flow_timer()
                .map(|seconds| Duration::from_secs(seconds.into())),
            seen_as: self.response.top_via().and_then(seen_as),
        };
        // What an earlier run left behind may be just what is bound now.
        let bound = &registered.contact;
        registration.leftovers.retain(|left| !left.equivalent(bound));
        let refresh_at = self.now + random.duration(granted.mul_f64(0.5), granted.mul_f64(0.8));
        registration.binding = Some(Binding {
            contact: registered.contact.clone(),
            since: registration.binding.as_ref().map_or(self.now, |binding| binding.since),
            proven: self.now,
            expires_at: self.now + granted,
            refresh_at,
            outbound: registered.outbound,
            seen_as: registered.seen_as,
            doubtful: false,
        });
        registration.state = State::Resting {
            until: refresh_at,
            why: "registration refresh",
        };
        registration.store(vec![registered.contact.clone()]);
        let repair = self.needs_repair(registration, &registered);
        let is_outdated = matches!(self.pending.next, Some(Next::Seen(address)) if registered.seen_as != Some(address));
        registration.outputs.push_back(Output::Registered(registered));
        if let Some(address) = repair {
            registration.repair(address);
        } else if is_outdated {
            registration.send(Purpose::Bind);
        }
    }

    /// Our Contact among all that are bound: by instance and reg-id, by address, or by the user part that nobody else
    /// has (servers rewrite the address).
    fn our_contact(&self, registration: &Registration) -> Option<NameAddr> {
        let contacts = self.response.headers.contacts();
        let contacts = contacts.as_slice();
        let instance = format!("<{}>", registration.config.instance);
        let reg_id = registration.config.reg_id.to_string();
        let same_flow = |contact: &&NameAddr| {
            contact
                .params
                .get("+sip.instance")
                .is_some_and(|other| other.eq_ignore_ascii_case(&instance))
                && contact.params.get("reg-id").is_none_or(|other| other == reg_id)
        };
        let same_address = |contact: &&NameAddr| contact.uri.equivalent(&self.pending.contact);
        let same_user = |contact: &&NameAddr| contact.uri.user() == self.pending.contact.user();
        let by_address = contacts.iter().find(same_address);
        let found = by_address.or_else(|| contacts.iter().find(same_flow));
        found.or_else(|| contacts.iter().find(same_user)).cloned()
    }

    /// Seconds granted to our Contact; what was asked for if the server does not say (10.3 item 8).
    fn granted(&self, ours: Option<&NameAddr>) -> u32 {
        ours.and_then(NameAddr::expires)
            .or_else(|| self.response.headers.expires())
            .unwrap_or(self.pending.asked)
    }

    /// The address to register instead: behind a NAT, with a registrar that knows neither flows nor GRUUs, once for
    /// each address that turns up.
    fn needs_repair(&self, registration: &Registration, registered: &Registered) -> Option<SocketAddr> {
        let seen = registered.seen_as?;
        let contact = &registered.contact;
        let is_known =
            contact.host().and_then(|host| host.ip()) == Some(seen.ip()) && contact.port() == Some(seen.port());
        let is_needed = self.pending.purpose == Purpose::Bind
            && !registered.outbound
            && registered.gruu.is_none()
            && !is_known
            && registration.repair_tried != Some(seen);
        is_needed.then_some(seen)
    }

    /// The binding stays as it was; the address is not tried again.
    fn repair_refused(self, registration: &mut Registration) {
        registration.repaired = None;
        let Some(binding) = &registration.binding else { return };
        let (kept, refresh_at) = (binding.contact.clone(), binding.refresh_at);
        registration.leftovers.retain(|left| !left.equivalent(&kept));
        registration.state = State::Resting {
            until: refresh_at,
            why: "registration refresh",
        };
        registration.store(vec![kept]);
    }

    fn not_answered(
        self,
        registration: &mut Registration,
        refusal: Refusal,
        authenticator: &mut Authenticator,
        random: &mut Random,
    ) {
        if self.pending.purpose == Purpose::Unbind {
            registration.give_up();
            return;
        }
        let wait = match refusal {
            Refusal::Login => authenticator.login_refused(random),
            // The PBX may come to its senses; the user cannot do anything now.
            _ => Some(registration.backoff.failed(random)),
        };
        registration.stop_or_rest(Reason::Login(refusal), wait, self.now);
    }

    fn refused(self, registration: &mut Registration, authenticator: &mut Authenticator, random: &mut Random) {
        let reason = Reason::Refused {
            status: self.response.status,
            phrase: self.response.reason.clone(),
        };
        match self.response.status {
            StatusCode::FORBIDDEN => {
                let wait = authenticator.login_refused(random);
                registration.stop_or_rest(Reason::Forbidden, wait, self.now);
            }
            StatusCode::INTERVAL_TOO_BRIEF if self.is_first_raise(registration) => {
                registration.expires = self.min_expires();
                registration.send(Purpose::Bind);
            }
            StatusCode::FIRST_HOP_LACKS_OUTBOUND if registration.outbound => {
                registration.outbound = false;
                registration.send(Purpose::Bind);
            }
            StatusCode::FLOW_FAILED => registration.lose_flow(reason, self.now, random),
            // A registrar that cannot remove and add in one go keeps the old Contacts until they run out.
            StatusCode::BAD_REQUEST | StatusCode::SERVER_INTERNAL_ERROR if !self.pending.removed.is_empty() => {
                registration.leftovers.clear();
                registration.send(Purpose::Bind);
            }
            _ => {
                let asked = self
                    .response
                    .headers
                    .retry_after()
                    .map(|seconds| Duration::from_secs(seconds.into()));
                registration.rest_after(reason, asked, self.now, random);
            }
        }
    }

    /// Whether the server asks for more than the account does. Once: a server that goes on raising is refused, and
    /// asked anew from the account's own value after the pause.
    fn is_first_raise(&self, registration: &mut Registration) -> bool {
        let is_first = registration.expires == registration.config.expires;
        if !is_first {
            registration.expires = registration.config.expires;
        }
        is_first && self.min_expires() > self.pending.asked
    }

    fn min_expires(&self) -> u32 {
        self.response.headers.min_expires().unwrap_or(0)
    }
}

impl Registration {
    /// The login was refused: there is no binding to count on, whatever an earlier one says.
    fn stop_or_rest(&mut self, reason: Reason, wait: Option<Duration>, now: Instant) {
        self.binding = None;
        self.state = match wait {
            Some(wait) => State::Resting {
                until: now + wait,
                why: "login retry",
            },
            None => State::Idle,
        };
        self.tell_unregistered(reason, wait);
    }

    /// Waits out a refusal on the same flow: as long as the server asks, else as the back-off says. A binding that
    /// still holds is not given up for it, unless it leads to an address that is not ours any more.
    fn rest_after(&mut self, reason: Reason, asked: Option<Duration>, now: Instant, random: &mut Random) {
        self.binding.take_if(|binding| binding.doubtful);
        let wait = self.backoff.refused(asked, random);
        self.state = State::Resting {
            until: now + wait,
            why: "registration retry",
        };
        if !self.is_registered(now) {
            self.tell_unregistered(reason, Some(wait));
        }
    }
}

/// What a NAT made of our address; `None` if the far end did not say.
fn seen_as(via: &Via) -> Option<SocketAddr> {
    if via.received().is_none() && via.rport().is_none() {
        return None;
    }
    let address: IpAddr = via.received().or_else(|| via.host.ip())?;
    Some(SocketAddr::new(
        address,
        via.rport().unwrap_or_else(|| via.port_or_default()),
    ))
}

pub(super) fn gruu(contact: &NameAddr) -> Option<Gruu> {
    let uri = |name| contact.params.get(name)?.parse::<Uri>().ok();
    Some(Gruu {
        public: uri("pub-gruu")?,
        temporary: uri("temp-gruu"),
    })
}
