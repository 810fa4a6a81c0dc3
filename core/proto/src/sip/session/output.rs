//! What a session wants done, and what it tells its owner.

use std::time::Duration;

use bytes::Bytes;

use crate::sip::dialog::DialogId;
use crate::sip::endpoint::{Failure, ServerKey};
use crate::sip::msg::{Method, NameAddr, Reason, Request, Response, StatusCode, Uri, Warning};
use crate::sip::offer_answer::Misplaced;

/// A request that the session asked to send; its owner maps it to a client transaction. Never reused in one session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u32);

/// What the session wants done; the owner drains these after each input.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Send a request in a new client transaction; its responses come back as `handle_response(id, …)`.
    Send {
        /// The name of the request.
        id: RequestId,
        /// The request, without Via.
        request: Request,
    },
    /// Cancel the INVITE that was sent as `id`, as soon as a provisional response to it came (RFC 3261 9.1). It still
    /// gets a final response, or fails after 64*T1.
    Cancel {
        /// The INVITE.
        id: RequestId,
        /// To be written as the Reason of the CANCEL (RFC 3326).
        reason: Option<Reason>,
    },
    /// Send the ACK of a 2xx, without any transaction. The same one comes again when the 2xx is repeated.
    Ack {
        /// The ACK, without Via.
        request: Request,
    },
    /// Answer a request that was handed in with this key. A 2xx to an INVITE, and a reliable 1xx, come repeatedly.
    Respond {
        /// The request that is answered.
        key: ServerKey,
        /// The answer.
        response: Response,
    },
    /// A 401 or 407 arrived: answer with `retry_with` or `give_up`.
    Challenge {
        /// The request that was challenged.
        id: RequestId,
        /// The challenge.
        response: Response,
    },
    /// Something that the owner wants to know.
    Event(Event),
    /// Nothing is owed to anybody any more: the owner may forget the session. Comes once, after [`Event::Ended`].
    Released,
}

/// What happened in the session.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A provisional response to our INVITE.
    Progress {
        /// 101 to 199.
        status: StatusCode,
        /// Its phrase.
        reason: String,
        /// The early dialog that it belongs to, if it has one.
        dialog: Option<DialogId>,
    },
    /// Early media: an answer in a 1xx. Each early dialog may bring its own, and a later one may replace it as long as
    /// it was not reliable.
    EarlyAnswer {
        /// The answer.
        sdp: Bytes,
        /// Whose answer.
        dialog: DialogId,
        /// Whether it is the answer for good (RFC 3262), or only a preview of what the 2xx will bring.
        reliable: bool,
    },
    /// A 3xx led the call to another place, where it begins anew: what rang there or was heard from there is void.
    Redirected,
    /// Our INVITE was accepted. The first 2xx decides; the other branches are hung up.
    Answered {
        /// Who answered.
        dialog: DialogId,
        /// The answer to our offer; `None` if a reliable early answer holds, or an `OfferReceived` follows.
        sdp: Option<Bytes>,
    },
    /// The caller acknowledged our answer to its INVITE.
    Confirmed,
    /// The other side offers: reply with `answer`, `answer_offer` or `refuse_offer`.
    OfferReceived {
        /// The offer.
        sdp: Bytes,
        /// Where.
        dialog: DialogId,
    },
    /// The other side's INVITE has no offer and asks for ours: reply with `answer` or `answer_offer`.
    OfferRequested,
    /// The offer that waited for our answer is void: its INVITE was cancelled.
    OfferWithdrawn,
    /// The answer to our offer in an INVITE, a 2xx, a PRACK or an UPDATE.
    AnswerReceived {
        /// The answer.
        sdp: Bytes,
        /// Where.
        dialog: DialogId,
    },
    /// Our offer was refused or lost; what was agreed before still holds.
    OfferRefused {
        /// The status that refused it; 491 also when the other side's own offer overtook ours.
        status: StatusCode,
        /// Whether the session offers again by itself. If not, the owner may, with a fresh description.
        retrying: bool,
        /// Why, in the other side's words.
        warnings: Vec<Warning>,
    },
    /// The other side moved: its new Contact.
    RemoteTargetChanged(Uri),
    /// An INFO, already answered with 200.
    Info {
        /// What the body is, as written.
        content_type: Option<String>,
        /// The body.
        body: Bytes,
    },
    /// A request for another usage of the dialog (REFER, NOTIFY, SUBSCRIBE). The owner answers it.
    Request {
        /// To answer it with.
        key: ServerKey,
        /// The request.
        request: Box<Request>,
    },
    /// The outcome of a request made with `Session::request` or `Session::info`.
    Outcome {
        /// Which one; after a challenge it is the name of the retry.
        id: RequestId,
        /// What kind of request it was.
        method: Method,
        /// What came of it.
        result: Result<Box<Response>, Failure>,
    },
    /// The probe was answered: the other side is still in the call.
    Alive,
    /// The probe could not be sent, or its flow broke: nothing is known about the other side.
    Unproven,
    /// The call is over. Comes exactly once.
    Ended(Ended),
}

