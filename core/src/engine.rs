//! The one door: a handle that anyone may clone, and a stream of events.
//!
//! Each method is one request to the runtime's loop and its answer: accepted, or refused and why. What comes of it
//! arrives as an [`Event`]. When the last handle is dropped the phone hangs up, unregisters and stops.

use crate::audio::device::DeviceChoice;
use crate::error::{EngineError, Gone};
use crate::parts::Parts;
use crate::runtime::{Levels, Request, Runtime, Tells};

pub use crate::runtime::{AccountSetup, CallStats, FAREWELL};
use std::sync::Arc;
use toestel_proto::ids::{AccountId, CallId};
use toestel_proto::phone::{Accepted, Command, Event, Refused, View};
use tokio::sync::{mpsc, oneshot, watch};

/// A handle on the running phone.
#[derive(Clone, Debug)]
pub struct Engine {
    requests: mpsc::UnboundedSender<Request>,
    view: watch::Receiver<View>,
    levels: watch::Receiver<Levels>,
    _thread: Arc<Thread>,
}

/// The events of an engine, in order; each counts.
#[derive(Debug)]
pub struct Events(mpsc::UnboundedReceiver<Event>);

impl Events {
    /// The next one; `None` when the engine has stopped.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

impl Engine {
    /// Starts the phone on a thread of its own, out of `parts`.
    ///
    /// # Errors
    /// When the thread, its timer or its loop cannot be made: the device's fault, and hardly worth retrying.
    pub fn start(parts: Parts) -> Result<(Self, Events), EngineError> {
        let (requests, inbox) = mpsc::unbounded_channel();
        let (events_in, events) = mpsc::unbounded_channel();
        let (view_in, view) = watch::channel(View::default());
        let (levels_in, levels) = watch::channel(Levels::default());
        let tells = Tells {
            events: events_in,
            view: view_in,
            levels: levels_in,
        };
        let thread = Runtime::spawn(parts, inbox, tells)?;
        let engine = Self {
            requests,
            view,
            levels,
            _thread: Arc::new(Thread(Some(thread))),
        };
        Ok((engine, Events(events)))
    }

    /// Adds an account and registers it.
    ///
    /// # Errors
    /// A sentence for each setting that cannot be; or the engine has stopped.
    pub async fn add_account(&self, setup: AccountSetup) -> Result<AccountId, EngineError> {
        setup.config.validate()?;
        self.ask(|reply| Request::AddAccount(Box::new(setup), reply)).await?
    }

    /// Hands the phone a command.
    ///
    /// # Errors
    /// Why it was refused.
    pub async fn command(&self, command: Command) -> Result<Accepted, EngineError> {
        Ok(self.ask(|reply| Request::Command(command, reply)).await??)
    }

    /// Calls `target`, from `account` or from the first one.
    ///
    /// # Errors
    /// Why it was refused.
    pub async fn dial(&self, account: Option<AccountId>, target: &str) -> Result<CallId, EngineError> {
        let accepted = self
            .command(Command::Dial {
                target: target.to_owned(),
                account,
            })
            .await?;
        accepted.call.ok_or(EngineError::Refused(Refused::NoCall))
    }

    /// Ends a call.
    ///
    /// # Errors
    /// Why it was refused.
    pub async fn hang_up(&self, call: CallId) -> Result<(), EngineError> {
        self.command(Command::Hangup { call: Some(call) }).await.map(drop)
    }

    /// The figures of a call's sound.
    ///
    /// # Errors
    /// When there is no such call, or it has no media.
    pub async fn stats(&self, call: Option<CallId>) -> Result<CallStats, EngineError> {
        self.ask(|reply| Request::Stats(call, reply)).await?
    }

    /// Where everything stands, to the millisecond.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn view(&self) -> Result<View, EngineError> {
        Ok(self.ask(Request::View).await?)
    }

    /// How loud it is now; [`Engine::meter`] has it measured.
    pub fn levels(&self) -> Levels {
        *self.levels.borrow()
    }

    /// Has the levels measured, ten times a second during calls, or no more.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub fn meter(&self, on: bool) -> Result<(), EngineError> {
        self.requests
            .send(Request::Meter(on))
            .map_err(|_| EngineError::Gone(Gone))
    }

    /// Sounds through these devices from now on, calls in progress included. One that is not there is told by a warning,
    /// and the system's choice is used in its place.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub fn use_devices(&self, choice: DeviceChoice) -> Result<(), EngineError> {
        self.requests
            .send(Request::UseDevices(choice))
            .map_err(|_| EngineError::Gone(Gone))
    }

    /// Where everything stood at the last change.
    pub fn snapshot(&self) -> View {
        self.view.borrow().clone()
    }

    /// Hangs up, unregisters and stops; returns when that is done, at most [`FAREWELL`] later.
    pub async fn shut_down(self) {
        let _ = self.ask(Request::ShutDown).await;
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Gone> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }
}

/// Waits for the runtime's thread when the last handle goes, so that the farewell reaches the PBX.
#[derive(Debug)]
struct Thread(Option<std::thread::JoinHandle<()>>);

impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}
