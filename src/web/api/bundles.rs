//! Bundles: several roles under one name, to be given together.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::input::{Body, Query};
use super::paging::{self, Page, PageQuery};
use super::problem::Problem;
use super::tag;
use super::words::{ScopeBody, moment};
use super::write::{self, Written};
use crate::app::App;
use crate::domain::access::{Role, Scope};
use crate::domain::change::Change;
use crate::kernel::id::{BundleId, OrgId};
use crate::store::bundles::{self, Bundle};
use crate::store::db::Conn;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("roles.read"), routes!(list))
        .route(Needs::Org("roles.write").sensitive(), routes!(create))
        .route(Needs::Org("roles.read"), routes!(get))
        .route(Needs::Org("roles.write").sensitive(), routes!(change))
        .route(Needs::Org("roles.write").sensitive(), routes!(delete))
}

/// A bundle.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Bundle)]
pub struct BundleBody {
    /// Its id.
    pub id: String,
    /// Its name, unique in the organisation without regard to case.
    pub name: String,
    /// The roles that it gives.
    pub roles: Vec<BundleRole>,
    /// When it was made (RFC 3339).
    pub created_at: String,
}

/// A role of a bundle, on a scope.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BundleRole {
    /// The role: a built-in one like `project.admin`, or the key of an own role.
    #[schema(example = "project.reader")]
    role: String,
    /// On what; the organisation if none is given.
    #[serde(default = "on_org")]
    scope: ScopeBody,
}

const fn on_org() -> ScopeBody {
    ScopeBody::Org
}

/// What a new bundle is made of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBundle {
    /// 1 to 100 characters, unique in the organisation without regard to case.
    name: String,
    /// 1 to 20 roles, none beyond one's own reach.
    roles: Vec<BundleRole>,
}

/// What changes in a bundle; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BundlePatch {
    /// 1 to 100 characters, unique in the organisation without regard to case.
    name: Option<String>,
    /// All its roles from now on.
    roles: Option<Vec<BundleRole>>,
}

fn read(roles: &[BundleRole]) -> Result<Vec<(Role, Scope)>, Problem> {
    let mut grants = Vec::new();
    for (row, BundleRole { role, scope }) in roles.iter().enumerate() {
        let known = role
            .parse::<Role>()
            .map_err(|_| Problem::invalid(format!("roles.{row}.role"), format!("\"{role}\" is no role.")))?;
        grants.push((known, scope.read(&format!("roles.{row}.scope"))?));
    }
    Ok(grants)
}

fn show(bundle: Bundle) -> BundleBody {
    let roles = bundle.grants.iter();
    BundleBody {
        id: bundle.id.into_string(),
        name: bundle.name,
        roles: roles.map(|(role, scope)| BundleRole { role: role.to_string(), scope: scope.into() }).collect(),
        created_at: moment(bundle.created_at),
    }
}

/// A bundle by its id.
pub async fn found(conn: &mut Conn, org: &OrgId, id: &str) -> Result<Bundle, Problem> {
    let missing = || Problem::not_found("The bundle");
    let id: BundleId = id.parse().map_err(|_| missing())?;
    bundles::find(conn, org, &id).await?.ok_or_else(missing)
}

/// The bundles of an organisation, by name.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/bundles", tag = "bundles", params(PageQuery),
    responses((status = 200, description = "A page of bundles.", body = Page<BundleBody>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<BundleBody>>, Problem> {
    let org = &asked.room()?.id;
    let limit = paging::limit(query.limit)?;
    let after = paging::after(query.cursor.as_deref(), 1)?.and_then(|mut parts| parts.pop()).unwrap_or_default();
    let mut conn = app.db.read().await?;
    let rows = bundles::page(&mut conn, org, &after, limit + 1).await?;
    Ok(axum::Json(Page::of(rows, limit, |row| paging::cursor(&[&row.name]), show)))
}

/// Makes a bundle of roles.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/bundles", tag = "bundles", request_body = NewBundle,
    responses((status = 201, description = "The bundle.", body = Written<BundleBody>),
              (status = 200, description = "A dry run: nothing was made.", body = Written<BundleBody>)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(new): Body<NewBundle>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let (bundle, grants) = (BundleId::fresh(), read(&new.roles)?);
    let change = Change::PutBundle { org: org.clone(), bundle: bundle.clone(), name: new.name, grants };
    let receipt = write::send(&app, &asked, &how, vec![change]).await?;
    let mut conn = app.db.read().await?;
    Ok(Written::created(bundles::find(&mut conn, &org, &bundle).await?.map(show), &receipt))
}

/// One bundle.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/bundles/{bundle}", tag = "bundles",
    responses((status = 200, description = "The bundle.", body = BundleBody)))]
async fn get(
    State(app): State<App>,
    asked: Asked,
    Path((_, bundle)): Path<(String, String)>,
) -> Result<axum::Json<BundleBody>, Problem> {
    let org = &asked.room()?.id;
    let mut conn = app.db.read().await?;
    Ok(axum::Json(show(found(&mut conn, org, &bundle).await?)))
}

/// Renames a bundle or replaces its roles. What was given with it stays as it was given.
#[utoipa::path(patch, path = "/api/v1/orgs/{org}/bundles/{bundle}", tag = "bundles", request_body = BundlePatch,
    responses((status = 200, description = "The bundle.", body = Written<BundleBody>)))]
async fn change(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, bundle)): Path<(String, String)>,
    Body(patch): Body<BundlePatch>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let wanted = patch.roles.as_deref().map(read).transpose()?;
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, bundle) = (org.clone(), bundle.clone());
        let (name, grants) = (patch.name.clone(), wanted.clone());
        Box::pin(async move {
            let before = found(conn, &org, &bundle).await?;
            let tag = tag::of(&show(before.clone()));
            let (name, grants) = (name.unwrap_or(before.name), grants.unwrap_or(before.grants));
            Ok((tag, vec![Change::PutBundle { org, bundle: before.id, name, grants }]))
        })
    })
    .await?;
    let mut conn = app.db.read().await?;
    let after = found(&mut conn, &org, &bundle).await?;
    Ok(Written::ok(Some(show(after)), &receipt))
}

/// Removes a bundle. What was given with it stays.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/bundles/{bundle}", tag = "bundles",
    responses((status = 200, description = "What was removed.", body = Written<BundleBody>)))]
async fn delete(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, bundle)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, bundle) = (org.clone(), bundle.clone());
        Box::pin(async move {
            let before = found(conn, &org, &bundle).await?;
            let id = before.id.clone();
            Ok((tag::of(&show(before)), vec![Change::RemoveBundle { org, bundle: id }]))
        })
    })
    .await?;
    Ok(Written::<BundleBody>::ok(None, &receipt))
}
