//! `cargo xtask test`: the suites, in the order in which they are quickest to say that something is wrong.
//!
//! A suite that fails does not stop the others: the summary shows everything that is wrong at once. The exit code is 0
//! only when nothing failed.

use std::process::Command;
use std::time::Instant;

use crate::cargo::{self, Counts};
use crate::packages::{self, BUILD, Need, PEERS};
use crate::report::{self, Outcome, Verdict};
use crate::shell::{self, Failure, Result};
use crate::{deny, fuzz, machine, size, walls};

/// The crates whose tests are a suite of their own, and therefore not in `unit`.
const SUITE_CRATES: [&str; 4] = ["toestel-torture", "toestel-sim", "toestel-peers", "toestel-sound"];

/// One suite.
pub struct Suite {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it checks, in a few words.
    pub what: &'static str,
    needs: &'static [Need],
    runs: Runs,
    /// Why this machine cannot run it.
    hindrance: fn() -> Option<String>,
    run: fn(&Request<'_>) -> Result<Report>,
}

/// Of which run a suite is a part, when it is not asked for by name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Runs {
    /// `cargo xtask test`.
    Short,
    /// That, and with more to do `cargo xtask test long`.
    Both,
    /// `cargo xtask test long` alone.
    Long,
}

/// What was asked of a suite.
struct Request<'a> {
    /// Only tests whose name contains this.
    filter: Option<&'a str>,
    /// The full counts.
    long: bool,
}

/// What a suite that could be run found.
struct Report {
    counts: Counts,
    remark: Option<String>,
}

const fn suite(name: &'static str, what: &'static str, run: fn(&Request<'_>) -> Result<Report>) -> Suite {
    Suite {
        name,
        what,
        needs: &[],
        runs: Runs::Short,
        hindrance: || None,
        run,
    }
}

/// Every suite there is.
pub const ALL: &[Suite] = &[
    suite("format", "rustfmt leaves every file as it is", |_| check(format())),
    suite("size", "no file over 500 lines, no function over 60", |_| {
        check(size::check(&machine::root()))
    }),
    suite("walls", "what may depend on what", |_| {
        check(walls::check(&machine::root()))
    }),
    suite(
        "deny",
        "licences, bans and sources of the dependencies; advisories",
        |_| deny_dependencies(),
    ),
    Suite {
        needs: &[BUILD],
        ..suite("clippy", "no warning in any target", |_| clippy())
    },
    Suite {
        needs: &[BUILD],
        ..suite("docs", "rustdoc without a warning, and every example in it", docs)
    },
    Suite {
        needs: &[BUILD],
        ..suite("unit", "the tests beside the code", unit)
    },
    Suite {
        needs: &[BUILD],
        runs: Runs::Both,
        ..suite("torture", "RFC 4475 and 5118, and other foreign judges", torture)
    },
    Suite {
        needs: &[BUILD],
        runs: Runs::Both,
        ..suite("sim", "two phones, an exchange and bad networks, simulated", sim)
    },
    Suite {
        needs: &[BUILD],
        runs: Runs::Both,
        ..suite("sound", "what is heard, scored", sound)
    },
    Suite {
        needs: &[BUILD],
        runs: Runs::Both,
        ..suite("fuzz-replay", "the kept inputs of every fuzz target", fuzz_replay)
    },
    Suite {
        needs: &[BUILD],
        runs: Runs::Long,
        ..suite(
            "fuzz",
            "every fuzz target, ten minutes each; by name one minute",
            fuzz_targets,
        )
    },
    Suite {
        needs: &[BUILD],
        runs: Runs::Long,
        ..suite(
            "fuzz-planted",
            "planted defects, each found by its fuzz target within a minute",
            fuzz_planted,
        )
    },
    Suite {
        needs: &[BUILD, PEERS],
        runs: Runs::Both,
        hindrance: no_namespaces,
        ..suite(
            "peers",
            "real servers and clients: Asterisk, Kamailio, baresip, linphone",
            peers,
        )
    },
];

/// Runs the suites that `arguments` ask for; whether none failed.
pub fn test(arguments: &[&str]) -> Result<bool> {
    let (chosen, request): (Vec<&Suite>, _) = match arguments {
        [] => (
            ALL.iter().filter(|suite| suite.runs != Runs::Long).collect(),
            Request {
                filter: None,
                long: false,
            },
        ),
        ["long"] => (
            ALL.iter().filter(|suite| suite.runs != Runs::Short).collect(),
            Request {
                filter: None,
                long: true,
            },
        ),
        [name] => (
            named(name)?,
            Request {
                filter: None,
                long: false,
            },
        ),
        [name, filter] => (
            named(name)?,
            Request {
                filter: Some(filter),
                long: false,
            },
        ),
        [..] => return shell::fail("at most a suite and a filter: cargo xtask help"),
    };
    let outcomes: Vec<Outcome> = chosen.iter().map(|suite| outcome(suite, &request)).collect();
    let (text, good) = report::summary(
        &outcomes,
        machine::is_ci() && machine::is_root() && machine::is_debian(),
    );
    println!("{text}");
    Ok(good)
}

fn named(name: &str) -> Result<Vec<&'static Suite>> {
    match ALL.iter().find(|suite| suite.name == name) {
        Some(suite) => Ok(vec![suite]),
        None => shell::fail(format!("no suite {name}: cargo xtask help lists them")),
    }
}

