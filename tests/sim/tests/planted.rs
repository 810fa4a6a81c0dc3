//! Five planted bugs: the world must find each, by itself, within a day, and for the right reason.

use std::time::Duration;
use toestel_proto::account_config::Transport;
use toestel_proto::codec::MediaPolicy;
use toestel_sim::interposer::Interposer;
use toestel_sim::network::Weather;
use toestel_sim::{Setup, Walk};

const DAY: Duration = Duration::from_secs(86_400);

/// Walks with the bug in every phone until something is wrong.
fn complaints(setup: Setup, bug: &Interposer) -> String {
    let mut walk = Walk::within(11, setup);
    for host in &mut walk.world.hosts {
        host.interposer = Some(bug.clone());
    }
    walk.run(DAY);
    let complaints = walk.world.complaints().join("\n");
    assert!(!complaints.is_empty(), "a day has passed and {bug:?} was not noticed");
    complaints
}

/// Datagrams, of which many are lost.
fn stormy() -> Setup {
    Setup {
        phones: 3,
        transport: Transport::Udp,
        media: MediaPolicy::Off,
        weather: Weather {
            loss: 20,
            ..Weather::FINE
        },
        ..Setup::default()
    }
}

fn fine() -> Setup {
    Setup {
        phones: 3,
        ..Setup::default()
    }
}

#[test]
fn a_lost_ack_timer_is_found() {
    let acknowledged = Vec::new();
    let found = complaints(stormy(), &Interposer::LostAckTimer { acknowledged });
    assert!(found.contains("a 2xx was not acknowledged"), "{found}");
}

#[test]
fn a_reused_branch_is_found() {
    let (first, own) = (None, String::new());
    let found = complaints(fine(), &Interposer::ReusedBranch { first, own });
    assert!(found.contains("a branch was used again by REGISTER"), "{found}");
}

#[test]
fn a_stale_nonce_is_found() {
    let found = complaints(fine(), &Interposer::StaleNonce { first: None });
    assert!(found.contains("the nonce count did not rise"), "{found}");
}

#[test]
fn a_leaked_dialog_is_found() {
    let found = complaints(fine(), &Interposer::LeakedDialog);
    assert!(found.contains("should be over and is active"), "{found}");
}

#[test]
fn a_refresh_after_expiry_is_found() {
    let found = complaints(fine(), &Interposer::LateRefresh);
    assert!(found.contains("was not refreshed before 80 %"), "{found}");
}
