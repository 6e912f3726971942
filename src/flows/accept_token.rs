//! Whether an access token of ours is honoured now: signature, type, time, and the state in the database.

use serde_json::{Map, Value};

use super::{access_key, find_application, rotate_keys};
use crate::app::App;
use crate::domain::oidc::access_token;
use crate::kernel::id::{AccessKeyId, FamilyId, OrgId, ProjectId, UserId};
use crate::kernel::time::UnixMillis;
use crate::outside::keyring::TokenError;
use crate::store::db::{Conn, Result};
use crate::store::families::{self, Family};

/// An access token that is honoured.
#[derive(Debug)]
pub struct Accepted {
    /// Its claims.
    pub claims: Map<String, Value>,
    /// The family that it came from; `None` for a tool's token and an application's own.
    pub family: Option<Family>,
    /// The tool whose API token it is, when it was made from an access key.
    pub tool: Option<ToolToken>,
}

/// Whose API token it is, and what it was made from.
#[derive(Clone, Debug)]
pub struct ToolToken {
    /// The key.
    pub key: AccessKeyId,
    /// The person or the service account.
    pub user: UserId,
    /// The organisation.
    pub org: OrgId,
    /// The key's project.
    pub project: ProjectId,
    /// Whether it is a service account's.
    pub service: bool,
}

/// What the claims say under a name, if it is a text.
#[must_use]
pub fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

/// Judges an access token; `None` for every reason not to honour it. One statement, or one and its application's.
///
/// # Errors
/// The database's: then nothing is honoured either.
pub async fn accept(app: &App, conn: &mut Conn, token: &str) -> Result<Option<Accepted>> {
    let now = app.now();
    let Some(claims) = verified(app, token, now).await else {
        return Ok(None);
    };
    let live = claims.get("exp").and_then(Value::as_i64).is_some_and(|exp| now < UnixMillis::from_seconds(exp));
    if !live || text(&claims, "iss") != Some(app.issuer()) {
        return Ok(None);
    }
    let Some(jti) = text(&claims, "jti").map(str::to_owned) else {
        return Ok(None);
    };
    let named = jti.split_once('.').map_or("", |(named, _)| named);
    if let Ok(id) = named.parse::<FamilyId>() {
        return of_family(conn, claims, &id, &jti, now).await;
    }
    if let Ok(id) = named.parse::<AccessKeyId>() {
        return access_key::accept(app, conn, claims, &id, &jti).await;
    }
    of_application(app, conn, claims, &jti).await
}

/// The claims of a token that we signed; a key that another node made a moment ago is looked for.
pub(super) async fn verified(app: &App, token: &str, now: UnixMillis) -> Option<Map<String, Value>> {
    match app.keyring.verify(token, &[access_token::TYP], now) {
        Err(TokenError::UnknownKey) => {
            rotate_keys::reload_if_changed(app).await.ok()?;
            app.keyring.verify(token, &[access_token::TYP], now).ok()
        }
        verified => verified.ok(),
    }
}

async fn of_family(
    conn: &mut Conn,
    claims: Map<String, Value>,
    id: &FamilyId,
    jti: &str,
    now: UnixMillis,
) -> Result<Option<Accepted>> {
    let Some(family) = families::find(conn, id, jti).await? else {
        return Ok(None);
    };
    let acv = claims.get("acv").and_then(Value::as_i64);
    let honoured = !family.token_revoked
        && family.application_active
        && text(&claims, "sub") == Some(family.holding.user.as_str())
        && family.standing.judge_access_token(acv, now).is_ok();
    Ok(honoured.then_some(Accepted { claims, family: Some(family), tool: None }))
}

async fn of_application(app: &App, conn: &mut Conn, claims: Map<String, Value>, jti: &str) -> Result<Option<Accepted>> {
    let Some(client_id) = text(&claims, "client_id") else {
        return Ok(None);
    };
    if text(&claims, "sub") != Some(client_id) {
        return Ok(None);
    }
    let Some((application, from)) = find_application::active_since(app, conn, client_id).await? else {
        return Ok(None);
    };
    let issued = claims.get("iat").and_then(Value::as_i64).unwrap_or(0);
    // By whole seconds: what was issued in the second in which it was disabled is refused too.
    let of_this_one = jti.split_once('.').is_some_and(|(id, _)| id == application.id.as_str());
    if !of_this_one || (from > UnixMillis::MIN && issued <= from.seconds()) {
        return Ok(None);
    }
    let revoked = families::is_revoked(conn, jti).await?;
    Ok((!revoked).then_some(Accepted { claims, family: None, tool: None }))
}
