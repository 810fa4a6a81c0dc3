//! The sound server's card on a real PulseAudio with null sinks: devices, delay, cost, and pulling the plug.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "test equipment: where it breaks, the test must stop and say so"
)]

use std::time::{Duration, Instant as Wall};
use toestel_core::audio::card::{Card, Notice, SLICE};
use toestel_core::audio::device::{self, AudioSpec, DeviceChoice};
use toestel_core::clock::Clock;
use toestel_sound::{score, stage};

/// A card, driven as the media thread drives it.
struct Bench {
    card: Box<dyn Card>,
    poll: mio::Poll,
    clock: Clock,
}

impl Bench {
    /// Opens a card that plays on `output` and hears what `input` hears.
    fn new(output: &str, input: &str) -> Self {
        let (clock, poll) = (Clock::start(), mio::Poll::new().unwrap());
        let choice = DeviceChoice {
            output: Some(output.into()),
            input: Some(input.into()),
            ring: None,
        };
        let mut card = device::open(&AudioSpec::Device, &choice, clock.now()).expect("the sound server answers");
        card.register(poll.registry(), mio::Token(0)).unwrap();
        card.open_microphone();
        Self { card, poll, clock }
    }

    /// For `seconds`, plays `voice` from half a second in and then silence. What was heard from the first sample of
    /// the voice on, and what the card had to say.
    fn play(&mut self, voice: &[i16], seconds: f64) -> (Vec<i16>, Vec<Notice>) {
        let (mut events, started) = (mio::Events::with_capacity(8), Wall::now());
        let (mut heard, mut notices, mut position) = (Vec::new(), Vec::new(), 0);
        while started.elapsed().as_secs_f64() < seconds {
            let due = self.card.due().map(|due| due.since(self.clock.now()));
            self.poll
                .poll(&mut events, due.or(Some(Duration::from_millis(100))))
                .unwrap();
            self.card.service(self.clock.now());
            self.card.capture(&mut heard);
            while self.card.room() >= SLICE {
                let mut slice = vec![0; SLICE];
                if started.elapsed().as_secs_f64() > 0.5 && position < voice.len() {
                    if position == 0 {
                        heard.clear();
                    }
                    let end = (position + SLICE).min(voice.len());
                    slice[..end - position].copy_from_slice(&voice[position..end]);
                    position = end;
                }
                self.card.play(&slice);
            }
            notices.extend(std::iter::from_fn(|| self.card.poll_notice()));
        }
        (heard, notices)
    }
}

#[test]
fn devices_have_the_names_that_people_know_and_ids_that_last() {
    stage::alone(
        "devices_have_the_names_that_people_know_and_ids_that_last",
        true,
        || {
            stage::pactl(&["set-default-sink", "spare"]);
            let devices = device::devices().unwrap();
            let outputs: Vec<_> = devices
                .outputs
                .iter()
                .map(|d| (d.id.as_str(), d.name.as_str(), d.default))
                .collect();
            assert_eq!(
                outputs,
                [("speaker", "The-speaker", false), ("spare", "The-spare", true)]
            );
            assert!(
                devices.inputs.iter().any(|input| input.id == "speaker.monitor"),
                "{:?}",
                devices.inputs
            );
        },
    );
}

#[test]
fn sound_goes_through_the_server_whole_at_its_level_and_soon() {
    stage::alone(
        "sound_goes_through_the_server_whole_at_its_level_and_soon",
        true,
        || {
            let mut bench = Bench::new("speaker", "speaker.monitor");
            let voice = score::babble(3, 3.0);
            let (heard, notices) = bench.play(&voice, 4.5);
            assert_eq!(notices, []);
            let delays = score::delays(&voice, &heard, 400);
            assert!(delays.len() >= 9, "{} pieces of {} samples", delays.len(), heard.len());
            let (first, _) = delays[0];
            println!("speaker to monitor: {first:.1} ms");
            for (delay, likeness) in &delays {
                assert!(*likeness > 0.99 && (delay - first).abs() < 1.0, "{delays:?}");
            }
            // The server holds 30 ms of ours and gives the microphone in pieces of 20 ms.
            assert!(first < 80.0, "{first:.1} ms");
        },
    );
}

