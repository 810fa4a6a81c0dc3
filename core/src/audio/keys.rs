//! Keys as sound, for a far end that takes neither telephone-events nor INFO: their two frequencies (ITU-T Q.23) go out
//! in the place of the microphone, so that no voice hides them.

use super::tones::{Tone, TonePlayer};
use std::collections::VecDeque;

/// A key that is mixed into what the user hears is soft; on the line it is at -13 dBm0 for each of its two frequencies.
const GAIN: i32 = 3;

/// The keys that are to be heard by the far end of one call.
#[derive(Default)]
pub struct Keys {
    waiting: VecDeque<char>,
    sounding: Option<TonePlayer>,
    mix: Vec<i32>,
}

impl Keys {
    /// Has `key` sound, after those that wait.
    pub fn press(&mut self, key: char) {
        self.waiting.push_back(key);
    }

    /// Puts what sounds now in the place of `said`.
    pub fn replace(&mut self, said: &mut [i16]) {
        if self.sounding.is_none() {
            self.sounding = self.waiting.pop_front().map(|key| TonePlayer::new(Tone::Key(key)));
        }
        let Some(player) = &mut self.sounding else { return };
        self.mix.clear();
        self.mix.resize(said.len(), 0);
        let goes_on = player.add_to(&mut self.mix);
        for (place, sample) in said.iter_mut().zip(&self.mix) {
            *place = (sample * GAIN).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        }
        if !goes_on {
            self.sounding = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the far end hears of a hundred keys pressed every 200 ms into a room that hums.
    fn line(keys: &str) -> Vec<i16> {
        let (mut pressed, mut line) = (Keys::default(), Vec::new());
        for key in keys.chars() {
            pressed.press(key);
            for _ in 0..20 {
                let mut slice = [700_i16; 480];
                pressed.replace(&mut slice);
                line.extend(slice);
            }
        }
        line
    }

    /// The power of `pcm` at `hertz` (Goertzel's sum), as a share of all.
    fn share(pcm: &[i16], hertz: f64) -> f64 {
        let (mut re, mut im, mut power) = (0.0, 0.0, 1.0);
        for (n, sample) in pcm.iter().enumerate() {
            let angle = std::f64::consts::TAU * hertz * n as f64 / 48_000.0;
            re += f64::from(*sample) * angle.cos();
            im += f64::from(*sample) * angle.sin();
            power += f64::from(*sample).powi(2);
        }
        2.0 * (re * re + im * im) / (pcm.len() as f64 * power)
    }

    fn detected(pcm: &[i16]) -> Option<char> {
        let loudest = |tones: [f64; 4]| (0..4).find(|row| share(pcm, tones[*row]) > 0.3);
        let row = loudest([697.0, 770.0, 852.0, 941.0])?;
        let column = loudest([1209.0, 1336.0, 1477.0, 1633.0])?;
        "123A456B789C*0#D".chars().nth(row * 4 + column)
    }

    #[test]
    fn of_a_hundred_keys_as_sound_every_one_is_heard() {
        let keys: String = "0123456789*#ABCD".chars().cycle().take(100).collect();
        let line = line(&keys);
        let heard: String = line.chunks(9_600).filter_map(|key| detected(&key[..5_500])).collect();
        assert_eq!(heard, keys);
    }

    #[test]
    fn between_two_keys_the_far_end_hears_the_room_for_seventy_milliseconds() {
        let line = line("11");
        // One slice of silence tells that the key is over.
        assert!(line[5_760..6_240].iter().all(|sample| *sample == 0));
        assert!(line[6_240..9_600].iter().all(|sample| *sample == 700));
        assert!(share(&line[9_600..15_000], 697.0) > 0.3);
    }
}
