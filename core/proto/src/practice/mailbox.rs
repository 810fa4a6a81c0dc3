//! The mailbox of each extension: one message, new until it was heard (RFC 3842).

use super::numbers::MAILBOX;
use super::registrar::Binding;
use crate::random::Random;
use crate::sip::endpoint::Flow;
use crate::sip::msg::{HeaderName, Host, Method, NameAddr, Request, Uri};
use std::collections::BTreeSet;

/// Who has heard the message.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    heard_by: BTreeSet<String>,
}

impl Mailbox {
    /// The message was played to its end; whether that is news.
    pub fn hear(&mut self, user: &str) -> bool {
        self.heard_by.insert(user.to_owned())
    }

    /// Tells a phone what waits, without having been asked, as many PBXs do.
    pub fn notice(&self, user: &str, domain: &Host, binding: &Binding, flow: &Flow, random: &mut Random) -> Request {
        let address = Uri::sip(user, domain.clone());
        let mailbox = Uri::sip(MAILBOX, domain.clone());
        let mut request = Request::new(
            Method::Notify,
            binding.contact.clone(),
            NameAddr::new(mailbox.clone()).with_tag(random.token(8)),
            NameAddr::new(address),
            random.token(16),
            1,
        );
        let headers = &mut request.headers;
        for hop in &binding.path {
            headers.push(HeaderName::Route, hop);
        }
        headers.push(HeaderName::Contact, NameAddr::new(contact(MAILBOX, flow)));
        headers.push(HeaderName::Event, "message-summary");
        headers.push(HeaderName::SubscriptionState, "active");
        let (waiting, new, old) = if self.heard_by.contains(user) {
            ("no", 0, 1)
        } else {
            ("yes", 1, 0)
        };
        let body = format!(
            "Messages-Waiting: {waiting}\r\nMessage-Account: {mailbox}\r\nVoice-Message: {new}/{old} (0/0)\r\n"
        );
        request.set_body("application/simple-message-summary", body);
        request
    }
}

/// Where requests of a dialog reach the exchange: on the flow that the phone opened.
pub(super) fn contact(user: &str, flow: &Flow) -> Uri {
    Uri::sip(user, flow.local.ip().into())
        .with_port(flow.local.port())
        .with_param("transport", &flow.transport.as_str().to_ascii_lowercase())
}
