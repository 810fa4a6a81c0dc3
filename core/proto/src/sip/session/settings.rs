//! What a session needs to be told, and what it says of itself in every message.

use std::time::Duration;

use bytes::Bytes;

use crate::sip::msg::{HeaderName, Headers, Method, NameAddr, Uri};
use crate::sip::parse::multipart;

/// The methods that the session itself serves.
const SERVED: [Method; 8] = [
    Method::Invite,
    Method::Ack,
    Method::Cancel,
    Method::Bye,
    Method::Options,
    Method::Prack,
    Method::Update,
    Method::Info,
];

/// The option tags that the session itself understands.
const UNDERSTOOD: [&str; 2] = ["100rel", "timer"];

/// The type of every session description.
pub(super) const SDP: &str = "application/sdp";

/// What is the same for all calls of an account.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our Contact: where requests of the dialog reach us.
    pub contact: NameAddr,
    /// Methods that the owner serves beside the session's own, for Allow: REFER, NOTIFY.
    pub allow: Vec<Method>,
    /// Option tags that the owner understands beside `100rel` and `timer`, for Supported and Require: `replaces`.
    pub supported: Vec<String>,
    /// The Session-Expires that we ask for (RFC 4028); `None` if we only follow the other side's wish.
    pub session_interval: Option<Duration>,
    /// The shortest Session-Expires that we take; never below 90 s (RFC 4028 5).
    pub min_se: Duration,
    /// Whether early media is sent reliably to a caller that supports it but does not require it (RFC 3262).
    pub reliable_early_media: bool,
    /// T1 of RFC 3261: 500 ms.
    pub t1: Duration,
    /// T2 of RFC 3261: 4 s.
    pub t2: Duration,
}

impl Settings {
    /// The RFCs' values, and a session timer of half an hour.
    pub fn new(contact: NameAddr) -> Self {
        Self {
            contact,
            allow: Vec::new(),
            supported: Vec::new(),
            session_interval: Some(Duration::from_secs(1800)),
            min_se: Duration::from_secs(90),
            reliable_early_media: true,
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
        }
    }

    /// 64*T1: how long anything is waited for.
    pub(super) fn patience(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// Min-SE as we demand it, in seconds.
    pub(super) fn min_se_seconds(&self) -> u32 {
        u32::try_from(self.min_se.as_secs()).unwrap_or(u32::MAX).max(90)
    }

    /// Session-Expires as we ask for it, in seconds.
    pub(super) fn interval_seconds(&self) -> Option<u32> {
        let seconds = u32::try_from(self.session_interval?.as_secs()).unwrap_or(u32::MAX);
        Some(seconds.max(self.min_se_seconds()))
    }

    /// What Require asks for that neither the session nor its owner understands, for Unsupported.
    pub(super) fn not_understood(&self, headers: &Headers) -> Vec<String> {
        let known = |tag: &str| {
            let mut ours = UNDERSTOOD.into_iter().chain(self.supported.iter().map(String::as_str));
            ours.any(|known| known.eq_ignore_ascii_case(tag))
        };
        headers
            .require()
            .into_iter()
            .filter(|tag| !known(tag))
            .map(str::to_owned)
            .collect()
    }

    /// Adds Allow.
    pub(super) fn write_allow(&self, headers: &mut Headers) {
        let methods: Vec<&str> = SERVED.iter().chain(&self.allow).map(Method::as_str).collect();
        headers.set(HeaderName::Allow, methods.join(", "));
    }

    /// Adds Supported.
    pub(super) fn write_supported(&self, headers: &mut Headers) {
        let tags: Vec<&str> = UNDERSTOOD
            .into_iter()
            .chain(self.supported.iter().map(String::as_str))
            .collect();
        headers.set(HeaderName::Supported, tags.join(", "));
    }

    /// Adds Contact, Allow and Supported, as every message that refreshes the target has them.
    pub(super) fn write_capabilities(&self, headers: &mut Headers) {
        headers.set(HeaderName::Contact, &self.contact);
        self.write_allow(headers);
        self.write_supported(headers);
    }
}

/// A call to be placed.
#[derive(Clone, Debug)]
pub struct Dial {
    /// The account's side of it.
    pub settings: Settings,
    /// Who is called: the Request-URI, and To.
    pub target: Uri,
    /// Who calls, without tag.
    pub from: NameAddr,
    /// Routes to be gone through first (an outbound proxy, a Service-Route), nearest first.
    pub routes: Vec<NameAddr>,
    /// Our offer; `None` leaves the offer to the other side.
    pub offer: Option<Bytes>,
    /// Further header fields: Privacy, P-Preferred-Identity, Expires, User-Agent.
    pub headers: Headers,
}

/// The session description of a message, if it has one; an error if its body is anything else and must be understood.
pub(super) fn description(headers: &Headers, body: &Bytes) -> Result<Option<Bytes>, NotSdp> {
    if body.is_empty() {
        return Ok(None);
    }
    let optional = headers.get(HeaderName::ContentDisposition).is_some_and(|value| {
        value
            .to_ascii_lowercase()
            .replace(' ', "")
            .contains("handling=optional")
    });
    match headers.content_type() {
        Some(kind) if kind.essence == SDP => Ok(Some(body.clone())),
        Some(kind) if kind.essence.starts_with("multipart/") => match multipart::find(&kind, body, SDP) {
            Some(part) => Ok(Some(body.slice_ref(part))),
            None if optional => Ok(None),
            None => Err(NotSdp),
        },
        // RFC 2543 peers leave it out; a body of an INVITE can be nothing else.
        None if !headers.has(HeaderName::ContentType) => Ok(Some(body.clone())),
        Some(_) | None if optional => Ok(None),
        Some(_) | None => Err(NotSdp),
    }
}

/// A body that is no session description: 415.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NotSdp;
