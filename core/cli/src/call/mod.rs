//! `toestel call`: one call, watched live, and how it went.
//!
//! Without an account it starts the practice exchange in the same process and calls that. Without a sound device it
//! speaks with the bundled voice, writes down what comes back, and says so.

mod display;
mod sound;
mod summary;

use crate::error::Failure;
use crate::setup;
use clap::Args;
use display::Display;
use std::path::PathBuf;
use std::time::Duration;
use summary::Summary;
use tokio::time::{Instant, MissedTickBehavior, interval};
use toestel_core::{CallId, CallState, Engine, Event, Events};

/// How often the figures on the screen are new.
const REFRESH: Duration = Duration::from_millis(200);
/// How long a PBX may take to register us before the call is given up.
const REGISTER_WITHIN: Duration = Duration::from_secs(20);

/// Whom to call, and how.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  toestel call 600
  toestel call +31201234567 --account reception
  toestel call 600 --seconds 10 --play hello.wav --record heard.wav --json")]
pub struct CallArgs {
    /// A number, an extension, or a sip: or tel: address
    target: String,
    /// Which account to call from; without one, the first, or the practice exchange if there is none
    #[arg(long)]
    account: Option<String>,
    /// Hang up this many seconds after the answer
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Speak this WAV file instead of the microphone (16-bit mono at 8, 16 or 48 kHz)
    #[arg(long, value_name = "WAV")]
    play: Option<PathBuf>,
    /// Write what is heard to this WAV file instead of the loudspeaker
    #[arg(long, value_name = "WAV")]
    record: Option<PathBuf>,
    /// End with one line of JSON that says how it went
    #[arg(long)]
    json: bool,
}

/// Calls.
///
/// # Errors
/// When the call was not answered, or sound did not run both ways.
pub fn run(args: CallArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::device)?;
    runtime.block_on(call(args))
}

async fn call(args: CallArgs) -> Result<(), Failure> {
    let display = Display::new(args.json);
    let sound = sound::choose(args.play.as_deref(), args.record.as_deref())?;
    sound.explain(&display);
    let mut place = setup::Place::find(args.account.as_deref(), &display)?;
    let (engine, mut events) = Engine::start(place.parts(sound.spec())?)?;
    engine.add_account(place.account()?).await?;
    let outcome = talk(&args, &engine, &mut events, &display).await;
    engine.shut_down().await;
    let summary = outcome?;
    if args.json {
        summary.print()?;
    }
    sound.farewell(&display);
    summary.verdict()
}

async fn talk(args: &CallArgs, engine: &Engine, events: &mut Events, display: &Display) -> Result<Summary, Failure> {
    registered(events, display).await?;
    let call = engine.dial(None, &args.target).await?;
    let mut watch = Watch { call, summary: Summary::default(), answered: None, state: CallState::Dialing };
    let mut tick = interval(REFRESH);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => if watch.handle(&event, display) { return Ok(watch.summary) },
                None => return Err(Failure::outcome("The phone stopped in the middle of the call.")),
            },
            _ = &mut interrupted => engine.hang_up(call).await?,
            _ = tick.tick() => {
                watch.refresh(engine, display).await;
                let enough = args.seconds.map(Duration::from_secs);
                if watch.answered.zip(enough).is_some_and(|(since, enough)| since.elapsed() >= enough) {
                    engine.hang_up(call).await?;
                }
            }
        }
    }
}

/// Waits until the PBX knows us; a call before that would only say less clearly why it fails.
async fn registered(events: &mut Events, display: &Display) -> Result<(), Failure> {
    let mut last = "The PBX did not answer in time. Check the address and the network.".to_owned();
    let wait = async {
        while let Some(event) = events.next().await {
            match event {
                Event::Registered { .. } => return true,
                Event::Unregistered { reason, retry_in_ms, .. } => {
                    display.line(&reason);
                    last = reason;
                    if retry_in_ms.is_none() {
                        return false;
                    }
                }
                Event::Warning { text } => display.line(&text),
                _ => {}
            }
        }
        false
    };
    match tokio::time::timeout(REGISTER_WITHIN, wait).await {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Failure::outcome(last)),
    }
}

/// The one call, as it is seen from here.
struct Watch {
    call: CallId,
    summary: Summary,
    answered: Option<Instant>,
    state: CallState,
}

impl Watch {
    /// Takes an event in; `true` when the call is over.
    fn handle(&mut self, event: &Event, display: &Display) -> bool {
        match event {
            Event::Call { call, state, code, reason } if *call == self.call => {
                self.state = *state;
                if *state == CallState::Active && self.answered.is_none() {
                    self.answered = Some(Instant::now());
                    self.summary.answered();
                }
                display.state(*state, *code, reason.as_deref());
                if *state == CallState::Ended {
                    self.summary.ended(reason.as_deref());
                    return true;
                }
            }
            Event::Media { suite, codec, .. } => {
                self.summary.agreed(*suite, *codec);
                display.media(*suite, *codec);
            }
            Event::Dtmf { digit, .. } => display.line(&format!("They pressed {digit}.")),
            Event::Warning { text } => display.line(text),
            _ => {}
        }
        false
    }

    async fn refresh(&mut self, engine: &Engine, display: &Display) {
        if let Ok(stats) = engine.stats(Some(self.call)).await {
            self.summary.figures(stats.media);
            let talked = self.answered.map(|since| since.elapsed()).unwrap_or_default();
            display.figures(self.state, talked, &stats.media, engine.levels());
        }
    }
}
