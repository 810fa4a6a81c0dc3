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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::FlowId;
    use crate::practice::registrar::{Asked, Registrar};
    use crate::sip::msg::Transport;
    use crate::time::Instant;

    #[test]
    fn a_message_is_new_until_it_was_heard_to_its_end() {
        let (mut mailbox, mut random) = (Mailbox::default(), Random::seeded(1));
        let (local, remote) = (([127, 0, 0, 1], 5061).into(), ([127, 0, 0, 1], 40_000).into());
        let flow = Flow::new(FlowId(1), Transport::Tls, local, remote);
        let aor = NameAddr::new("sip:1001@practice.example".parse().unwrap());
        let registrar = "sip:practice.example".parse().unwrap();
        let mut register = Request::new(Method::Register, registrar, aor.clone(), aor, "id", 1);
        register.headers.push(HeaderName::Contact, "<sip:x@127.0.0.1:40000>");
        let asked = Asked {
            request: &register,
            flow: flow.id,
            user: "1001",
        };
        let mut bindings = Registrar::new(None);
        bindings.register(asked, Instant::ORIGIN, &mut random);
        let binding = bindings.bindings("1001")[0].clone();
        let domain = Host::Name("practice.example".into());
        let mut notice = |mailbox: &Mailbox| {
            let request = mailbox.notice("1001", &domain, &binding, &flow, &mut random);
            assert_eq!(request.uri.to_string(), "sip:x@127.0.0.1:40000");
            assert_eq!(request.headers.event().unwrap().package, "message-summary");
            String::from_utf8(request.body.to_vec()).unwrap()
        };
        let new = "Messages-Waiting: yes\r\nMessage-Account: sip:*97@practice.example\r\nVoice-Message: 1/0 (0/0)\r\n";
        assert_eq!(notice(&mailbox), new);
        assert!(mailbox.hear("1001") && !mailbox.hear("1001"), "news once");
        let heard = "Messages-Waiting: no\r\nMessage-Account: sip:*97@practice.example\r\nVoice-Message: 0/1 (0/0)\r\n";
        assert_eq!(notice(&mailbox), heard);
    }
}
