//! Transfers inside a call's dialog (RFC 3515, 3891, 3892, 4488; RFC 5589 for how they are used): what a REFER says, and
//! the small subscription by which its sender learns what became of it.
//!
//! A [`Referral`] is a REFER of ours until its outcome is known. A [`Wanted`] is what a REFER of theirs asks for, and
//! [`notify`] tells them how far it is. Requests travel through the [`Session`](super::session::Session); whether
//! anybody may be called at all is decided elsewhere. REFER outside a dialog is not served.

mod referral;
mod sipfrag;
mod wanted;

pub use referral::{Outcome, Referral, Step};
pub use sipfrag::status_of;
pub use wanted::{Unfit, Wanted, notify, refer_to};
