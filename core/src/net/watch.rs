//! Notice of a change of network, from the operating system and without polling: an address came or went.
//!
//! Changes come in bursts (an interface goes down, comes up, gets one address after another), so a burst is waited out
//! and told once, as what is different from before it; a burst that changes nothing in the end is not told. Loopback
//! and link-local addresses do not count: no PBX is reached by them, and they come before the ones that matter.
//!
//! Phones have notices of their own, which the shell passes on; there, and where the system gives no notice, nothing is
//! ever told here.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A burst is over when nothing came for so long,
const QUIET: Duration = Duration::from_millis(300);
/// or when it has lasted so long.
const LONGEST_BURST: Duration = Duration::from_secs(2);

/// What is different since the last notice.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NetworkChange {
    /// Addresses that this device has got.
    pub added: Vec<IpAddr>,
    /// Addresses that it no longer has: a flow or a call on one of them is dead.
    pub removed: Vec<IpAddr>,
}

/// Why changes cannot be noticed. The phone works without, but notices a new network only by losing the old.
#[derive(Debug, thiserror::Error)]
#[error("The system does not tell of network changes ({0}): after one it may take a minute until calls arrive again.")]
pub struct WatchError(#[from] std::io::Error);

/// A stream of network changes.
#[derive(Debug)]
pub struct NetworkWatch {
    source: source::Source,
    addresses: Addresses,
    burst: Option<Burst>,
}

impl NetworkWatch {
    /// Begins to watch. Must be called inside the tokio runtime.
    ///
    /// # Errors
    /// If the system gives no notice, as in some sandboxes.
    pub fn new() -> Result<Self, WatchError> {
        Ok(Self {
            source: source::Source::new()?,
            addresses: Addresses::default(),
            burst: None,
        })
    }

    /// The next change. Waits for ever where there is none; nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// If the system's notices ended; make a new watch, or go without.
    pub async fn changed(&mut self) -> Result<NetworkChange, WatchError> {
        loop {
            let update = match self.burst {
                None => self.source.next().await?,
                Some(burst) => match timeout_at(burst.quiet.min(burst.end), self.source.next()).await {
                    Ok(update) => update?,
                    Err(_over) => {
                        self.burst = None;
                        match self.addresses.settle() {
                            Some(change) => return Ok(change),
                            None => continue,
                        }
                    }
                },
            };
            self.addresses.apply(update);
            self.burst = Some(Burst::heard(self.burst));
        }
    }
}

/// When a burst counts as over. Kept between calls, because the runtime drops a wait whenever something else happens.
#[derive(Clone, Copy, Debug)]
struct Burst {
    quiet: Instant,
    end: Instant,
}

impl Burst {
    fn heard(burst: Option<Self>) -> Self {
        let now = Instant::now();
        Self {
            quiet: now + QUIET,
            end: burst.map_or(now + LONGEST_BURST, |burst| burst.end),
        }
    }
}

/// One address that came or went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Update {
    Up(IpAddr),
    Down(IpAddr),
}

/// The device's addresses: as they are, and as they were last told. The first burst is the system listing what there
/// is, and no change.
#[derive(Debug, Default)]
struct Addresses {
    now: BTreeSet<IpAddr>,
    told: Option<BTreeSet<IpAddr>>,
}

impl Addresses {
    fn apply(&mut self, update: Update) {
        match update {
            Update::Up(address) if matters(address) => self.now.insert(address),
            Update::Down(address) => self.now.remove(&address),
            Update::Up(_) => false,
        };
    }

    fn settle(&mut self) -> Option<NetworkChange> {
        let before = self.told.replace(self.now.clone())?;
        let change = NetworkChange {
            added: self.now.difference(&before).copied().collect(),
            removed: before.difference(&self.now).copied().collect(),
        };
        (change != NetworkChange::default()).then_some(change)
    }
}

fn matters(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    }
}

#[cfg(any(target_os = "linux", target_os = "macos", target_os = "windows"))]
mod source {
    use super::Update;
    use if_watch::IfEvent;
    use if_watch::tokio::IfWatcher;
    use std::io;

    pub(super) struct Source(IfWatcher);

    impl Source {
        pub(super) fn new() -> io::Result<Self> {
            IfWatcher::new().map(Self)
        }

        pub(super) async fn next(&mut self) -> io::Result<Update> {
            match std::future::poll_fn(|context| self.0.poll_if_event(context)).await? {
                IfEvent::Up(network) => Ok(Update::Up(network.addr())),
                IfEvent::Down(network) => Ok(Update::Down(network.addr())),
            }
        }
    }

    impl std::fmt::Debug for Source {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Source")
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "windows")))]
mod source {
    use super::Update;
    use std::io;

    #[derive(Debug)]
    pub(super) struct Source;

    impl Source {
        #[expect(clippy::unnecessary_wraps, reason = "elsewhere the system can refuse")]
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) async fn next(&mut self) -> io::Result<Update> {
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Update::{Down, Up};
    use tokio::time::timeout;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn after(addresses: &mut Addresses, burst: &[Update]) -> Option<NetworkChange> {
        burst.iter().for_each(|update| addresses.apply(*update));
        addresses.settle()
    }

    #[test]
    fn the_first_listing_is_no_change_and_a_new_network_is_one() {
        let (wired, wireless) = (address("192.0.2.1"), address("2001:db8::1"));
        let mut addresses = Addresses::default();
        assert_eq!(after(&mut addresses, &[Up(wired)]), None);
        let change = NetworkChange {
            added: vec![wireless],
            removed: vec![wired],
        };
        assert_eq!(after(&mut addresses, &[Down(wired), Up(wireless)]), Some(change));
    }

    #[test]
    fn a_flap_that_ends_as_it_began_is_not_told() {
        let wired = address("192.0.2.1");
        let mut addresses = Addresses::default();
        after(&mut addresses, &[Up(wired)]);
        assert_eq!(after(&mut addresses, &[Down(wired), Up(wired)]), None);
        let lost = NetworkChange {
            added: vec![],
            removed: vec![wired],
        };
        assert_eq!(after(&mut addresses, &[Down(wired)]), Some(lost));
    }

    #[test]
    fn addresses_that_reach_no_pbx_do_not_count() {
        let mut addresses = Addresses::default();
        after(&mut addresses, &[]);
        let local = ["127.0.0.1", "::1", "169.254.1.1", "fe80::1"].map(|text| Up(address(text)));
        assert_eq!(after(&mut addresses, &local), None);
    }

    #[tokio::test]
    async fn a_steady_network_is_silent_and_a_dropped_wait_loses_nothing() {
        let mut watch = NetworkWatch::new().unwrap();
        for _ in 0..6 {
            timeout(QUIET / 4, watch.changed()).await.expect_err("nothing changed");
        }
        assert!(
            watch.addresses.told.is_some(),
            "the listing must have been read and settled"
        );
    }
}
