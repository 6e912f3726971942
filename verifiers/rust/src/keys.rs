//! Muster's public keys, and whether a JWT was signed by one of them (RFC 7515, RFC 7517).

use std::collections::HashMap;

use jsonwebtoken::crypto::aws_lc;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

use crate::refusal::Kind;

/// Longer than any token or message.
const MOST: usize = 1024 * 1024;

/// A set of keys, by their ids.
#[derive(Default)]
pub(crate) struct Keys {
    by_id: HashMap<String, Key>,
}

struct Key {
    decoding: DecodingKey,
    /// The algorithms that it may have signed with: the one that it names, or those of its kind.
    algorithms: Vec<Algorithm>,
}

impl Keys {
    /// Reads a JWK set. Keys of kinds that are of no use here are left out.
    pub fn read(set: &Value) -> Option<Self> {
        // Another part of the program may bring the library's other back end: the choice is made here, once.
        let _ = aws_lc::DEFAULT_PROVIDER.install_default();
        let mut by_id = HashMap::new();
        for jwk in set.get("keys")?.as_array()? {
            let Ok(jwk) = serde_json::from_value::<Jwk>(jwk.clone()) else {
                continue;
            };
            let algorithms = algorithms(&jwk);
            let (Some(id), Ok(decoding)) = (&jwk.common.key_id, DecodingKey::from_jwk(&jwk)) else {
                continue;
            };
            if !algorithms.is_empty() {
                by_id.insert(id.clone(), Key { decoding, algorithms });
            }
        }
        Some(Self { by_id })
    }

    /// The claims of a JWT of a type, if one of the keys signed it.
    pub fn verify(&self, token: &str, typ: &str) -> Result<Map<String, Value>, Kind> {
        if token.len() > MOST {
            return Err(Kind::Malformed);
        }
        let header = decode_header(token).map_err(|_| Kind::Malformed)?;
        let named = header.typ.as_deref().unwrap_or_default();
        let bare = named.strip_prefix("application/").unwrap_or(named);
        if !bare.eq_ignore_ascii_case(typ) {
            return Err(Kind::WrongType);
        }
        // RFC 7515 §4.1.11: an extension that isn't understood. None is.
        if header.crit.is_some() || header.extras.inner().contains_key("b64") {
            return Err(Kind::Malformed);
        }
        if !ALLOWED.contains(&header.alg) {
            return Err(Kind::WrongAlgorithm);
        }
        let key = header.kid.as_deref().and_then(|id| self.by_id.get(id)).ok_or(Kind::UnknownKey)?;
        if !key.algorithms.contains(&header.alg) {
            return Err(Kind::WrongAlgorithm);
        }
        // Claims are checked elsewhere, by this library's own clock.
        let mut validation = Validation::new(header.alg);
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_aud) = (false, false);
        decode(token, &key.decoding, &validation).map(|data| data.claims).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => Kind::BadSignature,
            ErrorKind::InvalidAlgorithm => Kind::WrongAlgorithm,
            _ => Kind::Malformed,
        })
    }
}

const ALLOWED: [Algorithm; 4] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256, Algorithm::PS256];

