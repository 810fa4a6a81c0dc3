//! Calls that change hands among three phones, in fine weather and in bad.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "test equipment: where it breaks, the test must stop"
)]

use std::time::Duration;
use toestel_proto::account_config::Transport;
use toestel_proto::codec::MediaPolicy;
use toestel_proto::phone::{CallState, Command, Others};
use toestel_sim::network::Weather;
use toestel_sim::{Setup, World};

const ANSWER: Command = Command::Answer {
    call: None,
    others: Others::Hold,
};
const ACCEPT: Command = Command::AcceptTransfer { call: None };

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Three phones, of which the first called the second and talks with it.
fn office(seed: u64, setup: Setup) -> World {
    let mut world = World::new(seed, Setup { phones: 3, ..setup });
    wait(&mut world, |world| (0..3).all(|phone| world.is_reachable(phone)));
    let target = "1002".to_owned();
    world.command(0, Command::Dial { target, account: None }).unwrap();
    wait(&mut world, |world| world.state(1) == Some(CallState::Ringing));
    world.command(1, ANSWER).unwrap();
    wait(&mut world, |world| talk(world, 0, 1));
    world
}

fn wait(world: &mut World, done: impl Fn(&World) -> bool) {
    let came = world.run_until(seconds(90), &done);
    let states: Vec<_> = (0..3).map(|phone| world.hosts[phone].live_calls(world.now)).collect();
    assert!(came, "it did not happen; there is {states:?}");
}

/// Two phones have one call, with each other.
fn talk(world: &World, one: usize, other: usize) -> bool {
    let hears = |here: usize, there: usize| {
        let call = world.hosts[here].only_call(world.now);
        let call = call.filter(|call| call.state == CallState::Active);
        call.and_then(|call| world.talker(here, call.id))
            .is_some_and(|(phone, _)| phone == there)
    };
    hears(one, other) && hears(other, one)
}

fn is_idle(world: &World, phone: usize) -> bool {
    world.hosts[phone].live_calls(world.now).is_empty()
}

/// Waits until the phone has been asked whether it may be transferred, and says this.
fn decide(world: &mut World, phone: usize, command: &Command) {
    let decided = (0..60).any(|_| {
        let is_asked = world.command(phone, command.clone()).is_ok();
        if !is_asked {
            world.run(seconds(1));
        }
        is_asked
    });
    assert!(decided, "nobody was asked");
}

/// Nothing is left behind by anybody.
fn ends_clean(mut world: World) {
    for phone in 0..3 {
        world.command(phone, Command::Hangup { call: None }).unwrap();
    }
    world.run(seconds(100));
    wait(&mut world, |world| world.hosts.iter().all(|host| host.phone.is_quiet()));
    assert!(world.hosts.iter().all(|host| host.phone.load().calls == 0));
    assert_eq!(world.exchange.unfinished(), 0);
    world.assert_sound();
}

/// What the tests are run in: every transport, and datagrams that get lost, come twice and overtake each other.
fn worlds() -> Vec<(u64, Setup)> {
    let plain = |transport| Setup {
        transport,
        media: MediaPolicy::Off,
        ..Setup::default()
    };
    let bad = Weather {
        loss: 8,
        duplication: 4,
        delay: (Duration::from_millis(5), Duration::from_millis(120)),
    };
    let in_bad_weather = |seed| {
        let setup = Setup {
            weather: bad,
            ..plain(Transport::Udp)
        };
        (seed, setup)
    };
    let fine = [
        (1, Setup::default()),
        (2, plain(Transport::Tcp)),
        (3, plain(Transport::Udp)),
    ];
    fine.into_iter().chain((10..30).map(in_bad_weather)).collect()
}

#[test]
fn whoever_is_sent_on_talks_with_the_third_and_nothing_is_left_with_us() {
    for (seed, setup) in worlds() {
        println!("seed {seed}");
        let mut world = office(seed, setup);
        let target = "1003".to_owned();
        world.command(0, Command::Transfer { call: None, target }).unwrap();
        decide(&mut world, 1, &ACCEPT);
        wait(&mut world, |world| world.state(2) == Some(CallState::Ringing));
        world.command(2, ANSWER).unwrap();
        wait(&mut world, |world| is_idle(world, 0) && talk(world, 1, 2));
        ends_clean(world);
    }
}

#[test]
fn after_a_word_with_the_third_the_two_others_talk() {
    for (seed, setup) in worlds() {
        println!("seed {seed}");
        let mut world = office(seed, setup);
        let target = "1003".to_owned();
        world.command(0, Command::Consult { call: None, target }).unwrap();
        wait(&mut world, |world| world.state(2) == Some(CallState::Ringing));
        world.command(2, ANSWER).unwrap();
        wait(&mut world, |world| {
            world.hosts[0]
                .live_calls(world.now)
                .iter()
                .all(|call| call.answered_ms_ago.is_some())
        });
        world.command(0, Command::Join { call: None, with: None }).unwrap();
        decide(&mut world, 1, &ACCEPT);
        wait(&mut world, |world| is_idle(world, 0) && talk(world, 1, 2));
        ends_clean(world);
    }
}

#[test]
fn whoever_does_not_want_to_be_sent_on_comes_back() {
    for (seed, setup) in worlds() {
        println!("seed {seed}");
        let mut world = office(seed, setup);
        let target = "1003".to_owned();
        world.command(0, Command::Transfer { call: None, target }).unwrap();
        decide(&mut world, 1, &Command::RefuseTransfer { call: None });
        wait(&mut world, |world| talk(world, 0, 1));
        assert!(is_idle(&world, 2));
        ends_clean(world);
    }
}

#[test]
fn whoever_meets_a_busy_line_comes_back() {
    for (seed, setup) in worlds() {
        println!("seed {seed}");
        let mut world = office(seed, setup);
        let target = toestel_sim::numbers::BUSY.to_owned();
        world.command(0, Command::Transfer { call: None, target }).unwrap();
        decide(&mut world, 1, &ACCEPT);
        wait(&mut world, |world| talk(world, 0, 1));
        ends_clean(world);
    }
}
