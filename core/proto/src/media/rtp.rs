//! RTP packets (RFC 3550 5.1): the fixed header, contributing sources, one extension (5.3.1), payload and padding.
//!
//! Reading is strict and borrows; nothing is copied. The header is read apart from the rest, because under SRTP the
//! padding is encrypted and can only be judged after the packet was opened. No payload is looked into here.

#![warn(clippy::arithmetic_side_effects)]

/// Bytes of the fixed header.
const FIXED_HEADER: usize = 12;
const VERSION: u8 = 2;

/// A packet, borrowed from its datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RtpPacket<'a> {
    /// The marker bit: for audio the first packet after silence (RFC 3551 4.1).
    pub marker: bool,
    /// The payload type, 0 to 127.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp, in units of the payload's clock.
    pub timestamp: u32,
    /// The synchronisation source.
    pub ssrc: u32,
    /// The contributing sources, four bytes each, at most 15.
    pub csrcs: &'a [u8],
    /// The header extension.
    pub extension: Option<Extension<'a>>,
    /// The payload without padding.
    pub payload: &'a [u8],
    /// Bytes of padding after the payload, its count byte included; 0 if there is none.
    pub padding: u8,
}

/// A header extension (RFC 3550 5.3.1, RFC 8285).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extension<'a> {
    /// What kind it is, as the profile says.
    pub profile: u16,
    /// Its content, a multiple of four bytes.
    pub data: &'a [u8],
}

/// Why bytes are no RTP packet; the sender, or something on the way, erred.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RtpError {
    /// It ends within the header, the sources or the extension.
    #[error("the packet ends within its header")]
    Truncated,
    /// Not version 2.
    #[error("RTP version {0} instead of 2")]
    Version(u8),
    /// The padding count is 0 or more than there is.
    #[error("the padding count is 0 or reaches into the header")]
    Padding,
}

/// The header, and what follows it untouched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Split<'a> {
    /// Everything but `payload` and `padding` is final.
    pub header: RtpPacket<'a>,
    /// Bytes of the header with sources and extension.
    pub header_len: usize,
    padded: bool,
}

impl<'a> RtpPacket<'a> {
    /// Reads one datagram.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, RtpError> {
        let split = split(datagram)?;
        let mut packet = split.header;
        if split.padded {
            let count = *packet.payload.last().ok_or(RtpError::Padding)?;
            let kept = packet.payload.len().checked_sub(usize::from(count));
            packet.payload = match kept.and_then(|len| packet.payload.get(..len)) {
                Some(payload) if count > 0 => payload,
                _ => return Err(RtpError::Padding),
            };
            packet.padding = count;
        }
        Ok(packet)
    }

    /// The packet as it goes on the wire. More than 15 sources, or a length that is no multiple of four bytes where
    /// it must be, is cut.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (csrc_count, csrcs) = words(self.csrcs, 15);
        let mut bytes = Vec::with_capacity(self.payload.len().saturating_add(64));
        let flags = (VERSION << 6)
            | (u8::from(self.padding > 0) << 5)
            | (u8::from(self.extension.is_some()) << 4)
            | u8::try_from(csrc_count).unwrap_or(0);
        bytes.push(flags);
        bytes.push((u8::from(self.marker) << 7) | (self.payload_type & 0x7f));
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.timestamp.to_be_bytes());
        bytes.extend_from_slice(&self.ssrc.to_be_bytes());
        bytes.extend_from_slice(csrcs);
        if let Some(extension) = &self.extension {
            let (count, data) = words(extension.data, usize::from(u16::MAX));
            bytes.extend_from_slice(&extension.profile.to_be_bytes());
            bytes.extend_from_slice(&u16::try_from(count).unwrap_or(0).to_be_bytes());
            bytes.extend_from_slice(data);
        }
        bytes.extend_from_slice(self.payload);
        if let Some(zeros) = self.padding.checked_sub(1) {
            bytes.extend(std::iter::repeat_n(0, usize::from(zeros)));
            bytes.push(self.padding);
        }
        bytes
    }
}

/// At most `limit` whole 32-bit words of `bytes`, and how many they are.
fn words(bytes: &[u8], limit: usize) -> (usize, &[u8]) {
    let count = (bytes.len() / 4).min(limit);
    (count, bytes.get(..count.saturating_mul(4)).unwrap_or_default())
}

