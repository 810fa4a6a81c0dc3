//! A REFER of the other side: what it asks for, whether that can be understood, and the NOTIFY that tells how far it is.

use crate::sip::msg::{HeaderName, Headers, Method, NameAddr, Replaces, Request, StatusCode, Uri};
use crate::sip::transfer::sipfrag;
use std::time::Duration;

/// What a REFER asks for: that we call somebody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Whom, fit to be a Request-URI or to be dialled.
    pub target: Uri,
    /// Which of their calls ours is to take over (RFC 3891).
    pub replaces: Option<Replaces>,
    /// Referred-By, to be passed on as it came (RFC 3892).
    pub referred_by: Option<String>,
    /// Whether the sender wants to be told how it goes.
    pub subscribes: bool,
    /// The number by which its NOTIFYs name it.
    pub cseq: u32,
}

/// Why a REFER cannot be followed. The other side erred; the same request will not do later either.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unfit {
    /// RFC 3515 2.4.1: exactly one.
    #[error("a REFER without one clear Refer-To")]
    NoTarget,
    /// Only what can be called.
    #[error("a REFER to an address that is no phone")]
    Scheme,
    /// Only INVITE.
    #[error("a REFER to something else than a call")]
    Method,
    /// The dialog that is to be replaced is not named rightly.
    #[error("a REFER whose Replaces cannot be read")]
    Replaces,
}

impl Unfit {
    /// The status to answer with.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NoTarget | Self::Replaces => StatusCode::BAD_REQUEST,
            Self::Scheme => StatusCode::UNSUPPORTED_URI_SCHEME,
            Self::Method => StatusCode::NOT_IMPLEMENTED,
        }
    }
}

impl Wanted {
    /// A call of our own accord, to whoever is at the other end of the dialog that it takes over.
    pub fn in_place_of(replaces: Replaces, target: Uri) -> Self {
        Self {
            target: target.without_headers(),
            replaces: Some(replaces),
            referred_by: None,
            subscribes: false,
            cseq: 0,
        }
    }

    /// Reads a REFER.
    ///
    /// # Errors
    /// When it cannot be followed.
    pub fn read(refer: &Request) -> Result<Self, Unfit> {
        let addresses = refer.headers.addresses(HeaderName::ReferTo);
        let ([address], 1) = (addresses.as_slice(), refer.headers.values(HeaderName::ReferTo).count()) else {
            return Err(Unfit::NoTarget);
        };
        let uri = &address.uri;
        if !uri.is_sip() && *uri.scheme() != crate::sip::msg::Scheme::Tel {
            return Err(Unfit::Scheme);
        }
        if uri
            .param("method")
            .is_some_and(|method| method != Method::Invite.as_str())
        {
            return Err(Unfit::Method);
        }
        Ok(Self {
            target: uri.clone().without_headers(),
            replaces: replaces_of(uri)?,
            referred_by: refer.headers.get(HeaderName::ReferredBy).map(str::to_owned),
            subscribes: !wants_silence(&refer.headers),
            cseq: refer.cseq,
        })
    }
}

/// The dialog that the address asks to be taken over. Other headers of the address are ignored: what they could say of
/// our INVITE is not the other side's to say (RFC 3261 19.1.5).
fn replaces_of(uri: &Uri) -> Result<Option<Replaces>, Unfit> {
    let named: Vec<_> = uri
        .headers()
        .filter(|(name, _)| HeaderName::new(name) == HeaderName::Replaces)
        .collect();
    match named.as_slice() {
        [] => Ok(None),
        [(_, value)] => value.parse().map(Some).map_err(|_| Unfit::Replaces),
        _ => Err(Unfit::Replaces),
    }
}

fn wants_silence(headers: &Headers) -> bool {
    headers
        .get(HeaderName::ReferSub)
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("false"))
}

/// What a NOTIFY says of the REFER with the number `cseq`: header fields, content type and body. It is the last one where
/// `status` is final (RFC 3515 2.4.7), and else holds for `lasts`.
pub fn notify(cseq: u32, status: StatusCode, lasts: Duration) -> (Headers, &'static str, String) {
    let mut headers = Headers::new();
    headers.push(HeaderName::Event, format!("refer;id={cseq}"));
    let state = if status.is_final() {
        "terminated;reason=noresource".to_owned()
    } else {
        format!("active;expires={}", lasts.as_secs())
    };
    headers.push(HeaderName::SubscriptionState, state);
    (headers, sipfrag::CONTENT_TYPE, sipfrag::body(status))
}

