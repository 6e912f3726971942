//! `POST /token` (RFC 6749 §3.2): client authentication, then the grant by its type.

use std::net::IpAddr;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::error;
use crate::app::App;
use crate::domain::oauth::application::GrantType;
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::oidc::discovery;
use crate::flows::authenticate_client::Authenticated;
use crate::flows::device::poll;
use crate::flows::issue::Tokens;
use crate::flows::scim::authenticate::issue_client_token;
use crate::flows::{Fault, access_key, client_credentials, exchange_code, refresh};
use crate::web::extract::caller::{self, Call};
use crate::web::layers::ClientIp;

/// `POST /token`.
pub async fn post(State(app): State<App>, ClientIp(address): ClientIp, headers: HeaderMap, body: Bytes) -> Response {
    match grant(&app, address, &headers, &body).await {
        Ok(tokens) => {
            let mut response = Json(wire(&tokens)).into_response();
            error::no_store(&mut response);
            response
        }
        Err(fault) => error::answer(fault, &headers),
    }
}

async fn grant(app: &App, address: IpAddr, headers: &HeaderMap, body: &[u8]) -> Result<Tokens, Fault> {
    let Call { by, params, mut conn } = caller::anybody(app, headers, body, discovery::TOKEN).await?;
    let asked = params.get("grant_type").ok_or_else(|| OAuthError::invalid_request("grant_type is missing"))?;
    let grant: GrantType = asked
        .parse()
        .map_err(|_| OAuthError::new(ErrorCode::UnsupportedGrantType, "this grant type is not supported"))?;
    let unauthorized = || OAuthError::new(ErrorCode::UnauthorizedClient, "the client may not use this grant type");
    let application = match by {
        Authenticated::Application(application) => application,
        Authenticated::Tool(key) if grant == GrantType::ClientCredentials => {
            return access_key::issue(app, &mut conn, &key, &params, address).await;
        }
        Authenticated::Provisioner(client) if grant == GrantType::ClientCredentials => {
            return issue_client_token(app, &client, &params);
        }
        Authenticated::Tool(_) | Authenticated::Provisioner(_) => return Err(unauthorized().into()),
    };
    if !application.allows(grant) {
        return Err(unauthorized().into());
    }
    match grant {
        GrantType::AuthorizationCode => exchange_code::exchange(app, &mut conn, &application, &params).await,
        GrantType::RefreshToken => refresh::refresh(app, &mut conn, &application, &params, address).await,
        GrantType::ClientCredentials => client_credentials::issue(app, &application, &params),
        GrantType::DeviceCode => poll::exchange(app, &mut conn, &application, &params, address).await,
    }
}

fn wire(tokens: &Tokens) -> Value {
    let mut body = json!({
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in,
    });
    let mut put = |name: &str, value: &str| body[name] = value.into();
    if !tokens.scope.is_empty() {
        put("scope", &tokens.scope);
    }
    if let Some(token) = &tokens.refresh_token {
        put("refresh_token", token.expose());
    }
    if let Some(token) = &tokens.id_token {
        put("id_token", token);
    }
    body
}
