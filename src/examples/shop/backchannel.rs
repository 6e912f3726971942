//! `POST /backchannel-logout`: Muster says that a sign-in is over (OpenID Connect Back-Channel Logout 1.0 §2.5–2.8).
//!
//! The token's format and signature are `josekit`'s business, its claims are checked here one by one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwk::{Jwk, JwkSet};
use josekit::jws::{ES256, EdDSA, JwsVerifier, RS256};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::kernel::time::{MINUTE, SECOND, UnixMillis};

use super::oidc::{Oidc, Trouble};
use super::{Desk, fields};

/// What `events` must hold.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How far the clocks of the shop and of Muster may stand apart.
const LEEWAY: i64 = MINUTE;
/// How long the shop trusts a key set that it fetched.
const KEYS_FRESH: i64 = 5 * MINUTE;
/// How often an unknown key may make the shop fetch the key set again: anybody can send nonsense here.
const KEYS_PAUSE: i64 = 5 * SECOND;
/// The longest token that is looked at.
const LONGEST: usize = 16 * 1024;
/// The most token ids that are remembered.
const SEEN_LIMIT: usize = 100_000;

/// Why a logout token is not heeded.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The request or the token breaks a rule.
    #[error("{0}")]
    Refused(&'static str),
    /// The key set has no key of that id.
    #[error("the logout token is signed with a key that Muster does not publish")]
    UnknownKey,
    /// The key set could not be read.
    #[error(transparent)]
    Keys(#[from] Trouble),
}

/// Whose tokens are heeded, and who must be meant by them.
#[derive(Clone, Copy, Debug)]
struct Expected<'e> {
    issuer: &'e str,
    client_id: &'e str,
}

/// What a checked logout token says.
#[derive(Debug, PartialEq, Eq)]
struct LogoutToken {
    sid: Option<String>,
    sub: Option<String>,
    jti: String,
    expires: UnixMillis,
}

/// What the shop remembers between two logout tokens.
#[derive(Default)]
pub struct Listener {
    keys: RwLock<Option<(Arc<JwkSet>, UnixMillis)>>,
    seen: Mutex<HashMap<String, UnixMillis>>,
}

/// `POST /backchannel-logout`
pub async fn receive(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    match heed(&desk, &headers, &body).await {
        Ok(ended) => {
            tracing::info!(ended, "the shop heeded a logout token");
            StatusCode::OK.into_response()
        }
        Err(fault) => {
            tracing::warn!(%fault, "the shop refused a logout token");
            let told = json!({"error": "invalid_request", "error_description": fault.to_string()});
            (StatusCode::BAD_REQUEST, Json(told)).into_response()
        }
    }
}

/// Checks what was sent and ends the sessions it names; returns how many.
async fn heed(desk: &Desk, headers: &HeaderMap, body: &[u8]) -> Result<usize, Fault> {
    let now = desk.clock.now();
    let form = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !form.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        return Err(Fault::Refused("a logout token comes in a form"));
    }
    let fields = fields(body).ok_or(Fault::Refused("the form has a field twice"))?;
    let token = fields.get("logout_token").ok_or(Fault::Refused("logout_token is missing"))?;
    let told = desk.logouts.check(&desk.oidc, token, now).await?;
    if !desk.logouts.first_time(&told, now) {
        return Err(Fault::Refused("the logout token was used before"));
    }
    Ok(desk.sessions.told(told.sid.as_deref(), told.sub.as_deref(), now))
}

impl Listener {
    /// Checks a token; when its key is unknown, once more with the keys that Muster publishes now.
    async fn check(&self, oidc: &Oidc, token: &str, now: UnixMillis) -> Result<LogoutToken, Fault> {
        let expected = Expected { issuer: oidc.issuer(), client_id: oidc.client_id() };
        let keys = self.keys(oidc, KEYS_FRESH, now).await?;
        match check(token, &keys, expected, now) {
            Err(Fault::UnknownKey) => {
                let keys = self.keys(oidc, KEYS_PAUSE, now).await?;
                check(token, &keys, expected, now)
            }
            checked => checked,
        }
    }

    /// The key set, not older than `oldest` milliseconds.
    async fn keys(&self, oidc: &Oidc, oldest: i64, now: UnixMillis) -> Result<Arc<JwkSet>, Fault> {
        let known = self.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((keys, at)) = known
            && now.since(at) < oldest
        {
            return Ok(keys);
        }
        let keys = JwkSet::from_bytes(oidc.key_set(now).await?)
            .map_err(|_| Fault::Refused("Muster's key set can't be read"))?;
        let keys = Arc::new(keys);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some((Arc::clone(&keys), now));
        Ok(keys)
    }

