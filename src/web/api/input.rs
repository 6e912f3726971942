//! What comes in: a JSON body and a query, each wholly understood or refused with the field's name.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::problem::Problem;

/// A JSON body. Unknown fields, and fields of another type, are refused.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let json = is_json(request.headers());
        let bytes = Bytes::from_request(request, state).await.map_err(|_| {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is larger than Muster reads.")
        })?;
        // An act that needs nothing more may be asked for without a body.
        let bytes = if bytes.is_empty() { Bytes::from_static(b"{}") } else { bytes };
        if !json && bytes.as_ref() != b"{}" {
            let detail = "Send the body as application/json.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
        }
        // No text of ours has that character, and not every database takes it.
        if bytes.windows(6).any(|part| part == b"\\u0000") {
            return Err(Problem::invalid("body", "Leave the character U+0000 out."));
        }
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            let field = if error.is_data() { field_of(&error.to_string()) } else { "body".to_owned() };
            Problem::invalid(field, format!("{error}."))
        })
    }
}

/// What a deletion is confirmed with.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConfirmQuery {
    /// The name, slug, key or client id of what is deleted, typed again: the route says which.
    pub confirm: Option<String>,
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json") || kind.eq_ignore_ascii_case("application/merge-patch+json")
}

/// The field that serde names in back quotes, if it names one.
fn field_of(message: &str) -> String {
    message.split('`').nth(1).filter(|_| message.contains("field")).unwrap_or("body").to_owned()
}

/// The query's parameters. Unknown and repeated ones are refused.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        if query.contains("%00") {
            return Err(Problem::invalid("query", "Leave the character U+0000 out."));
        }
        serde_urlencoded::from_str(query).map(Self).map_err(|error| {
            let message = error.to_string();
            Problem::invalid(field_of(&message), format!("{message}."))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_that_is_unknown_or_missing_is_named() {
        assert_eq!(field_of("unknown field `nmae`, expected `name`"), "nmae");
        assert_eq!(field_of("missing field `name` at line 1 column 2"), "name");
        assert_eq!(field_of("invalid type: integer `3`, expected a string"), "body");
    }
}
