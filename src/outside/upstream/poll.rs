//! Fetching a transmitter's security events (RFC 8936): one request that acknowledges what was heard before and brings
//! what is new.

use openidconnect::http;
use openidconnect::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Map, Value, json};

use super::fetch::{MOST_ANSWER_BYTES, PATIENCE};
use super::{UpstreamError, Upstreams};
use crate::domain::federation::security_event::EventError;
use crate::kernel::secret::Secret;

/// So many events are asked for at a time.
const MOST_EVENTS: usize = 100;
/// So many are taken from a transmitter that gives more than it was asked for; the others come again.
const MOST_TAKEN: usize = 1_000;

impl Upstreams {
    /// Acknowledges events by their `jti`, says what is wrong with others, and gives those that wait: each one's `jti`
    /// and token, not verified. The transmitter answers at once, with none if there are none.
    ///
    /// # Errors
    /// [`UpstreamError::Refused`] where the bearer token isn't accepted; others where no answer came that is one.
    pub async fn poll(
        &self,
        url: &str,
        bearer: &Secret,
        acks: &[String],
        errors: &[(String, EventError)],
    ) -> Result<Vec<(String, String)>, UpstreamError> {
        let request = http::Request::post(url)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, format!("Bearer {}", bearer.expose()))
            .body(asking(acks, errors).to_string().into_bytes())
            .map_err(|_| UpstreamError::BadDiscovery("the address or the token for polling is none"))?;
        let answer = self.relying_party.fetch(request, MOST_ANSWER_BYTES, PATIENCE).await?;
        match answer.status().as_u16() {
            200 => waiting(answer.body()).ok_or(UpstreamError::Unreachable),
            204 => Ok(Vec::new()),
            401 | 403 => Err(UpstreamError::refused("invalid_token")),
            _ => Err(UpstreamError::Unreachable),
        }
    }
}

fn asking(acks: &[String], errors: &[(String, EventError)]) -> Value {
    let mut asking = Map::new();
    asking.insert("maxEvents".to_owned(), json!(MOST_EVENTS));
    asking.insert("returnImmediately".to_owned(), json!(true));
    if !acks.is_empty() {
        asking.insert("ack".to_owned(), json!(acks));
    }
    if !errors.is_empty() {
        let told = errors
            .iter()
            .map(|(jti, error)| (jti.clone(), json!({ "err": error.err, "description": error.description })));
        asking.insert("setErrs".to_owned(), Value::Object(told.collect()));
    }
    Value::Object(asking)
}

/// The tokens in an answer; `None` where it is none.
fn waiting(body: &[u8]) -> Option<Vec<(String, String)>> {
    let mut answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let Some(Value::Object(sets)) = answer.remove("sets") else { return None };
    let texts = sets.into_iter().filter_map(|(jti, set)| match set {
        Value::String(token) => Some((jti, token)),
        _ => None,
    });
    Some(texts.take(MOST_TAKEN).collect())
}

#[cfg(test)]
mod tests {
    use super::super::fake_tests::{Fake, upstreams};
    use super::*;

    #[tokio::test]
    async fn polling_acknowledges_what_was_heard_and_brings_what_is_new() {
        let fake = Fake::start().await;
        fake.answer("/poll", 200, r#"{ "sets": { "j1": "a.b.c", "j2": 7 }, "moreAvailable": false }"#);
        let (url, bearer) = (format!("{}/poll", fake.issuer), Secret::presented("t0ken"));
        let error = EventError { err: "invalid_issuer", description: "Another issuer's.".to_owned() };
        let found = upstreams().poll(&url, &bearer, &["j0".to_owned()], &[("jx".to_owned(), error)]).await;
        assert_eq!(found, Ok(vec![("j1".to_owned(), "a.b.c".to_owned())]));
        let asked = fake.asked("/poll").remove(0);
        assert!(asked.contains("authorization: Bearer t0ken\r\n"), "{asked}");
        let body: Value = serde_json::from_str(asked.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        let error = json!({ "err": "invalid_issuer", "description": "Another issuer's." });
        let wanted = json!({ "maxEvents": 100, "returnImmediately": true, "ack": ["j0"], "setErrs": { "jx": error } });
        assert_eq!(body, wanted);
    }

    #[tokio::test]
    async fn an_answer_that_is_none_brings_nothing() {
        let fake = Fake::start().await;
        let (upstreams, url) = (upstreams(), format!("{}/poll", fake.issuer));
        for (status, body, wanted) in [
            (200, r#"{ "sets": {} }"#, Ok(Vec::new())),
            (204, "", Ok(Vec::new())),
            (200, "{}", Err(UpstreamError::Unreachable)),
            (200, "no", Err(UpstreamError::Unreachable)),
            (500, "{}", Err(UpstreamError::Unreachable)),
            (401, "go away", Err(UpstreamError::Refused("invalid_token".to_owned()))),
        ] {
            fake.answer("/poll", status, body);
            assert_eq!(upstreams.poll(&url, &Secret::presented("t"), &[], &[]).await, wanted, "{status} {body}");
        }
        let broken = upstreams.poll(&url, &Secret::presented("a\r\nb"), &[], &[]).await;
        assert!(matches!(broken, Err(UpstreamError::BadDiscovery(_))));
        let inside = upstreams.poll("https://10.0.0.1/", &Secret::presented("t"), &[], &[]).await;
        assert!(matches!(inside, Err(UpstreamError::BadDiscovery(_))));
    }
}
