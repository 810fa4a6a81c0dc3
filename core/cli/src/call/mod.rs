//! `toestel call`: one call, watched live, and how it went.
//!
//! Without an account it starts the practice exchange in the same process and calls that. Without a sound device it
//! speaks to the practice exchange with the bundled voice, writes down what comes back, and says so.

mod display;
mod sound;
mod summary;
mod watch;

use crate::error::Failure;
use crate::password::PasswordArgs;
use crate::place::Place;
use crate::register::registered;
use crate::signals::Signals;
use clap::Args;
use display::Display;
use sound::{Sound, SoundArgs};
use toestel_core::{Engine, Events};
use watch::Watch;

/// Whom to call, and how.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  toestel call 600
  toestel call +31201234567 --account 201@pbx.example.nl
  toestel call 600 --seconds 10 --play hello.wav --record heard.wav --json")]
pub struct CallArgs {
    /// A number, an extension, or a sip: or tel: address
    target: String,
    /// Which account to call from; without one, the first, or the practice exchange if there is none
    #[arg(long)]
    account: Option<String>,
    /// Hang up this many seconds after the answer; one that takes longer than that, and than 30 seconds, is not awaited
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    #[command(flatten)]
    sound: SoundArgs,
    /// End with one line of JSON that says how it went
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    password: PasswordArgs,
}

/// Calls.
///
/// # Errors
/// When the call was not answered, or sound did not run both ways.
pub fn run(args: CallArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::device)?;
    runtime.block_on(call(args))
}

async fn call(args: CallArgs) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let display = Display::new(args.json);
    let place = Place::find(args.account.as_deref(), &args.password).await?;
    let sound = Sound::choose(&args.sound, place.is_practice())?;
    if let Some(note) = sound.note() {
        display.line(note);
    }
    let (parts, account) = place.prepare(sound.spec())?;
    let (engine, mut events) = Engine::start(parts)?;
    engine.use_devices(sound.chosen().clone())?;
    engine.add_account(account).await?;
    display.line(&format!("Registering at {} …", place.name()));
    let outcome = talk(&args, &engine, &mut events, &display, &mut signals).await;
    engine.shut_down().await;
    let watch = outcome?;
    if args.json {
        watch.summary().print()?;
    }
    watch.summary().verdict()?;
    sound.check_recording(watch.talked())
}

async fn talk(
    args: &CallArgs,
    engine: &Engine,
    events: &mut Events,
    display: &Display,
    signals: &mut Signals,
) -> Result<Watch, Failure> {
    tokio::select! {
        registered = registered(events) => registered.map_err(Failure::outcome)?,
        () = signals.next() => return Err(Failure::outcome("You stopped it before the call.")),
    }
    engine.meter(true)?;
    let call = engine.dial(None, &args.target).await?;
    let mut watch = Watch::new(call, args.seconds);
    watch.follow(engine, events, display, signals).await?;
    Ok(watch)
}
