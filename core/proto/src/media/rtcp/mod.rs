//! RTCP compound packets (RFC 3550 6): SR, RR, SDES, BYE and APP; other types are skipped by their length.
//!
//! Reading is strict as A.2 says: version 2, a report first, lengths that add up to the datagram exactly, padding in
//! the last packet only. Reduced-size RTCP (RFC 5506) and extended reports are not read.

#![warn(clippy::arithmetic_side_effects)]

mod read;
mod write;

pub use read::parse;
pub use write::Compound;

/// One packet of a compound.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RtcpPacket {
    /// From a source that sends (6.4.1).
    SenderReport {
        /// Who reports.
        ssrc: u32,
        /// What it sent.
        info: SenderInfo,
        /// What it received.
        blocks: Vec<ReportBlock>,
    },
    /// From a source that only receives (6.4.2).
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
        /// What it received.
        blocks: Vec<ReportBlock>,
    },
    /// Who a source is (6.5).
    SourceDescription(Vec<Description>),
    /// Sources that end (6.6).
    Bye {
        /// Which.
        sources: Vec<u32>,
        /// Why, if they say.
        reason: Option<String>,
    },
    /// An application's own (6.7).
    App {
        /// Who sent it.
        ssrc: u32,
        /// Which application.
        name: [u8; 4],
    },
    /// Another type, not looked into.
    Unknown(u8),
}

/// What a sender sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SenderInfo {
    /// NTP time in 1/2^32 s.
    pub ntp: u64,
    /// The same moment in the stream's timestamps.
    pub rtp_timestamp: u32,
    /// Packets since the start.
    pub packets: u32,
    /// Payload bytes since the start.
    pub octets: u32,
}

/// What a receiver received of one source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: u32,
    /// Loss since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Loss since the start, 24 bits signed; duplicates make it negative.
    pub cumulative_lost: i32,
    /// Cycles and highest sequence number.
    pub highest_sequence: u32,
    /// Jitter in timestamp units.
    pub jitter: u32,
    /// The middle 32 bits of the last sender report's NTP time; 0 if none came.
    pub last_sr: u32,
    /// How long ago that came, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

/// What a source says of itself; only its canonical name is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// The source.
    pub ssrc: u32,
    /// CNAME.
    pub cname: Option<String>,
}

/// Why bytes are no compound RTCP packet; the sender, or something on the way, erred.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RtcpError {
    /// It ends within a packet, or a packet's length reaches beyond it.
    #[error("a packet's length reaches beyond the datagram")]
    Truncated,
    /// Not version 2.
    #[error("RTCP version {0} instead of 2")]
    Version(u8),
    /// The first packet is no report.
    #[error("the compound begins with type {0} and not with a report")]
    NoReportFirst(u8),
    /// Padding in a packet that is not the last, or with a wrong count.
    #[error("the padding is not in the last packet, or its count is wrong")]
    Padding,
    /// A packet is too short for the number of things that it says it holds.
    #[error("a packet of type {0} is too short for what it says it holds")]
    Content(u8),
}

#[cfg(test)]
mod tests;
