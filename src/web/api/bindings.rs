//! Bindings: which role is given to whom, on what, from when until when.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::groups::grant;
use super::input::{Body, Query};
use super::paging::{self, Page};
use super::problem::Problem;
use super::tag;
use super::words::{GivenRole, ReceiptBody, ScopeBody, moment, read_moment};
use super::write::{self, Written};
use crate::app::App;
use crate::domain::access::{Binding, Role, Scope, Subject, Window};
use crate::domain::change::{Change, Receipt};
use crate::domain::people::user::Kind;
use crate::kernel::id::{BindingId, GroupId, OrgId};
use crate::kernel::time::UnixMillis;
use crate::store::binding_list::{self, Filter, Holder, Listed};
use crate::store::db::Conn;
use crate::store::memberships::Membership;
use crate::store::{bindings, groups, memberships, orgs, users};

/// So many bindings in one call.
const MOST: usize = 100;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("bindings.read"), routes!(list))
        .route(Needs::Member.sensitive(), routes!(create))
        .route(Needs::Org("bindings.read"), routes!(get))
        .route(Needs::Member.sensitive(), routes!(delete))
        .route(Needs::Member.sensitive(), routes!(batch))
        .route(Needs::Member.sensitive(), routes!(apply_bundle))
}

/// A role that is given to somebody.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Binding)]
pub struct BindingBody {
    /// Its id.
    pub id: String,
    /// Whom it is given to.
    pub subject: SubjectBody,
    /// What is given.
    #[serde(flatten)]
    pub grant: GivenRole,
    /// Where it comes from: `local`, `system` (of a predefined group), or a connection.
    pub source: String,
    /// Who gave it, as the audit record names actors; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_by: Option<String>,
    /// Since when (RFC 3339).
    pub since: String,
}

/// Whom a role is given to.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = BindingSubject)]
pub struct SubjectBody {
    /// `user`, `service_account` or `group`.
    pub kind: &'static str,
    /// The id of the account or the group.
    pub id: String,
    /// The account's membership.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub membership_id: Option<String>,
    /// The user name, or the group's name.
    pub name: String,
}

/// A role to give: to exactly one of `user`, `group` and `service_account`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBinding {
    /// A member, by the account's id or the membership's.
    user: Option<String>,
    /// A group, by its id.
    group: Option<String>,
    /// A service account, by its id.
    service_account: Option<String>,
    /// The role: a built-in one like `project.admin`, or the key of an own role.
    #[schema(example = "project.reader")]
    role: String,
    /// On what; the organisation if none is given.
    #[serde(default = "on_org")]
    scope: ScopeBody,
    /// From when (RFC 3339).
    not_before: Option<String>,
    /// Until when (RFC 3339).
    not_after: Option<String>,
}

const fn on_org() -> ScopeBody {
    ScopeBody::Org
}

/// Roles to take and to give, all of them or none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BindingBatch {
    /// Roles to give.
    #[serde(default)]
    add: Vec<NewBinding>,
    /// Bindings to take, by their ids; they are taken first.
    #[serde(default)]
    remove: Vec<String>,
}

/// A bundle to give: to exactly one of `user`, `group` and `service_account`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BundleUse {
    /// The bundle's id.
    bundle: String,
    /// A member, by the account's id or the membership's.
    user: Option<String>,
    /// A group, by its id.
    group: Option<String>,
    /// A service account, by its id.
    service_account: Option<String>,
}

/// What became of several roles.
#[derive(Debug, Serialize, ToSchema)]
pub struct BindingsChanged {
    /// What was given; a role that was held so already is not among them.
    pub created: Vec<BindingBody>,
    /// What the change did.
    pub receipt: ReceiptBody,
}

/// Which bindings.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Of this role.
    role: Option<String>,
    /// For this member alone, by the account's id or the membership's; what its groups give is not among them.
    user: Option<String>,
    /// For this group.
    group: Option<String>,
    /// On this project, by its id or key; what is given on all projects is not among them.
    project: Option<String>,
    /// How many rows at most: 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

