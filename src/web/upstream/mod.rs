//! `/upstream/{connection}/…` as a customer's own provider calls it: what it says of sessions that are over and of
//! accounts, and the key of ours that it asks for.
//!
//! No cookie is read here, and no session begun; the pages that people pass on their way through a provider are
//! `pages::upstream`'s. A connection that doesn't work is answered like one that never was.

pub mod events;
pub mod jwks;
pub mod logout;
pub mod revocation;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::layers::{ClientIp, RequestId};
use super::oidc::error::no_store;
use crate::domain::change::Origin;

/// Where a request came from.
fn origin(ClientIp(address): ClientIp, id: RequestId) -> Origin {
    Origin { address: address.to_string(), request_id: id.to_string(), repeatable: None }
}

/// Whether a body says that it is of this media type.
fn is_of(headers: &HeaderMap, kind: &str) -> bool {
    let mut sent = headers.get_all(header::CONTENT_TYPE).iter();
    let (first, second) = (sent.next().and_then(|value| value.to_str().ok()), sent.next());
    let essence = first.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    second.is_none() && essence.eq_ignore_ascii_case(kind)
}

/// An answer without a body.
fn empty(status: StatusCode) -> Response {
    let mut response = status.into_response();
    no_store(&mut response);
    response
}

/// An answer with a JSON object.
fn object(status: StatusCode, body: Value) -> Response {
    let mut response = (status, Json(body)).into_response();
    no_store(&mut response);
    response
}

/// An error in the words of RFC 6749 §5.2.
fn error(status: StatusCode, word: &str, description: &str) -> Response {
    object(status, json!({ "error": word, "error_description": description }))
}

/// What is there for nobody: a connection that doesn't work, or hears no such thing, too.
fn nothing() -> Response {
    error(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address.")
}

/// Something of ours, or the provider's keys, can't be had now; the same may be sent again.
fn later() -> Response {
    let mut response =
        error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "Send it again in a few seconds.");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_read_without_its_parameters_and_two_are_none() {
        let mut headers = HeaderMap::new();
        assert!(!is_of(&headers, "application/json"));
        headers.append(header::CONTENT_TYPE, HeaderValue::from_static("Application/JSON; charset=utf-8"));
        assert!(is_of(&headers, "application/json") && !is_of(&headers, "application/secevent+jwt"));
        headers.append(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert!(!is_of(&headers, "application/json"));
    }

    #[test]
    fn an_answer_is_kept_nowhere_and_one_that_failed_says_when_to_come_again() {
        let response = later();
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &HeaderValue::from(5)));
        for response in [response, nothing(), empty(StatusCode::NO_CONTENT)] {
            assert_eq!(response.headers()["cache-control"], "no-store");
        }
    }
}
