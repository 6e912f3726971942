//! Sealing with the instance key: what must be read back is encrypted and bound to its place; what must only be
//! recognised gets a MAC.
//!
//! Each purpose has keys of its own (HKDF-SHA-256, RFC 5869), and what is sealed opens only under the same purpose
//! and the same `bound_to` (a row's id, say), so a sealed cell that is moved to another row does not open.
//!
//! # Why
//! AES-256-GCM-SIV (RFC 8452) and not plain GCM: nonces are random, one key lives for years and seals each
//! sign-in page, and a repeated 96-bit nonce is fatal to GCM but here shows no more than that two texts are equal.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{self, Prk, Salt};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::kernel::secret::Chance;
use crate::outside::chance::SystemChance;

/// The first byte of everything sealed: how it was sealed.
const VERSION: u8 = 1;
/// Purposes are constants of the code; more of them than this are derived at each use and not kept.
const KEPT_PURPOSES: usize = 64;

/// That this was not sealed here, for this purpose, at this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not sealed with this instance's key, for this purpose, at this place")]
pub struct Unsealed;

/// Seals, opens and authenticates with keys that come from the instance key.
#[derive(Clone)]
pub struct Sealer(Arc<Inner>);

struct Inner {
    root: Prk,
    kept: RwLock<HashMap<String, Arc<Keys>>>,
}

struct Keys {
    seal: LessSafeKey,
    mac: hmac::Key,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

impl Sealer {
    /// A sealer whose root is the instance key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        let key = Zeroizing::new(key);
        let root = Salt::new(hkdf::HKDF_SHA256, b"muster: the instance key, 1").extract(key.as_slice());
        Self(Arc::new(Inner { root, kept: RwLock::default() }))
    }

    /// Seals `plain` for `purpose`, bound to the place `bound_to`.
    ///
    /// # Panics
    /// Never: a text of 64 GiB would not fit.
    #[must_use]
    pub fn seal(&self, purpose: &str, bound_to: &str, plain: &[u8]) -> Vec<u8> {
        let keys = self.keys(purpose);
        let mut nonce = [0; NONCE_LEN];
        SystemChance.fill(&mut nonce);
        let mut text = plain.to_vec();
        text.reserve_exact(AES_256_GCM_SIV.tag_len());
        keys.seal
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), place(purpose, bound_to), &mut text)
            .expect("a text shorter than 64 GiB seals");
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&text);
        sealed
    }

    /// Opens what [`Self::seal`] made for the same purpose and place.
    ///
    /// # Errors
    /// [`Unsealed`] for everything else, without saying which part was wrong.
    pub fn open(&self, purpose: &str, bound_to: &str, sealed: &[u8]) -> Result<Vec<u8>, Unsealed> {
        let (&version, rest) = sealed.split_first().ok_or(Unsealed)?;
        if version != VERSION {
            return Err(Unsealed);
        }
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Unsealed)?;
        let mut text = text.to_vec();
        let length = self
            .keys(purpose)
            .seal
            .open_in_place(Nonce::assume_unique_for_key(*nonce), place(purpose, bound_to), &mut text)
            .map_err(|_| Unsealed)?
            .len();
        text.truncate(length);
        Ok(text)
    }

    /// [`Self::seal`] in base64url without padding.
    #[must_use]
    pub fn seal_text(&self, purpose: &str, bound_to: &str, plain: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.seal(purpose, bound_to, plain))
    }

    /// Opens what [`Self::seal_text`] made.
    ///
    /// # Errors
    /// [`Unsealed`] for everything else.
    pub fn open_text(&self, purpose: &str, bound_to: &str, sealed: &str) -> Result<Vec<u8>, Unsealed> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| Unsealed)?;
        self.open(purpose, bound_to, &bytes)
    }

    /// The HMAC-SHA-256 of `parts`; each part's length is authenticated too, so parts cannot flow into each other.
    ///
    /// # Panics
    /// Never: the tag is always 32 bytes long.
    #[must_use]
    pub fn mac(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.keys(purpose).mac);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.sign().as_ref().try_into().expect("a tag of HMAC-SHA-256 is 32 bytes long")
    }

    fn keys(&self, purpose: &str) -> Arc<Keys> {
        if let Some(keys) = self.0.kept.read().unwrap_or_else(PoisonError::into_inner).get(purpose) {
            return Arc::clone(keys);
        }
        let keys = Arc::new(self.derive(purpose));
        let mut kept = self.0.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_PURPOSES {
            kept.insert(purpose.to_owned(), Arc::clone(&keys));
        }
        keys
    }

    fn derive(&self, purpose: &str) -> Keys {
        let bytes = |word: &[u8]| -> Zeroizing<[u8; 32]> {
            let mut bytes = Zeroizing::new([0; 32]);
            self.0
                .root
                .expand(&[word, b"\0", purpose.as_bytes()], hmac::HMAC_SHA256)
                .and_then(|okm| okm.fill(bytes.as_mut_slice()))
                .expect("32 bytes are within what HKDF-SHA-256 gives");
            bytes
        };
        let seal = UnboundKey::new(&AES_256_GCM_SIV, bytes(b"seal").as_slice()).expect("the key is 32 bytes long");
        Keys { seal: LessSafeKey::new(seal), mac: hmac::Key::new(hmac::HMAC_SHA256, bytes(b"mac").as_slice()) }
    }
}

