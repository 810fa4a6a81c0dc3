//! Foreign judges: the torture messages and vectors of the RFCs, and other implementations.
//!
//! [`rfc_messages`] gives the messages of RFC 4475 and RFC 5118 bit for bit, as the archives in the RFCs' own texts
//! hold them. The texts come from Debian's package of the RFCs (Ubuntu has it too) through an apt configuration of
//! the tests' own: nothing of the machine's is changed, and nothing of the RFCs is kept in this repository.
//! Each verdict is a row in `tests/rfc4475.rs` and `tests/rfc5118.rs`, written from the RFC's prose.

mod apt;
mod archive;
mod verdict;

pub use verdict::{Row, Verdict, judge};

use std::collections::BTreeMap;

/// The messages of RFC 4475 or RFC 5118 by the names that the RFC gives them, without `.dat`.
///
/// # Panics
/// If the texts cannot be had; the sentence says what to do.
pub fn rfc_messages(rfc: u16) -> BTreeMap<String, Vec<u8>> {
    archive::messages(rfc).unwrap_or_else(|why| {
        #[expect(clippy::panic, reason = "a test without its input must fail and say why")]
        {
            panic!("the messages of RFC {rfc} cannot be had: {why}")
        }
    })
}
