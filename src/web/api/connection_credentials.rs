//! What a connection's client shows: long-lived tokens and OAuth clients. The secret is answered once, when it is made.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::connections::{found as connection_found, scim_url, standing};
use super::declare::{Needs, Routes, routes};
use super::input::{Body, Query};
use super::paging::{Page, PageQuery};
use super::problem::Problem;
use super::tag;
use super::words::{self, ReceiptBody};
use super::write::{self, Written};
use crate::app::App;
use crate::domain::change::Change;
use crate::domain::connection::{CredentialKind, NewScimCredential};
use crate::kernel::id::{OrgId, ScimCredentialId};
use crate::kernel::secret::Secret;
use crate::kernel::time::{DAY, UnixMillis};
use crate::store::db::Conn;
use crate::store::scim::credentials::{self, Credential};

/// So long a credential lives if nothing is said.
const USUAL_LIFE: i64 = 180 * DAY;
/// What every token begins with, so that it is found where it was left lying about …
const TOKEN_PREFIX: &str = "mst_";
/// … and what the secret of every OAuth client does.
const CLIENT_PREFIX: &str = "msc_";

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("connections.read"), routes!(list))
        .route(Needs::Org("connections.write").fresh(), routes!(create))
        .route(Needs::Org("connections.read"), routes!(get))
        .route(Needs::Org("connections.write").sensitive(), routes!(delete))
}

/// A credential of a connection's client, without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ScimCredential)]
pub struct CredentialBody {
    /// Its id; of an OAuth client also its `client_id`.
    pub id: String,
    /// The connection.
    pub connection_id: String,
    /// `token`: a bearer token; `client`: an OAuth client with `client_credentials`.
    pub kind: &'static str,
    /// What people call it.
    pub name: String,
    /// When it ends (RFC 3339).
    pub expires_at: String,
    /// Whether its time is over.
    pub expired: bool,
    /// When it was used last, to the minute (RFC 3339); null if it never was.
    pub last_used_at: Option<String>,
    /// Who made it.
    pub created_by: String,
    /// When it was made (RFC 3339).
    pub created_at: String,
}

/// What a new credential is made of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewScimCredential)]
pub struct NewCredentialBody {
    /// `token` or `client`.
    kind: String,
    /// 1 to 100 characters.
    name: String,
    /// When it ends (RFC 3339): in the future, after 365 days at most; after 180 if nothing is said.
    expires_at: Option<String>,
}

/// A new credential with its secret: it is shown this once, and kept as a digest only.
#[derive(Serialize, ToSchema)]
pub struct CredentialMade {
    /// The credential; null in a dry run.
    object: Option<CredentialBody>,
    /// The token, or the client's secret; null in a dry run, and when the answer is repeated.
    secret: Option<String>,
    /// The base URL, or tenant URL, of the identity provider's form.
    scim_url: String,
    /// Of an OAuth client: where it gets its access tokens, with the scope `scim`.
    token_url: Option<String>,
    /// What the change did.
    receipt: ReceiptBody,
}

/// A credential as answers show it.
#[must_use]
pub fn show(credential: Credential, now: UnixMillis) -> CredentialBody {
    CredentialBody {
        expired: credential.expires_at <= now,
        id: credential.id.into_string(),
        connection_id: credential.connection.into_string(),
        kind: credential.kind.as_str(),
        name: credential.name,
        expires_at: words::moment(credential.expires_at),
        last_used_at: credential.last_used_at.map(words::moment),
        created_by: credential.created_by,
        created_at: words::moment(credential.created_at),
    }
}

/// A credential of a connection of the organisation.
async fn found(conn: &mut Conn, org: &OrgId, connection: &str, id: &str) -> Result<Credential, Problem> {
    let missing = || Problem::not_found("The credential");
    let id: ScimCredentialId = id.parse().map_err(|_| missing())?;
    let credential = credentials::find(conn, org, &id).await?;
    credential.filter(|credential| credential.connection.as_str() == connection).ok_or_else(missing)
}

