//! `/ssf/…`: where applications keep their streams of security events, and fetch what waits in them (SSF 1.0 §8, RFC
//! 8936).
//!
//! Each request carries an access token of the application's own. What is wrong with a request is told as RFC 8935 §2.3
//! and RFC 8936 §2.6 do (`err`, `description`), what is wrong with a token as RFC 6750 §3.

pub mod metadata;
pub mod poll;
pub mod status;
pub mod streams;
pub mod subjects;
pub mod verify;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::extract::bearer;
use super::oidc::error::{bearer as of_token, no_store};
use crate::app::App;
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::ssf::Malformed;
use crate::domain::ssf::stream::VERIFICATION_INTERVAL;
use crate::flows::Fault;
use crate::flows::streams::{NotDone, Receiver, receiver};
use crate::kernel::time::SECOND;

/// Whose request it is, if their token allows one of these scopes.
async fn enter(app: &App, headers: &HeaderMap, scopes: &'static [&'static str]) -> Result<Receiver, NotDone> {
    let token = bearer::token(headers, None).ok().flatten().ok_or(NotDone::NoToken)?;
    receiver(app, &token, scopes).await
}

/// The stream that a query names, if it names one.
fn named(query: Option<&str>) -> Result<Option<String>, Malformed> {
    let parsed = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut found = parsed.filter(|(name, _)| name == "stream_id").map(|(_, value)| value.into_owned());
    let first = found.next();
    if found.next().is_some() {
        return Err(Malformed("stream_id stands there twice.".to_owned()));
    }
    Ok(first)
}

/// An answer with a JSON text.
fn answer(status: StatusCode, body: Value) -> Response {
    let mut response = (status, Json(body)).into_response();
    no_store(&mut response);
    response
}

/// An answer without a body.
fn empty(status: StatusCode) -> Response {
    let mut response = status.into_response();
    no_store(&mut response);
    response
}

/// An error in the words of RFC 8936 §2.6.
fn error(status: StatusCode, word: &str, description: &str) -> Response {
    answer(status, json!({ "err": word, "description": description }))
}

/// What is told to whom nothing was done.
fn refused(why: NotDone) -> Response {
    let told = why.to_string();
    match why {
        NotDone::NoToken => {
            let mut response = empty(StatusCode::UNAUTHORIZED);
            let challenge = HeaderValue::from_static("Bearer realm=\"muster\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            response
        }
        NotDone::Unauthorized => of_token(OAuthError::new(ErrorCode::InvalidToken, told).into()),
        NotDone::Scope(_) => of_token(OAuthError::new(ErrorCode::InsufficientScope, told).into()),
        NotDone::Unknown => error(StatusCode::NOT_FOUND, "not_found", &told),
        NotDone::Malformed(_) => error(StatusCode::BAD_REQUEST, "invalid_request", &told),
        NotDone::TooMany | NotDone::TooManyLeftOut => error(StatusCode::CONFLICT, "too_many", &told),
        NotDone::Disabled => error(StatusCode::CONFLICT, "stream_disabled", &told),
        NotDone::TooSoon => {
            let mut response = error(StatusCode::TOO_MANY_REQUESTS, "too_soon", &told);
            let seconds = HeaderValue::from(VERIFICATION_INTERVAL / SECOND);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            response
        }
        NotDone::Keys(error) => of_token(Fault::Keys(error)),
        NotDone::Store(error) => of_token(Fault::Store(error)),
    }
}

/// The answer, whichever it is.
fn told(outcome: Result<Response, NotDone>) -> Response {
    outcome.unwrap_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flows::streams::MANAGING;

    #[test]
    fn a_query_names_one_stream_at_most() {
        assert_eq!(named(None), Ok(None));
        assert_eq!(named(Some("x=1&stream_id=ssf_1")), Ok(Some("ssf_1".to_owned())));
        assert!(named(Some("stream_id=a&stream_id=a")).is_err());
    }

    #[test]
    fn a_refusal_has_its_status_and_what_is_wrong_with_a_token_its_challenge() {
        for (why, status) in [
            (NotDone::NoToken, 401),
            (NotDone::Unauthorized, 401),
            (NotDone::Scope(MANAGING), 403),
            (NotDone::Unknown, 404),
            (NotDone::Malformed(Malformed("x".to_owned())), 400),
            (NotDone::TooMany, 409),
            (NotDone::TooManyLeftOut, 409),
            (NotDone::Disabled, 409),
            (NotDone::TooSoon, 429),
        ] {
            let response = refused(why);
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers().contains_key(header::WWW_AUTHENTICATE), status == 401 || status == 403);
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), status == 429);
            assert_eq!(response.headers()["cache-control"], "no-store");
        }
    }
}
