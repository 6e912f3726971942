//! `GET /upstream/{connection}/jwks`: the key that Muster signs its client assertions with at this connection's provider
//! (OIDC Core §9, `private_key_jwt`). No other connection has it, and nothing else is signed with it.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::json;

use super::{later, nothing, object};
use crate::app::App;
use crate::flows::federation::signals;

/// `GET /upstream/{connection}/jwks`.
pub async fn get(State(app): State<App>, Path(connection): Path<String>) -> Response {
    match signals::public_key(&app, &connection).await {
        Ok(Some(key)) => {
            let mut response = object(StatusCode::OK, json!({ "keys": [key] }));
            let age = HeaderValue::from_static("public, max-age=300");
            response.headers_mut().insert(header::CACHE_CONTROL, age);
            response.headers_mut().remove(header::PRAGMA);
            response
        }
        Ok(None) => nothing(),
        Err(error) => {
            tracing::error!(%error, "the database failed");
            later()
        }
    }
}
