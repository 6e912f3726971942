//! People: who is in an organisation, and deleting somebody.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, How, Room};
use super::declare::{Needs, Routes, routes};
use super::input::Query;
use super::managed_by::{Keepers, ManagedBy, upstream_active};
use super::named;
use super::paging::{self, Page};
use super::person::{self, GroupOfUser, OwnedThings, RoleOfUser, UserBody};
use super::problem::Problem;
use super::tag;
use super::words::{ReceiptBody, moment};
use super::write;
use crate::app::App;
use crate::domain::access::Scope;
use crate::domain::access::reach::Reach;
use crate::domain::change::Change;
use crate::domain::people::user::{Kind, UserState};
use crate::domain::settings::UserVisibility;
use crate::domain::source::Source;
use crate::kernel::fold;
use crate::kernel::id::{MembershipId, OrgId};
use crate::store::db::Conn;
use crate::store::member_list::{self, LARGEST_PAGE, Listed};
use crate::store::{memberships, people_read};

/// What is typed to delete somebody.
const PHRASE: &str = "Delete user from organization";
/// A filtered list reads so many pages of rows for one of its own.
const MOST_ROUNDS: usize = 4;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Member, routes!(list))
        .route(Needs::OwnOr("users.read"), routes!(get))
        .route(Needs::Org("users.remove").people_only(), routes!(delete))
}

/// A person in a list. Who may look up names only is shown the first four members.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UserRow {
    /// The account's id.
    pub user_id: String,
    /// The user name.
    pub user_name: String,
    /// What people see.
    pub name: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Phone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The membership.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub membership_id: Option<String>,
    /// `managed` or `own`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// Where the account comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The connection that keeps the account, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<ManagedBy>,
    /// Of an account that is provisioned: whether its connection says that it is active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_active: Option<bool>,
    /// What counts: `active` only if account and membership are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
    /// `password` or `key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_type: Option<&'static str>,
    /// The groups, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<GroupOfUser>>,
    /// The roles that are held directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<RoleOfUser>>,
    /// When the membership was made (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// The last sign-in to this organisation (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sign_in_at: Option<String>,
}

/// Which people.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// How a user name, a word of a name, an address or a number begins, without regard to case.
    search: Option<String>,
    /// `pending`, `active`, `suspended` or `deactivated`. A page of a filtered list may hold fewer rows than were asked
    /// for; `next` says whether there are more.
    state: Option<String>,
    /// How many rows at most: 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// How a deletion is confirmed, and who takes over.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeleteQuery {
    /// The phrase `Delete user from organization`.
    confirm: Option<String>,
    /// A member who answers from then on for what the person answered for.
    reassign_to: Option<String>,
}

/// Somebody who is gone.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserGone {
    /// Nobody.
    pub object: Option<UserBody>,
    /// What the person answered for.
    pub owned: OwnedThings,
    /// What the change did.
    pub receipt: ReceiptBody,
}

/// How much of people whoever asks is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    Whole,
    Names,
}

fn sight(room: &Room) -> Result<Sight, Problem> {
    if room.reach.allows("users.read") {
        return Ok(Sight::Whole);
    }
    let looks_up = match &room.reach {
        Reach::Whole => true,
        Reach::Member { grants, .. } => grants.iter().any(|((_, scope), _)| match scope {
            Scope::Project(id) => room.reach.allows_on(id, "project.members.read"),
            Scope::Org | Scope::AllProjects => false,
        }),
    };
    if looks_up || room.settings.user_visibility == UserVisibility::Everyone {
        return Ok(Sight::Names);
    }
    Err(Problem::denied("users.read"))
}

/// The people of an organisation, by user name; of a search, by what was found. Service accounts are none. With
/// `users.read` everything is shown; otherwise names and e-mail addresses, where the organisation lets everybody see
/// them or the caller administers a project.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/users", tag = "users", params(ListQuery),
    responses((status = 200, description = "A page of people.", body = Page<UserRow>)))]
