//! One's organisations: what one holds in each and through what, one's access keys there, and leaving.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::{self, AccessBody};
use super::access_keys::{self, AccessKeyBody};
use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::problem::Problem;
use super::tag;
use super::words::moment;
use super::write::{self, Written};
use crate::app::App;
use crate::domain::change::Change;
use crate::domain::people::user::Kind;
use crate::kernel::id::{AccessKeyId, OrgId};
use crate::store::access_keys as keys;
use crate::store::db::Conn;
use crate::store::memberships::{self, Entrance};
use crate::store::users;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Caller.people_only(), routes!(organisations))
        .route(Needs::Caller.people_only(), routes!(leave))
        .route(Needs::Caller.people_only(), routes!(held))
        .route(Needs::Caller.people_only(), routes!(my_keys))
        .route(Needs::Caller.people_only(), routes!(remove_key))
}

/// An organisation that one is a member of.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MyOrganisation {
    /// Its id.
    pub org_id: String,
    /// Its place in addresses.
    pub org_slug: String,
    /// Its name.
    pub org_name: String,
    /// One's membership.
    pub membership_id: String,
    /// Whether one owns it.
    pub owner: bool,
    /// When one signed in to it last (RFC 3339).
    pub last_sign_in_at: Option<String>,
}

/// The organisations that one is a member of.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MyOrganisations {
    /// By slug.
    pub items: Vec<MyOrganisation>,
}

/// What one holds in an organisation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MyAccessIn {
    /// The organisation.
    pub org_id: String,
    /// Its place in addresses.
    pub org_slug: String,
    /// Its name.
    pub org_name: String,
    /// What is held.
    #[serde(flatten)]
    pub access: AccessBody,
}

/// What one holds.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MyAccess {
    /// By organisation.
    pub items: Vec<MyAccessIn>,
}

/// An access key of one's own, and its organisation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MyKey {
    /// The organisation.
    pub org_id: String,
    /// Its place in addresses.
    pub org_slug: String,
    /// The key, without its secret.
    #[serde(flatten)]
    pub key: AccessKeyBody,
}

/// One's access keys.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MyKeys {
    /// By organisation, the oldest first.
    pub items: Vec<MyKey>,
}

async fn entrances(conn: &mut Conn, asked: &Asked) -> Result<Vec<Entrance>, Problem> {
    Ok(memberships::entrances(conn, &asked.user).await?)
}

/// The organisations that one is a member of.
#[utoipa::path(get, path = "/api/v1/me/organisations", tag = "me",
    responses((status = 200, description = "The organisations.", body = MyOrganisations)))]
async fn organisations(State(app): State<App>, asked: Asked) -> Result<Json<MyOrganisations>, Problem> {
    let all = entrances(&mut app.db.read().await?, &asked).await?;
    let show = |entrance: Entrance| MyOrganisation {
        org_id: entrance.org.into_string(),
        org_slug: entrance.slug,
        org_name: entrance.name,
        membership_id: entrance.member.into_string(),
        owner: entrance.owner,
        last_sign_in_at: entrance.last_sign_in_at.map(moment),
    };
    Ok(Json(MyOrganisations { items: all.into_iter().map(show).collect() }))
}

/// Leaves an organisation, by its id or slug: one's sessions, tokens and keys there end, and one's roles and groups go. For
/// accounts of one's own; one that belongs to the organisation is removed by its administrators.
#[utoipa::path(delete, path = "/api/v1/me/organisations/{organisation}", tag = "me",
    responses((status = 200, description = "What ended.", body = Written<MyOrganisation>)))]
async fn leave(State(app): State<App>, asked: Asked, how: How, Path(named): Path<String>) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let all = entrances(&mut conn, &asked).await?;
    let wanted = |entrance: &Entrance| entrance.org.as_str() == named || entrance.slug == named;
    let entrance = all.into_iter().find(wanted).ok_or_else(|| Problem::not_found("The organisation"))?;
    let own = users::find(&mut conn, &asked.user).await?.is_some_and(|user| user.kind == Kind::Own);
    drop(conn);
    if !own {
        return Err(Problem::denied("an account of your own: this one belongs to the organisation"));
    }
    // Nothing is read under this address, so that no tag can be of it.
    tag::check(how.if_match.as_deref(), "")?;
    let change = Change::RemoveMember { org: entrance.org, member: entrance.member };
    let receipt = write::send(&app, &asked, &how, vec![change]).await?;
    Ok(Written::<MyOrganisation>::ok(None, &receipt))
}

/// Everything that one holds at this moment, in each of one's organisations: each role on each scope, and every way by which
/// it comes.
#[utoipa::path(get, path = "/api/v1/me/access", tag = "me",
    responses((status = 200, description = "The access.", body = MyAccess)))]
async fn held(State(app): State<App>, asked: Asked) -> Result<Json<MyAccess>, Problem> {
    let mut conn = app.db.read().await?;
    let mut items = Vec::new();
    for entrance in entrances(&mut conn, &asked).await? {
        let access = access::of_member(&mut conn, &entrance.org, &entrance.member, app.now()).await?;
        let (org_id, org_slug, org_name) = (entrance.org.into_string(), entrance.slug, entrance.name);
        items.push(MyAccessIn { org_id, org_slug, org_name, access });
    }
    Ok(Json(MyAccess { items }))
}

/// One's access keys in every organisation, never with a secret. One is made and changed at its organisation
/// (`/orgs/{org}/users/{user}/access-keys`).
#[utoipa::path(get, path = "/api/v1/me/access-keys", tag = "me",
    responses((status = 200, description = "The keys.", body = MyKeys)))]
async fn my_keys(State(app): State<App>, asked: Asked) -> Result<Json<MyKeys>, Problem> {
    let (mut conn, now) = (app.db.read().await?, app.now());
    let mut items = Vec::new();
    for entrance in entrances(&mut conn, &asked).await? {
        for key in keys::of_member(&mut conn, &entrance.org, &entrance.member).await? {
            let (org_id, org_slug) = (entrance.org.to_string(), entrance.slug.clone());
            items.push(MyKey { org_id, org_slug, key: access_keys::show(key, now) });
        }
    }
    Ok(Json(MyKeys { items }))
}

/// Removes one of one's access keys, wherever it is. The tokens that were made from it are refused from then on.
#[utoipa::path(delete, path = "/api/v1/me/access-keys/{key}", tag = "me",
    responses((status = 200, description = "What ended.", body = Written<AccessKeyBody>)))]
async fn remove_key(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path(key): Path<String>,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found("The access key");
    let key: AccessKeyId = key.parse().map_err(|_| missing())?;
    let mut conn = app.db.read().await?;
    let mut found: Option<OrgId> = None;
    for (org, _) in memberships::all_of_user(&mut conn, &asked.user).await? {
        let there = keys::find(&mut conn, &org, &key).await?;
        if there.is_some_and(|key| key.user == asked.user) {
            found = Some(org);
        }
    }
    drop(conn);
    let org = found.ok_or_else(missing)?;
    tag::check(how.if_match.as_deref(), "")?;
    let receipt = write::send(&app, &asked, &how, vec![Change::RemoveAccessKey { org, key }]).await?;
    Ok(Written::<AccessKeyBody>::ok(None, &receipt))
}
