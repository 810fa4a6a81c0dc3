//! One leg of a call through the exchange: the dialog with one phone, what was agreed with it, and its sound.
//!
//! A leg decides nothing about other legs; what it cannot settle alone it leaves to the exchange.

use super::bad_line::{BadLine, Quality};
use super::speech::{FRAME, Speech};
use super::stream::{Packet, Stream};
use crate::call::Sound;
use crate::codec::{Codec, Direction};
use crate::ids::FlowId;
use crate::media::session::{Socket, Transmit};
use crate::random::Random;
use crate::sdp::negotiate::LocalPath;
use crate::sip::session::{Dial, Session};
use crate::time::{Instant, Wake, earliest};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Duration;

/// After a longer pause speech goes on instead of catching up.
const MOST_BEHIND: Duration = Duration::from_millis(200);

/// What a leg is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// The exchange itself answers.
    Service(Service),
    /// Rings for ever.
    Unanswered,
    /// Waits for the phones of this hunt.
    Caller(HuntId),
    /// Is one of them.
    Called(HuntId),
    /// Talks with the phone at the end of this leg.
    Bridged(super::LegId),
}

impl Role {
    /// Whether it needs a media path.
    pub const fn speaks(self) -> bool {
        !matches!(self, Self::Unanswered)
    }
}

/// What the exchange does with whom it answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Service {
    Echo,
    BadLine,
    /// Hangs up soon, and calls back.
    CallBack,
    Speech,
    Mailbox,
}

/// Phones that ring for the same call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct HuntId(pub u32);

/// The first offer of a caller.
#[derive(Clone, Debug)]
pub(super) enum FirstOffer {
    /// Nothing yet, or it has been answered.
    None,
    Theirs(Bytes),
    /// They want ours.
    Ours,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Leg {
    pub role: Role,
    /// The extension of the phone at the other end.
    pub user: String,
    /// Where its messages go, as long as that flow lives.
    pub flow: FlowId,
    /// The dialog; none before the path is there, where we call.
    pub session: Option<Session>,
    pub dial: Option<Dial>,
    pub path: Option<LocalPath>,
    pub offer: FirstOffer,
    /// What may be spoken, in the order of a caller's offer.
    pub codecs: Vec<Codec>,
    pub sound: Option<Sound>,
    pub media: Option<Media>,
    /// Which way we want sound to flow.
    pub wish: Direction,
    pub rang: bool,
    pub answered: bool,
    pub ended: bool,
    pub released: bool,
    pub hang_up_at: Option<Instant>,
}

impl Leg {
    pub const fn new(role: Role, user: String, flow: FlowId) -> Self {
        Self {
            role,
            user,
            flow,
            session: None,
            dial: None,
            path: None,
            offer: FirstOffer::None,
            codecs: Vec::new(),
            sound: None,
            media: None,
            wish: Direction::SendRecv,
            rang: false,
            answered: false,
            ended: false,
            released: false,
            hang_up_at: None,
        }
    }

    pub fn poll_wake(&self) -> Option<Wake> {
        earliest([
            self.session.as_ref().and_then(Session::poll_wake),
            self.hang_up_at.map(|at| Wake::new(at, "the exchange hangs up")),
            self.media.as_ref().and_then(Media::poll_wake),
        ])
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(media) = &mut self.media {
            media.handle_timeout(now);
        }
        let has_finished = self.media.as_ref().is_some_and(Media::has_finished);
        let is_due = self.hang_up_at.take_if(|at| now >= *at).is_some();
        if let Some(session) = &mut self.session {
            if is_due || has_finished {
                session.hangup(None, now);
            }
            session.handle_timeout(now);
        }
    }

    /// Follows what was agreed last; the first time, sound begins.
    pub fn follow_plan(&mut self, activity: impl FnOnce() -> Activity, now: Instant, random: &mut Random) {
        let Some(plan) = self.sound.as_ref().and_then(Sound::plan) else {
            return;
        };
        match &mut self.media {
            Some(media) => media.stream.update(plan.clone()),
            None => {
                let stream = Stream::new(plan.clone(), random);
                self.media = Some(Media::new(stream, activity(), now));
            }
        }
    }
}

/// What the exchange does with a leg's sound.
#[derive(Debug)]
pub(super) enum Activity {
    /// Gives it to whoever talks with this leg.
    Relay,
    /// Sends it back.
    Echo,
    /// Sends it back over a bad line.
    BadEcho(Box<BadEcho>),
    /// Speaks, and does not listen.
    Say(Saying),
}

/// Both ways of a bad line.
#[derive(Debug)]
pub(super) struct BadEcho {
    there: BadLine<(SocketAddr, Vec<u8>, Socket)>,
    back: BadLine<Transmit>,
}

/// Where the speech is.
#[derive(Debug)]
pub(super) struct Saying {
    speech: Speech,
    offset: usize,
    next_at: Instant,
    started: bool,
    /// Whether it begins anew at its end.
    repeats: bool,
    finished: bool,
}

impl Activity {
    pub fn bad_echo(quality: Quality, random: &mut Random) -> Self {
        let mut seeded = || Random::seeded(random.u64());
        Self::BadEcho(Box::new(BadEcho {
            there: BadLine::new(quality, seeded()),
            back: BadLine::new(quality, seeded()),
        }))
    }

