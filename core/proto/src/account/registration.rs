//! An account's registration: what it is made of, what it needs from the line, and what people are told of it.

use super::{Account, AccountMemory, Output, identity};
use crate::account_config::AccountConfig;
use crate::event::Event;
use crate::random::Random;
use crate::sip::auth::Refusal;
use crate::sip::endpoint::Failure;
use crate::sip::msg::{NameAddr, Request, Response, Uri};
use crate::sip::register::{self, Reason, Registered, Registration};
use crate::time::Instant;
use std::time::Duration;

/// What we call ourselves towards a PBX: the product, and no version that would help whoever looks for old ones.
const USER_AGENT: &str = "Toestel";

/// The registration of an account, not yet wanted.
pub(super) fn of(config: &AccountConfig, memory: &AccountMemory, random: &mut Random) -> Registration {
    let settings = register::Config {
        aor: NameAddr::new(identity::address_of_record(config)),
        registrar: identity::domain(config),
        route: identity::proxy_route(config).into_iter().collect(),
        contact_user: memory.contact_user.clone(),
        instance: memory.instance_id.clone(),
        reg_id: 1,
        expires: config.expires,
        outbound: true,
        user_agent: USER_AGENT.to_owned(),
        stale_contacts: memory
            .last_contacts
            .iter()
            .filter_map(|contact| contact.parse().ok())
            .collect(),
    };
    Registration::new(settings, random)
}

impl Account {
    /// The user wants the account registered, now.
    pub fn register(&mut self, now: Instant, random: &mut Random) {
        self.registration.start();
        self.drain(now, random);
    }

    /// The user wants the binding removed. The line stays: calls can still be made.
    pub fn unregister(&mut self, now: Instant, random: &mut Random) {
        self.registration.unregister();
        self.drain(now, random);
    }

    /// The network is another one, or the machine slept: the flow is made anew, and no back-off holds it up.
    pub fn reconnect(&mut self, why: &str, now: Instant, random: &mut Random) {
        let lost = self.flow().map(|flow| flow.id);
        if let Some(flow) = lost {
            self.close_detour();
            self.line.close();
            self.wire = None;
            self.status.line_down = Some(why.to_owned());
            self.outputs.push_back(Output::FlowLost(flow));
        } else {
            self.line.restart();
        }
        self.registration.handle_network_changed(lost, now);
        self.drain(now, random);
    }

    /// The final response to a REGISTER.
    pub fn handle_response(&mut self, sent: &Request, response: &Response, now: Instant, random: &mut Random) {
        self.registration
            .handle_response(sent, response, &mut self.login, now, random);
        self.remember_login();
        self.drain(now, random);
    }

    /// A REGISTER got no answer.
    pub fn handle_failed(&mut self, sent: &Request, why: Failure, now: Instant, random: &mut Random) {
        self.registration.handle_failed(sent, why, now, random);
        self.drain(now, random);
    }

    /// Our Contact: what the registrar confirmed (its GRUU if it gave one), else where the flow ends here.
    pub fn contact(&self) -> Option<NameAddr> {
        let binding = self.status.binding.as_ref();
        let granted = binding.map(|binding| match &binding.gruu {
            Some(gruu) => gruu.public.clone(),
            // RFC 5626 4.3: the dialog stays on the flow that the PBX knows.
            None if binding.outbound => binding.contact.clone().with_flag("ob"),
            None => binding.contact.clone(),
        });
        granted.or_else(|| self.local_contact()).map(NameAddr::new)
    }

    fn local_contact(&self) -> Option<Uri> {
        let flow = self.flow()?;
        let uri = Uri::sip(&self.memory.contact_user, flow.local.ip().into()).with_port(flow.local.port());
        Some(uri.with_param("transport", identity::transport_name(&self.config)))
    }

