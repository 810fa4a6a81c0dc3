//! What goes into and comes out of a media session.

use crate::codec::Codec;
use crate::media::dtmf::Digit;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// The socket that a datagram came in by or goes out by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Socket {
    /// RTP, and RTCP too where they share it (RFC 5761).
    Rtp,
    /// The socket of its own that RTCP has where it is not multiplexed.
    Rtcp,
}

/// A datagram to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// Where to.
    pub to: SocketAddr,
    /// By which socket.
    pub socket: Socket,
    /// What.
    pub bytes: Vec<u8>,
}

/// What the microphone side has for one packet's time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame<'a> {
    /// An encoded frame; a muted microphone is an encoded frame of silence.
    Speech(&'a [u8]),
    /// A comfort-noise payload (RFC 3389 3); not sent unless it was agreed.
    ComfortNoise(&'a [u8]),
    /// The encoder had nothing to send (discontinuous transmission); time passes all the same.
    Nothing,
}

/// What to play next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Play {
    /// Decode this frame.
    Decode {
        /// With this codec.
        codec: Codec,
        /// The packet's payload.
        payload: Bytes,
    },
    /// The frame is lost, but this payload, the one after it, holds its repair copy (Opus in-band FEC). The same
    /// payload comes again as [`Play::Decode`].
    Fec {
        /// With this codec.
        codec: Codec,
        /// The next packet's payload.
        payload: Bytes,
    },
    /// The frame is lost, but this later payload redeems it by deep redundancy. Never given yet.
    Dred {
        /// With this codec.
        codec: Codec,
        /// A later packet's payload.
        payload: Bytes,
        /// How long before that packet's own sound the missing frame begins.
        offset: Duration,
    },
    /// The frame is lost: let the codec's decoder, or the concealment for codecs without one, make it up.
    Conceal {
        /// The codec of the last frame.
        codec: Codec,
    },
    /// The far end is silent on purpose.
    ComfortNoise {
        /// The codec of the last frame.
        codec: Codec,
        /// The level in -dBov of RFC 3389, 0 to 127; `None` where the codec makes its own (Opus).
        level: Option<u8>,
    },
    /// Nothing has come yet, a tone is on, or the loss has lasted too long to make up speech.
    Silence,
}

/// What to play, and how long it lasts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Playout {
    /// What.
    pub play: Play,
    /// How long the sound lasts before any stretching.
    pub duration: Duration,
    /// How to bend the decoded sound.
    pub stretch: Stretch,
}

/// A hint for the decoded sound. Whoever heeds it asks sooner or later for the next frame, which moves the delay; if
/// nobody does, the buffer drops or makes up whole frames instead, later and more audibly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stretch {
    /// Play it as it is.
    Keep,
    /// The buffer is too full: play it faster.
    Shorten,
    /// The buffer is too empty: play it slower.
    Lengthen,
}

/// What happened on the stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MediaEvent {
    /// The first packet of speech, authenticated if there are keys.
    FirstPacket {
        /// Its codec.
        codec: Codec,
    },
    /// They pressed a key; once for each press.
    DigitReceived(Digit),
    /// Another source speaks now: a PBX put music, or another party, on the line.
    RemoteSsrcChanged {
        /// The new synchronisation source.
        ssrc: u32,
    },
    /// Authenticated packets come from somewhere else; ours follow.
    RemoteAddressChanged(SocketAddr),
    /// They said by RTCP that their source ends. It never ends the call.
    Bye,
    /// No RTP for this long, although we expect some.
    NoSpeechFor(Duration),
    /// Neither RTP nor RTCP for this long.
    NoMediaFor(Duration),
}

/// The figures of a stream.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct MediaStats {
    /// RTP packets sent.
    pub sent: u64,
    /// RTP packets received and authenticated, duplicates included.
    pub received: u64,
    /// RTP packets expected and not received (RFC 3550 A.3); late ones are not lost.
    pub lost: u64,
    /// Packets that came too late to be played.
    pub late: u64,
    /// Datagrams dropped: not media, not authentic, replayed, or from elsewhere.
    pub dropped: u64,
    /// Interarrival jitter in milliseconds (RFC 3550 A.8).
    pub jitter_ms: f64,
    /// How long the jitter buffer holds a packet now, in milliseconds.
    pub delay_ms: f64,
    /// The delay that the jitter buffer aims for, in milliseconds.
    pub target_delay_ms: f64,
    /// Round trip in milliseconds, once a report of theirs answered one of ours.
    pub round_trip_ms: Option<f64>,
    /// Estimated listening quality, 1 to 4.5; none before speech came.
    pub mos: Option<f64>,
    /// Sound played, in milliseconds.
    pub played_ms: u64,
    /// Of that, made up for lost or late packets.
    pub concealed_ms: u64,
    /// Of that, restored from a repair copy.
    pub repaired_ms: u64,
    /// The fraction of our packets that their last report counted as lost, 0 to 1: the loss for the encoder to expect.
    pub remote_loss: Option<f64>,
    /// The jitter that their last report gave, in milliseconds.
    pub remote_jitter_ms: Option<f64>,
}

/// Why a key cannot be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DigitError {
    /// The far end did not agree to telephone events: send the key by INFO or as sound.
    #[error("the other side takes no telephone events")]
    NotNegotiated,
    /// More keys than anyone types are waiting.
    #[error("too many keys are waiting to be sent")]
    QueueFull,
    /// The call is on hold.
    #[error("the call is on hold")]
    Held,
}
