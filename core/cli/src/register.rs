//! `toestel register`: whether an account registers, and why not.

use crate::error::Failure;
use crate::password::PasswordArgs;
use crate::setup::Account;
use crate::signals::Signals;
use clap::Args;
use std::io::Write;
use std::time::Duration;
use toestel_core::{AudioSpec, Engine, Event, Events};

/// How long a PBX may take to register us.
pub const REGISTER_WITHIN: Duration = Duration::from_secs(20);

/// Which account, and how to tell.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  toestel register
  toestel register --account 201@pbx.example.nl --json")]
pub struct RegisterArgs {
    /// Which account; without one, the first
    #[arg(long)]
    account: Option<String>,
    /// One line of JSON instead of a sentence
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    password: PasswordArgs,
}

/// Registers, tells, and takes the registration back.
///
/// # Errors
/// When it did not register, and why.
pub fn run(args: RegisterArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::device)?;
    runtime.block_on(register(args))
}

async fn register(args: RegisterArgs) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let account = Account::find(args.account.as_deref(), &args.password).await?;
    let account = account.ok_or_else(|| Failure::usage("There is no account: add one with `toestel accounts add`."))?;
    let (parts, setup) = account.prepare(AudioSpec::Null)?;
    let address = account.address();
    let server = setup.config.destination();
    let (engine, mut events) = Engine::start(parts)?;
    engine.add_account(setup).await?;
    let outcome = tokio::select! {
        outcome = registered(&mut events) => outcome,
        () = signals.next() => Err("You stopped it.".to_owned()),
    };
    engine.shut_down().await;
    let mut out = std::io::stdout().lock();
    if args.json {
        let line = serde_json::json!({
            "account": address, "registered": outcome.is_ok(), "reason": outcome.as_ref().err(),
        });
        writeln!(out, "{line}").map_err(Failure::device)?;
    } else if outcome.is_ok() {
        writeln!(
            out,
            "{address} registers at {server}: calls can come in while the phone runs."
        )
        .map_err(Failure::device)?;
    }
    outcome.map_err(Failure::outcome)
}

/// Waits until the PBX knows us, or says why not: the first failure is told, not hidden behind attempts to come.
///
/// # Errors
/// A sentence.
pub async fn registered(events: &mut Events) -> Result<(), String> {
    let told = async {
        while let Some(event) = events.next().await {
            match event {
                Event::Registered { .. } => return Ok(()),
                Event::Unregistered { reason, .. } => return Err(reason),
                Event::Warning { text } => tracing::warn!("{text}"),
                _ => {}
            }
        }
        Err("The phone stopped.".to_owned())
    };
    let late = || Err("The PBX did not answer in time: check the server's address and the network.".to_owned());
    tokio::time::timeout(REGISTER_WITHIN, told)
        .await
        .unwrap_or_else(|_| late())
}
