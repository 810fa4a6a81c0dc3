//! SIP (RFC 3261 and its companions): the wire, the four transactions, dialogs, and the usages of a dialog.

pub mod admission;
pub mod framing;
pub mod msg;
pub mod parse;