/// The credentials of a connection, the oldest first, never with a secret.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/connections/{connection}/credentials", tag = "connection credentials",
    params(PageQuery),
    responses((status = 200, description = "A page of credentials.", body = Page<CredentialBody>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Path((_, connection)): Path<(String, String)>,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<CredentialBody>>, Problem> {
    let now = app.now();
    let mut conn = app.db.read().await?;
    let connection = connection_found(&mut conn, &asked.room()?.id, &connection).await?;
    let all = credentials::of_connection(&mut conn, &connection.id).await?;
    Ok(axum::Json(Page::cut(all, &query, |one| one.id.to_string(), |one| show(one, now))?))
}

/// Gives a connection's client a token or an OAuth client. There are at most two of a kind at a time, so that one can take
/// over from the other. The answer has the secret, this once.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/connections/{connection}/credentials", tag = "connection credentials",
    request_body = NewCredentialBody,
    responses((status = 201, description = "The credential and its secret.", body = CredentialMade),
              (status = 200, description = "A dry run: nothing was made.", body = CredentialMade)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, connection)): Path<(String, String)>,
    Body(new): Body<NewCredentialBody>,
) -> Result<Response, Problem> {
    let (org, now) = (asked.room()?.id.clone(), app.now());
    let mut conn = app.db.read().await?;
    let connection = standing(&mut conn, &org, &connection).await?.id;
    drop(conn);
    let kind: CredentialKind = new.kind.parse().map_err(|_| Problem::invalid("kind", "Use token or client."))?;
    let expires_at = match &new.expires_at {
        Some(text) => words::read_moment("expires_at", text)?,
        None => now.plus(USUAL_LIFE),
    };
    let (prefix, token_url) = match kind {
        CredentialKind::Token => (TOKEN_PREFIX, None),
        CredentialKind::Client => (CLIENT_PREFIX, Some(format!("{}/token", app.issuer()))),
    };
    let secret = Secret::mint(&*app.chance, prefix);
    let id = ScimCredentialId::fresh();
    let digest = secret.digest();
    let credential = NewScimCredential { id: id.clone(), connection, kind, name: new.name, secret: digest, expires_at };
    let change = Change::AddScimCredential { org: org.clone(), credential: Box::new(credential) };
    let receipt = write::send(&app, &asked, &how, vec![change]).await?;
    let mut conn = app.db.read().await?;
    let object = credentials::find(&mut conn, &org, &id).await?.map(|made| show(made, now));
    let secret = (!receipt.dry_run).then(|| secret.expose().to_owned());
    let status = if receipt.dry_run { StatusCode::OK } else { StatusCode::CREATED };
    let receipt = ReceiptBody::of(&receipt);
    let made = CredentialMade { object, secret, scim_url: scim_url(app.issuer()), token_url, receipt };
    Ok((status, axum::Json(made)).into_response())
}

/// One credential, without its secret.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/connections/{connection}/credentials/{credential}",
    tag = "connection credentials", responses((status = 200, description = "The credential.", body = CredentialBody)))]
async fn get(
    State(app): State<App>,
    asked: Asked,
    Path((_, connection, credential)): Path<(String, String, String)>,
) -> Result<axum::Json<CredentialBody>, Problem> {
    let mut conn = app.db.read().await?;
    let found = found(&mut conn, &asked.room()?.id, &connection, &credential).await?;
    Ok(axum::Json(show(found, app.now())))
}

/// Removes a credential: whoever shows it is refused from the next request on, and so is every access token that it got.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/connections/{connection}/credentials/{credential}",
    tag = "connection credentials",
    responses((status = 200, description = "It is gone.", body = Written<CredentialBody>)))]
async fn delete(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, connection, credential)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let (org, now) = (asked.room()?.id.clone(), app.now());
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, connection, credential) = (org.clone(), connection.clone(), credential.clone());
        Box::pin(async move {
            let before = found(conn, &org, &connection, &credential).await?;
            let credential = before.id.clone();
            Ok((tag::of(&show(before, now)), vec![Change::RemoveScimCredential { org, credential }]))
        })
    })
    .await?;
    Ok(Written::<CredentialBody>::ok(None, &receipt))
}
