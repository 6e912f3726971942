//! An application or a tool that calls the token, introspection or revocation endpoint: its form, and who it proved to be.

use std::sync::Arc;

use axum::http::{HeaderMap, header};

use crate::app::App;
use crate::domain::oauth::application::Application;
use crate::domain::oauth::client_auth::{Presented, present};
use crate::domain::oauth::error::OAuthError;
use crate::domain::oauth::params::Params;
use crate::flows::Fault;
use crate::flows::authenticate_client::{self, Authenticated};
use crate::store::db::Conn;

/// An authenticated call of an application.
pub struct Caller {
    /// The application.
    pub application: Arc<Application>,
    /// The form.
    pub params: Params,
    /// A connection to read with.
    pub conn: Conn,
}

/// An authenticated call of an application or of a tool.
pub struct Call {
    /// Who calls.
    pub by: Authenticated,
    /// The form.
    pub params: Params,
    /// A connection to read with.
    pub conn: Conn,
}

/// Reads the form of an application's call.
///
/// # Errors
/// `invalid_request` when it is no form, or a bad one.
pub fn form(headers: &HeaderMap, body: &[u8]) -> Result<Params, OAuthError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(OAuthError::invalid_request("send application/x-www-form-urlencoded"));
    }
    Ok(Params::parse(body)?)
}

fn presented(headers: &HeaderMap, params: &Params) -> Result<Presented, OAuthError> {
    let authorization = match headers.get(header::AUTHORIZATION) {
        Some(value) => {
            Some(value.to_str().map_err(|_| OAuthError::invalid_client("the Authorization header is malformed"))?)
        }
        None => None,
    };
    present(authorization, params)
}

/// Authenticates the application that calls the endpoint with this path.
///
/// # Errors
/// `invalid_request`, `invalid_client`, or the database's.
pub async fn authenticate(app: &App, headers: &HeaderMap, body: &[u8], path: &str) -> Result<Caller, Fault> {
    let params = form(headers, body)?;
    let presented = presented(headers, &params)?;
    let mut conn = app.db.read().await?;
    let application = authenticate_client::authenticate(app, &mut conn, presented, path).await?;
    Ok(Caller { application, params, conn })
}

/// Authenticates the application or the tool that calls the endpoint with this path.
///
/// # Errors
/// As [`authenticate`].
pub async fn anybody(app: &App, headers: &HeaderMap, body: &[u8], path: &str) -> Result<Call, Fault> {
    let params = form(headers, body)?;
    let presented = presented(headers, &params)?;
    let mut conn = app.db.read().await?;
    let by = authenticate_client::authenticate_anybody(app, &mut conn, presented, path).await?;
    Ok(Call { by, params, conn })
}
