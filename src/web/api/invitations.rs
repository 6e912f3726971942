//! Invitations: sending them, seeing what became of them, sending them again, and taking them back.
//!
//! No answer has a link or its secret: whoever has one has read the mail. What an invitation brings is not changed
//! afterwards; it is taken back, and another one is sent.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, How};
use super::bundles;
use super::declare::{Needs, Routes, routes};
use super::gate::must_be_fresh;
use super::input::{Body, Query};
use super::lookup;
use super::paging::{self, Page, PageQuery};
use super::person::GroupOfUser;
use super::problem::Problem;
use super::register::{access, language, mode};
use super::register_many::RowProblem;
use super::tag;
use super::words::{GivenRole, GrantBody, ReceiptBody, moment, until};
use super::write::{self, Written};
use crate::app::App;
use crate::domain::access::{Role, Scope, Window};
use crate::domain::change::Change;
use crate::domain::people::invitation::{Access, Offered, State as Stands};
use crate::flows::change_access::Refusal;
use crate::flows::invite::{self, Invited, Invitee, Sent};
use crate::kernel::id::{GroupId, InvitationId, MembershipId, OrgId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::db::Conn;
use crate::store::invitations::{self, Invitation};
use crate::store::{access_read, bindings, groups, orgs};

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("users.invite").people_only(), routes!(send))
        .route(Needs::Org("users.read"), routes!(list))
        .route(Needs::Org("users.read"), routes!(get))
        .route(Needs::Org("users.invite").people_only(), routes!(resend))
        .route(Needs::Org("users.invite").people_only(), routes!(cancel))
        .route(Needs::Org("groups.read"), routes!(of_group))
}

/// An invitation.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Invitation)]
pub struct InvitationBody {
    /// Its id.
    pub id: String,
    /// The address that it was sent to, and that whoever accepts must have.
    pub email: String,
    /// The whole name.
    pub name: String,
    /// First name.
    pub given_name: String,
    /// Surname.
    pub family_name: String,
    /// The language of its mails.
    pub language: &'static str,
    /// `processing`, `pending`, `accepted`, `declined`, `cancelled`, `expired` or `failed`.
    pub state: &'static str,
    /// Why it is cancelled or failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The groups that it leads into.
    pub groups: Vec<GroupOfUser>,
    /// The roles that it brings.
    pub roles: Vec<GivenRole>,
    /// Who sent it, as the audit record names actors.
    pub invited_by: String,
    /// How many mails were sent.
    pub sent: i64,
    /// When the last one was (RFC 3339).
    pub last_sent_at: String,
    /// Until when its link is good (RFC 3339).
    pub link_expires_at: String,
    /// Until when it can be accepted (RFC 3339).
    pub expires_at: String,
    /// The account that came of it.
    pub user_id: Option<String>,
    /// The membership that came of it.
    pub membership_id: Option<String>,
    /// When it was made (RFC 3339).
    pub created_at: String,
    /// When it was accepted, declined or taken back (RFC 3339).
    pub decided_at: Option<String>,
}

/// People to be invited, all with the same access.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteBody {
    /// 1 to 100 people.
    people: Vec<PersonToInvite>,
    /// The ids of the groups that they are to be in.
    #[serde(default)]
    groups: Vec<String>,
    /// Roles that they are to hold directly.
    #[serde(default)]
    roles: Vec<GrantBody>,
    /// The id of a bundle of roles, besides.
    bundle: Option<String>,
    /// The language of the mails: `en` or `ko`; the organisation's if none is given.
    language: Option<String>,
}

/// Somebody to be invited.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PersonToInvite {
    /// The address.
    email: String,
    /// The whole name; or `given_name` and `family_name`.
    name: String,
    /// First name.
    given_name: String,
    /// Surname.
    family_name: String,
}

/// What became of each.
#[derive(Debug, Serialize, ToSchema)]
pub struct InviteDone {
    /// In their order.
    pub people: Vec<PersonInvited>,
}

