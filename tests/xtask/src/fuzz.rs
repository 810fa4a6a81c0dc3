//! The fuzz targets of `tests/fuzz`, one after the other, each for its time.
//!
//! A target fails where it crashes or hangs, where it is slower than a thousand executions a second, and where less
//! than half of the corpus that it ends with is accepted. The table at the end is that of `docs/fuzz.md`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::cargo::{self, Counts};
use crate::machine;
use crate::shell::{self, Failure, Result};

/// The version that is installed when the cache holds none.
const VERSION: &str = "0.13.2";
const FOLDER: &str = "tests/fuzz";
const MANIFEST: &str = "tests/fuzz/Cargo.toml";
/// Slower, and a run finds too little in its time.
const EXECUTIONS_A_SECOND: u64 = 1_000;

/// What one run came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Figures {
    executions: u64,
    a_second: u64,
    accepted: u64,
    corpus: u64,
}

/// Fuzzes each target whose name contains `filter` for `seconds`.
pub fn run(filter: Option<&str>, seconds: u32) -> Result<Counts> {
    let names = targets(filter)?;
    shell::run(cargo::cargo("run").args(["--locked", "--manifest-path", MANIFEST, "--bin", "seed"]))?;
    let (mut table, mut counts) = (heading(), Counts::default());
    for name in names {
        let done = fuzz(&name, seconds).and_then(|figures| {
            table.push_str(&figures.row(&name, seconds));
            figures.judge(&name)
        });
        match done {
            Ok(()) => counts.passed += 1,
            Err(Failure(why)) => {
                println!("{why}");
                counts.failed += 1;
            }
        }
    }
    println!("\n{table}");
    Ok(counts)
}

fn targets(filter: Option<&str>) -> Result<Vec<String>> {
    let folder = machine::root().join(FOLDER).join("fuzz_targets");
    let entries = fs::read_dir(&folder).map_err(|error| Failure(format!("{}: {error}", folder.display())))?;
    let names = entries.filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned));
    let mut names: Vec<String> = names.filter(|name| name.contains(filter.unwrap_or_default())).collect();
    names.sort_unstable();
    if names.is_empty() {
        return shell::fail("no fuzz target has such a name");
    }
    Ok(names)
}

/// Runs one target, and then counts how much of its corpus is accepted.
fn fuzz(name: &str, seconds: u32) -> Result<Figures> {
    let mut figures = Figures::default();
    let good = watch(&mut command(name, seconds)?, |line| figures.read(line))?;
    if !good {
        return shell::fail(format!(
            "{name}: an input broke it; it is in {FOLDER}/artifacts/{name}: keep it in {FOLDER}/kept/{name}"
        ));
    }
    let mut share = cargo::cargo("run");
    share.args(["--locked", "--manifest-path", MANIFEST, "--bin", "share", name]);
    for line in shell::output(&mut share)?.lines() {
        figures.read(line);
    }
    Ok(figures)
}

/// Without the address sanitizer, which makes the targets up to ten times slower: the code that is fuzzed is safe Rust
/// (`unsafe_code` is denied), and overflows and broken assertions are found all the same. The pinned toolchain is
/// allowed the switches that cargo-fuzz may set.
fn command(name: &str, seconds: u32) -> Result<Command> {
    let tool = cargo::tool("cargo-fuzz", VERSION)?;
    let mut command = Command::new(tool);
    command
        .current_dir(machine::root())
        .env("CARGO_TARGET_DIR", machine::target().join("fuzz"))
        .env("RUSTC_BOOTSTRAP", "1")
        .args([
            "run",
            "--fuzz-dir",
            FOLDER,
            "--sanitizer",
            "none",
            "--features",
            "libfuzzer",
        ])
        .args([name, "--"])
        .arg(format!("-max_total_time={seconds}"))
        .args(["-print_final_stats=1", "-print_funcs=0", "-timeout=10"]);
    Ok(command)
}

/// Runs `command`, hands each line of its error output to `seen` and shows those that are not about progress.
fn watch(command: &mut Command, mut seen: impl FnMut(&str)) -> Result<bool> {
    let cannot = |error: std::io::Error| Failure(format!("cargo fuzz cannot be run: {error}"));
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(cannot)?;
    if let Some(errors) = child.stderr.take() {
        for line in BufReader::new(errors).split(b'\n') {
            let Ok(bytes) = line else { break };
            let line = String::from_utf8_lossy(&bytes);
            seen(&line);
            if !(line.starts_with('#') || line.contains("# Uses:")) {
                println!("{line}");
            }
        }
    }
    Ok(child.wait().map_err(cannot)?.success())
}

fn heading() -> String {
    let names = "| target | seconds | executions | a second | corpus | accepted |";
    format!("{names}\n|--------|--------:|-----------:|---------:|-------:|---------:|\n")
}

impl Figures {
    /// What libFuzzer says at its end, and what `share` says.
    fn read(&mut self, line: &str) {
        let number = |text: &str| text.trim().parse().ok();
        if let Some((what, value)) = line.strip_prefix("stat::").and_then(|stat| stat.split_once(':')) {
            match (what, number(value)) {
                ("number_of_executed_units", Some(value)) => self.executions = value,
                ("average_exec_per_sec", Some(value)) => self.a_second = value,
                _ => {}
            }
        } else if let Some(counts) = line.strip_suffix(" inputs accepted")
            && let Some((_, counts)) = counts.split_once(':')
            && let Some((accepted, all)) = counts.split_once(" of ")
        {
            self.accepted = number(accepted).unwrap_or(0);
            self.corpus = number(all).unwrap_or(0);
        }
    }

    fn judge(&self, name: &str) -> Result<()> {
        if self.a_second < EXECUTIONS_A_SECOND {
            return shell::fail(format!(
                "{name}: {} executions a second, fewer than {EXECUTIONS_A_SECOND}",
                self.a_second
            ));
        }
        if self.accepted * 2 < self.corpus {
            return shell::fail(format!(
                "{name}: only {} of {} inputs in its corpus are accepted",
                self.accepted, self.corpus
            ));
        }
        Ok(())
    }

    fn row(&self, name: &str, seconds: u32) -> String {
        let percent = (self.accepted * 100).checked_div(self.corpus).unwrap_or(0);
        format!(
            "| {name} | {seconds} | {} | {} | {} | {percent} % |\n",
            self.executions, self.a_second, self.corpus
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Figures {
        let mut figures = Figures::default();
        lines.iter().for_each(|line| figures.read(line));
        figures
    }

    #[test]
    fn the_figures_of_a_run_are_read_and_written_as_a_row() {
        let figures = read(&[
            "#71836\tDONE   cov: 1217 ft: 6000 corp: 900/50Kb",
            "stat::number_of_executed_units: 71836",
            "stat::average_exec_per_sec:     3420",
            "stat::peak_rss_mb:              474",
            "rtp: 600 of 900 inputs accepted",
        ]);
        assert_eq!(figures.row("rtp", 20), "| rtp | 20 | 71836 | 3420 | 900 | 66 % |\n");
        assert!(figures.judge("rtp").is_ok());
    }

    #[test]
    fn a_slow_target_and_a_corpus_of_refused_inputs_fail() {
        let share = "rtp: 449 of 900 inputs accepted";
        assert!(read(&["stat::average_exec_per_sec: 3000", share]).judge("rtp").is_err());
        let share = "rtp: 450 of 900 inputs accepted";
        assert!(read(&["stat::average_exec_per_sec: 999", share]).judge("rtp").is_err());
        assert!(read(&["stat::average_exec_per_sec: 1000", share]).judge("rtp").is_ok());
    }
}
