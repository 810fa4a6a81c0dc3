//! Header fields (RFC 3261 sections 7.3 and 20): an ordered list that keeps what it does not know.

use std::borrow::Borrow;
use std::fmt;

macro_rules! header_names {
    ($($name:ident = $text:literal $(, $compact:literal)?;)*) => {
        /// The name of a header field; compared without case, written in its usual spelling.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[non_exhaustive]
        pub enum HeaderName {
            $(#[doc = concat!("`", $text, "`")] $name,)*
            /// Any other, as it was written; compare with [`HeaderName::is`].
            Other(String),
        }

        impl HeaderName {
            /// The usual spelling.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other(name) => name,
                }
            }

            /// The name that `text` spells, in its long or its compact form.
            pub fn new(text: &str) -> Self {
                $(if text.eq_ignore_ascii_case($text) $(|| text.eq_ignore_ascii_case($compact))? {
                    return Self::$name;
                })*
                Self::Other(text.to_owned())
            }
        }
    };
}

header_names! {
    Via = "Via", "v";
    From = "From", "f";
    To = "To", "t";
    CallId = "Call-ID", "i";
    CSeq = "CSeq";
    Contact = "Contact", "m";
    ContentLength = "Content-Length", "l";
    ContentType = "Content-Type", "c";
    ContentEncoding = "Content-Encoding", "e";
    ContentDisposition = "Content-Disposition";
    MaxForwards = "Max-Forwards";
    Route = "Route";
    RecordRoute = "Record-Route";
    Path = "Path";
    ServiceRoute = "Service-Route";
    Authorization = "Authorization";
    ProxyAuthorization = "Proxy-Authorization";
    WwwAuthenticate = "WWW-Authenticate";
    ProxyAuthenticate = "Proxy-Authenticate";
    AuthenticationInfo = "Authentication-Info";
    Expires = "Expires";
    MinExpires = "Min-Expires";
    Require = "Require";
    ProxyRequire = "Proxy-Require";
    Supported = "Supported", "k";
    Unsupported = "Unsupported";
    Allow = "Allow";
    AllowEvents = "Allow-Events", "u";
    Accept = "Accept";
    AcceptEncoding = "Accept-Encoding";
    AcceptLanguage = "Accept-Language";
    SessionExpires = "Session-Expires", "x";
    MinSe = "Min-SE";
    RSeq = "RSeq";
    RAck = "RAck";
    Reason = "Reason";
    Warning = "Warning";
    RetryAfter = "Retry-After";
    Event = "Event", "o";
    SubscriptionState = "Subscription-State";
    ReferTo = "Refer-To", "r";
    ReferredBy = "Referred-By", "b";
    ReferSub = "Refer-Sub";
    Replaces = "Replaces";
    Join = "Join";
    TargetDialog = "Target-Dialog";
    AlertInfo = "Alert-Info";
    CallInfo = "Call-Info";
    ErrorInfo = "Error-Info";
    PAssertedIdentity = "P-Asserted-Identity";
    PPreferredIdentity = "P-Preferred-Identity";
    RemotePartyId = "Remote-Party-ID";
    Privacy = "Privacy";
    Diversion = "Diversion";
    HistoryInfo = "History-Info";
    FlowTimer = "Flow-Timer";
    UserAgent = "User-Agent";
    Server = "Server";
    Date = "Date";
    Timestamp = "Timestamp";
    Subject = "Subject", "s";
    Organization = "Organization";
    Priority = "Priority";
    InReplyTo = "In-Reply-To";
    ReplyTo = "Reply-To";
    MimeVersion = "MIME-Version";
    ContentLanguage = "Content-Language";
    SipEtag = "SIP-ETag";
    SipIfMatch = "SIP-If-Match";
    RecvInfo = "Recv-Info";
    InfoPackage = "Info-Package";
    AcceptContact = "Accept-Contact", "a";
    RejectContact = "Reject-Contact", "j";
    RequestDisposition = "Request-Disposition", "d";
    Identity = "Identity", "y";
}

impl HeaderName {
    /// Whether both are the same name.
    pub fn is(&self, other: &Self) -> bool {
        self.as_str().eq_ignore_ascii_case(other.as_str())
    }
}

impl From<&str> for HeaderName {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Header fields in order. One entry is one line; a line may hold several values, which the typed accessors split.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Headers(Vec<(HeaderName, String)>);

impl Headers {
    /// No header fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every line in order.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &str)> {
        self.0.iter().map(|(name, value)| (name, value.as_str()))
    }

    /// The first line of that name.
    pub fn get(&self, name: impl Borrow<HeaderName>) -> Option<&str> {
        self.all(name).next()
    }

    /// Each line of that name, in order.
    pub fn all(&self, name: impl Borrow<HeaderName>) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(there, _)| there.is(name.borrow()))
            .map(|(_, value)| value.as_str())
    }

    /// Whether there is a line of that name.
    pub fn has(&self, name: impl Borrow<HeaderName>) -> bool {
        self.get(name).is_some()
    }

    /// Adds a line at the end.
    pub fn push(&mut self, name: HeaderName, value: impl fmt::Display) {
        self.0.push((name, value.to_string()));
    }

    /// Adds a line before all others.
    pub fn push_front(&mut self, name: HeaderName, value: impl fmt::Display) {
        self.0.insert(0, (name, value.to_string()));
    }

    /// Leaves one line of that name, at the place of the first, else at the end.
    pub fn set(&mut self, name: HeaderName, value: impl fmt::Display) {
        let value = value.to_string();
        match self.0.iter().position(|(there, _)| there.is(&name)) {
            None => self.0.push((name, value)),
            Some(first) => {
                let mut index = 0_usize;
                self.0.retain(|(there, _)| {
                    let keep = index == first || !there.is(&name);
                    index = index.saturating_add(1);
                    keep
                });
                if let Some(line) = self.0.iter_mut().find(|(there, _)| there.is(&name)) {
                    line.1 = value;
                }
            }
        }
    }

    /// Removes every line of that name; how many there were.
    pub fn remove(&mut self, name: impl Borrow<HeaderName>) -> usize {
        let before = self.0.len();
        self.0.retain(|(there, _)| !there.is(name.borrow()));
        before.saturating_sub(self.0.len())
    }

    /// Adds each line of that name from another message, in order.
    pub fn copy_from(&mut self, other: &Self, name: impl Borrow<HeaderName>) {
        let name = name.borrow();
        for value in other.all(name) {
            self.push(name.clone(), value);
        }
    }
}
