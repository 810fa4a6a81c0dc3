//! One subscription to one event package, on the subscriber's side (RFC 6665 4.1).
//!
//! The owner tells how requests go ([`Subscription::connect`], [`Subscription::disconnect`]), sends what
//! [`Output::Send`] says, with credentials and on the account's current flow, and hands back what comes of it. The
//! dialog is made by whichever comes first, the 2xx or the NOTIFY. A connection that is lost takes the dialog with it: over
//! the next one it is asked anew. What a NOTIFY says is the package's business; here it is in order, or refused.
//!
//! ```text
//! connect -> NotifyWait -- NOTIFY --> Live -- refresh, NOTIFY --> Live ...
//!               ^  `- refused, silence -> Resting <- terminated -'   `- stop -> Ending -> Idle
//!               `-------- its time --------'   `-- 489, rejected --> Refused
//! ```

mod answers;
mod notify;
mod reason;

pub use reason::Reason;

use super::auth::Retry;
use super::dialog::Dialog;
use super::endpoint::{Failure, ServerKey};
use super::msg::{ContentType, HeaderName, Method, NameAddr, Request, Response, Uri};
use super::register::Backoff;
use crate::random::Random;
use crate::time::{Instant, Wake, earliest};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// Timer N (RFC 6665 4.1.2.4): how long the first NOTIFY may take after the 2xx.
const TIMER_N: Duration = Duration::from_secs(32);

/// No server can make us refresh more often than this.
const SHORTEST_REFRESH: Duration = Duration::from_secs(10);

/// The pause after a refusal that nobody expects to change soon.
const LONG_PAUSE: Duration = Duration::from_secs(3_600);

/// A subscription that lived shorter than this is not taken up again at once: two machines could play that for ever.
const LONG_LIVED: Duration = Duration::from_secs(60);

/// What is subscribed to.
#[derive(Clone, Debug)]
pub struct Config {
    /// The event package, as Event says it.
    pub package: &'static str,
    /// The documents that are understood, as Accept says it.
    pub accept: &'static str,
    /// Whose state.
    pub target: Uri,
    /// Who asks: the account's address.
    pub from: NameAddr,
    /// For how long to ask, in seconds.
    pub expires: u32,
    /// Whether the target may be a list (RFC 4662).
    pub lists: bool,
}

/// How requests outside a dialog go, by the account's connection as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// Our Contact.
    pub contact: NameAddr,
    /// The routes to go through, nearest first.
    pub routes: Vec<NameAddr>,
}

/// What a NOTIFY brought.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct News {
    /// Of which type it is.
    pub content_type: Option<ContentType>,
    /// The document.
    pub body: Bytes,
    /// It is the first of its subscription: what partial documents build on is not known yet.
    pub is_first: bool,
}

/// How it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It is asked for; what was known before holds until it has run out.
    Asking,
    /// The other side tells what happens. `pending`: it has not decided whether we may know.
    Live {
        /// See there.
        pending: bool,
    },
    /// Nothing is known any more.
    Lost {
        /// Why.
        reason: Reason,
        /// When it is asked again by itself; `None` if it is not.
        retry_in: Option<Duration>,
    },
    /// The state will not change any more, and is known.
    Final,
    /// It is over, as was wished.
    Over,
}

/// What a subscription wants done, or has to tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Send this SUBSCRIBE, with credentials, on the account's flow.
    Send(Box<Request>),
    /// Answer a NOTIFY.
    Respond {
        /// Which.
        key: ServerKey,
        /// With what.
        response: Box<Response>,
    },
    /// A NOTIFY brought a document.
    News(News),
    /// It stands otherwise than before.
    Standing(Standing),
}

/// See the module.
#[derive(Debug)]
pub struct Subscription {
    config: Config,
    way: Option<Way>,
    call_id: String,
    from_tag: String,
    cseq: u32,
    dialog: Option<Dialog>,
    asking: Option<Asking>,
    stage: Stage,
    /// For how long is asked: [`Config::expires`], or more after a 423.
    expires: u32,
    /// Until when what was told last counts, if nothing more comes.
    news_until: Option<Instant>,
    /// When the present dialog began.
    since: Instant,
    told: bool,
    backoff: Backoff,
    outputs: VecDeque<Output>,
}

