//! Ten days in the life of phones: nine seeds that are always the same, and a fresh one.
//!
//! `SIM_SEED` sets the fresh one, `SIM_TRACE` puts every message into the diary that a failure prints. In continuous
//! integration it is the commit's: fresh for each commit, and the same when a commit is checked again. `SIM_DAYS` says
//! how many days the long test takes; with 1 it repeats the day of one seed alone.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};
use toestel_sim::{Tally, Transition, Walk};

const DAY: Duration = Duration::from_secs(86_400);

/// How often each transition must have been taken, so that "it works" means something.
const OFTEN: u64 = 50;

fn fresh_seed() -> u64 {
    let given = std::env::var("SIM_SEED").ok().and_then(|text| text.parse().ok());
    given.or_else(seed_of_the_commit).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.map_or(0, |since| u64::from(since.subsec_nanos()) ^ since.as_secs())
    })
}

fn seed_of_the_commit() -> Option<u64> {
    std::env::var_os("CI")?;
    let asked = Command::new("git").args(["rev-parse", "HEAD"]).output().ok()?;
    let hash = String::from_utf8(asked.stdout).ok()?;
    u64::from_str_radix(hash.get(..12)?, 16).ok()
}

/// One day; what is wrong with it, as a text.
fn day(seed: u64) -> Result<Tally, String> {
    std::panic::catch_unwind(|| {
        let mut walk = Walk::new(seed);
        walk.run(DAY);
        walk.world.assert_sound();
        walk.tally()
    })
    .map_err(|panic| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(_) => format!("seed {seed} panicked"),
    })
}

/// Days on as many threads as there are cores.
fn days(seeds: &[u64]) -> Vec<Result<Tally, String>> {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let work = || {
        let mut done = Vec::new();
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push(day(*seed));
        }
        done
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_default())
            .collect()
    })
}

#[test]
fn ten_days_of_calls_are_as_the_model_says() {
    let began = Instant::now();
    let fresh = fresh_seed();
    println!("the fresh seed is {fresh}");
    let seeds: Vec<u64> = (0..9).chain([fresh]).collect();
    let (mut total, mut failures) = (Tally::default(), Vec::new());
    for outcome in days(&seeds) {
        match outcome {
            Ok(tally) => total.add(&tally),
            Err(failure) => failures.push(failure),
        }
    }
    let counts: BTreeMap<Transition, u64> = Transition::ALL
        .into_iter()
        .map(|transition| (transition, total.transitions.get(&transition).copied().unwrap_or(0)))
        .collect();
    for (transition, count) in &counts {
        println!("{count:>6}  {transition:?}");
    }
    println!(
        "{} calls and {} registrations in {:.1} days, in {:.1} s",
        total.calls,
        total.registers,
        total.time.as_secs_f64() / DAY.as_secs_f64(),
        began.elapsed().as_secs_f64()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    let rare: Vec<_> = counts.iter().filter(|(_, count)| **count < OFTEN).collect();
    assert!(rare.is_empty(), "too rare to prove anything: {rare:?}");
    assert!(total.calls >= 2_000 && total.registers >= 20_000 && total.time >= 10 * DAY);
}

#[test]
#[ignore = "a hundred days"]
fn a_hundred_fresh_days_are_sound() {
    let began = Instant::now();
    let fresh = fresh_seed();
    let asked = std::env::var("SIM_DAYS").ok().and_then(|text| text.parse().ok());
    let seeds: Vec<u64> = (0..asked.unwrap_or(100)).map(|day| fresh.wrapping_add(day)).collect();
    let failures: Vec<String> = days(&seeds).into_iter().filter_map(Result::err).collect();
    println!(
        "{} days from seed {fresh} on, in {:.1} s: {} with a fault",
        seeds.len(),
        began.elapsed().as_secs_f64(),
        failures.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
