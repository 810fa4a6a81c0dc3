//! Where the calls, the tones, one microphone and one speaker meet.
//!
//! The speaker plays the sum of all calls and tones, clipped. Each call hears the microphone and, in a conference, all
//! others but itself. Everything is 48 kHz mono.

use super::card::{Card, FRAME, SLICE};
use super::leg::Leg;
use super::tones::{Tone, TonePlayer, saturate};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use toestel_proto::ids::CallId;
use toestel_proto::time::Instant;

/// How often the meters are read.
const METER: Duration = Duration::from_millis(100);

/// The mixer.
#[derive(Default)]
pub struct Mixer {
    /// The calls whose far ends hear each other.
    pub conference: BTreeSet<CallId>,
    tone: Option<TonePlayer>,
    key: Option<TonePlayer>,
    microphone: Vec<i16>,
    /// The newest frame of the microphone while nobody was there to hear it.
    lead: Vec<i16>,
    /// What ended calls have still to say.
    last_words: VecDeque<i32>,
    mix: Vec<i32>,
    /// What the members of the conference say together.
    said: Vec<i32>,
    output: Vec<i16>,
    /// The loudest samples since the meters were read.
    peaks: (u16, u16),
    next_meter: Instant,
}

impl Mixer {
    /// Plays `tone` from its start, unless it is playing already.
    pub fn set_tone(&mut self, tone: Option<Tone>) {
        if tone != self.tone.as_ref().map(TonePlayer::tone) {
            self.tone = tone.map(TonePlayer::new);
        }
    }

    /// Whether a tone keeps the speaker busy.
    pub const fn has_tone(&self) -> bool {
        self.tone.is_some()
    }

    /// Plays the end of a call that is over.
    pub fn play_out(&mut self, words: &[i16]) {
        let missing = words.len().saturating_sub(self.last_words.len());
        self.last_words.extend(std::iter::repeat_n(0, missing));
        for (sum, sample) in self.last_words.iter_mut().zip(words) {
            *sum += i32::from(*sample);
        }
    }

    /// Whether an ended call has still to be heard.
    pub fn has_last_words(&self) -> bool {
        !self.last_words.is_empty()
    }

    /// Lets the user hear the key that was pressed.
    pub fn press(&mut self, key: char) {
        self.key = Some(TonePlayer::new(Tone::Key(key)));
    }

    /// Takes what the microphone of `card` heard and sends it to every call.
    pub fn speak(&mut self, card: &mut dyn Card, legs: &mut BTreeMap<CallId, Leg>, now: Instant) {
        self.microphone.clear();
        card.capture(&mut self.microphone);
        if self.microphone.is_empty() {
            return;
        }
        if legs.is_empty() {
            self.lead.extend_from_slice(&self.microphone);
            self.lead.drain(..self.lead.len().saturating_sub(FRAME));
            return;
        }
        self.lead.clear();
        self.peaks.0 = self.peaks.0.max(peak(&self.microphone));
        for pcm in self.microphone.chunks(FRAME) {
            legs.values_mut().for_each(|leg| leg.speak(pcm, now));
        }
    }

    /// Opens the first call's stream with what the microphone heard last, rather than wait for its next frame: many
    /// exchanges say nothing, and some NATs let nothing in, before they have our first packet.
    pub fn lead_in(&mut self, leg: &mut Leg, now: Instant) {
        if !self.lead.is_empty() {
            leg.speak(&self.lead, now);
            self.lead.clear();
        }
    }

    /// Fills the speaker of `card` as far as it takes whole slices.
    pub fn hear(&mut self, card: &mut dyn Card, legs: &mut BTreeMap<CallId, Leg>, now: Instant) {
        while card.room() >= SLICE {
            self.mix.clear();
            self.mix.resize(SLICE, 0);
            for leg in legs.values_mut() {
                leg.hear(SLICE, now);
                for (sum, sample) in self.mix.iter_mut().zip(&leg.slice) {
                    *sum += i32::from(*sample);
                }
            }
            self.let_overhear(legs);
            let last = self.last_words.len().min(SLICE);
            for (sum, sample) in self.mix.iter_mut().zip(self.last_words.drain(..last)) {
                *sum += sample;
            }
            self.peaks.1 = self.peaks.1.max(loudest(&self.mix));
            self.add_tones();
            self.output.clear();
            saturate(&self.mix, &mut self.output);
            card.play(&self.output);
        }
    }

    /// What each member of the conference says goes to all others of it.
    fn let_overhear(&mut self, legs: &mut BTreeMap<CallId, Leg>) {
        if self.conference.is_empty() {
            return;
        }
        self.said.clear();
        self.said.resize(SLICE, 0);
        let members = legs.iter().filter(|(call, _)| self.conference.contains(call));
        for (_, leg) in members {
            for (sum, sample) in self.said.iter_mut().zip(&leg.slice) {
                *sum += i32::from(*sample);
            }
        }
        for (call, leg) in legs.iter_mut() {
            if self.conference.contains(call) {
                leg.overhear(&self.said);
            }
        }
    }

