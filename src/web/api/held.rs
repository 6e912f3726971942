//! Requests that would take access from very many: held until somebody carries them out or drops them, or their time is
//! over.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::input::Query;
use super::lookup;
use super::managed_by::ConnectionName;
use super::paging::{self, Page};
use super::person::GroupOfUser;
use super::problem::Problem;
use super::tag;
use super::words::{self, ReceiptBody};
use crate::app::App;
use crate::domain::access::reach::Reach;
use crate::domain::access::{Role, Scope};
use crate::flows::scim::held as waiting;
use crate::kernel::id::{GroupId, HeldId, OrgId};
use crate::store::audit;
use crate::store::connections::{self, Connection};
use crate::store::db::Conn;
use crate::store::groups;
use crate::store::scim::held::{self, Held, State as HeldState};

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("connections.read"), routes!(list))
        .route(Needs::Org("connections.read"), routes!(get))
        .route(Needs::Org("connections.write").fresh(), routes!(release))
        .route(Needs::Org("connections.write").people_only(), routes!(reject))
}

/// A request that is held, or was.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = HeldRequest)]
pub struct HeldBody {
    /// Its id.
    pub id: String,
    /// Whose client sent it.
    pub connection: ConnectionName,
    /// `held`, `released` or `rejected`.
    pub state: &'static str,
    /// The method.
    pub method: String,
    /// The path under the base URL.
    pub path: String,
    /// The group that it is about, if that is still there.
    pub group: Option<GroupOfUser>,
    /// How many people would lose something.
    pub losing: i64,
    /// Of how many members.
    pub of_members: i64,
    /// When it was sent (RFC 3339).
    pub created_at: String,
    /// When it is decided without anybody (RFC 3339) …
    pub decide_at: String,
    /// … and how: `release` or `reject`; null when it is decided, or the connection is gone.
    pub on_timeout: Option<&'static str>,
    /// When it was decided (RFC 3339).
    pub decided_at: Option<String>,
    /// Who decided.
    pub decided_by: Option<String>,
}

/// Which of them.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// `held`, `released` or `rejected`.
    state: Option<String>,
    /// How many rows at most: 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// A held request that was decided.
#[derive(Serialize, ToSchema)]
pub struct HeldDecided {
    /// The request as it is now.
    object: HeldBody,
    /// Of one that was carried out: the status that its client would have got.
    status: Option<u16>,
    /// What the change did, where it was carried out and changed anything.
    receipt: Option<ReceiptBody>,
}

/// The group that a path is about.
fn group_of(path: &str) -> Option<GroupId> {
    let rest = path.trim_start_matches('/').strip_prefix("Groups/")?;
    rest.split(['/', '?']).next()?.parse().ok()
}

async fn show(conn: &mut Conn, known: &[Connection], row: Held) -> Result<HeldBody, Problem> {
    let connection = known.iter().find(|one| one.id == row.connection);
    let on_timeout = connection.filter(|_| row.state == HeldState::Held);
    let group = match group_of(&row.path) {
        Some(id) => groups::find(conn, &row.org, &id).await?,
        None => None,
    };
    let unnamed = || ConnectionName { id: row.connection.to_string(), name: row.connection.to_string() };
    Ok(HeldBody {
        connection: connection.map_or_else(unnamed, ConnectionName::from),
        on_timeout: on_timeout.map(|connection| connection.settings.guard.on_timeout.as_str()),
        group: group.map(|group| GroupOfUser {
            id: group.id.into_string(),
            name: group.name,
            ..GroupOfUser::default()
        }),
        id: row.id.into_string(),
        state: row.state.as_str(),
        method: row.method,
        path: row.path,
        losing: row.losing,
        of_members: row.of_members,
        created_at: words::moment(row.created_at),
        decide_at: words::moment(row.decide_at),
        decided_at: row.decided_at.map(words::moment),
        decided_by: row.decided_by,
    })
}

async fn found(conn: &mut Conn, org: &OrgId, id: &str) -> Result<HeldBody, Problem> {
    let missing = || Problem::not_found("The held request");
    let id: HeldId = id.parse().map_err(|_| missing())?;
    let row = held::find(conn, org, &id).await?.ok_or_else(missing)?;
    let known = connections::of_org(conn, org).await?;
    show(conn, &known, row).await
}

