//! What a token says (RFC 9068 §2.2), and whether it is for this service and in time.

use serde_json::{Map, Value};

use crate::refusal::Kind;

/// The claims of a token that is honoured.
#[derive(Clone, Debug)]
pub struct Claims {
    all: Map<String, Value>,
    issued_at: i64,
    expires_at: i64,
}

/// Against what a token is checked. Times are seconds since 1970.
pub(crate) struct Expected<'a> {
    pub issuer: &'a str,
    pub audience: &'a str,
    pub now: i64,
    pub leeway: i64,
    /// The longest life of a token that the feed speaks of.
    pub max_life: i64,
}

impl Claims {
    /// Reads and checks the claims of a token whose signature holds.
    pub(crate) fn check(all: Map<String, Value>, expected: &Expected<'_>) -> Result<Self, Kind> {
        if all.get("iss").and_then(Value::as_str) != Some(expected.issuer) {
            return Err(Kind::WrongIssuer);
        }
        let for_us = match all.get("aud") {
            Some(Value::String(one)) => one == expected.audience,
            Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(expected.audience)),
            _ => false,
        };
        if !for_us {
            return Err(Kind::WrongAudience);
        }
        let seconds = |name: &str| all.get(name).and_then(Value::as_i64).ok_or(Kind::Malformed);
        let (issued_at, expires_at) = (seconds("iat")?, seconds("exp")?);
        if expected.now >= expires_at.saturating_add(expected.leeway) {
            return Err(Kind::Expired);
        }
        let begins = if all.contains_key("nbf") { seconds("nbf")?.max(issued_at) } else { issued_at };
        if begins > expected.now.saturating_add(expected.leeway) {
            return Err(Kind::NotYetValid);
        }
        if expires_at.saturating_sub(issued_at) > expected.max_life {
            return Err(Kind::TooLongLived);
        }
        let texts = ["sub", "client_id", "jti"].iter().all(|name| all.get(*name).is_some_and(Value::is_string));
        // Whoever has an organisation has a version: without it nothing could be compared.
        let versioned =
            !all.contains_key("org_id") || (all["org_id"].is_string() && all.get("acv").is_some_and(Value::is_i64));
        if !texts || !versioned {
            return Err(Kind::Malformed);
        }
        Ok(Self { all, issued_at, expires_at })
    }

    /// `sub`: the person, or the application itself.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.text("sub").unwrap_or_default()
    }

    /// `client_id`: the application that the token was issued to.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.text("client_id").unwrap_or_default()
    }

    /// `jti`.
    #[must_use]
    pub fn token_id(&self) -> &str {
        self.text("jti").unwrap_or_default()
    }

    /// What the token was made from: the part of `jti` before the dot.
    pub(crate) fn family(&self) -> &str {
        self.token_id().split_once('.').map_or("", |(family, _)| family)
    }

    /// `org_id`: the organisation in which the person acts; absent in an application's own token.
    #[must_use]
    pub fn org_id(&self) -> Option<&str> {
        self.text("org_id")
    }

    /// `acv`: the version of the person's access in that organisation.
    #[must_use]
    pub fn access_version(&self) -> Option<i64> {
        self.all.get("acv").and_then(Value::as_i64)
    }

    /// `iat`, in seconds since 1970.
    #[must_use]
    pub fn issued_at(&self) -> i64 {
        self.issued_at
    }

    /// `exp`, in seconds since 1970.
    #[must_use]
    pub fn expires_at(&self) -> i64 {
        self.expires_at
    }

    /// Whether `scope` has a word.
    #[must_use]
    pub fn has_scope(&self, word: &str) -> bool {
        self.text("scope").unwrap_or_default().split(' ').any(|one| one == word)
    }

    /// `org_roles`: the roles in the organisation.
    #[must_use]
    pub fn org_roles(&self) -> Vec<&str> {
        texts(self.all.get("org_roles"))
    }

    /// The roles on a project, by its key: from `project_roles`, or from `roles` of a token for that project alone.
    #[must_use]
    pub fn project_roles(&self, project: &str) -> Vec<&str> {
        if self.text("project") == Some(project) {
            return texts(self.all.get("roles"));
        }
        texts(self.all.get("project_roles").and_then(|all| all.get(project)))
    }

    /// Any claim.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.all.get(name)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &Map<String, Value> {
        &self.all
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.all.get(name).and_then(Value::as_str)
    }
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) fn a_token() -> Map<String, Value> {
        let claims = json!({
            "iss": "https://id.example", "aud": "https://api.example", "sub": "usr_1", "client_id": "shop", "jti": "fam_1.ab",
            "iat": 1000, "exp": 1600, "scope": "openid roles", "org_id": "org_1", "acv": 7, "org_roles": ["org.reader"],
            "project_roles": { "web": ["project.admin"] },
        });
        claims.as_object().expect("an object").clone()
    }

    pub(crate) fn check(all: Map<String, Value>, now: i64) -> Result<Claims, Kind> {
        let (issuer, audience) = ("https://id.example", "https://api.example");
        Claims::check(all, &Expected { issuer, audience, now, leeway: 5, max_life: 3600 })
    }

    fn refused(name: &str, value: Value) -> Kind {
        let mut token = a_token();
        token.insert(name.to_owned(), value);
        check(token, 1100).expect_err("it must be refused")
    }

    #[test]
    fn a_good_token_says_who_and_what() {
        let claims = check(a_token(), 1100).expect("it is good");
        assert_eq!((claims.subject(), claims.family(), claims.access_version()), ("usr_1", "fam_1", Some(7)));
        assert!(claims.has_scope("roles") && !claims.has_scope("role"));
        assert_eq!((claims.org_roles(), claims.project_roles("web")), (vec!["org.reader"], vec!["project.admin"]));
        assert!(claims.project_roles("data").is_empty());
    }

    #[test]
    fn somebody_elses_token_and_one_for_somebody_else_are_refused() {
        assert_eq!(refused("iss", json!("https://id.example/")), Kind::WrongIssuer);
        for aud in [json!("https://api.example/x"), json!([]), json!(null), json!({}), json!(["x", 7])] {
            assert_eq!(refused("aud", aud), Kind::WrongAudience);
        }
        let mut token = a_token();
        token.insert("aud".to_owned(), json!(["x", "https://api.example"]));
        assert!(check(token, 1100).is_ok());
    }

    #[test]
    fn time_is_kept_to_the_second_with_the_leeway() {
        assert_eq!(check(a_token(), 1605).err(), Some(Kind::Expired));
        assert!(check(a_token(), 1604).is_ok() && check(a_token(), 995).is_ok());
        assert_eq!(check(a_token(), 994).err(), Some(Kind::NotYetValid));
        assert_eq!(refused("nbf", json!(1106)), Kind::NotYetValid);
        assert_eq!(refused("exp", json!(1000 + 3601)), Kind::TooLongLived);
        assert_eq!(refused("exp", json!(i64::MAX)), Kind::TooLongLived);
    }

    #[test]
    fn what_every_token_has_must_be_there() {
        for (name, value) in [
            ("exp", json!("1600")),
            ("iat", json!(null)),
            ("sub", json!(7)),
            ("client_id", json!(null)),
            ("jti", json!([])),
            ("acv", json!("7")),
            ("org_id", json!(7)),
            ("nbf", json!("x")),
        ] {
            assert_eq!(refused(name, value), Kind::Malformed, "{name}");
        }
        let mut token = a_token();
        token.remove("acv");
        assert_eq!(check(token, 1100).err(), Some(Kind::Malformed));
    }
}