    pub const fn say(speech: Speech, repeats: bool) -> Self {
        Self::Say(Saying {
            speech,
            offset: 0,
            next_at: Instant::ORIGIN,
            started: false,
            repeats,
            finished: false,
        })
    }
}

/// A leg's sound on the wire.
#[derive(Debug)]
pub(super) struct Media {
    pub stream: Stream,
    activity: Activity,
    transmits: Vec<Transmit>,
}

impl Media {
    fn new(stream: Stream, mut activity: Activity, now: Instant) -> Self {
        if let Activity::Say(saying) = &mut activity {
            saying.next_at = now;
        }
        let mut media = Self {
            stream,
            activity,
            transmits: Vec::new(),
        };
        media.handle_timeout(now);
        media
    }

    /// A datagram of this leg; the packet in it, if another leg is to have it.
    pub fn handle_datagram(
        &mut self,
        source: SocketAddr,
        bytes: &[u8],
        socket: Socket,
        now: Instant,
    ) -> Option<Packet> {
        if let Activity::BadEcho(line) = &mut self.activity {
            line.there.send((source, bytes.to_vec(), socket), now);
            self.handle_timeout(now);
            return None;
        }
        let (packet, answer) = self.stream.handle_datagram(source, bytes, socket, now);
        self.transmits.extend(answer);
        match self.activity {
            Activity::Relay => return packet,
            Activity::Echo => {
                let echo = packet.and_then(|packet| self.stream.carry(&packet));
                self.transmits.extend(echo);
            }
            Activity::BadEcho(_) | Activity::Say(_) => {}
        }
        None
    }

    /// Sends what another leg said.
    pub fn carry(&mut self, packet: &Packet) {
        self.transmits.extend(self.stream.carry(packet));
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.activity {
            Activity::Relay | Activity::Echo => {}
            Activity::BadEcho(line) => line.run(&mut self.stream, &mut self.transmits, now),
            Activity::Say(saying) => saying.run(&mut self.stream, &mut self.transmits, now),
        }
    }

    pub fn take_transmits(&mut self) -> Vec<Transmit> {
        std::mem::take(&mut self.transmits)
    }

    /// Whether all was said.
    pub const fn has_finished(&self) -> bool {
        matches!(&self.activity, Activity::Say(saying) if saying.finished)
    }

    fn poll_wake(&self) -> Option<Wake> {
        match &self.activity {
            Activity::Relay | Activity::Echo => None,
            Activity::BadEcho(line) => earliest([line.there.poll_wake(), line.back.poll_wake()]),
            Activity::Say(saying) => (!saying.finished).then(|| Wake::new(saying.next_at, "frame of speech")),
        }
    }
}

impl BadEcho {
    fn run(&mut self, stream: &mut Stream, transmits: &mut Vec<Transmit>, now: Instant) {
        while let Some((source, bytes, socket)) = self.there.receive(now) {
            let (packet, answer) = stream.handle_datagram(source, &bytes, socket, now);
            let echo = packet.and_then(|packet| stream.carry(&packet));
            for transmit in echo.into_iter().chain(answer) {
                self.back.send(transmit, now);
            }
        }
        while let Some(transmit) = self.back.receive(now) {
            transmits.push(transmit);
        }
    }
}

impl Saying {
    fn run(&mut self, stream: &mut Stream, transmits: &mut Vec<Transmit>, now: Instant) {
        if now.since(self.next_at) > MOST_BEHIND {
            self.next_at = now;
        }
        while !self.finished && self.next_at <= now {
            self.next_at += FRAME;
            self.say_frame(stream, transmits);
        }
    }

    fn say_frame(&mut self, stream: &mut Stream, transmits: &mut Vec<Transmit>) {
        let codec = stream.plan().send.codec;
        let frame = self.speech.frame(codec, self.offset);
        let from_the_start = || self.speech.frame(codec, 0).filter(|_| self.repeats);
        let Some((frame, next)) = frame.or_else(from_the_start) else {
            self.finished = true;
            return;
        };
        self.offset = next;
        if let Some(sent) = stream.say(frame, !self.started) {
            self.started = true;
            transmits.push(sent);
        }
    }
}
