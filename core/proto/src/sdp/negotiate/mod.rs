//! Offer and answer for one audio stream (RFC 3264), with SDES keys (RFC 4568), best-effort encryption (RFC 8643),
//! multiplexed RTCP (RFC 5761), Opus (RFC 7587) and digits at every clock rate (RFC 4733).
//!
//! [`Negotiation`] lives as long as a dialog and keeps what a later offer must not change: the order of the sections,
//! payload type numbers, our key, the version of our description, and that a call once encrypted never becomes plain.
//! Early dialogs of one INVITE share an offer: clone the negotiation for each.

mod answer;
mod error;
mod formats;
mod keys;
mod offer;
mod result;
mod section;
mod settings;

pub use error::{AnswerError, OfferError, Refusal};
pub use result::{Negotiated, OpusWishes, RemoteAddress, SendFormat, Srtp};
pub use settings::{LocalPath, MediaSettings, OpusSettings};

use super::crypto::Crypto;
use super::description::{Connection, Description, Media, Origin, Profile};
use super::{parse, write};
use crate::codec::Direction;
use crate::random::Random;
use formats::{Formats, Numbers};
use std::net::SocketAddr;

/// The offer/answer state of one dialog.
#[derive(Clone, Debug)]
pub struct Negotiation {
    settings: MediaSettings,
    session_id: String,
    version: u64,
    /// What we sent last, accepted or not: the version rises when the next one differs.
    last_sent: Option<Description>,
    numbers: Numbers,
    offered: Option<Offered>,
    /// Whether `offered` still waits for its answer.
    pending: bool,
    agreed: Option<Agreed>,
    /// Set by the first agreed key, for good.
    encrypted: bool,
}

/// An offer of ours.
#[derive(Clone, Debug)]
struct Offered {
    path: SocketAddr,
    direction: Direction,
    profile: Profile,
    formats: Formats,
    crypto: Vec<Crypto>,
    rtcp_mux: bool,
    /// Which section is the audio.
    index: usize,
    /// The other sections' places.
    sections: Vec<Media>,
}

/// The last completed exchange.
#[derive(Clone, Debug)]
struct Agreed {
    path: SocketAddr,
    profile: Profile,
    index: usize,
    sections: Vec<Media>,
    local_crypto: Option<Crypto>,
    remote_crypto: Option<Crypto>,
    mid: Option<String>,
    result: Negotiated,
}

impl Negotiation {
    /// The state before the first offer. The session's number is drawn from `random`.
    pub fn new(settings: MediaSettings, random: &mut Random) -> Self {
        // RFC 3264 section 5: a number that fits a signed 64-bit integer.
        let session_id = (random.u64() >> 2).to_string();
        Self {
            settings,
            session_id,
            version: 0,
            last_sent: None,
            numbers: Numbers::default(),
            offered: None,
            pending: false,
            agreed: None,
            encrypted: false,
        }
    }

    /// What is agreed now.
    pub fn current(&self) -> Option<&Negotiated> {
        self.agreed.as_ref().map(|agreed| &agreed.result)
    }

    /// Whether an offer of ours waits for its answer.
    pub const fn is_pending(&self) -> bool {
        self.pending
    }

    /// Makes an offer: the first one, or a later one to hold, resume or move the stream. `direction` is what we want,
    /// whatever the far end last said. Fresh keys are drawn for a new stream and for one that moves; on the same
    /// address our key stays.
    pub fn offer(
        &mut self,
        path: &LocalPath,
        direction: Direction,
        random: &mut Random,
    ) -> Result<Vec<u8>, OfferError> {
        let (offered, audio) = self.prepare_offer(path, direction, random)?;
        let mut sections = offered.sections.clone();
        if let Some(place) = sections.get_mut(offered.index) {
            *place = audio;
        }
        self.offered = Some(offered);
        self.pending = true;
        Ok(self.send(path, sections))
    }

    /// Takes the answer to our last offer. The same answer may come again (in 183, then in 200), and a later one of
    /// the same offer replaces it. After an error the offer is taken back.
    pub fn accept_answer(&mut self, answer: &[u8]) -> Result<&Negotiated, AnswerError> {
        self.pending = false;
        let offered = self.offered.clone().ok_or(AnswerError::NoOffer)?;
        let description = parse::parse(answer)?;
        let agreed = self.judge_answer(&description, &offered)?;
        if let Some(media) = description.media.get(agreed.index) {
            self.numbers.learn(media);
        }
        self.encrypted |= agreed.result.srtp.is_some();
        Ok(&self.agreed.insert(agreed).result)
    }

    /// Whether [`Negotiation::answer`] would take this offer: for the moment when a call comes in, before any media
    /// path exists.
    pub fn check_offer(&self, offer: &[u8]) -> Result<(), Refusal> {
        let description = self.read_offer(offer)?;
        self.choose(&description, None).map(|_| ())
    }

    /// Answers an offer, or says why it is refused and leaves everything as it was. `direction` is what we want;
    /// the answer is what both want.
    pub fn answer(
        &mut self,
        offer: &[u8],
        path: &LocalPath,
        direction: Direction,
        random: &mut Random,
    ) -> Result<(Vec<u8>, &Negotiated), Refusal> {
        let description = self.read_offer(offer)?;
        let choice = self.choose(&description, Some(path))?;
        let (agreed, sections) = self.build_answer(&description, choice, path, direction, random);
        if let Some(media) = description.media.get(agreed.index) {
            self.numbers.learn(media);
        }
        self.encrypted |= agreed.result.srtp.is_some();
        self.offered = None;
        let bytes = self.send(path, sections);
        Ok((bytes, &self.agreed.insert(agreed).result))
    }

    /// Takes our unanswered offer back: it was refused, cancelled or lost to glare. What was agreed before holds.
    pub fn rollback(&mut self) {
        if self.pending {
            self.offered = None;
            self.pending = false;
        }
    }

    fn read_offer(&self, offer: &[u8]) -> Result<Description, Refusal> {
        if self.pending {
            return Err(Refusal::Glare);
        }
        Ok(parse::parse(offer)?)
    }

    /// Puts our description together; its version rises only if it differs from the last one sent.
    fn send(&mut self, path: &LocalPath, media: Vec<Media>) -> Vec<u8> {
        let mut description = Description {
            origin: Origin {
                username: "-".to_owned(),
                session_id: self.session_id.clone(),
                version: self.version.to_string(),
                address: Connection::ip(path.rtp.ip()),
            },
            name: "-".to_owned(),
            connection: Some(Connection::ip(path.rtp.ip())),
            bandwidth: Vec::new(),
            timing: vec!["0 0".to_owned()],
            attributes: Vec::new(),
            media,
        };
        if self.last_sent.as_ref() != Some(&description) {
            self.version = self.version.saturating_add(1);
            description.origin.version = self.version.to_string();
        }
        let bytes = write::write(&description);
        self.last_sent = Some(description);
        bytes
    }
}

#[cfg(test)]
mod tests;
