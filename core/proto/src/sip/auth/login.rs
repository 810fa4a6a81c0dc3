//! How long a phone waits after a refused login before it tries once more.
//!
//! Only for a password that was accepted before: a PBX that loses its database for an hour must not make people type,
//! and a phone that hammers gets its address locked out.

use crate::random::Random;
use std::time::Duration;

/// The wait after the `refusals`-th refusal in a row: 5, 15, then every 60 minutes, each up to a tenth more or less.
pub(super) fn wait(refusals: u32, random: &mut Random) -> Duration {
    let minutes = match refusals {
        0 | 1 => 5,
        2 => 15,
        _ => 60,
    };
    let middle = Duration::from_secs(60).saturating_mul(minutes);
    random.duration(middle.mul_f64(0.9), middle.mul_f64(1.1))
}
