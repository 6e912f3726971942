//! The claims of an ID token (OpenID Connect Core §2, §3.1.3.6).
//!
//! In the code flow it carries no profile claims: those are userinfo's. Roles are merged in where the application has them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256, Sha512};

use crate::domain::keys::Alg;
use crate::kernel::time::UnixMillis;

/// The `typ` of its JOSE header.
pub const TYP: &str = "JWT";

/// What an ID token says.
#[derive(Clone, Debug)]
pub struct IdToken<'a> {
    /// `iss`.
    pub issuer: &'a str,
    /// `sub`.
    pub subject: &'a str,
    /// `aud`: the application alone.
    pub client_id: &'a str,
    /// `iat`.
    pub issued_at: UnixMillis,
    /// `exp`.
    pub expires_at: UnixMillis,
    /// `auth_time`.
    pub auth_time: UnixMillis,
    /// `nonce`: the request's, and absent in a refreshed token.
    pub nonce: Option<&'a str>,
    /// `acr`: the level that was reached.
    pub acr: Option<&'a str>,
    /// `amr`.
    pub amr: &'a [&'a str],
    /// `sid`: the session entry.
    pub sid: Option<&'a str>,
    /// `at_hash`: see [`at_hash`].
    pub at_hash: Option<String>,
    /// The role claims, from `domain::access`; they can't take the place of any other claim.
    pub roles: Map<String, Value>,
}

impl IdToken<'_> {
    /// The claims to sign.
    #[must_use]
    pub fn claims(&self) -> Map<String, Value> {
        let mut claims = self.roles.clone();
        // A role claim named like a protocol claim must never survive, not even where ours is absent.
        for name in ["nonce", "acr", "amr", "sid", "at_hash", "azp", "c_hash", "nbf"] {
            claims.remove(name);
        }
        let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        put("iss", self.issuer.into());
        put("sub", self.subject.into());
        put("aud", self.client_id.into());
        put("iat", self.issued_at.seconds().into());
        put("exp", self.expires_at.seconds().into());
        put("auth_time", self.auth_time.seconds().into());
        for (name, value) in
            [("nonce", self.nonce), ("acr", self.acr), ("sid", self.sid), ("at_hash", self.at_hash.as_deref())]
        {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                put(name, value.into());
            }
        }
        if !self.amr.is_empty() {
            put("amr", self.amr.into());
        }
        claims
    }
}

/// `at_hash` and `c_hash`: the left half of the hash that the ID token's algorithm uses (§3.1.3.6).
///
/// Ed25519 hashes with SHA-512 (RFC 8032 §5.1).
#[must_use]
pub fn at_hash(alg: Alg, access_token: &str) -> String {
    match alg {
        Alg::Es256 | Alg::Rs256 => URL_SAFE_NO_PAD.encode(&Sha256::digest(access_token.as_bytes())[..16]),
        Alg::EdDsa => URL_SAFE_NO_PAD.encode(&Sha512::digest(access_token.as_bytes())[..32]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token() -> IdToken<'static> {
        IdToken {
            issuer: "https://id.example",
            subject: "usr_1",
            client_id: "shop",
            issued_at: UnixMillis(1_700_000_000_999),
            expires_at: UnixMillis(1_700_000_600_999),
            auth_time: UnixMillis(1_699_999_999_001),
            nonce: Some("n"),
            acr: Some("urn:muster:acr:pwd"),
            amr: &["pwd"],
            sid: Some("sid_1"),
            at_hash: Some("hash".to_owned()),
            roles: Map::new(),
        }
    }

    #[test]
    fn an_id_token_has_exactly_its_claims_in_whole_seconds() {
        let expected = json!({
            "iss": "https://id.example", "sub": "usr_1", "aud": "shop", "iat": 1_700_000_000, "exp": 1_700_000_600,
            "auth_time": 1_699_999_999, "nonce": "n", "acr": "urn:muster:acr:pwd", "amr": ["pwd"], "sid": "sid_1", "at_hash": "hash",
        });
        assert_eq!(Value::Object(token().claims()), expected);
    }

    #[test]
    fn a_nonce_that_was_not_sent_is_not_there() {
        let claims = IdToken { nonce: None, acr: Some(""), amr: &[], ..token() }.claims();
        assert!(["nonce", "acr", "amr"].iter().all(|name| !claims.contains_key(*name)));
    }

    #[test]
    fn role_claims_are_merged_and_can_not_replace_a_claim() {
        let roles = json!({ "org_roles": ["org.reader"], "sub": "usr_2", "nonce": "forged", "azp": "x" });
        let roles = roles.as_object().expect("an object").clone();
        let claims = IdToken { roles, nonce: None, ..token() }.claims();
        assert_eq!(claims["org_roles"], json!(["org.reader"]));
        assert_eq!(claims["sub"], "usr_1");
        assert!(!claims.contains_key("nonce") && !claims.contains_key("azp"));
    }

    #[test]
    fn at_hash_is_half_of_the_algorithms_hash() {
        // OpenID Connect Core, appendix A.3.
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(at_hash(Alg::Rs256, token), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(at_hash(Alg::Es256, token), at_hash(Alg::Rs256, token));
        assert_eq!(at_hash(Alg::EdDsa, token).len(), 43);
    }
}