    /// Fills the ring device's card.
    pub fn ring(&mut self, card: &mut dyn Card, player: &mut TonePlayer) {
        while card.room() >= SLICE {
            self.mix.clear();
            self.mix.resize(SLICE, 0);
            player.add_to(&mut self.mix);
            self.output.clear();
            saturate(&self.mix, &mut self.output);
            card.play(&self.output);
        }
    }

    fn add_tones(&mut self) {
        for slot in [&mut self.tone, &mut self.key] {
            if slot.as_mut().is_some_and(|player| !player.add_to(&mut self.mix)) {
                *slot = None;
            }
        }
    }

    /// Whether a tenth of a second has passed since the meters were read.
    pub fn meter_is_due(&self, now: Instant) -> bool {
        self.next_meter <= now
    }

    /// The loudest moments of microphone and calls since the last reading, in dB below overload.
    pub fn read_meters(&mut self, now: Instant) -> (f32, f32) {
        self.next_meter = now + METER;
        let (microphone, speaker) = std::mem::take(&mut self.peaks);
        (decibels(microphone), decibels(speaker))
    }
}

fn peak(pcm: &[i16]) -> u16 {
    pcm.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0)
}

fn loudest(mix: &[i32]) -> u16 {
    let loudest = mix.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
    u16::try_from(loudest).unwrap_or(u16::MAX)
}

fn decibels(peak: u16) -> f32 {
    (20.0 * (f32::from(peak) / 32_768.0).log10()).clamp(-90.0, 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A microphone that has heard `0`, and a speaker that takes nothing.
    struct Microphone(Vec<i16>);

    impl Card for Microphone {
        fn service(&mut self, _now: Instant) {}
        fn open_microphone(&mut self) {}
        fn room(&self) -> usize {
            0
        }
        fn play(&mut self, _pcm: &[i16]) {}
        fn capture(&mut self, pcm: &mut Vec<i16>) {
            pcm.append(&mut self.0);
        }
    }

    #[test]
    fn before_a_call_the_newest_frame_of_the_microphone_is_kept_and_no_more() {
        let mut mixer = Mixer::default();
        for loudness in 1..=3 {
            let mut card = Microphone(vec![loudness; FRAME - 100]);
            mixer.speak(&mut card, &mut BTreeMap::new(), Instant::ORIGIN);
        }
        assert_eq!(mixer.lead.len(), FRAME);
        assert!(mixer.lead.starts_with(&[2; 100]) && mixer.lead.ends_with(&[3; FRAME - 100]));
        assert_eq!(mixer.peaks.0, 0, "nobody hears it, so no meter shows it");
    }

    /// A speaker that takes everything at once and keeps it.
    #[derive(Default)]
    struct Loudspeaker(Vec<i16>);

    impl Card for Loudspeaker {
        fn service(&mut self, _now: Instant) {}
        fn open_microphone(&mut self) {}
        fn room(&self) -> usize {
            (4 * SLICE).saturating_sub(self.0.len())
        }
        fn play(&mut self, pcm: &[i16]) {
            self.0.extend_from_slice(pcm);
        }
        fn capture(&mut self, _pcm: &mut Vec<i16>) {}
    }

    #[test]
    fn two_calls_that_end_at_once_are_both_heard_to_their_ends() {
        let (mut mixer, mut card) = (Mixer::default(), Loudspeaker::default());
        mixer.play_out(&[100; SLICE + 10]);
        mixer.play_out(&[30; 20]);
        assert!(mixer.has_last_words());
        mixer.hear(&mut card, &mut BTreeMap::new(), Instant::ORIGIN);
        assert!(!mixer.has_last_words());
        let expected = [[130; 20].as_slice(), &[100; SLICE - 10], &[0; 3 * SLICE - 10]].concat();
        assert_eq!(card.0, expected);
    }

    #[test]
    fn meters_read_in_decibels_below_overload_and_start_anew() {
        let mut mixer = Mixer {
            peaks: (3277, 0),
            ..Mixer::default()
        };
        let (microphone, speaker) = mixer.read_meters(Instant::ORIGIN);
        assert!((microphone + 20.0).abs() < 0.01, "{microphone}");
        assert_eq!(speaker, -90.0);
        assert_eq!(mixer.read_meters(Instant::ORIGIN), (-90.0, -90.0));
        assert!(!mixer.meter_is_due(Instant::from_millis(99)));
        assert!(mixer.meter_is_due(Instant::from_millis(100)));
    }
}
