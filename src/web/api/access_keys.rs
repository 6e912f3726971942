//! Access keys: the ids and secrets that tools use, each for one member and one project. A secret is answered once,
//! when it is made, and never again.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, How, Room};
use super::declare::{Needs, Routes, routes};
use super::gate::must_be_fresh;
use super::input::{Body, Query};
use super::lookup;
use super::paging::{self, Page, PageQuery};
use super::problem::Problem;
use super::tag;
use super::words::{self, ReceiptBody};
use super::write::{self, Written};
use crate::app::App;
use crate::domain::change::Change;
use crate::flows::access_key;
use crate::kernel::id::{AccessKeyId, MembershipId, OrgId, ProjectId};
use crate::kernel::time::UnixMillis;
use crate::store::access_keys::{self, AccessKey};
use crate::store::db::Conn;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Member, routes!(list))
        .route(Needs::Member, routes!(of_user))
        .route(Needs::OwnOr("keys.write").fresh(), routes!(create))
        .route(Needs::Member, routes!(get))
        .route(Needs::Member, routes!(change))
        .route(Needs::Member, routes!(delete))
}

/// An access key, without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AccessKey)]
pub struct AccessKeyBody {
    /// Its id, which is the `client_id` at the token endpoint.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The project that it is for.
    pub project_id: String,
    /// That project's key.
    pub project: String,
    /// Whose it is: the account.
    pub user_id: String,
    /// The account's membership.
    pub membership_id: String,
    /// The account's user name.
    pub user_name: String,
    /// Whether the account is a service account.
    pub service_account: bool,
    /// `active`, `disabled`, or `ended`: for good, because the access to the project was lost.
    pub state: String,
    /// When it ends (RFC 3339).
    pub expires_at: String,
    /// Whether its time is over: then it gives no token, whatever its state.
    pub expired: bool,
    /// When it was used last, to the minute (RFC 3339); null if it never was.
    pub last_used_at: Option<String>,
    /// Who made it.
    pub created_by: String,
    /// When it was made (RFC 3339).
    pub created_at: String,
    /// Why it ended, if it did.
    pub end_reason: Option<String>,
}

/// What a new access key of a member is made of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUserKey {
    /// The project that it is for, by its id or key; the member holds a role on it.
    project: String,
    /// 1 to 64 characters.
    name: String,
    /// When it ends (RFC 3339): in the future, after 365 days at most.
    expires_at: String,
}

/// What changes in an access key; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessKeyPatch {
    /// 1 to 64 characters.
    name: Option<String>,
    /// `active` or `disabled`. Disabling ends the tokens that were made from it; they don't come back.
    state: Option<KeyState>,
}

/// A state that a key can be set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It gives tokens.
    Active,
    /// It gives none, and those that it gave are refused.
    Disabled,
}

/// A new access key, with its secret: it is shown this once, and kept as a digest only.
#[derive(Serialize, ToSchema)]
pub struct KeyMade {
    /// The key; null in a dry run.
    object: Option<AccessKeyBody>,
    /// The secret; null in a dry run, and when the answer is repeated.
    secret: Option<String>,
    /// What the change did.
    receipt: ReceiptBody,
}

/// Which access keys.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct KeysQuery {
    /// `1` or `true`: only keys whose time is over.
    expired: Option<String>,
    /// Only keys of this member, by the account's id or the membership's.
    user: Option<String>,
    /// Only keys for this project, by its id or key.
    project: Option<String>,
    /// How many rows at most: 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// What a new key is made of, read and found.
pub struct Wanted {
    /// Whose.
    pub member: MembershipId,
    /// For which project.
    pub project: ProjectId,
    /// What people call it.
    pub name: String,
    /// When it ends, as it was written.
    pub expires_at: String,
}

/// A key as answers show it.
#[must_use]
pub fn show(key: AccessKey, now: UnixMillis) -> AccessKeyBody {
    AccessKeyBody {
        expired: key.expires_at <= now,
        id: key.id.into_string(),
        name: key.name,
        project_id: key.project.into_string(),
        project: key.project_key,
        user_id: key.user.into_string(),
        membership_id: key.member.into_string(),
        user_name: key.user_name,
        service_account: key.service,
        state: key.state,
        expires_at: words::moment(key.expires_at),
        last_used_at: key.last_used_at.map(words::moment),
        created_by: key.created_by,
        created_at: words::moment(key.created_at),
        end_reason: key.end_reason,
    }
}

