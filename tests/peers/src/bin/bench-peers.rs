//! Measures the phones side by side and prints the table; `cargo xtask bench peers` runs it.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: what it prints is its work"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use toestel_peers::bench::{Bench, Extent};

const USAGE: &str = "\
cargo xtask bench peers [--quick] [--runs N] [--seconds N] [--json FILE] [--keep FOLDER] [GROUP...]
Groups: start, click, idle, call, pesq; without any, all of them.";

fn main() -> ExitCode {
    let mut extent = Extent::full();
    let mut json = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok());
        let understood = match argument.as_str() {
            "--quick" => {
                extent = Extent::quick();
                true
            }
            "--runs" => number().map(|runs: u64| extent.runs = runs as usize).is_some(),
            "--seconds" => number()
                .map(|seconds| extent.window = Duration::from_secs(seconds))
                .is_some(),
            "--json" => {
                json = arguments.next();
                json.is_some()
            }
            "--keep" => {
                extent.keep = arguments.next().map(PathBuf::from);
                extent.keep.is_some()
            }
            "start" | "click" | "idle" | "call" | "pesq" => {
                extent.only.push(argument.clone());
                true
            }
            _ => false,
        };
        if !understood {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    let report = Bench::new(extent).run();
    println!("{}", report.table());
    if let Some(path) = json {
        std::fs::write(&path, format!("{:#}\n", report.json())).expect("the file for JSON can be written");
    }
    if report.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
