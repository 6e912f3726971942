//! Who somebody is at the providers of connections: an administrator's view of a member, and one's own.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::managed_by::ConnectionName;
use super::problem::Problem;
use super::tag;
use super::words::moment;
use super::write::{self, Written};
use crate::app::App;
use crate::domain::change::Change;
use crate::store::connections;
use crate::store::db::Conn;
use crate::store::federation::identities::{self, Identity};

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::OwnOr("users.read"), routes!(list))
        .route(Needs::OwnOr("users.write").people_only(), routes!(unlink))
        .route(Needs::Caller.people_only(), routes!(mine))
        .route(Needs::Caller.people_only(), routes!(unlink_mine))
}

/// Who an account is at a connection's provider.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Identity)]
pub struct IdentityBody {
    /// Its id.
    pub id: String,
    /// The connection.
    pub connection: ConnectionName,
    /// Its organisation.
    pub org_id: String,
    /// The account here.
    pub user_id: String,
    /// The provider's issuer.
    pub issuer: String,
    /// Who, there: the `sub` claim.
    pub subject: String,
    /// Since when it is known (RFC 3339).
    pub linked_at: String,
    /// Who linked it: the connection itself, or the person.
    pub linked_by: String,
    /// When the person came through last (RFC 3339).
    pub last_sign_in_at: Option<String>,
}

/// The identities of an account.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IdentitiesBody {
    /// By connection.
    pub items: Vec<IdentityBody>,
}

async fn show(conn: &mut Conn, all: Vec<Identity>) -> Result<IdentitiesBody, Problem> {
    let mut items = Vec::new();
    for identity in all {
        let named = connections::by_id(conn, &identity.connection).await?;
        let unnamed = || ConnectionName { id: identity.connection.to_string(), name: identity.connection.to_string() };
        items.push(IdentityBody {
            connection: named.as_ref().map_or_else(unnamed, Into::into),
            id: identity.id.into_string(),
            org_id: identity.org.into_string(),
            user_id: identity.user.into_string(),
            issuer: identity.upstream.issuer,
            subject: identity.upstream.subject,
            linked_at: moment(identity.linked_at),
            linked_by: identity.linked_by,
            last_sign_in_at: identity.last_sign_in_at.map(moment),
        });
    }
    Ok(IdentitiesBody { items })
}

/// Forgets one of some identities; what is not among them is not there.
async fn forget(app: &App, asked: &Asked, how: &How, all: Vec<Identity>, id: &str) -> Result<Response, Problem> {
    let identity = all.into_iter().find(|one| one.id.as_str() == id);
    let identity = identity.ok_or_else(|| Problem::not_found("The identity"))?;
    // Nothing is read under this address, so that no tag can be of it.
    tag::check(how.if_match.as_deref(), "")?;
    let change = Change::UnlinkIdentity { org: identity.org, user: identity.user, identity: identity.id };
    let receipt = write::send(app, asked, how, vec![change]).await?;
    Ok(Written::<IdentityBody>::ok(None, &receipt))
}

/// Who somebody is at the providers of the organisation's connections.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/users/{user}/identities", tag = "identities",
    responses((status = 200, description = "The identities.", body = IdentitiesBody)))]
async fn list(State(app): State<App>, asked: Asked) -> Result<Json<IdentitiesBody>, Problem> {
    let mut conn = app.db.read().await?;
    let all = identities::of_user_in(&mut conn, &asked.room()?.id, &asked.member()?.user).await?;
    Ok(Json(show(&mut conn, all).await?))
}

/// Forgets who somebody is at a provider: what came through it ends, and what the connection's mapping gave goes. The
/// account stays. Whoever has no other way in comes back by signing in there, if the connection makes accounts or knows
/// theirs.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/users/{user}/identities/{identity}", tag = "identities",
    responses((status = 200, description = "What ended.", body = Written<IdentityBody>)))]
async fn unlink(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, _, identity)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let user = &asked.member()?.user;
    let all = identities::of_user_in(&mut app.db.read().await?, &asked.room()?.id, user).await?;
    forget(&app, &asked, &how, all, &identity).await
}

/// Who one is at the providers of one's organisations. Linking another takes a browser: it stands at `/me/identities`.
#[utoipa::path(get, path = "/api/v1/me/identities", tag = "me",
    responses((status = 200, description = "The identities.", body = IdentitiesBody)))]
async fn mine(State(app): State<App>, asked: Asked) -> Result<Json<IdentitiesBody>, Problem> {
    let mut conn = app.db.read().await?;
    let all = identities::of_user(&mut conn, &asked.user).await?;
    Ok(Json(show(&mut conn, all).await?))
}

/// Forgets who one is at a provider: what one opened that way ends. Somebody whom the connection itself keeps asks an
/// administrator.
#[utoipa::path(delete, path = "/api/v1/me/identities/{identity}", tag = "me",
    responses((status = 200, description = "What ended.", body = Written<IdentityBody>)))]
async fn unlink_mine(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path(identity): Path<String>,
) -> Result<Response, Problem> {
    let all = identities::of_user(&mut app.db.read().await?, &asked.user).await?;
    forget(&app, &asked, &how, all, &identity).await
}
