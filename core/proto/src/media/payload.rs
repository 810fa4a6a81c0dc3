//! What a speech payload tells about itself without being decoded: how long it lasts, and whether its framing holds.
//!
//! For Opus that is the table of contents and the frame lengths of RFC 6716 3, rules R1 to R7.

#![warn(clippy::arithmetic_side_effects)]

use crate::codec::Codec;
use std::time::Duration;

/// Bytes of one Opus frame at most (RFC 6716 3.2.1, R2).
const OPUS_FRAME_LIMIT: usize = 1_275;
/// Sound in one Opus packet at most (R5).
const OPUS_PACKET_LIMIT: Duration = Duration::from_millis(120);

/// Why a payload cannot be what its payload type says; the sender erred.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PayloadError {
    /// No bytes.
    #[error("the payload is empty")]
    Empty,
    /// The lengths within an Opus packet do not fit its size.
    #[error("the Opus frame lengths do not fit the packet")]
    OpusLengths,
    /// An Opus frame is longer than 1275 bytes.
    #[error("an Opus frame is longer than 1275 bytes")]
    OpusFrameTooLong,
    /// No frames, or more than 120 ms.
    #[error("an Opus packet holds 1 frame or more and 120 ms at most")]
    OpusDuration,
}

/// How long the sound in `payload` lasts.
pub fn duration(codec: Codec, payload: &[u8]) -> Result<Duration, PayloadError> {
    match codec {
        Codec::Opus => opus_duration(payload),
        Codec::G722 | Codec::Pcma | Codec::Pcmu if payload.is_empty() => Err(PayloadError::Empty),
        // 64 kbit/s: eight bytes a millisecond.
        Codec::G722 | Codec::Pcma | Codec::Pcmu => Ok(Duration::from_micros(
            u64::try_from(payload.len()).unwrap_or(0).saturating_mul(125),
        )),
    }
}

/// Whether an Opus packet can hold a repair copy of the frame before it: only SILK and hybrid modes do
/// (RFC 6716 2.1.7), and not as two bytes or less, which say silence.
pub fn may_hold_fec(codec: Codec, payload: &[u8]) -> bool {
    matches!((codec, payload), (Codec::Opus, [toc, _, _, ..]) if toc >> 3 < 16)
}

/// Whether the payload says that the far end has fallen silent: an Opus packet of two bytes or less.
pub fn is_silence(codec: Codec, payload: &[u8]) -> bool {
    codec == Codec::Opus && payload.len() <= 2
}

fn opus_duration(payload: &[u8]) -> Result<Duration, PayloadError> {
    let (toc, frames) = payload.split_first().ok_or(PayloadError::Empty)?;
    let count = match toc & 3 {
        0 => check_constant(frames, 1)?,
        1 => check_constant(frames, 2)?,
        2 => check_two_different(frames)?,
        _ => check_arbitrary(frames)?,
    };
    let total = frame_duration(*toc).saturating_mul(count);
    if count == 0 || total > OPUS_PACKET_LIMIT {
        Err(PayloadError::OpusDuration)
    } else {
        Ok(total)
    }
}

/// RFC 6716 table 2.
fn frame_duration(toc: u8) -> Duration {
    let micros: [u64; 4] = match toc >> 3 {
        0..=11 => [10_000, 20_000, 40_000, 60_000],
        12..=15 => [10_000, 20_000, 10_000, 20_000],
        _ => [2_500, 5_000, 10_000, 20_000],
    };
    Duration::from_micros(micros.get(usize::from((toc >> 3) & 3)).copied().unwrap_or(0))
}

fn check_constant(frames: &[u8], count: u32) -> Result<u32, PayloadError> {
    let divisor = usize::try_from(count).unwrap_or(usize::MAX);
    if frames.len().checked_rem(divisor) != Some(0) {
        return Err(PayloadError::OpusLengths);
    }
    frame_fits(frames.len().checked_div(divisor).unwrap_or(0)).map(|()| count)
}

fn check_two_different(frames: &[u8]) -> Result<u32, PayloadError> {
    let (first, rest) = frame_length(frames)?;
    let second = rest.len().checked_sub(first).ok_or(PayloadError::OpusLengths)?;
    frame_fits(second).map(|()| 2)
}

/// Code 3 (RFC 6716 3.2.5): a count byte, padding, and frames of one or of several lengths.
fn check_arbitrary(frames: &[u8]) -> Result<u32, PayloadError> {
    let (head, mut rest) = frames.split_first().ok_or(PayloadError::OpusLengths)?;
    let count = u32::from(head & 0x3f);
    let mut padding = 0_usize;
    if head & 0x40 != 0 {
        loop {
            let (byte, after) = rest.split_first().ok_or(PayloadError::OpusLengths)?;
            rest = after;
            padding = padding.saturating_add(usize::from(*byte).min(254));
            if *byte != 255 {
                break;
            }
        }
    }
    let kept = rest.len().checked_sub(padding).ok_or(PayloadError::OpusLengths)?;
    let mut rest = rest.get(..kept).ok_or(PayloadError::OpusLengths)?;
    if count == 0 {
        return Err(PayloadError::OpusDuration);
    }
    if head & 0x80 == 0 {
        return check_constant(rest, count);
    }
    let mut total = 0_usize;
    for _ in 1..count {
        let (length, after) = frame_length(rest)?;
        rest = after;
        total = total.saturating_add(length);
    }
    let last = rest.len().checked_sub(total).ok_or(PayloadError::OpusLengths)?;
    frame_fits(last).map(|()| count)
}

