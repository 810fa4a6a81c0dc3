//! Why an offer cannot be made, why the far end's is refused, and why its answer is no use.

use crate::sdp::parse::SdpError;

/// Why we cannot make an offer. The user's settings erred; trying again does not help.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OfferError {
    /// Our last offer has no answer yet.
    #[error("the last offer has not been answered yet")]
    Pending,
    /// The account has no codec.
    #[error("the account has no codec switched on")]
    NoCodec,
    /// Media must be encrypted, but its keys would be readable on the way.
    #[error("the account asks for encrypted media, which needs TLS: set its transport to TLS")]
    KeysNeedTls,
    /// Media must be encrypted, but every suite is switched off.
    #[error("the account asks for encrypted media and has no SRTP suite switched on")]
    NoSuite,
}

/// Why the far end's answer is no use. The PBX erred: the call is ended with BYE, or the offer is taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AnswerError {
    /// We did not offer anything.
    #[error("the PBX sent an answer to an offer that was never made")]
    NoOffer,
    /// It cannot be read.
    #[error("the PBX's answer cannot be read: {0}")]
    Malformed(#[from] SdpError),
    /// It has no audio section where ours is, or refuses it.
    #[error("the PBX refused the audio of the call")]
    AudioRefused,
    /// The transport is not the one offered.
    #[error("the PBX answered with another transport than the one offered")]
    Profile,
    /// The call must be encrypted and the answer brings no key, or one for a line that was not offered.
    #[error("the PBX answered without a usable encryption key")]
    NoKey,
    /// The answer repeats our own key, with which both sides would encrypt alike.
    #[error("the PBX answered with our own encryption key")]
    ReflectedKey,
    /// None of the codecs in it was offered.
    #[error("the PBX answered with no codec that this phone has")]
    NoCodec,
    /// Its address cannot be sent to from here.
    #[error("the PBX's media address cannot be used from this network")]
    Address,
}

/// Why an offer of the far end is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Our own offer is under way (RFC 3261 14.2).
    #[error("an offer of ours is under way")]
    Glare,
    /// It cannot be read.
    #[error("the offer cannot be read: {0}")]
    Malformed(#[from] SdpError),
    /// A media section has no address.
    #[error("the offer names no media address")]
    NoAddress,
    /// No audio section is on offer.
    #[error("the offer has no audio")]
    NoAudio,
    /// The transport is unknown, or is not what the account's media policy takes.
    #[error("the offer's media transport is not what this account takes")]
    Profile,
    /// Encrypted media is on offer, but no key in it can be used.
    #[error("no encryption key in the offer can be used")]
    NoKey,
    /// Encrypted media is on offer over signalling that anyone can read.
    #[error("encryption keys are only exchanged over TLS")]
    KeysNeedTls,
    /// The call is encrypted and the offer would make it plain.
    #[error("an encrypted call does not become a plain one")]
    Downgrade,
    /// There is no codec in common.
    #[error("the offer has no codec that this account uses")]
    NoCodec,
    /// Not the Internet.
    #[error("the offer's network type is unknown")]
    Network,
    /// A host name, or an address family that our path does not have.
    #[error("the offer's address cannot be used from this network")]
    AddressFormat,
    /// A multicast group.
    #[error("the offer asks for multicast")]
    Multicast,
}

impl Refusal {
    /// The SIP status code to refuse with.
    pub const fn status(self) -> u16 {
        match self {
            Self::Glare => 491,
            Self::Malformed(_) | Self::NoAddress => 400,
            _ => 488,
        }
    }

    /// The code and text of the Warning header field (RFC 3261 20.43), without its agent.
    pub const fn warning(self) -> Option<(u16, &'static str)> {
        match self {
            Self::Glare | Self::Malformed(_) | Self::NoAddress => None,
            Self::Network => Some((300, "Incompatible network protocol")),
            Self::AddressFormat => Some((301, "Incompatible network address formats")),
            Self::Profile | Self::Downgrade => Some((302, "Incompatible transport protocol")),
            Self::NoAudio => Some((304, "Media type not available")),
            Self::NoCodec => Some((305, "Incompatible media format")),
            Self::NoKey => Some((306, "Attribute not understood")),
            Self::Multicast => Some((330, "Multicast not available")),
            Self::KeysNeedTls => Some((399, "Encryption keys are only exchanged over TLS")),
        }
    }
}
