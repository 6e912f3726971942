//! `POST /ssf/poll/{stream}`: an application fetches its events (RFC 8936 §2).

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::json;

use super::{answer, enter, told};
use crate::app::App;
use crate::domain::ssf::poll as request;
use crate::flows::streams::{NotDone, READING, poll};

/// `POST /ssf/poll/{stream}`.
pub async fn post(State(app): State<App>, Path(stream): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    told(fetch(&app, &headers, &stream, &body).await)
}

async fn fetch(app: &App, headers: &HeaderMap, stream: &str, body: &[u8]) -> Result<Response, NotDone> {
    let receiver = enter(app, headers, READING).await?;
    let fetched = poll::fetch(app, &receiver, stream, request::read(body)?).await?;
    if !fetched.sets.is_empty() {
        // It may have waited long: what the token stood for may be over.
        enter(app, headers, READING).await?;
    }
    Ok(answer(StatusCode::OK, json!({ "sets": fetched.sets, "moreAvailable": fetched.more })))
}
