//! What the four transactions have in common: their keys, their outputs, and how a message finds its own (RFC 3261
//! 17.1.3 and 17.2.3). The machines are in [`super::client_invite`], [`super::client`], [`super::server_invite`] and
//! [`super::server`]; who owns them all is [`super::endpoint`].

use super::client::Client;
use super::client_invite::ClientInvite;
use super::msg::{HeaderName, Method, NameAddr, Request, Response, Via};
use super::server::Server;
use super::server_invite::ServerInvite;
use super::timers::Timers;
use crate::time::{Instant, Wake};
use bytes::Bytes;
use std::sync::Arc;

/// A request of ours on its way. Never reused within one run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientKey(pub(super) u64);

/// A request that came in and is to be answered. Never reused within one run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerKey(pub(super) u64);

/// What a client transaction wants done.
#[expect(clippy::large_enum_variant, reason = "moved once and dropped: a box would cost more")]
#[derive(Debug)]
pub(super) enum ClientOutput {
    Send(Bytes),
    Response(Response),
    /// Timer B or F, or a cancelled INVITE that was never answered.
    TimedOut,
}

/// What a server transaction wants done.
#[expect(clippy::large_enum_variant, reason = "moved once and dropped: a box would cost more")]
#[derive(Debug)]
pub(super) enum ServerOutput {
    Send(Bytes),
    /// An ACK to the 2xx that came with the branch of its INVITE (RFC 6026 8.7).
    Ack(Request),
}

/// Either client transaction.
#[derive(Debug)]
pub(super) enum ClientMachine {
    Invite(ClientInvite),
    Other(Client),
}

impl ClientMachine {
    pub fn new(request: &Arc<Request>, timers: Timers, reliable: bool, now: Instant) -> Self {
        match request.method {
            Method::Invite => Self::Invite(ClientInvite::new(Arc::clone(request), timers, reliable, now)),
            _ => Self::Other(Client::new(request, timers, reliable, now)),
        }
    }

    pub fn handle_response(&mut self, response: Response, now: Instant) {
        match self {
            Self::Invite(machine) => machine.handle_response(response, now),
            Self::Other(machine) => machine.handle_response(response, now),
        }
    }

    pub fn handle_transport_error(&mut self) -> bool {
        match self {
            Self::Invite(machine) => machine.handle_transport_error(),
            Self::Other(machine) => machine.handle_transport_error(),
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Invite(machine) => machine.handle_timeout(now),
            Self::Other(machine) => machine.handle_timeout(now),
        }
    }

    pub fn poll_output(&mut self) -> Option<ClientOutput> {
        match self {
            Self::Invite(machine) => machine.poll_output(),
            Self::Other(machine) => machine.poll_output(),
        }
    }

    pub fn poll_wake(&self) -> Option<Wake> {
        match self {
            Self::Invite(machine) => machine.poll_wake(),
            Self::Other(machine) => machine.poll_wake(),
        }
    }

    pub fn is_terminated(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_terminated(),
            Self::Other(machine) => machine.is_terminated(),
        }
    }
}

/// Either server transaction.
#[derive(Debug)]
pub(super) enum ServerMachine {
    Invite(ServerInvite),
    Other(Server),
}

impl ServerMachine {
    pub fn handle_repeated(&mut self) {
        match self {
            Self::Invite(machine) => machine.handle_repeated(),
            Self::Other(machine) => machine.handle_repeated(),
        }
    }

    pub fn respond(&mut self, response: &Response, now: Instant) -> bool {
        match self {
            Self::Invite(machine) => machine.respond(response, now),
            Self::Other(machine) => machine.respond(response, now),
        }
    }

    pub fn is_undecided(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_undecided(),
            Self::Other(machine) => machine.is_undecided(),
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Invite(machine) => machine.handle_timeout(now),
            Self::Other(machine) => machine.handle_timeout(now),
        }
    }

    pub fn poll_output(&mut self) -> Option<ServerOutput> {
        match self {
            Self::Invite(machine) => machine.poll_output(),
            Self::Other(machine) => machine.poll_output(),
        }
    }

    pub fn poll_wake(&self) -> Option<Wake> {
        match self {
            Self::Invite(machine) => machine.poll_wake(),
            Self::Other(machine) => machine.poll_wake(),
        }
    }

    pub fn is_terminated(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_terminated(),
            Self::Other(machine) => machine.is_terminated(),
        }
    }
}

