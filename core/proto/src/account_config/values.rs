//! The types of an account's fields: servers, transports, pins, caller ID, tones and feature codes, with the form in
//! which each is written in settings.

use super::error::AccountError;
use super::rules::check_host;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// A host and, where it is not the transport's default, a port. A host with a port is looked up without SRV.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPort {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub host: String,
    /// `None`: decided by SRV, else the transport's default.
    pub port: Option<u16>,
}

/// How signalling travels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TLS over TCP.
    #[default]
    Tls,
    /// TCP, readable by everyone on the way.
    Tcp,
    /// UDP, readable by everyone on the way.
    Udp,
}

/// Which certificate authorities an account trusts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Roots {
    /// Those of the operating system.
    #[default]
    System,
    /// Only those in this PEM file.
    File(PathBuf),
    /// Only those in this PEM text.
    Pem(String),
}

/// The SHA-256 digest of a certificate's SubjectPublicKeyInfo; written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pin(pub [u8; 32]);

/// Which number those who are called see.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerId {
    /// The account's own.
    #[default]
    Shown,
    /// None: an anonymous From and `Privacy: id` (RFC 3323).
    Withheld,
    /// This number, asked for by P-Preferred-Identity (RFC 3325).
    Number(String),
    /// The number that the PBX chooses when this prefix is dialled first.
    Prefix(String),
}

/// How dialled tones are sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DtmfMode {
    /// As telephone-event where the other side offers it, else by INFO where it takes that, else as sound.
    #[default]
    Auto,
    /// Always as RFC 4733 telephone-event.
    Rfc4733,
    /// Always as SIP INFO.
    Info,
    /// Always as sound in what is said.
    Inband,
}

/// What a feature code does at the PBX.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Answers a ringing call of the own group.
    GroupPickup,
    /// Answers the ringing call of the extension dialled after the code.
    DirectedPickup,
    /// Parks the call.
    Park,
    /// Fetches the parked call whose slot is dialled after the code.
    Retrieve,
    /// Transfers without asking first.
    BlindTransfer,
    /// Transfers after asking.
    AttendedTransfer,
    /// Starts and stops recording at the PBX.
    Record,
    /// Turns "do not disturb" on.
    DoNotDisturbOn,
    /// Turns "do not disturb" off.
    DoNotDisturbOff,
    /// Forwards to the number dialled after the code.
    ForwardOn,
    /// Stops forwarding.
    ForwardOff,
    /// Forwards, when busy, to the number dialled after the code.
    ForwardBusyOn,
    /// Stops that.
    ForwardBusyOff,
    /// Forwards, when nobody answers, to the number dialled after the code.
    ForwardNoAnswerOn,
    /// Stops that.
    ForwardNoAnswerOff,
    /// Takes calls of the queue.
    QueueSignIn,
    /// Takes no calls of the queue any more.
    QueueSignOut,
    /// Takes none for a while.
    QueuePause,
    /// Takes them again.
    QueueResume,
    /// Calls back when whoever was busy, or did not answer, is free.
    CallCompletion,
    /// Moves the call to another phone of the same user.
    Move,
}

