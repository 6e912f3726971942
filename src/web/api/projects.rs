//! Projects, and who holds what on one.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::WayBody;
use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::gate::sees_project;
use super::input::{Body, ConfirmQuery, Query};
use super::paging::{self, Page, PageQuery, SearchQuery};
use super::problem::Problem;
use super::tag;
use super::write::{self, Written};
use crate::app::App;
use crate::domain::access::claims::Project as Named;
use crate::domain::access::{Policy, Scope, Via};
use crate::domain::change::Change;
use crate::kernel::fold;
use crate::kernel::id::{MembershipId, OrgId, ProjectId};
use crate::store::db::Conn;
use crate::store::orgs::{self, Project};
use crate::store::picture::{self, Count, OrgFacts};
use crate::store::{access_read, people_read};

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    let seen = Needs::Project("project.members.read", "bindings.read");
    let write = Needs::Project("project.members.write", "bindings.write");
    routes
        .route(Needs::Member, routes!(list))
        .route(Needs::Org("projects.write"), routes!(create))
        .route(Needs::Member, routes!(get))
        .route(Needs::Org("projects.write"), routes!(change))
        .route(Needs::Org("projects.write"), routes!(delete))
        .route(seen, routes!(members))
        .route(write.people_only(), routes!(remove_member))
}

/// A project.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProjectBody {
    /// Its id.
    pub id: String,
    /// Its key, which never changes: tokens name it by this.
    pub key: String,
    /// Its name.
    pub name: String,
}

/// What a new project is made of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProject {
    /// 1 to 40 of `a-z0-9-`, beginning with a letter; unique in the organisation.
    key: String,
    /// 1 to 100 characters.
    name: String,
}

/// What changes in a project; what is absent stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectPatch {
    /// 1 to 100 characters.
    name: Option<String>,
}

/// A member of a project: somebody whom a role on it, or on all projects, reaches.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProjectMember {
    /// The membership.
    pub membership_id: String,
    /// The account.
    pub user_id: String,
    /// Its user name.
    pub user_name: String,
    /// Its name.
    pub name: String,
    /// Whether it is a service account.
    pub service_account: bool,
    /// The membership's state.
    pub membership_state: &'static str,
    /// What is held at this moment; empty for somebody who may not sign in, or whose windows are not open.
    pub roles: Vec<RoleOnProject>,
}

/// A role on the project, and through what it is held.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RoleOnProject {
    /// The role.
    pub role: String,
    /// Every way by which it comes.
    pub ways: Vec<WayBody>,
}

fn show(project: Project) -> ProjectBody {
    ProjectBody { id: project.id.into_string(), key: project.key, name: project.name }
}

async fn found(conn: &mut Conn, org: &OrgId, id: &ProjectId) -> Result<Project, Problem> {
    let all = orgs::projects(conn, org).await?;
    all.into_iter().find(|project| project.id == *id).ok_or_else(|| Problem::not_found("The project"))
}

/// The projects that the caller sees, by key: all of them with `projects.read`, else those on which something is held.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/projects", tag = "projects", params(SearchQuery),
    responses((status = 200, description = "A page of projects.", body = Page<ProjectBody>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<SearchQuery>,
) -> Result<axum::Json<Page<ProjectBody>>, Problem> {
    let room = asked.room()?;
    let mut conn = app.db.read().await?;
    let mut all = orgs::projects(&mut conn, &room.id).await?;
    all.retain(|project| sees_project(&room.reach, &project.id));
    if let Some(search) = &query.search {
        let wanted = fold::key(search);
        all.retain(|project| project.key.contains(&wanted) || fold::key(&project.name).contains(&wanted));
    }
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    Ok(axum::Json(Page::cut(all, &page, |project| project.id.to_string(), show)?))
}

/// Makes a project. Whoever holds a role on all projects holds it on this one too.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/projects", tag = "projects", request_body = NewProject,
    responses((status = 201, description = "The project.", body = Written<ProjectBody>),
              (status = 200, description = "A dry run: nothing was made.", body = Written<ProjectBody>)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(new): Body<NewProject>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let project = ProjectId::fresh();
    let change = Change::CreateProject { org: org.clone(), project: project.clone(), key: new.key, name: new.name };
    let receipt = write::send(&app, &asked, &how, vec![change]).await?;
    let mut conn = app.db.read().await?;
    let made = orgs::projects(&mut conn, &org).await?.into_iter().find(|made| made.id == project);
    Ok(Written::created(made.map(show), &receipt))
}

/// One project.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/projects/{project}", tag = "projects",
    responses((status = 200, description = "The project.", body = ProjectBody)))]
async fn get(State(app): State<App>, asked: Asked) -> Result<axum::Json<ProjectBody>, Problem> {
    let mut conn = app.db.read().await?;
    Ok(axum::Json(show(found(&mut conn, &asked.room()?.id, asked.project()?).await?)))
}

/// Renames a project. Its key stays, and so does every token.
#[utoipa::path(patch, path = "/api/v1/orgs/{org}/projects/{project}", tag = "projects", request_body = ProjectPatch,
    responses((status = 200, description = "The project.", body = Written<ProjectBody>)))]
