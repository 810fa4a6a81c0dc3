//! The measurements, one function for each group of rows.

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Extent;
use super::delay::delays;
use super::ear::{Ear, RATE};
use super::phone::{Kind, Phone};
use super::report::{Report, Row};
use super::usage::load;
use crate::asterisk::Asterisk;
use crate::lab::{Lab, PBX};
use crate::process::{Log, Process, poll};
use crate::pulse::Pulse;
use crate::sound;

const ECHO: &str = "600";
const SPEECH: &str = "602";
const TONE: &str = "610";
/// How long a phone may take for anything that the others do in a second. linphonec waits 14 s for a password at worst.
const PATIENCE: Duration = Duration::from_secs(20);
/// After this time a phone that has registered, dialled or hung up does nothing more on that account.
const REST: Duration = Duration::from_secs(2);
/// What a call takes until its sound is steady.
const SETTLED: Duration = Duration::from_secs(4);
const DAY: f64 = 86_400.0;

/// A name, the rows that belong to it, and who measures them.
type Group = (&'static str, &'static [Row], fn(&mut Bench));

/// The lab with everything in it that is not a phone.
pub struct Bench {
    lab: Arc<Lab>,
    asterisk: Asterisk,
    pulse: Pulse,
    ear: Ear,
    mouth: Ear,
    extent: Extent,
    report: Report,
}

impl Bench {
    /// Starts Asterisk and PulseAudio, and a listener at both sinks.
    pub fn new(extent: Extent) -> Self {
        let lab = Lab::new("bench");
        // linphonec takes a machine without a way out for one without a network.
        lab.home.ip(&["route", "add", "default", "via", PBX]);
        let asterisk = Asterisk::start_known_by(&lab, Some(PBX));
        // The sound server and all phones alike run a little before the machine's other work, as Asterisk does.
        if let Err(error) = rustix::process::setpriority_process(None, -10) {
            eprintln!("bench: runs at ordinary priority: {error}");
        }
        let pulse = Pulse::start(&lab);
        Self {
            ear: Ear::at(&pulse, "speaker"),
            mouth: Ear::at(&pulse, "mouth"),
            lab,
            asterisk,
            pulse,
            extent,
            report: Report::default(),
        }
    }

    /// Measures everything that the extent asks for.
    pub fn run(mut self) -> Report {
        let groups: [Group; 5] = [
            ("start", &[Row::Start], Self::starts),
            ("click", &[Row::Dial, Row::Click], Self::clicks),
            (
                "idle",
                &[Row::IdleWakeups, Row::IdleCpu, Row::IdleRss, Row::IdlePss],
                Self::idle,
            ),
            (
                "call",
                &[
                    Row::CallCpu,
                    Row::CallWakeups,
                    Row::CallRss,
                    Row::CallPss,
                    Row::RoundTrip,
                ],
                Self::calls,
            ),
            ("pesq", &[Row::Pesq], Self::scores),
        ];
        for (name, rows, measure) in groups {
            if !self.extent.wants(name) {
                continue;
            }
            eprintln!("bench: {name}");
            let before = load();
            measure(&mut self);
            for row in rows {
                self.report.note_load(*row, before.max(load()));
            }
        }
        self.report
    }

    /// Cold processes with warm files, in turns, so that a busy moment meets all alike.
    fn starts(&mut self) {
        for run in 0..=self.extent.runs {
            for kind in Kind::ALL {
                let (phone, taken) = self.registered(kind);
                // The first start of each reads its files from the disk.
                if run > 0 {
                    self.report.add(Row::Start, kind, [taken * 1000.0]);
                }
                sleep(Duration::from_millis(300));
                phone.quit();
                sleep(Duration::from_millis(300));
            }
        }
    }

    fn clicks(&mut self) {
        let mut phones = Kind::ALL.map(|kind| (kind, self.registered(kind).0));
        sleep(REST);
        for _ in 0..self.extent.runs {
            for (kind, phone) in &mut phones {
                let log = self.asterisk.log();
                self.ear.forget();
                let (clicked, wall) = (Instant::now(), SystemTime::now());
                phone.dial(TONE);
                let heard = self.ear.first_loud(PATIENCE);
                let dialled = executed(&log, TONE, *kind).map(|at| passed(wall, at) * 1000.0);
                let heard = heard.map(|at| at.saturating_duration_since(clicked).as_secs_f64() * 1000.0);
                self.report.add(Row::Dial, *kind, dialled);
                self.report.add(Row::Click, *kind, heard);
                sleep(REST / 2);
                phone.hang_up();
                sleep(REST);
            }
        }
        phones.into_iter().for_each(|(_, phone)| phone.quit());
    }