fn show(listed: Listed) -> BindingBody {
    let Listed { binding, source, created_by, created_at, holder } = listed;
    let (id, membership_id) = match &binding.subject {
        Subject::Member(id) => (None, Some(id.to_string())),
        Subject::Group(id) => (Some(id.to_string()), None),
    };
    let (kind, user, name) = match holder {
        Holder::User { user, name } => ("user", Some(user.into_string()), name),
        Holder::ServiceAccount { user, name } => ("service_account", Some(user.into_string()), name),
        Holder::Group { name } => ("group", None, name),
    };
    BindingBody {
        grant: grant(&binding),
        id: binding.id.into_string(),
        subject: SubjectBody { kind, id: user.or(id).unwrap_or_default(), membership_id, name },
        source: source.to_string(),
        given_by: Some(created_by).filter(|by| !by.is_empty()),
        since: moment(created_at),
    }
}

async fn found(conn: &mut Conn, org: &OrgId, id: &str) -> Result<Listed, Problem> {
    let missing = || Problem::not_found("The binding");
    let id: BindingId = id.parse().map_err(|_| missing())?;
    binding_list::find(conn, org, &id).await?.ok_or_else(missing)
}

/// Whom a body or a query names.
#[derive(Clone, Copy)]
struct Named<'a> {
    user: Option<&'a str>,
    group: Option<&'a str>,
    service_account: Option<&'a str>,
}

impl Named<'_> {
    async fn find(self, conn: &mut Conn, org: &OrgId, field: &str) -> Result<Subject, Problem> {
        match (self.user, self.group, self.service_account) {
            (Some(user), None, None) => Ok(Subject::Member(member(conn, org, user, "The user").await?.id)),
            (None, Some(group), None) => group_of(conn, org, group).await,
            (None, None, Some(account)) => {
                let what = "The service account";
                let member = member(conn, org, account, what).await?;
                let user = users::find(conn, &member.user).await?;
                if user.is_some_and(|user| matches!(user.kind, Kind::Service(..))) {
                    Ok(Subject::Member(member.id))
                } else {
                    Err(Problem::not_found(what))
                }
            }
            _ => Err(Problem::invalid(format!("{field}user"), "Name exactly one: user, group or service_account.")),
        }
    }
}

/// A member by the account's id or the membership's.
async fn member(conn: &mut Conn, org: &OrgId, named: &str, what: &str) -> Result<Membership, Problem> {
    let found = match (named.parse(), named.parse()) {
        (Ok(id), _) => memberships::find(conn, org, &id).await?,
        (_, Ok(user)) => memberships::of_user(conn, org, &user).await?,
        _ => None,
    };
    found.ok_or_else(|| Problem::not_found(what))
}

async fn group_of(conn: &mut Conn, org: &OrgId, named: &str) -> Result<Subject, Problem> {
    let missing = || Problem::not_found("The group");
    let id: GroupId = named.parse().map_err(|_| missing())?;
    let found = groups::find(conn, org, &id).await?.ok_or_else(missing)?;
    Ok(Subject::Group(found.id))
}

fn read_role(text: &str, field: &str) -> Result<Role, Problem> {
    text.parse().map_err(|_| Problem::invalid(format!("{field}role"), format!("\"{text}\" is no role.")))
}

impl NewBinding {
    /// The binding that is meant; `field` is what stands before the names of its fields.
    async fn read(&self, conn: &mut Conn, org: &OrgId, field: &str) -> Result<Binding, Problem> {
        let role = read_role(&self.role, field)?;
        let scope = self.scope.read(&format!("{field}scope"))?;
        if role != Role::OrgOwner && !scope.fits(&role) {
            return Err(Problem::invalid(format!("{field}scope"), format!("{role} can't be held there.")));
        }
        let at = |name: &str, text: Option<&String>, open| match text {
            Some(text) => read_moment(&format!("{field}{name}"), text),
            None => Ok(open),
        };
        let window = Window {
            not_before: at("not_before", self.not_before.as_ref(), UnixMillis::MIN)?,
            not_after: at("not_after", self.not_after.as_ref(), UnixMillis::MAX)?,
        };
        let named = Named {
            user: self.user.as_deref(),
            group: self.group.as_deref(),
            service_account: self.service_account.as_deref(),
        };
        let subject = named.find(conn, org, field).await?;
        Ok(Binding { id: BindingId::fresh(), role, scope, subject, window })
    }
}

