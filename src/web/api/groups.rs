//! Groups: named sets of members that hold roles together.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Asked, How, Room};
use super::declare::{Needs, Routes, routes};
use super::gate::must_be_fresh;
use super::input::{Body, ConfirmQuery, Query};
use super::managed_by::{Keepers, ManagedBy};
use super::paging::{self, Page, PageQuery, SearchQuery};
use super::problem::Problem;
use super::tag;
use super::words::{GivenRole, GrantBody, ReceiptBody, RefusedRow, moment};
use super::write::{self, Written};
use crate::app::App;
use crate::domain::access::{Binding, Subject};
use crate::domain::change::Change;
use crate::domain::people::user::Kind;
use crate::kernel::id::{BindingId, GroupId, MembershipId, OrgId};
use crate::store::db::Conn;
use crate::store::groups::{self, Group};
use crate::store::{bindings, memberships, users};

/// So many members in one call.
const MOST_MEMBERS: usize = 1000;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("groups.read"), routes!(list))
        .route(Needs::Org("groups.write"), routes!(create))
        .route(Needs::Org("groups.read"), routes!(get))
        .route(Needs::Org("groups.write"), routes!(change))
        .route(Needs::Org("groups.write"), routes!(delete))
        .route(Needs::Org("groups.read"), routes!(members))
        .route(Needs::Org("groups.write").sensitive(), routes!(add_members))
        .route(Needs::Org("groups.write").sensitive(), routes!(remove_members))
}

/// A group.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Group)]
pub struct GroupBody {
    /// Its id.
    pub id: String,
    /// Its name, unique in the organisation without regard to case.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it comes from: `local`, `system` (predefined: only its members change), or a connection.
    pub source: String,
    /// The connection that keeps its name and its members; null where it is kept here. Its roles are given here in
    /// any case.
    pub managed_by: Option<ManagedBy>,
    /// How many members it has.
    pub members: i64,
    /// The roles that it gives.
    pub roles: Vec<RoleOfGroup>,
}

/// A role that a group gives.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RoleOfGroup {
    /// The binding's id.
    pub binding_id: String,
    /// What is given.
    #[serde(flatten)]
    pub grant: GivenRole,
}

/// What a new group is made of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGroup {
    /// 1 to 128 characters, unique in the organisation without regard to case.
    name: String,
    /// At most 100 characters.
    #[serde(default)]
    description: String,
    /// Roles that it gives from the beginning.
    #[serde(default)]
    roles: Vec<GrantBody>,
}

/// What changes in a group; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupPatch {
    /// 1 to 128 characters, unique in the organisation without regard to case.
    name: Option<String>,
    /// At most 100 characters.
    description: Option<String>,
}

/// Members by their accounts' or memberships' ids.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MembersChange {
    /// 1 to 1,000 ids.
    users: Vec<String>,
}

/// What became of a list of members.
#[derive(Debug, Serialize, ToSchema)]
pub struct MembersChanged {
    /// Rows that were not taken; the others were.
    refused: Vec<RefusedRow>,
    /// What the change did.
    receipt: ReceiptBody,
}

/// A member of a group.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct GroupMember {
    /// The membership.
    pub membership_id: String,
    /// The account.
    pub user_id: String,
    /// Its user name.
    pub user_name: String,
    /// Its name.
    pub name: String,
    /// Where the place in the group comes from: `local`, an invitation, or a connection, which alone takes it.
    pub source: String,
    /// When a place that a mapping gave is over unless the person comes again (RFC 3339).
    pub expires_at: Option<String>,
}

async fn show(conn: &mut Conn, org: &OrgId, group: Group) -> Result<GroupBody, Problem> {
    let roles = bindings::of_group(conn, org, &group.id).await?;
    let keepers = Keepers::of(conn, &[&group.source]).await?;
    Ok(GroupBody {
        members: groups::count_members(conn, &group.id).await?,
        id: group.id.into_string(),
        name: group.name,
        description: group.description,
        managed_by: keepers.keeper(&group.source),
        source: group.source.to_string(),
        roles: roles.iter().map(|b| RoleOfGroup { binding_id: b.id.to_string(), grant: grant(b) }).collect(),
    })
}

/// A binding's role, scope and window.
pub fn grant(binding: &Binding) -> GivenRole {
    GivenRole {
        role: binding.role.to_string(),
        scope: (&binding.scope).into(),
        not_before: super::words::until(binding.window.not_before),
        not_after: super::words::until(binding.window.not_after),
    }
}

async fn found(conn: &mut Conn, org: &OrgId, id: &str) -> Result<Group, Problem> {
    let missing = || Problem::not_found("The group");
    let id: GroupId = id.parse().map_err(|_| missing())?;
    groups::find(conn, org, &id).await?.ok_or_else(missing)
}