    /// All at once: a phone that idles disturbs no other.
    fn idle(&mut self) {
        let phones = Kind::ALL.map(|kind| (kind, self.registered(kind).0));
        sleep(SETTLED);
        let phones = phones.map(|(kind, phone)| {
            let before = phone.usage();
            (kind, phone, before)
        });
        sleep(self.extent.window);
        for (kind, phone, before) in phones {
            let after = phone.usage();
            let rate = after.since(&before);
            self.report.add(Row::IdleWakeups, kind, [rate.wakeups]);
            self.report.add(Row::IdleCpu, kind, [rate.cpu]);
            self.report.add(Row::IdleRss, kind, [after.rss]);
            self.report.add(Row::IdlePss, kind, [after.pss]);
            phone.quit();
        }
    }

    fn calls(&mut self) {
        for kind in Kind::ALL {
            let mut phone = self.registered(kind).0;
            sleep(REST);
            let log = self.asterisk.log();
            phone.dial(ECHO);
            if executed(&log, ECHO, kind).is_none() {
                eprintln!("bench: {} does not call:\n{}", kind.name(), phone.printed());
                continue;
            }
            let speaking = self.speak(SETTLED * 2 + self.extent.window);
            sleep(SETTLED);
            self.ear.forget();
            self.mouth.forget();
            let before = phone.usage();
            sleep(self.extent.window);
            let after = phone.usage();
            let rate = after.since(&before);
            self.report.add(Row::CallCpu, kind, [rate.cpu]);
            self.report.add(Row::CallWakeups, kind, [rate.wakeups]);
            self.report.add(Row::CallRss, kind, [after.rss]);
            self.report.add(Row::CallPss, kind, [after.pss]);
            let trips = delays(&self.mouth.take(), &self.ear.take());
            self.report.add(Row::RoundTrip, kind, trips);
            drop(speaking);
            phone.hang_up();
            sleep(REST);
            phone.quit();
        }
    }

    fn scores(&mut self) {
        for number in 0..self.extent.scored {
            for kind in Kind::ALL {
                let mut phone = self.registered(kind).0;
                sleep(REST);
                let log = self.asterisk.log();
                self.ear.forget();
                phone.dial(SPEECH);
                let over = || (log.count("BYE sip:") > 0).then_some(());
                poll(PATIENCE, over);
                sleep(REST);
                let name = format!("heard-{}-{number}.wav", kind.name());
                let file = match &self.extent.keep {
                    Some(folder) => folder.join(name),
                    None => self.lab.file(&name),
                };
                sound::write_wav(&file, RATE, self.ear.take().samples.into_iter());
                let score = sound::pesq_if_heard(&sound::speech(), &file);
                self.report.add(Row::Pesq, kind, score);
                phone.quit();
            }
        }
    }

    /// Starts a phone and waits until Asterisk has its binding; says how long that took, in seconds.
    fn registered(&self, kind: Kind) -> (Phone, f64) {
        let log = self.asterisk.log();
        let phone = Phone::start(&self.lab, &self.pulse, kind);
        let bound = format!("to AOR '{}'", kind.user());
        let added = poll(PATIENCE, || {
            let text = log.text();
            let line = text
                .lines()
                .find(|line| line.contains("Added contact") && line.contains(&bound))?;
            time_of(line)
        });
        let Some(added) = added else {
            panic!("{} does not register:\n{}", kind.name(), phone.printed());
        };
        let taken = passed(phone.started, added);
        (phone, taken)
    }

    /// Speaks into the microphone for so long, over and over again.
    fn speak(&self, length: Duration) -> Process {
        let (speech, rate) = sound::read_wav(&sound::speech());
        let file = self.lab.file("long.wav");
        let samples = length.as_secs() as usize * rate as usize;
        sound::write_wav(&file, rate, speech.into_iter().cycle().take(samples));
        let mut command = self.pulse.command("paplay");
        command.arg("--device=mouth").arg(&file);
        Process::start("paplay", &mut command, &self.lab.file("paplay.log"))
    }
}

/// When the dial plan first did something with the call of `kind` to `number`, in seconds of the day.
fn executed(log: &Log, number: &str, kind: Kind) -> Option<f64> {
    let (step, caller) = (format!("Executing [{number}@lab:1]"), format!("PJSIP/{}-", kind.user()));
    poll(PATIENCE, || {
        let text = log.text();
        let line = text
            .lines()
            .find(|line| line.contains(&step) && line.contains(&caller))?;
        time_of(line)
    })
}

/// The time of a line of Asterisk's log, `[2026-01-31 12:34:56.789012] …`, in seconds of the day.
fn time_of(line: &str) -> Option<f64> {
    let time = line.strip_prefix('[')?.split(']').next()?.split(' ').nth(1)?;
    time.split(':')
        .try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))
}

/// The seconds from `start` to a second of the day, both UTC.
fn passed(start: SystemTime, second: f64) -> f64 {
    let start = start.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    (second - start).rem_euclid(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_between_a_start_and_a_line_of_the_log_may_pass_midnight() {
        let line = "[2026-01-01 00:00:00.250000] VERBOSE[12] res_pjsip_registrar.c: Added contact";
        let start = UNIX_EPOCH + Duration::from_millis(20_454 * 86_400_000 - 500);
        assert!((passed(start, time_of(line).unwrap()) - 0.75).abs() < 1e-4);
        assert_eq!(time_of("no time"), None);
    }
}
