//! Names and addresses: ours as an account says them, theirs as people may be shown them.
//!
//! What a far end calls itself is text from outside: control characters, direction marks and zero-width characters
//! are taken out before anyone sees it, and a name never stands without its number (a name alone can be anyone's).

use crate::account_config::AccountConfig;
use crate::policy::caller_id::CallerIdentity;
use crate::sip::msg::{HeaderName, Headers, Host, NameAddr, Request, Uri};

/// The longest name that is shown.
const NAME_LIMIT: usize = 128;

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

/// Who calls, as people are shown it. What the PBX asserts goes before what the caller says of itself.
pub(super) fn shown_caller(invite: &Request) -> String {
    let asserted = invite.headers.asserted_identities();
    shown(asserted.first().unwrap_or(&invite.from))
}

/// A name with its number or address: `Anna de Vries <1002>`.
pub(super) fn shown(address: &NameAddr) -> String {
    let number = match (address.uri.user(), address.uri.host()) {
        (Some(user), _) => clean(&user),
        (None, Some(host)) => clean(&host.to_string()),
        (None, None) => clean(&address.uri.to_string()),
    };
    let name = address
        .display
        .as_deref()
        .map(clean)
        .filter(|name| !name.is_empty() && *name != number);
    match name {
        Some(name) => format!("{name} <{number}>"),
        None => number,
    }
}

/// Text from outside, without what could hide or turn round the text beside it.
fn clean(text: &str) -> String {
    let visible = text.chars().filter(|c| !c.is_control() && !is_invisible(*c));
    visible.take(NAME_LIMIT).collect::<String>().trim().to_owned()
}

const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> NameAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_never_stands_without_its_number() {
        assert_eq!(
            shown(&address("\"Anna de Vries\" <sip:1002@pbx.example>")),
            "Anna de Vries <1002>"
        );
        assert_eq!(shown(&address("<sip:1002@pbx.example>")), "1002");
        assert_eq!(shown(&address("\"1002\" <sip:1002@pbx.example>")), "1002");
    }

    #[test]
    fn direction_marks_and_zero_width_characters_are_not_shown() {
        let hostile = "\"Ban\u{200b}k\u{202e}lla\u{feff}\" <sip:0900@pbx.example>";
        assert_eq!(shown(&address(hostile)), "Banklla <0900>");
    }

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
