//! What each account has drawn or learnt and must know after a restart: `learnt.json`. Losing it costs one stale
//! registration and some caution, never a call; so it is never a reason not to start.

use super::file::{self, Found, VERSION};
use super::{SettingsError, SettingsWarning};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use toestel_proto::random::Random;

/// What one account knows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LearntAccount {
    /// The user part of our Contact, drawn once: who does not know it cannot call us past the PBX.
    pub contact_user: String,
    /// The `+sip.instance` value without its angle brackets, a `urn:uuid:` (RFC 5626 4.1).
    pub instance_id: String,
    /// The Contact URI of a registration that may still be bound; a start after a crash removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_contact: Option<String>,
    /// The realm in which the password was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// The server once offered a digest better than MD5, so MD5 is never answered again (RFC 8760).
    #[serde(default)]
    pub better_than_md5_seen: bool,
    /// The password was accepted once, so a refusal is not simply a mistyped one.
    #[serde(default)]
    pub password_accepted: bool,
}

impl LearntAccount {
    /// An account that has learnt nothing, with its random names.
    pub fn draw(random: &mut Random) -> Self {
        Self {
            contact_user: random.token(8),
            instance_id: draw_instance_id(random),
            last_contact: None,
            realm: None,
            better_than_md5_seen: false,
            password_accepted: false,
        }
    }
}

/// A random UUID (RFC 9562 5.4) as a URN.
fn draw_instance_id(random: &mut Random) -> String {
    const VERSION_4: u64 = 0x4000;
    const VARIANT: u64 = 0x8000;
    let (high, low) = (random.u64(), random.u64());
    let third = ((high & 0x0fff) | VERSION_4, ((low >> 48) & 0x3fff) | VARIANT);
    format!(
        "urn:uuid:{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        third.0,
        third.1,
        low & 0xffff_ffff_ffff
    )
}

/// What all accounts know, by address (`user@domain`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Learnt {
    version: u64,
    accounts: BTreeMap<String, LearntAccount>,
}

impl Default for Learnt {
    fn default() -> Self {
        Self {
            version: VERSION,
            accounts: BTreeMap::new(),
        }
    }
}

impl Learnt {
    /// What the account with this address knows; drawn now if it is new, and then to be saved before it registers.
    pub fn account(&mut self, address: &str, random: &mut Random) -> &mut LearntAccount {
        self.accounts
            .entry(address.to_owned())
            .or_insert_with(|| LearntAccount::draw(random))
    }

    /// Forgets an account.
    pub fn forget(&mut self, address: &str) {
        self.accounts.remove(address);
    }

    pub(super) fn load(path: &Path) -> Result<(Self, Vec<SettingsWarning>), SettingsError> {
        match file::read(path)? {
            Found::Nothing => Ok((Self::default(), Vec::new())),
            Found::SetAside(warning) => Ok((Self::default(), vec![warning])),
            Found::Document(document) => match Self::deserialize(document) {
                Ok(learnt) => Ok((learnt, Vec::new())),
                Err(error) => Ok((Self::default(), vec![file::set_aside(path, error.to_string())?])),
            },
        }
    }
}
