//! A logout token that a customer's provider sends (OpenID Connect Back-Channel Logout §2.4 to §2.6): whether it is one
//! for us, and what it ends.
//!
//! Its signature is verified before; whether its `jti` was seen before is asked after.

use serde_json::Value;

use super::claims::{is_for, is_subject, moment};
use super::{Claims, Ended, Upstream};
use crate::domain::oidc::logout_token::EVENT;
use crate::kernel::time::{MINUTE, UnixMillis};

/// How far a provider's clock may be from ours.
pub const SKEW: i64 = MINUTE;
/// How old a token may be.
pub const OLDEST: i64 = 10 * MINUTE;

/// What a token must say.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The connection's issuer.
    pub issuer: &'a str,
    /// Who Muster is there.
    pub client_id: &'a str,
    /// The time.
    pub now: UnixMillis,
}

/// A token that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    /// By which it is known when it comes again.
    pub jti: String,
    /// When it is refused for its age, and needn't be remembered any more.
    pub expires: UnixMillis,
    /// What is over.
    pub ended: Ended,
}

/// Judges the claims.
///
/// # Errors
/// What is wrong, in words that hold nothing of the token.
pub fn check(claims: &Claims, expected: &Expected<'_>) -> Result<LogoutToken, &'static str> {
    if claims.get("iss").and_then(Value::as_str) != Some(expected.issuer) {
        return Err("iss is not the provider's issuer");
    }
    if !is_for(claims, expected.client_id) {
        return Err("aud is not our client id");
    }
    let issued = issued(claims, expected.now)?;
    let jti = jti(claims)?;
    let event = claims.get("events").and_then(Value::as_object).and_then(|events| events.get(EVENT));
    if !event.is_some_and(Value::is_object) {
        return Err("events has no back-channel logout");
    }
    // With one, an ID token could pass for a logout token.
    if claims.contains_key("nonce") {
        return Err("nonce must not be there");
    }
    let subject = identifier(claims, "sub")?;
    let sid = identifier(claims, "sid")?;
    let upstream = subject.map(|subject| Upstream { issuer: expected.issuer.to_owned(), subject });
    let ended = match (sid, upstream) {
        (Some(sid), upstream) => Ended::Session { sid, upstream },
        (None, Some(upstream)) => Ended::Person(upstream),
        (None, None) => return Err("neither sub nor sid is there"),
    };
    Ok(LogoutToken { jti, expires: issued.plus(OLDEST + SKEW), ended })
}

/// When a short-lived token was issued: neither ahead of us nor long ago, and its end, if it names one, not past.
///
/// # Errors
/// What is wrong.
pub(super) fn issued(claims: &Claims, now: UnixMillis) -> Result<UnixMillis, &'static str> {
    let issued = moment(claims, "iat").ok().flatten().ok_or("iat is not there")?;
    if issued > now.plus(SKEW) {
        return Err("iat lies ahead");
    }
    if issued < now.minus(OLDEST) {
        return Err("iat is too long ago");
    }
    let expires = moment(claims, "exp").map_err(|_| "exp is no time")?;
    if expires.is_some_and(|expires| expires.plus(SKEW) <= now) {
        return Err("exp is past");
    }
    Ok(issued)
}

/// The token's own id.
///
/// # Errors
/// What is wrong.
pub(super) fn jti(claims: &Claims) -> Result<String, &'static str> {
    identifier(claims, "jti")?.ok_or("jti is not there")
}

/// A text that identifies something: whole and visible, never cut.
fn identifier(claims: &Claims, name: &str) -> Result<Option<String>, &'static str> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if is_subject(text) => Ok(Some(text.clone())),
        Some(_) => Err("sub, sid or jti is unfit"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
    const SECONDS: i64 = 1_700_000_000;

    fn good() -> Claims {
        let token = json!({
            "iss": "https://idp.test", "aud": "muster", "iat": SECONDS, "exp": SECONDS + 120, "jti": "j1",
            "events": { EVENT: {} }, "sub": "ana", "sid": "s1",
        });
        token.as_object().cloned().unwrap()
    }

    fn with(name: &str, value: Value) -> Claims {
        let mut claims = good();
        claims.insert(name.to_owned(), value);
        claims
    }

    fn without(name: &str) -> Claims {
        good().into_iter().filter(|(one, _)| one != name).collect()
    }

    fn of(claims: &Claims) -> Result<LogoutToken, &'static str> {
        check(claims, &Expected { issuer: "https://idp.test", client_id: "muster", now: NOW })
    }

    fn ana() -> Upstream {
        Upstream { issuer: "https://idp.test".to_owned(), subject: "ana".to_owned() }
    }

    #[test]
    fn a_token_ends_the_session_or_the_person_that_it_names() {
        let token = of(&good()).unwrap();
        assert_eq!((token.jti.as_str(), token.expires), ("j1", NOW.plus(11 * MINUTE)));
        assert_eq!(token.ended, Ended::Session { sid: "s1".to_owned(), upstream: Some(ana()) });
        assert_eq!(of(&without("sid")).unwrap().ended, Ended::Person(ana()));
        assert_eq!(of(&without("sub")).unwrap().ended, Ended::Session { sid: "s1".to_owned(), upstream: None });
    }

    #[test]
    fn what_we_send_ourselves_is_accepted() {
        let sent = crate::domain::oidc::logout_token::claims("https://idp.test", "muster", "ana", "s1", "j", NOW);
        assert!(of(&sent).is_ok());
    }

    #[test]
    fn audiences_may_be_a_list_and_times_may_be_apart_by_a_minute() {
        for fine in [
            with("aud", json!(["muster", "other"])),
            with("iat", json!(SECONDS + 60)),
            with("iat", json!(SECONDS - 600)),
            with("iat", json!(1_699_999_999.5)),
            with("exp", json!(SECONDS - 59)),
            without("exp"),
        ] {
            assert!(of(&fine).is_ok(), "{fine:?}");
        }
    }

    #[test]
    fn a_token_with_one_wrong_claim_is_refused() {
        let long = "x".repeat(256);
        let wrong = [
            ("iss", json!("https://idp.test/")),
            ("iss", json!("https://other.test")),
            ("iss", json!(["https://idp.test"])),
            ("aud", json!("other")),
            ("aud", json!(["other"])),
            ("aud", json!([])),
            ("aud", json!(["muster", 1])),
            ("aud", json!({ "muster": true })),
            ("iat", json!(SECONDS + 61)),
            ("iat", json!(SECONDS - 601)),
            ("iat", json!("now")),
            ("iat", json!(null)),
            ("exp", json!(SECONDS - 60)),
            ("exp", json!("later")),
            ("exp", json!(null)),
            ("jti", json!("")),
            ("jti", json!(7)),
            ("jti", json!(long)),
            ("events", json!({})),
            ("events", json!({ "urn:other": {} })),
            ("events", json!({ EVENT: "yes" })),
            ("events", json!([EVENT])),
            ("nonce", json!("n")),
            ("nonce", json!(null)),
            ("sub", json!("a\u{0}na")),
            ("sub", json!(long)),
            ("sub", json!(null)),
            ("sid", json!("")),
            ("sid", json!(1)),
        ];
        for (name, value) in wrong {
            let claims = with(name, value);
            assert!(of(&claims).is_err(), "{:?}", claims.get(name));
        }
        for name in ["iss", "aud", "iat", "jti", "events"] {
            assert!(of(&without(name)).is_err(), "{name}");
        }
        let nobody: Claims = without("sub").into_iter().filter(|(name, _)| name != "sid").collect();
        assert_eq!(of(&nobody), Err("neither sub nor sid is there"));
    }
}
