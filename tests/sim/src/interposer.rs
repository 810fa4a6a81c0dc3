//! Planted bugs: something between a phone and its network that does what a broken phone would do.
//!
//! It exists to prove that the world notices. Nothing of it is in the product.

use toestel_proto::sip::msg::{HeaderName, Message, Method, Request};
use toestel_proto::sip::parse;

/// Which bug.
#[derive(Clone, Debug)]
pub enum Interposer {
    /// No timer and no repetition brings a lost ACK back: each 2xx is acknowledged once at most.
    LostAckTimer {
        /// Call-ID and CSeq of what was acknowledged.
        acknowledged: Vec<(String, u32)>,
    },
    /// All REGISTERs have the branch of the first.
    ReusedBranch {
        /// The first branch, and the one that it replaces now.
        first: Option<String>,
        /// What the phone itself believes.
        own: String,
    },
    /// All REGISTERs carry the first credentials.
    StaleNonce {
        /// They.
        first: Option<String>,
    },
    /// BYE is never sent, so the other side keeps the dialog.
    LeakedDialog,
    /// The phone reckons with three times the validity that was granted, so it refreshes what has run out.
    LateRefresh,
}

impl Interposer {
    /// What becomes of a message on its way out; `None` if it never gets there.
    pub fn sends(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let Ok(Message::Request(mut request)) = parse::datagram(&bytes) else {
            return Some(bytes);
        };
        match self {
            Self::LostAckTimer { acknowledged } if request.method == Method::Ack => {
                let which = (request.call_id.clone(), request.cseq);
                if acknowledged.contains(&which) {
                    return None;
                }
                acknowledged.push(which);
                Some(bytes)
            }
            Self::ReusedBranch { first, own } if request.method == Method::Register => {
                *own = request.branch().unwrap_or_default().to_owned();
                let branch = first.get_or_insert_with(|| own.clone()).clone();
                Some(with_branch(&mut request, &branch))
            }
            Self::StaleNonce { first } if request.method == Method::Register => {
                let Some(value) = request.headers.get(HeaderName::Authorization).map(str::to_owned) else {
                    return Some(bytes);
                };
                let replayed = first.get_or_insert(value);
                request.headers.set(HeaderName::Authorization, replayed);
                Some(request.to_bytes().to_vec())
            }
            Self::LeakedDialog if request.method == Method::Bye => None,
            _ => Some(bytes),
        }
    }

    /// What becomes of a message on its way in.
    pub fn receives(&self, bytes: Vec<u8>) -> Vec<u8> {
        match (self, parse::datagram(&bytes)) {
            (Self::ReusedBranch { own, .. }, Ok(Message::Response(mut response)))
                if response.cseq.method == Method::Register =>
            {
                if let Some(via) = response.vias.first_mut() {
                    via.params.set("branch", own.clone());
                }
                response.to_bytes().to_vec()
            }
            (Self::LateRefresh, Ok(Message::Response(mut response))) if response.cseq.method == Method::Register => {
                for contact in response.headers.contacts().as_slice() {
                    let mut later = contact.clone();
                    let seconds = contact.expires().unwrap_or(0).saturating_mul(3);
                    later.params.set("expires", seconds.to_string());
                    response.headers.set(HeaderName::Contact, later);
                }
                response.to_bytes().to_vec()
            }
            _ => bytes,
        }
    }
}

fn with_branch(request: &mut Request, branch: &str) -> Vec<u8> {
    if let Some(via) = request.vias.first_mut() {
        via.params.set("branch", branch);
    }
    request.to_bytes().to_vec()
}