/// What is authenticated beside the text: the purpose, its length first, and the place.
fn place(purpose: &str, bound_to: &str) -> Aad<Vec<u8>> {
    let mut bytes = Vec::with_capacity(8 + purpose.len() + bound_to.len());
    bytes.extend_from_slice(&(purpose.len() as u64).to_be_bytes());
    bytes.extend_from_slice(purpose.as_bytes());
    bytes.extend_from_slice(bound_to.as_bytes());
    Aad::from(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_at_its_place_and_nowhere_else() {
        let sealer = Sealer::new([7; 32]);
        let sealed = sealer.seal("signing-key", "key_1", b"private");
        assert_eq!(sealer.open("signing-key", "key_1", &sealed), Ok(b"private".to_vec()));
        assert_eq!(sealer.open("signing-key", "key_2", &sealed), Err(Unsealed));
        assert_eq!(sealer.open("totp", "key_1", &sealed), Err(Unsealed));
        assert_eq!(sealer.open("signing-keyk", "ey_1", &sealed), Err(Unsealed));
        assert_eq!(Sealer::new([8; 32]).open("signing-key", "key_1", &sealed), Err(Unsealed));
    }

    #[test]
    fn a_changed_byte_anywhere_keeps_it_shut() {
        let sealer = Sealer::new([7; 32]);
        let sealed = sealer.seal("p", "b", b"text");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(sealer.open("p", "b", &changed), Err(Unsealed), "byte {at}");
            assert_eq!(sealer.open("p", "b", &sealed[..at]), Err(Unsealed), "cut at {at}");
        }
    }

    #[test]
    fn the_same_text_never_seals_to_the_same_bytes() {
        let sealer = Sealer::new([7; 32]);
        assert_ne!(sealer.seal_text("p", "b", b"x"), sealer.seal_text("p", "b", b"x"));
        let text = sealer.seal_text("p", "b", b"");
        assert_eq!(sealer.open_text("p", "b", &text), Ok(Vec::new()));
        assert_eq!(sealer.open_text("p", "b", "not base64!"), Err(Unsealed));
    }

    #[test]
    fn a_mac_depends_on_the_purpose_and_on_where_parts_end() {
        let sealer = Sealer::new([7; 32]);
        assert_eq!(sealer.mac("p", &[b"ab", b"c"]), Sealer::new([7; 32]).mac("p", &[b"ab", b"c"]));
        assert_ne!(sealer.mac("p", &[b"ab", b"c"]), sealer.mac("p", &[b"a", b"bc"]));
        assert_ne!(sealer.mac("p", &[b"ab"]), sealer.mac("q", &[b"ab"]));
        assert_eq!(format!("{sealer:?}"), "Sealer(…)");
    }

    #[test]
    fn purposes_past_the_kept_ones_still_work() {
        let sealer = Sealer::new([7; 32]);
        for n in 0..KEPT_PURPOSES + 8 {
            let purpose = format!("p{n}");
            let sealed = sealer.seal(&purpose, "b", b"x");
            assert_eq!(sealer.open(&purpose, "b", &sealed), Ok(b"x".to_vec()));
        }
    }
}