/// The Refer-To of a REFER that has `target` called, in place of the dialog that `replaces` names if there is one.
pub fn refer_to(target: &Uri, replaces: Option<&Replaces>) -> NameAddr {
    let target = target.clone().without_headers();
    NameAddr::new(match replaces {
        Some(replaces) => target.with_header("Replaces", &replaces.to_string()),
        None => target,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refer(lines: &[&str]) -> Request {
        let uri: Uri = "sip:a@192.0.2.1".parse().unwrap();
        let us: NameAddr = "<sip:a@example.org>;tag=a".parse().unwrap();
        let them: NameAddr = "<sip:b@example.org>;tag=b".parse().unwrap();
        let mut request = Request::new(Method::Refer, uri, them, us, "call", 93);
        for line in lines {
            request.headers.push(HeaderName::ReferTo, line);
        }
        request
    }

    #[test]
    fn a_plain_address_is_called() {
        let wanted = Wanted::read(&refer(&["\"Carol\" <sip:1003@pbx.example;user=phone>"])).unwrap();
        assert_eq!(wanted.target.to_string(), "sip:1003@pbx.example;user=phone");
        assert_eq!((wanted.replaces, wanted.cseq, wanted.subscribes), (None, 93, true));
    }

    #[test]
    fn a_bare_address_is_read_as_one_too() {
        // RFC 3515 2.1 allows an addr-spec; its URI parameters then belong to the field.
        assert!(Wanted::read(&refer(&["sip:1003@pbx.example"])).is_ok());
        assert!(Wanted::read(&refer(&["tel:+31201234567"])).is_ok());
    }

    #[test]
    fn the_call_to_be_taken_over_is_read_through_its_escapes() {
        let wanted = Wanted::read(&refer(&[
            "<sip:c@192.0.2.9?Replaces=12%40x%3Bto-tag%3D5FF%3Bfrom-tag%3D45&Priority=urgent>",
        ]))
        .unwrap();
        let replaces = wanted.replaces.unwrap();
        assert_eq!(
            (
                replaces.call_id.as_str(),
                replaces.to_tag.as_str(),
                replaces.from_tag.as_str()
            ),
            ("12@x", "5FF", "45")
        );
        assert_eq!(wanted.target.to_string(), "sip:c@192.0.2.9");
    }

    #[test]
    fn what_cannot_be_called_is_refused_by_what_is_wrong_with_it() {
        for (lines, why) in [
            (&[][..], Unfit::NoTarget),
            (&["<sip:a@x>", "<sip:b@x>"], Unfit::NoTarget),
            (&["<sip:a@x>, <sip:b@x>"], Unfit::NoTarget),
            (&["<sip:a@x>, ]["], Unfit::NoTarget),
            (&["]["], Unfit::NoTarget),
            (&["<http://example.org/>"], Unfit::Scheme),
            (&["<mailto:a@example.org>"], Unfit::Scheme),
            (&["<sip:a@x;method=BYE>"], Unfit::Method),
            (&["<sip:a@x?Replaces=1>"], Unfit::Replaces),
            (&["<sip:a@x?Replaces=1%3Bto-tag%3D2>"], Unfit::Replaces),
            // What is no token could end our header field, or add to it.
            (
                &["<sip:a@x?Replaces=1%3Bto-tag%3D%222%3Bx%22%3Bfrom-tag%3D3>"],
                Unfit::Replaces,
            ),
            (
                &["<sip:a@x?Replaces=1%3Bto-tag%3D%222%0D%0AX%3A%20y%22%3Bfrom-tag%3D3>"],
                Unfit::Replaces,
            ),
            (
                &["<sip:a@x?Replaces=1%0D%0AX%3A%20y%3Bto-tag%3D2%3Bfrom-tag%3D3>"],
                Unfit::Replaces,
            ),
            (
                &["<sip:a@x?Replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3&replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3>"],
                Unfit::Replaces,
            ),
        ] {
            assert_eq!(Wanted::read(&refer(lines)), Err(why), "{lines:?}");
        }
    }

    #[test]
    fn what_we_write_in_refer_to_is_read_back() {
        let replaces = Replaces {
            call_id: "a!b%c@192.0.2.9".to_owned(),
            to_tag: "t%o".to_owned(),
            from_tag: "f".to_owned(),
            early_only: false,
        };
        let target: Uri = "sip:c@192.0.2.9:5061;transport=tls".parse().unwrap();
        let line = refer_to(&target, Some(&replaces)).to_string();
        let wanted = Wanted::read(&refer(&[&line])).unwrap();
        assert_eq!(wanted.target, target);
        let read = wanted.replaces.unwrap();
        assert_eq!(read, replaces);
    }

    #[test]
    fn news_is_the_last_when_it_is_final() {
        let (headers, _, body) = notify(93, StatusCode::RINGING, Duration::from_secs(60));
        assert_eq!(headers.get(HeaderName::Event), Some("refer;id=93"));
        assert_eq!(headers.get(HeaderName::SubscriptionState), Some("active;expires=60"));
        assert_eq!(body, "SIP/2.0 180 Ringing\r\n");
        let (headers, ..) = notify(93, StatusCode::BUSY_HERE, Duration::ZERO);
        assert_eq!(
            headers.get(HeaderName::SubscriptionState),
            Some("terminated;reason=noresource")
        );
    }
}
