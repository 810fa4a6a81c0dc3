//! What must be so, in plain sentences.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "test equipment: where it breaks, the test must stop"
)]

use std::time::Duration;
use toestel_proto::account::AccountMemory;
use toestel_proto::account_config::Transport;
use toestel_proto::codec::MediaPolicy;
use toestel_proto::phone::{CallState, Command, HeldBy, Others};
use toestel_sim::network::Weather;
use toestel_sim::world::{PASSWORD, Server};
use toestel_sim::{Setup, Walk, World};

const ANSWER: Command = Command::Answer {
    call: None,
    others: Others::Hold,
};
const HANG_UP: Command = Command::Hangup { call: None };
const HOLD: Command = Command::Hold { call: None };
const RESUME: Command = Command::Resume { call: None };

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

/// A call that both ends talk in: phone 0 called phone 1.
fn talking(setup: Setup) -> World {
    let mut world = registered(setup);
    world.command(0, dial("1002")).unwrap();
    assert!(world.run_until(seconds(10), |world| world.state(1) == Some(CallState::Ringing)));
    world.command(1, ANSWER).unwrap();
    both_are(&mut world, CallState::Active);
    world.run(seconds(2));
    world
}

/// Both ends come to be in this state within ten seconds.
fn both_are(world: &mut World, state: CallState) {
    let reached = world.run_until(seconds(10), |world| {
        (0..2).all(|phone| world.state(phone) == Some(state))
    });
    assert!(reached, "{:?} and {:?}, not {state:?}", world.state(0), world.state(1));
}

/// Both ends hear each other: keys and addresses match.
fn both_hear(world: &World) -> bool {
    (0..2).all(|phone| {
        let call = world.hosts[phone].only_call(world.now);
        call.is_some_and(|call| world.talker(phone, call.id).is_some())
    })
}

fn nobody_talks(world: &World) -> bool {
    (0..world.hosts.len()).all(|phone| world.hosts[phone].live_calls(world.now).is_empty())
}

fn behind_nat(memory: u64) -> Setup {
    Setup {
        nat_memory: Some(seconds(memory)),
        ..Setup::default()
    }
}

fn by_tcp() -> Setup {
    Setup {
        transport: Transport::Tcp,
        media: MediaPolicy::Off,
        ..Setup::default()
    }
}

/// Ringing and early media have to be acknowledged.
fn reliable(setup: Setup) -> Setup {
    Setup {
        reliable: true,
        ..setup
    }
}

/// A phone and the exchange hear each other: keys and addresses match.
fn hears_exchange(world: &World, phone: usize) -> bool {
    let call = world.hosts[phone].only_call(world.now);
    call.is_some_and(|call| world.hears_exchange(phone, call.id))
}

fn by_datagram() -> Setup {
    Setup {
        transport: Transport::Udp,
        media: MediaPolicy::Off,
        ..Setup::default()
    }
}

