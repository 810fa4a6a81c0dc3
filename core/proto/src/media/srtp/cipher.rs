//! The transforms: AES counter mode with HMAC-SHA1 (RFC 3711 4.1.1, 4.2.1; RFC 6188) and AES-GCM (RFC 7714).
//!
//! A transform knows nothing of packets' headers or indices: it gets the bytes that stay clear, the bytes to encrypt,
//! and the number from which the initialisation vector is made.

use super::keys::SessionKeys;
use crate::codec::Suite;
use crate::master_key::MasterKey;
use aes::cipher::consts::{U12, U16};
use aes::cipher::{BlockCipherEncrypt, InnerIvInit, StreamCipherCore};
use aes::{Aes128, Aes256};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Aes256Gcm, KeyInit};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

const GCM_TAG: usize = 16;

/// One suite, keyed for SRTP or for SRTCP.
pub(super) struct Transform {
    cipher: Cipher,
    salt: u128,
}

enum Cipher {
    Ctr128 {
        aes: Box<Aes128>,
        hmac: Hmac<Sha1>,
        tag_len: usize,
    },
    Ctr256 {
        aes: Box<Aes256>,
        hmac: Hmac<Sha1>,
        tag_len: usize,
    },
    Gcm128(Box<Aes128Gcm>),
    Gcm256(Box<Aes256Gcm>),
}

/// The tag did not verify.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Forged;

/// Which packet this is, for the initialisation vector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PacketId {
    pub ssrc: u32,
    /// 48 bits of rollover counter and sequence number, or the 31 bits of the SRTCP index.
    pub index: u64,
}

impl Transform {
    /// `None` if the master key's lengths are not the suite's; a plan's keys always are.
    pub fn new(suite: Suite, master: &MasterKey, rtcp: bool) -> Option<Self> {
        master.fits(suite).ok()?;
        let keys = SessionKeys::derive(suite, master, rtcp);
        let tag_len = if suite == Suite::AES_CM_128_HMAC_SHA1_32 && !rtcp {
            4
        } else {
            10
        };
        let hmac = || <Hmac<Sha1> as KeyInit>::new_from_slice(&keys.authentication).ok();
        let cipher = match suite {
            Suite::AES_CM_128_HMAC_SHA1_80 | Suite::AES_CM_128_HMAC_SHA1_32 => Cipher::Ctr128 {
                aes: Box::new(Aes128::new_from_slice(&keys.encryption).ok()?),
                hmac: hmac()?,
                tag_len,
            },
            Suite::AES_256_CM_HMAC_SHA1_80 => Cipher::Ctr256 {
                aes: Box::new(Aes256::new_from_slice(&keys.encryption).ok()?),
                hmac: hmac()?,
                tag_len,
            },
            Suite::AEAD_AES_128_GCM => Cipher::Gcm128(Box::new(Aes128Gcm::new_from_slice(&keys.encryption).ok()?)),
            Suite::AEAD_AES_256_GCM => Cipher::Gcm256(Box::new(Aes256Gcm::new_from_slice(&keys.encryption).ok()?)),
        };
        Some(Self {
            cipher,
            salt: keys.salt,
        })
    }

    /// With given session keys instead of derived ones, as the vectors of RFC 7714 have them.
    #[cfg(test)]
    pub fn gcm_with_session_keys(key: &[u8], salt: u128) -> Self {
        let cipher = match key.len() {
            16 => Cipher::Gcm128(Box::new(Aes128Gcm::new_from_slice(key).unwrap())),
            _ => Cipher::Gcm256(Box::new(Aes256Gcm::new_from_slice(key).unwrap())),
        };
        Self { cipher, salt }
    }

    /// Bytes of the tag.
    pub const fn tag_len(&self) -> usize {
        match &self.cipher {
            Cipher::Ctr128 { tag_len, .. } | Cipher::Ctr256 { tag_len, .. } => *tag_len,
            Cipher::Gcm128(_) | Cipher::Gcm256(_) => GCM_TAG,
        }
    }

    /// Whether the tag is part of the ciphertext, before the SRTCP index, rather than the packet's end.
    pub const fn is_aead(&self) -> bool {
        matches!(self.cipher, Cipher::Gcm128(_) | Cipher::Gcm256(_))
    }

    /// Encrypts `body` in place and gives the tag. `trailer` is what is authenticated but stands elsewhere: the
    /// rollover counter, or the E bit and SRTCP index.
    pub fn seal(&self, id: PacketId, head: &[u8], body: &mut [u8], trailer: [u8; 4]) -> Option<Vec<u8>> {
        match &self.cipher {
            Cipher::Ctr128 { aes, hmac, tag_len } => {
                keystream(aes.as_ref().clone(), self.counter_block(id), body);
                Some(tag(hmac, *tag_len, head, body, trailer))
            }
            Cipher::Ctr256 { aes, hmac, tag_len } => {
                keystream(aes.as_ref().clone(), self.counter_block(id), body);
                Some(tag(hmac, *tag_len, head, body, trailer))
            }
            Cipher::Gcm128(gcm) => gcm_seal(gcm.as_ref(), self.nonce(id), head, body),
            Cipher::Gcm256(gcm) => gcm_seal(gcm.as_ref(), self.nonce(id), head, body),
        }
    }

