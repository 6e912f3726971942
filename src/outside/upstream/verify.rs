//! Whether what a provider signed holds: ID tokens by the `openidconnect` crate (OpenID Connect Core 1.0 §3.1.3.7),
//! other tokens by josekit, both with the same keys (RFC 7517, RFC 8725).
//!
//! # Why
//! The crate leaves `azp`, `nbf` and the age of a token to its user. Keys come from the provider's published set alone:
//! `jwk`, `jku`, `x5u` and `x5c` in a token's header are not read.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::JoseHeader;
use josekit::jwk::Jwk;
use josekit::jws::alg::ecdsa::EcdsaJwsAlgorithm;
use josekit::jws::alg::rsassa::RsassaJwsAlgorithm;
use josekit::jws::alg::rsassa_pss::RsassaPssJwsAlgorithm;
use josekit::jws::{self, EdDSA, JwsHeader, JwsVerifier};
use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreTokenResponse};
use openidconnect::{
    AccessTokenHash, ClaimsVerificationError, ClientId, Nonce, OAuth2TokenResponse, SignatureVerificationError,
    TokenResponse,
};
use serde_json::{Value, json};

use super::{Metadata, UpstreamError};
use crate::domain::federation::Claims;
use crate::kernel::time::UnixMillis;
use crate::outside::keyring::same_type;

/// A set with more keys than this is refused.
const MOST_KEYS: usize = 100;
/// How far ahead of ours the provider's clock may be, in seconds.
const LEEWAY: i64 = 60;
/// How long ago an ID token may have been issued, in seconds: it was fetched just now.
const OLDEST: i64 = 10 * 60;

/// The members of a key that are read.
const MEMBERS: [&str; 10] = ["kty", "use", "key_ops", "alg", "kid", "n", "e", "crv", "x", "y"];

/// What a token may be signed with.
const SAFE: [&str; 9] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// Why a token does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unverified {
    /// None of the keys is meant; there may be newer ones.
    UnknownKey,
    /// In our words.
    Because(&'static str),
}

impl From<Unverified> for UpstreamError {
    fn from(why: Unverified) -> Self {
        match why {
            Unverified::UnknownKey => Self::NotVerified("none of the provider's keys signed it"),
            Unverified::Because(why) => Self::NotVerified(why),
        }
    }
}

/// A provider's keys, for both libraries.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) openid: CoreJsonWebKeySet,
    josekit: Vec<Jwk>,
}

impl Keys {
    /// The keys of a set that can verify something safe. Others are passed over: sets may hold keys for encryption too.
    pub(super) fn read(mut document: Claims) -> Result<Self, UpstreamError> {
        let Some(Value::Array(keys)) = document.remove("keys") else {
            return Err(UpstreamError::BadDiscovery("the key set holds no keys"));
        };
        if keys.len() > MOST_KEYS {
            return Err(UpstreamError::BadDiscovery("the key set holds too many keys"));
        }
        let josekit: Vec<Jwk> = keys.into_iter().filter_map(usable).collect();
        let members: Vec<&Claims> = josekit.iter().map(AsRef::as_ref).collect();
        let openid = serde_json::from_value(json!({ "keys": members }))
            .map_err(|_| UpstreamError::BadDiscovery("the key set is none"))?;
        Ok(Self { openid, josekit })
    }

    /// The claims of a token that one of the keys signed and whose `typ` is one of these.
    pub(super) fn verify(&self, token: &str, typ: &[&str]) -> Result<Claims, Unverified> {
        let malformed = Unverified::Because("the token is malformed");
        let header = josekit::jwt::decode_header(token).map_err(|_| malformed)?;
        // Something in five parts is encrypted; nothing is decrypted here.
        let header = header.as_any().downcast_ref::<JwsHeader>().ok_or(malformed)?;
        if header.claim("crit").is_some() {
            return Err(Unverified::Because("the token has a critical header that is not understood"));
        }
        let of_type = match header.token_type() {
            None => typ.contains(&""),
            Some(given) => typ.iter().any(|wanted| same_type(given, wanted)),
        };
        if !of_type {
            return Err(Unverified::Because("the token is of another type"));
        }
        let alg = SAFE.into_iter().find(|alg| header.algorithm() == Some(*alg));
        let alg = alg.ok_or(Unverified::Because("the token's algorithm is not accepted"))?;
        let mut outcome = Err(Unverified::UnknownKey);
        for jwk in self.josekit.iter().filter(|jwk| names_fit(header.key_id(), jwk.key_id())) {
            let Some(verifier) = verifier(jwk, alg) else { continue };
            if let Ok((payload, _)) = jws::deserialize_compact(token, verifier.as_ref()) {
                return serde_json::from_slice(&payload).map_err(|_| malformed);
            }
            outcome = Err(Unverified::Because("the token's signature does not match"));
        }
        outcome
    }
}