fn algorithms(jwk: &Jwk) -> Vec<Algorithm> {
    if jwk.common.public_key_use.as_ref().is_some_and(|used| *used != PublicKeyUse::Signature) {
        return Vec::new();
    }
    let of_its_kind: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => &[Algorithm::ES256],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
        AlgorithmParameters::RSA(_) => &[Algorithm::RS256, Algorithm::PS256],
        _ => &[],
    };
    let Some(named) = jwk.common.key_algorithm else {
        return of_its_kind.to_vec();
    };
    let named = match named {
        KeyAlgorithm::ES256 => Algorithm::ES256,
        KeyAlgorithm::EdDSA => Algorithm::EdDSA,
        KeyAlgorithm::RS256 => Algorithm::RS256,
        KeyAlgorithm::PS256 => Algorithm::PS256,
        _ => return Vec::new(),
    };
    of_its_kind.iter().copied().filter(|one| *one == named).collect()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;

    /// A key pair on P-256: how to sign with it, and its JWK.
    fn pair(id: &str) -> (EncodingKey, Value) {
        let rng = aws_lc_rs::rand::SystemRandom::new();
        let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = aws_lc_rs::signature::EcdsaKeyPair::generate_pkcs8(algorithm, &rng).expect("a key can be made");
        let key = EncodingKey::from_ec_der(document.as_ref());
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::ES256).expect("a public half"))
            .expect("a JWK is JSON");
        jwk["kid"] = id.into();
        (key, jwk)
    }

    fn header(id: &str, typ: &str) -> Header {
        Header { typ: Some(typ.to_owned()), kid: Some(id.to_owned()), ..Header::new(Algorithm::ES256) }
    }

    fn unsigned(header: &Value) -> String {
        format!("{}.{}.", BASE64.encode(header.to_string()), BASE64.encode(r#"{"sub":"x"}"#))
    }

    #[test]
    fn only_what_a_published_key_signed_is_read() {
        let (key, jwk) = pair("k1");
        let (strange, _) = pair("k1");
        let keys = Keys::read(&json!({ "keys": [{ "kty": "new" }, jwk] })).expect("a set");
        let claims = json!({ "sub": "x" });
        let by = |key: &EncodingKey, header: &Header| encode(header, &claims, key).expect("it can be signed");
        let good = by(&key, &header("k1", "at+jwt"));
        assert_eq!(keys.verify(&good, "at+jwt").map(Value::Object), Ok(claims.clone()));
        assert!(keys.verify(&by(&key, &header("k1", "application/AT+JWT")), "at+jwt").is_ok());
        assert_eq!(keys.verify(&by(&strange, &header("k1", "at+jwt")), "at+jwt"), Err(Kind::BadSignature));
        assert_eq!(keys.verify(&by(&key, &header("k2", "at+jwt")), "at+jwt"), Err(Kind::UnknownKey));
        assert_eq!(keys.verify(&by(&key, &header("k1", "JWT")), "at+jwt"), Err(Kind::WrongType));
        let nameless = Header { kid: None, ..header("k1", "at+jwt") };
        assert_eq!(keys.verify(&by(&key, &nameless), "at+jwt"), Err(Kind::UnknownKey));
        let critical = Header { crit: Some(vec!["b64".to_owned()]), ..header("k1", "at+jwt") };
        assert_eq!(keys.verify(&by(&key, &critical), "at+jwt"), Err(Kind::Malformed));
        let parts: Vec<&str> = good.split('.').collect();
        let other = BASE64.encode(r#"{"sub":"y"}"#);
        assert_eq!(keys.verify(&format!("{}.{other}.{}", parts[0], parts[2]), "at+jwt"), Err(Kind::BadSignature));
    }

    #[test]
    fn a_weak_or_another_keys_algorithm_is_refused() {
        let (_, jwk) = pair("k1");
        let keys = Keys::read(&json!({ "keys": [jwk] })).expect("a set");
        for (alg, kind) in [
            ("none", Kind::Malformed),
            ("HS256", Kind::WrongAlgorithm),
            ("ES384", Kind::WrongAlgorithm),
            ("RS256", Kind::WrongAlgorithm),
            ("EdDSA", Kind::WrongAlgorithm),
        ] {
            let token = unsigned(&json!({ "alg": alg, "typ": "at+jwt", "kid": "k1" }));
            assert_eq!(keys.verify(&token, "at+jwt"), Err(kind), "{alg}");
        }
        for bad in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "\u{e9}.\u{e9}.\u{e9}"] {
            assert_eq!(keys.verify(bad, "at+jwt"), Err(Kind::Malformed), "{bad}");
        }
    }

    #[test]
    fn a_key_that_is_not_for_signing_or_names_another_algorithm_is_left_out() {
        let (_, jwk) = pair("k1");
        for (name, value) in
            [("use", json!("enc")), ("alg", json!("RS256")), ("alg", json!("HS256")), ("crv", json!("P-384"))]
        {
            let mut jwk = jwk.clone();
            jwk[name] = value;
            assert!(Keys::read(&json!({ "keys": [jwk] })).expect("a set").by_id.is_empty(), "{name}");
        }
        let secret = json!({ "kty": "oct", "kid": "k1", "k": "c2VjcmV0" });
        assert!(Keys::read(&json!({ "keys": [secret] })).expect("a set").by_id.is_empty());
        assert!(Keys::read(&json!({})).is_none() && Keys::read(&json!({ "keys": 7 })).is_none());
    }
}
