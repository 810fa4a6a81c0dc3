//! Requests that begin something: who may, and what it is. Digests are asked for where a phone registers or calls; a
//! dialog lives on a connection that has proven itself.

use super::hunt::{Wanted, session_settings, shown};
use super::leg::{Leg, Role, Service};
use super::numbers::{EXTENSIONS, Number};
use super::registrar::Asked;
use super::{Exchange, LegId};
use crate::ids::FlowId;
use crate::sip::admission::{Capabilities, admit};
use crate::sip::endpoint::{self, ServerKey};
use crate::sip::msg::{HeaderName, Host, Method, NameAddr, Request, Response, StatusCode, Uri};
use crate::sip::session::Session;
use crate::time::Instant;

/// What the exchange serves.
const CAPABILITIES: Capabilities<'static> = Capabilities {
    methods: &[
        Method::Invite,
        Method::Ack,
        Method::Bye,
        Method::Cancel,
        Method::Options,
        Method::Register,
        Method::Info,
        Method::Prack,
        Method::Update,
        Method::Refer,
        Method::Notify,
        Method::Subscribe,
    ],
    options: &["100rel", "timer", "outbound", "path"],
};

impl Exchange {
    pub(super) fn handle_endpoint(&mut self, output: endpoint::Output, now: Instant) {
        match output {
            endpoint::Output::Transmit { flow, to, bytes } => self.transmit(flow, to, bytes),
            endpoint::Output::Request { key, flow, request } => self.handle_request(key, flow, request, now),
            endpoint::Output::Response { key, response, .. } => {
                if let Some((leg, id)) = self.asked.get(&key).copied() {
                    self.with_session(leg, |session| session.handle_response(id, &response, now));
                }
            }
            endpoint::Output::Failed { key, why, .. } => {
                if let Some((leg, id)) = self.asked.remove(&key) {
                    self.with_session(leg, |session| session.handle_failed(id, why, now));
                }
            }
            endpoint::Output::Ack { request, .. } => {
                if let Some(leg) = self.owner_of(&request) {
                    self.with_session(leg, |session| session.handle_ack(&request, now));
                }
            }
            // Only the session that was given the key knows it.
            endpoint::Output::Cancelled { key, cancel } => {
                self.with_every_session(|session| session.handle_cancel(key, &cancel, now));
            }
            endpoint::Output::Stranded { key } => {
                self.with_every_session(|session| session.handle_stranded(key, now));
            }
        }
    }

    fn handle_request(&mut self, key: ServerKey, flow: FlowId, request: Request, now: Instant) {
        if let Err(rejection) = admit(&request, &CAPABILITIES) {
            let response = rejection.response(&request, &self.random.token(8));
            return self.respond(key, &response, now);
        }
        if request.to.tag().is_some() {
            return match self.owner_of(&request) {
                Some(leg) => self.with_session(leg, |session| session.handle_request(key, request, now)),
                None => self.answer(key, &request, StatusCode::NO_SUCH_CALL, now),
            };
        }
        match request.method {
            Method::Options => self.answer_options(key, &request, now),
            Method::Register | Method::Invite => match self.login.judge(&request, now, &mut self.random) {
                Err(challenge) => self.respond(key, &challenge, now),
                Ok(user) if request.method == Method::Register => self.handle_register(key, flow, &request, &user, now),
                Ok(user) => self.handle_invite(key, flow, request, &user, now),
            },
            Method::Refer => self.answer(key, &request, StatusCode::FORBIDDEN, now),
            Method::Subscribe => self.answer(key, &request, StatusCode::BAD_EVENT, now),
            _ => self.answer(key, &request, StatusCode::NO_SUCH_CALL, now),
        }
    }

    fn handle_register(&mut self, key: ServerKey, flow: FlowId, request: &Request, user: &str, now: Instant) {
        if request.to.uri.user().as_deref() != Some(user) || !self.is_our_domain(&request.to.uri) {
            return self.answer(key, request, StatusCode::FORBIDDEN, now);
        }
        let asked = Asked { request, flow, user };
        let verdict = self.registrar.register(asked, now, &mut self.random);
        self.respond(key, &verdict.response, now);
        if verdict.is_new {
            self.notify_of_messages(user, Some(flow), now);
        }
    }

    fn is_our_domain(&self, uri: &Uri) -> bool {
        uri.host()
            .is_some_and(|host| host.to_string().eq_ignore_ascii_case(&self.settings.domain))
    }

    /// Tells the phones of an extension, or the one on `flow`, what waits in the mailbox.
    pub(super) fn notify_of_messages(&mut self, user: &str, flow: Option<FlowId>, now: Instant) {
        let domain = self.domain();
        for binding in self.registrar.bindings(user).to_vec() {
            if flow.is_some_and(|flow| flow != binding.flow) {
                continue;
            }
            let Some(flow) = self.wires.get(&binding.flow).map(|wire| wire.flow.clone()) else {
                continue;
            };
            let notice = self.mailbox.notice(user, &domain, &binding, &flow, &mut self.random);
            // Whether it arrives, or is understood, changes nothing.
            let _ = self.endpoint.send_request(notice, &flow, now, &mut self.random);
        }
    }