#[test]
fn two_phones_talk_and_hang_up() {
    let mut world = registered(Setup::default());
    world.command(0, dial("1002")).unwrap();
    world.run(seconds(1));
    assert_eq!(world.state(0), Some(CallState::Ringing));
    assert_eq!(world.state(1), Some(CallState::Ringing));
    world
        .command(
            1,
            Command::Answer {
                call: None,
                others: Others::Hold,
            },
        )
        .unwrap();
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

#[test]
fn registration_survives_a_six_hour_nat_sleep() {
    let mut world = registered(behind_nat(120));
    world.sleep(1, seconds(6 * 3_600));
    world.run(seconds(6 * 3_600));
    assert!(world.run_until(seconds(5), |world| world.is_reachable(1)));
    let lost = world.run_until(seconds(86_400), |world| !world.is_reachable(0));
    assert!(!lost, "awake behind a NAT for a day");
    world.assert_sound();
}

#[test]
fn a_laptop_that_slept_an_hour_re_registers_at_once() {
    let mut world = registered(Setup::default());
    world.sleep(0, seconds(3_600));
    world.run(seconds(3_600));
    assert!(world.run_until(seconds(1), |world| world.is_reachable(0)));
    world.assert_sound();
}

#[test]
fn a_call_survives_a_path_that_takes_three_seconds() {
    let mut world = registered(Setup::default());
    world.path_delay = seconds(3);
    world.command(0, dial("1002")).unwrap();
    world.run(seconds(2));
    assert_eq!(world.state(1), None, "no offer before the path");
    assert!(world.run_until(seconds(3), |world| world.state(1) == Some(CallState::Ringing)));
    world.command(1, ANSWER).unwrap();
    world.run(seconds(2));
    assert_eq!(world.state(1), Some(CallState::Ringing), "no answer before the path");
    both_are(&mut world, CallState::Active);
    assert!(both_hear(&world));
    world.assert_sound();
}

#[test]
fn a_caller_who_gives_up_before_the_path_is_there_rings_nobody() {
    let mut world = registered(Setup::default());
    world.path_delay = seconds(3);
    world.command(0, dial("1002")).unwrap();
    world.run(seconds(1));
    world.command(0, HANG_UP).unwrap();
    world.run(seconds(40));
    assert!(nobody_talks(&world) && world.hosts[1].told.is_empty());
    world.assert_sound();
}

#[test]
fn a_path_that_changes_in_a_call_is_offered_anew() {
    let mut world = talking(Setup::default());
    let call = world.hosts[0].only_call(world.now).unwrap().id;
    let before = world.hosts[0].paths[&call];
    world.move_path(0, call);
    assert!(world.run_until(seconds(1), |world| world.hosts[0].paths[&call] != before));
    assert!(!both_hear(&world), "the far end cannot know yet");
    assert!(world.run_until(seconds(5), both_hear));
    world.assert_sound();
}

#[test]
fn paths_that_change_at_both_ends_at_once_are_both_offered_anew() {
    let mut world = talking(Setup::default());
    for phone in 0..2 {
        let call = world.hosts[phone].only_call(world.now).unwrap().id;
        world.move_path(phone, call);
    }
    world.run(seconds(1));
    assert!(world.run_until(seconds(15), both_hear));
    world.assert_sound();
}

#[test]
fn everybody_registers_again_after_a_server_restart() {
    let mut world = registered(Setup::default());
    world.restart_exchange(seconds(3));
    assert!(!world.is_reachable(0));
    assert!(world.run_until(seconds(90), |world| (0..2).all(|phone| world.is_reachable(phone))));
    world.assert_sound();
}

#[test]
fn a_call_goes_on_while_the_server_restarts_and_can_be_hung_up_after_it() {
    let mut world = talking(Setup::default());
    world.restart_exchange(seconds(3));
    assert!(world.run_until(seconds(90), |world| (0..2).all(|phone| world.is_reachable(phone))));
    assert!(both_hear(&world));
    world.command(1, HANG_UP).unwrap();
    assert!(world.run_until(seconds(5), nobody_talks));
    world.assert_sound();
}

#[test]
fn wrong_password_is_tried_once() {
    let mut world = registered(Setup::default());
    world.command(1, Command::Unregister { account: None }).unwrap();
    world.run(seconds(2));
    world.hosts[1].memory = AccountMemory::default();
    let before = world.hosts[1].audit.logins;
    world.start_anew(1, "a guess");
    world.run(seconds(86_400));
    assert_eq!(world.hosts[1].audit.logins - before, 1);
    let (reason, retry) = world.hosts[1].unregistered.clone().unwrap();
    assert!(reason.contains("password"), "{reason}");
    assert_eq!(retry, None);
    world.assert_sound();
}

#[test]
fn a_password_that_was_good_before_is_tried_again_after_five_minutes() {
    let mut world = registered(Setup::default());
    world
        .exchange
        .rules
        .users
        .insert("1001".to_owned(), "another".to_owned());
    world.command(0, Command::Register { account: None }).unwrap();
    world.run(seconds(200));
    assert!(!world.is_reachable(0));
    world
        .exchange
        .rules
        .users
        .insert("1001".to_owned(), PASSWORD.to_owned());
    assert!(world.run_until(seconds(300), |world| world.is_reachable(0)));
}

#[test]
fn glare_is_resolved() {
    let mut world = talking(Setup::default());
    world.command(0, HOLD).unwrap();
    world.command(1, HOLD).unwrap();
    let both = |world: &World| {
        (0..2).all(|phone| {
            world.hosts[phone]
                .only_call(world.now)
                .is_some_and(|call| call.held_by == HeldBy::Both)
        })
    };
    assert!(world.run_until(seconds(10), both));
    world.command(0, RESUME).unwrap();
    world.command(1, RESUME).unwrap();
    both_are(&mut world, CallState::Active);
    world.assert_sound();
}

#[test]
fn who_waits_out_a_491_takes_the_other_sides_offer_in_the_meantime() {
    for seed in 0..20 {
        let mut world = World::new(seed, Setup::default());
        assert!(world.run_until(seconds(10), |world| (0..2).all(|phone| world.is_reachable(phone))));
        world.command(0, dial("1002")).unwrap();
        world.run(seconds(1));
        world.command(1, ANSWER).unwrap();
        world.run(seconds(1));
        world.command(0, HOLD).unwrap();
        world.command(1, HOLD).unwrap();
        world.run(seconds(10));
        for host in &world.hosts {
            assert_eq!(host.only_call(world.now).unwrap().held_by, HeldBy::Both, "seed {seed}");
            assert!(host.warnings.is_empty(), "seed {seed}: {:?}", host.warnings);
        }
    }
}

#[test]
fn hold_stops_the_held_ends_sound_and_resume_brings_it_back() {
    let mut world = talking(Setup::default());
    world.command(0, HOLD).unwrap();
    both_are(&mut world, CallState::Held);
    let sends = |world: &World, phone: usize| world.hosts[phone].plans.values().all(|plan| plan.direction.sends());
    assert!(!sends(&world, 1));
    world.command(0, RESUME).unwrap();
    both_are(&mut world, CallState::Active);
    assert!(sends(&world, 0) && sends(&world, 1));
    world.assert_sound();
}

#[test]
fn an_ack_that_is_lost_is_sent_again() {
    let mut world = registered(by_datagram());
    world.command(0, dial("1002")).unwrap();
    world.run(seconds(1));
    world.command(1, ANSWER).unwrap();
    both_are(&mut world, CallState::Active);
    world.weather.loss = 100;
    world.run(Duration::from_millis(100));
    world.weather.loss = 0;
    world.run(seconds(60));
    both_are(&mut world, CallState::Active);
    world.assert_sound();
}

#[test]
fn calls_by_datagram_get_through_a_network_that_loses_a_fifth() {
    let mut setup = by_datagram();
    setup.weather.loss = 20;
    let mut world = World::new(3, setup);
    assert!(world.run_until(seconds(120), |world| (0..2).all(|phone| world.is_reachable(phone))));
    for _ in 0..20 {
        world.command(0, dial("1002")).unwrap();
        assert!(world.run_until(seconds(30), |world| world.state(1) == Some(CallState::Ringing)));
        world.command(1, ANSWER).unwrap();
        let talk = |world: &World| (0..2).all(|phone| world.state(phone) == Some(CallState::Active));
        assert!(world.run_until(seconds(30), talk));
        world.command(1, HANG_UP).unwrap();
        assert!(world.run_until(seconds(40), nobody_talks));
    }
    world.assert_sound();
}

#[test]
fn a_phone_takes_the_second_server_when_the_first_is_silent() {
    for setup in [Setup::default(), by_datagram()] {
        let mut world = registered(setup);
        world.servers[0] = Server::Silent;
        world.change_network(0);
        assert!(world.run_until(seconds(60), |world| world.is_reachable(0)));
        world.assert_sound();
    }
}

#[test]
fn a_connection_that_dies_silently_is_noticed_within_its_keep_alive() {
    let mut world = registered(Setup::default());
    world.silence_flow(0);
    assert!(!world.is_reachable(0));
    assert!(world.run_until(seconds(140), |world| world.is_reachable(0)));
    world.assert_sound();
}

#[test]
fn a_nat_that_forgets_a_datagrams_port_is_noticed() {
    let mut world = registered(Setup {
        nat_memory: Some(seconds(60)),
        ..by_datagram()
    });
    world.run(seconds(30));
    world.forget_nat(0);
    assert!(!world.is_reachable(0));
    assert!(world.run_until(seconds(60), |world| world.is_reachable(0)));
    world.assert_sound();
}

/// By datagram behind NATs, at a moment when every phone knows under which port it is seen.
fn seen_behind_nat() -> World {
    let mut world = registered(Setup {
        nat_memory: Some(seconds(60)),
        ..by_datagram()
    });
    world.run(seconds(30));
    world
}

/// The NAT in front of a phone forgets, and a REGISTER is the first to go out by the new port.
fn forget_and_register(world: &mut World, phone: usize) {
    world.forget_nat(phone);
    world.command(phone, Command::Register { account: None }).unwrap();
    assert!(world.run_until(seconds(1), |world| world.is_reachable(phone)));
}

#[test]
fn a_call_that_rings_or_is_talked_outlives_a_new_port_at_either_end() {
    for moved in 0..2 {
        let mut world = seen_behind_nat();
        forget_and_register(&mut world, moved);
        world.command(0, dial("1002")).unwrap();
        world.run(seconds(30));
        assert_eq!(world.state(0), Some(CallState::Ringing), "phone {moved} has moved");
        assert_eq!(world.state(1), Some(CallState::Ringing), "phone {moved} has moved");
        forget_and_register(&mut world, moved);
        world.command(1, ANSWER).unwrap();
        world.run(seconds(50));
        both_are(&mut world, CallState::Active);
        assert!(world.hosts.iter().all(|host| host.unregistered.is_none()));
        world.assert_sound();
    }
}

#[test]
fn a_port_that_the_registrar_knows_already_is_not_registered_once_more() {
    let mut world = seen_behind_nat();
    forget_and_register(&mut world, 0);
    let before = world.hosts[0].audit.registers;
    world.run(seconds(60));
    assert_eq!(world.hosts[0].audit.registers, before);
}

#[test]
fn a_refused_registration_does_not_cost_the_binding_at_a_port_that_the_registrar_knows() {
    let mut world = seen_behind_nat();
    forget_and_register(&mut world, 0);
    world.exchange.rules.refuse_register = Some(503);
    let lost = world.run_until(seconds(60), |world| !world.is_reachable(0));
    assert!(!lost, "{:?}", world.hosts[0].unregistered);
}

#[test]
fn a_registration_that_is_taken_back_is_not_made_again_by_a_datagram_of_before() {
    let mut world = registered(by_datagram());
    world.weather.loss = 100;
    world.command(0, Command::Register { account: None }).unwrap();
    world.weather.loss = 0;
    world.command(0, Command::Unregister { account: None }).unwrap();
    world.run(seconds(40));
    assert!(!world.hosts[0].is_registered(world.now));
    assert_eq!(world.exchange.bindings("1001", world.now).len(), 0);
    world.assert_sound();
}

#[test]
fn a_registrar_without_outbound_gets_the_address_that_it_sees() {
    let mut world = registered(Setup {
        outbound: false,
        ..behind_nat(300)
    });
    world.run(seconds(2));
    let binding = world.exchange.bindings("1001", world.now)[0].contact.clone();
    assert_eq!(
        binding.host().and_then(|host| host.ip()),
        Some(world.hosts[0].public_ip())
    );
    world.assert_sound();
}

#[test]
fn a_phone_that_crashed_leaves_no_second_binding() {
    let mut world = registered(Setup {
        outbound: false,
        ..Setup::default()
    });
    world.run(seconds(30));
    world.crash(0);
    world.run(seconds(5));
    assert_eq!(world.exchange.bindings("1001", world.now).len(), 1);
    assert!(world.is_reachable(0));
    world.assert_sound();
}

#[test]
fn a_call_whose_far_end_crashed_ends_with_a_reason_and_does_not_stay_for_ever() {
    let mut world = talking(Setup::default());
    world.crash(1);
    assert!(world.run_until(seconds(200), nobody_talks));
    let (_, reason) = world.hosts[0].endings.values().next().cloned().unwrap();
    assert!(reason.is_some());
    world.assert_sound();
}

#[test]
fn a_call_is_kept_through_a_change_of_network() {
    let mut world = talking(Setup::default());
    world.change_network(0);
    world.run(seconds(1));
    assert!(world.run_until(seconds(30), |world| world.is_reachable(0) && both_hear(world)));
    world.assert_sound();
}

#[test]
fn a_caller_who_changes_network_while_it_rings_leaves_no_phone_ringing() {
    let mut world = registered(Setup::default());
    world.command(0, dial("1002")).unwrap();
    world.run(seconds(1));
    world.change_network(0);
    assert!(world.run_until(seconds(120), nobody_talks));
    world.assert_sound();
}

#[test]
fn session_timers_keep_a_long_call_and_nothing_else_happens() {
    let mut world = talking(Setup::default());
    world.run(seconds(3 * 3_600));
    both_are(&mut world, CallState::Active);
    assert!(both_hear(&world));
    world.assert_sound();
}

#[test]
fn one_of_several_phones_answers_and_the_others_are_told() {
    let mut world = registered(Setup {
        phones: 3,
        ..Setup::default()
    });
    world.command(0, dial("1900")).unwrap();
    world.run(seconds(1));
    world.command(1, ANSWER).unwrap();
    both_are(&mut world, CallState::Active);
    world.run(seconds(1));
    assert_eq!(world.state(2), None);
    let (_, reason) = world.hosts[2].endings.values().next().cloned().unwrap();
    assert_eq!(reason.as_deref(), Some("Answered elsewhere."));
    world.assert_sound();
}

#[test]
fn a_second_caller_rings_while_the_first_talks() {
    let mut world = registered(Setup {
        phones: 3,
        ..Setup::default()
    });
    world.command(0, dial("1002")).unwrap();
    world.run(seconds(1));
    world.command(1, ANSWER).unwrap();
    world.run(seconds(1));
    world.command(2, dial("1002")).unwrap();
    world.run(seconds(1));
    let states: Vec<_> = world.hosts[1]
        .live_calls(world.now)
        .iter()
        .map(|call| call.state)
        .collect();
    assert_eq!(states, [CallState::Active, CallState::Ringing]);
    world.command(1, Command::Reject { call: None, code: None }).unwrap();
    world.run(seconds(1));
    assert_eq!((world.state(0), world.state(2)), (Some(CallState::Active), None));
    world.assert_sound();
}

#[test]
fn an_old_nonce_costs_a_round_trip_and_nothing_more() {
    let mut world = registered(Setup::default());
    for status in [401, 407] {
        world.exchange.rules.challenge_calls = Some(status);
        world.exchange.expire_nonces();
        world.command(0, dial("1002")).unwrap();
        assert!(world.run_until(seconds(2), |world| world.state(1) == Some(CallState::Ringing)));
        world.command(0, HANG_UP).unwrap();
        world.run(seconds(40));
    }
    world.assert_sound();
}

#[test]
fn a_bye_that_was_lost_with_its_connection_is_sent_again_with_a_new_nonce_count() {
    let mut world = talking(Setup::default());
    world.command(0, HANG_UP).unwrap();
    world.reset_flow(0);
    assert!(world.run_until(seconds(20), nobody_talks));
    world.run(seconds(60));
    assert!(world.is_reachable(0) && world.hosts[0].phone.is_quiet());
    world.assert_sound();
}

#[test]
fn an_answer_that_crosses_the_hang_up_opens_no_microphone() {
    let mut world = talking(Setup::default());
    world.command(0, HOLD).unwrap();
    world.run(Duration::from_millis(60));
    world.command(0, HANG_UP).unwrap();
    world.run(seconds(1));
    assert!(world.hosts[0].plans.is_empty());
    world.assert_sound();
}

#[test]
fn tones_arrive_in_order_and_once() {
    let mut world = talking(Setup::default());
    let digits = "0123456789*#".to_owned();
    world.command(0, Command::Dtmf { call: None, digits }).unwrap();
    world.run(seconds(4));
    assert_eq!(String::from_iter(&world.hosts[1].digits), "0123456789*#");
    world.assert_sound();
}

#[test]
fn a_phone_that_says_farewell_in_a_call_hangs_up_and_unregisters() {
    let mut world = talking(Setup::default());
    world.farewell(0);
    assert!(world.run_until(seconds(2), |world| world.hosts[0].phone.is_quiet()));
    assert!(nobody_talks(&world) && world.exchange.bindings("1001", world.now).is_empty());
    world.assert_sound();
}

#[test]
fn an_announcement_is_heard_before_the_answer_and_the_answer_agrees_nothing_new() {
    for setup in [
        Setup::default(),
        reliable(Setup::default()),
        by_tcp(),
        reliable(by_datagram()),
    ] {
        let acknowledged = u64::from(setup.reliable);
        let mut world = registered(setup);
        world.command(0, dial("610")).unwrap();
        assert!(world.run_until(seconds(5), |world| world.state(0) == Some(CallState::Early)));
        assert!(hears_exchange(&world, 0));
        let call = world.hosts[0].only_call(world.now).unwrap().id;
        let early = world.hosts[0].plans[&call].clone();
        world.run(seconds(30));
        assert_eq!(world.state(0), Some(CallState::Early), "an announcement may be long");
        world.exchange_picks_up(0);
        assert!(world.run_until(seconds(5), |world| world.state(0) == Some(CallState::Active)));
        assert!(world.hosts[0].plans[&call] == early && hears_exchange(&world, 0));
        assert_eq!(world.hosts[0].audit.pracks, acknowledged);
        world.exchange_hangs_up(0);
        assert!(world.run_until(seconds(5), nobody_talks));
        world.assert_sound();
    }
}

#[test]
fn a_caller_who_has_heard_enough_of_an_announcement_hangs_up() {
    for setup in [Setup::default(), reliable(Setup::default())] {
        let mut world = registered(setup);
        world.command(0, dial("610")).unwrap();
        assert!(world.run_until(seconds(5), |world| world.state(0) == Some(CallState::Early)));
        world.command(0, HANG_UP).unwrap();
        world.run(seconds(40));
        assert!(nobody_talks(&world) && world.hosts[0].plans.is_empty());
        assert_eq!(
            (world.exchange.unfinished(), world.hosts[0].phone.is_quiet()),
            (0, true)
        );
        world.assert_sound();
    }
}

#[test]
fn who_calls_without_an_offer_gets_ours_and_both_hear_each_other() {
    for setup in [Setup::default(), by_tcp(), by_datagram()] {
        let mut world = registered(setup);
        world.exchange_calls(0);
        assert!(world.run_until(seconds(5), |world| world.state(0) == Some(CallState::Ringing)));
        assert!(
            world.hosts[0].plans.is_empty(),
            "nothing is agreed, and no microphone is open"
        );
        world.command(0, ANSWER).unwrap();
        assert!(world.run_until(seconds(5), |world| hears_exchange(world, 0)));
        assert_eq!(world.state(0), Some(CallState::Active));
        world.command(0, HOLD).unwrap();
        assert!(world.run_until(seconds(5), |world| world.state(0) == Some(CallState::Held)));
        world.command(0, HANG_UP).unwrap();
        world.run(seconds(40));
        assert!(nobody_talks(&world) && world.exchange.unfinished() == 0);
        world.assert_sound();
    }
}

#[test]
fn who_calls_without_an_offer_waits_for_a_path_that_takes_three_seconds() {
    let mut world = registered(Setup::default());
    world.path_delay = seconds(3);
    world.exchange_calls(0);
    assert!(world.run_until(seconds(1), |world| world.state(0) == Some(CallState::Ringing)));
    world.command(0, ANSWER).unwrap();
    world.run(seconds(1));
    assert_eq!(world.state(0), Some(CallState::Ringing), "no offer before the path");
    assert!(world.run_until(seconds(3), |world| hears_exchange(world, 0)));
    world.assert_sound();
}

#[test]
fn ringing_that_has_to_be_acknowledged_is_whatever_is_lost() {
    let stormy = Setup {
        weather: Weather {
            loss: 20,
            ..Weather::FINE
        },
        ..by_datagram()
    };
    for setup in [Setup::default(), by_tcp(), by_datagram(), stormy] {
        let mut world = World::new(7, reliable(setup));
        assert!(world.run_until(seconds(120), |world| (0..2).all(|phone| world.is_reachable(phone))));
        world.command(0, dial("1002")).unwrap();
        let rings = |world: &World| (0..2).all(|phone| world.state(phone) == Some(CallState::Ringing));
        assert!(world.run_until(seconds(40), rings));
        world.run(seconds(33));
        assert_eq!(
            world.state(1),
            Some(CallState::Ringing),
            "the PRACK came, so it goes on ringing"
        );
        assert_eq!(world.hosts[0].audit.pracks, 1);
        world.command(1, ANSWER).unwrap();
        let talk = |world: &World| (0..2).all(|phone| world.state(phone) == Some(CallState::Active));
        assert!(world.run_until(seconds(40), talk));
        world.assert_sound();
    }
}

#[test]
fn a_number_that_has_moved_is_called_where_it_is_now() {
    let mut world = registered(Setup::default());
    world.command(1, dial("611")).unwrap();
    assert!(world.run_until(seconds(5), |world| world.state(0) == Some(CallState::Ringing)));
    world.command(0, ANSWER).unwrap();
    both_are(&mut world, CallState::Active);
    assert!(both_hear(&world));
    world.command(1, HANG_UP).unwrap();
    world.run(seconds(40));
    assert!(nobody_talks(&world) && world.exchange.unfinished() == 0);
    world.assert_sound();
}

#[test]
fn a_number_that_has_moved_in_circles_ends_the_call_with_a_reason() {
    let mut world = registered(Setup::default());
    world.command(0, dial("612")).unwrap();
    assert!(world.run_until(seconds(5), nobody_talks));
    let (code, reason) = world.hosts[0].endings.values().next().cloned().unwrap();
    assert_eq!(code, Some(302));
    assert!(reason.unwrap().contains("has moved"));
    world.assert_sound();
}

#[test]
fn a_call_is_heard_through_a_connection_that_dies_silently_and_can_be_hung_up_by_either() {
    for setup in [Setup::default(), by_tcp()] {
        for who_hangs_up in 0..2 {
            let mut world = talking(setup.clone());
            world.silence_flow(0);
            world.run(seconds(1));
            assert!(both_hear(&world));
            world.command(who_hangs_up, HANG_UP).unwrap();
            assert!(world.run_until(seconds(200), nobody_talks));
            assert!(world.run_until(seconds(60), |world| world.is_reachable(0)));
            world.run(seconds(70));
            assert!(world.hosts.iter().all(|host| host.phone.is_quiet()));
            world.assert_sound();
        }
    }
}

#[test]
fn a_call_on_a_connection_that_died_silently_ends_with_a_reason_or_comes_about() {
    for setup in [Setup::default(), by_tcp()] {
        let mut world = registered(setup);
        world.run(seconds(20));
        world.silence_flow(0);
        world.command(0, dial("1002")).unwrap();
        let decided = |world: &World| world.state(1).is_some() || nobody_talks(world);
        assert!(world.run_until(seconds(33), decided), "{:?}", world.state(0));
        if nobody_talks(&world) {
            let (_, reason) = world.hosts[0].endings.values().next().cloned().unwrap();
            assert!(reason.is_some());
        }
        assert!(
            world.run_until(seconds(10), |world| world.is_reachable(0)),
            "what was not answered costs the flow"
        );
        world.assert_sound();
    }
}

#[test]
fn a_call_dialled_on_a_connection_that_died_silently_is_placed_by_the_next_one() {
    for setup in [Setup::default(), by_tcp(), reliable(Setup::default()), behind_nat(300)] {
        let mut world = registered(setup);
        world.run(seconds(20));
        world.silence_flow(0);
        world.command(0, dial("1002")).unwrap();
        assert!(world.run_until(seconds(16), |world| world.state(1) == Some(CallState::Ringing)));
        world.command(1, ANSWER).unwrap();
        both_are(&mut world, CallState::Active);
        assert!(both_hear(&world));
        world.command(0, HANG_UP).unwrap();
        assert!(world.run_until(seconds(10), nobody_talks));
        world.run(seconds(70));
        assert!(world.hosts.iter().all(|host| host.phone.is_quiet()));
        world.assert_sound();
    }
}

#[test]
fn a_call_dialled_in_the_moment_of_a_reset_or_of_a_change_of_network_comes_about() {
    for setup in [Setup::default(), by_tcp()] {
        for moved in [false, true] {
            let mut world = registered(setup.clone());
            world.run(seconds(20));
            if moved {
                world.command(0, dial("1002")).unwrap();
                world.change_network(0);
            } else {
                world.reset_flow(0);
                world.command(0, dial("1002")).unwrap();
            }
            assert!(world.run_until(seconds(10), |world| world.state(1) == Some(CallState::Ringing)));
            world.command(1, ANSWER).unwrap();
            both_are(&mut world, CallState::Active);
            assert!(world.run_until(seconds(5), both_hear));
            world.assert_sound();
        }
    }
}

#[test]
fn phones_that_a_restart_cut_off_come_back_when_they_said_and_not_in_one_herd() {
    const PHONES: usize = 20;
    let mut world = registered(Setup {
        phones: PHONES,
        ..Setup::default()
    });
    world.run(seconds(100));
    world.restart_exchange(Duration::ZERO);
    let began = world.now;
    let (mut said, mut back) = ([None; PHONES], [Duration::MAX; PHONES]);
    while world.now < began + seconds(3) {
        world.run(Duration::from_millis(5));
        for phone in 0..PHONES {
            if let Some((_, retry)) = &world.hosts[phone].unregistered {
                said[phone] = *retry;
            } else if said[phone].is_some() && back[phone] == Duration::MAX {
                back[phone] = world.now - began;
            }
        }
    }
    for (said, back) in said.into_iter().zip(back) {
        let said = Duration::from_millis(said.unwrap());
        let late = back.checked_sub(said);
        assert!(
            late.is_some_and(|late| late < seconds(1)),
            "{said:?} it said, {back:?} it was"
        );
    }
    let within_a_tenth = |first: Duration| {
        let window = first..first + Duration::from_millis(200);
        back.iter().filter(|at| window.contains(at)).count()
    };
    let crowd = back.iter().map(|first| within_a_tenth(*first)).max();
    assert!(crowd < Some(8), "{back:?}");
    world.assert_sound();
}

#[test]
fn a_phone_that_goes_to_the_second_server_says_that_it_does_so_at_once() {
    let mut world = registered(Setup::default());
    world.run(seconds(100));
    world.servers[0] = Server::Silent;
    world.silence_flow(0);
    assert!(world.run_until(seconds(140), |world| world.hosts[0].unregistered.is_some()));
    let (_, retry) = world.hosts[0].unregistered.clone().unwrap();
    assert_eq!(retry, Some(0));
    assert!(world.run_until(seconds(1), |world| world.is_reachable(0)));
    world.assert_sound();
}

#[test]
fn an_error_in_the_log_is_a_complaint() {
    let mut world = registered(Setup::default());
    tracing::error!("something broke");
    let complaints = world.complaints();
    assert!(
        complaints.len() == 1 && complaints[0].contains("something broke"),
        "{complaints:?}"
    );
}

#[test]
fn the_same_seed_lives_the_same_day() {
    let day = || {
        let mut walk = Walk::new(5);
        walk.run(seconds(20_000));
        walk.world.diary
    };
    assert_eq!(day(), day());
}
