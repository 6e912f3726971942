//! Answers: always `application/scim+json`, with the headers that say where a resource is and which version of it this was.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use super::media::SCIM_JSON;
use super::path::Place;
use crate::domain::scim::error::{ScimError, ScimType};

static KIND: HeaderValue = HeaderValue::from_static(SCIM_JSON);
static NO_TOKEN: HeaderValue = HeaderValue::from_static("Bearer realm=\"scim\"");
static BAD_TOKEN: HeaderValue = HeaderValue::from_static("Bearer realm=\"scim\", error=\"invalid_token\"");
/// When to come back where nothing better is known.
const SOON: u64 = 5;

/// An answer with some JSON. What is given is written out once and not copied.
#[must_use]
pub fn json<T: Serialize>(status: u16, body: &T) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => bytes_of(status, Bytes::from(bytes)),
        Err(_) => refused(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// An answer with JSON that was written out before.
#[must_use]
pub fn bytes_of(status: u16, bytes: Bytes) -> Response {
    let mut response = empty(status);
    response.headers_mut().insert(header::CONTENT_TYPE, KIND.clone());
    *response.body_mut() = Body::from(bytes);
    response
}

/// An answer without a body.
#[must_use]
pub fn empty(status: u16) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// An answer with a header more; left out where its text can stand in none.
#[must_use]
pub fn with(mut response: Response, name: HeaderName, text: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// An error.
#[must_use]
pub fn error(error: &ScimError) -> Response {
    let mut response = json(error.status, &error.body());
    if let Some(seconds) = error.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    response
}

/// 401: no token was shown.
#[must_use]
pub fn token_required() -> Response {
    challenge("Send the connection's token in the Authorization header: Bearer …", &NO_TOKEN)
}

/// 401: the token is none, or is honoured no more. Why is told to nobody.
#[must_use]
pub fn token_refused() -> Response {
    challenge("The token is not honoured (any more).", &BAD_TOKEN)
}

fn challenge(detail: &str, challenge: &HeaderValue) -> Response {
    let mut response = error(&ScimError::status(401, detail));
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge.clone());
    response
}

/// 405: the method is of no use here. What is goes with the answer; see [`error_at`].
#[must_use]
pub fn not_allowed(place: &Place) -> ScimError {
    ScimError::status(405, format!("Use one of these methods here: {}.", place.allowed()))
}

/// An error at a place: 405 lists what is allowed there.
#[must_use]
pub fn error_at(place: &Place, fault: &ScimError) -> Response {
    let response = error(fault);
    if fault.status == 405 { with(response, header::ALLOW, place.allowed()) } else { response }
}

/// What the edge answers with when a request doesn't get as far as here, or its answer never came.
#[must_use]
pub fn refused(status: StatusCode) -> Response {
    let detail = match status {
        StatusCode::MISDIRECTED_REQUEST => "The service has another name; use the address that the console shows.",
        StatusCode::URI_TOO_LONG => "The address is too long; POST the same question to /.search.",
        StatusCode::REQUEST_TIMEOUT => "The body took too long to come.",
        StatusCode::SERVICE_UNAVAILABLE => "The service is busy; try again in a moment.",
        StatusCode::INTERNAL_SERVER_ERROR => {
            "Something went wrong here; the answer's x-request-id says which request it was."
        }
        _ => status.canonical_reason().unwrap_or("The request was refused."),
    };
    let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(SOON);
    error(&ScimError { retry_after, ..ScimError::status(status.as_u16(), detail) })
}

/// 404 for another version of the protocol.
#[must_use]
pub fn other_version() -> ScimError {
    let kind = Some(ScimType::InvalidVers);
    ScimError { kind, ..ScimError::status(404, "This service speaks SCIM 2.0, under /scim/v2.") }
}

/// 503: what is needed for an answer does not answer.
#[must_use]
pub fn unavailable() -> ScimError {
    let detail = "The service can't answer now; try again in a moment.";
    ScimError { retry_after: Some(SOON), ..ScimError::status(503, detail) }
}

/// Whether a client has the version of a resource that this is already (RFC 9110 §13.1.2: compared weakly).
#[must_use]
pub fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let mine = opaque(etag);
    let said = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    said.flat_map(|value| value.split(',')).any(|tag| tag.trim() == "*" || opaque(tag) == mine)
}

/// `If-Match`, several lines as one.
#[must_use]
pub fn if_match(headers: &HeaderMap) -> Option<String> {
    let lines: Vec<&str> =
        headers.get_all(header::IF_MATCH).iter().map(|value| value.to_str().unwrap_or("?")).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'r>(response: &'r Response, name: &str) -> &'r str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn whatever_goes_wrong_is_said_in_scim() {
        let statuses = [400, 404, 408, 413, 414, 421, 500, 503];
        for status in statuses {
            let response = refused(StatusCode::from_u16(status).unwrap());
            assert_eq!((response.status().as_u16(), header(&response, "content-type")), (status, SCIM_JSON));
        }
        assert_eq!(header(&refused(StatusCode::SERVICE_UNAVAILABLE), "retry-after"), "5");
        assert!(header(&token_required(), "www-authenticate").starts_with("Bearer"));
        assert_eq!(header(&error_at(&Place::Bulk, &not_allowed(&Place::Bulk)), "allow"), "POST");
    }

    #[test]
    fn a_version_is_known_whether_its_tag_is_weak_or_strong_alone_or_in_a_list() {
        let known = |text: &str| {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, text.parse().unwrap())]);
            is_known(&headers, "W/\"3\"")
        };
        assert!(known("W/\"3\"") && known("\"3\"") && known("W/\"1\", W/\"3\"") && known("*"));
        assert!(!known("W/\"33\"") && !known("3") && !is_known(&HeaderMap::new(), "W/\"3\""));
    }

    #[test]
    fn a_wait_is_said_in_whole_seconds_and_never_nought() {
        let response = error(&ScimError { retry_after: Some(0), ..ScimError::status(429, "Too many.") });
        assert_eq!(header(&response, "retry-after"), "1");
    }
}
