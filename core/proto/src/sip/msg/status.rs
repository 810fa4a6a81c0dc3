//! Status codes (RFC 3261 section 21 and the IANA registry): a number from 100 to 699.
//!
//! The registry of codes is rsip's; its names (`NotFound`) become the reason phrases that we write.

use std::fmt;

/// The three-digit code of a response.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StatusCode(u16);

macro_rules! codes {
    ($($name:ident = $code:literal),* $(,)?) => {
        impl StatusCode {
            $(#[doc = concat!("Status code ", stringify!($code), ".")] pub const $name: Self = Self($code);)*
        }
    };
}

codes! {
    TRYING = 100, RINGING = 180, FORWARDED = 181, QUEUED = 182, SESSION_PROGRESS = 183,
    OK = 200, ACCEPTED = 202, NO_NOTIFICATION = 204,
    MULTIPLE_CHOICES = 300, MOVED_PERMANENTLY = 301, MOVED_TEMPORARILY = 302, USE_PROXY = 305,
    BAD_REQUEST = 400, UNAUTHORIZED = 401, FORBIDDEN = 403, NOT_FOUND = 404, METHOD_NOT_ALLOWED = 405,
    NOT_ACCEPTABLE = 406, PROXY_AUTHENTICATION_REQUIRED = 407, REQUEST_TIMEOUT = 408,
    REQUEST_ENTITY_TOO_LARGE = 413, UNSUPPORTED_MEDIA_TYPE = 415, UNSUPPORTED_URI_SCHEME = 416,
    BAD_EXTENSION = 420, EXTENSION_REQUIRED = 421, SESSION_INTERVAL_TOO_SMALL = 422, INTERVAL_TOO_BRIEF = 423,
    FLOW_FAILED = 430, FIRST_HOP_LACKS_OUTBOUND = 439,
    TEMPORARILY_UNAVAILABLE = 480, NO_SUCH_CALL = 481, LOOP_DETECTED = 482, TOO_MANY_HOPS = 483,
    ADDRESS_INCOMPLETE = 484, BUSY_HERE = 486, REQUEST_TERMINATED = 487, NOT_ACCEPTABLE_HERE = 488,
    BAD_EVENT = 489, REQUEST_PENDING = 491,
    SERVER_INTERNAL_ERROR = 500, NOT_IMPLEMENTED = 501, SERVICE_UNAVAILABLE = 503, SERVER_TIMEOUT = 504,
    VERSION_NOT_SUPPORTED = 505, MESSAGE_TOO_LARGE = 513,
    BUSY_EVERYWHERE = 600, DECLINE = 603, DOES_NOT_EXIST_ANYWHERE = 604,
}

impl StatusCode {
    /// `code` if it is one: 100 to 699.
    pub fn new(code: u16) -> Option<Self> {
        (100..700).contains(&code).then_some(Self(code))
    }

    /// The number.
    pub fn code(self) -> u16 {
        self.0
    }

    /// 1xx: more will follow.
    pub fn is_provisional(self) -> bool {
        self.0 < 200
    }

    /// 200 and above: the transaction is decided.
    pub fn is_final(self) -> bool {
        !self.is_provisional()
    }

    /// 2xx.
    pub fn is_success(self) -> bool {
        self.class() == 2
    }

    /// 3xx: try elsewhere.
    pub fn is_redirect(self) -> bool {
        self.class() == 3
    }

    /// 300 and above: no.
    pub fn is_failure(self) -> bool {
        self.0 >= 300
    }

    /// The first digit, 1 to 6. An unknown code is treated as the x00 of its class (RFC 3261 8.1.3.2).
    pub fn class(self) -> u16 {
        self.0 / 100
    }

    /// The usual reason phrase, for people who read traces; the phrase of the class for a code that is not known.
    pub fn phrase(self) -> String {
        let name = match self.0 {
            202 => return "Accepted".to_owned(),
            430 => return "Flow Failed".to_owned(),
            code => rsip::StatusCode::from(code).to_string(),
        };
        match name.split_once(' ') {
            Some((_, "Other")) | None => self.class_phrase().to_owned(),
            Some((_, "OK")) => "OK".to_owned(),
            Some((_, camel)) => spaced(camel).replace("Uri", "URI"),
        }
    }

    fn class_phrase(self) -> &'static str {
        match self.class() {
            1 => "Progress",
            2 => "Success",
            3 => "Redirection",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        }
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

fn spaced(camel: &str) -> String {
    let mut phrase = String::with_capacity(camel.len().saturating_add(4));
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && !phrase.is_empty() {
            phrase.push(' ');
        }
        phrase.push(letter);
    }
    phrase
}
