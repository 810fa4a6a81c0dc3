//! One call as it is seen from outside: its events, its figures, and when to hang up.

use super::display::Display;
use super::summary::Summary;
use crate::error::Failure;
use crate::signals::Signals;
use std::time::Duration;
use toestel_core::{CallId, CallState, Engine, Event, Events};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often the figures on the screen are new.
const REFRESH: Duration = Duration::from_millis(200);
/// How long an answer is awaited at least where the call has a length.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the far end may take to confirm that the call is over.
const GOODBYE: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub struct Watch {
    call: CallId,
    length: Option<Duration>,
    begun: Instant,
    answered: Option<Instant>,
    hung_up: Option<Instant>,
    state: CallState,
    summary: Summary,
}

impl Watch {
    /// Of a call that was just dialled, and is to be hung up `seconds` after its answer.
    pub fn new(call: CallId, seconds: Option<u64>) -> Self {
        Self {
            call,
            length: seconds.map(Duration::from_secs),
            begun: Instant::now(),
            answered: None,
            hung_up: None,
            state: CallState::Dialing,
            summary: Summary::default(),
        }
    }

    /// How it went.
    pub const fn summary(&self) -> &Summary {
        &self.summary
    }

    /// For how long two people talked.
    pub fn talked(&self) -> Duration {
        let end = self.hung_up.unwrap_or_else(Instant::now);
        self.answered
            .map(|since| end.saturating_duration_since(since))
            .unwrap_or_default()
    }

    /// Watches until the call is over.
    ///
    /// # Errors
    /// When the engine stops.
    pub async fn follow(
        &mut self,
        engine: &Engine,
        events: &mut Events,
        display: &Display,
        signals: &mut Signals,
    ) -> Result<(), Failure> {
        let mut tick = interval(REFRESH);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.handle(&event, display),
                    None => return Err(Failure::outcome("The phone stopped in the middle of the call.")),
                },
                () = signals.next() => self.hang_up(engine).await,
                _ = tick.tick() => self.tick(engine, display).await,
            }
            if self.is_over() {
                display.end();
                return Ok(());
            }
        }
    }

    fn is_over(&self) -> bool {
        let unanswered_goodbye = self.hung_up.is_some_and(|since| since.elapsed() >= GOODBYE);
        self.state == CallState::Ended || unanswered_goodbye
    }

    fn handle(&mut self, event: &Event, display: &Display) {
        match event {
            Event::Call {
                call,
                state,
                code,
                reason,
                ..
            } if *call == self.call => {
                self.state = *state;
                if *state == CallState::Active && self.answered.is_none() {
                    self.answered = Some(Instant::now());
                    self.summary.answered();
                }
                if *state == CallState::Ended {
                    self.hung_up.get_or_insert_with(Instant::now);
                    self.summary.ended(reason.as_deref());
                }
                display.state(*state, *code, reason.as_deref());
            }
            Event::Media { suite, codec, .. } => {
                self.summary.agreed(*suite, *codec);
                display.media(*suite, *codec);
            }
            Event::Dtmf { digit, .. } => display.line(&format!("They pressed {digit}.")),
            Event::Warning { text } => display.line(text),
            Event::Incoming { from, .. } => display.line(&format!("{from} calls too.")),
            _ => {}
        }
    }

    async fn tick(&mut self, engine: &Engine, display: &Display) {
        self.refresh(engine).await;
        if self.answered.is_some() || self.state == CallState::Early {
            display.figures(self.state, self.talked(), self.summary.figures(), engine.levels());
        }
        let Some(length) = self.length else { return };
        let enough = match self.answered {
            Some(since) => since.elapsed() >= length,
            None => self.begun.elapsed() >= length.max(PATIENCE),
        };
        if enough && self.hung_up.is_none() {
            self.hang_up(engine).await;
        }
    }

    async fn refresh(&mut self, engine: &Engine) {
        if let Ok(stats) = engine.stats(Some(self.call)).await {
            self.summary.measured(stats.media);
        }
    }

    /// The figures are taken before the call's media is gone. A call that is over already needs no hanging up.
    async fn hang_up(&mut self, engine: &Engine) {
        self.refresh(engine).await;
        if let Err(error) = engine.hang_up(self.call).await {
            tracing::debug!(%error, "nothing to hang up");
        }
        self.hung_up.get_or_insert_with(Instant::now);
    }
}
