//! Typed reading of header fields, and the values that have a type of their own.
//!
//! A field that is absent and one that is malformed read the same here (`None`, or left out of a list): RFC 3261 8.2
//! has a UAS ignore malformed fields that it does not need. What must not be ignored the reader has refused already.

use std::fmt;
use std::str::FromStr;

use super::{CSeq, Contacts, HeaderName, Headers, Method, NameAddr, Params};
use crate::sip::parse::{self, Malformed, value};

impl Headers {
    /// The addresses of Contact, over all its lines.
    pub fn contacts(&self) -> Contacts {
        if self.all(HeaderName::Contact).any(|line| line.trim() == "*") {
            return Contacts::All;
        }
        Contacts::List(self.addresses(HeaderName::Contact))
    }

    /// Route, topmost first.
    pub fn routes(&self) -> Vec<NameAddr> {
        self.addresses(HeaderName::Route)
    }

    /// Record-Route, topmost first.
    pub fn record_routes(&self) -> Vec<NameAddr> {
        self.addresses(HeaderName::RecordRoute)
    }

    /// Path (RFC 3327), topmost first.
    pub fn paths(&self) -> Vec<NameAddr> {
        self.addresses(HeaderName::Path)
    }

    /// Service-Route (RFC 3608), topmost first.
    pub fn service_routes(&self) -> Vec<NameAddr> {
        self.addresses(HeaderName::ServiceRoute)
    }

    /// P-Asserted-Identity (RFC 3325): to be believed only from a server that is trusted.
    pub fn asserted_identities(&self) -> Vec<NameAddr> {
        self.addresses(HeaderName::PAssertedIdentity)
    }

    /// Every address of a field that is a list of them, over all its lines.
    pub fn addresses(&self, name: HeaderName) -> Vec<NameAddr> {
        self.values(name).filter_map(|text| text.parse().ok()).collect()
    }

    /// Refer-To (RFC 3515).
    pub fn refer_to(&self) -> Option<NameAddr> {
        self.get(HeaderName::ReferTo)?.parse().ok()
    }

    /// Expires, in seconds.
    pub fn expires(&self) -> Option<u32> {
        value::seconds(self.get(HeaderName::Expires)?).ok()
    }

    /// Min-Expires of a 423, in seconds.
    pub fn min_expires(&self) -> Option<u32> {
        value::seconds(self.get(HeaderName::MinExpires)?).ok()
    }

    /// Retry-After, in seconds, without its comment and parameters.
    pub fn retry_after(&self) -> Option<u32> {
        let digits = self.get(HeaderName::RetryAfter)?.split([' ', '\t', ';', '(']).next()?;
        value::seconds(digits).ok()
    }

    /// Flow-Timer (RFC 5626), in seconds.
    pub fn flow_timer(&self) -> Option<u32> {
        value::seconds(self.get(HeaderName::FlowTimer)?).ok()
    }

    /// Max-Forwards.
    pub fn max_forwards(&self) -> Option<u8> {
        value::number(self.get(HeaderName::MaxForwards)?).ok()
    }

    /// The option tags of Require.
    pub fn require(&self) -> Vec<&str> {
        self.tokens(HeaderName::Require)
    }

    /// The option tags of Supported.
    pub fn supported(&self) -> Vec<&str> {
        self.tokens(HeaderName::Supported)
    }

    /// Whether Supported or Require names `option`.
    pub fn supports(&self, option: &str) -> bool {
        self.supported()
            .into_iter()
            .chain(self.require())
            .any(|tag| tag.eq_ignore_ascii_case(option))
    }

    /// Whether Require names `option`.
    pub fn requires(&self, option: &str) -> bool {
        self.require().into_iter().any(|tag| tag.eq_ignore_ascii_case(option))
    }

    /// The methods of Allow; `None` if the field is absent, which is not the same as an empty list.
    pub fn allow(&self) -> Option<Vec<Method>> {
        self.has(HeaderName::Allow).then(|| {
            self.tokens(HeaderName::Allow)
                .into_iter()
                .filter_map(|name| name.parse().ok())
                .collect()
        })
    }

