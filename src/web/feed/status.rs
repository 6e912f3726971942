//! `GET /status/{number}`: a token status list (draft-ietf-oauth-status-list §8.1), for everybody.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::for_all;
use crate::app::App;
use crate::flows::feed::status;
use crate::web::oidc::error;

/// `GET /status/{number}`.
pub async fn get(State(app): State<App>, Path(number): Path<String>, headers: HeaderMap) -> Response {
    let Some(number) = number_of(&number) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let list = match status::list(&app, number).await {
        Ok(Some(list)) => list,
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(fault) => return error::answer(fault, &HeaderMap::new()),
    };
    let etag = HeaderValue::from_str(&list.etag).unwrap_or(HeaderValue::from_static("\"0\""));
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == etag);
    let age = (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=1"));
    let about = [(header::ETAG, etag), age, for_all()];
    if known {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/statuslist+jwt"))];
    (about, kind, list.body.clone()).into_response()
}

/// A number as it stands in a list's address, and nothing else that means the same.
fn number_of(text: &str) -> Option<i64> {
    let plain = text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_one_address() {
        assert_eq!((number_of("0"), number_of("17")), (Some(0), Some(17)));
        for other in ["", "-1", "+1", "00", "017", "1.0", "x", "99999999999999999999"] {
            assert_eq!(number_of(other), None, "{other}");
        }
    }
}
