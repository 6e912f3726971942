//! The client credentials grant of a tool (RFC 6749 §4.4): an API token with the roles that are held on the key's
//! project at this moment.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::app::App;
use crate::domain::access::Holder;
use crate::domain::access::claims::{RoleClaims, role_claims};
use crate::domain::keys::Alg;
use crate::domain::oauth::application::ApplicationState;
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::oauth::params::Params;
use crate::domain::oauth::scope::{self, Scopes};
use crate::domain::oidc::access_token::{self, AccessToken};
use crate::domain::standing::MemberStanding;
use crate::flows::Fault;
use crate::flows::authenticate_client::refused;
use crate::flows::feed::status;
use crate::flows::issue::{Tokens, hex};
use crate::kernel::tally::Mark;
use crate::kernel::time::{SECOND, UnixMillis};
use crate::store::access_keys::Standing;
use crate::store::db::Conn;
use crate::store::picture::Held;
use crate::store::{applications, orgs, picture};

/// An API token for a key that was authenticated a moment ago. Nothing is written, but where the resource has a status list
/// the token's place in it.
///
/// Its roles are read after the membership's version: a change that slips in between yields a token that is refused.
///
/// # Errors
/// `unauthorized_client` where the organisation does not admit the address, `invalid_scope`, `invalid_target`, the
/// database's; no key signs.
pub async fn issue(app: &App, conn: &mut Conn, key: &Standing, params: &Params, from: IpAddr) -> Result<Tokens, Fault> {
    let member = key.member.as_ref().ok_or_else(refused)?;
    if !orgs::settings(conn, &key.org).await?.admits(from) {
        let text = "the organisation does not admit requests from this address";
        return Err(OAuthError::new(ErrorCode::UnauthorizedClient, text).into());
    }
    let resource = params.get("resource").filter(|resource| *resource != app.issuer());
    let lists = match resource {
        Some(resource) => check_resource(conn, key, resource).await?,
        None => false,
    };
    let scopes = scopes(key, params, resource.is_some())?;
    let now = app.now();
    let held = held(conn, key, member, now).await?;
    let latest = now.plus(app.config.tokens.api_secs * SECOND);
    let expires_at = latest.min(key.expires_at).min(held.ends.unwrap_or(UnixMillis::MAX));
    let jti = format!("{}.{}", key.id, hex(&app.chance.bytes32()[..12]));
    let mut access = claims(key, member, &held);
    if let Some(status) = status::of_key(app, conn, key, lists).await? {
        access.insert("status".to_owned(), status);
    }
    let token = AccessToken {
        issuer: app.issuer(),
        subject: key.user.as_str(),
        audience: resource.unwrap_or(app.issuer()),
        client_id: key.id.as_str(),
        scope: &scopes,
        jti: &jti,
        issued_at: now,
        expires_at,
        auth_time: None,
        acr: None,
        amr: &[],
        sid: None,
        access,
    };
    let access_token = app.keyring.sign(Alg::Es256, access_token::TYP, &token.claims(), now)?;
    app.tally.add(Mark {
        kind: "token.issued",
        org: Some(key.org.as_str().to_owned()),
        user: Some(key.user.as_str().to_owned()),
        application: key.id.as_str().to_owned(),
    });
    let expires_in = expires_at.since(now) / SECOND;
    Ok(Tokens { access_token, expires_in, scope: scopes.to_string(), refresh_token: None, id_token: None })
}

/// Roles always; the use of Muster's own API where it is asked for, but never in a token for somebody else's ears, and
/// not for a member who is restricted to some applications.
fn scopes(key: &Standing, params: &Params, elsewhere: bool) -> Result<Scopes, OAuthError> {
    let asked = Scopes::parse(params.get("scope").unwrap_or_default())
        .map_err(|_| OAuthError::new(ErrorCode::InvalidScope, "scope is malformed"))?;
    let admin = asked.contains(scope::ADMIN) && !key.restricted;
    if admin && elsewhere {
        let text = format!("{} is for Muster itself; ask for it without resource", scope::ADMIN);
        return Err(OAuthError::new(ErrorCode::InvalidTarget, text));
    }
    let words = [Some(scope::ROLES), admin.then_some(scope::ADMIN)];
    Ok(words.into_iter().flatten().map(str::to_owned).collect())
}

/// A token may be for the resource of an active application, of the key's organisation or of none. Whether some application
/// with this resource looks its tokens up in status lists.
async fn check_resource(conn: &mut Conn, key: &Standing, resource: &str) -> Result<bool, Fault> {
    let mut all = applications::all(conn).await?;
    all.retain(|application| application.resource.as_deref() == Some(resource));
    let known = all.iter().any(|application| {
        application.state == ApplicationState::Active && application.org.as_ref().is_none_or(|org| *org == key.org)
    });
    if known {
        Ok(all.iter().any(|application| application.status_list))
    } else {
        Err(OAuthError::new(ErrorCode::InvalidTarget, "resource is not known here").into())
    }
}

async fn held(conn: &mut Conn, key: &Standing, member: &MemberStanding, now: UnixMillis) -> Result<Held, sqlx::Error> {
    let mut holder = Holder {
        id: member.id.clone(),
        user: key.user.clone(),
        active: member.active,
        owner: member.owner,
        groups: BTreeSet::new(),
    };
    picture::of_member(conn, &key.org, &mut holder, now).await
}

/// The organisation, the key's project, and the flat list of roles there (RFC 9068 §2.2.3.1); a service account's roles
/// on the organisation besides. Readers refuse empty lists, so that there is none where nothing is held.
fn claims(key: &Standing, member: &MemberStanding, held: &Held) -> Map<String, Value> {
    let RoleClaims { org_roles, mut project_roles } = role_claims(&held.grants, &held.projects);
    let mut claims = Map::new();
    claims.insert("org_id".to_owned(), key.org.as_str().into());
    claims.insert("org_slug".to_owned(), member.org_slug.clone().into());
    claims.insert("project".to_owned(), key.project_key.clone().into());
    if let Some(roles) = project_roles.remove(&key.project_key) {
        claims.insert("roles".to_owned(), json!(roles));
    }
    if key.service && !org_roles.is_empty() {
        claims.insert("org_roles".to_owned(), json!(org_roles));
    }
    claims.insert("acv".to_owned(), member.acv.into());
    claims
}
