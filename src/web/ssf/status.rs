//! `/ssf/status`: whether a stream tells (SSF 1.0 §8.1.2).

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::json;

use super::{answer, enter, named, told};
use crate::app::App;
use crate::domain::ssf::{self, Malformed, stream};
use crate::flows::streams::status::{self, Standing};
use crate::flows::streams::{MANAGING, NotDone, READING};

/// `GET /ssf/status`.
pub async fn get(State(app): State<App>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    told(read(&app, &headers, query.as_deref()).await)
}

async fn read(app: &App, headers: &HeaderMap, query: Option<&str>) -> Result<Response, NotDone> {
    let receiver = enter(app, headers, READING).await?;
    let id = named(query)?.ok_or_else(|| Malformed("stream_id is missing.".to_owned()))?;
    Ok(shown(&status::read(app, &receiver, &id).await?))
}

/// `POST /ssf/status`.
pub async fn post(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    told(set(&app, &headers, &body).await)
}

async fn set(app: &App, headers: &HeaderMap, body: &[u8]) -> Result<Response, NotDone> {
    let receiver = enter(app, headers, MANAGING).await?;
    let body = ssf::object(body)?;
    let (id, asked) = (ssf::stream_id(&body)?, stream::status(&body)?);
    Ok(shown(&status::set(app, &receiver, id, asked).await?))
}

fn shown(standing: &Standing) -> Response {
    let mut body = json!({ "stream_id": standing.stream, "status": standing.status });
    if let Some(reason) = &standing.reason {
        body["reason"] = reason.as_str().into();
    }
    answer(StatusCode::OK, body)
}
