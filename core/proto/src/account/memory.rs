//! What an account learns while it runs and must know at the next start. Holds no secret.

use crate::policy::reach::Rules;
use crate::random::Random;
use crate::sip::auth;
use serde::{Deserialize, Serialize};

/// See the module. An empty one is a first start: what is missing is drawn and given back to be stored.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AccountMemory {
    /// The user part of our Contact: random, so that a scanner that guesses extensions does not find us.
    pub contact_user: String,
    /// `+sip.instance` (RFC 5626 4.1): a UUID in the URN form, the same for ever.
    pub instance_id: String,
    /// What may still be bound at the registrar: after a crash the next start removes it.
    #[serde(default)]
    pub last_contacts: Vec<String>,
    /// What becomes of calls that come in.
    #[serde(default)]
    pub rules: Rules,
    /// What the logins taught.
    #[serde(default)]
    pub login: auth::Memory,
}

impl AccountMemory {
    /// Draws what is missing.
    pub(super) fn complete(&mut self, random: &mut Random) -> bool {
        let missing = self.contact_user.is_empty() || self.instance_id.is_empty();
        if self.contact_user.is_empty() {
            self.contact_user = random.token(8);
        }
        if self.instance_id.is_empty() {
            self.instance_id = format!("urn:uuid:{}", uuid(random));
        }
        missing
    }
}

/// A random UUID (RFC 9562 5.4).
fn uuid(random: &mut Random) -> String {
    let mut bytes = [0_u8; 16];
    random.fill(&mut bytes);
    let number = u128::from_be_bytes(bytes);
    let version = (number & !(0xf << 76)) | (0x4 << 76);
    let variant = (version & !(0x3 << 62)) | (0x2 << 62);
    let hex = format!("{variant:032x}");
    let (a, rest) = hex.split_at_checked(8).unwrap_or_default();
    let (b, rest) = rest.split_at_checked(4).unwrap_or_default();
    let (c, rest) = rest.split_at_checked(4).unwrap_or_default();
    let (d, e) = rest.split_at_checked(4).unwrap_or_default();
    format!("{a}-{b}-{c}-{d}-{e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_start_draws_a_version_4_uuid_and_keeps_it() {
        let (mut memory, mut random) = (AccountMemory::default(), Random::seeded(9));
        assert!(memory.complete(&mut random));
        let id = memory.instance_id.strip_prefix("urn:uuid:").unwrap().to_owned();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&id.as_bytes()[19]));
        let drawn = memory.clone();
        assert!(!memory.complete(&mut random));
        assert_eq!(memory, drawn);
    }
}
