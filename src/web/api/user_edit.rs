//! Changing somebody: profile, state, identity and restriction.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::gate::must_be_fresh;
use super::input::Body;
use super::named;
use super::patch::Given;
use super::person::{self, UserBody};
use super::problem::Problem;
use super::tag;
use super::write::{self, Written};
use crate::app::App;
use crate::domain::change::{Change, Receipt};
use crate::domain::oidc::claims::Profile;
use crate::domain::people::identifier;
use crate::domain::people::user::{AccessType, Kind, MembershipState, UserState};
use crate::kernel::id::{MembershipId, OrgId, UserId};
use crate::store::db::Conn;
use crate::store::people_read::Person;
use crate::store::users;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Org("users.write"), routes!(change))
        .route(Needs::Org("users.write").people_only(), routes!(suspend))
        .route(Needs::Org("users.write").people_only(), routes!(resume))
        .route(Needs::Owner.fresh(), routes!(replace_identity))
        .route(Needs::Org("users.write").people_only(), routes!(restrict))
}

/// What changes of a person; what is absent stays, null clears.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPatch {
    /// It never changes: only the name that is there already is taken.
    user_name: Option<String>,
    /// The whole name.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: Given<String>,
    /// First name.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    given_name: Given<String>,
    /// Surname.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    family_name: Given<String>,
    /// E-mail address.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    email: Given<String>,
    /// Phone number.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    phone: Given<String>,
    /// `password`, or `key` for tools alone.
    access_type: Option<String>,
    /// `active` or `suspended`.
    state: Option<String>,
    /// The ids of the groups: the whole new set.
    groups: Option<Vec<String>>,
}

impl UserPatch {
    /// Whether it changes how the person comes in, or what they are given with their groups.
    fn is_sensitive(&self) -> bool {
        self.groups.is_some()
            || self.access_type.is_some()
            || self.email != Given::Absent
            || self.phone != Given::Absent
    }
}

/// Who takes the place.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// The account.
    by: ReplacingAccount,
}

/// An account by its id, or by its e-mail address in a realm.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ReplacingAccount {
    /// The account's id.
    Id(String),
    /// The e-mail address.
    Email(EmailInRealm),
}

/// An e-mail address, and among which accounts it is looked for.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailInRealm {
    /// The address.
    email: String,
    /// `own` for the persons' own accounts, `managed` for the organisation's.
    realm: String,
}

/// The applications that somebody may use.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Restriction {
    /// Their ids or client ids; null lifts the restriction.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    applications: Given<Vec<String>>,
}

/// The person whom the path names, and where.
///
/// # Errors
/// The route names nobody.
pub fn place(asked: &Asked) -> Result<(OrgId, MembershipId), Problem> {
    Ok((asked.room()?.id.clone(), asked.member()?.id.clone()))
}

/// The person as they are now, and the tag of that.
///
/// # Errors
/// 404.
pub async fn before(conn: &mut Conn, org: &OrgId, member: &MembershipId) -> Result<(Person, String), Problem> {
    let person = person::found(conn, org, member).await?;
    let tag = tag::of(&person::show(conn, &person).await?);
    Ok((person, tag))
}

/// The person as a write has left them.
///
/// # Errors
/// The database's.
pub async fn after(app: &App, of: (&OrgId, &MembershipId), receipt: &Receipt) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    Ok(Written::ok(person::shown(&mut conn, of.0, of.1).await?, receipt))
}

/// Changes somebody's profile, state, access type and groups, in one change. Of an account of the person's own only the
/// state of the membership and the groups are the organisation's to change.
#[utoipa::path(patch, path = "/api/v1/orgs/{org}/users/{user}", tag = "users", request_body = UserPatch,
    responses((status = 200, description = "The person.", body = Written<UserBody>)))]
async fn change(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(patch): Body<UserPatch>,
) -> Result<Response, Problem> {
    let (org, member) = place(&asked)?;
    if patch.is_sensitive() {
        must_be_fresh(&app, &asked).await?;
    }
    let now = app.now().seconds();
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, member, patch, now) = (org.clone(), member.clone(), patch.clone(), now);
        Box::pin(async move {
            let (person, tag) = before(conn, &org, &member).await?;
            Ok((tag, planned(&org, &person, patch, now)?))
        })
    })
    .await?;
    after(&app, (&org, &member), &receipt).await
}

