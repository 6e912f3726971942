//! One's own account, for people with a token of their own: names, address, number and password, and the invitations
//! that wait for an answer.
//!
//! A tool is refused: it is nobody's self.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::input::Body;
use super::my_factors;
use super::named;
use super::patch::Given;
use super::problem::Problem;
use super::words::{ReceiptBody, moment, until};
use crate::app::App;
use crate::domain::change::{Mode, Receipt};
use crate::domain::oidc::claims::Profile;
use crate::domain::people::assurance;
use crate::flows::Fault;
use crate::flows::accept_invitation::{self, OfferedRole, Open};
use crate::flows::change_password;
use crate::flows::new_password::Unfit;
use crate::flows::own_account::{self, Names};
use crate::kernel::id::{OrgId, SessionId};
use crate::kernel::secret::Secret;
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::users::User;
use crate::store::{my_sessions, orgs, users};

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes
        .route(Needs::Caller.people_only(), routes!(change))
        .route(Needs::Caller.people_only(), routes!(set_password))
        .route(Needs::Caller.people_only(), routes!(invitations))
        .route(Needs::Caller.people_only(), routes!(accept))
        .route(Needs::Caller.people_only(), routes!(decline))
}

/// What changes of one's own account; what is absent stays, null clears. Names together; the address and the number
/// each in a call of its own, with the password.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MePatch {
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
    /// The language, as a BCP 47 tag; mails are written in it if Muster can.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    locale: Given<String>,
    /// The time zone, as the tz database names it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    zoneinfo: Given<String>,
    /// A new e-mail address: a link is sent there, and the address counts once the link was opened.
    email: Option<String>,
    /// The phone number.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    phone: Given<String>,
    /// One's password, for the address and the number.
    password: Option<String>,
}

/// One's own account, as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnAccount {
    /// The account.
    pub user_id: String,
    /// Its user name.
    pub user_name: String,
    /// The whole name.
    pub name: Option<String>,
    /// First name.
    pub given_name: Option<String>,
    /// Surname.
    pub family_name: Option<String>,
    /// The language.
    pub locale: Option<String>,
    /// The time zone.
    pub zoneinfo: Option<String>,
    /// The e-mail address that counts.
    pub email: Option<String>,
    /// Whether it is known to be one's own.
    pub email_verified: bool,
    /// Phone number.
    pub phone: Option<String>,
    /// The new address, to which a link was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_to_confirm: Option<String>,
    /// What the change did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<ReceiptBody>,
}

/// A new password of one's own.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnPassword {
    /// The password of now.
    old: String,
    /// The new one.
    new: String,
    /// Whether one's other sessions and tokens end; true if nothing is given.
    end_others: Option<bool>,
}

/// That it was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct Done {
    /// False for a dry run.
    pub done: bool,
    /// What the change did.
    pub receipt: ReceiptBody,
}

/// An invitation that waits for one's answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct MyInvitation {
    /// Its id.
    pub id: String,
    /// The organisation, by whose id it is accepted.
    pub org_id: String,
    /// Its place in addresses.
    pub org_slug: String,
    /// Its name.
    pub org_name: String,
    /// Who invites.
    pub inviter: String,
    /// The groups that it leads into.
    pub groups: Vec<String>,
    /// The roles that it brings.
    pub roles: Vec<MyOfferedRole>,
    /// Until when it can be accepted (RFC 3339).
    pub expires_at: String,
}

/// A role that an invitation brings, in words.
#[derive(Debug, Serialize, ToSchema)]
pub struct MyOfferedRole {
    /// The role.
    pub role: String,
    /// On what.
    pub on: String,
    /// Until when (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// The invitations that wait for one's answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct MyInvitations {
    /// The oldest first.
    pub items: Vec<MyInvitation>,
}

/// What the answer to an invitation did.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationAnswered {
    /// What the change did.
    pub receipt: ReceiptBody,
}

const fn mode(how: &How) -> Mode {
    if how.dry_run { Mode::DryRun } else { Mode::Act }
}

pub(super) fn of_fault(fault: Fault) -> Problem {
    match fault {
        Fault::Store(error) => error.into(),
        Fault::Busy(busy) => named::unfit(Unfit::Busy(busy)),
        Fault::Paused { seconds } => Problem::paused(seconds),
        Fault::OAuth(_) | Fault::Keys(_) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again in a moment.")
        }
    }
}

impl From<own_account::NotChanged> for Problem {
    fn from(why: own_account::NotChanged) -> Self {
        use own_account::NotChanged;
        match why {
            NotChanged::Locked(reason) => Self::new(StatusCode::CONFLICT, "locked", reason),
            NotChanged::WrongPassword => Self::invalid("password", "This is not your password."),
            NotChanged::Paused { .. } => Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many", "Try again in an hour."),
            NotChanged::Dead(_) => Self::not_found("The link"),
            NotChanged::Refused(refusal) => refusal.into(),
            NotChanged::Fault(fault) => of_fault(fault),
        }
    }
}