/// The groups of an organisation, by name.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/groups", tag = "groups", params(SearchQuery),
    responses((status = 200, description = "A page of groups.", body = Page<GroupBody>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<SearchQuery>,
) -> Result<axum::Json<Page<GroupBody>>, Problem> {
    let Room { id: org, .. } = asked.room()?;
    let mut conn = app.db.read().await?;
    let mut all = groups::of_org(&mut conn, org).await?;
    if let Some(search) = &query.search {
        let wanted = crate::kernel::fold::key(search);
        all.retain(|group| crate::kernel::fold::key(&group.name).contains(&wanted));
    }
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let page = Page::cut(all, &page, |group| group.id.to_string(), |group| group)?;
    let mut items = Vec::new();
    for group in page.items {
        items.push(show(&mut conn, org, group).await?);
    }
    Ok(axum::Json(Page { items, next: page.next }))
}

/// Makes a group, with the roles that it gives from the beginning.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/groups", tag = "groups", request_body = NewGroup,
    responses((status = 201, description = "The group.", body = Written<GroupBody>),
              (status = 200, description = "A dry run: nothing was made.", body = Written<GroupBody>)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(new): Body<NewGroup>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    super::named::short("roles", new.roles.len())?;
    if !new.roles.is_empty() {
        must_be_fresh(&app, &asked).await?;
    }
    let group = GroupId::fresh();
    let mut changes = vec![Change::CreateGroup {
        org: org.clone(),
        group: group.clone(),
        name: new.name,
        description: new.description,
    }];
    for (row, role) in new.roles.iter().enumerate() {
        let (role, scope, window) = role.read(&format!("roles.{row}"))?;
        let subject = Subject::Group(group.clone());
        changes.push(Change::Bind {
            org: org.clone(),
            binding: Binding { id: BindingId::fresh(), role, scope, subject, window },
        });
    }
    let receipt = write::send(&app, &asked, &how, changes).await?;
    let mut conn = app.db.read().await?;
    let object = match groups::find(&mut conn, &org, &group).await? {
        Some(group) => Some(show(&mut conn, &org, group).await?),
        None => None,
    };
    Ok(Written::created(object, &receipt))
}

/// One group.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/groups/{group}", tag = "groups",
    responses((status = 200, description = "The group.", body = GroupBody)))]
async fn get(
    State(app): State<App>,
    asked: Asked,
    Path((_, group)): Path<(String, String)>,
) -> Result<axum::Json<GroupBody>, Problem> {
    let org = &asked.room()?.id;
    let mut conn = app.db.read().await?;
    let group = found(&mut conn, org, &group).await?;
    Ok(axum::Json(show(&mut conn, org, group).await?))
}

/// Renames a group or describes it anew. Nobody's session ends by that.
#[utoipa::path(patch, path = "/api/v1/orgs/{org}/groups/{group}", tag = "groups", request_body = GroupPatch,
    responses((status = 200, description = "The group.", body = Written<GroupBody>)))]
async fn change(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, group)): Path<(String, String)>,
    Body(patch): Body<GroupPatch>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, group, name, description) =
            (org.clone(), group.clone(), patch.name.clone(), patch.description.clone());
        Box::pin(async move {
            let before = found(conn, &org, &group).await?;
            let id = before.id.clone();
            let (name, description) = (
                name.unwrap_or_else(|| before.name.clone()),
                description.unwrap_or_else(|| before.description.clone()),
            );
            let tag = tag::of(&show(conn, &org, before).await?);
            Ok((tag, vec![Change::RenameGroup { org, group: id, name, description }]))
        })
    })
    .await?;
    let mut conn = app.db.read().await?;
    let after = found(&mut conn, &org, &group).await?;
    Ok(Written::ok(Some(show(&mut conn, &org, after).await?), &receipt))
}

/// Deletes a group with every role that it gives. The name must be typed again in `confirm`.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/groups/{group}", tag = "groups", params(ConfirmQuery),
    responses((status = 200, description = "Who lost what.", body = Written<GroupBody>)))]
async fn delete(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, group)): Path<(String, String)>,
    Query(query): Query<ConfirmQuery>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, group, confirm) = (org.clone(), group.clone(), query.confirm.clone());
        Box::pin(async move {
            let before = found(conn, &org, &group).await?;
            if confirm.as_deref() != Some(before.name.as_str()) {
                return Err(Problem::invalid("confirm", "Type the group's name, exactly, to delete it."));
            }
            let id = before.id.clone();
            let tag = tag::of(&show(conn, &org, before).await?);
            Ok((tag, vec![Change::DeleteGroup { org, group: id }]))
        })
    })
    .await?;
    Ok(Written::<GroupBody>::ok(None, &receipt))
}

