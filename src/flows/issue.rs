//! Makes tokens from what was granted and what the person holds at this moment.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Fault, feed, invalid_grant};
use crate::app::App;
use crate::domain::access::claims::{Project, RoleClaims, role_claims};
use crate::domain::access::{Grants, Holder};
use crate::domain::granted::Granted;
use crate::domain::oauth::application::Application;
use crate::domain::oauth::scope;
use crate::domain::oidc::access_token::AccessToken;
use crate::domain::oidc::claims::standard_claims;
use crate::domain::oidc::id_token::{self, IdToken};
use crate::domain::oidc::{access_token, discovery};
use crate::domain::standing::MemberStanding;
use crate::kernel::id::{OrgId, UserId};
use crate::kernel::secret::Secret;
use crate::kernel::tally::Mark;
use crate::kernel::time::{SECOND, UnixMillis};
use crate::store::db::Conn;
use crate::store::families::Family;
use crate::store::{groups, orgs, picture, users};

/// Roles on projects, by the projects' keys.
pub(super) type ProjectRoles = BTreeMap<String, BTreeSet<String>>;

/// The tokens of one answer (RFC 6749 §5.1).
#[derive(Debug)]
pub struct Tokens {
    /// The access token.
    pub access_token: String,
    /// Its life in seconds.
    pub expires_in: i64,
    /// The scopes that it has.
    pub scope: String,
    /// The refresh token, if there is one.
    pub refresh_token: Option<Secret>,
    /// The ID token, if `openid` was granted.
    pub id_token: Option<String>,
}

/// What a member's tokens say of the organisation and the roles, and until when it may be said.
#[derive(Debug, Default)]
pub struct AccessClaims {
    /// For the access token: organisation, roles, groups and `acv`.
    pub all: Map<String, Value>,
    /// The roles alone, for ID token and userinfo: as `all`, without `acv`.
    pub roles: Map<String, Value>,
    /// No token outlives the earliest end of a window.
    pub until: Option<UnixMillis>,
}

/// The claims of a member of an organisation, by at most three statements.
///
/// # Errors
/// The database's.
pub async fn access_claims(
    app: &App,
    conn: &mut Conn,
    of: (&OrgId, &UserId, &MemberStanding),
    granted: &Granted,
    application: &Application,
) -> Result<AccessClaims, sqlx::Error> {
    let (org, user, standing) = of;
    let mut claims = AccessClaims::default();
    claims.roles.insert("org_id".to_owned(), org.as_str().into());
    claims.roles.insert("org_slug".to_owned(), standing.org_slug.clone().into());
    if granted.scopes.contains(scope::ROLES) || granted.project.is_some() {
        let mut holder = Holder {
            id: standing.id.clone(),
            user: user.clone(),
            active: standing.active,
            owner: standing.owner,
            groups: BTreeSet::new(),
        };
        let held = picture::of_member(conn, org, &mut holder, app.now()).await?;
        claims.until = held.ends;
        let (project, budget) = (granted.project.as_deref(), application.claims_budget);
        let left_out = put_roles(app, &mut claims.roles, &held.grants, &held.projects, project, budget);
        put_default_project(conn, org, &mut claims.roles, &held.projects, left_out).await?;
    }
    if granted.scopes.contains(scope::GROUPS) {
        let names = groups::names_of_member(conn, &standing.id, app.now()).await?;
        if !names.is_empty() {
            put_or_point(app, &mut claims.roles, "groups", names.into(), application.claims_budget);
        }
    }
    claims.all = claims.roles.clone();
    claims.all.insert("acv".to_owned(), standing.acv.into());
    Ok(claims)
}

/// Puts the roles in; the answer is the roles on projects that had no room.
pub(super) fn put_roles(
    app: &App,
    into: &mut Map<String, Value>,
    grants: &Grants,
    projects: &[Project],
    project: Option<&str>,
    budget: usize,
) -> ProjectRoles {
    let RoleClaims { org_roles, mut project_roles } = role_claims(grants, projects);
    if let Some(key) = project {
        // For one project alone: the flat list that RFC 9068 §2.2.3.1 names.
        into.insert("project".to_owned(), key.into());
        // Readers of RFC 9068 refuse an empty list; `project` says that none was forgotten.
        if let Some(roles) = project_roles.remove(key) {
            into.insert("roles".to_owned(), json!(roles));
        }
        return ProjectRoles::new();
    }
    into.insert("org_roles".to_owned(), json!(org_roles));
    put_or_point(app, into, "project_roles", json!(project_roles), budget);
    if into.contains_key("project_roles") { ProjectRoles::new() } else { project_roles }
}

/// Where the roles on all projects had no room, those on the organisation's default project still stand in the token.
///
/// # Errors
/// The database's.
pub(super) async fn put_default_project(
    conn: &mut Conn,
    org: &OrgId,
    into: &mut Map<String, Value>,
    projects: &[Project],
    mut left_out: ProjectRoles,
) -> Result<(), sqlx::Error> {
    if left_out.is_empty() {
        return Ok(());
    }
    let default = orgs::settings(conn, org).await?.default_project;
    let key = default.and_then(|id| projects.iter().find(|project| project.id == id)).map(|project| &project.key);
    if let Some((key, roles)) = key.and_then(|key| left_out.remove_entry(key)) {
        into.insert("project_roles".to_owned(), json!({ key: roles }));
    }
    Ok(())
}