    /// Remembers a token's id for as long as the token is valid; false when it is known already.
    fn first_time(&self, told: &LogoutToken, now: UnixMillis) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= SEEN_LIMIT {
            seen.retain(|_, expires| *expires >= now);
        }
        // Our choice: when so many are valid at once, a new one counts as used. It was signed by Muster all the same.
        seen.len() < SEEN_LIMIT && seen.insert(told.jti.clone(), told.expires).is_none()
    }
}

/// What of the header is read before the signature is checked.
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<Value>,
}

/// Checks one logout token against a key set.
fn check(token: &str, keys: &JwkSet, expected: Expected<'_>, now: UnixMillis) -> Result<LogoutToken, Fault> {
    if token.len() > LONGEST {
        return Err(Fault::Refused("the logout token is too long"));
    }
    let header = token.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let header: Option<Header> = header.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let header = header.ok_or(Fault::Refused("the logout token is no JWT"))?;
    // RFC 8725 §3.11: explicit typing keeps ID tokens and access tokens out. The prefix may be left away (RFC 7515 §4.1.9).
    let typ = header.typ.unwrap_or_default().to_ascii_lowercase();
    if typ.strip_prefix("application/").unwrap_or(&typ) != "logout+jwt" {
        return Err(Fault::Refused("typ is not logout+jwt"));
    }
    if header.crit.is_some() {
        return Err(Fault::Refused("the logout token has critical headers"));
    }
    let kid = header.kid.ok_or(Fault::Refused("the logout token names no key"))?;
    let key = keys.get(&kid).into_iter().next().ok_or(Fault::UnknownKey)?;
    let verifier = verifier(&header.alg, key)?;
    let (payload, _) =
        josekit::jwt::decode_with_verifier(token, &*verifier).map_err(|_| Fault::Refused("the signature is wrong"))?;
    claims(payload.claims_set(), expected, now)
}

/// The verifier for a public key. The algorithms are the three that Muster signs with; `none` and HMAC are not among them.
fn verifier(alg: &str, key: &Jwk) -> Result<Box<dyn JwsVerifier>, Fault> {
    let unusable = |_| Fault::Refused("the key is not for that algorithm");
    match alg {
        "ES256" => Ok(Box::new(ES256.verifier_from_jwk(key).map_err(unusable)?)),
        "RS256" => Ok(Box::new(RS256.verifier_from_jwk(key).map_err(unusable)?)),
        "EdDSA" => Ok(Box::new(EdDSA.verifier_from_jwk(key).map_err(unusable)?)),
        _ => Err(Fault::Refused("the algorithm is not accepted")),
    }
}

/// The checks of Back-Channel Logout 1.0 §2.6, in its order.
fn claims(claims: &Map<String, Value>, expected: Expected<'_>, now: UnixMillis) -> Result<LogoutToken, Fault> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let moment = |name: &str| claims.get(name).and_then(Value::as_i64).map(UnixMillis::from_seconds);
    if text("iss") != Some(expected.issuer) {
        return Err(Fault::Refused("iss is not Muster"));
    }
    let meant = match claims.get("aud") {
        Some(Value::String(one)) => one == expected.client_id,
        Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(expected.client_id)),
        Some(_) | None => false,
    };
    if !meant {
        return Err(Fault::Refused("aud is not the shop"));
    }
    let issued = moment("iat").ok_or(Fault::Refused("iat is missing"))?;
    if issued > now.plus(LEEWAY) {
        return Err(Fault::Refused("iat lies ahead"));
    }
    let expires = moment("exp").ok_or(Fault::Refused("exp is missing"))?.plus(LEEWAY);
    if expires <= now {
        return Err(Fault::Refused("the logout token has expired"));
    }
    let (sid, sub) = (text("sid").map(str::to_owned), text("sub").map(str::to_owned));
    if sid.is_none() && sub.is_none() {
        return Err(Fault::Refused("neither sid nor sub is there"));
    }
    if !claims.get("events").and_then(|events| events.get(EVENT)).is_some_and(Value::is_object) {
        return Err(Fault::Refused("events does not name a logout"));
    }
    // An ID token has a nonce; a logout token must not (so that neither passes for the other).
    if claims.contains_key("nonce") {
        return Err(Fault::Refused("a logout token has no nonce"));
    }
    let jti = text("jti").ok_or(Fault::Refused("jti is missing"))?.to_owned();
    Ok(LogoutToken { sid, sub, jti, expires })
}

#[cfg(test)]
mod tests {
    use josekit::jwk::KeyPair;
    use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
    use josekit::jws::JwsHeader;
    use josekit::jwt::JwtPayload;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
    const EXPECTED: Expected<'static> = Expected { issuer: "https://id.test", client_id: "shop" };

