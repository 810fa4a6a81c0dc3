//! What is heard: speech through Asterisk's echo and back, on a clean line and on a bad one.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use toestel_peers::agent::{Account, Agent};
use toestel_peers::asterisk::Asterisk;
use toestel_peers::cable::{self, Cable, Impairment};
use toestel_peers::lab::Lab;
use toestel_peers::sound;

/// The speech, and the way there and back.
const CALL: Duration = Duration::from_secs(12);

#[test]
fn speech_comes_back_clear_on_a_clean_line_and_worse_on_a_bad_one() {
    let lab = Lab::new("quality");
    let _asterisk = Asterisk::start(&lab);
    let line = Cable::lay(&lab.home, &lab.pbx, 11);
    let delay = Impairment {
        delay: Duration::from_millis(20),
        udp_only: true,
        ..Impairment::default()
    };

    line.impair(delay, delay);
    let clean = echo_score(&lab, "clean");
    let lossy = Impairment {
        loss_percent: 10.0,
        ..delay
    };
    line.impair(delay, lossy);
    let bad = echo_score(&lab, "bad");

    let [_, to_phone] = line.counts();
    println!(
        "PESQ-WB: clean {clean}, 10 % loss {bad}; the cable was {:?} late at worst",
        to_phone.latest
    );
    assert!(to_phone.lost > 20, "the line lost only {} packets", to_phone.lost);
    assert!(clean >= 3.5, "clean: {clean}");
    assert!(
        bad < clean - 0.5,
        "10 % loss: {bad}, against {clean} without; does it hear the line at all?"
    );
}

#[test]
fn speech_of_the_exchange_is_recorded_from_the_first_frame() {
    let lab = Lab::new("prompt");
    let _asterisk = Asterisk::start(&lab);
    let heard = lab.file("prompt.wav");
    let account = Account::at_asterisk(&lab, "201").with_files(&sound::speech(), &heard);
    let mut phone = Agent::start(&lab, &account);
    phone.event("registered");
    let call = phone.call("602");
    phone.call_is_within(call, "ended", Duration::from_secs(20));
    assert!(phone.quit().success());
    let score = sound::pesq(&sound::speech(), &heard);
    println!("PESQ-WB of the exchange's speech: {score}");
    assert!(score >= 3.5, "{score}");
}

/// Speaks into the echo for the length of the speech and scores what came back.
fn echo_score(lab: &Lab, name: &str) -> f64 {
    let heard: PathBuf = lab.file(&format!("{name}.wav"));
    let account = Account {
        server: format!("{}:5061", cable::SERVER),
        ..Account::at_asterisk(lab, "201").with_files(&sound::speech(), &heard)
    };
    let mut phone = Agent::start_in(lab, &lab.home, &account, name);
    phone.event("registered");
    phone.call("600");
    thread::sleep(CALL);
    assert!(phone.quit().success());
    assert!(
        fs::metadata(&heard).is_ok_and(|file| file.len() > 44),
        "nothing was recorded"
    );
    sound::pesq(&sound::speech(), &heard)
}