/// How a response finds its client transaction: branch, sent-by and the method in CSeq (17.1.3, 18.1.2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct ClientMatch {
    branch: String,
    sent_by: String,
    method: Method,
}

impl ClientMatch {
    pub fn of_request(request: &Request) -> Option<Self> {
        Self::new(request.top_via()?, &request.method)
    }

    pub fn of_response(response: &Response) -> Option<Self> {
        Self::new(response.top_via()?, &response.cseq.method)
    }

    fn new(via: &Via, method: &Method) -> Option<Self> {
        Some(Self {
            branch: via.branch()?.to_owned(),
            sent_by: via.sent_by(),
            method: method.clone(),
        })
    }
}

/// How a request finds its server transaction (17.2.3).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct ServerMatch {
    transaction: Transaction,
    /// That of the request which created the transaction: INVITE for an ACK.
    method: Method,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Transaction {
    Branch {
        branch: String,
        sent_by: String,
    },
    /// A client of RFC 2543. The tag in To is left out: nothing else could differ by it alone, and an ACK has one
    /// where its INVITE had none.
    Rfc2543 {
        uri: String,
        from_tag: Option<String>,
        call_id: String,
        cseq: u32,
        via: String,
    },
}

impl ServerMatch {
    pub fn of(request: &Request) -> Self {
        let method = match request.method {
            Method::Ack => Method::Invite,
            ref method => method.clone(),
        };
        Self {
            transaction: Transaction::of(request),
            method,
        }
    }

    /// Whether this is what the CANCEL with the identity `cancel` wants cancelled (9.2).
    pub fn is_cancelled_by(&self, cancel: &Self) -> bool {
        self.transaction == cancel.transaction && self.method != Method::Cancel
    }
}

impl Transaction {
    fn of(request: &Request) -> Self {
        let branch = request.branch().filter(|branch| is_identifier(branch));
        match (branch, request.top_via()) {
            (Some(branch), Some(via)) => Self::Branch {
                branch: branch.to_owned(),
                sent_by: via.sent_by(),
            },
            (_, via) => Self::Rfc2543 {
                uri: request.uri.to_string(),
                from_tag: request.from.tag().map(str::to_owned),
                call_id: request.call_id.clone(),
                cseq: request.cseq,
                via: via.map(Via::to_string).unwrap_or_default(),
            },
        }
    }
}

/// Whether a branch is as RFC 3261 wants it: the cookie, and something after it (RFC 4475 3.2.1).
fn is_identifier(branch: &str) -> bool {
    branch
        .strip_prefix(Via::MAGIC_COOKIE)
        .is_some_and(|rest| !rest.is_empty())
}

/// What two copies of one forked request have in common (8.2.2.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Merge {
    from_tag: Option<String>,
    call_id: String,
    cseq: u32,
    method: Method,
}

impl Merge {
    /// `None` for a request within a dialog, which cannot be merged.
    pub fn of(request: &Request) -> Option<Self> {
        request.to.tag().is_none().then(|| Self {
            from_tag: request.from.tag().map(str::to_owned),
            call_id: request.call_id.clone(),
            cseq: request.cseq,
            method: request.method.clone(),
        })
    }
}

