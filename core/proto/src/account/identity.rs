//! Names and addresses of ours, as an account says them.

use crate::account_config::AccountConfig;
use crate::policy::caller_id::CallerIdentity;
use crate::sip::msg::{HeaderName, Headers, Host, NameAddr, Uri};

/// The account's address of record.
pub(super) fn address_of_record(config: &AccountConfig) -> Uri {
    Uri::sip(&config.user, host(&config.domain))
}

/// The domain alone: what a REGISTER is sent to.
pub(super) fn domain(config: &AccountConfig) -> Uri {
    Uri::sip_host(host(&config.domain))
}

/// The host that a validated account names.
pub(super) fn host(text: &str) -> Host {
    text.parse().unwrap_or_else(|_| Host::Name(text.to_owned()))
}

/// The Route of the configured outbound proxy, if there is one.
pub(super) fn proxy_route(config: &AccountConfig) -> Option<NameAddr> {
    let proxy = config.outbound_proxy.as_ref()?;
    let uri = Uri::sip_host(host(&proxy.host)).with_port(proxy.port);
    Some(NameAddr::new(
        uri.with_param("transport", transport_name(config)).with_flag("lr"),
    ))
}

/// The value of a `transport` parameter.
pub(super) const fn transport_name(config: &AccountConfig) -> &'static str {
    match config.transport {
        crate::account_config::Transport::Tls => "tls",
        crate::account_config::Transport::Tcp => "tcp",
        crate::account_config::Transport::Udp => "udp",
    }
}

/// From of our calls, and the header fields that go with it: shown, withheld (RFC 3323), or another number of ours
/// (RFC 3325).
pub(super) fn caller(config: &AccountConfig, wish: &CallerIdentity) -> (NameAddr, Headers) {
    let mut headers = Headers::new();
    let own = named(address_of_record(config), config);
    if let Some(privacy) = wish.privacy {
        headers.push(HeaderName::Privacy, privacy);
    }
    if let Some(preferred) = wish.preferred_identity.as_ref().and_then(|uri| uri.parse().ok()) {
        headers.push(HeaderName::PPreferredIdentity, named(preferred, config));
    }
    if wish.anonymous {
        headers.push(HeaderName::PPreferredIdentity, &own);
        let anonymous = Uri::sip("anonymous", host("anonymous.invalid"));
        return (NameAddr::new(anonymous).with_display("Anonymous"), headers);
    }
    (own, headers)
}

fn named(uri: Uri, config: &AccountConfig) -> NameAddr {
    match &config.display_name {
        Some(name) => NameAddr::new(uri).with_display(name),
        None => NameAddr::new(uri),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_withheld_number_is_in_no_header_that_the_far_end_sees() {
        let mut config = AccountConfig::new("pbx.example", "1001");
        config.display_name = Some("Anna".to_owned());
        let wish = CallerIdentity {
            anonymous: true,
            privacy: Some("id"),
            ..CallerIdentity::default()
        };
        let (from, headers) = caller(&config, &wish);
        assert!(!from.to_string().contains("1001") && !from.to_string().contains("Anna"));
        assert_eq!(headers.get(HeaderName::Privacy), Some("id"));
    }
}
