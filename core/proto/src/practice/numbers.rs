//! The numbers of the exchange and what each is for. A real PBX that is set up for the tests uses the same ones.

/// The extensions that can register and call each other.
pub const EXTENSIONS: [&str; 3] = ["1001", "1002", "1003"];

/// The mailbox's number.
pub const MAILBOX: &str = "*97";

/// A number that can be called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Number {
    /// 600: what is said comes back.
    Echo,
    /// 601: answers, hangs up, and calls back with speech.
    CallBack,
    /// 602: answers with speech; somebody to transfer a call to.
    Speech,
    /// 603: an echo over a line that loses and delays.
    BadLine,
    /// 604: 486.
    Busy,
    /// 605: rings for ever.
    NoAnswer,
    /// *97: plays the message and hangs up.
    Mailbox,
    /// Another phone.
    Extension(String),
}

impl Number {
    /// What `dialled` is for; `None` for 404.
    pub fn of(dialled: &str, is_extension: impl Fn(&str) -> bool) -> Option<Self> {
        Some(match dialled {
            "600" => Self::Echo,
            "601" => Self::CallBack,
            "602" => Self::Speech,
            "603" => Self::BadLine,
            "604" => Self::Busy,
            "605" => Self::NoAnswer,
            MAILBOX => Self::Mailbox,
            other if is_extension(other) => Self::Extension(other.to_owned()),
            _ => return None,
        })
    }
}
