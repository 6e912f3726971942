//! Global token revocation (draft-parecki-oauth-global-token-revocation, Okta's Universal Logout): who asks, and whose
//! sessions and tokens shall end.
//!
//! The bearer is a JWT whose signature is verified before; whether its `jti` was seen before is asked after.

use serde_json::Value;

use super::Claims;
use super::claims::{is_for, moment};
use super::logout_token::{OLDEST, SKEW, issued, jti};
use super::security_event::{Subject, read};
use crate::kernel::time::{HOUR, UnixMillis};

/// The `typ` that Okta gives the JWT.
pub const TYP: &str = "global-token-revocation+jwt";
/// How far ahead its end may lie; Okta's is five minutes.
const LONGEST_LIFE: i64 = HOUR;

/// What a JWT must say.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The connection's issuer.
    pub issuer: &'a str,
    /// Who Muster is there: the JWT's subject.
    pub client_id: &'a str,
    /// The address that was asked.
    pub audience: &'a str,
    /// The time.
    pub now: UnixMillis,
}

/// A JWT that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// By which it is known when it comes again.
    pub jti: String,
    /// When it is refused for its age, and needn't be remembered any more.
    pub expires: UnixMillis,
}

/// Judges the JWT's claims.
///
/// # Errors
/// What is wrong, in words that hold nothing of the JWT.
pub fn check(claims: &Claims, expected: &Expected<'_>) -> Result<Bearer, &'static str> {
    let is = |name: &str, wanted: &str| claims.get(name).and_then(Value::as_str) == Some(wanted);
    if !is("iss", expected.issuer) {
        return Err("iss is not the provider's issuer");
    }
    if !is("sub", expected.client_id) {
        return Err("sub is not our client id");
    }
    if !is_for(claims, expected.audience) {
        return Err("aud is not this address");
    }
    let issued = issued(claims, expected.now)?;
    let expires = moment(claims, "exp").ok().flatten().ok_or("exp is not there")?;
    if expires > expected.now.plus(LONGEST_LIFE) {
        return Err("exp lies too far ahead");
    }
    let begins = moment(claims, "nbf").map_err(|_| "nbf is no time")?;
    if begins.is_some_and(|begins| begins > expected.now.plus(SKEW)) {
        return Err("nbf lies ahead");
    }
    Ok(Bearer { jti: jti(claims)?, expires: issued.plus(OLDEST + SKEW) })
}

/// Whom the request is about.
///
/// # Errors
/// A sentence for the one who asks.
pub fn subject(body: &Value) -> Result<Subject, String> {
    let named = body.get("sub_id").ok_or("sub_id is missing.")?;
    let subject = read(named)?;
    subject.ok_or_else(|| "This format of a subject identifier is not known here; use iss_sub or email.".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Upstream;
    use super::*;
    use crate::kernel::time::MINUTE;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
    const SECONDS: i64 = 1_700_000_000;
    const HERE: &str = "https://id.test/upstream/con_1/revocation";

    fn with(name: &str, value: Option<Value>) -> Claims {
        let bearer = json!({
            "iss": "https://acme.okta.test", "sub": "muster", "aud": HERE, "jti": "j1", "iat": SECONDS,
            "nbf": SECONDS - 300, "exp": SECONDS + 300,
        });
        let mut claims = bearer.as_object().cloned().unwrap();
        claims.remove(name);
        claims.extend(value.map(|value| (name.to_owned(), value)));
        claims
    }

    fn of(claims: &Claims) -> Result<Bearer, &'static str> {
        let issuer = "https://acme.okta.test";
        check(claims, &Expected { issuer, client_id: "muster", audience: HERE, now: NOW })
    }

    #[test]
    fn the_providers_own_request_is_heard() {
        let passed = Bearer { jti: "j1".to_owned(), expires: NOW.plus(11 * MINUTE) };
        for fine in [with("", None), with("aud", Some(json!([HERE]))), with("nbf", None)] {
            assert_eq!(of(&fine), Ok(passed.clone()));
        }
    }

    #[test]
    fn a_bearer_with_one_wrong_claim_is_refused() {
        let wrong = [
            ("iss", json!("https://acme.okta.test/")),
            ("iss", json!("https://other.okta.test")),
            ("sub", json!("another-client")),
            ("sub", json!(["muster"])),
            ("aud", json!("https://id.test/upstream/con_2/revocation")),
            ("aud", json!("muster")),
            ("aud", json!([])),
            ("jti", json!("")),
            ("jti", json!(1)),
            ("iat", json!(SECONDS + 61)),
            ("iat", json!(SECONDS - 601)),
            ("iat", json!("now")),
            ("nbf", json!(SECONDS + 61)),
            ("nbf", json!("now")),
            ("exp", json!(SECONDS - 60)),
            ("exp", json!(SECONDS + 3_601)),
            ("exp", json!("later")),
        ];
        for (name, value) in wrong {
            assert!(of(&with(name, Some(value.clone()))).is_err(), "{name} {value}");
        }
        for name in ["iss", "sub", "aud", "jti", "iat", "exp"] {
            assert!(of(&with(name, None)).is_err(), "{name}");
        }
    }

    #[test]
    fn the_body_names_one_subject() {
        let ana = Upstream { issuer: "https://acme.okta.test".to_owned(), subject: "00u1".to_owned() };
        let body = json!({ "sub_id": { "format": "iss_sub", "iss": "https://acme.okta.test", "sub": "00u1" } });
        assert_eq!(subject(&body), Ok(Subject::IssSub(ana)));
        let body = json!({ "sub_id": { "format": "email", "email": "ana@acme.test" }, "more": 1 });
        assert_eq!(subject(&body), Ok(Subject::Email("ana@acme.test".to_owned())));
        for bad in [
            json!({}),
            json!([]),
            json!("ana"),
            json!({ "sub_id": "ana" }),
            json!({ "sub_id": {} }),
            json!({ "sub_id": { "format": "iss_sub", "sub": "00u1" } }),
            json!({ "sub_id": { "format": "email", "email": "ana" } }),
            json!({ "sub_id": { "format": "phone_number", "phone_number": "+12065550100" } }),
        ] {
            assert!(subject(&bad).is_err(), "{bad}");
        }
    }
}