/// A key that verifies something safe. josekit refuses those of another `use`, `key_ops` or curve, and RSA below 2048
/// bits.
fn usable(key: Value) -> Option<Jwk> {
    let Value::Object(mut members) = key else { return None };
    members.retain(|name, _| MEMBERS.contains(&name.as_str()));
    let jwk = Jwk::from_map(members).ok()?;
    SAFE.iter().any(|alg| verifier(&jwk, alg).is_some()).then_some(jwk)
}

/// A `kid` narrows the choice where both sides have one; a token or a key without one fits all.
fn names_fit(token: Option<&str>, key: Option<&str>) -> bool {
    match (token, key) {
        (Some(token), Some(key)) => token == key,
        _ => true,
    }
}

fn verifier(jwk: &Jwk, alg: &str) -> Option<Box<dyn JwsVerifier>> {
    match alg {
        "RS256" => pkcs1(RsassaJwsAlgorithm::Rs256, jwk),
        "RS384" => pkcs1(RsassaJwsAlgorithm::Rs384, jwk),
        "RS512" => pkcs1(RsassaJwsAlgorithm::Rs512, jwk),
        "PS256" => pss(RsassaPssJwsAlgorithm::Ps256, jwk),
        "PS384" => pss(RsassaPssJwsAlgorithm::Ps384, jwk),
        "PS512" => pss(RsassaPssJwsAlgorithm::Ps512, jwk),
        "ES256" => ecdsa(EcdsaJwsAlgorithm::Es256, jwk),
        "ES384" => ecdsa(EcdsaJwsAlgorithm::Es384, jwk),
        "EdDSA" if jwk.curve() == Some("Ed25519") => {
            let mut verifier = EdDSA.verifier_from_jwk(jwk).ok()?;
            verifier.remove_key_id();
            Some(Box::new(verifier))
        }
        _ => None,
    }
}

// A verifier that knows its `kid` would demand one in the token, where it is optional.

fn pkcs1(alg: RsassaJwsAlgorithm, jwk: &Jwk) -> Option<Box<dyn JwsVerifier>> {
    let mut verifier = alg.verifier_from_jwk(jwk).ok()?;
    verifier.remove_key_id();
    Some(Box::new(verifier))
}

fn pss(alg: RsassaPssJwsAlgorithm, jwk: &Jwk) -> Option<Box<dyn JwsVerifier>> {
    let mut verifier = alg.verifier_from_jwk(jwk).ok()?;
    verifier.remove_key_id();
    Some(Box::new(verifier))
}

fn ecdsa(alg: EcdsaJwsAlgorithm, jwk: &Jwk) -> Option<Box<dyn JwsVerifier>> {
    let mut verifier = alg.verifier_from_jwk(jwk).ok()?;
    verifier.remove_key_id();
    Some(Box::new(verifier))
}

/// What an ID token must fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check<'a> {
    pub(super) metadata: &'a Metadata,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: UnixMillis,
}