/// Reads the header; the payload still holds the padding.
pub(crate) fn split(datagram: &[u8]) -> Result<Split<'_>, RtpError> {
    let (fixed, rest) = datagram
        .split_first_chunk::<FIXED_HEADER>()
        .ok_or(RtpError::Truncated)?;
    let [flags, kind, s0, s1, t0, t1, t2, t3, x0, x1, x2, x3] = *fixed;
    if flags >> 6 != VERSION {
        return Err(RtpError::Version(flags >> 6));
    }
    let csrc_len = usize::from(flags & 0x0f).saturating_mul(4);
    let (csrcs, rest) = rest.split_at_checked(csrc_len).ok_or(RtpError::Truncated)?;
    let (extension, payload) = if flags & 0x10 == 0 {
        (None, rest)
    } else {
        extension(rest)?
    };
    Ok(Split {
        header: RtpPacket {
            marker: kind & 0x80 != 0,
            payload_type: kind & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([x0, x1, x2, x3]),
            csrcs,
            extension,
            payload,
            padding: 0,
        },
        header_len: datagram.len().saturating_sub(payload.len()),
        padded: flags & 0x20 != 0,
    })
}

fn extension(bytes: &[u8]) -> Result<(Option<Extension<'_>>, &[u8]), RtpError> {
    let (head, rest) = bytes.split_first_chunk::<4>().ok_or(RtpError::Truncated)?;
    let [p0, p1, l0, l1] = *head;
    let len = usize::from(u16::from_be_bytes([l0, l1])).saturating_mul(4);
    let (data, payload) = rest.split_at_checked(len).ok_or(RtpError::Truncated)?;
    let profile = u16::from_be_bytes([p0, p1]);
    Ok((Some(Extension { profile, data }), payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_field_of_a_full_packet_is_read_where_the_rfc_draws_it() {
        let bytes = [
            0xb1, 0x88, 0x12, 0x34, 0, 0, 0, 9, 0xde, 0xad, 0xbe,
            0xef, // header with padding, extension, one source
            0, 0, 0, 7, // source
            0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0, // extension of one word
            1, 2, 3, 0, 2, // payload and two bytes of padding
        ];
        let packet = RtpPacket::parse(&bytes).unwrap();
        assert!(packet.marker);
        assert_eq!((packet.payload_type, packet.sequence, packet.timestamp), (8, 0x1234, 9));
        assert_eq!(packet.ssrc, 0xdead_beef);
        assert_eq!(packet.csrcs, [0, 0, 0, 7]);
        assert_eq!(packet.extension.unwrap().profile, 0xbede);
        assert_eq!(packet.extension.unwrap().data, [0x10, 0xff, 0, 0]);
        assert_eq!((packet.payload, packet.padding), ([1, 2, 3].as_slice(), 2));
        assert_eq!(packet.to_bytes(), bytes);
    }

    #[test]
    fn a_packet_that_lies_about_its_lengths_is_refused() {
        let header = |flags| [flags, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(RtpPacket::parse(&header(0x80)[..11]), Err(RtpError::Truncated));
        assert_eq!(RtpPacket::parse(&header(0x40)), Err(RtpError::Version(1)));
        assert_eq!(
            RtpPacket::parse(&header(0x81)),
            Err(RtpError::Truncated),
            "no source there"
        );
        assert_eq!(
            RtpPacket::parse(&header(0x90)),
            Err(RtpError::Truncated),
            "no extension there"
        );
        assert_eq!(
            RtpPacket::parse(&header(0xa0)),
            Err(RtpError::Padding),
            "no payload to hold padding"
        );
        let padded = |count| [header(0xa0).as_slice(), &[1, count]].concat();
        assert_eq!(RtpPacket::parse(&padded(0)), Err(RtpError::Padding));
        assert_eq!(RtpPacket::parse(&padded(3)), Err(RtpError::Padding));
        assert_eq!(RtpPacket::parse(&padded(2)).unwrap().payload, []);
        let huge = [header(0x90).as_slice(), &[0, 0, 0xff, 0xff, 1, 2, 3, 4]].concat();
        assert_eq!(RtpPacket::parse(&huge), Err(RtpError::Truncated));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic_and_what_is_accepted_is_written_back(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..80), fix: bool,
        ) {
            if let (true, Some(flags)) = (fix, bytes.first_mut()) {
                *flags = 0x80 | (*flags & 0x31);
            }
            if let Ok(packet) = RtpPacket::parse(&bytes) {
                let written = packet.to_bytes();
                prop_assert_eq!(written.len(), bytes.len());
                prop_assert_eq!(RtpPacket::parse(&written).unwrap(), packet);
            }
        }
    }
}
