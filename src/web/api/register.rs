//! Registering somebody with an account of the organisation: a person with a first password, or a tool with a key.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Asked, How};
use super::declare::{Needs, Routes, routes};
use super::gate::must_be_fresh;
use super::input::Body;
use super::named;
use super::person::{self, UserBody};
use super::problem::Problem;
use super::words::{GrantBody, ReceiptBody, read_moment};
use super::write;
use crate::app::App;
use crate::domain::access::{Binding, Role, Scope, Subject, Window};
use crate::domain::change::{Change, Mode, NewUser, Receipt};
use crate::domain::language::Language;
use crate::domain::oidc::claims::Profile;
use crate::domain::people::invitation::{Access, Offered};
use crate::domain::people::user::{AccessType, Kind, MembershipState, UserState};
use crate::domain::source::Source;
use crate::flows::access_key;
use crate::flows::new_password::Unfit;
use crate::flows::register::{self, Credential, NotRegistered, Person};
use crate::kernel::id::{BindingId, MembershipId, OrgId, UserId};
use crate::kernel::secret::Secret;

/// The routes.
pub fn routes(routes: Routes) -> Routes {
    routes.route(Needs::Org("users.invite").people_only(), routes!(create))
}

/// Somebody new.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUserBody {
    /// 1 to 64 letters, digits, spaces and `-_.,`, or an e-mail address; it never changes.
    user_name: String,
    /// The whole name.
    name: Option<String>,
    /// First name.
    given_name: Option<String>,
    /// Surname.
    family_name: Option<String>,
    /// E-mail address.
    email: Option<String>,
    /// Phone number, with its country code.
    phone: Option<String>,
    /// The language of mails: `en` or `ko`; the organisation's if none is given.
    language: Option<String>,
    /// `password` (if nothing is given) for people, or `key` for tools alone.
    access_type: Option<String>,
    /// The first password: `link` (the person sets it by a mailed link that is good for seven days; if nothing is given
    /// and there is an address), `generated` (answered this once) or `set`. With none of them and no address the
    /// account waits.
    credential: Option<String>,
    /// The first password, for `set`.
    password: Option<String>,
    /// Whether a password that was generated or set must be changed at the first sign-in; true if nothing is given.
    must_change: Option<bool>,
    /// The ids of the groups to be in.
    #[serde(default)]
    groups: Vec<String>,
    /// Roles to hold directly.
    #[serde(default)]
    roles: Vec<GrantBody>,
    /// The access key of an account for tools, with the role that it is for.
    key: Option<KeyOfNewUser>,
}

/// The access key of a new account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyOfNewUser {
    /// The project, by id or key.
    project: String,
    /// The role on it.
    role: String,
    /// What people call the key.
    name: String,
    /// When it ends (RFC 3339); at most 365 days ahead.
    expires_at: String,
}

/// An access key that was made, with its secret: shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyOfUser {
    /// Its id, which is the `client_id` at the token endpoint.
    pub id: String,
    /// Its secret.
    pub secret: Option<String>,
}

/// Somebody who was registered.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserCreated {
    /// The person; null in a dry run.
    pub object: Option<UserBody>,
    /// The password that was generated: shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// The access key, if one was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyOfUser>,
    /// What the change did.
    pub receipt: ReceiptBody,
}

impl From<NotRegistered> for Problem {
    fn from(why: NotRegistered) -> Self {
        match why {
            NotRegistered::Invalid { field, reason } => Self::invalid(field, reason),
            NotRegistered::Short(found) => named::unfit(Unfit::Short(found)),
            NotRegistered::Refused(refusal) => refusal.into(),
            NotRegistered::Busy(busy) => named::unfit(Unfit::Busy(busy)),
        }
    }
}

/// Whether it is an act.
pub const fn mode(how: &How) -> Mode {
    if how.dry_run { Mode::DryRun } else { Mode::Act }
}

