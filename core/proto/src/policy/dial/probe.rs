//! `toestel probe dial`: text typed or pasted in the Netherlands, at a PBX without prefix or feature codes.

use super::{DialPlan, Dialled, dial};
use crate::probe::{Report, Verdict};

/// Judges text; what cannot be called is rejected.
pub fn probe(text: &str) -> Report<Dialled> {
    match dial(text, &DialPlan::of_country("NL")) {
        Ok(dialled) => {
            let why = if dialled.confirm.is_empty() {
                "can be called"
            } else {
                "can be called once confirmed"
            };
            Report::new(Verdict::Accept, why, dialled)
        }
        Err(error) => Report::reject(error),
    }
}