/// Who ended the call, or what did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndedBy {
    /// Our own command.
    Us,
    /// The other side or a server on the way: BYE, CANCEL or a final response.
    Them,
    /// Our INVITE got no response at all.
    NoResponse,
    /// Our answer was never acknowledged (RFC 3261 13.3.1.4).
    NoAck,
    /// Our reliable provisional response was never acknowledged (RFC 3262 3).
    NoPrack,
    /// The INVITE ran out before it was answered (its Expires).
    Unanswered,
    /// The session timer ran out without a refresh (RFC 4028 10).
    Expired,
    /// The other side does not know the call any more, or does not answer in it (408 and 481, RFC 3261 12.2.1.2).
    Gone,
    /// The flow broke before the call was set up.
    FlowLost,
    /// The other side broke the rules of offer and answer.
    Protocol(Misplaced),
}

/// Why a call is over.
#[derive(Clone, PartialEq, Debug)]
pub struct Ended {
    /// Who or what ended it.
    pub by: EndedBy,
    /// The final response that ended it, if one did.
    pub status: Option<StatusCode>,
    /// The phrase of that response; for people, never for decisions.
    pub phrase: String,
    /// Reason values of that response, BYE or CANCEL (RFC 3326), Q.850 causes among them.
    pub reasons: Vec<Reason>,
    /// Warning values of that response.
    pub warnings: Vec<Warning>,
    /// Where a 3xx says that the call may be placed instead, in its order.
    pub targets: Vec<NameAddr>,
    /// When the responder suggests to try again.
    pub retry_after: Option<Duration>,
}

impl Ended {
    /// Ended without a message that says more.
    pub(crate) fn by(by: EndedBy) -> Self {
        Self {
            by,
            status: None,
            phrase: String::new(),
            reasons: Vec::new(),
            warnings: Vec::new(),
            targets: Vec::new(),
            retry_after: None,
        }
    }

    /// Ended by a final response to our INVITE, or within the dialog.
    pub(super) fn with_response(by: EndedBy, response: &Response) -> Self {
        let redirects = response.status.is_redirect();
        Self {
            status: Some(response.status),
            phrase: response.reason.clone(),
            reasons: response.headers.reasons(),
            warnings: response.headers.warnings(),
            targets: if redirects {
                response.headers.contacts().as_slice().to_vec()
            } else {
                Vec::new()
            },
            retry_after: response
                .headers
                .retry_after()
                .map(|seconds| Duration::from_secs(seconds.into())),
            ..Self::by(by)
        }
    }

    /// Ended by a BYE or CANCEL of the other side.
    pub(super) fn with_request(request: &Request) -> Self {
        Self {
            reasons: request.headers.reasons(),
            ..Self::by(EndedBy::Them)
        }
    }
}