impl From<change_password::NotChanged> for Problem {
    fn from(why: change_password::NotChanged) -> Self {
        use change_password::NotChanged;
        match why {
            NotChanged::WrongOld => Self::invalid("old", "This is not your password."),
            NotChanged::Short(found) => {
                let detail = "The password falls short of the rules.";
                let problem = Self::new(StatusCode::BAD_REQUEST, "invalid", detail);
                found.iter().fold(problem, |problem, way| problem.with_rule("new", way.rule(), way.to_string()))
            }
            NotChanged::NotHere => {
                let detail = "Your organisation looks after this. Ask an administrator to change it.";
                Self::new(StatusCode::CONFLICT, "locked", detail)
            }
            NotChanged::Gone | NotChanged::Paused => {
                Self::new(StatusCode::CONFLICT, "conflict", "The account was changed meanwhile: sign in again.")
            }
            NotChanged::Refused(refusal) => refusal.into(),
            NotChanged::Fault(fault) => of_fault(fault),
        }
    }
}

async fn own(conn: &mut Conn, asked: &Asked) -> Result<User, Problem> {
    users::find(conn, &asked.user).await?.ok_or_else(|| Problem::not_found("The user"))
}

fn account(user: User, email_to_confirm: Option<String>, receipt: Option<&Receipt>) -> OwnAccount {
    let Profile { name, given_name, family_name, locale, zoneinfo, email, email_verified, phone_number, .. } =
        user.profile;
    OwnAccount {
        user_id: user.id.into_string(),
        user_name: user.user_name,
        name,
        given_name,
        family_name,
        locale,
        zoneinfo,
        email,
        email_verified,
        phone: phone_number,
        email_to_confirm,
        receipt: receipt.map(ReceiptBody::of),
    }
}

/// The names as they will be, when the patch says something of them.
fn names(before: &Profile, patch: &MePatch) -> Option<Names> {
    let all = [&patch.name, &patch.given_name, &patch.family_name, &patch.locale, &patch.zoneinfo];
    if all.into_iter().all(|one| *one == Given::Absent) {
        return None;
    }
    let over = |given: &Given<String>, before: &Option<String>| given.clone().over(before.clone()).unwrap_or_default();
    Some(Names {
        name: over(&patch.name, &before.name),
        given_name: over(&patch.given_name, &before.given_name),
        family_name: over(&patch.family_name, &before.family_name),
        locale: over(&patch.locale, &before.locale),
        zoneinfo: over(&patch.zoneinfo, &before.zoneinfo),
    })
}

/// Changes one's own account, as far as the organisation leaves it to its people. A new address gets a link first.
#[utoipa::path(patch, path = "/api/v1/me", tag = "me", request_body = MePatch,
    responses((status = 200, description = "The account.", body = OwnAccount)))]
async fn change(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(patch): Body<MePatch>,
) -> Result<Json<OwnAccount>, Problem> {
    let (user, origin) = (&asked.user, &asked.origin);
    let names = names(&own(&mut app.db.read().await?, &asked).await?.profile, &patch);
    let password = || {
        let missing = || Problem::invalid("password", "Give your password, too.");
        patch.password.as_ref().map(Secret::presented).ok_or_else(missing)
    };
    if patch.email.is_some() || patch.phone != Given::Absent {
        my_factors::stronger(&app, &asked).await?;
    }
    let (mut to_confirm, mode) = (None, mode(&how));
    let receipt = match (names, &patch.email, &patch.phone) {
        (Some(names), None, Given::Absent) => Some(own_account::set_names(&app, user, names, origin, mode).await?),
        (None, Some(email), Given::Absent) => {
            to_confirm = Some(email.trim().to_owned());
            Some(own_account::ask_for_email(&app, user, email, (&password()?, None), origin, mode).await?)
        }
        (None, None, Given::Set(phone)) => {
            Some(own_account::set_phone(&app, user, phone, (&password()?, None), origin, mode).await?)
        }
        (None, None, Given::Null) => {
            Some(own_account::set_phone(&app, user, "", (&password()?, None), origin, mode).await?)
        }
        (None, None, Given::Absent) => None,
        _ => return Err(Problem::invalid("email", "Change names, address and number in calls of their own.")),
    };
    let user = own(&mut app.db.read().await?, &asked).await?;
    Ok(Json(account(user, to_confirm.filter(|_| !how.dry_run), receipt.as_ref())))
}

/// Changes one's own password. The other sessions and tokens end unless it is said otherwise; those of the sign-in that
/// the token came from stay. A wrong guess counts like one at the sign-in.
#[utoipa::path(post, path = "/api/v1/me/password", tag = "me", request_body = OwnPassword,
    responses((status = 200, description = "It was changed.", body = Done)))]
