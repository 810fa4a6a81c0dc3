//! The one loop: it drives the pure machine with what the world says, and does what the machine wants done.
//!
//! It has a thread and a tokio runtime of its own. Between inputs it sleeps until the earliest wake-up of any machine;
//! an idle, registered phone wakes a few times a minute at most. No decision about calls is taken here.

mod outputs;
mod request;
mod sounds;
#[cfg(test)]
mod tests;

pub use request::{AccountSetup, CallStats, FAREWELL, Request};

use crate::audio::{AudioEvent, MediaEngine};
use crate::clock::{Alarm, Clock, Ring};
use crate::error::EngineError;
use crate::net::flow::{Flow, FlowEvent, FlowNotice};
use crate::net::tls::TlsClient;
use crate::net::watch::NetworkWatch;
use crate::parts::Parts;
use crate::udp::MediaSocket;
use sounds::Sounds;
use std::collections::{BTreeMap, BTreeSet};
use std::thread::JoinHandle;
use std::time::Duration;
use toestel_proto::account::Target;
use toestel_proto::account_config::AccountConfig;
use toestel_proto::ids::{AccountId, CallId, FlowId};
use toestel_proto::phone::{Event, Input, Phone, View};
use toestel_proto::random::Random;
use toestel_proto::time::{Instant, Wake, earliest};
use tokio::sync::{mpsc, oneshot, watch};

/// How many things may have happened on the flows before the servers are made to wait.
const NOTICES: usize = 256;

/// How long what is queued on the flows may take to go out at the very end.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Where the figures of a call are wanted.
type StatsReply = oneshot::Sender<Result<CallStats, EngineError>>;

/// See the module.
pub struct Runtime {
    phone: Phone,
    clock: Clock,
    random: Random,
    parts: Parts,
    accounts: BTreeMap<AccountId, Connectable>,
    flows: BTreeMap<FlowId, Flow>,
    media: MediaEngine,
    /// Sockets that wait for their call's plan.
    paths: BTreeMap<CallId, MediaSocket>,
    with_media: BTreeSet<CallId>,
    sounds: Sounds,
    /// Who waits for the last figures of a call that has just ended.
    last_stats: Vec<(CallId, StatsReply)>,
    notices: mpsc::Sender<FlowNotice>,
    found: mpsc::UnboundedSender<Found>,
    events: mpsc::UnboundedSender<Event>,
    view: watch::Sender<View>,
    levels: watch::Sender<Levels>,
    farewell: Option<Farewell>,
}

/// How loud it is, in dB below overload: 0 is overload, -90 is silence.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Levels {
    /// Our microphone.
    pub microphone: f32,
    /// What the far end says.
    pub speaker: f32,
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            microphone: -90.0,
            speaker: -90.0,
        }
    }
}

/// Where a runtime tells what happens.
#[derive(Debug)]
pub struct Tells {
    /// What counts.
    pub events: mpsc::UnboundedSender<Event>,
    /// Where everything stands.
    pub view: watch::Sender<View>,
    /// How loud it is.
    pub levels: watch::Sender<Levels>,
}

/// What the loop listens to, apart from its timer.
struct Ears {
    inbox: mpsc::UnboundedReceiver<Request>,
    notices: mpsc::Receiver<FlowNotice>,
    found: mpsc::UnboundedReceiver<Found>,
    audio: mpsc::UnboundedReceiver<AudioEvent>,
    network: Option<NetworkWatch>,
}

/// What it takes to connect for an account.
struct Connectable {
    config: AccountConfig,
    /// Made at the first connection: reading certificates takes time that a start does not have.
    tls: Option<TlsClient>,
}

/// The outcome of a look-up.
struct Found {
    account: AccountId,
    targets: Result<Vec<Target>, String>,
}

/// The end has begun.
struct Farewell {
    until: Instant,
    told: Vec<oneshot::Sender<()>>,
}

impl Runtime {
    /// Starts the loop on a thread of its own.
    ///
    /// # Errors
    /// When the system gives no thread, no event loop or no timer.
    pub fn spawn(
        parts: Parts,
        inbox: mpsc::UnboundedReceiver<Request>,
        tells: Tells,
    ) -> Result<JoinHandle<()>, EngineError> {
        let tokio = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(EngineError::Thread)?;
        let inside = tokio.enter();
        let alarm = Alarm::new(parts.clock)?;
        let (runtime, ears) = Self::new(parts, inbox, tells);
        drop(inside);
        let run = move || tokio.block_on(runtime.run(ears, alarm));
        std::thread::Builder::new()
            .name("toestel".to_owned())
            .spawn(run)
            .map_err(EngineError::Thread)
    }

    /// A phone without accounts. Must be called inside the tokio runtime that is to run it.
    fn new(parts: Parts, inbox: mpsc::UnboundedReceiver<Request>, tells: Tells) -> (Self, Ears) {
        let (notices, notices_out) = mpsc::channel(NOTICES);
        let (found, found_out) = mpsc::unbounded_channel();
        let (audio_in, audio) = mpsc::unbounded_channel();
        let ears = Ears {
            inbox,
            notices: notices_out,
            found: found_out,
            audio,
            network: parts.watch(),
        };
        let runtime = Self {
            phone: Phone::new(parts.random()),
            clock: parts.clock,
            random: parts.random(),
            media: MediaEngine::new(parts.audio.clone(), parts.clock, audio_in),
            parts,
            accounts: BTreeMap::new(),
            flows: BTreeMap::new(),
            paths: BTreeMap::new(),
            with_media: BTreeSet::new(),
            sounds: Sounds::default(),
            last_stats: Vec::new(),
            notices,
            found,
            events: tells.events,
            view: tells.view,
            levels: tells.levels,
            farewell: None,
        };
        (runtime, ears)
    }

