//! The timers of RFC 3261 table 4 and RFC 6026 8.11, derived from T1, T2 and T4.
//!
//! A timer that the RFC sets to zero on a reliable transport is `Duration::ZERO` here, so that the machines need no
//! second code path: they move on at once.

use std::time::Duration;

/// T1, T2 and T4, from which all transaction timers follow. A duration is never zero unless the RFC says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timers {
    /// The round-trip estimate: 500 ms unless the network is known.
    pub t1: Duration,
    /// The longest interval between retransmissions of a non-INVITE request or an INVITE response: 4 s.
    pub t2: Duration,
    /// How long a message stays in the network: 5 s.
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
        }
    }
}

impl Timers {
    /// 64*T1: timers B, F, H, J, L and M.
    fn transaction_timeout(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// The first interval between retransmissions of an INVITE; each next one doubles (17.1.1.2).
    pub fn timer_a(&self) -> Duration {
        self.t1
    }

    /// How long an INVITE waits for its first response (17.1.1.2).
    pub fn timer_b(&self) -> Duration {
        self.transaction_timeout()
    }

    /// How long a refused INVITE acknowledges repeated responses: 32 s at least, whatever T1 is (17.1.1.2).
    pub fn timer_d(&self, reliable: bool) -> Duration {
        unless(reliable, self.transaction_timeout().max(Duration::from_secs(32)))
    }

    /// The first interval between retransmissions of a non-INVITE request (17.1.2.2).
    pub fn timer_e(&self) -> Duration {
        self.t1
    }

    /// How long a non-INVITE request waits for its final response (17.1.2.2).
    pub fn timer_f(&self) -> Duration {
        self.transaction_timeout()
    }

    /// The first interval between retransmissions of an INVITE's refusal (17.2.1).
    pub fn timer_g(&self) -> Duration {
        self.t1
    }

    /// How long a refusal waits for its ACK (17.2.1).
    pub fn timer_h(&self) -> Duration {
        self.transaction_timeout()
    }

    /// How long repeated ACKs are absorbed (17.2.1).
    pub fn timer_i(&self, reliable: bool) -> Duration {
        unless(reliable, self.t4)
    }

    /// How long repeated non-INVITE requests are answered again (17.2.2).
    pub fn timer_j(&self, reliable: bool) -> Duration {
        unless(reliable, self.transaction_timeout())
    }

    /// How long repeated non-INVITE responses are absorbed (17.1.2.2).
    pub fn timer_k(&self, reliable: bool) -> Duration {
        unless(reliable, self.t4)
    }

    /// How long a repeated INVITE is absorbed after its 2xx, on every transport (RFC 6026 8.7).
    pub fn timer_l(&self) -> Duration {
        self.transaction_timeout()
    }

    /// How long further 2xx responses of a forked INVITE are passed on, on every transport (RFC 6026 8.4).
    pub fn timer_m(&self) -> Duration {
        self.transaction_timeout()
    }
}

fn unless(reliable: bool, duration: Duration) -> Duration {
    if reliable { Duration::ZERO } else { duration }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLIS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn the_defaults_are_those_of_table_4() {
        let timers = Timers::default();
        assert_eq!([timers.timer_a(), timers.timer_e(), timers.timer_g()], [MILLIS(500); 3]);
        let timeouts = [
            timers.timer_b(),
            timers.timer_d(false),
            timers.timer_f(),
            timers.timer_h(),
            timers.timer_j(false),
            timers.timer_l(),
            timers.timer_m(),
        ];
        assert_eq!(timeouts, [MILLIS(32_000); 7]);
        assert_eq!([timers.timer_i(false), timers.timer_k(false)], [MILLIS(5_000); 2]);
    }

    #[test]
    fn a_reliable_transport_zeroes_d_i_j_and_k_alone() {
        let timers = Timers::default();
        let zeroed = [
            timers.timer_d(true),
            timers.timer_i(true),
            timers.timer_j(true),
            timers.timer_k(true),
        ];
        assert_eq!(zeroed, [Duration::ZERO; 4]);
    }

    #[test]
    fn timer_d_never_falls_below_32_seconds() {
        let quick = Timers {
            t1: MILLIS(100),
            ..Timers::default()
        };
        assert_eq!(quick.timer_d(false), MILLIS(32_000));
        let slow = Timers {
            t1: MILLIS(1_000),
            ..Timers::default()
        };
        assert_eq!(slow.timer_d(false), MILLIS(64_000));
    }
}