/// Makes a key and answers with its secret.
///
/// # Errors
/// The moment can't be read, or the door's refusal.
pub async fn make(app: &App, asked: &Asked, how: &How, wanted: Wanted) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let expires_at = words::read_moment("expires_at", &wanted.expires_at)?;
    let (key, secret) = access_key::mint(app, wanted.member, wanted.project, wanted.name, expires_at);
    let id = key.id.clone();
    let change = Change::CreateAccessKey { org: org.clone(), key: Box::new(key) };
    let receipt = write::send(app, asked, how, vec![change]).await?;
    let mut conn = app.db.read().await?;
    let object = access_keys::find(&mut conn, &org, &id).await?.map(|key| show(key, app.now()));
    let secret = (!receipt.dry_run).then(|| secret.expose().to_owned());
    let status = if receipt.dry_run { StatusCode::OK } else { StatusCode::CREATED };
    let made = KeyMade { object, secret, receipt: ReceiptBody::of(&receipt) };
    Ok((status, axum::Json(made)).into_response())
}

async fn found(conn: &mut Conn, org: &OrgId, id: &str) -> Result<AccessKey, Problem> {
    let missing = || Problem::not_found("The access key");
    let id: AccessKeyId = id.parse().map_err(|_| missing())?;
    access_keys::find(conn, org, &id).await?.ok_or_else(missing)
}

/// Whether every key of the organisation may be read; readers may where the organisation says so.
fn reads_all(room: &Room) -> bool {
    let reach = &room.reach;
    reach.allows("keys.read") || (room.settings.readers_see_keys && reach.allows("org.read"))
}

/// Whether this key may be read: one's own, a service account's by those who see it, or any.
fn sees(asked: &Asked, room: &Room, key: &AccessKey) -> bool {
    let own = !asked.is_tool() && key.user == asked.user;
    let reach = &room.reach;
    let of_service_account = key.service
        && (reach.allows_on(&key.project, "project.service_accounts.read") || reach.allows("service_accounts.read"));
    own || of_service_account || reads_all(room)
}

fn is_set(field: &str, text: Option<&str>) -> Result<bool, Problem> {
    match text {
        None | Some("0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(_) => Err(Problem::invalid(field, "Use 1 or true, 0 or false.")),
    }
}

/// The access keys of an organisation, the oldest first, never with a secret. Needs `keys.read`, or `org.read` where
/// the organisation lets its readers see keys. A member or project that isn't there has none.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/access-keys", tag = "access keys", params(KeysQuery),
    responses((status = 200, description = "A page of keys.", body = Page<AccessKeyBody>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<KeysQuery>,
) -> Result<axum::Json<Page<AccessKeyBody>>, Problem> {
    let room = asked.room()?;
    if !reads_all(room) {
        return Err(Problem::denied("keys.read"));
    }
    let expired = is_set("expired", query.expired.as_deref())?;
    let (limit, after) = (paging::limit(query.limit)?, lookup::after::<AccessKeyId>(query.cursor.as_deref())?);
    let now = app.now();
    let mut conn = app.db.read().await?;
    let none = || Ok(axum::Json(Page { items: Vec::new(), next: None }));
    let mut project = None;
    if let Some(wanted) = &query.project {
        match lookup::project(&mut conn, room, wanted).await? {
            Some(found) => project = Some(found.id),
            None => return none(),
        }
    }
    if let Some(wanted) = &query.user {
        let Some(member) = lookup::member(&mut conn, &room.id, wanted).await? else {
            return none();
        };
        let mut all = access_keys::of_member(&mut conn, &room.id, &member.id).await?;
        all.retain(|key| !expired || key.expires_at <= now);
        all.retain(|key| project.as_ref().is_none_or(|project| key.project == *project));
        let page = PageQuery { limit: query.limit, cursor: query.cursor };
        return Ok(axum::Json(Page::cut(all, &page, |key| key.id.to_string(), |key| show(key, now))?));
    }
    let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let page = access_keys::Page { expired_at: expired.then_some(now), after, limit: most };
    let rows = match &project {
        Some(project) => access_keys::of_project(&mut conn, &room.id, project, &page).await?,
        None => access_keys::of_org(&mut conn, &room.id, &page).await?,
    };
    Ok(axum::Json(Page::of(rows, limit, |key| paging::cursor(&[key.id.as_str()]), |key| show(key, now))))
}

/// The access keys of a member, the oldest first.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/users/{user}/access-keys", tag = "access keys", params(PageQuery),
    responses((status = 200, description = "A page of keys.", body = Page<AccessKeyBody>)))]
