//! Which number those who are called see: shown, withheld (RFC 3323), or chosen (RFC 3325, or a prefix of the PBX).

use super::dial::{DialKind, Dialled};
use crate::account_config::CallerId;

/// What an INVITE must say and dial to honour the account's wish.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallerIdentity {
    /// From is `"Anonymous" <sip:anonymous@anonymous.invalid>`.
    pub anonymous: bool,
    /// The value of the Privacy header field.
    pub privacy: Option<&'static str>,
    /// The URI for P-Preferred-Identity.
    pub preferred_identity: Option<String>,
    /// Dialled before the number.
    pub prefix: Option<String>,
}

/// Applies the wish to one call. An emergency call always shows its number, and only outside numbers are prefixed.
pub fn caller_identity(wish: &CallerId, dialled: &Dialled, domain: &str) -> CallerIdentity {
    let shown = CallerIdentity::default();
    if dialled.kind == DialKind::Emergency {
        return shown;
    }
    match wish {
        CallerId::Shown => shown,
        CallerId::Withheld => CallerIdentity {
            anonymous: true,
            privacy: Some("id"),
            ..shown
        },
        CallerId::Number(number) => CallerIdentity {
            preferred_identity: Some(format!("sip:{number}@{domain}")),
            ..shown
        },
        CallerId::Prefix(prefix) => CallerIdentity {
            prefix: (dialled.kind == DialKind::Number).then(|| prefix.clone()),
            ..shown
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(wish: &CallerId, kind: DialKind) -> CallerIdentity {
        let dialled = Dialled {
            kind,
            target: String::new(),
            confirm: Vec::new(),
            tones: String::new(),
        };
        caller_identity(wish, &dialled, "pbx.example")
    }

    #[test]
    fn each_wish_becomes_what_its_rfc_says() {
        assert_eq!(identity(&CallerId::Shown, DialKind::Number), CallerIdentity::default());
        let withheld = identity(&CallerId::Withheld, DialKind::Number);
        assert_eq!((withheld.anonymous, withheld.privacy), (true, Some("id")));
        let number = identity(&CallerId::Number("+31201234567".to_owned()), DialKind::Number);
        assert_eq!(
            number.preferred_identity.as_deref(),
            Some("sip:+31201234567@pbx.example")
        );
        let prefix = CallerId::Prefix("*31".to_owned());
        assert_eq!(identity(&prefix, DialKind::Number).prefix.as_deref(), Some("*31"));
        assert_eq!(identity(&prefix, DialKind::Extension).prefix, None);
    }

    #[test]
    fn an_emergency_call_always_shows_its_number_and_is_never_prefixed() {
        for wish in [
            CallerId::Withheld,
            CallerId::Prefix("9".to_owned()),
            CallerId::Number("1".to_owned()),
        ] {
            assert_eq!(identity(&wish, DialKind::Emergency), CallerIdentity::default());
        }
    }
}
