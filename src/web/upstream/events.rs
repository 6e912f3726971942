//! `POST /upstream/{connection}/events`: a security event token is pushed (RFC 8935 §2).

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::json;

use super::{empty, is_of, later, nothing, object, origin};
use crate::app::App;
use crate::flows::federation::signals::events::{self, NotTaken};
use crate::web::layers::{ClientIp, RequestId};

/// What a security event token is sent as (RFC 8417 §2.3).
const MEDIA: &str = "application/secevent+jwt";

/// `POST /upstream/{connection}/events`.
pub async fn post(
    State(app): State<App>,
    Path(connection): Path<String>,
    address: ClientIp,
    id: RequestId,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // What is sent as something else is no token, and is refused as such where there is somebody to refuse it.
    let set = if is_of(&headers, MEDIA) { std::str::from_utf8(&body).unwrap_or_default().trim() } else { "" };
    match events::hear(&app, &connection, set, &origin(address, id)).await {
        Ok(()) => empty(StatusCode::ACCEPTED),
        Err(NotTaken::Unknown) => nothing(),
        Err(NotTaken::Refused(error)) => refused(error.err, &error.description),
        Err(NotTaken::NoKeys(_)) => later(),
        Err(NotTaken::Store(error)) => {
            tracing::error!(%error, "the database failed");
            later()
        }
    }
}

/// RFC 8935 §2.3: the error's word and, in a language that is named, what it means.
fn refused(word: &str, description: &str) -> Response {
    let mut response = object(StatusCode::BAD_REQUEST, json!({ "err": word, "description": description }));
    response.headers_mut().insert(header::CONTENT_LANGUAGE, HeaderValue::from_static("en"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_its_word_and_its_language() {
        let response = refused("invalid_audience", "it is for somebody else");
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()["content-language"], "en");
        assert_eq!(response.headers()["content-type"], "application/json");
    }
}
