//! Our offer, and the judgement of the answer to it.

use super::error::{AnswerError, OfferError};
use super::result::{Negotiated, RemoteAddress, Srtp};
use super::section::{self, Audio};
use super::{Agreed, LocalPath, Negotiation, Offered, formats, keys};
use crate::codec::{Direction, MediaPolicy};
use crate::random::Random;
use crate::sdp::crypto::Crypto;
use crate::sdp::description::{Description, Media, Profile};

impl Negotiation {
    /// The offer to remember and its audio section.
    pub(super) fn prepare_offer(
        &mut self,
        path: &LocalPath,
        direction: Direction,
        random: &mut Random,
    ) -> Result<(Offered, Media), OfferError> {
        if self.pending {
            return Err(OfferError::Pending);
        }
        if self.settings.codecs.is_empty() {
            return Err(OfferError::NoCodec);
        }
        let crypto = self.offered_keys(path.rtp, random)?;
        let formats = self.numbers.offered(&self.settings);
        let profile = self.offered_profile();
        let audio = section::audio(
            Audio {
                profile: profile.clone(),
                formats: &formats,
                crypto: crypto.clone(),
                rtcp_mux: self.settings.rtcp_mux,
                direction,
                mid: self.agreed.as_ref().and_then(|agreed| agreed.mid.as_deref()),
            },
            path,
            &self.settings,
        );
        let (index, sections) = match &self.agreed {
            Some(agreed) => (agreed.index, agreed.sections.iter().map(section::refused).collect()),
            None => (0, vec![section::refused(&audio)]),
        };
        let offered = Offered {
            path: path.rtp,
            direction,
            profile,
            formats,
            crypto,
            rtcp_mux: self.settings.rtcp_mux,
            index,
            sections,
        };
        Ok((offered, audio))
    }

    /// The transport of the first offer follows the policy; later ones keep what was agreed.
    fn offered_profile(&self) -> Profile {
        match (&self.agreed, self.settings.policy) {
            (Some(agreed), _) => agreed.profile.clone(),
            (None, MediaPolicy::Required) => Profile::Savp,
            (None, MediaPolicy::Preferred | MediaPolicy::Off) => Profile::Avp,
        }
    }

    /// What `answer` and `offered` agree on.
    pub(super) fn judge_answer(&self, answer: &Description, offered: &Offered) -> Result<Agreed, AnswerError> {
        let media = answer
            .media
            .get(offered.index)
            .filter(|media| media.kind == "audio" && media.port != 0)
            .ok_or(AnswerError::AudioRefused)?;
        let crypto = self.judge_protection(media, offered)?;
        let formats = formats::taken(media, &offered.formats);
        let send = formats::send_format(&formats, media, &self.settings).ok_or(AnswerError::NoCodec)?;
        let (receive, receive_events) = formats::receive_maps(&offered.formats, &formats);
        let remote = section::remote_address(answer, media).map_err(|_| AnswerError::Address)?;
        if remote.is_some_and(|remote| remote.rtp.is_ipv4() != offered.path.is_ipv4()) {
            return Err(AnswerError::Address);
        }
        let theirs = section::remote_direction(answer, media, remote);
        let rtcp_mux = offered.rtcp_mux && media.rtcp_mux();
        let result = Negotiated {
            remote: remote.map(|remote| with_mux(remote, rtcp_mux)),
            rtcp_mux,
            direction: section::meet(offered.direction, theirs),
            held_by_them: !theirs.receives(),
            send_events: formats::send_events(&formats),
            send,
            receive,
            receive_events,
            srtp: crypto.as_ref().map(|(ours, theirs)| srtp(ours, theirs)),
            remote_ice: section::ice(answer, media),
        };
        let (local_crypto, remote_crypto) = crypto.unzip();
        Ok(Agreed {
            path: offered.path,
            profile: offered.profile.clone(),
            index: offered.index,
            sections: offered.sections.clone(),
            local_crypto,
            remote_crypto,
            mid: media.mid().map(ToOwned::to_owned),
            result,
        })
    }

    /// The answer must be as secure as the offer demands: a key for SAVP, for a policy of "required", and for a call
    /// that was encrypted before. Peers that answer AVP with SAVP, or leave the F away, mean what they can do.
    fn judge_protection(&self, media: &Media, offered: &Offered) -> Result<Option<(Crypto, Crypto)>, AnswerError> {
        let weaker = offered.profile.is_secure() && !media.profile.is_secure();
        let known = media.profile.is_secure() || media.profile.is_plain();
        if weaker || !known {
            return Err(AnswerError::Profile);
        }
        if offered.crypto.is_empty() {
            return if media.profile.is_secure() {
                Err(AnswerError::Profile)
            } else {
                Ok(None)
            };
        }
        let pair = keys::settle(media, offered)?;
        let must = self.encrypted || media.profile.is_secure() || self.settings.policy == MediaPolicy::Required;
        if must && pair.is_none() {
            Err(AnswerError::NoKey)
        } else {
            Ok(pair)
        }
    }
}

/// The address with RTCP where it goes.
pub(super) const fn with_mux(remote: RemoteAddress, rtcp_mux: bool) -> RemoteAddress {
    RemoteAddress {
        rtp: remote.rtp,
        rtcp: if rtcp_mux { remote.rtp } else { remote.rtcp },
    }
}

/// The keys of a settled pair of lines.
pub(super) fn srtp(ours: &Crypto, theirs: &Crypto) -> Srtp {
    Srtp {
        suite: ours.suite,
        local: ours.key.clone(),
        remote: theirs.key.clone(),
    }
}
