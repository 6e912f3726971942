//! Client assertions: whether a JWT was signed by one of a client's registered keys (RFC 7523 §2.2, RFC 8725).
//!
//! Only the signature is decided here; issuer, audience, time and replay are `domain::oauth::client_auth`'s.
//! Keys come from the registration alone: `jwk`, `jku`, `x5u` and `x5c` in the token's header are not read.

use std::fmt;
use std::sync::{Arc, LazyLock};

use josekit::JoseHeader;
use josekit::jwk::{Jwk, JwkSet};
use josekit::jws::{self, ES256, EdDSA, JwsHeader, JwsVerifier, PS256, RS256};
use moka::sync::Cache;
use serde_json::{Map, Value};

use crate::kernel::secret::Digest;
use crate::outside::keyring::{MAX_TOKEN_BYTES, TokenError};

/// A registered set with more keys than this is refused.
const MOST_KEYS: usize = 16;
/// How many clients' parsed sets are kept.
const KEPT_SETS: u64 = 1_000;

/// What an assertion may be signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AssertionAlg {
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PSS with SHA-256.
    Ps256,
}

impl AssertionAlg {
    /// All of them: what the discovery document lists.
    pub const ALL: [Self; 4] = [Self::Es256, Self::Rs256, Self::EdDsa, Self::Ps256];

    /// The `alg` word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
            Self::Ps256 => "PS256",
        }
    }
}

/// A verifier for one key under one algorithm.
struct Candidate {
    kid: Option<String>,
    alg: AssertionAlg,
    verifier: Box<dyn JwsVerifier>,
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate").field("kid", &self.kid).field("alg", &self.alg).finish_non_exhaustive()
    }
}

/// Parsed sets by the digest of their text: parsing a key costs more than verifying with it.
static PARSED: LazyLock<Cache<[u8; 32], Arc<Vec<Candidate>>>> = LazyLock::new(|| Cache::new(KEPT_SETS));

/// The claims of `jwt` if one of the keys in `jwks_json` signed it with one of the `allowed` algorithms.
///
/// # Errors
/// See [`TokenError`]; [`TokenError::UnknownKey`] when no key of the set fits the token's header.
pub fn verify_with_jwks(
    jwks_json: &str,
    jwt: &str,
    allowed: &[AssertionAlg],
) -> Result<Map<String, Value>, TokenError> {
    if jwt.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::TooLong);
    }
    let candidates = parsed(jwks_json)?;
    let header = josekit::jwt::decode_header(jwt).map_err(|_| TokenError::Malformed)?;
    // Something in five parts is encrypted; nothing is decrypted here.
    let header = header.as_any().downcast_ref::<JwsHeader>().ok_or(TokenError::Malformed)?;
    if header.claim("crit").is_some() {
        return Err(TokenError::Malformed);
    }
    let alg = allowed.iter().find(|alg| header.algorithm() == Some(alg.name())).ok_or(TokenError::WrongAlgorithm)?;
    let mut outcome = Err(TokenError::UnknownKey);
    for candidate in candidates.iter().filter(|one| one.alg == *alg && names_fit(header.key_id(), one.kid.as_deref())) {
        if let Ok((payload, _)) = jws::deserialize_compact(jwt, candidate.verifier.as_ref()) {
            return serde_json::from_slice(&payload).map_err(|_| TokenError::Malformed);
        }
        outcome = Err(TokenError::BadSignature);
    }
    outcome
}

/// A `kid` narrows the choice where both sides have one; a token or a key without one fits all.
fn names_fit(token: Option<&str>, key: Option<&str>) -> bool {
    match (token, key) {
        (Some(token), Some(key)) => token == key,
        _ => true,
    }
}

