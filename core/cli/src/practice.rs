//! `toestel practice`: the practice exchange by itself, for other phones on this machine.

use crate::error::Failure;
use crate::signals::Signals;
use clap::Args;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use toestel_core::practice::{DOMAIN, EXTENSIONS, Practice};

/// What can be called there.
const NUMBERS: [(&str, &str); 7] = [
    ("600", "echo: what you say comes back"),
    ("601", "hangs up and calls you back"),
    ("602", "answers and speaks; somebody to transfer a call to"),
    ("603", "echo over a bad line"),
    ("604", "busy"),
    ("605", "does not answer"),
    ("*97", "the mailbox, with one message"),
];

/// How it is served.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  toestel practice --port 5061 --ca practice.pem
  toestel accounts add 1002@practice.toestel.invalid --server 127.0.0.1:5061 --ca practice.pem")]
pub struct PracticeArgs {
    /// The port on 127.0.0.1; any that is free if left out
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Where to write the certificate authority that phones must trust
    #[arg(long, value_name = "FILE", default_value = "toestel-practice.pem")]
    ca: PathBuf,
    /// One line of JSON instead of a text for people
    #[arg(long)]
    json: bool,
}

/// Serves until it is interrupted.
///
/// # Errors
/// When it cannot listen, or its certificate cannot be written.
pub fn run(args: PracticeArgs) -> Result<(), Failure> {
    let practice = Practice::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, args.port))).map_err(Failure::outcome)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::device)?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        std::fs::write(&args.ca, practice.root_pem()).map_err(|error| {
            Failure::outcome(format!(
                "{} cannot be written ({error}): give another file.",
                args.ca.display()
            ))
        })?;
        explain(&args, &practice).map_err(Failure::device)?;
        signals.next().await;
        Ok(())
    })
}

fn explain(args: &PracticeArgs, practice: &Practice) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let ca = args.ca.display();
    let accounts = EXTENSIONS.iter().map(|user| (*user, password(practice, user)));
    if args.json {
        let accounts: Vec<_> = accounts
            .map(|(user, password)| serde_json::json!({"user": user, "password": password}))
            .collect();
        let line = serde_json::json!({
            "server": practice.address().to_string(), "transport": "tls", "domain": DOMAIN,
            "ca": ca.to_string(), "accounts": accounts,
        });
        writeln!(out, "{line}")?;
        return out.flush();
    }
    writeln!(out, "The practice exchange runs. Ctrl-C ends it.\n")?;
    writeln!(out, "Server    {} over TLS", practice.address())?;
    writeln!(out, "Domain    {DOMAIN}")?;
    writeln!(out, "Trust     {ca}, until it ends")?;
    writeln!(out, "Media     encrypted (SDES)\n\nUser      Password")?;
    for (user, password) in accounts {
        writeln!(out, "{user:<9} {password}")?;
    }
    writeln!(out, "\nNumber    What it does")?;
    for (number, what) in NUMBERS {
        writeln!(out, "{number:<9} {what}")?;
    }
    out.flush()
}

/// The passwords here are made to be read: they are drawn at each start and open nothing but this exchange.
fn password(practice: &Practice, user: &str) -> String {
    let password = practice.password(user);
    password.map_or_else(String::new, |password| {
        String::from_utf8_lossy(password.expose()).into_owned()
    })
}