async fn set_password(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(body): Body<OwnPassword>,
) -> Result<Json<Done>, Problem> {
    my_factors::stronger(&app, &asked).await?;
    let session = session(&mut app.db.read().await?, &asked).await?;
    let now = app.now();
    let facts = Facts {
        id: session.unwrap_or_else(SessionId::fresh),
        user: asked.user.clone(),
        auth_time: now,
        acr: assurance::ACR_PASSWORD.to_owned(),
        amr: Vec::new(),
        user_agent: String::new(),
        address: asked.origin.address.clone(),
        created_at: now,
        expires_at: now,
        last_used_at: None,
        password_at: None,
        through: None,
        methods: std::collections::BTreeSet::new(),
        factor_at: None,
        remembered_at: None,
        recovered_at: None,
    };
    let (old, new) = (Secret::presented(body.old), Secret::presented(body.new));
    let end_others = body.end_others.unwrap_or(true);
    let typed = ((&old, None), new);
    let receipt = change_password::own(&app, &facts, typed, end_others, &asked.origin, mode(&how)).await?;
    Ok(Json(Done { done: !how.dry_run, receipt: ReceiptBody::of(&receipt) }))
}

/// The browser session in which the token was allowed, if it is known.
pub(super) async fn session(conn: &mut Conn, asked: &Asked) -> Result<Option<SessionId>, Problem> {
    match &asked.entry {
        Some(entry) => Ok(my_sessions::of_entry(conn, &asked.user, entry).await?),
        None => Ok(None),
    }
}

/// The invitations that were sent to one's own verified address and wait for an answer.
#[utoipa::path(get, path = "/api/v1/me/invitations", tag = "me",
    responses((status = 200, description = "The invitations.", body = MyInvitations)))]
async fn invitations(State(app): State<App>, asked: Asked) -> Result<Json<MyInvitations>, Problem> {
    let mut conn = app.db.read().await?;
    let open = accept_invitation::inbox(&app, &mut conn, &asked.user).await?;
    Ok(Json(MyInvitations { items: open.into_iter().map(show).collect() }))
}

fn show(open: Open) -> MyInvitation {
    let Open { invitation, org_name, org_slug, inviter, roles, groups, .. } = open;
    let role =
        |OfferedRole { role, on, until: end }: OfferedRole| MyOfferedRole { role, on, until: end.and_then(until) };
    MyInvitation {
        id: invitation.id.into_string(),
        org_id: invitation.org.into_string(),
        org_slug,
        org_name,
        inviter,
        groups,
        roles: roles.into_iter().map(role).collect(),
        expires_at: moment(invitation.expires_at),
    }
}

/// The organisation that a path names, by its id or slug; whether it has invited anybody is not told by this.
async fn organisation(app: &App, named: &str) -> Result<OrgId, Problem> {
    let missing = || Problem::not_found("The invitation");
    if let Ok(id) = named.parse() {
        return Ok(id);
    }
    let found = orgs::by_slug(&mut app.db.read().await?, named).await?;
    found.map(|org| org.id).ok_or_else(missing)
}

/// Accepts the invitation of an organisation with one's own account, whose verified address is the invited one. Anybody
/// else hears of no invitation.
#[utoipa::path(post, path = "/api/v1/me/invitations/{organisation}/accept", tag = "me",
    responses((status = 200, description = "What it brought.", body = InvitationAnswered)))]
async fn accept(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path(named): Path<String>,
) -> Result<Json<InvitationAnswered>, Problem> {
    let org = organisation(&app, &named).await?;
    let receipt = accept_invitation::by_account(&app, &asked.user, &org, &asked.origin, mode(&how)).await?;
    Ok(Json(InvitationAnswered { receipt: ReceiptBody::of(&receipt) }))
}

/// Says no to the invitation of an organisation.
#[utoipa::path(post, path = "/api/v1/me/invitations/{organisation}/decline", tag = "me",
    responses((status = 200, description = "What it did.", body = InvitationAnswered)))]
async fn decline(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Path(named): Path<String>,
) -> Result<Json<InvitationAnswered>, Problem> {
    let org = organisation(&app, &named).await?;
    let receipt = accept_invitation::decline_by_account(&app, &asked.user, &org, &asked.origin, mode(&how)).await?;
    Ok(Json(InvitationAnswered { receipt: ReceiptBody::of(&receipt) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_patch_does_not_say_stay_and_null_clears() {
        let before = Profile {
            name: Some("Ana Kim".to_owned()),
            given_name: Some("Ana".to_owned()),
            locale: Some("ko".to_owned()),
            ..Profile::default()
        };
        let patch = |text: &str| serde_json::from_str::<MePatch>(text).unwrap();
        let wanted = Names { name: "Ana K".to_owned(), given_name: "Ana".to_owned(), ..Names::default() };
        assert_eq!(names(&before, &patch(r#"{"name":"Ana K","locale":null}"#)), Some(wanted));
        assert_eq!(names(&before, &patch(r#"{"phone":"+82 10 1234 5678","password":"x"}"#)), None);
    }
}
