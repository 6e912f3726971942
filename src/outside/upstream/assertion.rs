//! Muster's own client assertion for providers that authenticate it by a key (RFC 7523 §2.2, OpenID Connect Core 1.0
//! §9), and the key itself.

use std::fmt;

use josekit::jws::{self, ES256, JwsHeader};
use serde_json::json;
use zeroize::Zeroizing;

use super::{Party, UpstreamError};
use crate::domain::keys::Alg;
use crate::kernel::id::KeyId;
use crate::kernel::secret::Secret;
use crate::kernel::time::UnixMillis;
use crate::outside::chance::SystemChance;
use crate::outside::keyring::{self, RsaBits};

/// How long an assertion counts, in seconds.
const LIFE: i64 = 120;

/// A key for `private_key_jwt` that was just made.
pub struct NewKey {
    /// The private half as PKCS#8. It is sealed before it is stored.
    pub private_pkcs8: Zeroizing<Vec<u8>>,
    /// The public half, a JWK as JSON with `kid`, `use` and `alg`.
    pub public_jwk: String,
    /// Its name.
    pub kid: String,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Makes a key of P-256.
///
/// # Panics
/// Where the operating system gives no chance; then nothing else works either.
#[must_use]
pub fn make_key() -> NewKey {
    let kid = KeyId::fresh();
    let made = keyring::generate(Alg::Es256, &kid, RsaBits::default());
    let made = made.expect("a key of P-256 needs only the generator, which answers once it is seeded");
    NewKey { private_pkcs8: made.private_der, public_jwk: made.public_jwk, kid: kid.into_string() }
}

/// An assertion for the one who is named, signed by the party's key.
pub(super) fn sign(party: &Party<'_>, audience: &str, now: UnixMillis) -> Result<String, UpstreamError> {
    // Without a key the provider would say the same.
    let no_key = || UpstreamError::refused("invalid_client");
    let signer = ES256.signer_from_der(party.private_key.ok_or_else(no_key)?).map_err(|_| no_key())?;
    let mut header = JwsHeader::new();
    header.set_token_type("JWT");
    if let Some(kid) = party.key_id {
        header.set_key_id(kid);
    }
    let client_id = &party.settings.client_id;
    let issued = now.seconds();
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": Secret::mint(&SystemChance, "").expose(),
        "iat": issued,
        "exp": issued + LIFE,
    });
    jws::serialize_compact(claims.to_string().as_bytes(), &header, &signer).map_err(|_| no_key())
}

#[cfg(test)]
mod tests {
    use josekit::jwk::Jwk;
    use serde_json::Value;

    use super::super::fake_tests::NOW;
    use super::*;
    use crate::domain::federation::ClientAuth;
    use crate::domain::federation::settings::Core;

    #[test]
    fn an_assertion_names_us_and_the_provider_and_is_over_soon() {
        let key = make_key();
        assert!(!format!("{key:?}").contains("public_jwk"));
        let settings = Core {
            issuer: "https://idp.acme.test".to_owned(),
            client_id: "muster".to_owned(),
            client_auth: ClientAuth::PrivateKeyJwt,
        };
        let party = Party {
            settings: &settings,
            secret: None,
            private_key: Some(&key.private_pkcs8),
            key_id: Some(&key.kid),
            redirect_uri: "https://id.test/cb",
        };
        let token = sign(&party, "https://idp.acme.test/token", NOW).unwrap();
        let public = Jwk::from_bytes(key.public_jwk.as_bytes()).unwrap();
        // josekit demands the key's own `kid` in the header.
        let verifier = ES256.verifier_from_jwk(&public).unwrap();
        let (payload, header) = jws::deserialize_compact(&token, &verifier).unwrap();
        assert_eq!((header.key_id(), header.token_type()), (Some(key.kid.as_str()), Some("JWT")));
        let claims: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("muster"), &json!("muster")));
        assert_eq!(claims["aud"], "https://idp.acme.test/token");
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), LIFE);
        assert_ne!(sign(&party, "x", NOW), sign(&party, "x", NOW));
        let keyless = Party { private_key: None, ..party };
        assert_eq!(sign(&keyless, "x", NOW), Err(UpstreamError::Refused("invalid_client".to_owned())));
        let damaged = Party { private_key: Some(b"no key"), ..party };
        assert_eq!(sign(&damaged, "x", NOW), Err(UpstreamError::Refused("invalid_client".to_owned())));
    }
}