    pub(super) fn handle_registration(&mut self, output: register::Output, now: Instant, random: &mut Random) {
        match output {
            register::Output::NeedFlow => match self.flow() {
                Some(flow) => self.registration.register(&flow),
                None => self.line.connect(),
            },
            register::Output::CloseFlow(flow) => {
                self.wire = None;
                self.close_detour();
                self.line.leave(now);
                self.outputs.push_back(Output::FlowLost(flow));
            }
            register::Output::Send { mut request, .. } => {
                self.login.authorise(&mut request, random);
                self.outputs.push_back(Output::Register(Box::new(request)));
            }
            register::Output::Registered(binding) => self.handle_registered(binding, now, random),
            register::Output::Unregistered { reason, retry_in } => self.handle_unregistered(&reason, retry_in),
            register::Output::StoreContacts(contacts) => {
                self.memory.last_contacts = contacts.iter().map(Uri::to_string).collect();
                self.outputs.push_back(Output::Remember(Box::new(self.memory.clone())));
            }
        }
    }

    fn handle_registered(&mut self, binding: Registered, now: Instant, random: &mut Random) {
        if let Some(wire) = &mut self.wire {
            wire.agree(binding.outbound, binding.flow_timer, now, random);
        }
        let is_new = self.status.binding.is_none();
        self.status.binding = Some(binding);
        self.status.reason = None;
        self.status.line_down = None;
        // With a flow or a GRUU the Contact does not say where we are, and a NAT may have moved us under it.
        let binding = self.status.binding.as_ref();
        let by_flow = binding.filter(|binding| binding.outbound || binding.gruu.is_some());
        let place = by_flow.and_then(|binding| binding.seen_as);
        let reached = self.contact().map(|contact| (contact, place));
        if self.status.told != reached {
            self.status.told = reached;
            self.outputs.push_back(Output::Moved);
        }
        self.status.returning = false;
        if is_new {
            self.outputs
                .push_back(Output::Event(Event::Registered { account: self.id }));
        }
    }

    fn handle_unregistered(&mut self, reason: &Reason, retry_in: Option<Duration>) {
        self.status.binding = None;
        let text = match (reason, self.status.line_down.take()) {
            (Reason::Unreachable | Reason::FlowLost, Some(line)) => line,
            _ => sentence(reason),
        };
        self.status.reason = Some(text.clone());
        self.status.returning = *reason == Reason::FlowLost && retry_in.is_some();
        // The wait spares the server that was lost; another one that the look-up named is tried at once.
        let retry_in = retry_in.map(|wait| if self.line.is_under_way() { Duration::ZERO } else { wait });
        let retry_in_ms = retry_in.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        self.outputs.push_back(Output::Event(Event::Unregistered {
            account: self.id,
            reason: text,
            retry_in_ms,
        }));
    }
}

/// What happened, and one next step where there is one.
fn sentence(reason: &Reason) -> String {
    let known = match reason {
        Reason::Asked => "The account is not registered, as you asked.",
        Reason::Login(Refusal::Login) => {
            "The PBX does not accept the user name or the password. Enter the password again."
        }
        Reason::Login(Refusal::Downgrade) => {
            "The PBX offers only an outdated login (MD5) and offered a better one before. Tell whoever runs it."
        }
        Reason::Forbidden => "The PBX does not let this user in. Ask whoever runs it.",
        Reason::Timeout => "The PBX does not answer. The phone keeps trying.",
        Reason::FlowLost => "The connection to the PBX was lost. The phone keeps trying.",
        Reason::Unreachable => "The PBX cannot be reached. Check the network and the address.",
        Reason::Expired => "The registration ran out. The phone renews it.",
        Reason::NothingGranted => "The PBX granted no registration time. Tell whoever runs it.",
        Reason::Login(refusal) => return format!("The login failed: {refusal}. Tell whoever runs the PBX."),
        _ => return format!("The PBX refused: {reason}. Ask whoever runs it."),
    };
    known.to_owned()
}
