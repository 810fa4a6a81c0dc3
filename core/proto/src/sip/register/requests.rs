//! The REGISTER itself: Contact, what it replaces, and what it offers (RFC 3261 10.2, RFC 5626 4.2).

use super::{Output, Pending, Purpose, Registration, State};
use crate::sip::admission::Capabilities;
use crate::sip::auth::Retry;
use crate::sip::endpoint::Flow;
use crate::sip::msg::{HeaderName, Method, NameAddr, Request, Uri};
use std::net::SocketAddr;

impl Registration {
    /// Sends a REGISTER of our own making over the present flow, or asks for a flow.
    pub(super) fn send(&mut self, purpose: Purpose) {
        let Some(flow) = self.flow.clone() else {
            self.need_flow();
            return;
        };
        let bound = self.binding.as_ref().map(|binding| binding.contact.clone());
        let contact = match (purpose, bound) {
            (Purpose::Unbind, Some(bound)) => bound,
            _ => self.contact(&flow),
        };
        let is_other = |uri: &&Uri| !uri.equivalent(&contact);
        let removed: Vec<Uri> = self.leftovers.iter().filter(is_other).cloned().collect();
        let asked = if purpose == Purpose::Unbind { 0 } else { self.expires };
        let pending = Pending {
            cseq: self.next_cseq(),
            purpose,
            contact,
            removed,
            asked,
            next: None,
        };
        let request = self.request(&pending);
        self.dispatch(pending, request, &flow);
    }

    /// Sends the challenged REGISTER again, with credentials.
    pub(super) fn send_again(&mut self, challenged: &Request, pending: Pending, retry: &Retry) {
        let Some(flow) = self.flow.clone() else {
            self.need_flow();
            return;
        };
        let mut request = retry.request(challenged);
        request.cseq = self.next_cseq();
        self.dispatch(
            Pending {
                cseq: request.cseq,
                ..pending
            },
            request,
            &flow,
        );
    }

    /// Tells what may be bound now, if that is news.
    pub(super) fn store(&mut self, contacts: Vec<Uri>) {
        if self.stored != contacts {
            self.stored.clone_from(&contacts);
            self.outputs.push_back(Output::StoreContacts(contacts));
        }
    }

    fn dispatch(&mut self, pending: Pending, request: Request, flow: &Flow) {
        if pending.purpose != Purpose::Unbind {
            let mut bound = pending.removed.clone();
            bound.push(pending.contact.clone());
            self.store(bound);
        }
        self.state = State::Asking(pending);
        self.outputs.push_back(Output::Send { flow: flow.id, request });
    }

    fn next_cseq(&mut self) -> u32 {
        self.cseq = self.cseq.saturating_add(1);
        self.cseq
    }

    /// `sip:` even over TLS: `sips:` would promise TLS on every hop to the far end.
    fn contact(&self, flow: &Flow) -> Uri {
        let address = self.repaired.unwrap_or(flow.local);
        contact_at(&self.config.contact_user, address, flow)
    }

    fn request(&self, pending: &Pending) -> Request {
        let config = &self.config;
        let mut request = Request::new(
            Method::Register,
            config.registrar.clone(),
            config.aor.clone().with_tag(self.from_tag.as_str()),
            NameAddr::new(config.aor.uri.clone()),
            self.call_id.as_str(),
            pending.cseq,
        );
        let headers = &mut request.headers;
        for route in &config.route {
            headers.push(HeaderName::Route, route);
        }
        headers.push(HeaderName::Contact, self.contact_value(pending));
        for old in &pending.removed {
            let mut removal = NameAddr::new(old.clone());
            removal.params.set("expires", "0");
            headers.push(HeaderName::Contact, removal);
        }
        headers.push(HeaderName::Expires, pending.asked);
        let offered = if self.outbound {
            "path, outbound, gruu"
        } else {
            "path, gruu"
        };
        headers.push(HeaderName::Supported, offered);
        headers.push(HeaderName::Allow, Capabilities::PHONE.allow());
        headers.push(HeaderName::UserAgent, &config.user_agent);
        request
    }

    /// Instance and reg-id make it the same binding however the address changes, where the registrar knows them.
    fn contact_value(&self, pending: &Pending) -> NameAddr {
        let mut contact = NameAddr::new(pending.contact.clone());
        contact
            .params
            .set_quoted("+sip.instance", format!("<{}>", self.config.instance));
        if self.outbound {
            contact.params.set("reg-id", self.config.reg_id.to_string());
        }
        contact.params.set("expires", pending.asked.to_string());
        contact
    }
}

fn contact_at(user: &str, address: SocketAddr, flow: &Flow) -> Uri {
    Uri::sip(user, address.ip().into())
        .with_port(address.port())
        .with_param("transport", &flow.transport.as_str().to_ascii_lowercase())
}
