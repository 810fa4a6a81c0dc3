//! Media on the wire: RTP, RTCP, SRTP, tones, the jitter buffer, and the figures of a call's quality.
//!
//! Signalling decides a [`plan::MediaPlan`]; a [`session::MediaSession`] carries it out, one for each call. The codecs
//! themselves run in the engine: here frames are bytes that last a known time.

pub mod delay;
pub mod demux;
pub mod dtmf;
pub mod jitter;
pub mod payload;
pub mod plan;
pub mod quality;
pub mod reception;
pub mod rtcp;
pub mod rtp;
pub mod session;
pub mod srtp;
pub mod ticks;
