//! Messages out of streams and datagrams (RFC 3261 section 18.3, RFC 5626 section 3.5.1 for keep-alives).
//!
//! A stream has no borders but Content-Length, so what cannot be framed ends the flow: there is no finding back.
//! A first line that is not SIP ends it too: web pages can be made to send their requests to a SIP port.
//! Limits hold before anything is read: 64 KiB a datagram, 256 KiB a message on a stream, 200 header fields. A message
//! that is longer, but says how long, is passed over unread, so that one large document does not cost the flow.
//! STUN on the same flow is told apart before this (its first byte is below 2).

use bytes::{Buf, Bytes, BytesMut};

use super::parse::{self, Carrier, Fault, Head, Refusal};

pub use super::parse::MAX_DATAGRAM;

/// The longest message that is read from a stream, head and body together: 256 KiB.
pub const MAX_STREAM_MESSAGE: usize = 256 * 1024;

/// The longest body that is passed over; after a longer promise the flow is not worth keeping: 4 MiB.
pub const MAX_SKIPPED: usize = 4 * 1024 * 1024;

/// The keep-alive that a client sends on a stream.
pub const PING: &[u8] = b"\r\n\r\n";
/// The answer to [`PING`].
pub const PONG: &[u8] = b"\r\n";

/// One thing that came off a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// The bytes of one message, for [`parse::framed`].
    Message(Bytes),
    /// The other side asks whether the flow is alive: answer with [`PONG`].
    Ping,
    /// The other side answered our [`PING`].
    Pong,
    /// A message that is too long to be read. Send [`Refusal::response`] if there is one; what follows is read again.
    Skipped(Refusal),
}

/// Which end of the flow reads: a single CRLF is an answer to a client, and half a question to a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// We opened the flow.
    Client,
    /// The flow was opened to us.
    Server,
}