impl Feature {
    /// The word in settings and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GroupPickup => "group_pickup",
            Self::DirectedPickup => "directed_pickup",
            Self::Park => "park",
            Self::Retrieve => "retrieve",
            Self::BlindTransfer => "blind_transfer",
            Self::AttendedTransfer => "attended_transfer",
            Self::Record => "record",
            Self::DoNotDisturbOn => "do_not_disturb_on",
            Self::DoNotDisturbOff => "do_not_disturb_off",
            Self::ForwardOn => "forward_on",
            Self::ForwardOff => "forward_off",
            Self::ForwardBusyOn => "forward_busy_on",
            Self::ForwardBusyOff => "forward_busy_off",
            Self::ForwardNoAnswerOn => "forward_no_answer_on",
            Self::ForwardNoAnswerOff => "forward_no_answer_off",
            Self::QueueSignIn => "queue_sign_in",
            Self::QueueSignOut => "queue_sign_out",
            Self::QueuePause => "queue_pause",
            Self::QueueResume => "queue_resume",
            Self::CallCompletion => "call_completion",
            Self::Move => "move",
        }
    }

    /// What it is good for, to stand behind "a code for".
    pub const fn description(self) -> &'static str {
        match self {
            Self::GroupPickup => "answering a ringing call of the group",
            Self::DirectedPickup => "answering a colleague's ringing call",
            Self::Park => "parking a call",
            Self::Retrieve => "fetching a parked call",
            Self::BlindTransfer | Self::AttendedTransfer => "transferring a call",
            Self::Record => "recording a call",
            Self::DoNotDisturbOn | Self::DoNotDisturbOff => "\"do not disturb\" at the PBX",
            Self::ForwardOn | Self::ForwardOff => "forwarding at the PBX",
            Self::ForwardBusyOn | Self::ForwardBusyOff => "forwarding at the PBX when busy",
            Self::ForwardNoAnswerOn | Self::ForwardNoAnswerOff => "forwarding at the PBX when nobody answers",
            Self::QueueSignIn => "signing in to the queue",
            Self::QueueSignOut => "signing out of the queue",
            Self::QueuePause => "pausing in the queue",
            Self::QueueResume => "going on in the queue",
            Self::CallCompletion => "being called back when somebody is free",
            Self::Move => "moving a call to another phone",
        }
    }

    /// Whether it concerns a call that there is. A code that begins with `*` or `#` is sent as keys in that call, and
    /// any other is a number to which the call is transferred.
    pub const fn is_in_call(self) -> bool {
        matches!(
            self,
            Self::Park | Self::BlindTransfer | Self::AttendedTransfer | Self::Record | Self::Move
        )
    }
}

/// What is done with a REFER in one of our calls, which asks us to call somebody else.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransferPolicy {
    /// The user decides.
    #[default]
    Ask,
    /// It is done, unless it leads to a premium number or to help: then the user decides.
    Follow,
    /// It is refused.
    Refuse,
}

/// Whether the PBX is asked what waits in the mailbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageWaiting {
    /// Where it does not tell by itself.
    #[default]
    Auto,
    /// Never: only what it tells by itself is shown.
    Unasked,
}

/// What is done with a call that wants to be answered without a hand on the phone: an intercom, or a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutoAnswer {
    /// It rings like any other.
    #[default]
    Off,
    /// It is answered with a closed microphone: we hear them.
    Muted,
    /// It is answered, and they hear the room.
    TwoWay,
}

impl HostPort {
    pub(super) fn validate(&self, field: &'static str) -> Result<(), AccountError> {
        check_host(field, &self.host)?;
        match self.port {
            Some(0) => Err(AccountError::BadPort { text: self.to_string() }),
            _ => Ok(()),
        }
    }
}

impl std::str::FromStr for HostPort {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        let bad_port = || AccountError::BadPort { text: text.to_owned() };
        let host_end = text.rfind(']').map_or(0, |bracket| bracket.saturating_add(1));
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if host.len() >= host_end => (
                host,
                Some(port.parse().ok().filter(|port| *port != 0).ok_or_else(bad_port)?),
            ),
            _ => (text, None),
        };
        check_host("server", host)?;
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl TryFrom<String> for HostPort {
    type Error = AccountError;
    fn try_from(text: String) -> Result<Self, AccountError> {
        text.parse()
    }
}

impl From<HostPort> for String {
    fn from(host_port: HostPort) -> Self {
        host_port.to_string()
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

impl Transport {
    /// The port where none is given (RFC 3261 19.1.2).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Tls => 5061,
            Self::Tcp | Self::Udp => 5060,
        }
    }

    /// The name in a `;transport=` parameter, and in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl std::str::FromStr for Pin {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        let bad_pin = || AccountError::BadPin(text.to_owned());
        let digits: Vec<u32> = text
            .chars()
            .filter(|c| *c != ':')
            .map(|c| c.to_digit(16))
            .collect::<Option<_>>()
            .ok_or_else(bad_pin)?;
        let mut pin = [0; 32];
        let pairs = digits.chunks_exact(2);
        if digits.len() != 64 {
            return Err(bad_pin());
        }
        for (byte, pair) in pin.iter_mut().zip(pairs) {
            let value = pair.iter().fold(0, |value: u32, digit| (value << 4) | digit);
            *byte = u8::try_from(value).map_err(|_| bad_pin())?;
        }
        Ok(Self(pin))
    }
}

impl TryFrom<String> for Pin {
    type Error = AccountError;
    fn try_from(text: String) -> Result<Self, AccountError> {
        text.parse()
    }
}

impl From<Pin> for String {
    fn from(pin: Pin) -> Self {
        pin.to_string()
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}