/// A language by its tag.
///
/// # Errors
/// Muster doesn't write it.
pub fn language(tag: Option<&str>) -> Result<Option<Language>, Problem> {
    let unknown = || Problem::invalid("language", "Use en or ko.");
    tag.map(|tag| Language::of_tag(tag).ok_or_else(unknown)).transpose()
}

/// The groups and roles that a body names.
///
/// # Errors
/// There are too many, or one can't be meant so.
pub fn access(groups: &[String], roles: &[GrantBody]) -> Result<Access, Problem> {
    named::short("roles", roles.len())?;
    let mut access = Access { groups: named::groups("groups", groups)?, roles: Vec::new() };
    for (row, role) in roles.iter().enumerate() {
        let (role, scope, window) = role.read(&format!("roles.{row}"))?;
        access.roles.push(Offered { role, scope, window });
    }
    Ok(access)
}

/// One of the three ways to a password, from the word for it and the password beside it.
///
/// # Errors
/// They don't fit.
pub fn credential(field: &str, word: Option<&str>, password: Option<&str>) -> Result<Option<Credential>, Problem> {
    match (word, password) {
        (None, None) => Ok(None),
        (Some("link"), None) => Ok(Some(Credential::Link)),
        (Some("generated"), None) => Ok(Some(Credential::Generated)),
        (None | Some("set"), Some(text)) => Ok(Some(Credential::Set(Secret::presented(text)))),
        (Some("set"), None) => Err(Problem::invalid("password", "Give the password.")),
        (Some("link" | "generated"), Some(_)) => {
            Err(Problem::invalid("password", format!("Only {field} set takes a password.")))
        }
        (Some(_), _) => Err(Problem::invalid(field, "Use link, generated or set.")),
    }
}

/// Registers somebody with an account of the organisation, with groups and roles, in one change. An account for tools
/// (`access_type` `key`) gets its role on a project and its access key, whose secret is answered this once.
#[utoipa::path(post, path = "/api/v1/orgs/{org}/users", tag = "users", request_body = NewUserBody,
    responses((status = 201, description = "The person.", body = UserCreated),
              (status = 200, description = "A dry run: nobody was made.", body = UserCreated)))]
async fn create(
    State(app): State<App>,
    asked: Asked,
    how: How,
    Body(new): Body<NewUserBody>,
) -> Result<Response, Problem> {
    let org = asked.room()?.id.clone();
    if !new.groups.is_empty() || !new.roles.is_empty() || new.key.is_some() {
        must_be_fresh(&app, &asked).await?;
    }
    if access_type(&new)? == AccessType::Key {
        return create_tool(&app, &asked, &how, &org, &new).await;
    }
    let credential = credential("credential", new.credential.as_deref(), new.password.as_deref())?;
    let person = Person {
        access: access(&new.groups, &new.roles)?,
        language: language(new.language.as_deref())?,
        credential: credential
            .unwrap_or_else(|| if new.email.is_some() { Credential::Link } else { Credential::Nothing }),
        must_change: new.must_change.unwrap_or(true),
        user_name: new.user_name,
        name: new.name.unwrap_or_default(),
        given_name: new.given_name.unwrap_or_default(),
        family_name: new.family_name.unwrap_or_default(),
        email: new.email,
        phone: new.phone,
    };
    let made = register::one(&app, &asked.actor, &asked.origin, &org, &person, mode(&how)).await?;
    let password = made.password.map(|password| password.expose().to_owned());
    answer(&app, &org, (&made.member, &made.receipt), password, None).await
}

async fn answer(
    app: &App,
    org: &OrgId,
    (member, receipt): (&MembershipId, &Receipt),
    password: Option<String>,
    key: Option<KeyOfUser>,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let object = person::shown(&mut conn, org, member).await?;
    let status = if receipt.dry_run { StatusCode::OK } else { StatusCode::CREATED };
    let receipt = ReceiptBody::of(receipt);
    Ok((status, Json(UserCreated { object, password, key, receipt })).into_response())
}

