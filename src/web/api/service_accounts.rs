//! Service accounts: accounts of a project that tools use. They never sign in, are in no group, and work with access
//! keys alone.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access_keys::{self as keys_api, AccessKeyBody, KeyMade, Wanted};
use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::input::{Body, Query};
use super::lookup;
use super::paging::{self, Page, PageQuery};
use super::problem::Problem;
use super::tag;
use super::words::{self, GrantBody};
use super::write::{self, Written};
use crate::app::App;
use crate::domain::access::{Binding, Subject};
use crate::domain::change::Change;
use crate::kernel::id::{BindingId, MembershipId, OrgId, ProjectId, UserId};
use crate::store::access_keys;
use crate::store::db::Conn;
use crate::store::service_accounts::{self, ServiceAccount};

const READ: Needs = Needs::Project("project.service_accounts.read", "service_accounts.read");
const WRITE: Needs = Needs::Project("project.service_accounts.write", "");

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("service_accounts.read"), routes!(of_org))
        .route(READ, routes!(list))
        .route(WRITE.fresh(), routes!(create))
        .route(READ, routes!(get))
        .route(WRITE, routes!(change))
        .route(WRITE, routes!(delete))
        .route(READ, routes!(keys))
        .route(WRITE.fresh(), routes!(create_key))
}

/// A service account.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ServiceAccount)]
pub struct ServiceAccountBody {
    /// The account's id: the `sub` of its tokens.
    pub id: String,
    /// Its membership, which roles are given to.
    pub membership_id: String,
    /// The project that it belongs to.
    pub project_id: String,
    /// Its name, unique in the project.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The membership that answers for it; null when nobody does.
    pub owner: Option<String>,
    /// The state of its membership.
    pub state: String,
    /// When it was made (RFC 3339).
    pub created_at: String,
}

/// What a new service account is made of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewServiceAccount {
    /// 1 to 64 characters, unique in the project.
    name: String,
    /// At most 100 characters.
    #[serde(default)]
    description: String,
    /// The member who answers for it, by the account's id or the membership's; whoever asks if none is given.
    owner: Option<String>,
    /// Roles that it holds from the beginning.
    #[serde(default)]
    roles: Vec<GrantBody>,
}

/// What changes in a service account; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccountPatch {
    /// 1 to 64 characters, unique in the project.
    name: Option<String>,
    /// At most 100 characters.
    description: Option<String>,
}

/// What a new access key of a service account is made of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewServiceAccountKey {
    /// 1 to 64 characters.
    name: String,
    /// When it ends (RFC 3339): in the future, after 365 days at most.
    expires_at: String,
}

fn show(account: ServiceAccount) -> ServiceAccountBody {
    ServiceAccountBody {
        id: account.user.into_string(),
        membership_id: account.member.into_string(),
        project_id: account.project.into_string(),
        name: account.name,
        description: account.description,
        owner: account.owner.map(MembershipId::into_string),
        state: account.state.to_string(),
        created_at: words::moment(account.created_at),
    }
}

async fn found(conn: &mut Conn, org: &OrgId, project: &ProjectId, id: &str) -> Result<ServiceAccount, Problem> {
    let missing = || Problem::not_found("The service account");
    let user: UserId = id.parse().map_err(|_| missing())?;
    let account = service_accounts::find(conn, org, &user).await?;
    account.filter(|account| account.project == *project).ok_or_else(missing)
}

/// One more than the limit: the extra row tells that there is a next page.
fn most(limit: usize) -> i64 {
    i64::try_from(limit + 1).unwrap_or(i64::MAX)
}

fn page(rows: Vec<ServiceAccount>, limit: usize) -> axum::Json<Page<ServiceAccountBody>> {
    axum::Json(Page::of(rows, limit, |account| paging::cursor(&[account.user.as_str()]), show))
}

/// The service accounts of every project of an organisation, the oldest first.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/service-accounts", tag = "service accounts", params(PageQuery),
    responses((status = 200, description = "A page of service accounts.", body = Page<ServiceAccountBody>)))]
