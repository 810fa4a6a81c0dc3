//! One open flow as SIP sees it: bytes into messages (RFC 3261 18.3), and the pings that keep it open (RFC 5626 4.4).
//!
//! A request that is met by silence makes the flow doubtful before its keep-alive would: a server that owes a pong is
//! pinged at once, and one that says nothing for as long as a transaction lasts is gone, whatever it owes.

use crate::nat::keepalive::{DatagramKeepalive, DatagramMethod, DeadFlow, KeepaliveOutput, Pong, StreamKeepalive};
use crate::random::Random;
use crate::sip::endpoint::Flow;
use crate::sip::framing::{self, Frame, PONG, Side, StreamReader};
use crate::sip::msg::Message;
use crate::sip::parse::{self, Refusal};
use crate::time::{Instant, Wake, earliest};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// After this long without a sign of life since a request went out, the server is pinged. An INVITE is answered 100
/// within 200 ms (RFC 3261 17.2.1); the rest is for slow networks, and a ping too many costs four bytes.
const DOUBT_AFTER: Duration = Duration::from_secs(2);

/// After this long the flow is given up. No transaction outlives it: 64*T1, and a second, so that whoever asked hears
/// of the time-out first (RFC 3261 17.1).
const GIVE_UP_AFTER: Duration = Duration::from_secs(33);

/// What came off the flow, or must go out on it.
#[derive(Debug)]
pub(super) enum Output {
    /// Send these bytes.
    Send(Vec<u8>),
    /// A message.
    Message(Box<Message>),
    /// Something that is none; the refusal knows what to answer.
    Refused(Refusal),
    /// The server sees the flow under this address, and under another one before.
    Mapped {
        address: SocketAddr,
        before: Option<SocketAddr>,
    },
    /// The flow is of no use any more.
    Dead(String),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Wire {
    flow: Flow,
    keepalive: Keepalive,
    reader: StreamReader,
    outbound: bool,
    unanswered: Option<Unanswered>,
    outputs: VecDeque<Output>,
}

/// A request went out, and nothing has come by the flow since.
#[derive(Clone, Copy, Debug)]
struct Unanswered {
    since: Instant,
    doubted: bool,
}

impl Unanswered {
    fn wake(self) -> Wake {
        if self.doubted {
            Wake::new(self.since + GIVE_UP_AFTER, "unanswered flow")
        } else {
            Wake::new(self.since + DOUBT_AFTER, "unanswered request")
        }
    }
}

#[derive(Debug)]
enum Keepalive {
    Stream(StreamKeepalive),
    Datagram(DatagramKeepalive),
}

impl Wire {
    pub(super) fn new(flow: Flow, now: Instant, random: &mut Random) -> Self {
        let keepalive = if flow.is_reliable() {
            Keepalive::Stream(StreamKeepalive::new(None, Pong::Unknown, random, now))
        } else {
            Keepalive::Datagram(DatagramKeepalive::new(DatagramMethod::Crlf, None, random, now))
        };
        Self {
            flow,
            keepalive,
            reader: StreamReader::new(Side::Client),
            outbound: false,
            unanswered: None,
            outputs: VecDeque::new(),
        }
    }

    pub(super) const fn flow(&self) -> &Flow {
        &self.flow
    }

    /// The PBX granted a registration: with RFC 5626 or not, and with what Flow-Timer.
    pub(super) fn agree(&mut self, outbound: bool, flow_timer: Option<Duration>, now: Instant, random: &mut Random) {
        match &mut self.keepalive {
            Keepalive::Stream(stream) => {
                let pong = if outbound { Pong::Owed } else { Pong::Unknown };
                stream.agree(flow_timer, pong, random, now);
            }
            Keepalive::Datagram(datagram) if self.outbound != outbound => {
                let method = if outbound {
                    DatagramMethod::Stun
                } else {
                    DatagramMethod::Crlf
                };
                *datagram = DatagramKeepalive::new(method, flow_timer, random, now);
            }
            Keepalive::Datagram(_) => {}
        }
        self.outbound = outbound;
    }

    /// A request went out by this flow: something is to come back.
    pub(super) fn handle_asked(&mut self, now: Instant) {
        self.unanswered.get_or_insert(Unanswered {
            since: now,
            doubted: false,
        });
    }

