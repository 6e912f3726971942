//! The claims of a logout token (OpenID Connect Back-Channel Logout §2.4).
//!
//! Whom to tell is decided by the change that ended the session; the outbox delivers.

use serde_json::{Map, Value, json};

use crate::kernel::time::{MINUTE, UnixMillis};

/// The `typ` of its JOSE header.
pub const TYP: &str = "logout+jwt";
/// The only event it reports.
pub const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How long it lives, in milliseconds.
pub const LIFE: i64 = 2 * MINUTE;

/// The claims to sign. At least one of `sub` and `sid` must be given (§2.4).
///
/// There is never a `nonce`: with one, it could pass for an ID token.
#[must_use]
pub fn claims<'a>(
    iss: &str,
    aud: &str,
    sub: impl Into<Option<&'a str>>,
    sid: impl Into<Option<&'a str>>,
    jti: &str,
    now: UnixMillis,
) -> Map<String, Value> {
    let (sub, sid): (Option<&str>, Option<&str>) = (sub.into(), sid.into());
    let mut claims = Map::new();
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    put("iss", iss.into());
    put("aud", aud.into());
    put("iat", now.seconds().into());
    put("exp", now.plus(LIFE).seconds().into());
    put("jti", jti.into());
    put("events", json!({ EVENT: {} }));
    for (name, value) in [("sub", sub), ("sid", sid)] {
        if let Some(value) = value {
            put(name, value.into());
        }
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logout_token_has_exactly_its_claims() {
        let expected = json!({
            "iss": "https://id.example", "aud": "shop", "sub": "usr_1", "sid": "sid_1", "jti": "j", "iat": 10, "exp": 130,
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        assert_eq!(
            Value::Object(claims("https://id.example", "shop", "usr_1", "sid_1", "j", UnixMillis(10_999))),
            expected
        );
    }

    #[test]
    fn what_is_not_known_is_not_there_and_a_nonce_never_is() {
        let token = claims("i", "a", "usr_1", None::<&str>, "j", UnixMillis(0));
        assert!(token.contains_key("sub") && !token.contains_key("sid") && !token.contains_key("nonce"));
    }
}
