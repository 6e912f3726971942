//! `POST /ssf/subjects:add` and `/ssf/subjects:remove` (SSF 1.0 §8.1.3). The answer does not tell who exists.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::json;

use super::{answer, empty, enter, told};
use crate::app::App;
use crate::domain::ssf::{self, subject};
use crate::flows::streams::subjects::{self, Turn};
use crate::flows::streams::{MANAGING, NotDone};

/// `POST /ssf/subjects:add`.
pub async fn add(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    told(turn(&app, &headers, &body, Turn::Add).await.map(|()| answer(StatusCode::OK, json!({}))))
}

/// `POST /ssf/subjects:remove`.
pub async fn remove(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    told(turn(&app, &headers, &body, Turn::Remove).await.map(|()| empty(StatusCode::NO_CONTENT)))
}

async fn turn(app: &App, headers: &HeaderMap, body: &[u8], turn: Turn) -> Result<(), NotDone> {
    let receiver = enter(app, headers, MANAGING).await?;
    let body = ssf::object(body)?;
    let (id, subject) = (ssf::stream_id(&body)?, subject::read(&body, app.issuer())?);
    subjects::turn(app, &receiver, id, (turn, subject)).await
}
