//! The claims of an access token (RFC 9068 §2.2). Which organisation and roles stand in it, `domain::access` says.

use serde_json::{Map, Value};

use crate::domain::oauth::scope::Scopes;
use crate::kernel::time::UnixMillis;

/// The `typ` of its JOSE header (RFC 9068 §2.1).
pub const TYP: &str = "at+jwt";

/// What an access token says.
#[derive(Clone, Debug)]
pub struct AccessToken<'a> {
    /// `iss`.
    pub issuer: &'a str,
    /// `sub`: the person, or the application itself.
    pub subject: &'a str,
    /// `aud`: the registered resource, else the issuer. Never empty.
    pub audience: &'a str,
    /// `client_id`.
    pub client_id: &'a str,
    /// `scope`.
    pub scope: &'a Scopes,
    /// `jti`.
    pub jti: &'a str,
    /// `iat`.
    pub issued_at: UnixMillis,
    /// `exp`.
    pub expires_at: UnixMillis,
    /// `auth_time`; absent where no person signed in.
    pub auth_time: Option<UnixMillis>,
    /// `acr`.
    pub acr: Option<&'a str>,
    /// `amr`.
    pub amr: &'a [&'a str],
    /// `sid`.
    pub sid: Option<&'a str>,
    /// Organisation, roles and `acv`, from `domain::access`; they can't take the place of any other claim.
    pub access: Map<String, Value>,
}

impl AccessToken<'_> {
    /// The claims to sign.
    #[must_use]
    pub fn claims(&self) -> Map<String, Value> {
        let mut claims = self.access.clone();
        for name in ["auth_time", "acr", "amr", "sid", "scope", "cnf", "act", "nbf"] {
            claims.remove(name);
        }
        let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        put("iss", self.issuer.into());
        put("sub", self.subject.into());
        put("aud", self.audience.into());
        put("client_id", self.client_id.into());
        put("jti", self.jti.into());
        put("iat", self.issued_at.seconds().into());
        put("exp", self.expires_at.seconds().into());
        if !self.scope.is_empty() {
            put("scope", self.scope.to_string().into());
        }
        if let Some(auth_time) = self.auth_time {
            put("auth_time", auth_time.seconds().into());
        }
        for (name, value) in [("acr", self.acr), ("sid", self.sid)] {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of_a_person(scope: &Scopes) -> AccessToken<'_> {
        AccessToken {
            issuer: "https://id.example",
            subject: "usr_1",
            audience: "https://api.example",
            client_id: "shop",
            scope,
            jti: "j",
            issued_at: UnixMillis(1_000_999),
            expires_at: UnixMillis(1_600_999),
            auth_time: Some(UnixMillis(999_500)),
            acr: Some("urn:muster:acr:pwd"),
            amr: &["pwd"],
            sid: Some("sid_1"),
            access: Map::new(),
        }
    }

    #[test]
    fn a_persons_token_has_the_claims_of_rfc_9068_and_their_access() {
        let scope = Scopes::parse("roles openid").expect("well formed");
        let access = json!({ "org_id": "org_1", "org_roles": ["org.reader"], "acv": 7 });
        let token = AccessToken { access: access.as_object().expect("an object").clone(), ..of_a_person(&scope) };
        let expected = json!({
            "iss": "https://id.example", "sub": "usr_1", "aud": "https://api.example", "client_id": "shop", "scope": "openid roles",
            "jti": "j", "iat": 1000, "exp": 1600, "auth_time": 999, "acr": "urn:muster:acr:pwd", "amr": ["pwd"], "sid": "sid_1",
            "org_id": "org_1", "org_roles": ["org.reader"], "acv": 7,
        });
        assert_eq!(Value::Object(token.claims()), expected);
    }

    #[test]
    fn an_applications_own_token_names_no_person_and_no_session() {
        let scope = Scopes::default();
        let claims =
            AccessToken { subject: "shop", auth_time: None, acr: None, amr: &[], sid: None, ..of_a_person(&scope) }
                .claims();
        assert_eq!(claims["sub"], claims["client_id"]);
        assert!(["auth_time", "acr", "amr", "sid", "scope", "org_id"].iter().all(|name| !claims.contains_key(*name)));
    }

    #[test]
    fn access_claims_can_not_replace_a_claim() {
        let scope = Scopes::default();
        let hostile = json!({ "iss": "x", "sub": "x", "aud": "x", "exp": 9, "client_id": "x", "scope": "admin", "cnf": {}, "jti": "x", "iat": 1 });
        let token = AccessToken { access: hostile.as_object().expect("an object").clone(), ..of_a_person(&scope) };
        assert_eq!(token.claims(), of_a_person(&scope).claims());
    }
}
