//! One flow as the exchange sees it: bytes into messages, and the pings of phones answered (RFC 5626 4.4 and 5.4).

use crate::nat::stun;
use crate::sip::endpoint::Flow;
use crate::sip::framing::{self, Frame, PONG, Side, StreamReader};
use crate::sip::msg::Message;
use crate::sip::parse::{self, Refusal};

/// What came off a flow.
#[derive(Debug)]
pub(super) enum Heard {
    /// A message.
    Message(Box<Message>),
    /// Answer a ping with this.
    Answer(Vec<u8>),
    /// Something that is no message.
    Refused(Refusal),
    /// What comes next on this stream cannot be told: close it.
    Lost,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Wire {
    pub flow: Flow,
    reader: StreamReader,
}

impl Wire {
    pub fn new(flow: Flow) -> Self {
        Self {
            flow,
            reader: StreamReader::new(Side::Server),
        }
    }

    /// Bytes of a stream, or one datagram.
    pub fn handle_received(&mut self, bytes: &[u8]) -> Vec<Heard> {
        if self.flow.is_reliable() {
            self.read_stream(bytes)
        } else {
            self.read_datagram(bytes).into_iter().collect()
        }
    }

    fn read_stream(&mut self, bytes: &[u8]) -> Vec<Heard> {
        self.reader.push(bytes);
        let mut heard = Vec::new();
        while let Some(frame) = self.reader.next() {
            match frame {
                Ok(Frame::Ping) => heard.push(Heard::Answer(PONG.to_vec())),
                Ok(Frame::Pong) => {}
                Ok(Frame::Message(bytes)) => heard.push(read(parse::framed(&bytes))),
                Ok(Frame::Skipped(refusal)) => heard.push(Heard::Refused(refusal)),
                Err(refusal) => heard.extend([Heard::Refused(refusal), Heard::Lost]),
            }
        }
        heard
    }

    fn read_datagram(&self, bytes: &[u8]) -> Option<Heard> {
        // RFC 7983: STUN begins with 0 to 3, SIP with a letter.
        if matches!(bytes.first(), Some(0..=3)) {
            let request = stun::parse(bytes).ok()?.message;
            let is_binding = request.class == stun::Class::Request && request.method == stun::Method::BINDING;
            return is_binding.then(|| Heard::Answer(stun::write(&request.binding_answer(self.flow.remote), None)));
        }
        (!framing::is_keep_alive(bytes)).then(|| read(parse::datagram(bytes)))
    }
}

fn read(message: Result<Message, Refusal>) -> Heard {
    match message {
        Ok(message) => Heard::Message(Box::new(message)),
        Err(refusal) => Heard::Refused(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::FlowId;
    use crate::nat::stun::BindingClient;
    use crate::random::Random;
    use crate::sip::msg::Transport;
    use crate::time::Instant;

    fn wire(transport: Transport) -> Wire {
        let (local, remote) = (([127, 0, 0, 1], 5061).into(), ([127, 0, 0, 1], 40_000).into());
        Wire::new(Flow::new(FlowId(1), transport, local, remote))
    }

    #[test]
    fn a_ping_on_a_stream_is_answered_and_what_is_not_sip_ends_the_flow() {
        let mut wire = wire(Transport::Tls);
        let heard = wire.handle_received(b"\r\n\r\n");
        assert!(
            matches!(&heard[..], [Heard::Answer(pong)] if pong == b"\r\n"),
            "{heard:?}"
        );
        let heard = wire.handle_received(b"GET / HTTP/1.1\r\n\r\n");
        assert!(matches!(heard.last(), Some(Heard::Lost)), "{heard:?}");
    }

    #[test]
    fn a_binding_request_learns_the_address_that_it_came_from() {
        let mut wire = wire(Transport::Udp);
        let mut client = BindingClient::new(&mut Random::seeded(1), Instant::ORIGIN);
        let request = client.poll_transmit(Instant::ORIGIN).unwrap().to_vec();
        let [Heard::Answer(answer)] = &wire.handle_received(&request)[..] else {
            panic!("one answer");
        };
        let outcome = client.handle_datagram(answer);
        assert_eq!(outcome, Some(stun::BindingOutcome::Mapped(wire.flow.remote)));
        assert!(wire.handle_received(b"\r\n").is_empty());
    }
}
