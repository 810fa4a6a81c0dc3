//! What the user may mean and wants to be asked about: dialled text, which number is shown, who is let through.
//!
//! Nothing here knows a call or a message; [`dial`] turns text into a target, [`caller_id`] an account's wish into what
//! an INVITE must say, [`feature`] a feature of the PBX into its code; [`reach`] judges a call that comes in.

pub mod caller_id;
pub mod dial;
pub mod feature;
pub mod reach;
