//! Organisations: the operator makes and suspends them, their owner transfers and deletes them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::input::{Body, ConfirmQuery, Query};
use super::named;
use super::paging::{self, Page, PageQuery};
use super::problem::Problem;
use super::tag;
use super::words::moment;
use super::write::{self, Written};
use crate::app::App;
use crate::domain::change::{Change, NewUser};
use crate::domain::oidc::claims::Profile;
use crate::domain::people::password::About;
use crate::domain::people::user::{Kind, MembershipState, OrgState, UserState};
use crate::domain::source::Source;
use crate::kernel::id::{MembershipId, OrgId, UserId};
use crate::store::db::Conn;
use crate::store::org_list::{self, Listed};
use crate::store::users;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Caller, routes!(list))
        .route(Needs::Operator.people_only(), routes!(create))
        .route(Needs::Org("org.read"), routes!(get))
        .route(Needs::Org("org.write"), routes!(change))
        .route(Needs::Owner.fresh(), routes!(delete))
        .route(Needs::Operator.people_only(), routes!(suspend))
        .route(Needs::Operator.people_only(), routes!(resume))
        .route(Needs::Operator.people_only(), routes!(restore))
        .route(Needs::Owner.fresh(), routes!(transfer))
}

/// An organisation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OrgBody {
    /// Its id.
    pub id: String,
    /// Its place in addresses, which never changes.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// `active`, `suspended` or `deleted`.
    pub state: &'static str,
    /// What a loss of access ends: `strict`, `standing` or `narrow`.
    pub policy: &'static str,
    /// The membership that owns it.
    pub owner_membership_id: Option<String>,
    /// When it was made (RFC 3339).
    pub created_at: String,
    /// When it was deleted (RFC 3339); within thirty days it can be brought back.
    pub deleted_at: Option<String>,
}

/// An organisation in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OrgRow {
    /// Its id.
    pub id: String,
    /// Its place in addresses.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// `active`, `suspended` or `deleted`.
    pub state: &'static str,
}

/// What a new organisation is made of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrg {
    /// 1 to 40 of `a-z0-9-`, beginning with a letter; unique in the instance.
    slug: String,
    /// 1 to 100 characters.
    name: String,
    /// What a loss of access ends: `strict` if nothing else is given.
    policy: Option<String>,
    /// Who owns it.
    owner: OrgOwner,
}

/// The owner of a new organisation: an own account by its id, or a new account of the organisation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum OrgOwner {
    /// The id of an account that belongs to the person.
    Account(String),
    /// A new account that belongs to the organisation.
    New(NewOwner),
}

/// A new account for an owner.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOwner {
    /// The user name, which never changes.
    user_name: String,
    /// E-mail address.
    email: Option<String>,
    /// The first password; without one the account waits for it.
    password: Option<String>,
}

/// What changes in an organisation; what is absent stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrgPatch {
    /// 1 to 100 characters.
    name: Option<String>,
}

/// Who is to own the organisation.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrgOwner {
    /// A member, by the account's id or the membership's.
    to: String,
}

fn show(found: &Listed) -> OrgBody {
    OrgBody {
        id: found.org.id.to_string(),
        slug: found.org.slug.clone(),
        name: found.org.name.clone(),
        state: found.org.state.as_str(),
        policy: found.org.policy.as_str(),
        owner_membership_id: found.org.owner.as_ref().map(ToString::to_string),
        created_at: moment(found.created_at),
        deleted_at: found.deleted_at.map(moment),
    }
}

fn row(found: Listed) -> OrgRow {
    OrgRow {
        id: found.org.id.into_string(),
        slug: found.org.slug,
        name: found.org.name,
        state: found.org.state.as_str(),
    }
}

async fn found(conn: &mut Conn, org: &OrgId) -> Result<Listed, Problem> {
    org_list::find(conn, org).await?.ok_or_else(|| Problem::not_found("The organisation"))
}