async fn of_org(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<ServiceAccountBody>>, Problem> {
    let org = &asked.room()?.id;
    let (limit, after) = (paging::limit(query.limit)?, lookup::after(query.cursor.as_deref())?);
    let mut conn = app.db.read().await?;
    Ok(page(service_accounts::of_org(&mut conn, org, after.as_ref(), most(limit)).await?, limit))
}

/// The service accounts of a project, the oldest first.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/projects/{project}/service-accounts", tag = "service accounts",
    params(PageQuery),
    responses((status = 200, description = "A page of service accounts.", body = Page<ServiceAccountBody>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<ServiceAccountBody>>, Problem> {
    let (org, project) = (&asked.room()?.id, asked.project()?);
    let (limit, after) = (paging::limit(query.limit)?, lookup::after(query.cursor.as_deref())?);
    let mut conn = app.db.read().await?;
    Ok(page(service_accounts::of_project(&mut conn, org, project, after.as_ref(), most(limit)).await?, limit))
}

/// Makes a service account, with the roles that it holds from the beginning: each must lie within one's own reach.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/projects/{project}/service-accounts", tag = "service accounts",
    request_body = NewServiceAccount,
    responses((status = 201, description = "The service account.", body = Written<ServiceAccountBody>),
              (status = 200, description = "A dry run: nothing was made.", body = Written<ServiceAccountBody>)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(new): Body<NewServiceAccount>,
) -> Result<Response, Problem> {
    let (room, project) = (asked.room()?, asked.project()?.clone());
    let org = room.id.clone();
    super::named::short("roles", new.roles.len())?;
    let (user, member) = (UserId::fresh(), MembershipId::fresh());
    let owner = match &new.owner {
        None => room.own.clone(),
        Some(wanted) => Some(owner(&app, &org, wanted).await?),
    };
    let mut changes = vec![Change::CreateServiceAccount {
        org: org.clone(),
        project,
        user: user.clone(),
        member: member.clone(),
        name: new.name,
        description: new.description,
        owner,
    }];
    for (row, role) in new.roles.iter().enumerate() {
        let (role, scope, window) = role.read(&format!("roles.{row}"))?;
        let subject = Subject::Member(member.clone());
        let binding = Binding { id: BindingId::fresh(), role, scope, subject, window };
        changes.push(Change::Bind { org: org.clone(), binding });
    }
    let receipt = write::send(&app, &asked, &how, changes).await?;
    let mut conn = app.db.read().await?;
    let object = service_accounts::find(&mut conn, &org, &user).await?.map(show);
    Ok(Written::created(object, &receipt))
}

async fn owner(app: &App, org: &OrgId, wanted: &str) -> Result<MembershipId, Problem> {
    let mut conn = app.db.read().await?;
    let member = lookup::member(&mut conn, org, wanted).await?;
    let member = member.ok_or_else(|| Problem::invalid("owner", "Name a member of this organisation, by their id."))?;
    Ok(member.id)
}

/// One service account.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/projects/{project}/service-accounts/{account}", tag = "service accounts",
    responses((status = 200, description = "The service account.", body = ServiceAccountBody)))]
async fn get(
    State(app): State<App>,
    asked: Asked,
    Path((_, _, account)): Path<(String, String, String)>,
) -> Result<axum::Json<ServiceAccountBody>, Problem> {
    let mut conn = app.db.read().await?;
    Ok(axum::Json(show(found(&mut conn, &asked.room()?.id, asked.project()?, &account).await?)))
}

/// Renames a service account or describes it anew. Its tokens stay.
#[utoipa::path(patch, path = "/api/v1/orgs/{org}/projects/{project}/service-accounts/{account}",
    tag = "service accounts", request_body = ServiceAccountPatch,
    responses((status = 200, description = "The service account.", body = Written<ServiceAccountBody>)))]
async fn change(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, _, account)): Path<(String, String, String)>,
    Body(patch): Body<ServiceAccountPatch>,
) -> Result<Response, Problem> {
    let (org, project) = (asked.room()?.id.clone(), asked.project()?.clone());
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, project, account) = (org.clone(), project.clone(), account.clone());
        let (name, description) = (patch.name.clone(), patch.description.clone());
        Box::pin(async move {
            let before = found(conn, &org, &project, &account).await?;
            let user = before.user.clone();
            let name = name.unwrap_or_else(|| before.name.clone());
            let description = description.unwrap_or_else(|| before.description.clone());
            let tag = tag::of(&show(before));
            Ok((tag, vec![Change::SetServiceAccount { org, user, name, description }]))
        })
    })
    .await?;
    let mut conn = app.db.read().await?;
    let after = found(&mut conn, &org, &project, &account).await?;
    Ok(Written::ok(Some(show(after)), &receipt))
}

/// Removes a service account with its roles and access keys; its tokens are refused from then on.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/projects/{project}/service-accounts/{account}",
    tag = "service accounts",
    responses((status = 200, description = "What ended.", body = Written<ServiceAccountBody>)))]
async fn delete(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, _, account)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let (org, project) = (asked.room()?.id.clone(), asked.project()?.clone());
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, project, account) = (org.clone(), project.clone(), account.clone());
        Box::pin(async move {
            let before = found(conn, &org, &project, &account).await?;
            let user = before.user.clone();
            let tag = tag::of(&show(before));
            Ok((tag, vec![Change::RemoveServiceAccount { org, user }]))
        })
    })
    .await?;
    Ok(Written::<ServiceAccountBody>::ok(None, &receipt))
}

/// The access keys of a service account, the oldest first.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/projects/{project}/service-accounts/{account}/keys",
    tag = "service accounts", params(PageQuery),
    responses((status = 200, description = "A page of keys.", body = Page<AccessKeyBody>)))]
async fn keys(
    State(app): State<App>,
    asked: Asked,
    Path((_, _, account)): Path<(String, String, String)>,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<AccessKeyBody>>, Problem> {
    let (org, now) = (&asked.room()?.id, app.now());
    let mut conn = app.db.read().await?;
    let account = found(&mut conn, org, asked.project()?, &account).await?;
    let all = access_keys::of_member(&mut conn, org, &account.member).await?;
    Ok(axum::Json(Page::cut(all, &query, |key| key.id.to_string(), |key| keys_api::show(key, now))?))
}

/// Makes an access key for a service account: two at most, so that one can be replaced while the other is in use. The
/// answer has the secret, this once.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/projects/{project}/service-accounts/{account}/keys",
    tag = "service accounts", request_body = NewServiceAccountKey,
    responses((status = 201, description = "The key and its secret.", body = KeyMade),
              (status = 200, description = "A dry run: nothing was made.", body = KeyMade)))]
async fn create_key(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, _, account)): Path<(String, String, String)>,
    Body(new): Body<NewServiceAccountKey>,
) -> Result<Response, Problem> {
    let (org, project) = (&asked.room()?.id, asked.project()?.clone());
    let mut conn = app.db.read().await?;
    let account = found(&mut conn, org, &project, &account).await?;
    drop(conn);
    let wanted = Wanted { member: account.member, project, name: new.name, expires_at: new.expires_at };
    keys_api::make(&app, &asked, &how, wanted).await
}