/// Who holds what: every binding of an organisation, filtered by role, by whom it is for, and by project.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/bindings", tag = "bindings", params(ListQuery),
    responses((status = 200, description = "A page of bindings.", body = Page<BindingBody>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Page<BindingBody>>, Problem> {
    let org = &asked.room()?.id;
    let limit = paging::limit(query.limit)?;
    let after = paging::after(query.cursor.as_deref(), 1)?.and_then(|mut parts| parts.pop()).unwrap_or_default();
    let mut conn = app.db.read().await?;
    let filter = filter(&mut conn, org, &query).await?;
    let rows = binding_list::page(&mut conn, org, &filter, &after, limit + 1).await?;
    Ok(axum::Json(Page::of(rows, limit, |row| paging::cursor(&[row.binding.id.as_str()]), show)))
}

async fn filter(conn: &mut Conn, org: &OrgId, query: &ListQuery) -> Result<Filter, Problem> {
    let role = query.role.as_deref().map(|role| read_role(role, "")).transpose()?;
    let named = Named { user: query.user.as_deref(), group: query.group.as_deref(), service_account: None };
    let subject = match (named.user, named.group) {
        (None, None) => None,
        (Some(_), Some(_)) => return Err(Problem::invalid("group", "Filter by a user or by a group, not by both.")),
        _ => Some(named.find(conn, org, "").await?),
    };
    let project = match &query.project {
        None => None,
        Some(named) => {
            let all = orgs::projects(conn, org).await?;
            let found = all.into_iter().find(|found| found.id.as_str() == named || found.key == *named);
            Some(found.ok_or_else(|| Problem::not_found("The project"))?.id)
        }
    };
    Ok(Filter { role, project, subject })
}

/// Gives a role, within one's own reach. If the very same is given already, that one is answered and nothing changes.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/bindings", tag = "bindings", request_body = NewBinding,
    responses((status = 201, description = "The binding.", body = Written<BindingBody>),
              (status = 200, description = "It was there already, or a dry run.", body = Written<BindingBody>)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(new): Body<NewBinding>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let mut conn = app.db.read().await?;
    let binding = new.read(&mut conn, &org, "").await?;
    drop(conn);
    let change = Change::Bind { org: org.clone(), binding: binding.clone() };
    let receipt = write::send(&app, &asked, &how, vec![change]).await?;
    let mut conn = app.db.read().await?;
    if let Some(made) = binding_list::find(&mut conn, &org, &binding.id).await? {
        return Ok(Written::created(Some(show(made)), &receipt));
    }
    let same = binding_list::same(&mut conn, &org, &binding).await?;
    Ok(Written::ok(same.map(show), &receipt))
}

/// One binding.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/bindings/{binding}", tag = "bindings",
    responses((status = 200, description = "The binding.", body = BindingBody)))]
async fn get(
    State(app): State<App>,
    asked: Asked,
    Path((_, binding)): Path<(String, String)>,
) -> Result<axum::Json<BindingBody>, Problem> {
    let org = &asked.room()?.id;
    let mut conn = app.db.read().await?;
    Ok(axum::Json(show(found(&mut conn, org, &binding).await?)))
}

/// Takes a role, within one's own reach: what is lost, and what ends by it, stands on the receipt.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/bindings/{binding}", tag = "bindings",
    responses((status = 200, description = "Who lost what.", body = Written<BindingBody>)))]
async fn delete(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, binding)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, binding) = (org.clone(), binding.clone());
        Box::pin(async move {
            let before = found(conn, &org, &binding).await?;
            let id = before.binding.id.clone();
            Ok((tag::of(&show(before)), vec![Change::Unbind { org, binding: id }]))
        })
    })
    .await?;
    Ok(Written::<BindingBody>::ok(None, &receipt))
}

/// Takes and gives up to a hundred roles as one: all of them or none, with one receipt. Who loses a role here and is
/// given it anew loses nothing.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/bindings/batch", tag = "bindings", request_body = BindingBatch,
    responses((status = 200, description = "What became of them.", body = BindingsChanged)))]
async fn batch(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(batch): Body<BindingBatch>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let rows = batch.add.len() + batch.remove.len();
    if rows == 0 || rows > MOST {
        return Err(Problem::invalid("add", format!("Give and take 1 to {MOST} roles in all; these are {rows}.")));
    }
    let mut changes = Vec::new();
    for id in &batch.remove {
        let binding = id.parse::<BindingId>().map_err(|_| Problem::not_found("The binding"))?;
        changes.push(Change::Unbind { org: org.clone(), binding });
    }
    let mut conn = app.db.read().await?;
    for (row, new) in batch.add.iter().enumerate() {
        let binding = new.read(&mut conn, &org, &format!("add.{row}.")).await?;
        changes.push(Change::Bind { org: org.clone(), binding });
    }
    drop(conn);
    several(&app, &asked, &how, &org, changes).await
}

