//! The equipment proves itself, without our phone: what fails here is not the phone's fault.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::time::Duration;

use toestel_peers::asterisk::Asterisk;
use toestel_peers::baresip::{Baresip, Server};
use toestel_peers::cable::{self, Cable, Impairment};
use toestel_peers::kamailio::Kamailio;
use toestel_peers::lab::Lab;
use toestel_peers::process::poll;
use toestel_peers::pulse::Pulse;
use toestel_peers::sound;

const SOON: Duration = Duration::from_secs(15);

#[test]
fn baresip_registers_at_asterisk_over_tls_and_hears_the_echo() {
    let lab = Lab::new("rig-echo");
    let asterisk = Asterisk::start(&lab);
    let mut baresip = Baresip::start(&lab, Server::Asterisk, "201", true);
    assert!(asterisk.knows("201"), "{}", asterisk.command("pjsip show contacts"));

    let log = asterisk.log();
    baresip.dial("600");
    baresip.event("CALL_ESTABLISHED", SOON);
    log.wait("Executing [600@lab:2] Echo", SOON);
    let both_ways = poll(SOON, || {
        asterisk
            .packets()
            .filter(|(received, sent)| *received > 50 && *sent > 50)
    });
    assert!(both_ways.is_some(), "{}", asterisk.command("pjsip show channelstats"));
    assert!(log.count("a=crypto:") > 0, "the call was not encrypted");

    baresip.hang_up();
    baresip.event("CALL_CLOSED", SOON);
}

#[test]
fn asterisk_calls_baresip_back() {
    let lab = Lab::new("rig-back");
    let _asterisk = Asterisk::start(&lab);
    let mut baresip = Baresip::start(&lab, Server::Asterisk, "202", true);
    baresip.dial("601");
    baresip.event("CALL_ESTABLISHED", SOON);
    baresip.event("CALL_CLOSED", SOON);
    baresip.event("CALL_ESTABLISHED", SOON);
}

#[test]
fn asterisk_that_was_killed_comes_back_and_has_forgotten_the_flows() {
    let lab = Lab::new("rig-killed");
    let mut asterisk = Asterisk::start(&lab);
    let _baresip = Baresip::start(&lab, Server::Asterisk, "201", true);
    asterisk.restart();
    assert!(!asterisk.knows("201"), "{}", asterisk.command("pjsip show contacts"));
}

#[test]
fn kamailio_registers_baresip_and_carries_a_call_between_two() {
    let lab = Lab::new("rig-kamailio");
    let kamailio = Kamailio::start(&lab);
    let mut caller = Baresip::start_in(&lab, &lab.home, Server::Kamailio, "301", true);
    let mut callee = Baresip::start(&lab, Server::Kamailio, "302", true);
    let known = kamailio.registrations();
    assert!(known.contains("301") && known.contains("302"), "{known}");
    caller.dial("302");
    callee.event("CALL_ESTABLISHED", SOON);
    caller.event("CALL_ESTABLISHED", SOON);
    caller.hang_up();
    callee.event("CALL_CLOSED", SOON);
}

#[test]
fn pulseaudio_offers_a_microphone_and_a_speaker() {
    let lab = Lab::new("rig-pulse");
    let pulse = Pulse::start(&lab);
    let list = |what: &str| toestel_peers::cache::output(&mut pulse.control(&["list", "short", what]));
    assert!(list("sources").contains("microphone"));
    assert!(list("sinks").contains("speaker"));
}

#[test]
fn the_cable_loses_what_it_is_told_to_and_the_same_again_from_the_same_seed() {
    let lab = Lab::new("rig-cable");
    let lost = |seed| {
        let cable = Cable::lay(&lab.home, &lab.pbx, seed);
        let impairment = Impairment {
            loss_percent: 10.0,
            delay: Duration::from_millis(5),
            ..Impairment::default()
        };
        cable.impair(impairment, Impairment::default());
        send_through(&lab, 1000);
        let [to_server, _] = poll(SOON, || Some(cable.counts()).filter(|[there, _]| there.seen >= 1000)).unwrap();
        to_server.lost
    };
    let first = lost(7);
    assert!((70..=130).contains(&first), "{first} of 1000 lost, not about 100");
    assert_eq!(lost(7), first);
}

#[test]
fn pesq_tells_good_speech_from_bad() {
    let lab = Lab::new("rig-pesq");
    let speech = sound::speech();
    let (samples, rate) = sound::read_wav(&speech);
    assert_eq!((samples.len(), rate), (160_000, 16_000));
    let same = sound::pesq(&speech, &speech);
    assert!(same > 4.6, "speech against itself scores {same}");

    let broken = lab.file("broken.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&broken, spec).unwrap();
    for (index, sample) in samples.iter().enumerate() {
        // One frame of 20 ms in ten is silent.
        writer
            .write_sample(if (index / 320) % 10 == 0 { 0 } else { *sample })
            .unwrap();
    }
    writer.finalize().unwrap();
    let worse = sound::pesq(&speech, &broken);
    assert!(worse < 2.5, "speech with gaps scores {worse}");
}

/// Sends `packets` datagrams over the cable, one after the other.
fn send_through(lab: &Lab, packets: usize) {
    lab.home.enter(|| {
        let socket = std::net::UdpSocket::bind((cable::PHONE, 0)).unwrap();
        for _ in 0..packets {
            socket.send_to(b"packet", (cable::SERVER, 9)).unwrap();
            std::thread::sleep(Duration::from_micros(300));
        }
    });
}