fn planned(org: &OrgId, person: &Person, patch: UserPatch, now: i64) -> Result<Vec<Change>, Problem> {
    if patch.user_name.as_ref().is_some_and(|name| *name != person.user_name) {
        return Err(Problem::invalid("user_name", "A user name never changes."));
    }
    let mut changes = Vec::new();
    let (word, state, groups) = (patch.access_type.clone(), patch.state.clone(), patch.groups.clone());
    let profile = profile(&person.profile, patch, now);
    if !users::same_profile(&profile, &person.profile) {
        its_own(person)?;
        let (user, user_name) = (person.user.clone(), person.user_name.clone());
        changes.push(Change::SetProfile { user, user_name, profile: Box::new(profile) });
    }
    if let Some(word) = word {
        let access: AccessType = word.parse().map_err(|_| Problem::invalid("access_type", "Use password or key."))?;
        if access != person.access_type {
            its_own(person)?;
            changes.push(Change::SetAccessType { user: person.user.clone(), access });
        }
    }
    match state.as_deref() {
        None => {}
        Some("active") => changes.extend(resumed(org, person)?),
        Some("suspended") => changes.push(suspended(org, person)),
        Some(_) => return Err(Problem::invalid("state", "Use active or suspended.")),
    }
    if let Some(named) = groups {
        let (org, member, groups) = (org.clone(), person.member.clone(), named::groups("groups", &named)?);
        changes.push(Change::SetGroupsOf { org, member, groups });
    }
    Ok(changes)
}

/// The profile with the patch's own laid over it. A new address or number is not known to be the person's.
fn profile(before: &Profile, patch: UserPatch, now: i64) -> Profile {
    let (email, phone_number) = (patch.email.over(before.email.clone()), patch.phone.over(before.phone_number.clone()));
    Profile {
        name: patch.name.over(before.name.clone()),
        given_name: patch.given_name.over(before.given_name.clone()),
        family_name: patch.family_name.over(before.family_name.clone()),
        email_verified: before.email_verified && email == before.email,
        phone_number_verified: before.phone_number_verified && phone_number == before.phone_number,
        email,
        phone_number,
        updated_at: now,
        ..before.clone()
    }
}

/// Refuses to write to an account that is not the organisation's.
///
/// # Errors
/// It is the person's own.
pub fn its_own(person: &Person) -> Result<(), Problem> {
    if matches!(person.kind, Kind::Managed(_)) {
        return Ok(());
    }
    let detail = "This account belongs to the person: the organisation suspends or removes the membership, and changes \
                  nothing else of it.";
    Err(Problem::new(StatusCode::CONFLICT, "own_account", detail))
}

/// An account of the organisation is suspended itself, of an own one the membership.
fn suspended(org: &OrgId, person: &Person) -> Change {
    match person.kind {
        Kind::Managed(_) => Change::SetUserState { user: person.user.clone(), state: UserState::Suspended },
        Kind::Service(..) | Kind::Own | Kind::Operator => Change::SetMemberState {
            org: org.clone(),
            member: person.member.clone(),
            state: MembershipState::Suspended,
        },
    }
}

/// Whatever of account and membership an administrator here has suspended is active again.
fn resumed(org: &OrgId, person: &Person) -> Result<Vec<Change>, Problem> {
    let waits = person.user_state == UserState::Pending || person.member_state == MembershipState::Pending;
    if waits {
        let detail = "The account waits for its password or its acceptance, and is active after that.";
        return Err(Problem::new(StatusCode::CONFLICT, "conflict", detail));
    }
    let mut changes = Vec::new();
    // What upstream deactivated the door refuses, with the connection's name.
    if matches!(person.user_state, UserState::Suspended | UserState::Deactivated) {
        its_own(person)?;
        changes.push(Change::SetUserState { user: person.user.clone(), state: UserState::Active });
    }
    if matches!(person.member_state, MembershipState::Suspended | MembershipState::Deactivated) {
        let (org, member) = (org.clone(), person.member.clone());
        changes.push(Change::SetMemberState { org, member, state: MembershipState::Active });
    }
    Ok(changes)
}

/// Suspends somebody: sessions, tokens and keys stop at once; roles and groups stay for the way back.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/users/{user}/suspend", tag = "users",
    responses((status = 200, description = "The person.", body = Written<UserBody>)))]
async fn suspend(State(app): State<App>, asked: Asked, how: How) -> Result<Response, Problem> {
    let (org, member) = place(&asked)?;
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, member) = (org.clone(), member.clone());
        Box::pin(async move {
            let (person, tag) = before(conn, &org, &member).await?;
            Ok((tag, vec![suspended(&org, &person)]))
        })
    })
    .await?;
    after(&app, (&org, &member), &receipt).await
}

