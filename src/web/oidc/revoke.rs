//! `POST /revoke` (RFC 7009): 200 whether or not there was anything to revoke; never 200 when it failed.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::error;
use crate::app::App;
use crate::domain::oauth::error::OAuthError;
use crate::domain::oidc::discovery;
use crate::flows::authenticate_client::Authenticated;
use crate::flows::{Fault, revoke};
use crate::web::extract::caller::{self, Call};

/// `POST /revoke`.
pub async fn post(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    match act(&app, &headers, &body).await {
        Ok(()) => {
            let mut response = StatusCode::OK.into_response();
            error::no_store(&mut response);
            response
        }
        Err(fault) => error::answer(fault, &headers),
    }
}

async fn act(app: &App, headers: &HeaderMap, body: &[u8]) -> Result<(), Fault> {
    let Call { by, params, conn } = caller::anybody(app, headers, body, discovery::REVOKE).await?;
    drop(conn);
    let token = params.get("token").ok_or_else(|| OAuthError::invalid_request("token is missing"))?;
    match by {
        Authenticated::Application(application) => revoke::revoke(app, &application, token).await,
        Authenticated::Tool(key) => revoke::revoke_own(app, key.id.as_str(), token).await,
        Authenticated::Provisioner(client) => revoke::revoke_own(app, client.credential.id.as_str(), token).await,
    }
}
