//! A call that we place, until its INVITE goes out, and once more if that got lost with its connection.
//!
//! The INVITE needs a connection and a path. Where the connection has just been lost the call waits for the next one,
//! for a moment; and where it breaks under an INVITE before anything came back, the call is placed anew by the next one
//! (RFC 3261 8.1.3.1, RFC 3263 4.3). Once anything has come back somebody may be ringing, and it is not.

use super::{Call, Output, Turn};
use crate::codec::Direction;
use crate::sip::msg::{Headers, NameAddr, Uri};
use crate::sip::session::{Dial, Ended, EndedBy, Session, Settings};
use crate::time::{Instant, Wake};
use bytes::Bytes;
use std::net::IpAddr;
use std::time::Duration;

/// How long a call waits for a connection that was lost: to find one again takes a few seconds or much longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an INVITE of ours says, however it goes.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Who is called.
    pub target: Uri,
    /// Who calls, without tag.
    pub from: NameAddr,
    /// Further header fields.
    pub headers: Headers,
}

impl Wish {
    fn by(self, way: Way, offer: Bytes) -> Dial {
        Dial {
            settings: way.settings,
            target: self.target,
            from: self.from,
            routes: way.routes,
            offer: Some(offer),
            headers: self.headers,
        }
    }
}

/// How requests go: by the account's connection as it is now.
#[derive(Clone, Debug)]
pub struct Way {
    /// The account's side of a dialog.
    pub settings: Settings,
    /// Routes to be gone through first, nearest first.
    pub routes: Vec<NameAddr>,
    /// The interface's address by which the PBX is reached.
    pub local: IpAddr,
}

/// What the INVITE of a call waits for.
#[derive(Clone, Debug, Default)]
pub(super) enum Placing {
    /// Nothing: it went out, or there is none.
    #[default]
    Done,
    /// A connection, until the given moment.
    Connection(Wish, Instant),
    /// The path.
    Path(Wish, Box<Way>),
}

impl Placing {
    pub(super) fn wake(&self) -> Option<Wake> {
        match self {
            Self::Connection(_, until) => Some(Wake::new(*until, "call without connection")),
            Self::Done | Self::Path(..) => None,
        }
    }
}

impl Call {
    /// The INVITE is to go out as soon as it can.
    pub(super) fn wait_for_way(&mut self, wish: Wish, way: Option<Way>, now: Instant) {
        let Some(way) = way else {
            self.placing = Placing::Connection(wish, now + PATIENCE);
            return;
        };
        if self.sound.address().is_none_or(|address| address.ip() != way.local) {
            self.outputs.push_back(Output::OpenPath);
        }
        self.placing = Placing::Path(wish, Box::new(way));
    }

    /// Whether the call goes on, or ends, when the fate of the account's connection is known.
    pub const fn waits_for_connection(&self) -> bool {
        matches!(self.placing, Placing::Connection(..))
    }

    /// There is a connection: a call that waited for one goes on.
    pub fn handle_connected(&mut self, way: Way, turn: &mut Turn<'_>) {
        let wish = match std::mem::take(&mut self.placing) {
            Placing::Connection(wish, _) => wish,
            other => {
                self.placing = other;
                return;
            }
        };
        let has_path = self.sound.address().is_some_and(|address| address.ip() == way.local);
        self.wait_for_way(wish, Some(way), turn.now);
        if has_path {
            self.place(turn);
        }
        self.settle(turn);
    }

    /// There will be no connection soon: a call that waited for one ends.
    pub fn handle_unconnected(&mut self, turn: &mut Turn<'_>) {
        if self.waits_for_connection() {
            (self.placing, self.unheard) = (Placing::Done, None);
            self.handle_ended(&Ended::by(EndedBy::FlowLost), turn);
            self.settle(turn);
        }
    }

    /// Whether the call was lost with its connection before anything came back, and waits for the next one.
    pub(super) fn is_placed_anew(&mut self, ended: &Ended, now: Instant) -> bool {
        if ended.by != EndedBy::FlowLost || !self.is_live() {
            return false;
        }
        let Some(wish) = self.unheard.take() else { return false };
        tracing::info!(call = %self.id, "the connection broke under the call, which is placed anew by the next one");
        self.session = None;
        self.sound.rollback();
        self.wait_for_way(wish, None, now);
        true
    }

    /// Gives up at the moment that was set.
    pub(super) fn run_placing(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.placing, Placing::Connection(_, until) if until <= turn.now) {
            self.handle_unconnected(turn);
        }
    }

    /// The path is ready: places the call that waited for it.
    pub(super) fn place(&mut self, turn: &mut Turn<'_>) {
        let (wish, way) = match std::mem::take(&mut self.placing) {
            Placing::Path(wish, way) => (wish, way),
            other => {
                self.placing = other;
                return;
            }
        };
        match self.sound.offer(Direction::SendRecv, turn.random) {
            Ok(offer) => self.session = Some(Session::dial(wish.by(*way, offer), turn.random)),
            Err(error) => self.end_with(format!("The call could not be offered: {error}."), turn),
        }
    }
}
