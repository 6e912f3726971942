//! `GET /.well-known/ssf-configuration` (SSF 1.0 §7.1).

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::domain::ssf::metadata;

/// `GET /.well-known/ssf-configuration`.
pub async fn get(State(app): State<App>) -> Response {
    let kept = [
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    (kept, Json(metadata::document(app.issuer()))).into_response()
}
