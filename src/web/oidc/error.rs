//! How flow faults look on the wire: OAuth errors as JSON (RFC 6749 §5.2, RFC 6750 §3), nothing of ours in them.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::flows::Fault;

/// What is ours to mend, as the protocol's error; logged here, once.
pub fn of_fault(fault: Fault) -> (OAuthError, Option<u64>) {
    match fault {
        Fault::OAuth(error) => (error, None),
        Fault::Store(error) => {
            tracing::error!(%error, "the database failed");
            (OAuthError::new(ErrorCode::TemporarilyUnavailable, "try again in a moment"), Some(1))
        }
        Fault::Keys(error) => {
            tracing::error!(%error, "no key signs");
            (OAuthError::new(ErrorCode::TemporarilyUnavailable, "try again in a moment"), Some(1))
        }
        Fault::Busy(busy) => (
            OAuthError::new(ErrorCode::TemporarilyUnavailable, "too many sign-ins at once"),
            Some(busy.retry_after_secs),
        ),
        Fault::Paused { seconds } => (
            OAuthError::new(ErrorCode::TemporarilyUnavailable, "too much was tried from this address"),
            u64::try_from(seconds).ok(),
        ),
    }
}

/// The answer of the token, introspection and revocation endpoints.
pub fn answer(fault: Fault, headers: &HeaderMap) -> Response {
    let (error, retry) = of_fault(fault);
    let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = (status, Json(error.body())).into_response();
    no_store(&mut response);
    if error.code == ErrorCode::InvalidClient && headers.contains_key(header::AUTHORIZATION) {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"muster\", charset=\"UTF-8\""));
    }
    if let Some(seconds) = retry {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The answer of an endpoint that a bearer token opens.
pub fn bearer(fault: Fault) -> Response {
    let (error, retry) = of_fault(fault);
    let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = (status, Json(error.body())).into_response();
    no_store(&mut response);
    let challenge = format!(
        "Bearer realm=\"muster\", error=\"{}\", error_description=\"{}\"",
        error.code.as_str(),
        error.description
    );
    if retry.is_none()
        && let Ok(value) = HeaderValue::from_str(&challenge)
    {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    if let Some(seconds) = retry {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Marks an answer with tokens or of a token's state as not to be kept anywhere.
pub fn no_store(response: &mut Response) {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
}
