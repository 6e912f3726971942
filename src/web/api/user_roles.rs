//! Somebody's groups as a whole set, and several direct roles at once: each one call, one change, one receipt.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::input::Body;
use super::named;
use super::person::{self, GroupOfUser, RoleOfUser};
use super::problem::Problem;
use super::user_edit::{before, place};
use super::words::{GrantBody, ReceiptBody};
use super::write::{self, Written};
use crate::app::App;
use crate::domain::access::{Binding, Subject};
use crate::domain::change::Change;
use crate::kernel::id::{BindingId, MembershipId, OrgId};
use crate::store::db::Conn;
use crate::store::{bindings, people_read};

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("groups.write").sensitive(), routes!(set_groups))
        .route(Needs::Member.sensitive(), routes!(change_roles))
}

/// A whole set of groups.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupSet {
    /// Their ids.
    groups: Vec<String>,
}

/// The groups of a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupsOfUser {
    /// The membership.
    pub membership_id: String,
    /// The groups, by name.
    pub groups: Vec<GroupOfUser>,
}

/// Roles to give and to take, all of it or nothing.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RolesChange {
    /// Roles to give: at most 100.
    #[serde(default)]
    add: Vec<GrantBody>,
    /// The ids of direct bindings to take: at most 100.
    #[serde(default)]
    remove: Vec<String>,
}

/// What became of roles that were given and taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct RolesChanged {
    /// The roles that were given; of one that was held already, the id is nobody's.
    pub added: Vec<RoleOfUser>,
    /// The ids of the bindings that were taken.
    pub removed: Vec<String>,
    /// What the change did.
    pub receipt: ReceiptBody,
}

/// Puts somebody into exactly these groups: what that gives and takes is one change with one receipt.
#[utoipa::path(put, path = "/api/v1/orgs/{org}/users/{user}/groups", tag = "users", request_body = GroupSet,
    responses((status = 200, description = "The groups.", body = Written<GroupsOfUser>)))]
async fn set_groups(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(body): Body<GroupSet>,
) -> Result<Response, Problem> {
    let (org, member) = place(&asked)?;
    let groups = named::groups("groups", &body.groups)?;
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, member, groups) = (org.clone(), member.clone(), groups.clone());
        Box::pin(async move {
            let (_, tag) = before(conn, &org, &member).await?;
            Ok((tag, vec![Change::SetGroupsOf { org, member, groups }]))
        })
    })
    .await?;
    let mut conn = app.db.read().await?;
    let held = people_read::groups_of(&mut conn, std::slice::from_ref(&member)).await?.remove(&member);
    let groups = held.unwrap_or_default().into_iter().map(Into::into).collect();
    Ok(Written::ok(Some(GroupsOfUser { membership_id: member.into_string(), groups }), &receipt))
}

/// Gives and takes several direct roles of somebody: all of it or nothing, with one receipt. Each must lie within the
/// caller's reach.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/users/{user}/roles", tag = "users", request_body = RolesChange,
    responses((status = 200, description = "What was given and taken.", body = RolesChanged)))]
async fn change_roles(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(body): Body<RolesChange>,
) -> Result<Json<RolesChanged>, Problem> {
    let (org, member) = place(&asked)?;
    named::short("add", body.add.len())?;
    named::short("remove", body.remove.len())?;
    let mut changes = Vec::new();
    let mut conn = app.db.read().await?;
    for (row, id) in body.remove.iter().enumerate() {
        changes.push(Change::Unbind { org: org.clone(), binding: direct(&mut conn, &org, &member, row, id).await? });
    }
    drop(conn);
    let mut added = Vec::new();
    for (row, role) in body.add.iter().enumerate() {
        let (role, scope, window) = role.read(&format!("add.{row}"))?;
        let subject = Subject::Member(member.clone());
        let binding = Binding { id: BindingId::fresh(), role, scope, subject, window };
        added.push(RoleOfUser::from(&binding));
        changes.push(Change::Bind { org: org.clone(), binding });
    }
    let receipt = write::send(&app, &asked, &how, changes).await?;
    Ok(Json(RolesChanged { added, removed: body.remove, receipt: ReceiptBody::of(&receipt) }))
}

/// A binding that is this member's own.
async fn direct(
    conn: &mut Conn,
    org: &OrgId,
    member: &MembershipId,
    row: usize,
    named: &str,
) -> Result<BindingId, Problem> {
    let no_id = |_| Problem::invalid(format!("remove.{row}"), "Give the id of a binding (bnd_…).");
    let id: BindingId = named.parse().map_err(no_id)?;
    let found = bindings::find(conn, org, &id).await?.filter(|found| person::holder(found) == Some(member));
    found.map(|found| found.id).ok_or_else(|| Problem::not_found("The binding"))
}
