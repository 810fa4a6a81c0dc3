//! What must be so, in plain sentences.

use std::time::Duration;
use toestel_proto::phone::{CallState, Command};
use toestel_sim::{Setup, World};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn dial(target: &str) -> Command {
    Command::Dial {
        target: target.to_owned(),
        account: None,
    }
}

/// All phones are registered.
fn registered(setup: Setup) -> World {
    let mut world = World::new(7, setup);
    let phones = world.hosts.len();
    assert!(world.run_until(seconds(10), |world| (0..phones).all(|phone| world.is_reachable(phone))));
    world
}

#[test]
fn two_phones_talk_and_hang_up() {
    let mut world = registered(Setup::default());
    world.command(0, dial("1002")).unwrap();
    world.run(seconds(1));
    assert_eq!(world.state(0), Some(CallState::Ringing));
    assert_eq!(world.state(1), Some(CallState::Ringing));
    world.command(1, Command::Answer { call: None }).unwrap();
    world.run(seconds(1));
    assert_eq!(world.state(0), Some(CallState::Active));
    assert_eq!(world.state(1), Some(CallState::Active));
    world.command(0, Command::Hangup { call: None }).unwrap();
    world.run(seconds(40));
    assert_eq!(world.state(0), None);
    assert_eq!(world.state(1), None);
    assert!(world.hosts.iter().all(|host| host.phone.is_quiet()));
    assert_eq!(world.exchange.unfinished(), 0);
    world.assert_sound();
}
