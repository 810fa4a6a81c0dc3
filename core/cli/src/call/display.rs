//! What a person sees of a call: a line for each thing that happens, and, on a terminal, one line that stays alive.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::Duration;
use toestel_core::{CallState, Codec, Levels, MediaStats, Suite};

/// Below this a level meter is empty, in dB below overload.
const FLOOR_DB: f32 = -60.0;
const METER_WIDTH: u16 = 10;
/// Without a terminal the figures come as lines, this often.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub struct Display {
    /// JSON is for programs: people's lines go to standard error then.
    to_stderr: bool,
    terminal: bool,
    live: Cell<bool>,
    next_line: Cell<Duration>,
}

impl Display {
    /// A display that leaves standard output to `--json` if `json`.
    pub fn new(json: bool) -> Self {
        let terminal = if json {
            std::io::stderr().is_terminal()
        } else {
            std::io::stdout().is_terminal()
        };
        Self {
            to_stderr: json,
            terminal,
            live: Cell::new(false),
            next_line: Cell::new(LINE_EVERY),
        }
    }

    /// Something happened.
    pub fn line(&self, text: &str) {
        let clear = if self.live.replace(false) { "\r\x1b[2K" } else { "" };
        self.write(&format!("{clear}{text}\n"));
    }

    /// The call changed its state.
    pub fn state(&self, state: CallState, code: Option<u16>, reason: Option<&str>) {
        let text = match (state, reason) {
            (CallState::Dialing, _) => "Calling …".to_owned(),
            (CallState::Ringing, _) => "It rings.".to_owned(),
            (CallState::Early, _) => "There is sound before the answer.".to_owned(),
            (CallState::Active, _) => "Answered. Ctrl-C hangs up.".to_owned(),
            (CallState::Held, _) => "On hold.".to_owned(),
            (CallState::Ended, Some(reason)) => match code {
                Some(code) => format!("The call is over ({code}). {reason}"),
                None => format!("The call is over. {reason}"),
            },
            (CallState::Ended, None) => "The call is over.".to_owned(),
        };
        self.line(&text);
    }

    /// What was agreed about the sound.
    pub fn media(&self, suite: Option<Suite>, codec: Codec) {
        match suite {
            Some(suite) => self.line(&format!(
                "Encrypted with {}, spoken in {}.",
                suite.name(),
                codec.encoding_name()
            )),
            None => self.line(&format!("NOT encrypted, spoken in {}.", codec.encoding_name())),
        }
    }

    /// The figures of the moment: a living line on a terminal, a line now and then elsewhere.
    pub fn figures(&self, state: CallState, talked: Duration, stats: &MediaStats, levels: Levels) {
        let text = figures(state, talked, stats, levels);
        if self.terminal {
            self.live.set(true);
            self.write(&format!("\r\x1b[2K{text}"));
        } else if talked >= self.next_line.get() {
            self.next_line.set(talked.saturating_add(LINE_EVERY));
            self.line(&text);
        }
    }

    /// The call is over: what was alive stays as it stands, and the next line is one of its own.
    pub fn end(&self) {
        if self.live.replace(false) {
            self.write("\n");
        }
    }

    /// A display that cannot be written to is no reason to end a call.
    fn write(&self, text: &str) {
        let _ = if self.to_stderr {
            let mut err = std::io::stderr().lock();
            err.write_all(text.as_bytes()).and_then(|()| err.flush())
        } else {
            let mut out = std::io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        };
    }
}

fn figures(state: CallState, talked: Duration, stats: &MediaStats, levels: Levels) -> String {
    let seconds = talked.as_secs();
    let percent = if stats.received == 0 {
        0.0
    } else {
        share(stats.lost, stats.received)
    };
    let delay = stats
        .round_trip_ms
        .map_or_else(|| "–".to_owned(), |ms| format!("{ms:.0} ms"));
    let mos = stats.mos.map_or_else(|| "–".to_owned(), |mos| format!("{mos:.1}"));
    format!(
        "{} {:02}:{:02}  you [{}]  they [{}]  loss {percent:.1} %  jitter {:.0} ms  delay {delay}  MOS {mos}",
        state.name(),
        seconds / 60,
        seconds % 60,
        meter(levels.microphone),
        meter(levels.speaker),
        stats.jitter_ms,
    )
}

#[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
fn share(lost: u64, received: u64) -> f64 {
    100.0 * lost as f64 / lost.saturating_add(received) as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped between none and all"
)]
fn meter(level: f32) -> String {
    let filled = ((1.0 - level / FLOOR_DB).clamp(0.0, 1.0) * f32::from(METER_WIDTH)).round() as usize;
    let empty = usize::from(METER_WIDTH).saturating_sub(filled);
    format!("{}{}", "#".repeat(filled), " ".repeat(empty))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_is_empty_in_silence_and_full_at_overload() {
        assert_eq!(meter(-90.0), "          ");
        assert_eq!(meter(-30.0), "#####     ");
        assert_eq!(meter(0.0), "##########");
    }

    #[test]
    fn the_living_line_holds_every_figure() {
        let stats = MediaStats {
            sent: 50,
            received: 49,
            lost: 1,
            round_trip_ms: Some(31.0),
            mos: Some(4.31),
            ..MediaStats::default()
        };
        let line = figures(CallState::Active, Duration::from_secs(75), &stats, Levels::default());
        for part in ["active 01:15", "loss 2.0 %", "delay 31 ms", "MOS 4.3"] {
            assert!(line.contains(part), "{line}");
        }
    }
}