/// Lets somebody in again who was suspended. What was ended stays ended.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/users/{user}/resume", tag = "users",
    responses((status = 200, description = "The person.", body = Written<UserBody>)))]
async fn resume(State(app): State<App>, asked: Asked, how: How) -> Result<Response, Problem> {
    let (org, member) = place(&asked)?;
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, member) = (org.clone(), member.clone());
        Box::pin(async move {
            let (person, tag) = before(conn, &org, &member).await?;
            Ok((tag, resumed(&org, &person)?))
        })
    })
    .await?;
    after(&app, (&org, &member), &receipt).await
}

/// Moves a membership, with its roles and groups, to another account: the person's account before leaves this
/// organisation, and what it had open here ends, its access keys too.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/users/{user}/replace-identity", tag = "users",
    request_body = Replacement,
    responses((status = 200, description = "The person.", body = Written<UserBody>)))]
async fn replace_identity(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(body): Body<Replacement>,
) -> Result<Response, Problem> {
    let (org, member) = place(&asked)?;
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, member, by) = (org.clone(), member.clone(), body.by.clone());
        Box::pin(async move {
            let (_, tag) = before(conn, &org, &member).await?;
            let by = replacing(conn, &org, &by).await?;
            Ok((tag, vec![Change::ReplaceIdentity { org, member, by }]))
        })
    })
    .await?;
    after(&app, (&org, &member), &receipt).await
}

async fn replacing(conn: &mut Conn, org: &OrgId, by: &ReplacingAccount) -> Result<UserId, Problem> {
    match by {
        ReplacingAccount::Id(id) => {
            id.parse().map_err(|_| Problem::invalid("by", "Give the id of an account (usr_…), or e-mail and realm."))
        }
        ReplacingAccount::Email(EmailInRealm { email, realm }) => {
            let realm = realm_of("by.realm", org, realm)?;
            if realm != org.as_str() {
                // Whether a stranger has an account here is nobody's to find out.
                return Err(Problem::invalid("by.realm", "Name an own account by its id (usr_…)."));
            }
            let found = users::by_identifier(conn, realm, &identifier::key(email)).await?;
            found.map(|user| user.id).ok_or_else(|| Problem::not_found("The account"))
        }
    }
}

/// The realm in which identifiers are looked for, from the API's word for it.
///
/// # Errors
/// 400.
pub fn realm_of<'a>(field: &str, org: &'a OrgId, word: &str) -> Result<&'a str, Problem> {
    match word {
        "own" => Ok("own"),
        "managed" => Ok(org.as_str()),
        _ => Err(Problem::invalid(field, "Use own or managed.")),
    }
}

/// Restricts somebody to some applications, or lifts that. Where an application is taken away, what is open ends.
#[utoipa::path(put, path = "/api/v1/orgs/{org}/users/{user}/restriction", tag = "users", request_body = Restriction,
    responses((status = 200, description = "The person.", body = Written<UserBody>)))]
async fn restrict(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(body): Body<Restriction>,
) -> Result<Response, Problem> {
    let (org, member) = place(&asked)?;
    let receipt = write::edit(&app, &asked, &how, |conn| {
        let (org, member, list) = (org.clone(), member.clone(), body.applications.clone());
        Box::pin(async move {
            let (_, tag) = before(conn, &org, &member).await?;
            let to = match list {
                // An empty body must not lift anything.
                Given::Absent => return Err(Problem::invalid("applications", "Give a list, or null to lift it.")),
                Given::Null => None,
                Given::Set(list) => Some(named::applications(conn, &org, "applications", &list).await?),
            };
            Ok((tag, vec![Change::RestrictMember { org, member, to }]))
        })
    })
    .await?;
    after(&app, (&org, &member), &receipt).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_address_is_not_known_to_be_the_persons_and_what_is_absent_stays() {
        let before = Profile {
            name: Some("Ana".to_owned()),
            email: Some("a@b.c".to_owned()),
            email_verified: true,
            phone_number: Some("+8210123456".to_owned()),
            phone_number_verified: true,
            ..Profile::default()
        };
        let patch = serde_json::from_str(r#"{"email":"x@b.c","phone":"+8210123456","name":null}"#).unwrap();
        let after = profile(&before, patch, 7);
        assert_eq!((after.name, after.email.as_deref(), after.updated_at), (None, Some("x@b.c"), 7));
        assert!(!after.email_verified && after.phone_number_verified);
    }
}