fn parsed(jwks_json: &str) -> Result<Arc<Vec<Candidate>>, TokenError> {
    let name = *Digest::of(jwks_json.as_bytes()).as_bytes();
    if let Some(known) = PARSED.get(&name) {
        return Ok(known);
    }
    let set = JwkSet::from_bytes(jwks_json.as_bytes()).map_err(|_| TokenError::UnknownKey)?;
    let keys = set.keys();
    if keys.len() > MOST_KEYS {
        return Err(TokenError::UnknownKey);
    }
    // A key of another kind or use is passed over: sets may hold keys for encryption too.
    let candidates =
        keys.iter().flat_map(|jwk| AssertionAlg::ALL.into_iter().filter_map(move |alg| candidate(jwk, alg)));
    let candidates = Arc::new(candidates.collect::<Vec<_>>());
    PARSED.insert(name, Arc::clone(&candidates));
    Ok(candidates)
}

/// josekit refuses keys of another type, curve, `use` or `alg`, and RSA below 2048 bits. A verifier that knows its
/// `kid` would demand one in the token, where it is optional.
fn candidate(jwk: &Jwk, alg: AssertionAlg) -> Option<Candidate> {
    let verifier: Box<dyn JwsVerifier> = match alg {
        AssertionAlg::Es256 => {
            let mut verifier = ES256.verifier_from_jwk(jwk).ok()?;
            verifier.remove_key_id();
            Box::new(verifier)
        }
        AssertionAlg::Rs256 => {
            let mut verifier = RS256.verifier_from_jwk(jwk).ok()?;
            verifier.remove_key_id();
            Box::new(verifier)
        }
        AssertionAlg::Ps256 => {
            let mut verifier = PS256.verifier_from_jwk(jwk).ok()?;
            verifier.remove_key_id();
            Box::new(verifier)
        }
        AssertionAlg::EdDsa if jwk.curve() == Some("Ed25519") => {
            let mut verifier = EdDSA.verifier_from_jwk(jwk).ok()?;
            verifier.remove_key_id();
            Box::new(verifier)
        }
        AssertionAlg::EdDsa => return None,
    };
    Some(Candidate { kid: jwk.key_id().map(str::to_owned), alg, verifier })
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use josekit::jwk::KeyPair;
    use josekit::jwk::alg::ed::EdCurve;
    use josekit::jws::JwsSigner;
    use serde_json::json;

    use super::*;

    fn set(keys: &[Jwk]) -> String {
        json!({ "keys": keys }).to_string()
    }

    /// A client's key pair: its public JWK and a signer.
    fn key(alg: AssertionAlg, kid: &str) -> (Jwk, Box<dyn JwsSigner>) {
        let (mut public, signer): (Jwk, Box<dyn JwsSigner>) = match alg {
            AssertionAlg::Es256 => {
                let pair = ES256.generate_key_pair().unwrap();
                (pair.to_jwk_public_key(), Box::new(ES256.signer_from_jwk(&pair.to_jwk_private_key()).unwrap()))
            }
            AssertionAlg::Rs256 => {
                let pair = RS256.generate_key_pair(2048).unwrap();
                (pair.to_jwk_public_key(), Box::new(RS256.signer_from_jwk(&pair.to_jwk_private_key()).unwrap()))
            }
            AssertionAlg::Ps256 => {
                let pair = PS256.generate_key_pair(2048).unwrap();
                (pair.to_jwk_public_key(), Box::new(PS256.signer_from_jwk(&pair.to_jwk_private_key()).unwrap()))
            }
            AssertionAlg::EdDsa => {
                let pair = EdDSA.generate_key_pair(EdCurve::Ed25519).unwrap();
                (pair.to_jwk_public_key(), Box::new(EdDSA.signer_from_jwk(&pair.to_jwk_private_key()).unwrap()))
            }
        };
        public.set_key_id(kid);
        (public, signer)
    }

    fn sign(signer: &dyn JwsSigner, kid: Option<&str>) -> String {
        let mut header = JwsHeader::new();
        if let Some(kid) = kid {
            header.set_key_id(kid);
        }
        jws::serialize_compact(br#"{"iss":"shop"}"#, &header, signer).unwrap()
    }

    #[test]
    fn an_assertion_of_each_algorithm_is_accepted_with_and_without_a_kid() {
        for alg in AssertionAlg::ALL {
            let (public, signer) = key(alg, "one");
            let jwks = set(&[public]);
            for kid in [Some("one"), None] {
                let jwt = sign(signer.as_ref(), kid);
                assert_eq!(verify_with_jwks(&jwks, &jwt, &AssertionAlg::ALL).unwrap()["iss"], "shop", "{alg:?}");
            }
            let other = sign(signer.as_ref(), Some("two"));
            assert_eq!(verify_with_jwks(&jwks, &other, &AssertionAlg::ALL), Err(TokenError::UnknownKey));
        }
    }

    #[test]
    fn an_algorithm_that_is_not_allowed_is_refused() {
        let (public, signer) = key(AssertionAlg::Es256, "one");
        let jwt = sign(signer.as_ref(), None);
        let refused = verify_with_jwks(&set(&[public]), &jwt, &[AssertionAlg::Ps256]);
        assert_eq!(refused, Err(TokenError::WrongAlgorithm));
    }

    #[test]
    fn unsigned_and_mac_signed_assertions_are_refused_whatever_the_key() {
        let (public, _) = key(AssertionAlg::Rs256, "one");
        let jwks = set(std::slice::from_ref(&public));
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for alg in ["none", "None", "HS256", "RS384", ""] {
            let jwt = format!("{}.{}.", part(&json!({ "alg": alg, "kid": "one" }).to_string()), part("{}"));
            assert_eq!(verify_with_jwks(&jwks, &jwt, &AssertionAlg::ALL), Err(TokenError::WrongAlgorithm), "{alg}");
        }
        let crit = format!("{}.{}.", part(r#"{"alg":"RS256","crit":["x"]}"#), part("{}"));
        assert_eq!(verify_with_jwks(&jwks, &crit, &AssertionAlg::ALL), Err(TokenError::Malformed));
        for text in ["", "a.b", "a.b.c.d.e", ".".repeat(1 << 20).as_str()] {
            assert!(verify_with_jwks(&jwks, text, &AssertionAlg::ALL).is_err());
        }
    }

    #[test]
    fn a_key_in_the_header_is_not_believed() {
        let (registered, _) = key(AssertionAlg::Es256, "one");
        let (own, signer) = key(AssertionAlg::Es256, "one");
        let mut header = JwsHeader::new();
        header.set_key_id("one");
        header.set_jwk(own);
        header.set_jwk_set_url("https://evil.example/jwks");
        let jwt = jws::serialize_compact(b"{}", &header, signer.as_ref()).unwrap();
        assert_eq!(verify_with_jwks(&set(&[registered]), &jwt, &AssertionAlg::ALL), Err(TokenError::BadSignature));
    }

    #[test]
    fn the_right_key_is_found_among_several_but_not_among_too_many() {
        let (public, signer) = key(AssertionAlg::EdDsa, "last");
        let jwt = sign(signer.as_ref(), None);
        let mut keys: Vec<Jwk> = (0..MOST_KEYS - 1).map(|n| key(AssertionAlg::Es256, &n.to_string()).0).collect();
        keys.push(public);
        assert!(verify_with_jwks(&set(&keys), &jwt, &AssertionAlg::ALL).is_ok());
        keys.push(key(AssertionAlg::Es256, "more").0);
        assert_eq!(verify_with_jwks(&set(&keys), &jwt, &AssertionAlg::ALL), Err(TokenError::UnknownKey));
    }

    #[test]
    fn a_key_for_encryption_verifies_nothing() {
        let (mut public, signer) = key(AssertionAlg::Es256, "one");
        public.set_key_use("enc");
        let jwt = sign(signer.as_ref(), None);
        assert_eq!(verify_with_jwks(&set(&[public]), &jwt, &AssertionAlg::ALL), Err(TokenError::UnknownKey));
    }
}