/// The members of a group.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/groups/{group}/members", tag = "groups", params(PageQuery),
    responses((status = 200, description = "A page of members.", body = Page<GroupMember>)))]
async fn members(
    State(app): State<App>,
    asked: Asked,
    Path((_, group)): Path<(String, String)>,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<GroupMember>>, Problem> {
    let org = &asked.room()?.id;
    let mut conn = app.db.read().await?;
    let group = found(&mut conn, org, &group).await?;
    let limit = paging::limit(query.limit)?;
    let after = paging::after(query.cursor.as_deref(), 1)?.and_then(|mut parts| parts.pop()).unwrap_or_default();
    let rows = groups::members_page(&mut conn, &group.id, &after, limit + 1).await?;
    let show = |row: groups::Member| GroupMember {
        membership_id: row.member.into_string(),
        user_id: row.user.into_string(),
        user_name: row.user_name,
        name: row.name,
        source: row.source.to_string(),
        expires_at: row.expires_at.map(moment),
    };
    Ok(axum::Json(Page::of(rows, limit, |row| paging::cursor(&[row.member.as_str()]), show)))
}

/// Puts members into a group: they hold its roles at their next token. Rows that can't be taken are named; the others are.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/groups/{group}/members/add", tag = "groups", request_body = MembersChange,
    responses((status = 200, description = "What became of the rows.", body = MembersChanged)))]
async fn add_members(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, group)): Path<(String, String)>,
    Body(list): Body<MembersChange>,
) -> Result<axum::Json<MembersChanged>, Problem> {
    change_members(&app, (&asked, &how), &group, &list, |org, group, members| Change::AddToGroup {
        org,
        group,
        members,
    })
    .await
}

/// Takes members out of a group: what they lose, and what of theirs ends, stands on the receipt.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/groups/{group}/members/remove", tag = "groups", request_body = MembersChange,
    responses((status = 200, description = "What became of the rows.", body = MembersChanged)))]
async fn remove_members(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, group)): Path<(String, String)>,
    Body(list): Body<MembersChange>,
) -> Result<axum::Json<MembersChanged>, Problem> {
    let take = |org, group, members| Change::RemoveFromGroup { org, group, members };
    change_members(&app, (&asked, &how), &group, &list, take).await
}

async fn change_members(
    app: &App,
    (asked, how): (&Asked, &How),
    group: &str,
    list: &MembersChange,
    change: impl FnOnce(OrgId, GroupId, Vec<MembershipId>) -> Change,
) -> Result<axum::Json<MembersChanged>, Problem> {
    let org = asked.room()?.id.clone();
    let (id, members, refused) = rows(app, &org, group, list).await?;
    let receipt = write::send(app, asked, how, vec![change(org, id, members)]).await?;
    Ok(axum::Json(MembersChanged { refused, receipt: ReceiptBody::of(&receipt) }))
}

/// The rows of a list that name members, and those that don't.
async fn rows(
    app: &App,
    org: &OrgId,
    group: &str,
    list: &MembersChange,
) -> Result<(GroupId, Vec<MembershipId>, Vec<RefusedRow>), Problem> {
    if list.users.is_empty() || list.users.len() > MOST_MEMBERS {
        return Err(Problem::invalid(
            "users",
            format!("Name 1 to {MOST_MEMBERS} members; these are {}.", list.users.len()),
        ));
    }
    let mut conn = app.db.read().await?;
    let group = found(&mut conn, org, group).await?.id;
    let (mut members, mut refused) = (Vec::new(), Vec::new());
    for (row, id) in list.users.iter().enumerate() {
        match member_or_why(&mut conn, org, id).await? {
            Ok(member) => members.push(member),
            Err((code, reason)) => {
                refused.push(RefusedRow { row, id: id.clone(), code, reason: reason.to_owned() });
            }
        }
    }
    Ok((group, members, refused))
}

type Why = (&'static str, &'static str);

async fn member_or_why(conn: &mut Conn, org: &OrgId, named: &str) -> Result<Result<MembershipId, Why>, Problem> {
    let found = match (named.parse(), named.parse()) {
        (Ok(id), _) => memberships::find(conn, org, &id).await?,
        (_, Ok(user)) => memberships::of_user(conn, org, &user).await?,
        _ => None,
    };
    let Some(member) = found else {
        return Ok(Err(("not_found", "There is no member with this id in the organisation.")));
    };
    let service = users::find(conn, &member.user).await?.is_some_and(|user| matches!(user.kind, Kind::Service(..)));
    if service {
        return Ok(Err(("service_account", "A service account can't be in a group: give it roles of its own.")));
    }
    Ok(Ok(member.id))
}
