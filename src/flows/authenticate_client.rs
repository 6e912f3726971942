//! Client authentication (RFC 6749 §2.3, RFC 7523): the phase before every grant, introspection and revocation.

use std::sync::Arc;

use super::{Fault, access_key, find_application, scim};
use crate::app::App;
use crate::domain::oauth::application::{Application, AuthMethod, Profile};
use crate::domain::oauth::client_auth::{self, AcceptedAudiences, Presented};
use crate::domain::oauth::error::OAuthError;
use crate::domain::oidc::discovery;
use crate::kernel::id::{AccessKeyId, ScimCredentialId};
use crate::kernel::secret::Digest;
use crate::outside::client_assertion::{AssertionAlg, verify_with_jwks};
use crate::store::access_keys::Standing;
use crate::store::codes;
use crate::store::db::Conn;
use crate::store::scim::credentials::Standing as ScimStanding;

/// Who proved who they are.
#[derive(Debug)]
pub enum Authenticated {
    /// An application.
    Application(Arc<Application>),
    /// A tool, with an access key that gives tokens now.
    Tool(Box<Standing>),
    /// A connection's SCIM client, with a credential that gives tokens now.
    Provisioner(Box<ScimStanding>),
}

/// One answer for an unknown, a disabled and a wrongly authenticated client.
pub(super) fn refused() -> Fault {
    OAuthError::invalid_client("client authentication failed").into()
}

/// The application that presented itself, at the endpoint with this path.
///
/// # Errors
/// `invalid_client`, or the database's.
pub async fn authenticate(
    app: &App,
    conn: &mut Conn,
    presented: Presented,
    path: &str,
) -> Result<Arc<Application>, Fault> {
    let client_id = presented.client_id().filter(|id| !names_no_application(id)).ok_or_else(refused)?;
    let application = find_application::active(app, conn, &client_id).await?.ok_or_else(refused)?;
    if presented.method() != application.auth_method {
        return Err(refused());
    }
    match presented {
        Presented::None { .. } => (application.auth_method == AuthMethod::None).then_some(()).ok_or_else(refused)?,
        Presented::Basic { secret, .. } | Presented::Post { secret, .. } => {
            client_auth::check_secret(&application, &secret).then_some(()).ok_or_else(refused)?;
        }
        Presented::Assertion { jwt, .. } => assertion(app, &application, &jwt, path).await?,
    }
    Ok(application)
}

/// The application, the tool or the SCIM client that presented itself: the ids of access keys and of connections'
/// credentials are names that no application has here.
///
/// # Errors
/// As [`authenticate`].
pub async fn authenticate_anybody(
    app: &App,
    conn: &mut Conn,
    presented: Presented,
    path: &str,
) -> Result<Authenticated, Fault> {
    let client_id = presented.client_id();
    if let Some(id) = client_id.as_deref().and_then(key_named) {
        return Ok(Authenticated::Tool(Box::new(access_key::authenticate(app, conn, &id, &presented).await?)));
    }
    if let Some(id) = client_id.as_deref().and_then(scim_client_named) {
        let client = scim::authenticate::client(app, conn, &id, &presented).await?;
        return Ok(Authenticated::Provisioner(Box::new(client)));
    }
    Ok(Authenticated::Application(authenticate(app, conn, presented, path).await?))
}

fn key_named(client_id: &str) -> Option<AccessKeyId> {
    client_id.parse().ok()
}

fn scim_client_named(client_id: &str) -> Option<ScimCredentialId> {
    client_id.parse().ok()
}

fn names_no_application(client_id: &str) -> bool {
    key_named(client_id).is_some() || scim_client_named(client_id).is_some()
}

/// A `private_key_jwt` assertion: signature first, then claims, then the `jti` is burnt (B9: in this order).
async fn assertion(app: &App, application: &Application, jwt: &str, path: &str) -> Result<(), Fault> {
    let jwks = application.jwks.as_deref().ok_or_else(refused)?;
    let allowed: &[AssertionAlg] = match application.profile {
        Profile::Standard => &AssertionAlg::ALL,
        Profile::Fapi2 => &[AssertionAlg::Es256, AssertionAlg::EdDsa, AssertionAlg::Ps256],
    };
    let claims = verify_with_jwks(jwks, jwt, allowed).map_err(|_| refused())?;
    let (token_endpoint, this_endpoint) = (app.url(discovery::TOKEN), app.url(path));
    let audiences =
        AcceptedAudiences { issuer: app.issuer(), token_endpoint: &token_endpoint, this_endpoint: &this_endpoint };
    let jti = client_auth::check_assertion(&claims, application, &audiences, app.now())?;
    let (id, key) = (application.id.clone(), Digest::of(jti.key.as_bytes()));
    let fresh = app
        .db
        .write(move |tx| Box::pin(async move { codes::remember_assertion(tx, &id, key, jti.expires).await }))
        .await;
    let fresh: bool = fresh.map_err(|error: sqlx::Error| Fault::Store(error))?;
    fresh.then_some(()).ok_or_else(refused)
}
