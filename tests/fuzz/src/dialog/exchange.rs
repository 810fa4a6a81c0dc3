//! What the exchange knows of the conversation, so that a fuzzer need not guess tags, branches and Call-IDs.
//!
//! In the text that it sends a control byte stands for:
//!
//! | byte | for |
//! |------|-----|
//! | 1    | Via, From, To (with the tag `far`), Call-ID and CSeq of the answer to the phone's last request |
//! | 2, 14 | the same to its last INVITE, with the tag `fork` and with the tag `far` |
//! | 3    | Via, From, To, Call-ID and Max-Forwards of a request within the latest dialog |
//! | 4, 5 | the next number of the exchange's CSeq; the current one |
//! | 6    | Via with the branch of the exchange's last INVITE, for CANCEL and the ACK to a refusal |
//! | 7    | RSeq and CSeq of the phone's last reliable response, for RAck |
//! | 8    | the latest dialog, for Replaces |
//! | 11   | the length of the body |

use toestel_proto::sip::msg::{HeaderName, Message, Method, NameAddr, Request, Response, StatusCode};

/// Where the length of the body stands.
const LENGTH: u8 = 11;

/// The latest dialog, or what may become one.
struct Talk {
    call_id: String,
    ours: NameAddr,
    theirs: NameAddr,
}

/// See the module.
#[derive(Default)]
pub(super) struct Exchange {
    asked: Option<Request>,
    invited: Option<Request>,
    talk: Option<Talk>,
    cseq: u32,
    branch: u32,
    invite_branch: u32,
    rack: String,
}

impl Exchange {
    /// The phone sent this.
    pub(super) fn hear(&mut self, message: Message) {
        match message {
            Message::Request(request) if request.method == Method::Ack => {}
            Message::Request(request) => self.hear_request(request),
            Message::Response(response) => self.hear_response(&response),
        }
    }

    fn hear_request(&mut self, request: Request) {
        if request.method == Method::Invite && request.to.tag().is_none() {
            let mut theirs = request.to.clone();
            theirs.params.set("tag", "far");
            self.talk = Some(Talk {
                call_id: request.call_id.clone(),
                ours: request.from.clone(),
                theirs,
            });
        }
        if request.method == Method::Invite {
            self.invited = Some(request.clone());
        }
        if request.method != Method::Register || self.asked.is_none() {
            self.asked = Some(request);
        }
    }

    fn hear_response(&mut self, response: &Response) {
        if response.cseq.method != Method::Invite || response.to.tag().is_none() {
            return;
        }
        if let Some(rseq) = response.headers.rseq() {
            self.rack = format!("{rseq} {} INVITE", response.cseq.number);
        }
        self.talk = Some(Talk {
            call_id: response.call_id.clone(),
            ours: response.to.clone(),
            theirs: response.from.clone(),
        });
    }

    /// `text` with everything in it that stands for something else.
    pub(super) fn say(&mut self, text: &[u8]) -> Vec<u8> {
        let mut said = Vec::with_capacity(text.len() + 512);
        if text.starts_with(b"INVITE") {
            self.invite_branch = self.branch + 1;
        }
        for byte in text {
            match byte {
                1 => said.extend(answer_head(self.asked.as_ref(), "far")),
                2 => said.extend(answer_head(self.invited.as_ref(), "fork")),
                14 => said.extend(answer_head(self.invited.as_ref(), "far")),
                3 => self.request_head(&mut said),
                4 => {
                    self.cseq += 1;
                    said.extend(self.cseq.to_string().bytes());
                }
                5 => said.extend(self.cseq.to_string().bytes()),
                6 => said.extend(via(self.invite_branch).bytes()),
                7 => said.extend(self.rack.bytes()),
                8 => said.extend(self.replaces().bytes()),
                other => said.push(*other),
            }
        }
        with_length(said)
    }

    /// How somebody else names the latest dialog to the phone.
    fn replaces(&self) -> String {
        let tag = |address: &NameAddr| address.tag().unwrap_or_default().to_owned();
        self.talk.as_ref().map_or_else(String::new, |talk| {
            let (to, from) = (tag(&talk.ours), tag(&talk.theirs));
            format!("{};to-tag={to};from-tag={from}", talk.call_id)
        })
    }

    fn request_head(&mut self, said: &mut Vec<u8>) {
        self.branch += 1;
        said.extend(via(self.branch).bytes());
        if let Some(talk) = &self.talk {
            let head = format!(
                "From: {}\r\nTo: {}\r\nCall-ID: {}\r\nMax-Forwards: 70\r\n",
                talk.theirs, talk.ours, talk.call_id
            );
            said.extend(head.bytes());
        }
    }
}

/// What the exchange says to a request that it handles by itself.
pub(super) fn plain_answer(request: &Request, contact: bool, outbound: bool) -> Vec<u8> {
    let mut response = Response::to(request, StatusCode::OK).with_to_tag("own");
    let is_asked = request.headers.get(HeaderName::Expires) != Some("0");
    if let Some(bound) = request.headers.get(HeaderName::Contact).filter(|_| contact && is_asked) {
        response
            .headers
            .push(HeaderName::Contact, format_args!("{bound};expires=600"));
    }
    if outbound {
        response.headers.push(HeaderName::Require, "outbound");
    }
    response.to_bytes().to_vec()
}

fn answer_head(request: Option<&Request>, tag: &str) -> Vec<u8> {
    let response = request.map(|request| Response::to(request, StatusCode::TRYING).with_to_tag(tag));
    response.as_ref().map(head_of).unwrap_or_default()
}

/// The header fields that every response has, without start line and length.
fn head_of(response: &Response) -> Vec<u8> {
    let mut head = String::new();
    for via in &response.vias {
        head.push_str(&format!("Via: {via}\r\n"));
    }
    head.push_str(&format!(
        "From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {}\r\n",
        response.from, response.to, response.call_id, response.cseq
    ));
    head.into_bytes()
}

fn via(branch: u32) -> String {
    format!("Via: SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bKx{branch}\r\n")
}

/// The length of the body in the place that asks for it.
fn with_length(mut said: Vec<u8>) -> Vec<u8> {
    let Some(place) = said.iter().position(|byte| *byte == LENGTH) else {
        return said;
    };
    let body = said
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map_or(said.len(), |at| at + 4);
    let length = (said.len() - body).to_string();
    said.splice(place..=place, length.bytes());
    said
}
