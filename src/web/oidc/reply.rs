//! The authorization response (RFC 6749 §4.1.2, RFC 9207, Form Post 1.0): to a verified redirect URI only.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::domain::oauth::authorization_request::{AuthorizationRequest, ResponseMode};
use crate::domain::oauth::error::OAuthError;
use crate::domain::oauth::redirect_uri::VerifiedRedirect;
use crate::domain::oauth::response;
use crate::kernel::secret::Secret;
use crate::web::layers::FormAction;
use crate::web::pages::page;
use crate::web::pages::view::FormPostPage;

/// The code, sent home.
#[must_use]
pub fn success(app: &App, request: &AuthorizationRequest, code: &Secret) -> Response {
    send(&request.redirect, request.response_mode, &response::success(request, code, app.issuer()))
}

/// An error, sent home.
#[must_use]
pub fn refusal(app: &App, to: (&VerifiedRedirect, ResponseMode), error: &OAuthError, state: Option<&str>) -> Response {
    send(to.0, to.1, &response::error_params(error, state, app.issuer()))
}

fn send(redirect: &VerifiedRedirect, mode: ResponseMode, fields: &[(String, String)]) -> Response {
    match mode {
        ResponseMode::Query => {
            let pairs: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            see_other(&redirect.with_query(&pairs))
        }
        ResponseMode::FormPost => {
            let form =
                FormPostPage { action: redirect.as_str().to_owned(), fields: fields.to_vec(), application: None };
            let mut response = page(StatusCode::OK, &form);
            response.extensions_mut().insert(FormAction(redirect.form_action()));
            response
        }
    }
}

/// 303: after a POST the browser must not send the form again (RFC 9700 §4.12).
#[must_use]
pub fn see_other(to: &str) -> Response {
    match HeaderValue::from_str(to) {
        Ok(location) => (
            StatusCode::SEE_OTHER,
            [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))],
        )
            .into_response(),
        Err(_) => crate::web::pages::error::unavailable(),
    }
}