/// Whether a datagram is a keep-alive and not a message: nothing, or nothing but CR, LF and NUL.
pub fn is_keep_alive(datagram: &[u8]) -> bool {
    datagram.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

/// Cuts a stream into frames: push what arrives, then take frames until there are none.
///
/// After an `Err` the flow is over: send [`Refusal::response`] if there is one, then close it.
#[derive(Debug)]
pub struct StreamReader {
    side: Side,
    buffer: BytesMut,
    /// How far the buffer is known to hold no end of a head, so that each byte is looked at once.
    scanned: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Between messages, or within the first line of one.
    FirstLine,
    /// Within the head of a message whose first line is SIP.
    Head,
    /// The head has ended and promised a message of this many bytes, head included.
    Body(usize),
    /// Within a message that is not read; this many bytes of it are still to come.
    Skipping(usize),
    /// Framing was lost.
    Dead,
}

impl StreamReader {
    /// A reader for a new flow.
    pub fn new(side: Side) -> Self {
        Self {
            side,
            buffer: BytesMut::new(),
            scanned: 0,
            state: State::FirstLine,
        }
    }

    /// Takes in what arrived, in whatever pieces. After an error it is ignored.
    pub fn push(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Dead) {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next frame, if it is complete. Call until `None` after each [`StreamReader::push`].
    #[expect(clippy::should_implement_trait, reason = "more may come after None")]
    pub fn next(&mut self) -> Option<Result<Frame, Refusal>> {
        let frame = self.step().transpose()?;
        if frame.is_err() {
            self.state = State::Dead;
            self.buffer.clear();
        }
        Some(frame)
    }

    /// Whether the other side has begun a message and not ended it: a flow that stays so for long may be closed.
    pub fn is_within_message(&self) -> bool {
        !self.buffer.is_empty() || matches!(self.state, State::Skipping(_))
    }

    fn step(&mut self) -> Result<Option<Frame>, Refusal> {
        self.skip();
        if matches!(self.state, State::FirstLine) {
            if let Some(keep_alive) = self.keep_alive() {
                return Ok(Some(keep_alive));
            }
            self.first_line()?;
        }
        if matches!(self.state, State::Head)
            && let Some(refusal) = self.head()?
        {
            self.skip();
            return Ok(Some(Frame::Skipped(refusal)));
        }
        match self.state {
            State::Body(length) if self.buffer.len() >= length => {
                self.state = State::FirstLine;
                self.scanned = 0;
                Ok(Some(Frame::Message(self.buffer.split_to(length).freeze())))
            }
            _ => Ok(None),
        }
    }

    /// Lets go of what arrived of a message that is not read.
    fn skip(&mut self) {
        if let State::Skipping(left) = &mut self.state {
            let arrived = self.buffer.len().min(*left);
            self.buffer.advance(arrived);
            *left = left.saturating_sub(arrived);
            if *left == 0 {
                self.state = State::FirstLine;
                self.scanned = 0;
            }
        }
    }

    /// CRLFs between messages (RFC 5626 3.5.1). A server waits for the second half of a ping; a CRLF of which no
    /// second half comes is one that RFC 3261 7.5 has it ignore.
    fn keep_alive(&mut self) -> Option<Frame> {
        if self.scanned > 0 {
            return None;
        }
        loop {
            if self.buffer.starts_with(PING) {
                self.buffer.advance(PING.len());
                return Some(Frame::Ping);
            }
            let is_half_a_ping = self.side == Side::Server && PING.starts_with(&self.buffer);
            if !self.buffer.starts_with(PONG) || is_half_a_ping {
                return None;
            }
            self.buffer.advance(PONG.len());
            if self.side == Side::Client {
                return Some(Frame::Pong);
            }
        }
    }

    /// Judges the first line as soon as it is complete, and before that by its first byte.
    fn first_line(&mut self) -> Result<(), Refusal> {
        const FOREIGN: &str = "a first line that is not SIP";
        if PING.starts_with(&self.buffer) {
            return Ok(());
        }
        let is_token_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(byte);
        if !self.buffer.iter().take(1).all(is_token_byte) {
            return Err(Refusal::discard(FOREIGN));
        }
        let end = self.buffer.iter().skip(self.scanned).position(|byte| *byte == b'\n');
        let Some(end) = end.map(|end| end.saturating_add(self.scanned)) else {
            self.scanned = self.buffer.len();
            return self.check_size(self.buffer.len());
        };
        self.check_size(end)?;
        let line = self.buffer.get(..end).unwrap_or_default();
        if !parse::is_start_line(line.trim_ascii_end()) {
            return Err(Refusal::discard(FOREIGN));
        }
        self.state = State::Head;
        self.scanned = end;
        Ok(())
    }

    /// Looks for the empty line, and then for what the head promises. The refusal is of a message to be passed over.
    fn head(&mut self) -> Result<Option<Refusal>, Refusal> {
        // The end may be split over two pieces: look again at the last three bytes.
        let from = self.scanned.saturating_sub(3);
        let unseen = self.buffer.get(from..).unwrap_or_default();
        let Some(end) = unseen.windows(4).position(|window| window == b"\r\n\r\n") else {
            self.scanned = self.buffer.len();
            return self.check_size(self.buffer.len()).map(|()| None);
        };
        let head_length = from.saturating_add(end).saturating_add(4);
        self.check_size(head_length)?;
        let head = Head::read(self.buffer.get(..head_length).unwrap_or_default(), Carrier::Stream);
        let length = promised(&head).map_err(|fault| parse::refuse(fault, &head))?;
        let whole = head_length.saturating_add(length);
        if length > MAX_SKIPPED {
            return Err(parse::refuse(too_large(), &head));
        }
        if whole > MAX_STREAM_MESSAGE {
            let refusal = parse::refuse(too_long(), &head);
            self.state = State::Skipping(whole);
            return Ok(Some(refusal));
        }
        self.state = State::Body(whole);
        Ok(None)
    }

    fn check_size(&self, length: usize) -> Result<(), Refusal> {
        if length <= MAX_STREAM_MESSAGE {
            Ok(())
        } else {
            Err(Refusal::discard(too_large().why))
        }
    }
}

fn promised(head: &Head<'_>) -> Result<usize, Fault> {
    if let Some(fault) = head.broken {
        return Err(fault);
    }
    head.content_length()?
        .ok_or(Fault::bad_request("no Content-Length on a stream"))
}

/// The message is well-formed as far as it was read, and only its body is more than is taken (RFC 3261 21.4.11).
fn too_long() -> Fault {
    Fault {
        status: super::msg::StatusCode::REQUEST_ENTITY_TOO_LARGE,
        why: "a message of more than 256 KiB",
    }
}

fn too_large() -> Fault {
    Fault {
        status: super::msg::StatusCode::MESSAGE_TOO_LARGE,
        why: "a message of more than 256 KiB",
    }
}

#[cfg(test)]
mod tests;
