//! Introspection (RFC 7662) and revocation (RFC 7009).

use serde_json::{Map, Value};

use super::Fault;
use super::accept_token::{accept, text};
use super::refresh;
use super::tell::{self, By};
use crate::app::App;
use crate::domain::oauth::application::Application;
use crate::domain::oauth::introspection::{active, inactive, may_see};
use crate::domain::oidc::access_token;
use crate::domain::ssf::caep::Initiator;
use crate::kernel::time::UnixMillis;
use crate::store::db::Conn;
use crate::store::{families, status_list};

/// What an application is told of a token: its claims if it is honoured now and the application may see it.
///
/// # Errors
/// The database's.
pub async fn introspect(
    app: &App,
    conn: &mut Conn,
    application: &Application,
    token: &str,
) -> Result<Map<String, Value>, Fault> {
    if let Some((id, secret)) = refresh::parse(app, token) {
        let now = app.now();
        let Some(family) = families::find(conn, &id, "").await? else {
            return Ok(inactive());
        };
        let live = family.holding.application == application.id
            && family.current.is_some_and(|current| current == secret.digest())
            && family.standing.judge(now).is_ok()
            && now < family.idle_until;
        if !live {
            return Ok(inactive());
        }
        let mut claims = Map::new();
        claims.insert("client_id".to_owned(), application.client_id.clone().into());
        claims.insert("sub".to_owned(), family.holding.user.as_str().into());
        claims.insert("scope".to_owned(), family.granted.scopes.to_string().into());
        claims.insert("exp".to_owned(), family.idle_until.min(family.standing.expires_at).seconds().into());
        let mut claims = active(claims);
        claims.remove("token_type"); // it is no access token
        return Ok(claims);
    }
    match accept(app, conn, token).await? {
        Some(accepted) if may_see(&without_our_name(app, application), &accepted.claims) => Ok(active(accepted.claims)),
        Some(_) | None => Ok(inactive()),
    }
}

/// An application that registered our own name as its resource does not see everybody's tokens by that.
fn without_our_name(app: &App, application: &Application) -> Application {
    let resource = application.resource.clone().filter(|resource| resource != app.issuer());
    Application { resource, ..application.clone() }
}

/// Revokes a token of this application: a refresh token with its whole family, an access token alone. A token that is
/// not the application's, or none at all, is answered alike and nothing happens.
///
/// # Errors
/// The database's: then nothing was revoked, and the caller must hear it.
pub async fn revoke(app: &App, application: &Application, token: &str) -> Result<(), Fault> {
    let now = app.now();
    if let Some((id, _)) = refresh::parse(app, token) {
        let owner = application.id.clone();
        let by = By::new(app, Initiator::System, "the application revoked its tokens");
        let ended: Result<u64, sqlx::Error> = app
            .db
            .write(move |tx| {
                Box::pin(async move {
                    if let Some(family) = families::find(tx, &id, "").await?
                        && family.holding.application == owner
                        && families::end(tx, &id, "revoked", now).await?
                    {
                        return tell::family_ended(tx, &by, &id, now).await;
                    }
                    Ok(0)
                })
            })
            .await;
        tell::ring(app, ended?);
        return Ok(());
    }
    access_token_of(app, &application.client_id, token).await
}

/// Revokes an access token of a tool or of a connection's client by the id that it was made with; others are answered
/// alike and nothing happens.
///
/// # Errors
/// As [`revoke`].
pub async fn revoke_own(app: &App, client_id: &str, token: &str) -> Result<(), Fault> {
    access_token_of(app, client_id, token).await
}

async fn access_token_of(app: &App, client_id: &str, token: &str) -> Result<(), Fault> {
    let Ok(claims) = app.keyring.verify(token, &[access_token::TYP], app.now()) else {
        return Ok(());
    };
    let (Some(jti), Some(exp)) = (text(&claims, "jti"), claims.get("exp").and_then(Value::as_i64)) else {
        return Ok(());
    };
    if text(&claims, "client_id") != Some(client_id) {
        return Ok(());
    }
    let (jti, expires_at) = (jti.to_owned(), UnixMillis::from_seconds(exp));
    let revoked: Result<(), sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                families::revoke_access_token(tx, &jti, expires_at).await?;
                // On a status list it stands with its siblings.
                status_list::cut(tx, jti.split_once('.').map_or(jti.as_str(), |(holder, _)| holder)).await
            })
        })
        .await;
    Ok(revoked?)
}
