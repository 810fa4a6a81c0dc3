//! The project's own commands: `cargo xtask run`, `cargo xtask test` and `cargo xtask bench`.
//!
//! It has no dependencies, so that it builds in seconds on a fresh machine, before anything else can be built. Each
//! command first sees to what the machine lacks ([`packages`]), then builds into a target folder outside the clone
//! ([`machine`]), so that a second run, and a second clone, start warm.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: what it prints is its work"
)]

mod bench;
mod cargo;
mod deny;
mod fuzz;
mod lexer;
mod machine;
mod packages;
mod report;
mod run;
mod shell;
mod size;
mod sources;
mod suites;
mod walls;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask run [-- ARGUMENTS]     set up, build, and call the practice exchange's echo (toestel call 600)
cargo xtask test                   set up and run every suite but fuzz and fuzz-planted
cargo xtask test SUITE [FILTER]    run one suite, or those of its tests whose name contains FILTER
cargo xtask test long              the suites that have full counts: fuzzing, fresh seeds, long calls, soak
cargo xtask bench peers [--quick]  measure us, baresip and linphone side by side (docs/bench.md)

Suites:";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["run", rest @ ..] => run::run(rest).map(|()| true),
        ["test", rest @ ..] => suites::test(rest),
        ["bench", rest @ ..] => bench::bench(rest),
        [] | ["help" | "--help" | "-h", ..] => {
            usage();
            return ExitCode::SUCCESS;
        }
        [unknown, ..] => {
            eprintln!("xtask: no command {unknown}\n");
            usage();
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn usage() {
    println!("{USAGE}");
    for suite in suites::ALL {
        println!("  {:<12} {}", suite.name, suite.what);
    }
}
