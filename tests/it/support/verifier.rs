//! A verifier that works as resource servers do: it keeps the JWKS as long as the answer allows, and trusts nothing else.

use std::time::{Duration, Instant};

use josekit::jwk::{Jwk, JwkSet};
use josekit::jws::{self, ES256, EdDSA, JwsVerifier, RS256};
use serde_json::Value;

use super::client::part;
use super::http::Address;

/// A verifier with its copy of the keys.
#[derive(Debug)]
pub struct Verifier {
    at: Address,
    kept: Option<(JwkSet, Instant)>,
}

impl Verifier {
    /// A verifier that knows no key yet.
    pub const fn new(at: Address) -> Self {
        Self { at, kept: None }
    }

    /// The claims of a token whose signature holds. A key that isn't in the kept set is a failure: it is not looked for.
    pub async fn verify(&mut self, token: &str) -> Result<Value, String> {
        if self.kept.as_ref().is_none_or(|(_, until)| Instant::now() >= *until) {
            self.kept = Some(self.fetch().await);
        }
        let (keys, _) = self.kept.as_ref().expect("they were just fetched");
        let header = part(token, 0);
        let kid = header["kid"].as_str().ok_or("the token names no key")?;
        let known = keys.get(kid);
        let key = known.first().ok_or_else(|| format!("the key {kid} isn't in the set that may still be kept"))?;
        let verifier = verifier_of(key, header["alg"].as_str().unwrap_or_default())?;
        let (payload, _) = jws::deserialize_compact(token, &*verifier).map_err(|error| error.to_string())?;
        serde_json::from_slice(&payload).map_err(|error| error.to_string())
    }

    async fn fetch(&self) -> (JwkSet, Instant) {
        let begun = Instant::now();
        let answer = self.at.get("/jwks").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let age = answer
            .header("cache-control")
            .split(',')
            .find_map(|word| word.trim().strip_prefix("max-age=")?.parse().ok());
        let keys = JwkSet::from_bytes(&answer.body).expect("a JWK set");
        (keys, begun + Duration::from_secs(age.unwrap_or(0)))
    }
}

fn verifier_of(key: &Jwk, alg: &str) -> Result<Box<dyn JwsVerifier>, String> {
    let verifier: Result<Box<dyn JwsVerifier>, _> = match alg {
        "ES256" => ES256.verifier_from_jwk(key).map(|one| Box::new(one) as Box<dyn JwsVerifier>),
        "RS256" => RS256.verifier_from_jwk(key).map(|one| Box::new(one) as Box<dyn JwsVerifier>),
        "EdDSA" => EdDSA.verifier_from_jwk(key).map(|one| Box::new(one) as Box<dyn JwsVerifier>),
        other => return Err(format!("{other} is no algorithm of ours")),
    };
    verifier.map_err(|error| error.to_string())
}
