//! Introspection: who may look into a token, and what everybody else is told (RFC 7662 §2.2, §4).
//!
//! Whether the token is live is decided by flows at the request's time; the answer's claims are the token's own.

use serde_json::{Map, Value};

use crate::domain::oauth::application::Application;

/// Whether an application may see a token: its own, or one made for its resource.
#[must_use]
pub fn may_see(application: &Application, claims: &Map<String, Value>) -> bool {
    let is = |value: Option<&Value>, text: &str| value.and_then(Value::as_str) == Some(text);
    if is(claims.get("client_id"), &application.client_id) {
        return true;
    }
    let Some(resource) = application.resource.as_deref() else {
        return false;
    };
    match claims.get("aud") {
        Some(Value::Array(members)) => members.iter().any(|member| is(Some(member), resource)),
        aud => is(aud, resource),
    }
}

/// What is said of a token that is dead, unknown, or none of the asker's business: the same in all three cases.
#[must_use]
pub fn inactive() -> Map<String, Value> {
    Map::from_iter([("active".to_owned(), Value::Bool(false))])
}

/// What is said of a live token: its claims, and that it is live.
#[must_use]
pub fn active(mut claims: Map<String, Value>) -> Map<String, Value> {
    claims.insert("active".to_owned(), Value::Bool(true));
    claims.insert("token_type".to_owned(), "Bearer".into());
    claims
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::oauth::application::sample;

    fn token(claims: &Value) -> Map<String, Value> {
        claims.as_object().expect("an object").clone()
    }

    #[test]
    fn an_application_sees_its_own_tokens_and_those_for_its_resource() {
        let mut api = sample();
        api.client_id = "api".to_owned();
        let of_shop = token(&json!({ "client_id": "shop", "aud": "https://api.example" }));
        assert!(may_see(&sample(), &of_shop));
        assert!(!may_see(&api, &of_shop));
        api.resource = Some("https://api.example".to_owned());
        assert!(may_see(&api, &of_shop));
        assert!(may_see(&api, &token(&json!({ "client_id": "shop", "aud": ["x", "https://api.example"] }))));
    }

    #[test]
    fn a_token_without_audience_or_client_is_nobodys() {
        assert!(!may_see(&sample(), &Map::new()));
        assert!(!may_see(&sample(), &token(&json!({ "client_id": ["shop"], "aud": null }))));
    }

    #[test]
    fn a_stranger_is_told_one_word_and_nothing_else() {
        assert_eq!(Value::Object(inactive()), json!({ "active": false }));
        assert_eq!(active(Map::new())["active"], true);
    }
}
