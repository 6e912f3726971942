//! The authorization code grant (RFC 6749 §4.1.3): a code is used once, by the one it was made for.

use super::tell::{self, By};
use super::{Fault, invalid_grant, issue, refresh};
use crate::app::App;
use crate::domain::granted::CodeContent;
use crate::domain::oauth::application::{Application, GrantType};
use crate::domain::oauth::authorization_code::{Decision, Issued, Presented, decide};
use crate::domain::oauth::params::Params;
use crate::domain::oauth::scope;
use crate::domain::ssf::caep::Initiator;
use crate::kernel::id::FamilyId;
use crate::kernel::secret::{Digest, Secret};
use crate::kernel::time::{SECOND, UnixMillis};
use crate::store::audit::{Event, note};
use crate::store::codes;
use crate::store::db::{Conn, Tx};
use crate::store::device_grants;
use crate::store::families::{self, NewFamily};

/// What is given for tokens, once.
#[derive(Clone, Copy, Debug)]
pub(super) enum Once {
    /// An authorization code.
    Code(Digest),
    /// A device code (RFC 8628).
    DeviceCode(Digest),
}

impl Once {
    /// Uses it up; true for exactly one caller.
    async fn consume(self, tx: &mut Tx, content: &CodeContent, now: UnixMillis) -> Result<bool, sqlx::Error> {
        match self {
            Self::Code(code) => codes::consume(tx, code, now).await,
            Self::DeviceCode(code) => device_grants::consume(tx, code, &content.holding.sid, now).await,
        }
    }

    /// The event of its second use, and why the family ends.
    const fn reused(self) -> (&'static str, &'static str) {
        match self {
            Self::Code(_) => ("code.reused", "code_reused"),
            Self::DeviceCode(_) => ("device_code.reused", "device_code_reused"),
        }
    }
}

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
    let once = Once::Code(digest);
    match decide(&issued, &presented, now) {
        Decision::Exchange => {}
        Decision::Replay(error) => {
            end_what_it_made(app, once, &code.family, application, now).await?;
            return Err(error.into());
        }
        Decision::Burn(error) => {
            burn(app, digest, application, now).await?;
            return Err(error.into());
        }
    }
    redeem(app, conn, application, (once, code.family, code.content), now).await
}

/// Makes the family of what was judged good, and its first tokens.
pub(super) async fn redeem(
    app: &App,
    conn: &mut Conn,
    application: &Application,
    good: (Once, FamilyId, CodeContent),
    now: UnixMillis,
) -> Result<issue::Tokens, Fault> {
    let (once, family, content) = good;
    let offline = content.granted.scopes.contains(scope::OFFLINE_ACCESS);
    let secret = application.allows(GrantType::RefreshToken).then(|| refresh::first_secret(app, &family));
    let tokens = &app.config.tokens;
    let new = NewFamily {
        id: family.clone(),
        holding: content.holding.clone(),
        granted: content.granted.clone(),
        offline,
        secret: secret.as_ref().map(|(digest, _)| *digest),
        expires_at: now.plus(tokens.refresh_absolute_secs * SECOND),
        idle_until: now.plus(tokens.refresh_idle_secs * SECOND),
    };
    let made: Result<bool, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                if !once.consume(tx, &content, now).await? {
                    return Ok(false);
                }
                families::insert(tx, &new, now).await?;
                Ok(true)
            })
        })
        .await;
    if !made? {
        // Somebody was quicker with the same code.
        end_what_it_made(app, once, &family, application, now).await?;
        return Err(invalid_grant());
    }
    let found = families::find(conn, &family, "").await?.ok_or_else(invalid_grant)?;
    found.standing.judge(now).map_err(|_| invalid_grant())?;
    let mut tokens = issue::for_family(app, conn, &found, application, true).await?;
    tokens.refresh_token = secret.map(|(_, text)| text);
    Ok(tokens)
}

/// RFC 6749 §4.1.2: a code used twice revokes the tokens that came from it.
pub(super) async fn end_what_it_made(
    app: &App,
    once: Once,
    family: &FamilyId,
    application: &Application,
    now: UnixMillis,
) -> Result<(), Fault> {
    let (kind, reason) = once.reused();
    let (family, event) = (family.clone(), event(kind, application, now));
    let by = By::new(app, Initiator::Policy, "a code was used twice");
    let ended: Result<u64, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let ended = families::end(tx, &family, reason, now).await?;
                note(tx, &event).await?;
                if ended { tell::family_ended(tx, &by, &family, now).await } else { Ok(0) }
            })
        })
        .await;
    tell::ring(app, ended?);
    Ok(())
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
