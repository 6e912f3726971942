//! `POST /ssf/verify`: an application tries its stream (SSF 1.0 §8.1.4).

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::{empty, enter, told};
use crate::app::App;
use crate::domain::ssf::{self, stream};
use crate::flows::streams::{NotDone, READING, verify};

/// `POST /ssf/verify`.
pub async fn post(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    told(ask(&app, &headers, &body).await)
}

async fn ask(app: &App, headers: &HeaderMap, body: &[u8]) -> Result<Response, NotDone> {
    let receiver = enter(app, headers, READING).await?;
    let body = ssf::object(body)?;
    let (id, state) = (ssf::stream_id(&body)?, stream::state(&body)?);
    verify::ask(app, &receiver, id, state).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