impl Check<'_> {
    /// All claims of the ID token in an answer, as they came.
    pub(super) fn id_token(&self, keys: &Keys, tokens: &CoreTokenResponse) -> Result<Claims, Unverified> {
        let id_token = tokens.id_token().ok_or(Unverified::Because("there is no ID token"))?;
        let verifier = self.verifier(keys);
        let claims = id_token.claims(&verifier, &Nonce::new(self.nonce.to_owned())).map_err(|fault| why(&fault))?;
        if claims.authorized_party().is_some_and(|party| party.as_str() != self.client_id) {
            return Err(Unverified::Because("the ID token is for another party"));
        }
        if let Some(expected) = claims.access_token_hash() {
            let unfit = Unverified::Because("the access token is not the ID token's");
            let alg = id_token.signing_alg().map_err(|_| unfit)?;
            let key = id_token.signing_key(&verifier).map_err(|_| unfit)?;
            let actual = AccessTokenHash::from_token(tokens.access_token(), alg, key).map_err(|_| unfit)?;
            if actual != *expected {
                return Err(unfit);
            }
        }
        let whole = payload(id_token).ok_or(Unverified::Because("the ID token is malformed"))?;
        // What is handed on must be what was checked.
        let is = |name: &str, checked: &str| whole.get(name).and_then(Value::as_str) == Some(checked);
        if !is("iss", claims.issuer().as_str()) || !is("sub", claims.subject().as_str()) {
            return Err(Unverified::Because("the ID token is malformed"));
        }
        let latest = self.now.seconds() + LEEWAY;
        if whole.get("nbf").is_some_and(|from| from.as_i64().is_none_or(|from| from > latest)) {
            return Err(Unverified::Because("the ID token does not count yet"));
        }
        Ok(whole)
    }

    /// The crate's verifier: the issuer byte by byte, us as the only audience, a signature by a published key.
    fn verifier(&self, keys: &Keys) -> CoreIdTokenVerifier<'static> {
        let now = self.now.seconds();
        let at = UNIX_EPOCH + Duration::from_secs(u64::try_from(now).unwrap_or_default());
        let (client_id, issuer) = (ClientId::new(self.client_id.to_owned()), self.metadata.provider.issuer().clone());
        CoreIdTokenVerifier::new_public_client(client_id, issuer, keys.openid.clone())
            .set_allowed_algs(self.metadata.algs.iter().cloned())
            .set_other_audience_verifier_fn(|_| false)
            .set_time_fn(move || at.into())
            .set_issue_time_verifier_fn(move |issued| {
                let issued = issued.timestamp();
                if issued < now - OLDEST || issued > now + LEEWAY { Err(String::new()) } else { Ok(()) }
            })
    }
}

