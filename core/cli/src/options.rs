//! Options that more than one command takes.

use clap::ValueEnum;
use toestel_core::{MediaPolicy, Transport};

/// How signalling travels.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum TransportArg {
    /// Encrypted
    Tls,
    /// Readable on the way
    Tcp,
    /// Readable on the way
    Udp,
}

/// How the media must be protected.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum MediaArg {
    /// No call without encryption
    Required,
    /// Encryption where the far end has it
    Preferred,
    /// No encryption
    Off,
}

impl From<TransportArg> for Transport {
    fn from(arg: TransportArg) -> Self {
        match arg {
            TransportArg::Tls => Self::Tls,
            TransportArg::Tcp => Self::Tcp,
            TransportArg::Udp => Self::Udp,
        }
    }
}

impl From<MediaArg> for MediaPolicy {
    fn from(arg: MediaArg) -> Self {
        match arg {
            MediaArg::Required => Self::Required,
            MediaArg::Preferred => Self::Preferred,
            MediaArg::Off => Self::Off,
        }
    }
}

/// A policy as its option is written.
pub const fn media_word(policy: MediaPolicy) -> &'static str {
    match policy {
        MediaPolicy::Required => "required",
        MediaPolicy::Preferred => "preferred",
        MediaPolicy::Off => "off",
    }
}
