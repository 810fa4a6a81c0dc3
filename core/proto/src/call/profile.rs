//! What a call is given at its beginning: by its account, and by the INVITE that it came with.

use crate::account_config::{DtmfMode, TransferPolicy};
use crate::sdp::negotiate::MediaSettings;
use crate::sip::endpoint::ServerKey;
use crate::sip::msg::Request;
use crate::sip::session::Settings;

/// What an account says about all its calls' sound.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Codecs, suites, policy.
    pub media: MediaSettings,
    /// How tones go.
    pub dtmf: DtmfMode,
    /// What is done when the far end transfers us.
    pub transfers: TransferPolicy,
    /// The user part of its address.
    pub user: String,
}

/// An INVITE that came in, and how we answer it.
#[derive(Debug)]
pub struct Invite {
    /// The account's side of it.
    pub settings: Settings,
    /// To answer it with.
    pub key: ServerKey,
    /// The INVITE.
    pub request: Request,
}
