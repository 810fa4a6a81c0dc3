//! Speech as encoded frames: what the exchange says, since it has no codec of its own.
//!
//! A frame is 20 ms of sound. In a bundle each frame follows its length, two bytes, big-endian.

use crate::codec::Codec;
use std::sync::Arc;
use std::time::Duration;

/// The length of a frame.
pub(super) const FRAME: Duration = Duration::from_millis(20);

/// One recording in the codecs that can be spoken.
#[derive(Clone, Debug)]
pub struct Speech {
    opus: Arc<[u8]>,
    pcma: Arc<[u8]>,
}

/// The bundle ends within a frame, or a frame is empty. Whoever made the bundle erred.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the bundle of speech breaks off at byte {0}")]
pub struct BadBundle(pub usize);

impl Speech {
    /// The codecs in which there is speech, the better first.
    pub const CODECS: [Codec; 2] = [Codec::Opus, Codec::Pcma];

    /// Takes the same recording twice.
    ///
    /// # Errors
    /// When a bundle holds no whole frames.
    pub fn new(opus: impl Into<Arc<[u8]>>, pcma: impl Into<Arc<[u8]>>) -> Result<Self, BadBundle> {
        let speech = Self {
            opus: opus.into(),
            pcma: pcma.into(),
        };
        for codec in Self::CODECS {
            let bundle = speech.bundle(codec).unwrap_or_default();
            let mut offset = 0;
            loop {
                let (_, next) = frame_at(bundle, offset).ok_or(BadBundle(offset))?;
                offset = next;
                if offset == bundle.len() {
                    break;
                }
            }
        }
        Ok(speech)
    }

    /// The frame that begins at `offset`, and where the next one begins; `None` at the end, or without such speech.
    pub(super) fn frame(&self, codec: Codec, offset: usize) -> Option<(&[u8], usize)> {
        frame_at(self.bundle(codec)?, offset)
    }

    fn bundle(&self, codec: Codec) -> Option<&[u8]> {
        match codec {
            Codec::Opus => Some(&self.opus),
            Codec::Pcma => Some(&self.pcma),
            Codec::G722 | Codec::Pcmu => None,
        }
    }
}

fn frame_at(bundle: &[u8], offset: usize) -> Option<(&[u8], usize)> {
    let (length, rest) = bundle.get(offset..)?.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    let frame = rest.get(..length).filter(|frame| !frame.is_empty())?;
    Some((frame, offset.saturating_add(2).saturating_add(length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_where_their_lengths_say() {
        let speech = Speech::new([0, 1, 7, 0, 2, 8, 9], [0, 1, 5]).unwrap();
        assert_eq!(speech.frame(Codec::Opus, 0), Some((&[7][..], 3)));
        assert_eq!(speech.frame(Codec::Opus, 3), Some((&[8, 9][..], 7)));
        assert_eq!(speech.frame(Codec::Opus, 7), None);
        assert_eq!(speech.frame(Codec::Pcma, 0), Some((&[5][..], 3)));
        assert_eq!(speech.frame(Codec::G722, 0), None);
    }

    #[test]
    fn a_bundle_that_breaks_off_is_refused_with_the_place() {
        assert_eq!(Speech::new([0, 1, 7, 0, 3, 8], [0, 1, 5]).unwrap_err(), BadBundle(3));
        assert_eq!(Speech::new([0, 1, 7], []).unwrap_err(), BadBundle(0));
        assert_eq!(Speech::new([0, 0], [0, 1, 5]).unwrap_err(), BadBundle(0));
    }
}
