//! Bindings (RFC 3261 10.3), also by instance and flow (RFC 5626 6).

use super::Rules;
use std::collections::BTreeMap;
use std::time::Duration;
use toestel_proto::ids::FlowId;
use toestel_proto::sip::msg::{Contacts, HeaderName, NameAddr, Request, Response, StatusCode, Uri};
use toestel_proto::time::Instant;

/// Where a phone can be reached.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Its Contact.
    pub contact: Uri,
    /// The connection by which it registered.
    pub flow: FlowId,
    /// Until when.
    pub expires_at: Instant,
    /// Instance and reg-id, if both sides speak RFC 5626.
    outbound: Option<(String, String)>,
}

#[derive(Debug, Default)]
pub(super) struct Registrar {
    bindings: BTreeMap<String, Vec<Binding>>,
}

impl Registrar {
    pub(super) fn bindings(&self, user: &str, now: Instant) -> Vec<&Binding> {
        let all = self.bindings.get(user).map(Vec::as_slice).unwrap_or_default();
        all.iter().filter(|binding| now < binding.expires_at).collect()
    }

    /// Also after it has expired: a dialog outlives the binding.
    pub(super) fn flow_of_contact(&self, user: &str) -> Option<FlowId> {
        let mut all = self.bindings.values().flatten();
        let newest = all
            .by_ref()
            .filter(|binding| binding.contact.user().as_deref() == Some(user));
        newest
            .max_by_key(|binding| binding.expires_at)
            .map(|binding| binding.flow)
    }

    /// RFC 5626 6: a binding of a flow ends with it.
    pub(super) fn handle_flow_lost(&mut self, flow: FlowId) {
        for bindings in self.bindings.values_mut() {
            bindings.retain(|binding| binding.flow != flow || binding.outbound.is_none());
        }
    }

    /// A REGISTER whose sender is known.
    pub(super) fn handle(
        &mut self,
        user: &str,
        flow: FlowId,
        request: &Request,
        rules: &Rules,
        now: Instant,
    ) -> Response {
        let bindings = self.bindings.entry(user.to_owned()).or_default();
        // Those that have run out go at the next occasion, unless dialogs are still routed by them.
        bindings.retain(|binding| now < binding.expires_at + Duration::from_secs(3_600));
        let default = request.headers.expires().unwrap_or(rules.expires);
        let mut granted_outbound = false;
        match request.headers.contacts() {
            Contacts::All => bindings.clear(),
            contacts => {
                for contact in contacts.as_slice() {
                    let expires = contact.expires().unwrap_or(default).min(rules.expires);
                    let outbound = flow_key(contact).filter(|_| rules.outbound);
                    granted_outbound |= outbound.is_some() && expires > 0;
                    bindings.retain(|known| !replaces(contact, outbound.as_ref(), known));
                    if expires > 0 {
                        bindings.push(Binding {
                            contact: contact.uri.clone(),
                            flow,
                            expires_at: now + Duration::from_secs(expires.into()),
                            outbound,
                        });
                    }
                }
            }
        }
        confirmation(request, bindings, granted_outbound, now)
    }
}

fn flow_key(contact: &NameAddr) -> Option<(String, String)> {
    let instance = contact.params.get("+sip.instance")?.to_owned();
    Some((instance, contact.params.get("reg-id")?.to_owned()))
}

fn replaces(contact: &NameAddr, outbound: Option<&(String, String)>, known: &Binding) -> bool {
    let same_flow = outbound.is_some() && known.outbound.as_ref() == outbound;
    same_flow || known.contact.equivalent(&contact.uri)
}

fn confirmation(request: &Request, bindings: &[Binding], outbound: bool, now: Instant) -> Response {
    let mut response = Response::to(request, StatusCode::OK);
    for binding in bindings.iter().filter(|binding| now < binding.expires_at) {
        let mut contact = NameAddr::new(binding.contact.clone());
        contact
            .params
            .set("expires", (binding.expires_at - now).as_secs().to_string());
        if let Some((instance, reg_id)) = &binding.outbound {
            contact.params.set_quoted("+sip.instance", instance);
            contact.params.set("reg-id", reg_id);
        }
        response.headers.push(HeaderName::Contact, contact);
    }
    if outbound {
        response.headers.push(HeaderName::Require, "outbound");
    }
    response
}
