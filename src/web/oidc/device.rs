//! `POST /device_authorization` (RFC 8628 §3.1): a device without a browser begins a sign-in.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::error;
use crate::app::App;
use crate::domain::oidc::discovery;
use crate::flows::Fault;
use crate::flows::device::start::{Started, start};
use crate::web::extract::caller::{self, Caller};
use crate::web::layers::ClientIp;

/// `POST /device_authorization`.
pub async fn post(State(app): State<App>, ClientIp(address): ClientIp, headers: HeaderMap, body: Bytes) -> Response {
    match begin(&app, &headers, &body, &address.to_string()).await {
        Ok(started) => {
            let mut response = Json(wire(&started)).into_response();
            error::no_store(&mut response);
            response
        }
        Err(fault) => error::answer(fault, &headers),
    }
}

async fn begin(app: &App, headers: &HeaderMap, body: &[u8], address: &str) -> Result<Started, Fault> {
    let path = discovery::DEVICE_AUTHORIZATION;
    let Caller { application, params, conn } = caller::authenticate(app, headers, body, path).await?;
    drop(conn);
    start(app, &application, &params, address).await
}

fn wire(started: &Started) -> Value {
    json!({
        "device_code": started.device_code.expose(),
        "user_code": started.user_code.shown(),
        "verification_uri": started.verification_uri,
        "verification_uri_complete": started.verification_uri_complete,
        "expires_in": started.expires_in,
        "interval": started.interval,
    })
}