async fn change(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(patch): Body<ProjectPatch>,
) -> Result<Response, Problem> {
    let (org, id) = (asked.room()?.id.clone(), asked.project()?.clone());
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, project, patch) = (org.clone(), id.clone(), patch.clone());
        Box::pin(async move {
            let tag = tag::of(&show(found(conn, &org, &project).await?));
            let change = patch.name.map(|name| Change::RenameProject { org, project, name });
            Ok((tag, change.into_iter().collect()))
        })
    })
    .await?;
    let mut conn = app.db.read().await?;
    Ok(Written::ok(Some(show(found(&mut conn, &org, &id).await?)), &receipt))
}

/// Deletes a project with every role on it, its service accounts and its access keys. The key must be typed again in
/// `confirm`.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/projects/{project}", tag = "projects", params(ConfirmQuery),
    responses((status = 200, description = "Who lost what.", body = Written<ProjectBody>)))]
async fn delete(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Query(query): Query<ConfirmQuery>,
) -> Result<Response, Problem> {
    let (org, id) = (asked.room()?.id.clone(), asked.project()?.clone());
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, project, confirm) = (org.clone(), id.clone(), query.confirm.clone());
        Box::pin(async move {
            let before = found(conn, &org, &project).await?;
            if confirm.as_deref() != Some(before.key.as_str()) {
                return Err(Problem::invalid("confirm", "Type the project's key, exactly, to delete it."));
            }
            Ok((tag::of(&show(before)), vec![Change::DeleteProject { org, project }]))
        })
    })
    .await?;
    Ok(Written::<ProjectBody>::ok(None, &receipt))
}

/// Who holds what on a project, and through what: directly, through a group, by a role on all projects.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/projects/{project}/members", tag = "projects", params(PageQuery),
    responses((status = 200, description = "A page of members.", body = Page<ProjectMember>)))]
async fn members(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<ProjectMember>>, Problem> {
    let (org, project) = (&asked.room()?.id, asked.project()?);
    let limit = paging::limit(query.limit)?;
    let after = paging::after(query.cursor.as_deref(), 1)?.and_then(|mut parts| parts.pop()).unwrap_or_default();
    let mut conn = app.db.read().await?;
    let ids = access_read::members_on(&mut conn, org, project, &after, limit + 1).await?;
    let mut roles = held(&app, &mut conn, org, project, &ids).await?;
    let rows = people_read::names_of(&mut conn, &ids).await?;
    let show = |row: people_read::Named| ProjectMember {
        roles: roles.remove(&row.member).unwrap_or_default(),
        membership_id: row.member.into_string(),
        user_id: row.user.into_string(),
        user_name: row.user_name,
        name: row.name,
        service_account: row.service,
        membership_state: row.state.as_str(),
    };
    let more = rows.len() > limit;
    let next = rows.get(limit - 1).filter(|_| more).map(|row| paging::cursor(&[row.member.as_str()]));
    Ok(axum::Json(Page { items: rows.into_iter().take(limit).map(show).collect(), next }))
}

/// What some members hold on one project.
async fn held(
    app: &App,
    conn: &mut Conn,
    org: &OrgId,
    project: &ProjectId,
    members: &[MembershipId],
) -> Result<BTreeMap<MembershipId, Vec<RoleOnProject>>, Problem> {
    // Of the organisation's projects this one alone is asked for; of its rules none matters here.
    let one = Named { id: project.clone(), key: String::new() };
    let facts = OrgFacts { policy: Policy::default(), projects: vec![one], own_roles: BTreeMap::new() };
    let facts = BTreeMap::from([(org.clone(), facts)]);
    let pictured = picture::of_members(conn, members, &facts, app.now(), Count::Live).await?;
    let scope = Scope::Project(project.clone());
    let on_it = |pictured: &picture::Pictured| {
        let on_it = pictured.grants.iter().filter(|((_, on), _)| *on == scope);
        on_it.map(|((role, _), ways)| (role.to_string(), ways.clone())).collect::<Vec<_>>()
    };
    let found: Vec<_> = pictured.into_iter().map(|(member, pictured)| (member, on_it(&pictured))).collect();
    let ways = || found.iter().flat_map(|(_, roles)| roles).flat_map(|(_, ways)| ways);
    let groups: BTreeSet<_> = ways().filter_map(|via| via.group.clone()).collect();
    let bindings: BTreeSet<_> = ways().filter_map(|via| via.binding.clone()).collect();
    let names = access_read::group_names(conn, &groups).await?;
    let givers = access_read::givers(conn, &bindings).await?;
    let show = |(role, ways): (String, BTreeSet<Via>)| RoleOnProject {
        role,
        ways: ways.iter().map(|via| WayBody::of(via, &names, &givers)).collect(),
    };
    Ok(found.into_iter().map(|(member, roles)| (member, roles.into_iter().map(show).collect())).collect())
}

/// Takes a member's direct roles on a project. What comes through a group or from all projects stands in the way, and
/// is named with the call that takes it.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/projects/{project}/members/{user}", tag = "projects",
    responses((status = 200, description = "Who lost what.", body = Written<ProjectMember>)))]
async fn remove_member(State(app): State<App>, asked: Asked, how: How) -> Result<Response, Problem> {
    let (org, project) = (asked.room()?.id.clone(), asked.project()?.clone());
    let member = asked.member()?.id.clone();
    let receipt = write::edit(&app, &asked, &how, |_| {
        let (org, member, project) = (org.clone(), member.clone(), project.clone());
        // Nothing is read under this address, so that no tag can be of it.
        Box::pin(async move { Ok((String::new(), vec![Change::LeaveProject { org, member, project }])) })
    })
    .await?;
    Ok(Written::<ProjectMember>::ok(None, &receipt))
}