/// How the account is to be used; a password belongs to the one, a key to the other.
fn access_type(new: &NewUserBody) -> Result<AccessType, Problem> {
    let word = new.access_type.as_deref().unwrap_or("password");
    let access: AccessType = word.parse().map_err(|_| Problem::invalid("access_type", "Use password or key."))?;
    match (access, new.password.is_some() || new.credential.is_some(), &new.key) {
        (AccessType::Key, true, _) => Err(Problem::invalid("password", "An account for tools has no password.")),
        (AccessType::Key, _, None) => {
            Err(Problem::invalid("key", "Name the project, the role, and the key's name and end."))
        }
        (AccessType::Password, _, Some(_)) => {
            Err(Problem::invalid("key", "Only an account with access_type key begins with a key."))
        }
        _ => Ok(access),
    }
}

/// Registers an account for tools.
async fn create_tool(app: &App, asked: &Asked, how: &How, org: &OrgId, new: &NewUserBody) -> Result<Response, Problem> {
    let (user, member) = (UserId::fresh(), MembershipId::fresh());
    let access = access(&new.groups, &new.roles)?;
    let Some(wanted) = &new.key else { return Err(Problem::invalid("key", "Name the key.")) };
    let mut changes = vec![
        Change::CreateUser(Box::new(tool(app, org, &user, new))),
        Change::SetAccessType { user: user.clone(), access: AccessType::Key },
    ];
    let (state, source) = (MembershipState::Active, Source::Local);
    changes.push(Change::AddMember { org: org.clone(), member: member.clone(), user, state, source });
    if !access.groups.is_empty() {
        changes.push(Change::SetGroupsOf { org: org.clone(), member: member.clone(), groups: access.groups });
    }
    for Offered { role, scope, window } in access.roles {
        changes.push(bind(org, &member, role, scope, window));
    }
    let (change, id, secret) = key(app, org, &member, wanted, &mut changes).await?;
    changes.push(change);
    let receipt = write::send(app, asked, how, changes).await?;
    // What a dry run mints is good for nothing.
    let secret = Some(secret.expose().to_owned());
    let key = (!receipt.dry_run).then_some(KeyOfUser { id, secret });
    answer(app, org, (&member, &receipt), None, key).await
}

fn tool(app: &App, org: &OrgId, user: &UserId, new: &NewUserBody) -> NewUser {
    NewUser {
        id: user.clone(),
        kind: Kind::Managed(org.clone()),
        user_name: new.user_name.clone(),
        profile: Profile {
            name: new.name.clone(),
            given_name: new.given_name.clone(),
            family_name: new.family_name.clone(),
            preferred_username: Some(new.user_name.clone()),
            email: new.email.clone(),
            phone_number: new.phone.clone(),
            updated_at: app.now().seconds(),
            ..Profile::default()
        },
        state: UserState::Active,
        source: Source::Local,
        password: None,
        must_change: false,
    }
}

fn bind(org: &OrgId, member: &MembershipId, role: Role, scope: Scope, window: Window) -> Change {
    let subject = Subject::Member(member.clone());
    Change::Bind { org: org.clone(), binding: Binding { id: BindingId::fresh(), role, scope, subject, window } }
}

/// The key of a new account, its id and its secret; the role that it is for goes before it.
async fn key(
    app: &App,
    org: &OrgId,
    member: &MembershipId,
    wanted: &KeyOfNewUser,
    changes: &mut Vec<Change>,
) -> Result<(Change, String, Secret), Problem> {
    let mut conn = app.db.read().await?;
    let project = named::project(&mut conn, org, &wanted.project).await?.id;
    drop(conn);
    let no_role = |_| Problem::invalid("key.role", format!("\"{}\" is no role.", wanted.role));
    let role: Role = wanted.role.parse().map_err(no_role)?;
    let expires_at = read_moment("key.expires_at", &wanted.expires_at)?;
    changes.push(bind(org, member, role, Scope::Project(project.clone()), Window::ALWAYS));
    let (key, secret) = access_key::mint(app, member.clone(), project, wanted.name.clone(), expires_at);
    let id = key.id.to_string();
    Ok((Change::CreateAccessKey { org: org.clone(), key: Box::new(key) }, id, secret))
}