    pub(super) fn domain(&self) -> Host {
        let name = &self.settings.domain;
        name.parse().unwrap_or_else(|_| Host::Name(name.clone()))
    }

    fn handle_invite(&mut self, key: ServerKey, flow: FlowId, request: Request, user: &str, now: Instant) {
        let dialled = request.uri.user().unwrap_or_default().into_owned();
        let is_extension = |number: &str| EXTENSIONS.contains(&number) && self.login.knows(number);
        let number = Number::of(&dialled, is_extension);
        tracing::debug!(?number, "a phone calls");
        let role = match number {
            None => return self.answer(key, &request, StatusCode::NOT_FOUND, now),
            Some(Number::Busy) => return self.answer(key, &request, StatusCode::BUSY_HERE, now),
            Some(Number::Extension(called)) => {
                return self.call_extension(key, flow, request, [user, &called], now);
            }
            Some(Number::NoAnswer) => Role::Unanswered,
            Some(Number::Echo) => Role::Service(Service::Echo),
            Some(Number::BadLine) => Role::Service(Service::BadLine),
            Some(Number::CallBack) => Role::Service(Service::CallBack),
            Some(Number::Speech) => Role::Service(Service::Speech),
            Some(Number::Mailbox) => Role::Service(Service::Mailbox),
        };
        let leg = Leg::new(role, user.to_owned(), flow);
        if let Some(leg) = self.take_call(key, request, leg, now) {
            self.with_session(leg, |session| {
                // Refused only where the caller is gone already.
                let _ = session.ring(now);
            });
        }
    }

    /// A phone calls another: it waits for all phones of that extension.
    fn call_extension(
        &mut self,
        key: ServerKey,
        flow: FlowId,
        request: Request,
        [user, called]: [&str; 2],
        now: Instant,
    ) {
        if self.registrar.bindings(called).is_empty() {
            return self.answer(key, &request, StatusCode::TEMPORARILY_UNAVAILABLE, now);
        }
        let known = NameAddr::new(Uri::sip(user, self.domain()));
        let from = shown(&request.from, known, &request.headers);
        let hunt = self.next_hunt();
        let leg = Leg::new(Role::Caller(hunt), user.to_owned(), flow);
        let Some(caller) = self.take_call(key, request, leg, now) else {
            return;
        };
        let codecs = self.legs.get(&caller).map(|leg| leg.codecs.clone());
        let wanted = Wanted {
            caller: Some(caller),
            from,
            number: user.to_owned(),
            user: called.to_owned(),
            codecs: codecs.unwrap_or_default(),
        };
        self.hunt(hunt, &wanted, now);
    }

    /// Takes an INVITE: a leg that has not answered yet, or `None` if its INVITE or its offer was refused.
    fn take_call(&mut self, key: ServerKey, request: Request, mut leg: Leg, now: Instant) -> Option<LegId> {
        let flow = self.wires.get(&leg.flow)?.flow.clone();
        let number = request.uri.user().unwrap_or_default().into_owned();
        let settings = session_settings(&number, &flow);
        match Session::incoming(settings, key, request, now, &mut self.random) {
            Ok(session) => leg.session = Some(session),
            Err(refusal) => {
                self.respond(key, &refusal, now);
                return None;
            }
        }
        let id = self.add_leg(leg, &flow);
        while let Some(output) = self.session_output(id) {
            self.handle_session(id, output, now);
        }
        self.legs.get(&id).is_some_and(|leg| !leg.ended).then_some(id)
    }

    fn owner_of(&self, request: &Request) -> Option<LegId> {
        let owns = |leg: &Leg| leg.session.as_ref().is_some_and(|session| session.owns(request));
        self.legs.iter().find(|(_, leg)| owns(leg)).map(|(id, _)| *id)
    }

    pub(super) fn with_session(&mut self, leg: LegId, act: impl FnOnce(&mut Session)) {
        if let Some(session) = self.legs.get_mut(&leg).and_then(|leg| leg.session.as_mut()) {
            act(session);
        }
    }

    fn with_every_session(&mut self, act: impl Fn(&mut Session)) {
        self.legs
            .values_mut()
            .filter_map(|leg| leg.session.as_mut())
            .for_each(act);
    }

    fn respond(&mut self, key: ServerKey, response: &Response, now: Instant) {
        if let Err(error) = self.endpoint.respond(&key, response, now) {
            tracing::debug!(%error, "a response had nobody to go to");
        }
    }

    pub(super) fn answer(&mut self, key: ServerKey, request: &Request, status: StatusCode, now: Instant) {
        let response = Response::to(request, status).with_to_tag(self.random.token(8));
        self.respond(key, &response, now);
    }

    fn answer_options(&mut self, key: ServerKey, request: &Request, now: Instant) {
        let mut response = Response::to(request, StatusCode::OK).with_to_tag(self.random.token(8));
        response.headers.set(HeaderName::Allow, CAPABILITIES.allow());
        response.headers.set(HeaderName::Accept, "application/sdp");
        response.headers.set(HeaderName::Supported, CAPABILITIES.supported());
        self.respond(key, &response, now);
    }
}