/// The claims of a token that was checked.
fn payload(id_token: &CoreIdToken) -> Option<Claims> {
    let text = id_token.to_string();
    let bytes = URL_SAFE_NO_PAD.decode(text.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The crate's verdict in our words: its own text holds what the token says.
fn why(fault: &ClaimsVerificationError) -> Unverified {
    Unverified::Because(match fault {
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => {
            return Unverified::UnknownKey;
        }
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::DisallowedAlg(_)) => {
            "the ID token's algorithm is not accepted"
        }
        ClaimsVerificationError::SignatureVerification(_) => "the ID token's signature does not match",
        ClaimsVerificationError::Expired(_) => "the ID token is over, too old or not issued yet",
        ClaimsVerificationError::InvalidAudience(_) => "the ID token is not for us, or not for us alone",
        ClaimsVerificationError::InvalidIssuer(_) => "the ID token is another issuer's",
        ClaimsVerificationError::InvalidNonce(_) => "the ID token belongs to another request",
        _ => "the ID token is not what it should be",
    })
}

#[cfg(test)]
mod tests {
    use super::super::Jwks;
    use super::super::fake_tests::{Fake, Key, upstreams};
    use super::*;

    const TYP: &[&str] = &["logout+jwt", ""];

    #[tokio::test]
    async fn a_token_counts_with_a_type_that_is_accepted_and_one_of_the_keys() {
        let fake = Fake::start().await;
        let (upstreams, claims) = (upstreams(), json!({ "iss": fake.issuer, "jti": "j" }));
        let of = Jwks::Issuer(&fake.issuer);
        for (typ, accepted) in [
            (Some("logout+jwt"), true),
            (Some("application/LOGOUT+jwt"), true),
            (None, true),
            (Some("JWT"), false),
            (Some("secevent+jwt"), false),
        ] {
            let token = fake.key.sign_as(typ, &claims);
            let found = upstreams.verify_jwt(of, &token, TYP).await;
            let wanted = Err(UpstreamError::NotVerified("the token is of another type"));
            assert_eq!(found, if accepted { Ok(claims.as_object().unwrap().clone()) } else { wanted }, "{typ:?}");
        }
        let strict = upstreams.verify_jwt(of, &fake.key.sign_as(None, &claims), &["logout+jwt"]).await;
        assert_eq!(strict, Err(UpstreamError::NotVerified("the token is of another type")));
        assert_eq!(fake.asked("/jwks").len(), 1);
    }

    #[tokio::test]
    async fn a_token_of_another_key_or_with_one_bit_turned_does_not_count() {
        let fake = Fake::start().await;
        let (upstreams, of) = (upstreams(), Jwks::Issuer(&fake.issuer));
        let good = fake.key.sign_as(Some("logout+jwt"), &json!({ "jti": "j" }));
        let not_ours = Key::fresh("one").sign_as(Some("logout+jwt"), &json!({ "jti": "j" }));
        let (head, last) = good.split_at(good.len() - 4);
        let turned = format!("{head}{}{}", if last.starts_with('A') { "B" } else { "A" }, &last[1..]);
        for token in [not_ours.as_str(), &turned, head, "", "a.b", "a.b.c", "a.b.c.d.e", &".".repeat(60_000)] {
            let refused = upstreams.verify_jwt(of, token, TYP).await;
            assert!(matches!(refused, Err(UpstreamError::NotVerified(_))), "{refused:?} {token}");
        }
        let long = upstreams.verify_jwt(of, &"a".repeat(1 << 20), TYP).await;
        assert_eq!(long, Err(UpstreamError::TooLarge));
        assert!(upstreams.verify_jwt(of, &good, TYP).await.is_ok());
    }

    #[tokio::test]
    async fn a_transmitters_keys_are_found_by_its_own_document() {
        let fake = Fake::start().await;
        let (upstreams, other) = (upstreams(), Key::fresh("ssf"));
        let document = json!({ "issuer": fake.issuer, "jwks_uri": format!("{}/ssf-keys", fake.issuer) });
        fake.answer("/.well-known/ssf-configuration", 200, &document.to_string());
        fake.answer("/ssf-keys", 200, &json!({ "keys": [other.public] }).to_string());
        let token = other.sign_as(Some("secevent+jwt"), &json!({ "jti": "j" }));
        let typ = &["secevent+jwt"];
        assert!(upstreams.verify_jwt(Jwks::Transmitter(&fake.issuer), &token, typ).await.is_ok());
        let refused = upstreams.verify_jwt(Jwks::Issuer(&fake.issuer), &token, typ).await;
        assert!(matches!(refused, Err(UpstreamError::NotVerified(_))), "{refused:?}");
        let strange = json!({ "issuer": "https://other.test", "jwks_uri": format!("{}/ssf-keys", fake.issuer) });
        fake.answer("/.well-known/ssf-configuration/b", 200, &strange.to_string());
        let refused = upstreams.verify_jwt(Jwks::Transmitter(&format!("{}/b", fake.issuer)), &token, typ).await;
        assert_eq!(refused, Err(UpstreamError::BadDiscovery("it is another issuer's")));
    }

    #[test]
    fn keys_that_are_not_for_signatures_are_passed_over_and_too_many_are_refused() {
        let set = |keys: Value| Keys::read(json!({ "keys": keys }).as_object().unwrap().clone());
        let good = Key::fresh("one");
        let with = |name: &str, value: Value| {
            let members: &Claims = good.public.as_ref();
            let mut members = members.clone();
            members.insert(name.to_owned(), value);
            Value::Object(members)
        };
        let shared = json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "one" });
        for strange in [
            with("use", json!("enc")),
            with("alg", json!("ES384")),
            with("alg", json!("HS256")),
            with("key_ops", json!(["sign"])),
            with("kid", json!(1)),
            with("crv", json!("P-521")),
            with("x", json!("AA")),
            json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }),
            json!({ "kty": "RSA", "n": "", "e": "" }),
            json!({ "use": "sig" }),
            json!("key"),
            shared,
        ] {
            let keys = set(json!([strange, good.public])).unwrap();
            assert_eq!((keys.josekit.len(), keys.openid.keys().len()), (1, 1), "{strange}");
        }
        let many = vec![json!({}); MOST_KEYS + 1];
        assert!(matches!(set(Value::Array(many)), Err(UpstreamError::BadDiscovery(_))));
        assert!(matches!(set(json!({})), Err(UpstreamError::BadDiscovery(_))));
    }
}
