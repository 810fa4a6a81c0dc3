//! What the user may mean and wants to be asked about: dialled text, and which number is shown.
//!
//! Nothing here knows a call or a message; [`dial`] turns text into a target, [`caller_id`] an account's wish into what
//! an INVITE must say.

pub mod caller_id;
pub mod dial;