async fn list(
    State(app): State<App>,
    asked: Asked,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<UserRow>>, Problem> {
    let room = asked.room()?;
    let sight = sight(room)?;
    let limit = paging::limit(query.limit)?;
    let words = ["pending", "active", "suspended", "deactivated"];
    if query.state.as_deref().is_some_and(|state| !words.contains(&state)) {
        return Err(Problem::invalid("state", format!("Use one of {}.", words.join(", "))));
    }
    let after = match paging::after(query.cursor.as_deref(), 2)? {
        Some(parts) => Some(place(parts)?),
        None => None,
    };
    // Who sees names only does not find out whose number a number is, nor whose state is which.
    let hidden = query.search.as_deref().is_some_and(fold::looks_like_phone) || query.state.is_some();
    if sight == Sight::Names && hidden {
        return Err(Problem::denied("users.read"));
    }
    let mut conn = app.db.read().await?;
    let (rows, next) = read(&mut conn, &room.id, &query, after, limit).await?;
    let items = show(&mut conn, rows, sight).await?;
    Ok(Json(Page { items, next }))
}

fn place(parts: Vec<String>) -> Result<(String, MembershipId), Problem> {
    let wrong = || Problem::invalid("cursor", "Use the `next` of a page, unchanged, with the same filters.");
    let [key, member] = <[String; 2]>::try_from(parts).map_err(|_| wrong())?;
    Ok((key, member.parse().map_err(|_| wrong())?))
}

/// The rows of a page, and the cursor behind it when there may be more.
async fn read(
    conn: &mut Conn,
    org: &OrgId,
    query: &ListQuery,
    mut after: Option<(String, MembershipId)>,
    limit: usize,
) -> Result<(Vec<Listed>, Option<String>), Problem> {
    let cursor = |(key, member): &(String, MembershipId)| paging::cursor(&[key, member.as_str()]);
    let wanted = query.state.as_deref();
    let (most, rounds) = if wanted.is_some() { (LARGEST_PAGE, MOST_ROUNDS) } else { (limit + 1, 1) };
    let mut kept: Vec<Listed> = Vec::new();
    let search = query.search.as_deref();
    for _ in 0..rounds {
        let page = member_list::Query { search, after: after.clone(), limit: most, people_only: true };
        let rows = member_list::page(conn, org, &page).await?;
        let whole = rows.len() < most;
        for row in rows {
            after = Some(row.cursor.clone());
            if wanted.is_none_or(|state| person::state(row.user_state, row.member_state) == state) {
                kept.push(row);
            }
            if kept.len() > limit {
                kept.truncate(limit);
                let next = kept.last().map(|row| cursor(&row.cursor));
                return Ok((kept, next));
            }
        }
        if whole {
            return Ok((kept, None));
        }
    }
    Ok((kept, after.as_ref().map(cursor)))
}

async fn show(conn: &mut Conn, rows: Vec<Listed>, sight: Sight) -> Result<Vec<UserRow>, Problem> {
    let brief = |row: &Listed| UserRow {
        user_id: row.user.to_string(),
        user_name: row.user_name.clone(),
        name: row.name.clone(),
        email: row.email.clone(),
        phone: None,
        membership_id: None,
        kind: None,
        source: None,
        managed_by: None,
        upstream_active: None,
        state: None,
        access_type: None,
        groups: None,
        roles: None,
        created_at: None,
        last_sign_in_at: None,
    };
    if sight == Sight::Names {
        return Ok(rows.iter().map(brief).collect());
    }
    let members: Vec<MembershipId> = rows.iter().map(|row| row.member.clone()).collect();
    let mut groups = people_read::groups_of(conn, &members).await?;
    let roles = people_read::direct_of(conn, &members).await?;
    let sources: Vec<&Source> = rows.iter().map(|row| &row.source).collect();
    let keepers = Keepers::of(conn, &sources).await?;
    let whole = |row: &Listed| UserRow {
        phone: row.phone.clone(),
        membership_id: Some(row.member.to_string()),
        kind: Some(person::kind(&row.kind)),
        source: Some(row.source.to_string()),
        managed_by: keepers.keeper(&row.source),
        upstream_active: upstream_active(&row.source, row.user_state),
        state: Some(person::state(row.user_state, row.member_state)),
        access_type: Some(row.access_type.as_str()),
        groups: Some(groups.remove(&row.member).unwrap_or_default().into_iter().map(Into::into).collect()),
        roles: Some(roles.iter().filter(|b| person::holder(b) == Some(&row.member)).map(Into::into).collect()),
        created_at: Some(moment(row.created_at)),
        last_sign_in_at: row.last_sign_in_at.map(moment),
        ..brief(row)
    };
    Ok(rows.iter().map(whole).collect())
}

/// One person.
#[utoipa::path(get, path = "/api/v1/orgs/{org}/users/{user}", tag = "users",
    responses((status = 200, description = "The person.", body = UserBody)))]
async fn get(State(app): State<App>, asked: Asked) -> Result<Json<UserBody>, Problem> {
    let mut conn = app.db.read().await?;
    let person = person::found(&mut conn, &asked.room()?.id, &asked.member()?.id).await?;
    Ok(Json(person::show(&mut conn, &person).await?))
}

/// Deletes somebody, at once and for good: an account of the organisation is gone and its id is never used again; an
/// account of the person's own leaves this organisation and stays elsewhere. The phrase must be typed in `confirm`.
#[utoipa::path(delete, path = "/api/v1/orgs/{org}/users/{user}", tag = "users", params(DeleteQuery),
    responses((status = 200, description = "What ended, and what the person answered for.", body = UserGone)))]
async fn delete(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Query(query): Query<DeleteQuery>,
) -> Result<Json<UserGone>, Problem> {
    if query.confirm.as_deref() != Some(PHRASE) {
        return Err(Problem::invalid("confirm", format!("Type \"{PHRASE}\", exactly.")));
    }
    let (org, member) = (asked.room()?.id.clone(), asked.member()?.id.clone());
    let mut conn = app.db.read().await?;
    person::found(&mut conn, &org, &member).await?;
    let owned = memberships::owned(&mut conn, &member).await?;
    drop(conn);
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, member, to) = (org.clone(), member.clone(), query.reassign_to.clone());
        Box::pin(async move {
            let before = person::found(conn, &org, &member).await?;
            let tag = tag::of(&person::show(conn, &before).await?);
            let mut changes = Vec::new();
            if let Some(named) = &to {
                let to = named::member(conn, &org, named).await?.id;
                changes.push(Change::Reassign { org: org.clone(), from: member.clone(), to });
            }
            changes.push(match before.kind {
                Kind::Managed(_) => Change::SetUserState { user: before.user, state: UserState::Deleted },
                Kind::Own | Kind::Service(..) | Kind::Operator => Change::RemoveMember { org, member },
            });
            Ok((tag, changes))
        })
    })
    .await?;
    Ok(Json(UserGone { object: None, owned: owned.into(), receipt: ReceiptBody::of(&receipt) }))
}
