//! Where the log goes: standard error, so that standard output stays a program's.

use tracing_subscriber::EnvFilter;

/// Starts it: warnings, or what `TOESTEL_LOG` (else `RUST_LOG`) says; each `-v` says more.
pub fn start(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("TOESTEL_LOG")
        .or_else(|_| EnvFilter::try_from_default_env())
        .unwrap_or_else(|_| EnvFilter::new(level));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
    drop(started);
}