/// What became of one of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonInvited {
    /// The address.
    pub email: String,
    /// `invited`, `already_invited` and `already_member` (nothing was sent), `refused` or, in a trial, `dry_run`.
    pub state: &'static str,
    /// The invitation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation_id: Option<String>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<RowProblem>,
    /// What the change did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<ReceiptBody>,
}

/// Which invitations.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// `processing`, `pending`, `accepted`, `declined`, `cancelled`, `expired` or `failed`. A page of a filtered list
    /// may hold fewer rows than were asked for; `next` says whether there are more.
    state: Option<String>,
    /// How many rows at most: 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

async fn show(conn: &mut Conn, found: Invitation, now: UnixMillis) -> Result<InvitationBody, sqlx::Error> {
    let names = access_read::group_names(conn, &found.access.groups).await?;
    Ok(body(found, &names, now))
}

fn body(found: Invitation, names: &BTreeMap<GroupId, String>, now: UnixMillis) -> InvitationBody {
    // A group that is gone by now is left out at the acceptance, too.
    let group = |id: &GroupId| {
        let named = |name: &String| GroupOfUser { id: id.to_string(), name: name.clone(), ..GroupOfUser::default() };
        names.get(id).map(named)
    };
    let groups = found.access.groups.iter().filter_map(group).collect();
    let role = |one: &Offered| GivenRole {
        role: one.role.to_string(),
        scope: (&one.scope).into(),
        not_before: until(one.window.not_before),
        not_after: until(one.window.not_after),
    };
    InvitationBody {
        state: found.state_at(now).as_str(),
        id: found.id.into_string(),
        email: found.email,
        name: found.name,
        given_name: found.given_name,
        family_name: found.family_name,
        language: found.language.as_str(),
        reason: found.reason,
        groups,
        roles: found.access.roles.iter().map(role).collect(),
        invited_by: found.created_by,
        sent: found.sent,
        last_sent_at: moment(found.last_sent_at),
        link_expires_at: moment(found.link_expires_at),
        expires_at: moment(found.expires_at),
        user_id: found.user.map(UserId::into_string),
        membership_id: found.member.map(MembershipId::into_string),
        created_at: moment(found.created_at),
        decided_at: found.decided_at.map(moment),
    }
}

/// An invitation of the organisation, by its id.
async fn found(conn: &mut Conn, org: &OrgId, id: &str) -> Result<Invitation, Problem> {
    let missing = || Problem::not_found("The invitation");
    let id: InvitationId = id.parse().map_err(|_| missing())?;
    invitations::find(conn, org, &id).await?.ok_or_else(missing)
}

/// Invites up to a hundred people by mail, each in a change of their own, all with the same groups and roles. Whoever
/// is invited or a member already is left alone, so that the same call again sends nothing twice. What is to be given
/// must lie within one's own reach; it is judged again when the invitation is accepted.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/invitations", tag = "invitations", request_body = InviteBody,
    responses((status = 200, description = "What became of each.", body = InviteDone)))]
async fn send(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(body): Body<InviteBody>,
) -> Result<Json<InviteDone>, Problem> {
    let org = asked.room()?.id.clone();
    if body.people.is_empty() {
        return Err(Problem::invalid("people", "Name 1 to 100 people."));
    }
    if !body.groups.is_empty() || !body.roles.is_empty() || body.bundle.is_some() {
        must_be_fresh(&app, &asked).await?;
    }
    let mut access = access(&body.groups, &body.roles)?;
    if let Some(bundle) = &body.bundle {
        add_bundle(&app, &org, bundle, &mut access).await?;
    }
    let tag = language(body.language.as_deref())?;
    let invitee = |person: PersonToInvite| Invitee {
        email: person.email,
        name: person.name,
        given_name: person.given_name,
        family_name: person.family_name,
    };
    let people: Vec<Invitee> = body.people.into_iter().map(invitee).collect();
    let done = invite::many(&app, &asked.actor, &asked.origin, &org, people, &access, tag, mode(&how)).await;
    let done = done.map_err(|too_many| Problem::invalid("people", too_many.to_string()))?;
    // What all are to have is the same for all: where it can't be given, it is one refusal.
    let for_all = |one: &Invited| matches!(&one.outcome, Err(Refusal::Denied { .. } | Refusal::NotFound(_)));
    if done.iter().all(for_all) {
        for one in done {
            one.outcome?;
        }
        return Ok(Json(InviteDone { people: Vec::new() }));
    }
    Ok(Json(InviteDone { people: done.into_iter().map(|one| person_invited(one, how.dry_run)).collect() }))
}