    pub(super) fn handle_received(&mut self, bytes: &[u8]) {
        self.unanswered = None;
        if self.flow.is_reliable() {
            self.handle_stream(bytes);
        } else {
            self.handle_datagram(bytes);
        }
        self.drain_keepalive();
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, random: &mut Random) {
        match &mut self.keepalive {
            Keepalive::Stream(stream) => stream.handle_timeout(random, now),
            Keepalive::Datagram(datagram) => datagram.handle_timeout(random, now),
        }
        self.doubt(now, random);
        self.drain_keepalive();
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(super) fn poll_wake(&self) -> Option<Wake> {
        let keepalive = match &self.keepalive {
            Keepalive::Stream(stream) => stream.poll_wake(),
            Keepalive::Datagram(datagram) => datagram.poll_wake(),
        };
        earliest([keepalive, self.unanswered.map(Unanswered::wake)])
    }

    /// What silence since the last request means by now.
    fn doubt(&mut self, now: Instant, random: &mut Random) {
        let Some(unanswered) = &mut self.unanswered else { return };
        if now >= unanswered.since + GIVE_UP_AFTER {
            self.unanswered = None;
            self.outputs
                .push_back(Output::Dead(sentence(&DeadFlow::Silent.to_string())));
        } else if now >= unanswered.since + DOUBT_AFTER && !unanswered.doubted {
            unanswered.doubted = true;
            if let Keepalive::Stream(stream) = &mut self.keepalive {
                stream.doubt(random, now);
            }
        }
    }

    fn handle_stream(&mut self, bytes: &[u8]) {
        self.reader.push(bytes);
        while let Some(frame) = self.reader.next() {
            match frame {
                Ok(Frame::Ping) => self.outputs.push_back(Output::Send(PONG.to_vec())),
                Ok(Frame::Pong) => self.with_stream(StreamKeepalive::handle_pong),
                Ok(Frame::Message(bytes)) => {
                    self.with_stream(StreamKeepalive::handle_message);
                    self.read(parse::framed(&bytes));
                }
                Ok(Frame::Skipped(refusal)) => {
                    self.with_stream(StreamKeepalive::handle_message);
                    self.outputs.push_back(Output::Refused(refusal));
                }
                Err(refusal) => {
                    let why = format!(
                        "The server sent what is not SIP ({}); the connection was closed.",
                        refusal.why
                    );
                    self.outputs.push_back(Output::Refused(refusal));
                    self.outputs.push_back(Output::Dead(why));
                }
            }
        }
    }

    fn handle_datagram(&mut self, bytes: &[u8]) {
        match (&mut self.keepalive, bytes.first()) {
            // RFC 7983: STUN begins with 0 or 1.
            (Keepalive::Datagram(datagram), Some(0 | 1)) => datagram.handle_stun(bytes),
            _ if framing::is_keep_alive(bytes) => {}
            (keepalive, _) => {
                if let Keepalive::Datagram(datagram) = keepalive {
                    datagram.handle_message();
                }
                self.read(parse::datagram(bytes));
            }
        }
    }

    fn read(&mut self, message: Result<Message, Refusal>) {
        self.outputs.push_back(match message {
            Ok(message) => Output::Message(Box::new(message)),
            Err(refusal) => Output::Refused(refusal),
        });
    }

    fn with_stream(&mut self, act: impl FnOnce(&mut StreamKeepalive)) {
        if let Keepalive::Stream(stream) = &mut self.keepalive {
            act(stream);
        }
    }

    fn drain_keepalive(&mut self) {
        while let Some(output) = match &mut self.keepalive {
            Keepalive::Stream(stream) => stream.poll_output(),
            Keepalive::Datagram(datagram) => datagram.poll_output(),
        } {
            match output {
                KeepaliveOutput::Send(bytes) => self.outputs.push_back(Output::Send(bytes)),
                KeepaliveOutput::Mapped { address, before } => {
                    self.outputs.push_back(Output::Mapped { address, before });
                }
                KeepaliveOutput::FlowDead(why) => self.outputs.push_back(Output::Dead(sentence(&why.to_string()))),
            }
        }
    }
}

/// `the server is gone` as a sentence.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), chars.as_str()),
        None => String::new(),
    }
}