/// A frame length in one or two bytes (RFC 6716 3.2.1), and what follows it.
fn frame_length(bytes: &[u8]) -> Result<(usize, &[u8]), PayloadError> {
    match bytes {
        [short @ 0..=251, rest @ ..] => Ok((usize::from(*short), rest)),
        [first, second, rest @ ..] => Ok((
            usize::from(*second)
                .saturating_mul(4)
                .saturating_add(usize::from(*first)),
            rest,
        )),
        _ => Err(PayloadError::OpusLengths),
    }
}

fn frame_fits(length: usize) -> Result<(), PayloadError> {
    if length > OPUS_FRAME_LIMIT {
        Err(PayloadError::OpusFrameTooLong)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn opus(payload: &[u8]) -> Result<u64, PayloadError> {
        duration(Codec::Opus, payload).map(|length| u64::try_from(length.as_micros()).unwrap())
    }

    #[test]
    fn an_opus_packet_lasts_as_long_as_its_table_of_contents_says() {
        assert_eq!(opus(&[1 << 3, 1, 2, 3]), Ok(20_000), "SILK narrowband 20 ms");
        assert_eq!(opus(&[3 << 3, 1]), Ok(60_000), "SILK narrowband 60 ms");
        assert_eq!(opus(&[(14 << 3), 1]), Ok(10_000), "hybrid fullband 10 ms");
        assert_eq!(opus(&[(28 << 3), 1]), Ok(2_500), "CELT fullband 2.5 ms");
        assert_eq!(opus(&[(31 << 3) | 1, 1, 1]), Ok(40_000), "two equal frames");
        assert_eq!(opus(&[(31 << 3) | 2, 1, 9, 9, 9]), Ok(40_000), "two different frames");
        assert_eq!(opus(&[(31 << 3) | 3, 3, 9, 9, 9]), Ok(60_000), "three equal frames");
        assert_eq!(
            opus(&[(31 << 3) | 3, 0x83, 1, 2, 9, 9, 9, 9]),
            Ok(60_000),
            "three different frames"
        );
        assert_eq!(
            opus(&[(31 << 3) | 3, 0x41, 2, 9, 0, 0]),
            Ok(20_000),
            "one frame and padding"
        );
        assert_eq!(opus(&[1 << 3]), Ok(20_000), "silence");
    }

    #[test]
    fn the_seven_rules_of_rfc_6716_3_4_are_enforced() {
        let long = |toc: u8, len: usize| [vec![toc], vec![0; len]].concat();
        assert_eq!(opus(&[]), Err(PayloadError::Empty), "R1");
        assert_eq!(opus(&long(1 << 3, 1_276)), Err(PayloadError::OpusFrameTooLong), "R2");
        assert_eq!(opus(&[(1 << 3) | 1, 0, 0, 0]), Err(PayloadError::OpusLengths), "R3");
        assert_eq!(opus(&[(1 << 3) | 2, 4, 0, 0, 0]), Err(PayloadError::OpusLengths), "R4");
        assert_eq!(
            opus(&[(1 << 3) | 3, 0]),
            Err(PayloadError::OpusDuration),
            "R5: no frame"
        );
        assert_eq!(
            opus(&[(3 << 3) | 3, 3, 0, 0, 0]),
            Err(PayloadError::OpusDuration),
            "R5: 180 ms"
        );
        assert_eq!(opus(&[(1 << 3) | 3, 2, 0, 0, 0]), Err(PayloadError::OpusLengths), "R6");
        assert_eq!(
            opus(&[(1 << 3) | 3, 0x41, 9, 0]),
            Err(PayloadError::OpusLengths),
            "R6: padding"
        );
        assert_eq!(opus(&[(1 << 3) | 3, 0x82, 5, 0]), Err(PayloadError::OpusLengths), "R7");
    }

    #[test]
    fn g711_and_g722_hold_eight_bytes_a_millisecond() {
        for codec in [Codec::Pcma, Codec::Pcmu, Codec::G722] {
            assert_eq!(duration(codec, &[0; 160]), Ok(Duration::from_millis(20)));
            assert_eq!(duration(codec, &[]), Err(PayloadError::Empty));
        }
    }

    proptest! {
        #[test]
        fn no_opus_packet_lasts_more_than_120_ms_whatever_its_bytes(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(length) = duration(Codec::Opus, &payload) {
                prop_assert!(length > Duration::ZERO && length <= OPUS_PACKET_LIMIT);
            }
        }
    }
}