/// The roles of a bundle; those of a project or an own role that is gone are passed over.
async fn add_bundle(app: &App, org: &OrgId, bundle: &str, access: &mut Access) -> Result<(), Problem> {
    let mut conn = app.db.read().await?;
    let bundle = bundles::found(&mut conn, org, bundle).await?;
    let (projects, own) = (orgs::projects(&mut conn, org).await?, bindings::own_roles(&mut conn, org).await?);
    for (role, scope) in bundle.grants {
        let role_lives = match &role {
            Role::Own(key) => own.iter().any(|one| one.key == *key),
            _ => true,
        };
        let scope_lives = match &scope {
            Scope::Project(id) => projects.iter().any(|project| project.id == *id),
            Scope::Org | Scope::AllProjects => true,
        };
        if role_lives && scope_lives {
            access.roles.push(Offered { role, scope, window: Window::ALWAYS });
        }
    }
    Ok(())
}

fn person_invited(one: Invited, dry_run: bool) -> PersonInvited {
    let Invited { email, outcome } = one;
    let none = PersonInvited { email, state: "refused", invitation_id: None, problem: None, receipt: None };
    match outcome {
        Ok(Sent::New(_, receipt)) if dry_run => {
            PersonInvited { state: "dry_run", receipt: Some(ReceiptBody::of(&receipt)), ..none }
        }
        Ok(Sent::New(id, receipt)) => PersonInvited {
            state: "invited",
            invitation_id: Some(id.into_string()),
            receipt: Some(ReceiptBody::of(&receipt)),
            ..none
        },
        Ok(Sent::AlreadyInvited(id)) => {
            PersonInvited { state: "already_invited", invitation_id: Some(id.into_string()), ..none }
        }
        Ok(Sent::AlreadyMember) => PersonInvited { state: "already_member", ..none },
        Err(refusal) => PersonInvited { problem: Some(Problem::from(refusal).as_row_fault().into()), ..none },
    }
}

/// The invitations of an organisation, the oldest first.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/invitations", tag = "invitations", params(ListQuery),
    responses((status = 200, description = "A page of invitations.", body = Page<InvitationBody>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<InvitationBody>>, Problem> {
    let words = || Stands::ALL.map(Stands::as_str).join(", ");
    let wanted = |word: &str| {
        let unknown = |_| Problem::invalid("state", format!("Use one of {}.", words()));
        word.parse::<Stands>().map_err(unknown)
    };
    let state: Option<Stands> = query.state.as_deref().map(wanted).transpose()?;
    let (limit, after) = (paging::limit(query.limit)?, lookup::after::<InvitationId>(query.cursor.as_deref())?);
    let mut conn = app.db.read().await?;
    let rows = invitations::list(&mut conn, &asked.room()?.id, state, after.as_ref(), most(limit)).await?;
    // One whose time is over is expired from that moment on, though it is written a second later.
    let fits = |now: Stands| state.is_none_or(|wanted| wanted == now);
    page(&mut conn, rows, limit, (app.now(), &fits)).await
}

/// One more than the limit, as statements count.
fn most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

/// A page of those that stand as is wished for, by what counts now.
async fn page(
    conn: &mut Conn,
    rows: Vec<Invitation>,
    limit: usize,
    (now, fits): (UnixMillis, &(dyn Fn(Stands) -> bool + Sync)),
) -> Result<Json<Page<InvitationBody>>, Problem> {
    let page = Page::of(rows, limit, |row: &Invitation| paging::cursor(&[row.id.as_str()]), |row| row);
    let ids: BTreeSet<GroupId> = page.items.iter().flat_map(|row| row.access.groups.iter().cloned()).collect();
    let names = access_read::group_names(conn, &ids).await?;
    let fitting = page.items.into_iter().filter(|row| fits(row.state_at(now)));
    let items = fitting.map(|row| body(row, &names, now)).collect();
    Ok(Json(Page { items, next: page.next }))
}

/// One invitation.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/invitations/{invitation}", tag = "invitations",
    responses((status = 200, description = "The invitation.", body = InvitationBody)))]
