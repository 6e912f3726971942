//! The authorization code grant (RFC 6749 §4.1.3): a code is used once, by the one it was made for.

use super::{Fault, invalid_grant, issue, refresh};
use crate::app::App;
use crate::domain::oauth::application::{Application, GrantType};
use crate::domain::oauth::authorization_code::{Decision, Issued, Presented, decide};
use crate::domain::oauth::params::Params;
use crate::domain::oauth::scope;
use crate::kernel::id::FamilyId;
use crate::kernel::secret::{Digest, Secret};
use crate::kernel::time::{SECOND, UnixMillis};
use crate::store::audit::{Event, note};
use crate::store::codes::{self, Code};
use crate::store::db::Conn;
use crate::store::families::{self, NewFamily};

/// Exchanges a code for tokens.
///
/// # Errors
/// `invalid_request` without a code, else `invalid_grant`; a second use ends what the first one made.
pub async fn exchange(
    app: &App,
    conn: &mut Conn,
    application: &Application,
    params: &Params,
) -> Result<issue::Tokens, Fault> {
    let text = params
        .get("code")
        .ok_or_else(|| crate::domain::oauth::error::OAuthError::invalid_request("code is missing"))?;
    let digest = Secret::presented(text).digest();
    let code = codes::find(conn, digest).await?.ok_or_else(invalid_grant)?;
    let now = app.now();
    let issued = Issued {
        client_id: code.content.holding.application.as_str(),
        redirect_uri: &code.content.redirect_uri,
        challenge: code.content.challenge.as_ref(),
        expires_at: code.expires_at,
        used: code.used,
    };
    let presented = Presented {
        client_id: application.id.as_str(),
        redirect_uri: params.sent("redirect_uri"),
        // As it was sent: an empty verifier is a wrong one, not a missing one (A10).
        verifier: params.sent("code_verifier"),
    };
    match decide(&issued, &presented, now) {
        Decision::Exchange => {}
        Decision::Replay(error) => {
            end_what_it_made(app, &code.family, application, now).await?;
            return Err(error.into());
        }
        Decision::Burn(error) => {
            burn(app, digest, application, now).await?;
            return Err(error.into());
        }
    }
    redeem(app, conn, application, (digest, code), now).await
}

async fn redeem(
    app: &App,
    conn: &mut Conn,
    application: &Application,
    code: (Digest, Code),
    now: UnixMillis,
) -> Result<issue::Tokens, Fault> {
    let (digest, Code { family, content, .. }) = code;
    let offline = content.granted.scopes.contains(scope::OFFLINE_ACCESS);
    let secret = application.allows(GrantType::RefreshToken).then(|| refresh::first_secret(app, &family));
    let tokens = &app.config.tokens;
    let new = NewFamily {
        id: family.clone(),
        holding: content.holding,
        granted: content.granted,
        offline,
        secret: secret.as_ref().map(|(digest, _)| *digest),
        expires_at: now.plus(tokens.refresh_absolute_secs * SECOND),
        idle_until: now.plus(tokens.refresh_idle_secs * SECOND),
    };
    let made: Result<bool, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                if !codes::consume(tx, digest, now).await? {
                    return Ok(false);
                }
                families::insert(tx, &new, now).await?;
                Ok(true)
            })
        })
        .await;
    if !made? {
        // Somebody was quicker with the same code.
        end_what_it_made(app, &family, application, now).await?;
        return Err(invalid_grant());
    }
    let found = families::find(conn, &family, "").await?.ok_or_else(invalid_grant)?;
    found.standing.judge(now).map_err(|_| invalid_grant())?;
    let mut tokens = issue::for_family(app, conn, &found, application, true).await?;
    tokens.refresh_token = secret.map(|(_, text)| text);
    Ok(tokens)
}

/// RFC 6749 §4.1.2: a code used twice revokes the tokens that came from it.
async fn end_what_it_made(
    app: &App,
    family: &FamilyId,
    application: &Application,
    now: UnixMillis,
) -> Result<(), Fault> {
    let (family, event) = (family.clone(), event("code.reused", application, now));
    let ended: Result<(), sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                families::end(tx, &family, "code_reused", now).await?;
                note(tx, &event).await
            })
        })
        .await;
    Ok(ended?)
}

async fn burn(app: &App, digest: Digest, application: &Application, now: UnixMillis) -> Result<(), Fault> {
    let event = event("code.burnt", application, now);
    let burnt: Result<(), sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                codes::consume(tx, digest, now).await?;
                note(tx, &event).await
            })
        })
        .await;
    Ok(burnt?)
}

fn event(kind: &'static str, application: &Application, at: UnixMillis) -> Event {
    let application = Some(application.id.as_str().to_owned());
    Event { at, kind, org: None, user: None, application, detail: "{}".to_owned() }
}
