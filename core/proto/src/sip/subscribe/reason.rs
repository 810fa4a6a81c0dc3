//! Why nothing is known of somebody's state.

use crate::sip::msg::StatusCode;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The PBX does not know the package (489, 405, 501); it is not asked again.
    #[error("the PBX does not tell this ({0})")]
    Unsupported(StatusCode),
    /// The PBX does not let us know (403, 603, or a NOTIFY that ends it as rejected).
    #[error("the PBX does not let this account know")]
    Forbidden,
    /// The PBX knows nobody of that name (404, or a NOTIFY that ends it for want of a resource).
    #[error("the PBX knows nobody of that name")]
    Unknown,
    /// The PBX wanted a login and did not accept ours.
    #[error("the PBX did not accept the login")]
    Login,
    /// The PBX refused for another reason.
    #[error("the PBX refused ({0})")]
    Refused(StatusCode),
    /// The PBX ended it, for the reason that it names.
    #[error("the PBX ended it ({0})")]
    Ended(String),
    /// The network or the PBX: no answer came, or no NOTIFY after the answer.
    #[error("the PBX does not answer")]
    Silent,
    /// What was known has run out, and no answer has renewed it.
    #[error("what was known is out of date")]
    Expired,
}
