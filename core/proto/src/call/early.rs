//! What is heard of a call of ours before anybody answers: the ring-back that we make, or what a branch sends.
//!
//! A call may ring at several places, each with a dialog and perhaps a description of its own (RFC 3261 13.2.2.4, RFC
//! 3960 3.2). Ring-back is ours from the first 180 until a packet is really heard: a description alone is no sound. Who is
//! heard goes on being heard, whatever other branches describe, until somebody answers; then it is theirs that counts.

use super::{Call, Output, PhoneSound, SoundError};
use bytes::Bytes;
use std::collections::BTreeMap;

/// As many branches as are kept apart; a PBX that forks further is heard by its last ones.
const BRANCHES: usize = 32;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Early {
    /// What each branch answered to our offer, by its tag.
    answers: BTreeMap<String, Bytes>,
    /// Whose answer our media follows.
    followed: Option<String>,
    /// A packet was heard.
    is_heard: bool,
}

impl Call {
    /// A phone rings there.
    pub(super) fn handle_ringing(&mut self) {
        if !std::mem::replace(&mut self.progress.ringing, true) && !self.early.is_heard {
            self.outputs.push_back(Output::Sound(PhoneSound::Ringback));
        }
    }

    /// A branch describes sound before the answer. One that cannot be read is no reason to give the call up.
    pub(super) fn handle_early_answer(&mut self, sdp: Bytes, branch: &str) {
        let is_another = self
            .early
            .followed
            .as_deref()
            .is_some_and(|followed| followed != branch);
        if self.early.answers.len() < BRANCHES || self.early.answers.contains_key(branch) {
            self.early.answers.insert(branch.to_owned(), sdp.clone());
        }
        if (is_another && self.early.is_heard) || self.sound.accept(&sdp).is_err() {
            return;
        }
        self.early.followed = Some(branch.to_owned());
        self.progress.early = true;
        self.start_media();
    }

    /// The first packet came. Before the answer it ends our own ring-back.
    pub(super) fn handle_heard(&mut self) {
        let is_early = self.is_live() && self.is_outgoing() && self.progress.answered_at.is_none();
        if is_early && !std::mem::replace(&mut self.early.is_heard, true) && self.progress.ringing {
            self.outputs.push_back(Output::Sound(PhoneSound::Silence));
        }
    }

    /// `branch` answers the call, with a description, or with the one that it has sent already.
    pub(super) fn adopt_branch(&mut self, branch: &str, sdp: Option<&Bytes>) -> Result<(), SoundError> {
        let early = std::mem::take(&mut self.early);
        let is_followed = early.followed.as_deref() == Some(branch);
        let told_early = early.answers.get(branch).filter(|_| !is_followed);
        match sdp.or(told_early) {
            Some(sdp) => self.sound.accept(sdp),
            None => Ok(()),
        }
    }

    /// The call begins anew elsewhere.
    pub(super) fn forget_early(&mut self) {
        self.early = Early::default();
        (self.progress.ringing, self.progress.early) = (false, false);
        self.outputs.push_back(Output::Sound(PhoneSound::Silence));
    }
}
