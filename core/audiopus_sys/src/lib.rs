//! The names that `audiopus` expects, from libopus 1.6.1 as `opusic-sys` builds it.
pub use opusic_sys::*;
