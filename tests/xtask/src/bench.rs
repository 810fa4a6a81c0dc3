//! `cargo xtask bench`: figures, as opposed to verdicts.

use crate::machine;
use crate::packages::{self, BENCH, BUILD, PEERS};
use crate::shell::{Result, fail, run};
use crate::suites::{no_namespaces, private};
use crate::{cargo, shell};

/// Runs the bench that `arguments` name; whether every target was met.
pub fn bench(arguments: &[&str]) -> Result<bool> {
    match arguments {
        ["peers", rest @ ..] => peers(rest),
        _ => fail("the bench is called peers: cargo xtask help"),
    }
}

/// The phones side by side, each as it is shipped.
fn peers(arguments: &[&str]) -> Result<bool> {
    if let Some(hindrance) = no_namespaces() {
        return fail(format!("bench peers cannot run: {hindrance}"));
    }
    packages::ensure(&[BUILD, PEERS, BENCH])?;
    let build = |package: &[&str]| {
        run(cargo::cargo("build")
            .args(["--release", "--locked", "--package"])
            .args(package))
    };
    build(&["toestel-cli"])?;
    build(&["toestel-peers", "--bins"])?;
    let program = |name: &str| machine::target().join("release").join(name);
    let mut prepare = std::process::Command::new(program("peers-prepare"));
    run(prepare.env("TOESTEL_CACHE", machine::cache()))?;
    let mut bench = std::process::Command::new(program("bench-peers"));
    bench
        .env("TOESTEL_CACHE", machine::cache())
        .env("TOESTEL_BIN", program("toestel"))
        .args(arguments);
    shell::tee(&mut private(&bench), |_| {})
}