#[test]
fn a_call_sized_stream_costs_little_and_wakes_seldom() {
    stage::alone("a_call_sized_stream_costs_little_and_wakes_seldom", true, || {
        let mut bench = Bench::new("speaker", "speaker.monitor");
        bench.play(&[], 1.0);
        let before = stage::Usage::now();
        let (heard, _) = bench.play(&[], 5.0);
        let (cpu, wakes) = before.since();
        println!("sound server: {cpu:.2} % of a core, {wakes:.0} wake-ups a second");
        // cpal's own backend needs 38 % and 10,591. The bounds leave room for a busy machine.
        assert!(wakes < 200.0 && cpu < 4.0, "{cpu:.2} %, {wakes:.0}/s");
        let rate = heard.len() as f64 / 5.0;
        assert!((rate - 48_000.0).abs() < 1_000.0, "{rate:.0} samples a second");
    });
}

#[test]
fn a_device_that_is_pulled_out_moves_the_sound_to_the_other_and_says_so() {
    stage::alone(
        "a_device_that_is_pulled_out_moves_the_sound_to_the_other_and_says_so",
        true,
        || {
            let mut bench = Bench::new("spare", "speaker.monitor");
            let (_, notices) = bench.play(&[], 0.7);
            assert_eq!(notices, []);
            stage::unplug("spare");
            // The microphone listens to the speaker that the sound must move to.
            let voice = score::babble(4, 1.5);
            let (heard, notices) = bench.play(&voice, 2.6);
            assert!(
                notices.contains(&Notice::Moved {
                    microphone: false,
                    to: "speaker".into()
                }) || notices.contains(&Notice::NotThere { microphone: false }),
                "{notices:?}"
            );
            let delays = score::delays(&voice, &heard, 300);
            assert!(
                delays.iter().all(|(_, likeness)| *likeness > 0.98) && delays.len() > 3,
                "{delays:?}"
            );
        },
    );
}

#[test]
fn a_chosen_device_that_is_not_there_is_said_and_the_default_is_used() {
    stage::alone(
        "a_chosen_device_that_is_not_there_is_said_and_the_default_is_used",
        true,
        || {
            let mut bench = Bench::new("a headset left at home", "speaker.monitor");
            let voice = score::babble(4, 1.0);
            let (heard, notices) = bench.play(&voice, 2.0);
            assert_eq!(notices, [Notice::NotThere { microphone: false }]);
            let delays = score::delays(&voice, &heard, 300);
            assert!(
                delays.iter().all(|(_, likeness)| *likeness > 0.98) && delays.len() > 1,
                "{delays:?}"
            );
        },
    );
}

#[test]
fn with_no_device_left_the_clock_goes_on_and_sound_comes_back() {
    stage::alone(
        "with_no_device_left_the_clock_goes_on_and_sound_comes_back",
        true,
        || {
            let mut bench = Bench::new("spare", "spare.monitor");
            bench.play(&[], 0.7);
            stage::unplug("spare");
            stage::unplug("speaker");
            let (silence, notices) = bench.play(&[], 1.0);
            assert!(
                notices
                    .iter()
                    .any(|notice| matches!(notice, Notice::NotThere { .. } | Notice::Moved { .. })),
                "{notices:?}"
            );
            // The far end must hear a line that is alive: about a second of silence was handed on.
            assert!((38_000..60_000).contains(&silence.len()), "{} samples", silence.len());
            stage::pactl(&[
                "load-module",
                "module-null-sink",
                "sink_name=speaker",
                "rate=48000",
                "channels=1",
            ]);
            bench.play(&[], 3.0);
            let voice = score::babble(9, 1.0);
            bench.play(&voice, 2.0);
            assert!(stage::pactl(&["list", "short", "sink-inputs"]).lines().count() >= 1);
        },
    );
}