    /// Verifies `tag`, and only then decrypts `body` in place.
    pub fn open(
        &self,
        id: PacketId,
        head: &[u8],
        body: &mut [u8],
        trailer: [u8; 4],
        received: &[u8],
    ) -> Result<(), Forged> {
        match &self.cipher {
            Cipher::Ctr128 { aes, hmac, tag_len } => {
                verify(&tag(hmac, *tag_len, head, body, trailer), received)?;
                keystream(aes.as_ref().clone(), self.counter_block(id), body);
                Ok(())
            }
            Cipher::Ctr256 { aes, hmac, tag_len } => {
                verify(&tag(hmac, *tag_len, head, body, trailer), received)?;
                keystream(aes.as_ref().clone(), self.counter_block(id), body);
                Ok(())
            }
            Cipher::Gcm128(gcm) => gcm_open(gcm.as_ref(), self.nonce(id), head, body, received),
            Cipher::Gcm256(gcm) => gcm_open(gcm.as_ref(), self.nonce(id), head, body, received),
        }
    }

    /// RFC 3711 4.1.1: salt, source and index, each shifted to its place.
    fn counter_block(&self, id: PacketId) -> [u8; 16] {
        ((self.salt << 16) ^ (u128::from(id.ssrc) << 64) ^ (u128::from(id.index) << 16)).to_be_bytes()
    }

    /// RFC 7714 8.1 and 9.1: two zero bytes, the source, the index in 48 bits, all mixed with the salt.
    fn nonce(&self, id: PacketId) -> [u8; 12] {
        let mixed = self.salt ^ (u128::from(id.ssrc) << 48) ^ u128::from(id.index);
        mixed.to_be_bytes().last_chunk().copied().unwrap_or_default()
    }
}

fn keystream<C: BlockCipherEncrypt<BlockSize = U16>>(aes: C, block: [u8; 16], body: &mut [u8]) {
    let counter = CtrCore::<C, Ctr128BE>::inner_iv_init(aes, &block.into());
    counter.apply_keystream_partial(body.into());
}

fn tag(hmac: &Hmac<Sha1>, length: usize, head: &[u8], body: &[u8], trailer: [u8; 4]) -> Vec<u8> {
    let mut hmac = hmac.clone();
    hmac.update(head);
    hmac.update(body);
    hmac.update(&trailer);
    let mut tag = hmac.finalize().into_bytes().to_vec();
    tag.truncate(length);
    tag
}

fn verify(computed: &[u8], received: &[u8]) -> Result<(), Forged> {
    if computed.ct_eq(received).into() {
        Ok(())
    } else {
        Err(Forged)
    }
}

fn gcm_seal<G>(gcm: &G, nonce: [u8; 12], head: &[u8], body: &mut [u8]) -> Option<Vec<u8>>
where
    G: AeadInOut<NonceSize = U12, TagSize = U16>,
{
    let tag = gcm.encrypt_inout_detached(&nonce.into(), head, body.into()).ok()?;
    Some(tag.to_vec())
}

fn gcm_open<G>(gcm: &G, nonce: [u8; 12], head: &[u8], body: &mut [u8], received: &[u8]) -> Result<(), Forged>
where
    G: AeadInOut<NonceSize = U12, TagSize = U16>,
{
    let received: [u8; GCM_TAG] = received.try_into().map_err(|_| Forged)?;
    gcm.decrypt_inout_detached(&nonce.into(), head, body.into(), &received.into())
        .map_err(|_| Forged)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small test figures")]
mod tests {
    use super::*;
    use crate::hex;

    /// `blocks` blocks of the keystream from block `from` on.
    fn stream<C: BlockCipherEncrypt<BlockSize = U16>>(aes: C, from: u128, blocks: usize) -> String {
        let offset = 0xf0f1_f2f3_f4f5_f6f7_f8f9_fafb_fcfd_0000_u128;
        let mut body = vec![0; blocks * 16];
        keystream(aes, (offset + from).to_be_bytes(), &mut body);
        hex::encode(&body)
    }

    #[test]
    fn the_keystream_of_rfc_3711_b_2_comes_out() {
        let key = hex::decode("2B7E151628AED2A6ABF7158809CF4F3C").unwrap();
        let aes = Aes128::new_from_slice(&key).unwrap();
        let first = "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0";
        let last = "ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b17ba6c44";
        assert_eq!(stream(aes.clone(), 0, 3), first);
        assert_eq!(stream(aes, 0xfeff, 3), last);
    }

    #[test]
    fn the_keystream_of_rfc_6188_7_1_comes_out() {
        let key = hex::decode("57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98").unwrap();
        let aes = Aes256::new_from_slice(&key).unwrap();
        let first = "92bdd28a93c3f52511c677d08b5515a49da71b2378a854f67050756ded165bac63c4868b7096d88421b563b8c94c9a31";
        let last = "cea518c90fd91ced9cbb18c078a547113dbc4814f4da5f00a08772b63c6a046d6eb246913062a16891433e97dd01a57f";
        assert_eq!(stream(aes.clone(), 0, 3), first);
        assert_eq!(stream(aes, 0xfeff, 3), last);
    }
}
