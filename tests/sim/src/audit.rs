//! What must hold for every message of a phone, whatever happens around it.
//!
//! Branches are never used again, CSeq and nonce counts rise, each 2xx to an INVITE is acknowledged each time that it
//! comes, and a registration is refreshed before 80 % of its time has passed.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;
use toestel_proto::sip::auth::Credentials;
use toestel_proto::sip::msg::{HeaderName, Message, Method, Request, Response};
use toestel_proto::sip::parse;
use toestel_proto::time::Instant;

/// Sees one phone's messages, both ways.
#[derive(Debug, Default)]
pub struct Audit {
    /// Branch to method and content of what was sent with it.
    branches: BTreeMap<String, Vec<(Method, u64)>>,
    /// Call-ID, own tag and their tag, to the last CSeq.
    sequences: BTreeMap<(String, String, String), u32>,
    nonces: BTreeMap<String, u32>,
    /// Call-ID, CSeq and tag of 2xx that came and were not acknowledged yet.
    owed: BTreeSet<(String, u32, String)>,
    refresh_due: Option<Instant>,
    /// The CSeq of the last REGISTER, if it asked for a binding.
    binding_asked: Option<u32>,
    complaints: Vec<String>,
    /// REGISTERs that were sent, repetitions not counted.
    pub registers: u64,
    /// REGISTERs that carried a password, repetitions not counted.
    pub logins: u64,
    /// PRACKs that were sent, repetitions not counted.
    pub pracks: u64,
}

impl Audit {
    /// What was found wrong, once.
    pub fn take_complaints(&mut self) -> Vec<String> {
        std::mem::take(&mut self.complaints)
    }

    /// The phone sent this.
    pub fn sent(&mut self, bytes: &[u8], now: Instant) {
        match read(bytes) {
            Some(Message::Request(request)) => self.sent_request(&request, bytes, now),
            Some(Message::Response(_)) => {}
            None if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) => {}
            None if matches!(bytes.first(), Some(0 | 1)) => {}
            None => self.complaints.push("the phone sent what is not SIP".to_owned()),
        }
    }

    /// The phone receives this.
    pub fn received(&mut self, bytes: &[u8], now: Instant) {
        if let Some(Message::Response(response)) = read(bytes) {
            self.received_response(&response, now);
        }
    }

    /// The phone has done with what it received.
    pub fn settled(&mut self) {
        for (call, cseq, _) in std::mem::take(&mut self.owed) {
            self.complaints
                .push(format!("a 2xx was not acknowledged (CSeq {cseq} of {call})"));
        }
    }

    /// The refresh is excused: the phone slept, has no connection, or is to be unregistered.
    pub fn excuse_refresh(&mut self) {
        self.refresh_due = None;
    }

    /// Whether a refresh should have been sent by now.
    pub fn check_refresh(&mut self, now: Instant) {
        if self.refresh_due.is_some_and(|due| due < now) {
            self.refresh_due = None;
            self.complaints
                .push("the registration was not refreshed before 80 % of its time".to_owned());
        }
    }

    fn sent_request(&mut self, request: &Request, bytes: &[u8], now: Instant) {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let content = hasher.finish();
        let branch = request.branch().unwrap_or_default().to_owned();
        let used = self.branches.entry(branch).or_default();
        if used.contains(&(request.method.clone(), content)) {
            return;
        }
        let belongs = matches!(request.method, Method::Ack | Method::Cancel)
            && used.iter().all(|(method, _)| *method != request.method);
        if !used.is_empty() && !belongs {
            self.complaints.push(format!(
                "a branch was used again by {} {}",
                request.method, request.cseq
            ));
        }
        used.push((request.method.clone(), content));
        if request.method == Method::Ack {
            let tag = request.to.tag().unwrap_or_default().to_owned();
            self.owed.remove(&(request.call_id.clone(), request.cseq, tag));
        } else if request.method != Method::Cancel {
            self.check_sequence(request);
            self.check_nonces(request);
        }
        self.pracks += u64::from(request.method == Method::Prack);
        if request.method == Method::Register {
            self.check_refresh(now);
            self.refresh_due = None;
            self.binding_asked = (request.headers.expires() != Some(0)).then_some(request.cseq);
            self.registers += 1;
            self.logins += u64::from(request.headers.has(HeaderName::Authorization));
        }
    }

    fn check_sequence(&mut self, request: &Request) {
        let tag = |tag: Option<&str>| tag.unwrap_or_default().to_owned();
        let dialog = (request.call_id.clone(), tag(request.from.tag()), tag(request.to.tag()));
        let last = self.sequences.insert(dialog, request.cseq);
        if last.is_some_and(|last| request.cseq <= last) {
            self.complaints.push(format!(
                "CSeq did not rise: {} {} in {}",
                request.method, request.cseq, request.call_id
            ));
        }
    }

    fn check_nonces(&mut self, request: &Request) {
        for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
            let credentials = request.headers.get(name).and_then(Credentials::parse);
            let Some(credentials) = credentials else { continue };
            let count = credentials.protection.map_or(0, |protection| protection.nc);
            let last = self.nonces.insert(credentials.nonce, count).unwrap_or(0);
            if count <= last {
                self.complaints
                    .push(format!("the nonce count did not rise: {count} after {last}"));
            }
        }
    }

    fn received_response(&mut self, response: &Response, now: Instant) {
        if !response.status.is_success() {
            return;
        }
        let tag = response.to.tag().unwrap_or_default().to_owned();
        match response.cseq.method {
            Method::Invite => {
                self.owed.insert((response.call_id.clone(), response.cseq.number, tag));
            }
            Method::Register if self.binding_asked == Some(response.cseq.number) => {
                let contacts = response.headers.contacts();
                let granted = contacts.as_slice().iter().filter_map(|contact| contact.expires()).max();
                self.refresh_due = granted
                    .map(|seconds| now + Duration::from_secs(seconds.into()).mul_f64(0.8) + Duration::from_secs(2));
            }
            _ => {}
        }
    }
}

fn read(bytes: &[u8]) -> Option<Message> {
    parse::datagram(bytes).ok()
}