/// Gives every role of a bundle, as one. Roles whose project or own role is gone by now are passed over.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/bindings/apply-bundle", tag = "bindings", request_body = BundleUse,
    responses((status = 200, description = "What was given.", body = BindingsChanged)))]
async fn apply_bundle(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(wanted): Body<BundleUse>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let mut conn = app.db.read().await?;
    let bundle = super::bundles::found(&mut conn, &org, &wanted.bundle).await?;
    let named = Named {
        user: wanted.user.as_deref(),
        group: wanted.group.as_deref(),
        service_account: wanted.service_account.as_deref(),
    };
    let subject = named.find(&mut conn, &org, "").await?;
    let projects = orgs::projects(&mut conn, &org).await?;
    let own = bindings::own_roles(&mut conn, &org).await?;
    drop(conn);
    let is_there = |role: &Role, scope: &Scope| {
        let role = match role {
            Role::Own(key) => own.iter().any(|own| own.key == *key),
            _ => true,
        };
        let scope = match scope {
            Scope::Project(id) => projects.iter().any(|project| project.id == *id),
            Scope::Org | Scope::AllProjects => true,
        };
        role && scope
    };
    let grants = bundle.grants.into_iter().filter(|(role, scope)| is_there(role, scope));
    let give = |(role, scope)| {
        let (id, subject, window) = (BindingId::fresh(), subject.clone(), Window::ALWAYS);
        Change::Bind { org: org.clone(), binding: Binding { id, role, scope, subject, window } }
    };
    let changes: Vec<Change> = grants.map(give).collect();
    if changes.is_empty() {
        let detail = "Nothing of this bundle is there any more: give it other roles first.";
        return Err(Problem::new(StatusCode::CONFLICT, "conflict", detail));
    }
    several(&app, &asked, &how, &org, changes).await
}

/// Sends several, and answers with what was given.
async fn several(app: &App, asked: &Asked, how: &How, org: &OrgId, changes: Vec<Change>) -> Result<Response, Problem> {
    let minted = changes.iter().filter_map(|change| match change {
        Change::Bind { binding, .. } => Some(binding.id.clone()),
        _ => None,
    });
    let minted: Vec<BindingId> = minted.collect();
    let receipt: Receipt = write::send(app, asked, how, changes).await?;
    let mut conn = app.db.read().await?;
    let made = binding_list::of_ids(&mut conn, org, &minted).await?;
    let created = made.into_iter().map(show).collect();
    Ok(axum::Json(BindingsChanged { created, receipt: ReceiptBody::of(&receipt) }).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::source::Source;
    use crate::kernel::id::{MembershipId, UserId};

    // I33
    #[test]
    fn a_binding_says_whom_it_is_for_and_shows_its_window_where_it_has_one() {
        let subject = Subject::Member(MembershipId::from_u128(1));
        let window = Window { not_before: UnixMillis::MIN, not_after: UnixMillis(1000) };
        let binding =
            Binding { id: BindingId::from_u128(1), role: Role::OrgReader, scope: Scope::Org, subject, window };
        let holder = Holder::User { user: UserId::from_u128(1), name: "ann".to_owned() };
        let (source, created_by, created_at) = (Source::Local, String::new(), UnixMillis(0));
        let shown = show(Listed { binding, source, created_by, created_at, holder });
        assert_eq!((shown.subject.kind, shown.subject.name.as_str()), ("user", "ann"));
        assert_eq!(shown.subject.id, UserId::from_u128(1).to_string());
        assert_eq!(shown.subject.membership_id, Some(MembershipId::from_u128(1).to_string()));
        assert_eq!((shown.grant.not_before, shown.grant.not_after), (None, Some("1970-01-01T00:00:01Z".to_owned())));
        assert_eq!(shown.given_by, None);
    }

    // K24
    #[test]
    fn a_body_that_names_an_organisation_is_refused() {
        let text = r#"{ "org": "org_00000000000000000000000001", "user": "usr_1", "role": "org.reader" }"#;
        assert!(serde_json::from_str::<NewBinding>(text).is_err());
        let whole: NewBinding =
            serde_json::from_str(r#"{ "user": "usr_1", "role": "org.reader" }"#).expect("a binding");
        assert_eq!(whole.scope, ScopeBody::Org);
    }
}
