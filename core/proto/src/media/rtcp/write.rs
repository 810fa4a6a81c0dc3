//! Writing a compound.

use super::{ReportBlock, SenderInfo};

/// A compound being written: a report, then SDES with the canonical name, and BYE at the end of the stream.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Compound(Vec<u8>);

impl Compound {
    /// Begins with a sender report, or, without `info`, a receiver report. More than 31 blocks are cut.
    pub fn report(ssrc: u32, info: Option<SenderInfo>, blocks: &[ReportBlock]) -> Self {
        let blocks = blocks.get(..31).unwrap_or(blocks);
        let mut body = ssrc.to_be_bytes().to_vec();
        if let Some(info) = info {
            body.extend_from_slice(&info.ntp.to_be_bytes());
            for word in [info.rtp_timestamp, info.packets, info.octets] {
                body.extend_from_slice(&word.to_be_bytes());
            }
        }
        for block in blocks {
            let [_, lost @ ..] = block.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff).to_be_bytes();
            body.extend_from_slice(&block.ssrc.to_be_bytes());
            body.push(block.fraction_lost);
            body.extend_from_slice(&lost);
            for word in [
                block.highest_sequence,
                block.jitter,
                block.last_sr,
                block.delay_since_last_sr,
            ] {
                body.extend_from_slice(&word.to_be_bytes());
            }
        }
        let mut compound = Self::default();
        compound.packet(if info.is_some() { 200 } else { 201 }, blocks.len(), &body);
        compound
    }

    /// Adds the canonical name; more than 255 bytes of it are cut.
    #[must_use]
    pub fn description(mut self, ssrc: u32, cname: &str) -> Self {
        let name = cname.as_bytes();
        let name = name.get(..255).unwrap_or(name);
        let mut body = ssrc.to_be_bytes().to_vec();
        body.push(1);
        body.push(u8::try_from(name.len()).unwrap_or(255));
        body.extend_from_slice(name);
        body.push(0);
        self.packet(202, 1, &body);
        self
    }

    /// Adds the end of a source.
    #[must_use]
    pub fn bye(mut self, ssrc: u32) -> Self {
        self.packet(203, 1, &ssrc.to_be_bytes());
        self
    }

    /// The datagram.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn packet(&mut self, kind: u8, count: usize, body: &[u8]) {
        let words = body.len().div_ceil(4);
        self.0.push(0x80 | u8::try_from(count & 0x1f).unwrap_or(0));
        self.0.push(kind);
        self.0
            .extend_from_slice(&u16::try_from(words).unwrap_or(u16::MAX).to_be_bytes());
        self.0.extend_from_slice(body);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}
