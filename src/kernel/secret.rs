//! Opaque secrets: minted from 256 random bits, kept as a digest, compared in constant time, never printed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Where chance comes from. The product's is the operating system's generator; tests may seed their own.
pub trait Chance: Send + Sync + fmt::Debug {
    /// Fills `into` with bytes nobody can guess.
    fn fill(&self, into: &mut [u8]);

    /// 256 random bits.
    fn bytes32(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.fill(&mut bytes);
        bytes
    }
}

/// A secret in clear text. It exists on its way in or out, and prints as `Secret(…)`.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A new secret: `prefix` and 256 random bits in base64url (43 characters).
    #[must_use]
    pub fn mint(chance: &dyn Chance, prefix: &str) -> Self {
        Self(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(chance.bytes32())))
    }

    /// A secret that somebody presented.
    #[must_use]
    pub fn presented(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The clear text, for the one who may have it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the database keeps.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The SHA-256 of a secret. Enough for secrets of 112 random bits and more; passwords go through Argon2id.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// A digest read back from the database; `None` when the cell is not 32 bytes long.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 32 bytes as a vector, as a statement binds them.
    #[must_use]
    pub fn to_vec(self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// Base64url without padding.
    #[must_use]
    pub fn base64url(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// Equality in constant time, so that no caller can get it wrong.
impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}
impl Eq for Digest {}

impl std::hash::Hash for Digest {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

/// Whether two texts are the same, in time that depends on their lengths alone.
#[must_use]
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Ones;
    impl Chance for Ones {
        fn fill(&self, into: &mut [u8]) {
            into.fill(1);
        }
    }

    #[test]
    fn a_secret_never_prints_and_its_digest_is_of_the_whole_text() {
        let secret = Secret::mint(&Ones, "mst_rt_");
        assert_eq!(format!("{secret:?} {:?}", secret.digest()), "Secret(…) Digest(…)");
        assert_eq!(secret.expose().len(), 7 + 43);
        let cut = &secret.expose()[..secret.expose().len() - 1];
        assert_ne!(Secret::presented(cut).digest(), secret.digest());
    }
}
