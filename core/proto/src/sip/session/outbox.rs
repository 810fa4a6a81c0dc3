//! What a session still has to say, and which of its requests are unanswered.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::output::{Event, Output, RequestId};
use super::settings::{SDP, Settings};
use crate::random::Random;
use crate::sip::endpoint::ServerKey;
use crate::sip::msg::{HeaderName, Request, Response, StatusCode};

/// What a request of ours is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// The first INVITE.
    Dial,
    /// A later INVITE; `refresh` if the session timer wants it and the owner does not know.
    Reinvite { refresh: bool },
    /// An UPDATE with an offer.
    Update,
    /// An UPDATE without one, for the session timer.
    Refresh,
    /// The acknowledgement of a reliable 1xx with this RSeq.
    Prack { rseq: u32 },
    /// The end.
    Bye,
    /// An OPTIONS that asks whether the other side is still there.
    Probe,
    /// The owner's.
    Other,
}

/// A request that waits for its final response, or for the answer to its challenge.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    /// The remote tag of its dialog; empty for the first INVITE.
    pub(super) tag: String,
    /// The request as it was sent.
    pub(super) request: Request,
    /// What for.
    pub(super) purpose: Purpose,
    /// The challenge that the owner is working on.
    pub(super) challenge: Option<Box<Response>>,
    /// The other side has asked something since it was sent: it is there, whatever becomes of this request.
    pub(super) heard_since: bool,
}

/// Everything on its way out.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) settings: Settings,
    pub(super) requests: BTreeMap<RequestId, Pending>,
    outputs: VecDeque<Output>,
    next_id: u32,
    jitter: Random,
}

impl Outbox {
    /// Draws once from `random`, for the back-offs of this session.
    pub(super) fn new(settings: Settings, random: &mut Random) -> Self {
        Self {
            settings,
            requests: BTreeMap::new(),
            outputs: VecDeque::new(),
            next_id: 0,
            jitter: Random::seeded(random.u64()),
        }
    }

    pub(super) fn pop(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn event(&mut self, event: Event) {
        self.push(Output::Event(event));
    }

    /// Sends `request` in the dialog with `tag`.
    pub(super) fn send(&mut self, tag: &str, request: Request, purpose: Purpose) -> RequestId {
        let id = RequestId(self.next_id);
        self.next_id = self.next_id.saturating_add(1);
        let pending = Pending {
            tag: tag.to_owned(),
            request: request.clone(),
            purpose,
            challenge: None,
            heard_since: false,
        };
        self.requests.insert(id, pending);
        self.push(Output::Send { id, request });
        id
    }

    /// The other side has asked something in the dialog with `tag`.
    pub(super) fn heard(&mut self, tag: &str) {
        for pending in self.requests.values_mut().filter(|pending| pending.tag == tag) {
            pending.heard_since = true;
        }
    }

    pub(super) fn respond(&mut self, key: ServerKey, response: Response) {
        self.push(Output::Respond { key, response });
    }

    /// Answers with a bare status.
    pub(super) fn reply(&mut self, key: ServerKey, request: &Request, status: StatusCode) {
        self.respond(key, Response::to(request, status));
    }

    /// 500 with a Retry-After of 0 to 10 s: our side has not finished with the request before (RFC 3261 14.2).
    pub(super) fn reply_busy(&mut self, key: ServerKey, request: &Request) {
        let mut response = Response::to(request, StatusCode::SERVER_INTERNAL_ERROR);
        response.headers.push(HeaderName::RetryAfter, self.jitter.below(11));
        self.respond(key, response);
    }

    /// 415: nothing but SDP is understood here.
    pub(super) fn reply_not_sdp(&mut self, key: ServerKey, request: &Request) {
        self.respond(key, not_sdp(request));
    }

    /// How long to wait after a 491 (RFC 3261 14.1): 2.1 to 4 s for whoever made the Call-ID, else 0 to 2 s, in
    /// steps of 10 ms.
    pub(super) fn glare_delay(&mut self, owns_call_id: bool) -> Duration {
        let (base, steps) = if owns_call_id { (2100, 191) } else { (0, 201) };
        let drawn = self.jitter.below(steps).saturating_mul(10);
        Duration::from_millis(drawn.saturating_add(base))
    }
}

/// A 415 with what is accepted instead.
pub(super) fn not_sdp(request: &Request) -> Response {
    let mut response = Response::to(request, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    response.headers.push(HeaderName::Accept, SDP);
    response
}

/// Puts a session description into a request, if there is one.
pub(super) fn describe(request: &mut Request, sdp: Option<Bytes>) {
    if let Some(sdp) = sdp {
        request.set_body(SDP, sdp);
    }
}
