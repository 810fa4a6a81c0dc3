//! `toestel agent`: the phone for programs. Commands come in by standard input and events go out by standard output,
//! one JSON object a line; the contract is docs/agent.md.
//!
//! Nothing here decides anything about calls: a line becomes a command of the engine, an event becomes a line.

mod args;
mod input;
mod output;

pub use args::AgentArgs;

use crate::error::Failure;
use crate::signals::Signals;
use input::{Input, Line, Request};
use output::Output;
use serde_json::{Value, json};
use std::time::Duration;
use toestel_core::probe::{ProbeError, probe};
use toestel_core::{AccountSetup, Engine, EngineError, Events, Gone, Secret};
use tokio::sync::{mpsc, oneshot};

/// Every command but `probe` is answered within a second.
const ANSWER_WITHIN: Duration = Duration::from_millis(900);

/// Runs until the end of input, `quit`, SIGTERM or SIGINT.
///
/// # Errors
/// Arguments or a state directory that cannot be used. Nothing that a network does ends it.
pub fn run(args: &AgentArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::device)?;
    runtime.block_on(agent(args))
}

async fn agent(args: &AgentArgs) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let config = args.account()?;
    let (parts, warnings) = args.parts()?;
    let from_environment = args.password_in_environment()?;
    let Input { password, lines } = input::spawn(args.password_is_first_line())?;
    let password = match from_environment {
        Some(password) => password,
        None => match first_line(password, &mut signals).await? {
            Some(password) => password,
            None => return Ok(()),
        },
    };
    let memory = parts.memory(&config);
    let (engine, events) = Engine::start(parts)?;
    let output = Output::stdout()?;
    output.event(&json!({"event": "ready"}));
    for warning in warnings {
        output.event(&json!({"event": "warning", "text": warning.to_string()}));
    }
    let account = AccountSetup {
        config,
        password,
        memory,
    };
    engine.add_account(account).await?;
    let mut agent = Agent { engine, events, output };
    agent.serve(lines, &mut signals).await?;
    agent.end().await;
    Ok(())
}

/// The password; `None` if a signal came first.
async fn first_line(password: oneshot::Receiver<Secret>, signals: &mut Signals) -> Result<Option<Secret>, Failure> {
    tokio::select! {
        password = password => password.map(Some).map_err(|_| {
            Failure::usage("Standard input ended before the password: write the password as its first line.")
        }),
        () = signals.next() => Ok(None),
    }
}

/// The phone, and the two ways by which it speaks to its program.
struct Agent {
    engine: Engine,
    events: Events,
    output: Output,
}

impl Agent {
    async fn serve(&mut self, mut lines: mpsc::Receiver<Line>, signals: &mut Signals) -> Result<(), Failure> {
        loop {
            tokio::select! {
                biased;
                () = signals.next() => return Ok(()),
                event = self.events.next() => match event {
                    Some(event) => self.output.event(&event),
                    None => return Err(Failure::from(EngineError::Gone(Gone))),
                },
                line = lines.recv() => match line {
                    Some(line) => if !self.handle(line).await { return Ok(()) },
                    None => return Ok(()),
                },
            }
        }
    }

    /// Answers one line; `false` after `quit`.
    async fn handle(&self, line: Line) -> bool {
        let (id, request) = match line {
            Line::Request { id, request } => (id, request),
            Line::Refused { id, error, code } => {
                self.output.refused(&id, &error, code);
                return true;
            }
        };
        let quits = matches!(request, Request::Quit);
        match tokio::time::timeout(ANSWER_WITHIN, self.answer(request)).await {
            Ok(Ok(answer)) => self.output.accepted(&id, answer),
            Ok(Err(refusal)) => self.output.refused(&id, &refusal.error, refusal.code),
            Err(_) => self
                .output
                .refused(&id, "The phone is too busy to answer: ask again.", "busy"),
        }
        !quits
    }

    async fn answer(&self, request: Request) -> Result<Value, Refusal> {
        let answer = match request {
            Request::State => serde_json::to_value(self.engine.view().await?),
            Request::Stats(call) => serde_json::to_value(self.engine.stats(call).await?),
            Request::Phone(command) => serde_json::to_value(self.engine.command(command).await?),
            Request::Probe(asked) => serde_json::to_value(probe(asked.kind, &asked.input, asked.key.as_ref())?),
            Request::Quit => Ok(json!({})),
        };
        answer.map_err(|error| Refusal {
            error: error.to_string(),
            code: "internal",
        })
    }

    /// Hangs up and unregisters; what comes of it is still told.
    async fn end(mut self) {
        let farewell = self.engine.shut_down();
        let tell = async {
            while let Some(event) = self.events.next().await {
                self.output.event(&event);
            }
        };
        tokio::join!(farewell, tell);
        self.output.finish();
    }
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

impl From<ProbeError> for Refusal {
    fn from(error: ProbeError) -> Self {
        Self {
            error: error.to_string(),
            code: "arguments",
        }
    }
}