async fn of_user(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<AccessKeyBody>>, Problem> {
    let (org, member, now) = (&asked.room()?.id, asked.member()?, app.now());
    let own = !asked.is_tool() && member.user == asked.user;
    if !own && !reads_all(asked.room()?) {
        return Err(Problem::denied("keys.read"));
    }
    let mut conn = app.db.read().await?;
    let all = access_keys::of_member(&mut conn, org, &member.id).await?;
    Ok(axum::Json(Page::cut(all, &query, |key| key.id.to_string(), |key| show(key, now))?))
}

/// Makes an access key for a member: one's own, or another's with `keys.write`. There are at most two for a member on a
/// project. The answer has the secret, this once.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/users/{user}/access-keys", tag = "access keys",
    request_body = NewUserKey,
    responses((status = 201, description = "The key and its secret.", body = KeyMade),
              (status = 200, description = "A dry run: nothing was made.", body = KeyMade)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(new): Body<NewUserKey>,
) -> Result<Response, Problem> {
    let (room, member) = (asked.room()?, asked.member()?.id.clone());
    let mut conn = app.db.read().await?;
    let project = lookup::project(&mut conn, room, &new.project).await?;
    drop(conn);
    let project = project
        .ok_or_else(|| Problem::invalid("project", "Name a project of this organisation, by its id or key."))?
        .id;
    let wanted = Wanted { member, project, name: new.name, expires_at: new.expires_at };
    make(&app, &asked, &how, wanted).await
}

/// One access key: one's own, or with `keys.read`; a service account's also with the permission to see service
/// accounts.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/access-keys/{key}", tag = "access keys",
    responses((status = 200, description = "The key.", body = AccessKeyBody)))]
async fn get(
    State(app): State<App>,
    asked: Asked,
    Path((_, key)): Path<(String, String)>,
) -> Result<axum::Json<AccessKeyBody>, Problem> {
    let room = asked.room()?;
    let mut conn = app.db.read().await?;
    let key = found(&mut conn, &room.id, &key).await?;
    if !sees(&asked, room, &key) {
        return Err(Problem::not_found("The access key"));
    }
    Ok(axum::Json(show(key, app.now())))
}

/// Renames, disables or enables an access key: one's own, or another's with `keys.write`; a service account's also with
/// `project.service_accounts.write`. A key that has ended stays so.
#[utoipa::path(patch, path = "/api/v1/orgs/{org}/access-keys/{key}", tag = "access keys", request_body = AccessKeyPatch,
    responses((status = 200, description = "The key.", body = Written<AccessKeyBody>)))]
async fn change(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, key)): Path<(String, String)>,
    Body(patch): Body<AccessKeyPatch>,
) -> Result<Response, Problem> {
    if patch.state == Some(KeyState::Active) {
        must_be_fresh(&app, &asked).await?;
    }
    let (org, now) = (asked.room()?.id.clone(), app.now());
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, key, name, state) = (org.clone(), key.clone(), patch.name.clone(), patch.state);
        Box::pin(async move {
            let before = found(conn, &org, &key).await?;
            let id = before.id.clone();
            let name = name.unwrap_or_else(|| before.name.clone());
            let active = state.map_or(before.state == "active", |state| state == KeyState::Active);
            let tag = tag::of(&show(before, now));
            Ok((tag, vec![Change::SetAccessKey { org, key: id, name, active }]))
        })
    })
    .await?;
    let mut conn = app.db.read().await?;
    let after = found(&mut conn, &org, &key).await?;
    Ok(Written::ok(Some(show(after, now)), &receipt))
}

/// Removes an access key: one's own, or another's with `keys.write`; a service account's also with
/// `project.service_accounts.write`. The tokens that were made from it are refused from then on.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/access-keys/{key}", tag = "access keys",
    responses((status = 200, description = "What ended.", body = Written<AccessKeyBody>)))]
async fn delete(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, key)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (org, now) = (asked.room()?.id.clone(), app.now());
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, key) = (org.clone(), key.clone());
        Box::pin(async move {
            let before = found(conn, &org, &key).await?;
            let id = before.id.clone();
            let tag = tag::of(&show(before, now));
            Ok((tag, vec![Change::RemoveAccessKey { org, key: id }]))
        })
    })
    .await?;
    Ok(Written::<AccessKeyBody>::ok(None, &receipt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_for_expired_keys_is_a_plain_link() {
        assert!(is_set("expired", Some("1")).unwrap() && is_set("expired", Some("true")).unwrap());
        assert!(!is_set("expired", None).unwrap() && !is_set("expired", Some("0")).unwrap());
        assert!(is_set("expired", Some("yes")).is_err());
    }
}
