//! What shows only with time: a call of twenty minutes, and hundreds of calls in a row. Run by `cargo xtask test long`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use toestel_peers::agent::{Account, Agent, SOON};
use toestel_peers::asterisk::Asterisk;
use toestel_peers::bench::usage::Usage;
use toestel_peers::lab::Lab;
use toestel_peers::sound;

const MINUTE: Duration = Duration::from_secs(60);
/// The speech is this long, and is said again and again.
const SPEECH: usize = 10;
/// What the allocator may keep in reserve, in MiB; 150 calls that leak 14 KiB each are more.
const RESERVE: f64 = 2.0;

/// What a phone holds of the machine.
#[derive(Debug)]
struct Held {
    memory: f64,
    threads: usize,
    files: usize,
}

impl Held {
    fn by(phone: &Agent) -> Self {
        let count = |what: &str| fs::read_dir(format!("/proc/{}/{what}", phone.id())).unwrap().count();
        Self {
            memory: Usage::of(phone.id()).unwrap().rss,
            threads: count("task"),
            files: count("fd"),
        }
    }

    fn has_not_grown_since(&self, before: &Self) {
        println!("before: {before:?}\nafter: {self:?}");
        assert!(self.memory < before.memory + RESERVE);
        assert_eq!((self.threads, self.files), (before.threads, before.files));
    }
}

/// Session timers of 90 s are refreshed, keys are not renewed, the two clocks drift as they do.
#[test]
#[ignore = "twenty minutes"]
fn twenty_minutes_of_talk_neither_drop_nor_fade_nor_grow() {
    const MINUTES: u32 = 20;
    let lab = Lab::new("twenty-minutes");
    let _asterisk = Asterisk::start(&lab);
    let (spoken, heard) = (lab.file("spoken.wav"), lab.file("heard.wav"));
    let (speech, rate) = sound::read_wav(&sound::speech());
    let times = usize::try_from(MINUTES).unwrap() * 60 / SPEECH;
    let length = speech.len() * times;
    sound::write_wav(&spoken, rate, speech.into_iter().cycle().take(length));
    let account = Account::at_asterisk(&lab, "205").with_files(&spoken, &heard);
    let mut phone = Agent::start(&lab, &account);
    phone.event("registered");
    phone.call("600");
    let over = |event: &Value| event["state"] == "ended";
    phone.no_event_where("call", 2 * MINUTE, over);
    let before = Held::by(&phone);
    phone.no_event_where("call", (MINUTES - 2) * MINUTE, over);
    Held::by(&phone).has_not_grown_since(&before);

    let stats = phone.stats();
    println!("{stats}");
    assert!(stats["lost"].as_u64() <= Some(50), "one packet in a thousand: {stats}");
    assert!(phone.quit().success());
    for minute in [0, MINUTES / 2, MINUTES - 1] {
        let score = sound::pesq(&sound::speech(), &ten_seconds_of(&heard, minute));
        println!("PESQ-WB of minute {minute}: {score}");
        assert!(score >= 3.5, "minute {minute}: {score}");
    }
}

/// The first ten seconds of `minute` in a recording, in a file of their own.
fn ten_seconds_of(recording: &Path, minute: u32) -> PathBuf {
    let (samples, rate) = sound::read_wav(recording);
    let second = usize::try_from(rate).unwrap();
    let part = samples
        .into_iter()
        .skip(usize::try_from(minute).unwrap() * 60 * second)
        .take((SPEECH + 1) * second);
    let path = recording.with_file_name(format!("minute-{minute}.wav"));
    sound::write_wav(&path, rate, part);
    path
}

#[test]
#[ignore = "hundreds of calls"]
fn hundreds_of_calls_leave_nothing_behind() {
    let lab = Lab::new("soak");
    let asterisk = Asterisk::start(&lab);
    let mut phone = Agent::start(&lab, &Account::at_asterisk(&lab, "201"));
    phone.event("registered");
    let began = Instant::now();
    let mut calls = |count: usize| {
        for _ in 0..count {
            let call = phone.call("600");
            phone.stats_where(SOON, |stats| stats["received"].as_u64() > Some(5));
            phone.order("hangup");
            phone.call_is(call, "ended");
        }
        settled(&phone)
    };
    let before = calls(300);
    let after = calls(150);
    println!("450 calls in {:.0} s", began.elapsed().as_secs_f64());
    after.has_not_grown_since(&before);
    assert!(asterisk.command("core show channels").contains("0 active channels"));
    assert_eq!(asterisk.contacts("201"), 1);
    assert!(phone.quit().success());
}

/// What is held once the last call's thread, sockets and transactions (timers D and M: 32 s) are gone.
fn settled(phone: &Agent) -> Held {
    thread::sleep(Duration::from_secs(45));
    Held::by(phone)
}
