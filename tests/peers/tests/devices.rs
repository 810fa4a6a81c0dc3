//! Real device streams: the phone speaks and hears through PulseAudio's null devices.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use toestel_peers::agent::{Account, Agent, SOON};
use toestel_peers::asterisk::Asterisk;
use toestel_peers::lab::Lab;
use toestel_peers::process::Process;
use toestel_peers::pulse::Pulse;
use toestel_peers::sound;

#[test]
fn speech_goes_in_at_the_microphone_and_the_echo_comes_out_of_the_speaker() {
    let lab = Lab::new("pulse");
    let _asterisk = Asterisk::start(&lab);
    let pulse = Pulse::start(&lab);
    let account = Account {
        audio: "device".into(),
        ..Account::at_asterisk(&lab, "201")
    };
    let mut phone = Agent::start_with(&lab, &account, &[pulse.variable()]);
    phone.event("registered");
    phone.call("600");
    phone.stats_where(SOON, |stats| stats["received"].as_u64() > Some(100));

    let heard = lab.file("speaker.wav");
    let (variable, socket) = pulse.variable();
    let mut ear = Command::new("parecord");
    ear.args([
        "--device=speaker.monitor",
        "--rate=48000",
        "--channels=1",
        "--file-format=wav",
    ])
    .arg(&heard);
    let ear = Process::start("parecord", ear.env(variable, &socket), &lab.file("parecord.log"));
    let mut mouth = Command::new("paplay");
    mouth.arg("--device=mouth").arg(sound::speech()).env(variable, &socket);
    let spoke = mouth
        .stdin(Stdio::null())
        .stderr(File::create(lab.file("paplay.log")).unwrap())
        .status();
    assert!(spoke.unwrap().success());
    std::thread::sleep(Duration::from_secs(2));
    ear.interrupt();

    let score = sound::pesq(&sound::speech(), &heard);
    println!("PESQ-WB through real devices: {score}");
    assert!(score >= 3.0, "{score}");
    assert!(phone.quit().success());
}
