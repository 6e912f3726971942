//! An access token in a request (RFC 6750 §2.1, §2.2): the header, or a form body; never the address.

use axum::http::{HeaderMap, header};

use crate::domain::oauth::error::OAuthError;
use crate::domain::oauth::params::Params;

/// The token that a request carries; `None` when it carries none.
///
/// # Errors
/// `invalid_request` when it carries more than one.
pub fn token(headers: &HeaderMap, form: Option<&Params>) -> Result<Option<String>, OAuthError> {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    let body = form.and_then(|form| form.get("access_token")).map(str::to_owned);
    match (header, body) {
        (Some(_), Some(_)) => Err(OAuthError::invalid_request("send the access token in one way only")),
        (header, body) => Ok(header.or(body)),
    }
}
