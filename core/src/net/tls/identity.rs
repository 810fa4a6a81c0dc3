//! Whom a certificate speaks for: the SIP domain identities of RFC 5922 7.1, compared as in 7.2.
//!
//! Where there is a `sip:` URI without a user in subjectAltName, such URIs alone decide; else the dNSNames do. The
//! subject's common name and IP address entries never match. One recorded deviation from 7.2: a dNSName whose whole
//! left-most label is `*` matches exactly one label there, because hosted PBXs have such certificates; below a single
//! label (`*.com`) it does not.

use std::borrow::Cow;

/// The identities in one certificate.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Identities<'a> {
    sip: Vec<&'a str>,
    dns: Vec<&'a str>,
}

impl<'a> Identities<'a> {
    pub(super) fn new(uris: impl Iterator<Item = &'a str>, dns_names: impl Iterator<Item = &'a str>) -> Self {
        Self {
            sip: uris.filter_map(sip_domain).collect(),
            dns: dns_names.collect(),
        }
    }

    /// Whether the certificate speaks for `domain`.
    pub(super) fn include(&self, domain: &str) -> bool {
        let domain = without_final_dot(domain);
        if self.sip.is_empty() {
            self.dns
                .iter()
                .any(|name| dns_name_matches(without_final_dot(name), domain))
        } else {
            self.sip
                .iter()
                .any(|name| without_final_dot(name).eq_ignore_ascii_case(domain))
        }
    }

    /// The names that count, fit to be shown to a person: the certificate's author chose them.
    pub(super) fn shown(&self) -> Vec<String> {
        let names = if self.sip.is_empty() { &self.dns } else { &self.sip };
        names.iter().map(|name| printable(name).into_owned()).collect()
    }

    /// A name that every verifier would find in the certificate, for one that insists on checking names itself.
    pub(super) fn any_dns_name(&self) -> Option<String> {
        self.dns.first().map(|name| match name.strip_prefix("*.") {
            Some(parent) => format!("any.{parent}"),
            None => (*name).to_owned(),
        })
    }
}

/// At most 64 characters, none of which moves the cursor or turns the text round.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || (c.is_ascii() && !c.is_control());
    if text.len() <= 64 && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .take(64)
            .map(|c| if is_plain(c) { c } else { '?' })
            .collect(),
    )
}

/// The host of a `sip:` URI that names a domain. One with a user names a person, and other schemes name nothing here.
fn sip_domain(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("sip") || rest.contains('@') {
        return None;
    }
    let host_and_port = rest.split([';', '?']).next()?;
    let host = match host_and_port.find(']') {
        Some(bracket) => host_and_port.get(..=bracket)?,
        None => host_and_port.split(':').next()?,
    };
    (!host.is_empty() && !host.contains('%')).then_some(host)
}

fn dns_name_matches(presented: &str, domain: &str) -> bool {
    match presented.strip_prefix("*.") {
        None => presented.eq_ignore_ascii_case(domain),
        Some(parent) => {
            let one_label_less = domain
                .split_once('.')
                .filter(|(label, _)| !label.is_empty())
                .map(|(_, rest)| rest);
            parent.contains('.') && one_label_less.is_some_and(|rest| rest.eq_ignore_ascii_case(parent))
        }
    }
}

fn without_final_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(uris: &[&'a str], dns_names: &[&'a str]) -> Identities<'a> {
        Identities::new(uris.iter().copied(), dns_names.iter().copied())
    }

    #[test]
    fn a_sip_uri_names_a_domain_only_without_a_user() {
        for (uri, domain) in [
            ("sip:example.com", Some("example.com")),
            ("SIP:Example.com", Some("Example.com")),
            ("sip:example.com:5061;transport=tls?a=b", Some("example.com")),
            ("sip:[2001:db8::1]:5061", Some("[2001:db8::1]")),
            ("sip:alice@example.com", None),
            ("sip:example.com?to=alice@other.com", None),
            ("sips:example.com", None),
            ("https://example.com", None),
            ("sip:ex%61mple.com", None),
            ("sip:", None),
            ("sip:;transport=tls", None),
            ("example.com", None),
        ] {
            assert_eq!(sip_domain(uri), domain, "{uri}");
        }
    }

    #[test]
    fn where_a_sip_uri_exists_dns_names_are_not_looked_at() {
        let both = of(&["sip:example.com"], &["pbx.example.com"]);
        assert!(both.include("example.com"));
        assert!(!both.include("pbx.example.com"));
        let person_only = of(&["sip:alice@example.com"], &["pbx.example.com"]);
        assert!(person_only.include("pbx.example.com"));
    }

    #[test]
    fn names_compare_without_case_and_final_dot_and_never_by_suffix() {
        let names = of(&[], &["PBX.example.com"]);
        assert!(names.include("pbx.EXAMPLE.com."));
        for other in [
            "example.com",
            "a.pbx.example.com",
            "pbx.example.com.evil.org",
            "xpbx.example.com",
            "",
        ] {
            assert!(!names.include(other), "{other}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_exactly_one_left_most_label() {
        let wildcard = of(&[], &["*.pbx.example.com"]);
        assert!(wildcard.include("tenant.PBX.example.com"));
        for other in [
            "pbx.example.com",
            "a.b.pbx.example.com",
            ".pbx.example.com",
            "tenant.pbx.example.org",
        ] {
            assert!(!wildcard.include(other), "{other}");
        }
        assert!(!of(&[], &["*.com"]).include("example.com"));
        assert!(!of(&[], &["*"]).include("example.com"));
        assert!(!of(&[], &["t*.example.com"]).include("tenant.example.com"));
        assert!(!of(&["sip:*.example.com"], &[]).include("tenant.example.com"));
    }

    #[test]
    fn names_are_shown_without_anything_that_could_mislead() {
        let names = of(&[], &["a\u{1b}[2J\u{202e}b"]);
        assert_eq!(names.shown(), ["a?[2J?b"]);
        assert_eq!(printable(&"x".repeat(100)).len(), 64);
    }
}