/// The requests that are held, and those that were decided, in the order in which they came.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/held", tag = "held requests", params(ListQuery),
    responses((status = 200, description = "A page of requests.", body = Page<HeldBody>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Page<HeldBody>>, Problem> {
    let org = &asked.room()?.id;
    let (limit, after) = (paging::limit(query.limit)?, lookup::after::<HeldId>(query.cursor.as_deref())?);
    let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let unknown = |_| Problem::invalid("state", "Use held, released or rejected.");
    let state = query.state.as_deref().map(str::parse::<HeldState>).transpose().map_err(unknown)?;
    let mut conn = app.db.read().await?;
    let known = connections::of_org(&mut conn, org).await?;
    let rows = held::page(&mut conn, org, state, after.as_ref(), most).await?;
    let page = Page::of(rows, limit, |row| paging::cursor(&[row.id.as_str()]), |row| row);
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(show(&mut conn, &known, row).await?);
    }
    Ok(axum::Json(Page { items, next: page.next }))
}

/// One held request.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/held/{held}", tag = "held requests",
    responses((status = 200, description = "The request.", body = HeldBody)))]
async fn get(
    State(app): State<App>,
    asked: Asked,
    Path((_, held)): Path<(String, String)>,
) -> Result<axum::Json<HeldBody>, Problem> {
    let mut conn = app.db.read().await?;
    Ok(axum::Json(found(&mut conn, &asked.room()?.id, &held).await?))
}

/// The held request that is to be decided, if it still is as the caller read it.
async fn open(app: &App, asked: &Asked, how: &How, held: &str) -> Result<HeldBody, Problem> {
    let mut conn = app.db.read().await?;
    let found = found(&mut conn, &asked.room()?.id, held).await?;
    tag::check(how.if_match.as_deref(), &tag::of(&found))?;
    if found.state != HeldState::Held.as_str() {
        let detail = format!("The request was {} already.", found.state);
        return Err(Problem::new(StatusCode::CONFLICT, "conflict", detail));
    }
    Ok(found)
}

/// Whether the caller could decide, in a dry run: what a request would do is known only once it is carried out.
fn rehearsed(asked: &Asked, object: HeldBody) -> Result<Response, Problem> {
    let may = match &asked.room()?.reach {
        Reach::Whole => true,
        Reach::Member { grants, .. } => grants.holds(&Role::OrgAdmin, &Scope::Org),
    };
    if !may {
        return Err(Problem::denied("org.admin"));
    }
    Ok(axum::Json(HeldDecided { object, status: None, receipt: None }).into_response())
}

/// Carries a held request out, as its connection's client sent it. Needs `org.admin`. A dry run looks whether it can still
/// be decided.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/held/{held}/release", tag = "held requests",
    responses((status = 200, description = "The request, and what it did.", body = HeldDecided)))]
async fn release(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, held)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (org, open) = (asked.room()?.id.clone(), open(&app, &asked, &how, &held).await?);
    if how.dry_run {
        return rehearsed(&asked, open);
    }
    let id = HeldId::trusted(open.id);
    let released = waiting::release(&app, &asked.actor, &asked.origin, &org, &id).await?;
    let mut conn = app.db.read().await?;
    let receipt = match &released.change {
        Some(change) => audit::receipt(&mut conn, change).await?,
        None => None,
    };
    let receipt = receipt.as_ref().map(ReceiptBody::of);
    let object = found(&mut conn, &org, &held).await?;
    Ok(axum::Json(HeldDecided { object, status: Some(released.status), receipt }).into_response())
}

/// Drops a held request. Its connection's client will most likely send it again. Needs `org.admin`. A dry run looks whether
/// it can still be decided.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/held/{held}/reject", tag = "held requests",
    responses((status = 200, description = "The request.", body = HeldDecided)))]
async fn reject(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, held)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (org, open) = (asked.room()?.id.clone(), open(&app, &asked, &how, &held).await?);
    if how.dry_run {
        return rehearsed(&asked, open);
    }
    let id = HeldId::trusted(open.id);
    waiting::reject(&app, &asked.actor, &asked.origin, &org, &id).await?;
    let mut conn = app.db.read().await?;
    let object = found(&mut conn, &org, &held).await?;
    Ok(axum::Json(HeldDecided { object, status: None, receipt: None }).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_which_group_it_is_about() {
        let id = GroupId::fresh();
        assert_eq!(group_of(&format!("/Groups/{id}?attributes=id")), Some(id.clone()));
        assert_eq!(group_of(&format!("Groups/{id}")), Some(id));
        assert_eq!(group_of("/Users/usr_1"), None);
        assert_eq!(group_of("/Groups"), None);
    }
}