async fn get(
    State(app): State<App>,
    asked: Asked,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<InvitationBody>, Problem> {
    let mut conn = app.db.read().await?;
    let row = found(&mut conn, &asked.room()?.id, &id).await?;
    Ok(Json(show(&mut conn, row, app.now()).await?))
}

/// Sends an invitation's mail again, with a new link that is good for seven days; the link before is dead. A minute
/// apart, five times a day; not while the last mail is still on its way. One that expired or failed is open again by
/// that.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/invitations/{invitation}/resend", tag = "invitations",
    responses((status = 200, description = "The invitation.", body = Written<InvitationBody>)))]
async fn resend(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    let mut conn = app.db.read().await?;
    let row = found(&mut conn, &org, &id).await?;
    let id = row.id.clone();
    tag::check(how.if_match.as_deref(), &tag::of(&show(&mut conn, row, app.now()).await?))?;
    drop(conn);
    let receipt = invite::resend(&app, &asked.actor, &asked.origin, &org, &id, mode(&how)).await?;
    let mut conn = app.db.read().await?;
    let row = found(&mut conn, &org, id.as_str()).await?;
    Ok(Written::ok(Some(show(&mut conn, row, app.now()).await?), &receipt))
}

/// Takes an invitation back: its link is dead and says so.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/invitations/{invitation}", tag = "invitations",
    responses((status = 200, description = "The invitation.", body = Written<InvitationBody>)))]
async fn cancel(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (org, now) = (asked.room()?.id.clone(), app.now());
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, id) = (org.clone(), id.clone());
        Box::pin(async move {
            let row = found(conn, &org, &id).await?;
            let invitation = row.id.clone();
            let tag = tag::of(&show(conn, row, now).await?);
            Ok((tag, vec![Change::CancelInvitation { org, invitation }]))
        })
    })
    .await?;
    let mut conn = app.db.read().await?;
    let row = found(&mut conn, &org, &id).await?;
    Ok(Written::ok(Some(show(&mut conn, row, now).await?), &receipt))
}

/// Who will be in a group once they accept: open invitations that lead into it. They hold nothing yet.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/groups/{group}/invitations", tag = "groups", params(PageQuery),
    responses((status = 200, description = "A page of invitations.", body = Page<InvitationBody>)))]
async fn of_group(
    State(app): State<App>,
    asked: Asked,
    Path((_, group)): Path<(String, String)>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<InvitationBody>>, Problem> {
    let org = &asked.room()?.id;
    let missing = || Problem::not_found("The group");
    let id: GroupId = group.parse().map_err(|_| missing())?;
    let mut conn = app.db.read().await?;
    groups::find(&mut conn, org, &id).await?.ok_or_else(missing)?;
    let (limit, after) = (paging::limit(query.limit)?, lookup::after::<InvitationId>(query.cursor.as_deref())?);
    let rows = invitations::pending_of_group(&mut conn, org, &id, after.as_ref(), most(limit)).await?;
    page(&mut conn, rows, limit, (app.now(), &|now: Stands| now.is_open())).await
}