/// The organisations that the caller is in: the token's own. The operator sees every one of the instance.
#[utoipa::path(get, path = "/api/v1/orgs", tag = "orgs", params(PageQuery),
    responses((status = 200, description = "A page of organisations.", body = Page<OrgRow>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<OrgRow>>, Problem> {
    let limit = paging::limit(query.limit)?;
    let after = paging::after(query.cursor.as_deref(), 1)?.and_then(|mut parts| parts.pop()).unwrap_or_default();
    let mut conn = app.db.read().await?;
    let rows = if asked.is_operator() {
        org_list::page(&mut conn, &after, limit + 1).await?
    } else if let Some(org) = &asked.token_org {
        org_list::find(&mut conn, org).await?.into_iter().filter(|found| found.org.slug > after).collect()
    } else {
        Vec::new()
    };
    Ok(axum::Json(Page::of(rows, limit, |found| paging::cursor(&[&found.org.slug]), row)))
}

/// Makes an organisation with its owner and its predefined groups.
#[utoipa::path(post, path = "/api/v1/orgs", tag = "orgs", request_body = NewOrg,
    responses((status = 201, description = "The organisation.", body = Written<OrgBody>),
              (status = 200, description = "A dry run: nothing was made.", body = Written<OrgBody>)))]
async fn create(State(app): State<App>, asked: Asked, how: How, Body(new): Body<NewOrg>) -> Result<Response, Problem> {
    let (org, member) = (OrgId::fresh(), MembershipId::fresh());
    let policy = match &new.policy {
        None => crate::domain::access::Policy::default(),
        Some(word) => word.parse().map_err(|reason: String| Problem::invalid("policy", format!("{reason}.")))?,
    };
    let mut changes = vec![Change::CreateOrg { org: org.clone(), slug: new.slug, name: new.name, policy }];
    let user = match new.owner {
        OrgOwner::Account(id) => own_account(&app, &id).await?,
        OrgOwner::New(owner) => {
            let user = new_owner(&app, &org, owner).await?;
            let id = user.id.clone();
            changes.push(Change::CreateUser(Box::new(user)));
            id
        }
    };
    let (state, source) = (MembershipState::Active, Source::Local);
    changes.push(Change::AddMember { org: org.clone(), member: member.clone(), user, state, source });
    changes.push(Change::TransferOwnership { org: org.clone(), to: member });
    let receipt = write::send(&app, &asked, &how, changes).await?;
    let mut conn = app.db.read().await?;
    Ok(Written::created(org_list::find(&mut conn, &org).await?.as_ref().map(show), &receipt))
}

/// Only an account of the person's own can own an organisation that is not there yet.
async fn own_account(app: &App, id: &str) -> Result<UserId, Problem> {
    let wrong = || Problem::invalid("owner", "Give the id of an active own account (usr_…), or a new account.");
    let id: UserId = id.parse().map_err(|_| wrong())?;
    let mut conn = app.db.read().await?;
    let found = users::find(&mut conn, &id).await?;
    let good = found.is_some_and(|user| user.kind == Kind::Own && user.state == UserState::Active);
    if good { Ok(id) } else { Err(wrong()) }
}

async fn new_owner(app: &App, org: &OrgId, owner: NewOwner) -> Result<NewUser, Problem> {
    let password = match &owner.password {
        None => None,
        Some(text) => {
            let about = About { user_name: owner.user_name.clone(), email: owner.email.clone(), ..About::default() };
            Some(named::password(app, text, &Kind::Managed(org.clone()), about).await?)
        }
    };
    Ok(NewUser {
        id: UserId::fresh(),
        kind: Kind::Managed(org.clone()),
        profile: Profile {
            preferred_username: Some(owner.user_name.clone()),
            email: owner.email,
            updated_at: app.now().seconds(),
            ..Profile::default()
        },
        user_name: owner.user_name,
        state: if password.is_some() { UserState::Active } else { UserState::Pending },
        source: Source::Local,
        password,
        must_change: false,
    })
}

/// One organisation.
#[utoipa::path(get, path = "/api/v1/orgs/{org}", tag = "orgs",
    responses((status = 200, description = "The organisation.", body = OrgBody)))]
async fn get(State(app): State<App>, asked: Asked) -> Result<axum::Json<OrgBody>, Problem> {
    let mut conn = app.db.read().await?;
    Ok(axum::Json(show(&found(&mut conn, &asked.room()?.id).await?)))
}

/// Renames an organisation. Nobody's session ends by that.
#[utoipa::path(patch, path = "/api/v1/orgs/{org}", tag = "orgs", request_body = OrgPatch,
    responses((status = 200, description = "The organisation.", body = Written<OrgBody>)))]
