use super::*;

/// 20 ms at the codec's rate.
fn frame_len(codec: Codec) -> usize {
    codec.sample_rate() as usize / 50
}

fn sine(codec: Codec, hertz: f64, level: f64, samples: usize) -> Vec<i16> {
    let step = std::f64::consts::TAU * hertz / f64::from(codec.sample_rate());
    (0..samples).map(|n| (level * (step * n as f64).sin()) as i16).collect()
}

fn there_and_back(codec: Codec, pcm: &[i16]) -> Vec<i16> {
    let (mut encoder, mut decoder) = (encoder(codec, OpusOptions::default()).unwrap(), decoder(codec).unwrap());
    let (mut payload, mut heard) = (Vec::new(), Vec::new());
    for frame in pcm.chunks_exact(frame_len(codec)) {
        encoder.encode(frame, &mut payload).unwrap();
        decoder.decode(&payload, &mut heard).unwrap();
    }
    heard
}

/// The signal-to-noise ratio in dB of `heard` against `said` at the delay, up to `longest`, that fits best.
fn snr(said: &[i16], heard: &[i16], longest: usize) -> f64 {
    let skip = said.len() / 4;
    let ratio = |delay: usize| {
        let (mut signal, mut noise) = (0.0, 1e-9);
        for (s, h) in said[skip..].iter().zip(&heard[skip + delay..]) {
            signal += f64::from(*s).powi(2);
            noise += (f64::from(*s) - f64::from(*h)).powi(2);
        }
        10.0 * f64::log10(signal / noise)
    };
    (0..=longest).map(ratio).fold(f64::MIN, f64::max)
}

#[test]
fn one_libopus_1_6_1_serves_both_interfaces() {
    assert_eq!(libopus_version(), "libopus 1.6.1");
    #[expect(
        unsafe_code,
        reason = "libopus returns a pointer to a constant; only its address is compared"
    )]
    let through_sys = unsafe { opusic_sys::opus_get_version_string() };
    assert_eq!(libopus_version().as_ptr(), through_sys.cast());
}

#[test]
fn no_other_crate_brings_a_libopus() {
    let lock = include_str!("../../../../Cargo.lock");
    let opus: Vec<&str> = lock
        .split("[[package]]")
        .filter(|package| {
            package
                .lines()
                .any(|line| line.starts_with("name = ") && line.contains("opus"))
        })
        .collect();
    let names: Vec<&str> = opus
        .iter()
        .filter_map(|package| package.trim().lines().next())
        .collect();
    assert_eq!(
        names,
        [
            r#"name = "audiopus""#,
            r#"name = "audiopus_sys""#,
            r#"name = "opusic-sys""#
        ]
    );
    assert!(!opus[1].contains("source = "), "audiopus_sys must be ours: {}", opus[1]);
}

#[test]
fn g711_keeps_a_tone_within_its_quantisation_noise() {
    for codec in [Codec::Pcma, Codec::Pcmu] {
        let said = sine(codec, 1020.0, 10_000.0, 8000);
        let ratio = snr(&said, &there_and_back(codec, &said), 0);
        assert!((36.0..42.0).contains(&ratio), "{codec:?}: {ratio:.1} dB");
    }
}

#[test]
fn g722_keeps_a_tone_in_either_band_and_delays_it_by_its_filters() {
    // The two filter banks delay by 22 samples. 64 kbit/s codes the low band with 6 bits, the high band with 2.
    for (hertz, at_least) in [(440.0, 30.0), (1000.0, 25.0), (2900.0, 20.0), (5000.0, 8.0)] {
        let said = sine(Codec::G722, hertz, 8000.0, 16_000);
        let heard = there_and_back(Codec::G722, &said);
        assert_eq!(heard.len(), said.len());
        let ratio = snr(&said, &heard, 40);
        assert!(ratio > at_least, "{hertz} Hz: {ratio:.1} dB");
    }
}

#[test]
fn opus_keeps_a_tone() {
    let said = sine(Codec::Opus, 440.0, 8000.0, 48_000);
    let heard = there_and_back(Codec::Opus, &said);
    assert_eq!(heard.len(), said.len());
    let ratio = snr(&said, &heard, 400);
    assert!(ratio > 15.0, "{ratio:.1} dB");
}

#[test]
fn damaged_payloads_are_errors_or_noise_but_never_a_panic() {
    for codec in [Codec::Opus, Codec::G722, Codec::Pcma, Codec::Pcmu] {
        let (mut decoder, mut pcm, mut seed) = (decoder(codec).unwrap(), Vec::new(), 1u32);
        for length in (0..400).cycle().take(2000) {
            let payload: Vec<u8> = std::iter::repeat_with(|| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            })
            .take(length)
            .collect();
            pcm.clear();
            let _ = decoder.decode(&payload, &mut pcm);
            let _ = decoder.recover(&payload, frame_len(codec), &mut pcm);
            decoder.conceal(frame_len(codec), &mut pcm).unwrap();
        }
    }
}