fn outcome(suite: &Suite, request: &Request<'_>) -> Outcome {
    println!("\n== {}: {}", suite.name, suite.what);
    let began = Instant::now();
    let ended = |verdict, counts, remark| Outcome {
        name: suite.name,
        verdict,
        counts,
        remark,
        took: began.elapsed(),
    };
    if let Some(hindrance) = (suite.hindrance)() {
        return ended(Verdict::Skipped(hindrance), Counts::default(), None);
    }
    match packages::ensure(suite.needs).and_then(|()| (suite.run)(request)) {
        Ok(Report { counts, remark }) if counts.failed == 0 => ended(Verdict::Passed, counts, remark),
        Ok(Report { counts, remark }) => {
            let why = format!("{} of its tests, named above", counts.failed);
            ended(Verdict::Failed(why), counts, remark)
        }
        Err(Failure(why)) => {
            println!("{why}");
            ended(
                Verdict::Failed(why),
                Counts {
                    failed: 1,
                    ..Counts::default()
                },
                None,
            )
        }
    }
}

/// A check that has no tests of its own counts as one.
fn check(done: Result<()>) -> Result<Report> {
    done.map(|()| Report {
        counts: Counts {
            passed: 1,
            ..Counts::default()
        },
        remark: None,
    })
}

/// Runs `cargo test` and counts.
fn tests(request: &Request<'_>, arguments: &[&str]) -> Result<Report> {
    count(cargo::cargo("test"), request, arguments)
}

/// Runs `cargo_test` with `arguments` and counts. What does not compile, or ends otherwise than by a failed test, is
/// one failure.
fn count(mut cargo_test: Command, request: &Request<'_>, arguments: &[&str]) -> Result<Report> {
    let mut counts = Counts::default();
    cargo_test
        .args(["--locked", "--no-fail-fast"])
        .args(arguments)
        .args(request.filter);
    if request.long {
        cargo_test.args(["--", "--include-ignored"]);
    }
    let good = shell::tee(&mut cargo_test, |line| counts.read(line))?;
    if !good && counts.failed == 0 {
        counts.failed = 1;
    }
    Ok(Report { counts, remark: None })
}

fn deny_dependencies() -> Result<Report> {
    let remark = deny::check()?;
    Ok(Report {
        remark,
        ..check(Ok(()))?
    })
}

fn format() -> Result<()> {
    cargo::component("rustfmt", "fmt")?;
    shell::run(cargo::cargo("fmt").args(["--all", "--check"]))
}

fn clippy() -> Result<Report> {
    cargo::component("clippy", "clippy")?;
    let mut clippy = cargo::cargo("clippy");
    check(shell::run(clippy.args([
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ])))
}

fn docs(request: &Request<'_>) -> Result<Report> {
    let mut doc = cargo::cargo("doc");
    doc.env("RUSTDOCFLAGS", "-D warnings");
    shell::run(doc.args(["--workspace", "--no-deps", "--locked"]))?;
    let mut report = tests(request, &["--workspace", "--doc"])?;
    report.counts.passed += 1;
    Ok(report)
}

