//! Session keys from master keys: the AES counter-mode function of RFC 3711 4.3.3, with AES-256 where the suite has a
//! 256-bit key (RFC 6188 3, RFC 7714 11). The key derivation rate is zero, as SDES has it by default.

use crate::codec::Suite;
use crate::master_key::MasterKey;
use aes::{Aes128, Aes256};
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use zeroize::Zeroizing;

/// Which key is derived (RFC 3711 4.3.1 and 4.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// The keys of one kind of packet.
pub(super) struct SessionKeys {
    pub encryption: Zeroizing<Vec<u8>>,
    pub authentication: Zeroizing<Vec<u8>>,
    /// As a number; 112 bits, or 96 with GCM.
    pub salt: u128,
}

impl SessionKeys {
    /// Those of SRTP, or of SRTCP.
    pub fn derive(suite: Suite, master: &MasterKey, rtcp: bool) -> Self {
        let [encryption, authentication, salt] = if rtcp {
            [Label::RtcpEncryption, Label::RtcpAuthentication, Label::RtcpSalt]
        } else {
            [Label::RtpEncryption, Label::RtpAuthentication, Label::RtpSalt]
        };
        Self {
            encryption: derive(master, encryption, suite.key_len()),
            authentication: derive(master, authentication, 20),
            salt: number(&derive(master, salt, suite.salt_len())),
        }
    }
}

/// `length` bytes of the pseudo-random function for `label`.
pub(super) fn derive(master: &MasterKey, label: Label, length: usize) -> Zeroizing<Vec<u8>> {
    let mut derived = Zeroizing::new(vec![0; length]);
    let salt = master.salt.expose();
    // A salt of 96 bits (GCM) counts as one of 112 bits that ends in zeros.
    let missing_bytes = 16_usize.saturating_sub(salt.len());
    let salt = number(salt) << missing_bytes.saturating_mul(8);
    let block = (salt ^ ((label as u128) << 64)).to_be_bytes();
    let key = master.key.expose();
    if let Ok(mut stream) = Ctr128BE::<Aes256>::new_from_slices(key, &block) {
        stream.apply_keystream(&mut derived);
    } else if let Ok(mut stream) = Ctr128BE::<Aes128>::new_from_slices(key, &block) {
        stream.apply_keystream(&mut derived);
    }
    derived
}

/// Up to 16 bytes as a number.
fn number(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |value, byte| (value << 8) | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;

    fn master(key: &str, salt: &str) -> MasterKey {
        MasterKey {
            key: crate::secret::Secret::new(hex::decode(key).unwrap()),
            salt: crate::secret::Secret::new(hex::decode(salt).unwrap()),
        }
    }

    #[test]
    fn rfc_3711_b_3_is_derived() {
        let master = master("E1F97A0D3E018BE0D64FA32C06DE4139", "0EC675AD498AFEEBB6960B3AABE6");
        let derived = |label, length| hex::encode(&derive(&master, label, length));
        assert_eq!(derived(Label::RtpEncryption, 16), "c61e7a93744f39ee10734afe3ff7a087");
        assert_eq!(derived(Label::RtpSalt, 14), "30cbbc08863d8c85d49db34a9ae1");
        let authentication = "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbce\
                              e049646c43d9327ad175578ef72270986371c10c9a369ac2f94a8c5fbcdddc25\
                              6d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2";
        assert_eq!(derived(Label::RtpAuthentication, 94), authentication);
    }

    #[test]
    fn rfc_6188_7_2_is_derived() {
        let master = master(
            "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
            "3b04803de51ee7c96423ab5b78d2",
        );
        let derived = |label, length| hex::encode(&derive(&master, label, length));
        let encryption = "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4";
        assert_eq!(derived(Label::RtpEncryption, 32), encryption);
        assert_eq!(derived(Label::RtpSalt, 14), "fa31791685ca444a9e07c6c64e93");
        assert_eq!(
            derived(Label::RtpAuthentication, 20),
            "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"
        );
    }
}