    struct Muster(EcKeyPair);

    impl Muster {
        fn new() -> Self {
            let mut pair = EcKeyPair::generate(EcCurve::P256).expect("a key");
            pair.set_key_id(Some("key_1"));
            Self(pair)
        }

        fn keys(&self) -> JwkSet {
            let mut keys = JwkSet::new();
            keys.push_key(self.0.to_jwk_public_key());
            keys
        }

        fn sign(&self, typ: &str, claims: Value) -> String {
            let mut header = JwsHeader::new();
            header.set_token_type(typ);
            let signer = ES256.signer_from_jwk(&self.0.to_jwk_key_pair()).expect("a signer");
            let Value::Object(claims) = claims else { panic!("claims are an object") };
            let payload = JwtPayload::from_map(claims).expect("claims");
            josekit::jwt::encode_with_signer(&payload, &header, &signer).expect("a token")
        }
    }

    fn good() -> Value {
        json!({
            "iss": "https://id.test", "aud": "shop", "iat": NOW.seconds(), "exp": NOW.seconds() + 120, "jti": "j1",
            "sub": "usr_1", "sid": "sid_1", "events": {EVENT: {}},
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = good();
        claims[name] = value;
        claims
    }

    fn without(name: &str) -> Value {
        let mut claims = good();
        claims.as_object_mut().expect("an object").remove(name);
        claims
    }

    #[test]
    fn a_logout_token_of_muster_is_heeded() {
        let muster = Muster::new();
        for (typ, claims) in [("logout+jwt", good()), ("application/Logout+JWT", with("aud", json!(["other", "shop"])))]
        {
            let told = check(&muster.sign(typ, claims), &muster.keys(), EXPECTED, NOW).expect("a good token");
            assert_eq!(
                (told.sid.as_deref(), told.sub.as_deref(), told.jti.as_str()),
                (Some("sid_1"), Some("usr_1"), "j1")
            );
        }
    }

    #[test]
    fn a_token_that_breaks_one_rule_is_refused() {
        let muster = Muster::new();
        let broken = [
            with("iss", json!("https://evil.test")),
            without("iss"),
            with("aud", json!("other")),
            without("aud"),
            with("iat", json!(NOW.seconds() + 120)),
            without("iat"),
            with("exp", json!(NOW.seconds() - 120)),
            without("exp"),
            without("jti"),
            with("nonce", json!("n")),
            with("events", json!({})),
            with("events", json!({EVENT: true})),
            without("events"),
        ];
        for claims in broken {
            let token = muster.sign("logout+jwt", claims.clone());
            assert!(matches!(check(&token, &muster.keys(), EXPECTED, NOW), Err(Fault::Refused(_))), "{claims}");
        }
        for typ in ["JWT", "at+jwt", ""] {
            assert!(
                matches!(check(&muster.sign(typ, good()), &muster.keys(), EXPECTED, NOW), Err(Fault::Refused(_))),
                "{typ}"
            );
        }
    }

    #[test]
    fn neither_sid_nor_sub_names_nobody() {
        let mut claims = without("sid");
        claims.as_object_mut().expect("an object").remove("sub");
        let muster = Muster::new();
        assert!(matches!(
            check(&muster.sign("logout+jwt", claims), &muster.keys(), EXPECTED, NOW),
            Err(Fault::Refused(_))
        ));
    }

    #[test]
    fn a_strangers_signature_and_a_strangers_key_are_refused() {
        let (muster, stranger) = (Muster::new(), Muster::new());
        let forged = stranger.sign("logout+jwt", good());
        assert!(matches!(check(&forged, &muster.keys(), EXPECTED, NOW), Err(Fault::Refused(_))));
        assert!(matches!(check(&forged, &JwkSet::new(), EXPECTED, NOW), Err(Fault::UnknownKey)));
        let unsigned = format!(
            "{}.{}.",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"logout+jwt","kid":"key_1"}"#),
            URL_SAFE_NO_PAD.encode("{}")
        );
        assert!(matches!(check(&unsigned, &muster.keys(), EXPECTED, NOW), Err(Fault::Refused(_))));
        let endless = "x".repeat(LONGEST + 1);
        for nonsense in ["", "a", "a.b.c", "..", endless.as_str()] {
            assert!(matches!(check(nonsense, &muster.keys(), EXPECTED, NOW), Err(Fault::Refused(_))));
        }
    }

    #[test]
    fn a_token_is_heeded_once() {
        let listener = Listener::default();
        let told = LogoutToken { sid: None, sub: Some("usr_1".to_owned()), jti: "j1".to_owned(), expires: NOW.plus(1) };
        assert!(listener.first_time(&told, NOW));
        assert!(!listener.first_time(&told, NOW));
    }
}