    /// The comma-separated tokens of a field, over all its lines.
    pub fn tokens(&self, name: HeaderName) -> Vec<&str> {
        self.values(name).collect()
    }

    /// The comma-separated values of a field, over all its lines; empty ones are left out.
    pub fn values(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.all(name).flat_map(value::split_list)
    }

    /// Content-Type.
    pub fn content_type(&self) -> Option<ContentType> {
        self.get(HeaderName::ContentType)?.parse().ok()
    }

    /// Session-Expires (RFC 4028).
    pub fn session_expires(&self) -> Option<SessionExpires> {
        self.get(HeaderName::SessionExpires)?.parse().ok()
    }

    /// Min-SE (RFC 4028), in seconds.
    pub fn min_se(&self) -> Option<u32> {
        Tagged::from_str(self.get(HeaderName::MinSe)?)
            .ok()
            .and_then(|min| value::seconds(&min.value).ok())
    }

    /// RSeq (RFC 3262).
    pub fn rseq(&self) -> Option<u32> {
        value::number(self.get(HeaderName::RSeq)?).ok()
    }

    /// RAck (RFC 3262).
    pub fn rack(&self) -> Option<RAck> {
        self.get(HeaderName::RAck)?.parse().ok()
    }

    /// Reason (RFC 3326): why a request was sent, one for each protocol.
    pub fn reasons(&self) -> Vec<Reason> {
        self.values(HeaderName::Reason)
            .filter_map(|text| text.parse().ok())
            .collect()
    }

    /// Warning.
    pub fn warnings(&self) -> Vec<Warning> {
        self.values(HeaderName::Warning)
            .filter_map(|text| text.parse().ok())
            .collect()
    }

    /// The challenges of a 401, one line each, for the digest machine to read.
    pub fn www_authenticate(&self) -> impl Iterator<Item = &str> {
        self.all(HeaderName::WwwAuthenticate)
    }

    /// Event (RFC 6665).
    pub fn event(&self) -> Option<Event> {
        let tagged = Tagged::from_str(self.get(HeaderName::Event)?).ok()?;
        Some(Event {
            id: tagged.params.get("id").map(str::to_owned),
            package: tagged.value,
        })
    }

    /// Subscription-State (RFC 6665).
    pub fn subscription_state(&self) -> Option<SubscriptionState> {
        let tagged = Tagged::from_str(self.get(HeaderName::SubscriptionState)?).ok()?;
        let seconds = |name| tagged.params.get(name).and_then(|text| value::seconds(text).ok());
        Some(SubscriptionState {
            expires: seconds("expires"),
            retry_after: seconds("retry-after"),
            reason: tagged.params.get("reason").map(str::to_owned),
            state: tagged.value.to_ascii_lowercase(),
        })
    }

    /// Replaces (RFC 3891).
    pub fn replaces(&self) -> Option<Replaces> {
        self.get(HeaderName::Replaces)?.parse().ok()
    }
}

/// A value with parameters: `value;name=value`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tagged {
    /// What stands before the first semicolon: a token.
    pub value: String,
    /// The parameters.
    pub params: Params,
}

impl FromStr for Tagged {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (value, params) = value::tagged(text)?;
        Ok(Self {
            value: value.to_owned(),
            params,
        })
    }
}

/// Content-Type: `type/subtype;params`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContentType {
    /// `type/subtype` in lower case.
    pub essence: String,
    /// `boundary`, `charset` and the like.
    pub params: Params,
}

impl FromStr for ContentType {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (essence, params) = value::media_type(text)?;
        Ok(Self { essence, params })
    }
}

/// Who refreshes a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refresher {
    /// Whoever sent the request.
    Uac,
    /// Whoever answers it.
    Uas,
}

/// Session-Expires (RFC 4028 section 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionExpires {
    /// Seconds from refresh to the end of the session.
    pub interval: u32,
    /// Who refreshes, if that is said.
    pub refresher: Option<Refresher>,
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.interval.fmt(f)?;
        match self.refresher {
            Some(Refresher::Uac) => f.write_str(";refresher=uac"),
            Some(Refresher::Uas) => f.write_str(";refresher=uas"),
            None => Ok(()),
        }
    }
}