/// What follows an INVITE to the next hop, and no farther: its CANCEL (9.1), or the ACK to its refusal (17.1.1.3). It is
/// the same but for the method and To, with the topmost Via and the routes alone.
pub(super) fn on_same_hop(invite: &Request, method: Method, to: NameAddr) -> Request {
    let mut request = Request::new(
        method,
        invite.uri.clone(),
        invite.from.clone(),
        to,
        invite.call_id.clone(),
        invite.cseq,
    );
    request.vias = invite.vias.first().cloned().into_iter().collect();
    request.headers.copy_from(&invite.headers, HeaderName::Route);
    request
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::msg::{StatusCode, Transport};
    use super::*;

    pub fn millis(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn request(method: Method) -> Request {
        let address = |text: &str| NameAddr::new(text.parse().unwrap());
        let mut request = Request::new(
            method,
            "sip:200@pbx.example".parse().unwrap(),
            address("sip:100@pbx.example").with_tag("near"),
            address("sip:200@pbx.example"),
            "call-1",
            17,
        );
        request.headers.push(HeaderName::Route, "<sip:edge.example;lr>");
        let host = "192.0.2.1".parse().unwrap();
        request
            .vias
            .push(Via::new(Transport::Udp, host, Some(5060), "z9hG4bK1"));
        request
    }

    pub fn invite() -> Request {
        request(Method::Invite)
    }

    pub fn options() -> Request {
        request(Method::Options)
    }

    pub fn ack_of(invite: &Request) -> Request {
        Request {
            method: Method::Ack,
            ..invite.clone()
        }
    }

    pub fn response_to(request: &Request, status: u16) -> Response {
        Response::to(request, StatusCode::new(status).unwrap())
    }

    pub fn sent(output: &ClientOutput) -> String {
        match output {
            ClientOutput::Send(wire) => String::from_utf8(wire.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The method of what is sent, the status of what is passed up.
    pub fn kinds(outputs: Vec<ClientOutput>) -> Vec<String> {
        let kind = |output: &ClientOutput| match output {
            ClientOutput::Send(_) => first_word(&sent(output)),
            ClientOutput::Response(response) => response.status.to_string(),
            ClientOutput::TimedOut => "timed out".to_owned(),
        };
        outputs.iter().map(kind).collect()
    }

    /// The status of what is sent, the method of what is passed up.
    pub fn server_kinds(outputs: Vec<ServerOutput>) -> Vec<String> {
        let kind = |output: &ServerOutput| match output {
            ServerOutput::Send(wire) => first_word(&String::from_utf8_lossy(wire)),
            ServerOutput::Ack(ack) => ack.method.to_string(),
        };
        outputs.iter().map(kind).collect()
    }

    /// The method of a request, the status of a response.
    pub fn first_word(wire: &str) -> String {
        let mut words = wire.split(' ');
        let first = words.next().unwrap();
        if first == "SIP/2.0" {
            words.next().unwrap()
        } else {
            first
        }
        .to_owned()
    }

    #[test]
    fn a_response_is_matched_by_branch_sent_by_and_method() {
        let request = options();
        let ours = ClientMatch::of_request(&request);
        let response = response_to(&request, 200);
        assert_eq!(ClientMatch::of_response(&response), ours);

        let mut other_branch = response.clone();
        other_branch.vias[0].params.set("branch", "z9hG4bK2");
        assert_ne!(ClientMatch::of_response(&other_branch), ours);
        let mut other_host = response.clone();
        other_host.vias[0].host = "192.0.2.2".parse().unwrap();
        assert_ne!(ClientMatch::of_response(&other_host), ours);
        let mut other_method = response;
        other_method.cseq.method = Method::Cancel;
        assert_ne!(ClientMatch::of_response(&other_method), ours);
    }

    #[test]
    fn an_ack_is_matched_to_its_invite_with_and_without_the_magic_cookie() {
        let invite = invite();
        assert_eq!(ServerMatch::of(&ack_of(&invite)), ServerMatch::of(&invite));

        let mut old = invite;
        old.vias[0].params.set("branch", "1");
        let mut ack = ack_of(&old);
        ack.to = ack.to.with_tag("far");
        assert_eq!(ServerMatch::of(&ack), ServerMatch::of(&old));
        let mut next = old.clone();
        next.cseq += 1;
        assert_ne!(ServerMatch::of(&next), ServerMatch::of(&old));
    }

    #[test]
    fn the_same_branch_from_another_host_is_another_transaction() {
        let here = options();
        let mut there = here.clone();
        there.vias[0].host = "198.51.100.7".parse().unwrap();
        assert_ne!(ServerMatch::of(&there), ServerMatch::of(&here));
        let mut default_port = here.clone();
        default_port.vias[0].port = None;
        assert_eq!(ServerMatch::of(&default_port), ServerMatch::of(&here), "5060 is meant");
    }
}
