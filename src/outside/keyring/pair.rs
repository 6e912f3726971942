//! One key, parsed once: josekit's signer and verifier over aws-lc's keys.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use josekit::JoseError;
use josekit::jwk::Jwk;
use josekit::jws::{JwsAlgorithm, JwsSigner, JwsVerifier};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::seen::Seen;
use super::{KeyError, KeyMaterial, fresh};
use crate::domain::keys::Alg;
use crate::kernel::secret::Digest;
use crate::outside::chance;

/// A parsed key with both its halves.
#[derive(Debug)]
pub(super) struct Pair {
    signer: Signer,
    verifier: Verifier,
    public_jwk: Jwk,
    public_text: String,
}

impl Pair {
    /// Parses a stored key and makes sure that its public half belongs to its private half.
    pub(super) fn parse(material: &KeyMaterial, seen: &Arc<Seen>) -> Result<Self, KeyError> {
        let damaged = || KeyError::Damaged(material.kid.clone());
        let (private, derived) = Private::parse(material.alg, &material.private_der).ok_or_else(damaged)?;
        let jwk = Jwk::from_bytes(material.public_jwk.as_bytes()).map_err(|_| damaged())?;
        // A row whose halves come from two keys would sign what no relying party can verify.
        let expected: &Map<String, Value> = derived.as_ref();
        let halves_fit = expected.iter().all(|(name, value)| jwk.parameter(name) == Some(value));
        let named = jwk.key_id() == Some(material.kid.as_str()) && jwk.algorithm() == Some(material.alg.name());
        if !halves_fit || !named || ["d", "p", "q", "k"].iter().any(|secret| jwk.parameter(secret).is_some()) {
            return Err(damaged());
        }
        let public = private.public().ok_or_else(damaged)?;
        let about = Arc::new(About {
            alg: material.alg,
            kid: material.kid.as_str().to_owned(),
            fingerprint: Digest::of(material.public_jwk.as_bytes()),
            seen: Arc::clone(seen),
        });
        Ok(Self {
            signer: Signer { about: Arc::clone(&about), private: Arc::new(private) },
            verifier: Verifier { about, public: Arc::new(public) },
            public_jwk: jwk,
            public_text: material.public_jwk.clone(),
        })
    }

    /// Whether this is the key of that material, so that it need not be parsed again.
    pub(super) fn is_of(&self, material: &KeyMaterial) -> bool {
        self.kid() == material.kid.as_str() && self.alg() == material.alg && self.public_text == material.public_jwk
    }

    pub(super) fn kid(&self) -> &str {
        &self.signer.about.kid
    }

    pub(super) fn alg(&self) -> Alg {
        self.signer.about.alg
    }

    pub(super) fn signer(&self) -> &dyn JwsSigner {
        &self.signer
    }

    pub(super) fn verifier(&self) -> &dyn JwsVerifier {
        &self.verifier
    }

    pub(super) fn public_jwk(&self) -> &Jwk {
        &self.public_jwk
    }
}

/// What both halves know of their key.
#[derive(Debug)]
struct About {
    alg: Alg,
    kid: String,
    fingerprint: Digest,
    seen: Arc<Seen>,
}

impl About {
    fn algorithm(&self) -> &'static dyn JwsAlgorithm {
        match self.alg {
            Alg::Es256 => &josekit::jws::ES256,
            Alg::Rs256 => &josekit::jws::RS256,
            Alg::EdDsa => &josekit::jws::EdDSA,
        }
    }

    /// The name of a signature of this key in [`Seen`]. All parts but the text have a length that the key fixes.
    fn name(&self, message: &[u8], signature: &[u8]) -> Digest {
        let hash = Sha256::new()
            .chain_update(self.fingerprint.as_bytes())
            .chain_update((message.len() as u64).to_be_bytes())
            .chain_update(message)
            .chain_update(signature)
            .finalize();
        Digest::from_slice(&hash).expect("SHA-256 gives 32 bytes")
    }
}

/// A private key in aws-lc's form.
enum Private {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

impl Private {
    /// The key in a PKCS#8 document, and what its public half looks like as a JWK.
    fn parse(alg: Alg, der: &[u8]) -> Option<(Self, Jwk)> {
        Some(match alg {
            Alg::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok()?;
                let jwk = fresh::p256(pair.public_key().as_ref());
                (Self::Es256(pair), jwk)
            }
            Alg::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(der).ok()?;
                let jwk = fresh::ed25519(pair.public_key().as_ref());
                (Self::EdDsa(pair), jwk)
            }
            Alg::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(der).ok()?;
                let jwk = fresh::rsa(&pair);
                (Self::Rs256(pair), jwk)
            }
        })
    }

    fn public(&self) -> Option<ParsedPublicKey> {
        match self {
            Self::Es256(pair) => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key()),
            Self::EdDsa(pair) => ParsedPublicKey::new(&ED25519, pair.public_key()),
            Self::Rs256(pair) => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key()),
        }
        .ok()
    }

    /// A signature as JWS wants it; for ES256 that is r and s of 32 bytes each (RFC 7518 §3.4).
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
        match self {
            Self::Es256(pair) => Ok(pair.sign(&chance::for_signatures(), message)?.as_ref().to_vec()),
            Self::EdDsa(pair) => Ok(pair.try_sign(message)?.as_ref().to_vec()),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &chance::for_signatures(), message, &mut signature)?;
                Ok(signature)
            }
        }
    }

    fn signature_len(&self) -> usize {
        match self {
            Self::Es256(_) | Self::EdDsa(_) => 64,
            Self::Rs256(pair) => pair.public_modulus_len(),
        }
    }
}

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Private(…)")
    }
}

#[derive(Clone, Debug)]
struct Signer {
    about: Arc<About>,
    private: Arc<Private>,
}

impl JwsSigner for Signer {
    fn algorithm(&self) -> &dyn JwsAlgorithm {
        self.about.algorithm()
    }

    fn key_id(&self) -> Option<&str> {
        Some(&self.about.kid)
    }

    fn signature_len(&self) -> usize {
        self.private.signature_len()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, JoseError> {
        let signature = self
            .private
            .sign(message)
            .map_err(|_| JoseError::InvalidSignature(anyhow::anyhow!("the key did not sign")))?;
        // What this node signed need not be verified here again. An RS256 token rarely comes back, and to
        // verify one costs little.
        if self.about.alg != Alg::Rs256 {
            self.about.seen.insert(&self.about.name(message, &signature));
        }
        Ok(signature)
    }

    fn box_clone(&self) -> Box<dyn JwsSigner> {
        Box::new(self.clone())
    }
}

#[derive(Clone, Debug)]
struct Verifier {
    about: Arc<About>,
    public: Arc<ParsedPublicKey>,
}

impl JwsVerifier for Verifier {
    fn algorithm(&self) -> &dyn JwsAlgorithm {
        self.about.algorithm()
    }

    fn key_id(&self) -> Option<&str> {
        Some(&self.about.kid)
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), JoseError> {
        let name = self.about.name(message, signature);
        if self.about.seen.contains(&name) {
            return Ok(());
        }
        self.public
            .verify_sig(message, signature)
            .map_err(|_| JoseError::InvalidSignature(anyhow::anyhow!("the signature does not match")))?;
        self.about.seen.insert(&name);
        Ok(())
    }

    fn box_clone(&self) -> Box<dyn JwsVerifier> {
        Box::new(self.clone())
    }
}
