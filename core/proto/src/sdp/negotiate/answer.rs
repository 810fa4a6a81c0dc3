//! The far end's offer: which section is taken, or why none is, and our answer to it.

use super::error::Refusal;
use super::formats::Formats;
use super::offer::{srtp, with_mux};
use super::result::{Negotiated, RemoteAddress, SendFormat};
use super::section::{self, Audio};
use super::{Agreed, LocalPath, Negotiation, formats, keys};
use crate::codec::{Direction, MediaPolicy};
use crate::random::Random;
use crate::sdp::crypto::Crypto;
use crate::sdp::description::{Description, Media};

/// A section that can be taken, and how.
pub(super) struct Choice {
    index: usize,
    formats: Formats,
    send: SendFormat,
    crypto: Option<Crypto>,
    remote: Option<RemoteAddress>,
}

impl Negotiation {
    /// The section to take: the one in use if it is still good, else the first that is encrypted, else the first.
    pub(super) fn choose(&self, offer: &Description, path: Option<&LocalPath>) -> Result<Choice, Refusal> {
        let mut best: Option<Choice> = None;
        let mut refusal = None;
        for (index, media) in offer.media.iter().enumerate() {
            if media.kind != "audio" || media.port == 0 {
                continue;
            }
            match self.judge_section(offer, media, index, path) {
                Ok(choice) if self.is_better(&choice, best.as_ref()) => best = Some(choice),
                Ok(_) => {}
                Err(reason) => refusal = refusal.or(Some(reason)),
            }
        }
        best.ok_or(refusal.unwrap_or(Refusal::NoAudio))
    }

    fn is_better(&self, choice: &Choice, best: Option<&Choice>) -> bool {
        let in_use = |index| self.agreed.as_ref().is_some_and(|agreed| agreed.index == index);
        let rank = |choice: &Choice| (in_use(choice.index), choice.crypto.is_some());
        best.is_none_or(|best| rank(choice) > rank(best))
    }

    fn judge_section(
        &self,
        offer: &Description,
        media: &Media,
        index: usize,
        path: Option<&LocalPath>,
    ) -> Result<Choice, Refusal> {
        let crypto = self.judge_protection_offered(media)?;
        let formats = formats::common(media, &self.settings);
        let send = formats::send_format(&formats, media, &self.settings).ok_or(Refusal::NoCodec)?;
        let remote = section::remote_address(offer, media)?;
        if path.is_some_and(|path| !section::reachable(remote, path)) {
            return Err(Refusal::AddressFormat);
        }
        Ok(Choice {
            index,
            formats,
            send,
            crypto,
            remote,
        })
    }

    /// The key line to take, `None` for a plain call, or a refusal: the matrix of policy and transport.
    fn judge_protection_offered(&self, media: &Media) -> Result<Option<Crypto>, Refusal> {
        let policy = self.settings.policy;
        if media.profile.is_secure() {
            if policy == MediaPolicy::Off {
                return Err(Refusal::Profile);
            }
            if !self.settings.secure_signalling {
                return Err(Refusal::KeysNeedTls);
            }
            return keys::choose(media, &self.settings).map(Some).ok_or(Refusal::NoKey);
        }
        if !media.profile.is_plain() || policy == MediaPolicy::Required {
            return Err(Refusal::Profile);
        }
        let may_encrypt = policy == MediaPolicy::Preferred && self.settings.secure_signalling;
        let crypto = keys::choose(media, &self.settings).filter(|_| may_encrypt);
        if self.encrypted && crypto.is_none() {
            return Err(Refusal::Downgrade);
        }
        Ok(crypto)
    }

    /// The agreement and the sections of our answer.
    pub(super) fn build_answer(
        &self,
        offer: &Description,
        choice: Choice,
        path: &LocalPath,
        direction: Direction,
        random: &mut Random,
    ) -> (Agreed, Vec<Media>) {
        let mut sections: Vec<Media> = offer.media.iter().map(section::refused).collect();
        let places = sections.clone();
        let ours = choice
            .crypto
            .as_ref()
            .map(|theirs| keys::answered_key(theirs, self.agreed.as_ref(), path.rtp, random));
        let mut agreed = Agreed {
            path: path.rtp,
            profile: crate::sdp::description::Profile::Avp,
            index: choice.index,
            sections: places,
            local_crypto: ours,
            remote_crypto: choice.crypto.clone(),
            mid: None,
            result: self.result_of(&choice),
        };
        if let (Some(media), Some(place)) = (offer.media.get(choice.index), sections.get_mut(choice.index)) {
            agreed.profile = media.profile.clone();
            agreed.mid = media.mid().map(ToOwned::to_owned);
            self.meet_offer(offer, media, &mut agreed, direction);
            *place = self.answer_section(&agreed, &choice.formats, path);
        }
        (agreed, sections)
    }

    fn result_of(&self, choice: &Choice) -> Negotiated {
        let (receive, receive_events) = formats::receive_maps(&choice.formats, &Formats::new());
        Negotiated {
            remote: choice.remote,
            rtcp_mux: false,
            direction: Direction::Inactive,
            held_by_them: false,
            send: choice.send.clone(),
            receive,
            send_events: formats::send_events(&choice.formats),
            receive_events,
            srtp: None,
            remote_ice: Vec::new(),
        }
    }

    /// Fills in what depends on the far end's section and on our own wishes.
    fn meet_offer(&self, offer: &Description, media: &Media, agreed: &mut Agreed, direction: Direction) {
        let result = &mut agreed.result;
        let theirs = section::remote_direction(offer, media, result.remote);
        result.direction = section::meet(direction, theirs);
        result.held_by_them = !theirs.receives();
        result.rtcp_mux = self.settings.rtcp_mux && media.rtcp_mux();
        result.remote = result.remote.map(|remote| with_mux(remote, result.rtcp_mux));
        result.remote_ice = section::ice(offer, media);
        result.srtp = match (&agreed.local_crypto, &agreed.remote_crypto) {
            (Some(ours), Some(theirs)) => Some(srtp(ours, theirs)),
            _ => None,
        };
    }

    fn answer_section(&self, agreed: &Agreed, formats: &Formats, path: &LocalPath) -> Media {
        section::audio(
            Audio {
                profile: agreed.profile.clone(),
                formats,
                crypto: agreed.local_crypto.iter().cloned().collect(),
                rtcp_mux: agreed.result.rtcp_mux,
                direction: agreed.result.direction,
                mid: agreed.mid.as_deref(),
            },
            path,
            &self.settings,
        )
    }
}
