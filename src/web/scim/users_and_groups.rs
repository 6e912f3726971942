//! One user or one group: made, read, replaced, patched, deleted (RFC 7644 §3.3 to §3.6). Both are handled alike; what differs
//! between them is decided below.

use axum::http::header;
use axum::response::Response;
use serde_json::Value;

use super::gate::{Answer, Call};
use super::{query, reply};
use crate::domain::scim::error::ScimError;
use crate::domain::scim::resource::{etag, location};
use crate::domain::scim::schema::ResourceType;
use crate::flows::scim::read as reading;
use crate::flows::scim::write::{self, Done};

/// `GET /Users/{id}`.
pub async fn read(call: &Call<'_>, kind: ResourceType, id: &str) -> Result<Answer, ScimError> {
    let projection = query::projection(&call.query)?;
    let shown = reading::get(call.app, call.asking, kind, id, &projection).await?;
    let (place, tag) = (location(&call.asking.base(call.app), kind, id), etag(shown.version));
    let response =
        if reply::is_known(call.headers, &tag) { reply::empty(304) } else { reply::json(200, &shown.object) };
    let response = reply::with(response, header::CONTENT_LOCATION, &place);
    Ok(reply::with(reply::with(response, header::LOCATION, &place), header::ETAG, &tag).into())
}

/// `POST /Users`.
pub async fn create(call: &Call<'_>, kind: ResourceType, sent: &Value) -> Result<Answer, ScimError> {
    let projection = query::projection(&call.query)?;
    let done = write::create(call.app, call.asking, kind, sent, &projection).await?;
    Ok(answer(call, kind, done))
}

/// `PUT /Users/{id}`.
pub async fn replace(call: &Call<'_>, kind: ResourceType, id: &str, sent: &Value) -> Result<Answer, ScimError> {
    let (projection, if_match) = (query::projection(&call.query)?, reply::if_match(call.headers));
    let done = write::replace(call.app, call.asking, (kind, id), sent, if_match.as_deref(), &projection).await?;
    Ok(answer(call, kind, done))
}

/// `PATCH /Users/{id}`.
pub async fn patch(call: &Call<'_>, kind: ResourceType, id: &str, sent: &Value) -> Result<Answer, ScimError> {
    let (projection, if_match) = (query::projection(&call.query)?, reply::if_match(call.headers));
    let done = write::patch(call.app, call.asking, (kind, id), sent, if_match.as_deref(), &projection).await?;
    Ok(answer(call, kind, done))
}

/// `DELETE /Users/{id}`.
pub async fn delete(call: &Call<'_>, kind: ResourceType, id: &str) -> Result<Answer, ScimError> {
    let if_match = reply::if_match(call.headers);
    let done = write::delete(call.app, call.asking, (kind, id), if_match.as_deref()).await?;
    Ok(answer(call, kind, done))
}

/// What a write answers: the resource or nothing, and where it is in which version.
fn answer(call: &Call<'_>, kind: ResourceType, done: Done) -> Answer {
    let response = match &done.object {
        Some(object) => reply::json(done.status, object),
        None => reply::empty(done.status),
    };
    Answer { response: placed(call, kind, &done, response), change: done.change }
}

/// Where the resource is and which version it has now, if there is one still.
fn placed(call: &Call<'_>, kind: ResourceType, done: &Done, response: Response) -> Response {
    let Some(version) = done.version else {
        return response;
    };
    let place = location(&call.asking.base(call.app), kind, &done.id);
    reply::with(reply::with(response, header::LOCATION, &place), header::ETAG, &etag(version))
}
