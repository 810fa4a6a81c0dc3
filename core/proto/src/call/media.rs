//! A call's sound, as signalling sees it: the path, the offers and answers on it, and the plan that comes of them.

use crate::codec::{Codec, Direction, Suite};
use crate::media::plan::{MediaPlan, OpusOptions, RemoteRtcp, SendFormat, SrtpKeys};
use crate::random::Random;
use crate::sdp::negotiate::{
    AnswerError, LocalPath, MediaSettings, Negotiated, Negotiation, OfferError, Refusal, Srtp,
};
use bytes::Bytes;
use std::net::{Ipv4Addr, SocketAddr};

/// See the module.
#[derive(Debug)]
pub(crate) struct Sound {
    negotiation: Negotiation,
    path: Option<LocalPath>,
    plan: Option<MediaPlan>,
    /// The plan is not carried out yet.
    is_new: bool,
    ssrc: u32,
    cname: String,
    /// What our last agreed offer or answer wished, to see whether the user wishes otherwise by now.
    wish: Direction,
    /// What the offer under way wishes, and on which path.
    offered: Option<(Direction, LocalPath)>,
    /// The path that the far end knows.
    told_path: Option<LocalPath>,
}

impl Sound {
    pub(crate) fn new(settings: MediaSettings, random: &mut Random) -> Self {
        Self {
            negotiation: Negotiation::new(settings, random),
            path: None,
            plan: None,
            is_new: false,
            ssrc: random.u32(),
            cname: random.token(12),
            wish: Direction::SendRecv,
            offered: None,
            told_path: None,
        }
    }

    /// The path is there, or has moved.
    pub(crate) fn set_path(&mut self, path: LocalPath) {
        self.path = Some(path);
    }

    pub(crate) const fn has_path(&self) -> bool {
        self.path.is_some()
    }

    pub(crate) const fn plan(&self) -> Option<&MediaPlan> {
        self.plan.as_ref()
    }

    /// The plan, if it is another one than was taken last.
    pub(crate) fn take_new_plan(&mut self) -> Option<MediaPlan> {
        let is_new = std::mem::take(&mut self.is_new);
        self.plan.clone().filter(|_| is_new)
    }

    pub(crate) fn agreed(&self) -> Option<(Option<Suite>, Codec)> {
        let plan = self.plan.as_ref()?;
        Some((plan.srtp.as_ref().map(SrtpKeys::suite), plan.send.codec))
    }

    pub(crate) fn held_by_them(&self) -> bool {
        self.negotiation.current().is_some_and(|agreed| agreed.held_by_them)
    }

    pub(crate) const fn wish(&self) -> Direction {
        self.wish
    }

    /// Where we are heard; `None` before the path is there.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.path.as_ref().map(|path| path.rtp)
    }

    pub(crate) const fn offer_is_pending(&self) -> bool {
        self.negotiation.is_pending()
    }

    /// Whether the far end knows another path than the one that is there.
    pub(crate) fn has_moved(&self) -> bool {
        self.path != self.told_path
    }

    /// The far end does not take the new path: it is not offered again.
    pub(crate) fn stay(&mut self) {
        self.told_path.clone_from(&self.path);
    }

    pub(crate) fn check(&self, offer: &[u8]) -> Result<(), Refusal> {
        self.negotiation.check_offer(offer)
    }

    /// Our offer is taken back; what was agreed, and wished by it, holds. What the offer wished, if there was one.
    pub(crate) fn rollback(&mut self) -> Option<Direction> {
        self.negotiation.rollback();
        self.offered.take().map(|(wish, _)| wish)
    }

    /// Our offer, on the ready path.
    pub(crate) fn offer(&mut self, wish: Direction, random: &mut Random) -> Result<Bytes, SoundError> {
        let path = self.path.as_ref().ok_or(SoundError::NoPath)?;
        let sdp = self.negotiation.offer(path, wish, random)?;
        self.offered = Some((wish, path.clone()));
        Ok(Bytes::from(sdp))
    }

    /// Our answer to their offer, and the plan that it makes.
    pub(crate) fn answer(&mut self, offer: &[u8], wish: Direction, random: &mut Random) -> Result<Bytes, SoundError> {
        let path = self.path.as_ref().ok_or(SoundError::NoPath)?;
        let (sdp, agreed) = self.negotiation.answer(offer, path, wish, random)?;
        let agreed = agreed.clone();
        self.wish = wish;
        self.told_path = Some(path.clone());
        self.adopt(&agreed)?;
        Ok(Bytes::from(sdp))
    }

    /// Their answer to our offer, and the plan that it makes.
    pub(crate) fn accept(&mut self, answer: &[u8]) -> Result<(), SoundError> {
        let agreed = self.negotiation.accept_answer(answer)?.clone();
        if let Some((wish, path)) = &self.offered {
            self.wish = *wish;
            self.told_path = Some(path.clone());
        }
        self.adopt(&agreed)
    }

    fn adopt(&mut self, agreed: &Negotiated) -> Result<(), SoundError> {
        let before = self.plan.as_ref().map(|plan| (plan.remote_rtp, plan.remote_rtcp));
        let remote = match agreed.remote {
            Some(remote) if agreed.rtcp_mux => (remote.rtp, RemoteRtcp::Mux),
            Some(remote) => (remote.rtp, RemoteRtcp::Separate(remote.rtcp)),
            None => before.unwrap_or((SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9)), RemoteRtcp::Mux)),
        };
        let sends = agreed.direction.sends() && agreed.remote.is_some();
        let plan = MediaPlan {
            remote_rtp: remote.0,
            remote_rtcp: remote.1,
            direction: Direction::of(sends, agreed.direction.receives()),
            send: send_format(agreed),
            receive: agreed.receive.clone(),
            send_events: agreed.send_events.clone(),
            receive_events: agreed.receive_events.clone(),
            comfort_noise: false,
            srtp: agreed.srtp.as_ref().map(keys).transpose()?,
            ssrc: self.ssrc,
            cname: self.cname.clone(),
        };
        self.is_new |= self.plan.as_ref() != Some(&plan);
        self.plan = Some(plan);
        Ok(())
    }
}

fn send_format(agreed: &Negotiated) -> SendFormat {
    let wishes = agreed.send.opus;
    SendFormat {
        codec: agreed.send.codec,
        payload_type: agreed.send.payload_type,
        ptime: agreed.send.ptime,
        opus: OpusOptions {
            fec: wishes.in_band_fec,
            dtx: wishes.dtx,
            cbr: wishes.constant_bitrate,
            max_average_bitrate: wishes.max_average_bitrate,
            max_playback_rate: wishes.max_playback_rate,
        },
    }
}

fn keys(srtp: &Srtp) -> Result<SrtpKeys, SoundError> {
    SrtpKeys::new(srtp.suite, srtp.local.clone(), srtp.remote.clone())
        .map_err(|_| SoundError::Answer(AnswerError::NoKey))
}

/// Why there is no sound to be agreed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum SoundError {
    /// The machine has no media path yet.
    #[error("there is no media path yet")]
    NoPath,
    /// The account's own settings.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// The PBX's answer.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The PBX's offer.
    #[error(transparent)]
    Refused(#[from] Refusal),
}