/// Noise with the slow envelope of speech: redundancy is only worth coding for something that changes.
fn babble(samples: usize) -> Vec<i16> {
    let (mut seed, mut smooth) = (7u32, 0.0);
    (0..samples)
        .map(|n| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            smooth = 0.9 * smooth + 0.1 * (f64::from(seed >> 16) - 32_768.0);
            let pitch = (n as f64 * 140.0 / 48_000.0 * std::f64::consts::TAU).sin();
            let envelope = (n as f64 * 4.0 / 48_000.0 * std::f64::consts::TAU).sin().abs();
            ((0.3 * smooth + 6000.0 * pitch) * envelope) as i16
        })
        .collect()
}

#[test]
fn redundancy_is_sent_only_while_the_far_end_reports_loss_and_restores_a_lost_frame() {
    let said = babble(48_000);
    let mut encoder = OpusEncoder::new(OpusOptions {
        fec: true,
        ..OpusOptions::default()
    })
    .unwrap();
    encoder.set_expected_loss(20);
    let packets: Vec<Vec<u8>> = said
        .chunks_exact(960)
        .map(|frame| {
            let mut payload = Vec::new();
            encoder.encode(frame, &mut payload).unwrap();
            payload
        })
        .collect();
    // RFC 6716 table 2: configurations 0 to 15 are SILK or hybrid, the only ones that can carry redundancy.
    assert!(
        packets.iter().all(|packet| packet[0] >> 3 < 16 && packet[0] & 4 == 0),
        "mono SILK or hybrid"
    );
    let play = |lost: usize, repair: bool| {
        let (mut decoder, mut heard) = (OpusDecoder::new().unwrap(), Vec::new());
        for (number, packet) in packets.iter().enumerate() {
            match (number == lost, repair) {
                (true, true) => decoder.recover(&packets[number + 1], 960, &mut heard).unwrap(),
                (true, false) => decoder.conceal(960, &mut heard).unwrap(),
                (false, _) => decoder.decode(packet, &mut heard).unwrap(),
            }
        }
        heard
    };
    let whole = play(usize::MAX, false);
    let error = |heard: &[i16], lost: usize| -> f64 {
        let span = lost * 960..(lost + 1) * 960;
        heard[span.clone()]
            .iter()
            .zip(&whole[span])
            .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
            .sum()
    };
    let (mut repaired, mut concealed) = (0.0, 0.0);
    for lost in [10, 17, 23, 31, 38, 44] {
        repaired += error(&play(lost, true), lost);
        concealed += error(&play(lost, false), lost);
    }
    assert!(
        repaired < concealed / 2.0,
        "repaired {repaired:.3e}, concealed {concealed:.3e}"
    );
}

#[test]
fn encoding_and_decoding_fit_the_budget() {
    // The whole call may use 3.4 % of a core. This holds in release builds on any machine of the last ten years; an
    // unoptimised build of the C code does not exist, so the bound is only loosened for a busy machine.
    let said = babble(48_000 * 4);
    let started = std::time::Instant::now();
    let heard = there_and_back(Codec::Opus, &said);
    let share = started.elapsed().as_secs_f64() / 4.0;
    assert_eq!(heard.len(), said.len());
    println!("Opus encode and decode: {:.2} % of a core", share * 100.0);
    assert!(share < 0.10, "{:.2} % of a core", share * 100.0);
}

#[test]
fn the_far_ends_wishes_bound_the_bit_rate_and_the_bandwidth() {
    let bytes = |options: OpusOptions| -> Vec<usize> {
        let (mut encoder, mut payload) = (OpusEncoder::new(options).unwrap(), Vec::new());
        let frames = babble(48_000);
        let sizes = frames.chunks_exact(960).map(|frame| {
            encoder.encode(frame, &mut payload).unwrap();
            payload.len()
        });
        sizes.collect()
    };
    let total = |sizes: &[usize]| sizes.iter().sum::<usize>() * 8;
    let free = bytes(OpusOptions::default());
    assert!((20_000..40_000).contains(&total(&free)), "{} bit/s", total(&free));
    let slow = bytes(OpusOptions {
        max_average_bitrate: Some(12_000),
        ..OpusOptions::default()
    });
    assert!(total(&slow) < 14_000, "{} bit/s", total(&slow));
    let constant = bytes(OpusOptions {
        cbr: true,
        ..OpusOptions::default()
    });
    assert!(constant[1..].iter().all(|size| *size == constant[1]), "{constant:?}");
    let narrow = OpusOptions {
        max_playback_rate: Some(8_000),
        ..OpusOptions::default()
    };
    let (mut encoder, mut payload) = (OpusEncoder::new(narrow).unwrap(), Vec::new());
    encoder.encode(&babble(960), &mut payload).unwrap();
    // RFC 6716 table 2: configurations 0 to 3 are SILK narrowband, 16 to 19 CELT narrowband.
    assert!(
        matches!(payload[0] >> 3, 0..=3 | 16..=19),
        "configuration {}",
        payload[0] >> 3
    );
}

#[test]
fn silence_is_sent_seldom_where_the_far_end_prefers_that() {
    let dtx = OpusOptions {
        dtx: true,
        ..OpusOptions::default()
    };
    let (mut encoder, mut payload) = (OpusEncoder::new(dtx).unwrap(), Vec::new());
    let sent = (0..100).filter(|_| {
        encoder.encode(&[0; 960], &mut payload).unwrap();
        !payload.is_empty()
    });
    let sent = sent.count();
    assert!((3..60).contains(&sent), "{sent} of 100 packets of silence");
}