fn unit(request: &Request<'_>) -> Result<Report> {
    let mut arguments = vec!["--workspace", "--lib", "--bins", "--tests"];
    arguments.extend(SUITE_CRATES.iter().flat_map(|name| ["--exclude", name]));
    // The engine's and the command's own tests use sockets, processes and the sound server.
    second_try(tests(request, &arguments)?, |name| {
        let mut alone = cargo::cargo("test");
        alone.arg("--locked").args(&arguments).args(["--", "--exact", name]);
        alone
    })
}

fn torture(request: &Request<'_>) -> Result<Report> {
    tests(request, &["--package", "toestel-torture", "--lib", "--tests"])
}

fn sim(request: &Request<'_>) -> Result<Report> {
    tests(request, &["--package", "toestel-sim", "--lib", "--tests"])
}

fn sound(request: &Request<'_>) -> Result<Report> {
    const TESTS: [&str; 4] = ["--package", "toestel-sound", "--lib", "--tests"];
    second_try(tests(request, &TESTS)?, |name| {
        let mut alone = cargo::cargo("test");
        alone.arg("--locked").args(TESTS).args(["--", "--exact", name]);
        alone
    })
}

fn fuzz_replay(request: &Request<'_>) -> Result<Report> {
    tests(request, &["--manifest-path", "tests/fuzz/Cargo.toml", "--tests"])
}

fn fuzz_targets(request: &Request<'_>) -> Result<Report> {
    let seconds = if request.long { 600 } else { 60 };
    let counts = fuzz::run(request.filter, seconds)?;
    Ok(Report { counts, remark: None })
}

fn fuzz_planted(request: &Request<'_>) -> Result<Report> {
    let counts = fuzz::planted(request.filter)?;
    Ok(Report { counts, remark: None })
}

/// The phone is tested as it is shipped: the release build of the command, driven from outside.
fn peers(request: &Request<'_>) -> Result<Report> {
    const TESTS: [&str; 4] = ["--package", "toestel-peers", "--lib", "--tests"];
    shell::run(cargo::cargo("build").args(["--release", "--locked", "--package", "toestel-cli"]))?;
    shell::run(cargo::cargo("run").args(["--locked", "--package", "toestel-peers", "--bin", "peers-prepare"]))?;
    shell::run(cargo::cargo("test").args(["--locked", "--no-run"]).args(TESTS))?;
    let mut command = private(&cargo::cargo("test"));
    // They wait for real clocks more than they work.
    command.env("RUST_TEST_THREADS", "4").arg("--offline");
    let report = count(command, request, &TESTS)?;
    second_try(report, |name| {
        let mut alone = private(&cargo::cargo("test"));
        alone.arg("--offline").args(TESTS).args(["--", "--exact", name]);
        alone
    })
}

/// How many failures of tests that live by the real clock may be the machine's rather than ours.
const CHANCE: usize = 4;

/// Tests against real clocks, servers and sound fail now and then on a machine that is busy with something else. Each
/// is run once more, alone; what passes then is named, and what fails twice has failed.
fn second_try(mut report: Report, alone: impl Fn(&str) -> Command) -> Result<Report> {
    let named = std::mem::take(&mut report.counts.failures);
    if report.counts.failed != named.len() || named.len() > CHANCE {
        return Ok(report);
    }
    let mut passed = Vec::new();
    for name in named {
        println!("\nonce more, alone: {name}");
        if shell::succeeds(&mut alone(&name)) {
            passed.push(name);
        }
    }
    if !passed.is_empty() {
        report.counts.failed -= passed.len();
        report.counts.passed += passed.len();
        report.remark = Some(format!("passed at the second try only: {}", passed.join(", ")));
    }
    Ok(report)
}

/// `command` among processes, mounts and networks of its own, all of which end with it.
pub fn private(command: &Command) -> Command {
    const SCRIPT: &str = "mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && exec \"$@\"";
    let mut private = Command::new("unshare");
    private.args([
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "sh",
        "-c",
        SCRIPT,
        "sh",
    ]);
    private.arg(command.get_program()).args(command.get_args());
    private.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    private.current_dir(machine::root());
    private
}

/// Why this machine cannot hold the lab of real peers.
pub fn no_namespaces() -> Option<String> {
    if !(cfg!(target_os = "linux") && machine::is_debian()) {
        return Some("its servers are Debian packages".into());
    }
    (!machine::is_root()).then(|| "needs root, for network namespaces and a chroot".into())
}
