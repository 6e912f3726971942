//! `GET /userinfo` and `POST /userinfo` (OpenID Connect Core §5.3.1): token in the header, or in a form body.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::error;
use crate::app::App;
use crate::domain::oauth::params::Params;
use crate::flows::userinfo;
use crate::web::extract::{bearer, caller};

/// `GET /userinfo`.
pub async fn get(State(app): State<App>, headers: HeaderMap) -> Response {
    answer(&app, &headers, None).await
}

/// `POST /userinfo`.
pub async fn post(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    let form = if body.is_empty() { None } else { caller::form(&headers, &body).ok() };
    answer(&app, &headers, form.as_ref()).await
}

async fn answer(app: &App, headers: &HeaderMap, form: Option<&Params>) -> Response {
    let token = match bearer::token(headers, form) {
        Ok(Some(token)) => token,
        Ok(None) => {
            let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"muster\""))];
            return (StatusCode::UNAUTHORIZED, challenge).into_response();
        }
        Err(error) => return error::bearer(error.into()),
    };
    match userinfo::claims(app, &token).await {
        Ok(claims) => {
            let mut response = Json(claims).into_response();
            error::no_store(&mut response);
            response
        }
        Err(fault) => error::bearer(fault),
    }
}
