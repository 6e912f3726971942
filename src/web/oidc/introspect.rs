//! `POST /introspect` (RFC 7662).

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

use super::error;
use crate::app::App;
use crate::domain::oauth::error::OAuthError;
use crate::domain::oidc::discovery;
use crate::flows::{Fault, revoke};
use crate::web::extract::caller::{self, Caller};

/// `POST /introspect`. A public application has no business here: it could ask about tokens it found.
pub async fn post(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    match look(&app, &headers, &body).await {
        Ok(claims) => {
            let mut response = Json(claims).into_response();
            error::no_store(&mut response);
            response
        }
        Err(fault) => error::answer(fault, &headers),
    }
}

async fn look(
    app: &App,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<serde_json::Map<String, serde_json::Value>, Fault> {
    let Caller { application, params, mut conn } =
        caller::authenticate(app, headers, body, discovery::INTROSPECT).await?;
    if application.is_public() {
        return Err(OAuthError::invalid_client("introspection needs a confidential application").into());
    }
    let token = params.get("token").ok_or_else(|| OAuthError::invalid_request("token is missing"))?;
    revoke::introspect(app, &mut conn, &application, token).await
}
