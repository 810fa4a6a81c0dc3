//! The fuzz targets of `tests/fuzz`, one after the other, each for its time.
//!
//! A target fails where it crashes or hangs, where it is slower than a thousand executions a second, and where less
//! than half of the corpus that it ends with is accepted. The table at the end is that of `docs/fuzz.md`. What a run
//! finds stays beside the build ([`found`]), so that the clone does not change; the committed corpus is read only.
//!
//! [`planted`] runs the targets in which a defect is planted, and fails where one is not found.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::cargo::{self, Counts};
use crate::machine;
use crate::shell::{self, Failure, Result};

/// The version that is installed when the cache holds none.
const VERSION: &str = "0.13.2";
const FOLDER: &str = "tests/fuzz";
const MANIFEST: &str = "tests/fuzz/Cargo.toml";
/// Slower, and a run finds too little in its time.
const EXECUTIONS_A_SECOND: u64 = 1_000;
/// Targets whose input is text, in which the numbers that code compares do not stand as such: without a trace of its
/// comparisons they run nearly twice as often.
const UNTRACED: [&str; 6] = ["dialog", "digest", "lines", "sdp", "sip", "sip_stream"];
/// The longest conversation, in bytes: no seed has as many, and two shorter ones find more in the same time.
const LONGEST_DIALOG: &str = "-max_len=2048";
/// Targets in which a defect is planted (`src/planted.rs`).
const PLANTED: [&str; 4] = ["rtcp", "sdp", "sip", "stun"];
/// How long each of those may take.
const SECONDS_TO_FIND: u32 = 60;

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
    let (mut table, mut counts) = (heading(), Counts::default());
    for name in targets(filter)? {
        let done = fuzz(&name, seconds).and_then(|figures| {
            table.push_str(&figures.row(&name, seconds));
            figures.judge(&name)
        });
        tally(&mut counts, done);
    }
    println!("\n{table}");
    Ok(counts)
}

/// Looks for each planted defect whose target's name contains `filter`, from the seeds alone.
pub fn planted(filter: Option<&str>) -> Result<Counts> {
    let mut counts = Counts::default();
    let reach = [
        "--manifest-path",
        MANIFEST,
        "--features",
        "planted",
        "--lib",
        "planted::",
    ];
    tally(
        &mut counts,
        shell::run(cargo::cargo("test").arg("--locked").args(reach)),
    );
    for name in PLANTED.iter().filter(|name| name.contains(filter.unwrap_or_default())) {
        tally(&mut counts, find(name));
    }
    Ok(counts)
}

fn tally(counts: &mut Counts, done: Result<()>) {
    match done {
        Ok(()) => counts.passed += 1,
        Err(Failure(why)) => {
            println!("{why}");
            counts.failed += 1;
        }
    }
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
    let (found, kept) = (
        found("corpus", name),
        machine::root().join(FOLDER).join("corpus").join(name),
    );
    seed(name, &found)?;
    let mut figures = Figures::default();
    let good = watch(
        command(name, "libfuzzer")?
            .args([&found, &kept])
            .args(flags(seconds))
            .args((name == "dialog").then_some(LONGEST_DIALOG)),
        |line| figures.read(line),
    )?;
    if !good {
        return shell::fail(format!(
            "{name}: an input broke it; it is in {FOLDER}/artifacts/{name}: keep it in {FOLDER}/kept/{name}"
        ));
    }
    let mut share = example("share", name);
    for line in shell::output(share.args([&found, &kept]))?.lines() {
        figures.read(line);
    }
    Ok(figures)
}

/// Runs one target with its planted defect, which must be found.
fn find(name: &str) -> Result<()> {
    let folder = found("planted", name);
    let _ = fs::remove_dir_all(&folder);
    seed(name, &folder)?;
    let mut fuzzer = command(name, "libfuzzer,planted")?;
    fuzzer.arg(&folder).args(flags(SECONDS_TO_FIND));
    fuzzer.arg(format!("-artifact_prefix={}/", folder.display()));
    let (mut began, mut struck) = (Instant::now(), None);
    watch(&mut fuzzer, |line| {
        // Building is over.
        if line.starts_with("INFO: Seed:") {
            began = Instant::now();
        } else if line.starts_with("planted: ") {
            struck = Some((line.to_owned(), began.elapsed()));
        }
    })?;
    match struck {
        Some((what, took)) => {
            println!("{name}: found in {:.1} s: {what}", took.as_secs_f64());
            Ok(())
        }
        None => shell::fail(format!("{name}: what is planted was not found in {SECONDS_TO_FIND} s")),
    }
}

/// Where the inputs of a run are kept.
fn found(what: &str, name: &str) -> PathBuf {
    machine::target().join("fuzz").join(what).join(name)
}

fn seed(name: &str, folder: &Path) -> Result<()> {
    shell::run(example("seed", name).arg(folder))
}

fn example(example: &str, target: &str) -> Command {
    let mut command = cargo::cargo("run");
    command.args(["--locked", "--manifest-path", MANIFEST, "--example", example, target]);
    command
}

/// Without the address sanitizer, which makes the targets up to ten times slower: the code that is fuzzed is safe Rust
/// (`unsafe_code` is denied), and overflows and broken assertions are found all the same. The pinned toolchain is
/// allowed the switches that cargo-fuzz may set.
fn command(name: &str, features: &str) -> Result<Command> {
    let tool = cargo::tool("cargo-fuzz", VERSION)?;
    let mut command = Command::new(tool);
    command
        .current_dir(machine::root())
        .env("CARGO_TARGET_DIR", machine::target().join("fuzz"))
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["run", "--fuzz-dir", FOLDER, "--sanitizer", "none"])
        .args(UNTRACED.contains(&name).then_some("--no-trace-compares"))
        .args(["--features", features, name]);
    Ok(command)
}

/// What follows the folders of a run.
fn flags(seconds: u32) -> [String; 5] {
    [
        "--".to_owned(),
        format!("-max_total_time={seconds}"),
        "-print_final_stats=1".to_owned(),
        "-print_funcs=0".to_owned(),
        "-timeout=10".to_owned(),
    ]
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
