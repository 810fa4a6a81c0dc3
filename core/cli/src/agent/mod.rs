//! `toestel agent`: the phone for programs. Commands come in by standard input and events go out by standard output,
//! one JSON object a line; the contract is docs/agent.md.
//!
//! Nothing here decides anything about calls: a line becomes a command of the engine, an event becomes a line.

mod args;
mod input;
mod output;

pub use args::AgentArgs;

use crate::error::Failure;
use input::{Line, Request};
use output::Output;
use serde_json::{Value, json};
use std::time::Duration;
use toestel_core::{Engine, EngineError, Events, Gone};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Every command but `probe` is answered within a second.
const ANSWER_WITHIN: Duration = Duration::from_millis(900);

/// Runs until the end of input, `quit`, SIGTERM or SIGINT.
///
/// # Errors
/// Arguments or a state directory that cannot be used. Nothing that a network does ends it.
pub fn run(args: AgentArgs) -> Result<(), Failure> {
    let (password, lines) = args.password()?;
    let (parts, account, warnings) = args.prepare(password)?;
    let (engine, events) = Engine::start(parts)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::device)?;
    runtime.block_on(async {
        let output = Output::stdout();
        output.event(&json!({"event": "ready"}));
        for warning in warnings {
            output.event(&json!({"event": "warning", "text": warning.to_string()}));
        }
        if let Err(error) = engine.add_account(account).await {
            return Err(Failure::from(error));
        }
        serve(&engine, events, lines, &output).await?;
        engine.shut_down().await;
        Ok(())
    })
}

async fn serve(
    engine: &Engine,
    mut events: Events,
    mut lines: mpsc::UnboundedReceiver<Line>,
    output: &Output,
) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::device)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::device)?;
    loop {
        tokio::select! {
            biased;
            event = events.next() => match event {
                Some(event) => output.event(&event),
                None => return Err(Failure::from(EngineError::Gone(Gone))),
            },
            line = lines.recv() => match line {
                Some(line) => if !handle(engine, line, output).await { return Ok(()) },
                None => return Ok(()),
            },
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
}

/// Answers one line; `false` after `quit`.
async fn handle(engine: &Engine, line: Line, output: &Output) -> bool {
    let (id, request) = match line {
        Line::Request { id, request } => (id, request),
        Line::Refused { id, error, code } => {
            output.refused(&id, &error, code);
            return true;
        }
    };
    let quits = matches!(request, Request::Quit);
    match tokio::time::timeout(ANSWER_WITHIN, answer(engine, request)).await {
        Ok(Ok(answer)) => output.accepted(&id, answer),
        Ok(Err(refusal)) => output.refused(&id, &refusal.error, refusal.code),
        Err(_) => output.refused(&id, "The phone is too busy to answer. Ask again.", "busy"),
    }
    !quits
}

/// A command that changes nothing, and why.
struct Refusal {
    error: String,
    code: &'static str,
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Self {
            error: error.to_string(),
            code: error.code(),
        }
    }
}

async fn answer(engine: &Engine, request: Request) -> Result<Value, Refusal> {
    let encode = |value: serde_json::Result<Value>| {
        value.map_err(|error| Refusal {
            error: error.to_string(),
            code: "internal",
        })
    };
    match request {
        Request::State => encode(serde_json::to_value(engine.view().await?)),
        Request::Stats(call) => encode(serde_json::to_value(engine.stats(call).await?)),
        Request::Phone(command) => encode(serde_json::to_value(engine.command(command).await?)),
        Request::Probe(_) => Err(Refusal {
            error: "Not yet.".to_owned(),
            code: "arguments",
        }),
        Request::Quit => Ok(json!({})),
    }
}