impl FromStr for SessionExpires {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (interval, params) = value::tagged(text)?;
        let refresher = params
            .get("refresher")
            .and_then(|who| match who.to_ascii_lowercase().as_str() {
                "uac" => Some(Refresher::Uac),
                "uas" => Some(Refresher::Uas),
                _ => None,
            });
        Ok(Self {
            interval: value::seconds(interval)?,
            refresher,
        })
    }
}

/// RAck (RFC 3262 section 7.2): which provisional response a PRACK acknowledges.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RAck {
    /// The RSeq of the response.
    pub rseq: u32,
    /// The CSeq of the response.
    pub cseq: CSeq,
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rseq, self.cseq)
    }
}

impl FromStr for RAck {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (rseq, cseq) = text
            .trim()
            .split_once([' ', '\t'])
            .ok_or(Malformed("RAck without CSeq"))?;
        Ok(Self {
            rseq: value::number(rseq)?,
            cseq: value::cseq(cseq)?,
        })
    }
}

/// One Reason (RFC 3326): `SIP;cause=200;text="Call completed elsewhere"`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    /// `SIP`, `Q.850` or another.
    pub protocol: String,
    /// The status code or cause value.
    pub cause: Option<u16>,
    /// In words.
    pub text: Option<String>,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        match &self.text {
            Some(text) => write!(f, ";text={}", super::params::Quoted(text)),
            None => Ok(()),
        }
    }
}

impl FromStr for Reason {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (protocol, params) = value::tagged(text)?;
        Ok(Self {
            protocol: protocol.to_owned(),
            cause: params.get("cause").and_then(|cause| cause.parse().ok()),
            text: params.get("text").map(str::to_owned),
        })
    }
}

/// One Warning (RFC 3261 section 20.43).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    /// Three digits.
    pub code: u16,
    /// Host or pseudonym of who warns.
    pub agent: String,
    /// In words.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.code, self.agent, super::params::Quoted(&self.text))
    }
}

impl FromStr for Warning {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        parse::value::warning(text)
    }
}

/// Event (RFC 6665 section 8.2.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// The package, with its templates: `message-summary`, `dialog`, `refer`, …
    pub package: String,
    /// Tells subscriptions of one dialog apart.
    pub id: Option<String>,
}

/// Subscription-State (RFC 6665 section 8.2.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubscriptionState {
    /// `active`, `pending`, `terminated` or an extension, in lower case.
    pub state: String,
    /// Seconds left.
    pub expires: Option<u32>,
    /// Why it ended.
    pub reason: Option<String>,
    /// Seconds to wait before trying again.
    pub retry_after: Option<u32>,
}

/// Replaces (RFC 3891): the dialog that an INVITE takes over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replaces {
    /// The Call-ID of that dialog.
    pub call_id: String,
    /// The tag of whoever receives the INVITE.
    pub to_tag: String,
    /// The tag of the other side.
    pub from_tag: String,
    /// Only if the dialog is still early.
    pub early_only: bool,
}

impl Replaces {
    /// The dialog with these names.
    ///
    /// # Errors
    /// Where a tag is no token, or the Call-ID is none: such names come from documents too, and would end or add to the
    /// header field that they are written into.
    pub fn new(call_id: &str, to_tag: &str, from_tag: &str, early_only: bool) -> Result<Self, Malformed> {
        let call_id = value::call_id(call_id)?;
        if call_id.contains([';', ',']) {
            return Err(Malformed("a Call-ID that would end before its end"));
        }
        Ok(Self {
            call_id: call_id.to_owned(),
            to_tag: value::whole_token(to_tag)?.to_owned(),
            from_tag: value::whole_token(from_tag)?.to_owned(),
            early_only,
        })
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)?;
        if self.early_only {
            f.write_str(";early-only")
        } else {
            Ok(())
        }
    }
}

impl FromStr for Replaces {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (call_id, params) = value::replaces(text)?;
        let tag = |name| params.get(name).ok_or(Malformed("Replaces without both tags"));
        Self::new(call_id, tag("to-tag")?, tag("from-tag")?, params.has("early-only"))
    }
}
