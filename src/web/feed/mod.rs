//! The feed of revocations and the status lists, for services that check tokens without asking.

pub mod revocations;
pub mod status;
mod stream;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::flows::feed;

/// Pages of other origins may read it: it is for everybody.
fn for_all() -> (HeaderName, HeaderValue) {
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))
}

/// `GET /.well-known/muster-revocations`.
pub async fn metadata(State(app): State<App>) -> Response {
    let age = (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    ([age, for_all()], Json(feed::metadata(&app))).into_response()
}
