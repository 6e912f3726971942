//! ETags: the digest of what a GET answers, so that the same object has the same tag on every node.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::problem::Problem;
use crate::kernel::secret::Digest;

/// Answers are never larger than this: pages are cut long before.
const MOST: usize = 64 * 1024 * 1024;

/// The tag of some bytes.
fn of_bytes(bytes: &[u8]) -> String {
    format!("\"{}\"", &Digest::of(bytes).base64url()[..22])
}

/// The tag that a GET of this object has.
pub fn of<T: Serialize>(object: &T) -> String {
    of_bytes(&serde_json::to_vec(object).unwrap_or_default())
}

/// The tags that the client knows already.
pub fn known(headers: &HeaderMap) -> Option<String> {
    headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Puts the tag on a good JSON answer, or answers 304 when the client knows it.
pub async fn put(response: Response, known: Option<String>) -> Response {
    let json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if response.status() != StatusCode::OK || !json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, MOST).await else {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again in a moment.").into_response();
    };
    let tag = of_bytes(&bytes);
    let value = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"0\""));
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    parts.headers.insert(header::ETAG, value);
    if known.is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)) {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// Whether an `If-Match` still holds.
///
/// # Errors
/// 412.
pub fn check(if_match: Option<&str>, tag: &str) -> Result<(), Problem> {
    match if_match {
        Some(wanted) if !wanted.split(',').any(|one| one.trim() == tag) => Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "stale",
            "This was changed since it was read: read it again, and decide anew.",
        )),
        _ => Ok(()),
    }
}
