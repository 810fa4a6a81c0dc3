//! Sound: devices, codecs, tones, and the one thread that carries the frames of all calls.

pub mod codec;
pub mod resample;
mod ring;
pub mod tones;