async fn change(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(patch): Body<OrgPatch>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, patch) = (org.clone(), patch.clone());
        Box::pin(async move {
            let tag = tag::of(&show(&found(conn, &org).await?));
            Ok((tag, patch.name.map(|name| Change::RenameOrg { org, name }).into_iter().collect()))
        })
    })
    .await?;
    let mut conn = app.db.read().await?;
    Ok(Written::ok(Some(show(&found(&mut conn, &org).await?)), &receipt))
}

/// Deletes an organisation: everybody's sessions, tokens and keys in it end at once. The slug must be typed again in
/// `confirm`. Within thirty days the operator can bring it back.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}", tag = "orgs", params(ConfirmQuery),
    responses((status = 200, description = "Who lost what.", body = Written<OrgBody>)))]
async fn delete(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Query(query): Query<ConfirmQuery>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, confirm) = (org.clone(), query.confirm.clone());
        Box::pin(async move {
            let before = found(conn, &org).await?;
            if confirm.as_deref() != Some(before.org.slug.as_str()) {
                return Err(Problem::invalid("confirm", "Type the organisation's slug, exactly, to delete it."));
            }
            Ok((tag::of(&show(&before)), vec![Change::SetOrgState { org, state: OrgState::Deleted }]))
        })
    })
    .await?;
    let mut conn = app.db.read().await?;
    Ok(Written::ok(Some(show(&found(&mut conn, &org).await?)), &receipt))
}

/// Suspends an organisation: everybody's sessions and tokens in it end, and nobody enters it.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/suspend", tag = "orgs",
    responses((status = 200, description = "The organisation.", body = Written<OrgBody>)))]
async fn suspend(State(app): State<App>, asked: Asked, how: How) -> Result<Response, Problem> {
    set_state(&app, &asked, &how, OrgState::Suspended, OrgState::Active).await
}

/// Lets people into a suspended organisation again. What was ended stays ended.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/resume", tag = "orgs",
    responses((status = 200, description = "The organisation.", body = Written<OrgBody>)))]
async fn resume(State(app): State<App>, asked: Asked, how: How) -> Result<Response, Problem> {
    set_state(&app, &asked, &how, OrgState::Active, OrgState::Suspended).await
}

/// Brings a deleted organisation back, within thirty days. What was ended stays ended.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/restore", tag = "orgs",
    responses((status = 200, description = "The organisation.", body = Written<OrgBody>)))]
async fn restore(State(app): State<App>, asked: Asked, how: How) -> Result<Response, Problem> {
    set_state(&app, &asked, &how, OrgState::Active, OrgState::Deleted).await
}

/// Sets the state `to`, from the state `from` alone; an organisation that is there already stays.
async fn set_state(app: &App, asked: &Asked, how: &How, to: OrgState, from: OrgState) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let receipt = write::edit(app, asked, how, |conn| {
        let (org, to, from) = (org.clone(), to, from);
        Box::pin(async move {
            let before = found(conn, &org).await?;
            let stands = before.org.state;
            if stands != to && stands != from {
                let detail = format!("The organisation is {stands}, not {from}.");
                return Err(Problem::new(StatusCode::CONFLICT, "conflict", detail));
            }
            let changes = if stands == to { Vec::new() } else { vec![Change::SetOrgState { org, state: to }] };
            Ok((tag::of(&show(&before)), changes))
        })
    })
    .await?;
    let mut conn = app.db.read().await?;
    Ok(Written::ok(Some(show(&found(&mut conn, &org).await?)), &receipt))
}

/// Makes another member the owner. The owner before keeps the membership and every other role.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/transfer", tag = "orgs", request_body = NewOrgOwner,
    responses((status = 200, description = "The organisation.", body = Written<OrgBody>)))]
async fn transfer(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(body): Body<NewOrgOwner>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, to) = (org.clone(), body.to.clone());
        Box::pin(async move {
            let tag = tag::of(&show(&found(conn, &org).await?));
            let to = named::member(conn, &org, &to).await?.id;
            Ok((tag, vec![Change::TransferOwnership { org, to }]))
        })
    })
    .await?;
    let mut conn = app.db.read().await?;
    Ok(Written::ok(Some(show(&found(&mut conn, &org).await?)), &receipt))
}
