//! Roles: the built-in ones and an organisation's own; the catalogue of permissions that they are made of.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::input::{Body, ConfirmQuery, Query};
use super::paging::{Page, PageQuery};
use super::problem::Problem;
use super::tag;
use super::write::{self, Written};
use crate::app::App;
use crate::domain::access::role::Level;
use crate::domain::access::{Role, account_roles, permission};
use crate::domain::change::Change;
use crate::kernel::id::{OrgId, RoleId};
use crate::store::bindings::{self, OwnRole};
use crate::store::db::Conn;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("roles.read"), routes!(list))
        .route(Needs::Org("roles.write").sensitive(), routes!(create))
        .route(Needs::Org("roles.read"), routes!(get))
        .route(Needs::Org("roles.write").sensitive(), routes!(change))
        .route(Needs::Org("roles.write").sensitive(), routes!(delete))
        .route(Needs::Caller, routes!(catalogue))
        .route(Needs::Caller, routes!(account_tiers))
}

/// A role.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Role)]
pub struct RoleBody {
    /// Its id, if it is the organisation's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its key: what bindings and tokens carry. It never changes.
    #[schema(example = "org.admin")]
    pub key: String,
    /// What people call it.
    pub name: String,
    /// Whether every organisation has it, and nobody changes it.
    pub built_in: bool,
    /// Where it can be given: `org`, `project` (one, or all of them), or `either`.
    pub level: &'static str,
    /// Whether it can be given at all: the owner's is transferred instead.
    pub assignable: bool,
    /// Whether it can be given to a group.
    pub assignable_to_group: bool,
    /// Whether it administers something: losing it ends sessions under the policies that otherwise narrow them.
    pub administers: bool,
    /// The roles that come with it.
    pub implies: Vec<String>,
    /// What it is made of; `GET /api/v1/permissions` says what each allows.
    pub permissions: Vec<String>,
}

/// What a new role is made of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRole {
    /// 1 to 64 of a-z, 0-9, - and _, beginning with a letter. It never changes.
    #[schema(example = "release-manager")]
    key: String,
    /// 1 to 100 characters.
    name: String,
    /// Permissions of the catalogue, none beyond one's own.
    permissions: Vec<String>,
}

/// What changes in a role; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RolePatch {
    /// 1 to 100 characters.
    name: Option<String>,
    /// All its permissions from now on.
    permissions: Option<Vec<String>>,
}

/// A permission.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Permission)]
pub struct PermissionBody {
    /// A noun and a verb.
    #[schema(example = "users.invite")]
    pub permission: &'static str,
    /// What it allows.
    pub description: &'static str,
    /// What it concerns: `org` or `project`.
    pub level: &'static str,
}

/// One of the four tiers of managing an account, in words of ours.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AccountRole)]
pub struct AccountRoleBody {
    /// `viewer`, `operator`, `editor` or `administrator`.
    pub key: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// What it lets one do.
    pub description: &'static str,
    /// The built-in role that it is; absent where an own role is made of its permissions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What it is made of.
    pub permissions: Vec<&'static str>,
}

const fn level(role: &Role) -> &'static str {
    match role.level() {
        Level::Org => "org",
        Level::Project => "project",
        Level::Either => "either",
    }
}

/// A role that was looked for.
enum Found {
    BuiltIn(Role),
    Own(OwnRole),
}

impl Found {
    fn show(self) -> RoleBody {
        match self {
            Self::BuiltIn(role) => {
                let assignable = role != Role::OrgOwner;
                RoleBody {
                    id: None,
                    key: role.to_string(),
                    name: role.title().to_owned(),
                    built_in: true,
                    level: level(&role),
                    assignable,
                    assignable_to_group: assignable,
                    administers: role.is_admin(),
                    implies: role.implies().iter().map(ToString::to_string).collect(),
                    permissions: permission::of(&role).into_iter().map(str::to_owned).collect(),
                }
            }
            Self::Own(role) => RoleBody {
                id: Some(role.id.into_string()),
                level: level(&Role::Own(String::new())),
                key: role.key,
                name: role.name,
                built_in: false,
                assignable: true,
                assignable_to_group: true,
                administers: permission::administers(role.permissions.iter().map(String::as_str)),
                implies: Vec::new(),
                permissions: role.permissions.into_iter().collect(),
            },
        }
    }

    /// The organisation's own role; a built-in one is nobody's to change.
    fn own(self) -> Result<OwnRole, Problem> {
        match self {
            Self::Own(role) => Ok(role),
            Self::BuiltIn(role) => {
                let detail = format!("{role} is built in: make a role of your own instead.");
                Err(Problem::new(axum::http::StatusCode::CONFLICT, "conflict", detail))
            }
        }
    }
}

/// A role by its id or its key.
async fn found(conn: &mut Conn, org: &OrgId, named: &str) -> Result<Found, Problem> {
    let missing = || Problem::not_found("The role");
    if let Ok(id) = named.parse::<RoleId>()
        && let Some(role) = bindings::own_role(conn, org, &id).await?
    {
        return Ok(Found::Own(role));
    }
    match named.parse::<Role>() {
        Ok(Role::Own(key)) => {
            let own = bindings::own_roles(conn, org).await?;
            own.into_iter().find(|role| role.key == key).map(Found::Own).ok_or_else(missing)
        }
        Ok(built_in) => Ok(Found::BuiltIn(built_in)),
        Err(_) => Err(missing()),
    }
}

