//! SDP (RFC 8866) and offer/answer (RFC 3264) for one audio stream.
//!
//! [`parse`] reads a description, [`mod@write`] puts one on the wire, [`crypto`] is the `a=crypto` line of RFC 4568, and
//! [`negotiate`] decides what is offered, answered and refused. Video, bundles and DTLS-SRTP are declined politely.

pub mod crypto;
pub mod description;
pub mod negotiate;
pub mod parse;
pub mod probe;
pub mod write;

pub use crypto::{Crypto, CryptoFault, CryptoLine};
pub use description::{Address, Attribute, Connection, Description, Fmtp, Media, Origin, Profile, RtpMap};
pub use negotiate::{
    AnswerError, LocalPath, MediaSettings, Negotiated, Negotiation, OfferError, OpusSettings, Refusal, Srtp,
};
pub use parse::SdpError;