/// RFC 6665 4.1.2, figure 1, with the pauses between subscriptions.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Stage {
    /// Not wanted, or the account is not connected.
    Idle,
    /// Asked, and no NOTIFY yet. `until` is timer N, once there was a 2xx.
    NotifyWait { until: Option<Instant> },
    /// The other side tells.
    Live {
        pending: bool,
        refresh_at: Instant,
        expires_at: Instant,
    },
    /// A pause before it is asked anew.
    Resting { until: Instant },
    /// It will not change, or is not to be had: it is not asked again.
    Settled,
    /// Taken back; a last NOTIFY may come.
    Ending { until: Instant },
}

/// The SUBSCRIBE that is on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Asking {
    cseq: u32,
    purpose: Purpose,
    challenges: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Purpose {
    Initial,
    Refresh,
    End,
}

impl Subscription {
    /// A subscription that asks nothing before [`Subscription::connect`].
    pub fn new(config: Config) -> Self {
        Self {
            expires: config.expires,
            config,
            way: None,
            call_id: String::new(),
            from_tag: String::new(),
            cseq: 0,
            dialog: None,
            asking: None,
            stage: Stage::Idle,
            news_until: None,
            since: Instant::ORIGIN,
            told: false,
            backoff: Backoff::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Whether `request` is of our present dialog, or of the one that we ask for.
    pub fn owns(&self, request: &Request) -> bool {
        let is_awaited = !self.call_id.is_empty();
        is_awaited && request.call_id == self.call_id && request.to.tag() == Some(self.from_tag.as_str())
    }

    /// The Call-ID of the present dialog, or of the one that is asked for; empty where there is none.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Whether nothing is under way any more.
    pub fn is_idle(&self) -> bool {
        self.stage == Stage::Idle
    }

    /// The account is connected, or reached at another Contact over the same connection: it is asked, or refreshed.
    pub fn connect(&mut self, way: Way, now: Instant, random: &mut Random) {
        let is_new = self.way.as_ref() != Some(&way);
        let is_first = self.way.replace(way).is_none();
        match self.stage {
            Stage::Settled => {}
            Stage::Live { .. } if is_new && !is_first => self.refresh(Purpose::Refresh),
            Stage::NotifyWait { .. } if is_new => self.subscribe(now, random),
            Stage::Live { .. } | Stage::NotifyWait { .. } | Stage::Resting { .. } if !is_first => {}
            _ => {
                self.backoff = Backoff::default();
                self.subscribe(now, random);
            }
        }
    }

    /// The connection is gone, and the dialog with it: the other side ends it when its NOTIFY finds nobody.
    pub fn disconnect(&mut self) {
        self.way = None;
        self.forget_dialog();
        self.news_until = None;
        if self.stage != Stage::Settled {
            self.stage = Stage::Idle;
        }
    }

    /// What is known may be out of date: the whole state is asked for (RFC 4235 4.1: a refresh brings it).
    pub fn refetch(&mut self) {
        if matches!(self.stage, Stage::Live { .. }) {
            self.refresh(Purpose::Refresh);
        }
    }

    /// Asks again what was refused for good: the user wants it.
    pub fn ask_again(&mut self, now: Instant, random: &mut Random) {
        if matches!(self.stage, Stage::Settled | Stage::Resting { .. }) && self.way.is_some() {
            self.backoff = Backoff::default();
            self.subscribe(now, random);
        }
    }

    /// Nobody wants it any more.
    pub fn stop(&mut self, now: Instant) {
        self.news_until = None;
        if self.way.is_some() && (self.dialog.is_some() || self.asking.is_some()) {
            self.stage = Stage::Ending { until: now + TIMER_N };
            self.refresh(Purpose::End);
        } else {
            self.stage = Stage::Idle;
            self.tell(Standing::Over);
        }
    }

    /// A moment that [`Subscription::poll_wake`] named has come.
    pub fn handle_timeout(&mut self, now: Instant, random: &mut Random) {
        match self.stage {
            Stage::NotifyWait { until: Some(until) } if until <= now => self.rest(Reason::Silent, None, now, random),
            Stage::Live { expires_at, .. } if expires_at <= now => self.lose(now, random),
            Stage::Live { refresh_at, .. } if refresh_at <= now => self.refresh(Purpose::Refresh),
            Stage::Resting { until } if until <= now => self.subscribe(now, random),
            Stage::Ending { until } if until <= now => self.end(),
            _ => {}
        }
        if self.news_until.is_some_and(|until| until <= now) {
            self.news_until = None;
            self.tell(Standing::Lost {
                reason: Reason::Expired,
                retry_in: Some(Duration::ZERO),
            });
        }
    }

    /// What to do next.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Subscription::handle_timeout`] is due. It may change after any other method.
    #[must_use]
    pub fn poll_wake(&self) -> Option<Wake> {
        let next = match self.stage {
            Stage::NotifyWait { until } => until.map(|at| Wake::new(at, "timer_n")),
            Stage::Live { expires_at, .. } if self.asking.is_some() => {
                Some(Wake::new(expires_at, "subscription expiry"))
            }
            Stage::Live {
                refresh_at, expires_at, ..
            } => Some(Wake::new(refresh_at.min(expires_at), "subscription refresh")),
            Stage::Resting { until } => Some(Wake::new(until, "subscription retry")),
            Stage::Ending { until } => Some(Wake::new(until, "subscription end")),
            Stage::Idle | Stage::Settled => None,
        };
        earliest([next, self.news_until.map(|at| Wake::new(at, "line state expiry"))])
    }

    /// Asks for a new dialog.
    fn subscribe(&mut self, now: Instant, random: &mut Random) {
        self.forget_dialog();
        let Some(way) = self.way.clone() else {
            self.stage = Stage::Idle;
            return;
        };
        self.call_id = random.token(16);
        self.from_tag = random.token(8);
        self.cseq = 1;
        self.since = now;
        let target = self.config.target.clone();
        let from = self.config.from.clone().with_tag(self.from_tag.as_str());
        let to = NameAddr::new(target.clone());
        let mut request = Request::new(Method::Subscribe, target, from, to, self.call_id.as_str(), self.cseq);
        for route in &way.routes {
            request.headers.push(HeaderName::Route, route);
        }
        self.stage = Stage::NotifyWait { until: None };
        self.send(request, Purpose::Initial, &way);
        self.tell(Standing::Asking);
    }

    /// Asks within the dialog, unless the answer to what was asked before is still awaited.
    fn refresh(&mut self, purpose: Purpose) {
        if self.asking.is_some() {
            return;
        }
        let (Some(dialog), Some(way)) = (&mut self.dialog, self.way.clone()) else {
            return;
        };
        let request = dialog.request(Method::Subscribe);
        self.cseq = request.cseq;
        self.send(request, purpose, &way);
    }

    fn send(&mut self, mut request: Request, purpose: Purpose, way: &Way) {
        let expires = if purpose == Purpose::End { 0 } else { self.expires };
        let headers = &mut request.headers;
        headers.push(HeaderName::Contact, &way.contact);
        headers.push(HeaderName::Event, self.config.package);
        headers.push(HeaderName::Accept, self.config.accept);
        if self.config.lists {
            headers.push(HeaderName::Supported, "eventlist");
        }
        headers.push(HeaderName::Expires, expires);
        self.dispatch(request, purpose, 0);
    }

    fn dispatch(&mut self, request: Request, purpose: Purpose, challenges: u8) {
        self.asking = Some(Asking {
            cseq: request.cseq,
            purpose,
            challenges,
        });
        self.outputs.push_back(Output::Send(Box::new(request)));
    }

    /// The dialog ran out before it was renewed, as after a long sleep: it is asked anew at once.
    fn lose(&mut self, now: Instant, random: &mut Random) {
        self.subscribe(now, random);
    }

    /// Waits before it is asked anew.
    fn rest(&mut self, reason: Reason, asked: Option<Duration>, now: Instant, random: &mut Random) {
        let wait = self.backoff.refused(asked, random);
        self.rest_for(reason, wait, now);
    }

    fn rest_for(&mut self, reason: Reason, wait: Duration, now: Instant) {
        self.forget_dialog();
        self.news_until = None;
        self.stage = Stage::Resting { until: now + wait };
        self.tell(Standing::Lost {
            reason,
            retry_in: Some(wait),
        });
    }

    /// It is not asked again.
    fn settle(&mut self, reason: Reason) {
        self.forget_dialog();
        self.news_until = None;
        self.stage = Stage::Settled;
        self.tell(Standing::Lost { reason, retry_in: None });
    }

    fn end(&mut self) {
        self.forget_dialog();
        self.stage = Stage::Idle;
        self.tell(Standing::Over);
    }

    fn forget_dialog(&mut self) {
        self.dialog = None;
        self.asking = None;
        self.call_id.clear();
        self.told = false;
    }

    fn tell(&mut self, standing: Standing) {
        self.outputs.push_back(Output::Standing(standing));
    }
}
