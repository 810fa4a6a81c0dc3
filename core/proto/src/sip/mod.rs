//! SIP (RFC 3261 and its companions): the wire, the four transactions, dialogs, and the usages of a dialog.

pub mod admission;
pub mod auth;
mod client;
mod client_invite;
pub mod dialog;
pub mod endpoint;
pub mod framing;
pub mod msg;
pub mod offer_answer;
pub mod parse;
pub mod probe;
pub mod register;
mod server;
mod server_invite;
pub mod session;
pub mod subscribe;
pub mod timers;
mod transactions;
pub mod transfer;