/// A claim that is too large for a token is found at userinfo (distributed claims, OpenID Connect Core §5.6.2).
pub(super) fn put_or_point(app: &App, into: &mut Map<String, Value>, name: &str, value: Value, budget: usize) {
    if value.to_string().len() <= budget {
        into.insert(name.to_owned(), value);
        return;
    }
    if let Some(names) = into.entry("_claim_names").or_insert_with(|| json!({})).as_object_mut() {
        names.insert(name.to_owned(), "userinfo".into());
    }
    into.insert("_claim_sources".to_owned(), json!({ "userinfo": { "endpoint": app.url(discovery::USERINFO) } }));
}

/// The tokens of a family whose standing was judged good at `now`.
///
/// # Errors
/// `invalid_grant` when it is not good after all; the database's; no key signs.
pub async fn for_family(
    app: &App,
    conn: &mut Conn,
    family: &Family,
    application: &Application,
    first: bool,
) -> Result<Tokens, Fault> {
    let now = app.now();
    let mut claims = match (&family.holding.member, &family.standing.member) {
        (Some((org, _)), Some(standing)) => {
            access_claims(app, conn, (org, &family.holding.user, standing), &family.granted, application).await?
        }
        (None, _) => AccessClaims::default(),
        (Some(_), None) => return Err(invalid_grant()),
    };
    let latest = now.plus(app.config.tokens.access_secs * SECOND);
    let expires_at = claims.until.map_or(latest, |until| latest.min(until));
    if let Some(status) = feed::status::of_family(app, conn, family, application).await? {
        claims.all.insert("status".to_owned(), status);
    }
    let granted = &family.granted;
    let amr: Vec<&str> = granted.authentication.amr.iter().map(String::as_str).collect();
    let mut random = [0_u8; 12];
    app.chance.fill(&mut random);
    let jti = format!("{}.{}", family.id, hex(&random));
    let audience = granted.resource.as_deref().or(application.resource.as_deref()).unwrap_or(app.issuer());
    let access = AccessToken {
        issuer: app.issuer(),
        subject: family.holding.user.as_str(),
        audience,
        client_id: &application.client_id,
        scope: &granted.scopes,
        jti: &jti,
        issued_at: now,
        expires_at,
        auth_time: Some(granted.authentication.time),
        acr: Some(&granted.authentication.acr),
        amr: &amr,
        sid: Some(family.holding.sid.as_str()),
        access: std::mem::take(&mut claims.all),
    };
    let access_token = app.keyring.sign(application.access_token_alg, access_token::TYP, &access.claims(), now)?;
    let id_token = if granted.scopes.contains(scope::OPENID) {
        Some(id_token(app, conn, (family, application), &access_token, claims, first).await?)
    } else {
        None
    };
    app.tally.add(Mark {
        kind: "token.issued",
        org: family.holding.member.as_ref().map(|(org, _)| org.as_str().to_owned()),
        user: Some(family.holding.user.as_str().to_owned()),
        application: application.id.as_str().to_owned(),
    });
    Ok(Tokens {
        access_token,
        expires_in: expires_at.since(now) / SECOND,
        scope: granted.scopes.to_string(),
        refresh_token: None,
        id_token,
    })
}

async fn id_token(
    app: &App,
    conn: &mut Conn,
    of: (&Family, &Application),
    access_token: &str,
    access: AccessClaims,
    first: bool,
) -> Result<String, Fault> {
    let (family, application) = of;
    let (now, granted) = (app.now(), &family.granted);
    let asked =
        [scope::ROLES, scope::GROUPS].iter().any(|word| granted.scopes.contains(word)) || granted.project.is_some();
    let mut extra = if application.roles_in_id_token && asked { access.roles } else { Map::new() };
    let wanted = granted.claims.id_token_names();
    if !wanted.is_empty()
        && let Some(user) = users::find(conn, &family.holding.user).await?
    {
        extra.extend(standard_claims(&user.profile, &scope::Scopes::default(), &wanted));
    }
    let amr: Vec<&str> = granted.authentication.amr.iter().map(String::as_str).collect();
    let latest = now.plus(app.config.tokens.id_secs * SECOND);
    let token = IdToken {
        issuer: app.issuer(),
        subject: family.holding.user.as_str(),
        client_id: &application.client_id,
        issued_at: now,
        expires_at: access.until.map_or(latest, |until| latest.min(until)),
        auth_time: granted.authentication.time,
        nonce: granted.nonce.as_deref().filter(|_| first),
        acr: Some(&granted.authentication.acr),
        amr: &amr,
        sid: Some(family.holding.sid.as_str()),
        at_hash: Some(id_token::at_hash(application.id_token_alg, access_token)),
        roles: extra,
    };
    Ok(app.keyring.sign(application.id_token_alg, id_token::TYP, &token.claims(), now)?)
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
