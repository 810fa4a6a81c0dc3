//! What a process has cost so far, as Linux counts it.

use std::fs;
use std::time::{Duration, Instant};

/// The counters of one process at one moment.
pub struct Usage {
    at: Instant,
    /// On a processor, all threads together (`schedstat`: exact, not sampled).
    cpu: Duration,
    /// Voluntary context switches of all threads: each is a sleep that ended, or will.
    switches: u64,
    /// Memory in RAM, in MiB.
    pub rss: f64,
    /// The same, with shared pages divided among those who share them.
    pub pss: f64,
}

/// What a process cost a second, between two looks.
pub struct Rate {
    /// Percent of one core.
    pub cpu: f64,
    /// Wake-ups a second.
    pub wakeups: f64,
}

impl Usage {
    /// The counters of the process `id` now; `None` where it has ended.
    pub fn of(id: u32) -> Option<Self> {
        let (mut cpu, mut switches) = (0, 0);
        for thread in fs::read_dir(format!("/proc/{id}/task")).ok()?.flatten() {
            // A thread may end between the two lines.
            let read = |name: &str| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
            cpu += first_number(&read("schedstat")).unwrap_or(0);
            switches += field(&read("status"), "voluntary_ctxt_switches:").unwrap_or(0);
        }
        let memory = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok()?;
        let mebibytes = |name: &str| Some(field(&memory, name)? as f64 / 1024.0);
        Some(Self {
            at: Instant::now(),
            cpu: Duration::from_nanos(cpu),
            switches,
            rss: mebibytes("Rss:")?,
            pss: mebibytes("Pss:")?,
        })
    }

    /// What it cost since `before`.
    pub fn since(&self, before: &Self) -> Rate {
        let seconds = (self.at - before.at).as_secs_f64();
        Rate {
            cpu: self.cpu.saturating_sub(before.cpu).as_secs_f64() / seconds * 100.0,
            wakeups: self.switches.saturating_sub(before.switches) as f64 / seconds,
        }
    }
}

/// The machine's load average over the last minute.
pub fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .next()
        .and_then(|load| load.parse().ok())
        .unwrap_or(f64::NAN)
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

fn field(text: &str, name: &str) -> Option<u64> {
    first_number(text.lines().find_map(|line| line.strip_prefix(name))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted_as_cpu_and_sleep_as_a_wake_up() {
        let before = Usage::of(std::process::id()).unwrap();
        let busy = Instant::now();
        while busy.elapsed() < Duration::from_millis(100) {}
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let after = Usage::of(std::process::id()).unwrap();
        let (rate, seconds) = (after.since(&before), (after.at - before.at).as_secs_f64());
        assert!(rate.cpu > 5.0, "{}", rate.cpu);
        assert!(rate.wakeups * seconds >= 9.5, "{} in {seconds} s", rate.wakeups);
        assert!(after.rss > 1.0 && after.pss <= after.rss);
    }

    #[test]
    fn the_involuntary_switches_are_not_the_voluntary_ones() {
        let status = "nonvoluntary_ctxt_switches:\t7\nvoluntary_ctxt_switches:\t42\n";
        assert_eq!(field(status, "voluntary_ctxt_switches:"), Some(42));
    }
}
