//! `/ssf/streams`: an application's streams (SSF 1.0 §8.1.1).

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value};

use super::{answer, empty, enter, named, told};
use crate::app::App;
use crate::domain::ssf::stream::Wanted;
use crate::domain::ssf::{self, Malformed};
use crate::flows::streams::manage::{self, Extent};
use crate::flows::streams::{MANAGING, NotDone, READING, Receiver};

/// `GET /ssf/streams`: all of them, or the one that the query names.
pub async fn get(State(app): State<App>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    told(read(&app, &headers, query.as_deref()).await)
}

async fn read(app: &App, headers: &HeaderMap, query: Option<&str>) -> Result<Response, NotDone> {
    let receiver = enter(app, headers, READING).await?;
    let body = match named(query)? {
        None => manage::list(app, &receiver).await?.into(),
        Some(id) => manage::show(app, &receiver, &id).await?,
    };
    Ok(answer(StatusCode::OK, body))
}

/// `POST /ssf/streams`: makes one.
pub async fn post(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    told(create(&app, &headers, &body).await)
}

async fn create(app: &App, headers: &HeaderMap, body: &[u8]) -> Result<Response, NotDone> {
    let receiver = enter(app, headers, MANAGING).await?;
    let wanted = wanted(app, &receiver, &ssf::object(body)?)?;
    Ok(answer(StatusCode::CREATED, manage::create(app, &receiver, wanted).await?))
}

/// `PATCH /ssf/streams`: changes one.
pub async fn patch(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    told(change(&app, &headers, &body, Extent::Part).await)
}

/// `PUT /ssf/streams`: replaces one.
pub async fn put(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    told(change(&app, &headers, &body, Extent::Whole).await)
}

async fn change(app: &App, headers: &HeaderMap, body: &[u8], extent: Extent) -> Result<Response, NotDone> {
    let receiver = enter(app, headers, MANAGING).await?;
    let body = ssf::object(body)?;
    let id = ssf::stream_id(&body)?;
    let wanted = wanted(app, &receiver, &body)?;
    Ok(answer(StatusCode::OK, manage::change(app, &receiver, id, (extent, wanted)).await?))
}

/// `DELETE /ssf/streams`: deletes one, whatever its status.
pub async fn delete(State(app): State<App>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    told(remove(&app, &headers, query.as_deref()).await)
}

async fn remove(app: &App, headers: &HeaderMap, query: Option<&str>) -> Result<Response, NotDone> {
    let receiver = enter(app, headers, MANAGING).await?;
    let id = named(query)?.ok_or_else(|| Malformed("stream_id is missing.".to_owned()))?;
    manage::delete(app, &receiver, &id).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

fn wanted(app: &App, receiver: &Receiver, body: &Map<String, Value>) -> Result<Wanted, NotDone> {
    Ok(Wanted::read(body, (app.issuer(), receiver.client_id.as_str()))?)
}
