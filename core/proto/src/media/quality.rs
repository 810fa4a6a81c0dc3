//! What a call probably sounds like: the E-model of ITU-T G.107 in the usual short form, as MOS.
//!
//! R = 93.2 - Id(delay) - Ie,eff(codec, loss), with Ie and Bpl of G.113 appendix I where it has them. For wide bands the
//! short form has no figures of its own, so Opus and G.722 count as clean narrowband: the figure says how much delay and
//! loss spoil a call, not how good the codec is.

use crate::codec::Codec;
use std::time::Duration;

/// R without any impairment.
const R0: f64 = 93.2;

/// The equipment impairment factor and the robustness to loss of a codec: (Ie, Bpl).
const fn impairment(codec: Codec) -> (f64, f64) {
    match codec {
        // G.113: G.711 with packet loss concealment.
        Codec::Pcma | Codec::Pcmu => (0.0, 25.1),
        // No in-band repair, and a concealment like that of G.711.
        Codec::G722 => (0.0, 25.1),
        // Its own concealment is better than that of G.711; repaired frames do not count as lost at all.
        Codec::Opus => (0.0, 30.0),
    }
}

/// The transmission rating. `delay` is mouth to ear; `loss` is the fraction of sound that had to be made up.
pub fn rating(codec: Codec, delay: Duration, loss: f64) -> f64 {
    let (ie, bpl) = impairment(codec);
    let percent = loss.clamp(0.0, 1.0) * 100.0;
    let ie_eff = ie + (95.0 - ie) * percent / (percent + bpl);
    R0 - delay_impairment(delay) - ie_eff
}

/// Idd of G.107 (7-27): nothing up to 100 ms.
fn delay_impairment(delay: Duration) -> f64 {
    let ms = delay.as_secs_f64() * 1_000.0;
    if ms <= 100.0 {
        return 0.0;
    }
    let x = (ms / 100.0).log2();
    let term = |scaled: f64| (1.0 + scaled.powi(6)).powf(1.0 / 6.0);
    25.0 * (term(x) - 3.0 * term(x / 3.0) + 2.0)
}

/// The mean opinion score of a rating, 1 to 4.5 (G.107 annex B).
pub fn mos(rating: f64) -> f64 {
    if rating <= 0.0 {
        return 1.0;
    }
    if rating >= 100.0 {
        return 4.5;
    }
    (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(codec: Codec, ms: u64, loss: f64) -> f64 {
        mos(rating(codec, Duration::from_millis(ms), loss))
    }

    #[test]
    fn a_clean_call_scores_what_g_107_gives_its_default_rating() {
        assert!((score(Codec::Pcma, 50, 0.0) - 4.41).abs() < 0.01);
    }

    #[test]
    fn delay_costs_what_g_107_says() {
        for (ms, cost) in [(100, 0.0), (150, 0.2), (200, 3.0), (250, 9.0), (400, 24.0)] {
            let lost = R0 - rating(Codec::Pcma, Duration::from_millis(ms), 0.0);
            assert!((lost - cost).abs() < 1.0, "{ms} ms costs {lost}");
        }
    }

    #[test]
    fn loss_lowers_the_score_step_by_step_and_never_below_one() {
        let scores: Vec<f64> = [0.0, 0.01, 0.05, 0.1, 0.3, 1.0]
            .map(|loss| score(Codec::Pcmu, 50, loss))
            .to_vec();
        assert!(scores.windows(2).all(|pair| pair[0] > pair[1]), "{scores:?}");
        assert!((score(Codec::Pcmu, 50, 0.05) - 3.9).abs() < 0.15, "{scores:?}");
        assert!(score(Codec::Pcmu, 5_000, 1.0) >= 1.0);
    }

    #[test]
    fn nonsense_ratings_stay_on_the_scale() {
        assert_eq!(mos(-20.0), 1.0);
        assert_eq!(mos(200.0), 4.5);
    }
}