    async fn run(mut self, mut ears: Ears, mut alarm: Alarm) {
        while self.turn(&mut ears, &mut alarm).await {}
    }

    /// Does what is wanted, then takes in the next thing that happens. False when the farewell is over.
    async fn turn(&mut self, ears: &mut Ears, alarm: &mut Alarm) -> bool {
        self.drain();
        if let Some(farewell) = self
            .farewell
            .take_if(|farewell| farewell.is_over(&self.phone, self.clock.now()))
        {
            self.part(farewell, &mut ears.notices).await;
            return false;
        }
        alarm.set(self.next_wake());
        tokio::select! {
            request = ears.inbox.recv(), if self.farewell.is_none() => match request {
                Some(request) => self.handle_request(request),
                None => self.begin_farewell(None),
            },
            Some(notice) = ears.notices.recv() => self.handle_flow(notice),
            Some(Found { account, targets }) = ears.found.recv() => {
                self.tell(Input::Resolved { account, found: targets });
            }
            Some(event) = ears.audio.recv() => self.handle_audio(event),
            () = network_change(&mut ears.network) => self.reconnect(Input::NetworkChanged),
            ring = alarm.rings() => match ring {
                Ring::Due(wake) => self.handle_due(wake),
                Ring::Slept(duration) => self.reconnect(Input::Slept(duration)),
            },
        }
        true
    }

    fn tell(&mut self, input: Input<'_>) {
        self.phone.handle(input, self.clock.now());
    }

    /// What was looked up elsewhere, or before a sleep, is looked up anew.
    fn reconnect(&mut self, why: Input<'_>) {
        self.parts.resolver.forget();
        self.tell(why);
    }

    fn next_wake(&self) -> Option<Wake> {
        let farewell = self
            .farewell
            .as_ref()
            .map(|farewell| Wake::new(farewell.until, "farewell"));
        earliest([self.phone.poll_wake(), farewell])
    }

    fn handle_due(&mut self, wake: Wake) {
        tracing::debug!(why = wake.why, "woke up");
        self.phone.handle_timeout(self.clock.now());
    }

    fn handle_flow(&mut self, notice: FlowNotice) {
        let flow = notice.flow;
        match notice.event {
            FlowEvent::Opened { local, .. } => self.tell(Input::FlowOpened { flow, local }),
            FlowEvent::Bytes(bytes) | FlowEvent::Datagram(bytes) => self.tell(Input::Received { flow, bytes: &bytes }),
            FlowEvent::Closed(outcome) => {
                self.flows.remove(&flow);
                let why = outcome
                    .err()
                    .map_or_else(|| "The connection was closed.".to_owned(), |why| why.to_string());
                self.tell(Input::FlowClosed { flow, why });
            }
        }
    }

    fn handle_request(&mut self, request: Request) {
        let now = self.clock.now();
        match request {
            Request::AddAccount(setup, reply) => {
                let _ = reply.send(self.add_account(*setup));
            }
            Request::Command(command, reply) => {
                let _ = reply.send(self.phone.command(command, now));
            }
            Request::View(reply) => {
                let _ = reply.send(self.phone.view(now));
            }
            Request::Stats(call, reply) => self.ask_stats(call, reply),
            Request::Meter(on) => self.media.meters(on),
            Request::UseDevices(choice) => self.media.set_devices(choice),
            Request::ShutDown(reply) => self.begin_farewell(Some(reply)),
        }
    }

    fn add_account(&mut self, setup: AccountSetup) -> Result<AccountId, EngineError> {
        let config = setup.config.clone();
        let id = self
            .phone
            .add_account(setup.config, setup.password, setup.memory, self.clock.now())?;
        self.accounts.insert(id, Connectable { config, tls: None });
        Ok(id)
    }

    fn begin_farewell(&mut self, told: Option<oneshot::Sender<()>>) {
        let now = self.clock.now();
        self.phone.say_farewell(now);
        self.farewell = Some(Farewell {
            until: now + FAREWELL,
            told: told.into_iter().collect(),
        });
    }

    /// Lets the last messages out, and tells those who wait.
    async fn part(&mut self, farewell: Farewell, notices: &mut mpsc::Receiver<FlowNotice>) {
        let mut open: BTreeSet<FlowId> = std::mem::take(&mut self.flows).into_keys().collect();
        let all_closed = async {
            while !open.is_empty() {
                let Some(notice) = notices.recv().await else { return };
                if matches!(notice.event, FlowEvent::Closed(_)) {
                    open.remove(&notice.flow);
                }
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS, all_closed).await;
        for told in farewell.told {
            let _ = told.send(());
        }
    }
}

impl Farewell {
    /// Nothing is owed any more, or patience is over.
    fn is_over(&self, phone: &Phone, now: Instant) -> bool {
        phone.is_quiet() || now >= self.until
    }
}

/// The next change of network; never, where the system tells of none.
async fn network_change(watch: &mut Option<NetworkWatch>) {
    if let Some(watching) = watch {
        match watching.changed().await {
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%error, "network changes go unnoticed from now on");
                *watch = None;
            }
        }
    }
    std::future::pending().await
}