/// The roles that can be held in an organisation: the built-in ones, then its own by key, each with its permissions.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/roles", tag = "roles", params(PageQuery),
    responses((status = 200, description = "A page of roles.", body = Page<RoleBody>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<RoleBody>>, Problem> {
    let org = &asked.room()?.id;
    let mut conn = app.db.read().await?;
    let own = bindings::own_roles(&mut conn, org).await?.into_iter().map(Found::Own);
    let all: Vec<RoleBody> = Role::BUILT_IN.iter().cloned().map(Found::BuiltIn).chain(own).map(Found::show).collect();
    Ok(axum::Json(Page::cut(all, &query, |role| role.key.clone(), |role| role)?))
}

/// Makes a role of the organisation's own, of permissions within one's own reach.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/roles", tag = "roles", request_body = NewRole,
    responses((status = 201, description = "The role.", body = Written<RoleBody>),
              (status = 200, description = "A dry run: nothing was made.", body = Written<RoleBody>)))]
async fn create(State(app): State<App>, asked: Asked, how: How, Body(new): Body<NewRole>) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let role = RoleId::fresh();
    let permissions = new.permissions.into_iter().collect();
    let change = Change::CreateRole { org: org.clone(), role: role.clone(), key: new.key, name: new.name, permissions };
    let receipt = write::send(&app, &asked, &how, vec![change]).await?;
    let mut conn = app.db.read().await?;
    let object = bindings::own_role(&mut conn, &org, &role).await?.map(|role| Found::Own(role).show());
    Ok(Written::created(object, &receipt))
}

/// One role, by its key or its id, with its permissions.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/roles/{role}", tag = "roles",
    responses((status = 200, description = "The role.", body = RoleBody)))]
async fn get(
    State(app): State<App>,
    asked: Asked,
    Path((_, role)): Path<(String, String)>,
) -> Result<axum::Json<RoleBody>, Problem> {
    let org = &asked.room()?.id;
    let mut conn = app.db.read().await?;
    Ok(axum::Json(found(&mut conn, org, &role).await?.show()))
}

/// Renames an own role or replaces its permissions. Whom it was given to keeps it, with what it opens from now on.
#[utoipa::path(patch, path = "/api/v1/orgs/{org}/roles/{role}", tag = "roles", request_body = RolePatch,
    responses((status = 200, description = "The role.", body = Written<RoleBody>)))]
async fn change(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, role)): Path<(String, String)>,
    Body(patch): Body<RolePatch>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, role) = (org.clone(), role.clone());
        let (name, permissions) = (patch.name.clone(), patch.permissions.clone());
        Box::pin(async move {
            let before = found(conn, &org, &role).await?.own()?;
            let tag = tag::of(&Found::Own(before.clone()).show());
            let name = name.unwrap_or(before.name);
            let permissions = permissions.map_or(before.permissions, |words| words.into_iter().collect());
            Ok((tag, vec![Change::SetRole { org, role: before.id, name, permissions }]))
        })
    })
    .await?;
    let mut conn = app.db.read().await?;
    let after = found(&mut conn, &org, &role).await?;
    Ok(Written::ok(Some(after.show()), &receipt))
}

/// Deletes an own role, and takes it from whoever holds it. The key must be typed again in `confirm`.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/roles/{role}", tag = "roles", params(ConfirmQuery),
    responses((status = 200, description = "Who lost it.", body = Written<RoleBody>)))]
async fn delete(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, role)): Path<(String, String)>,
    Query(query): Query<ConfirmQuery>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, role, confirm) = (org.clone(), role.clone(), query.confirm.clone());
        Box::pin(async move {
            let before = found(conn, &org, &role).await?.own()?;
            if confirm.as_deref() != Some(before.key.as_str()) {
                return Err(Problem::invalid("confirm", "Type the role's key, exactly, to delete it."));
            }
            let id = before.id.clone();
            let tag = tag::of(&Found::Own(before).show());
            Ok((tag, vec![Change::DeleteRole { org, role: id }]))
        })
    })
    .await?;
    Ok(Written::<RoleBody>::ok(None, &receipt))
}

/// The catalogue of permissions that roles are made of.
#[utoipa::path(get, path = "/api/v1/permissions", tag = "permissions",
    responses((status = 200, description = "Every permission.", body = Page<PermissionBody>)))]
async fn catalogue() -> axum::Json<Page<PermissionBody>> {
    let of = |list: &[(&'static str, &'static str)], level: &'static str| {
        let show = |&(permission, description): &(&'static str, &'static str)| PermissionBody {
            permission,
            description,
            level,
        };
        list.iter().map(show).collect::<Vec<_>>()
    };
    let mut items = of(permission::ORG, "org");
    items.extend(of(permission::PROJECT, "project"));
    axum::Json(Page { items, next: None })
}

/// The four tiers of managing an account that people know from other services, and what each is here.
#[utoipa::path(get, path = "/api/v1/account-roles", tag = "roles",
    responses((status = 200, description = "The four tiers.", body = Page<AccountRoleBody>)))]
async fn account_tiers() -> axum::Json<Page<AccountRoleBody>> {
    let show = |tier: &account_roles::AccountRole| AccountRoleBody {
        key: tier.key,
        name: tier.name,
        description: tier.description,
        role: tier.built_in().map(ToString::to_string),
        permissions: tier.permissions().into_iter().collect(),
    };
    axum::Json(Page { items: account_roles::ALL.iter().map(show).collect(), next: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    // I10 K26
    #[test]
    fn a_role_lists_its_permissions_and_the_owners_is_never_offered() {
        for role in Role::BUILT_IN {
            let shown = Found::BuiltIn(role.clone()).show();
            assert_eq!(shown.permissions.len(), permission::of(role).len());
            assert_eq!(shown.assignable, *role != Role::OrgOwner, "{role}");
            assert_eq!(shown.assignable_to_group, *role != Role::OrgOwner, "{role}");
            assert_ne!(shown.level, "either", "{role}");
        }
        assert_eq!(Found::BuiltIn(Role::BillingAdmin).show().implies, ["billing.manager", "billing.viewer"]);
    }
}
