//! Security events: what a provider's transmitter says of sessions and accounts (RFC 8417; OpenID CAEP 1.0 and RISC 1.0
//! in the Shared Signals Framework 1.0).
//!
//! Whatever an event says of somebody who is not known here, or says in words that are not known, is taken and does
//! nothing (RFC 8935 §2.2: taking an event is no more than that).

use super::{Found, Listening, NotHeard};
use crate::app::App;
use crate::domain::change::Origin;
use crate::domain::federation::logout_token::SKEW;
use crate::domain::federation::security_event::{self, EventError, Kind, OLDEST, SecurityEvent};
use crate::kernel::time::UnixMillis;
use crate::outside::upstream::Jwks;

/// What events are remembered as.
const KIND: &str = "event";
/// How an event must call itself (SSF §4.1.1): an ID token of the same keys is none.
const TYPES: [&str; 1] = ["secevent+jwt"];

/// Why an event was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// There is no such connection, it does not work, or it hears no events.
    #[error("there is nothing here")]
    Unknown,
    /// The event is refused, in the words of RFC 8935 §2.4.
    #[error("{}: {}", .0.err, .0.description)]
    Refused(EventError),
    /// The transmitter's keys can't be had; the event may come again.
    #[error("the transmitter's keys can't be had: {0}")]
    NoKeys(&'static str),
    /// The database failed; the event may come again.
    #[error("the database failed")]
    Store(#[from] sqlx::Error),
}

impl From<NotHeard> for NotTaken {
    fn from(failed: NotHeard) -> Self {
        match failed {
            NotHeard::Unknown => Self::Unknown,
            NotHeard::Malformed(why) => Self::refused("invalid_request", why),
            NotHeard::NotVerified(why) => Self::refused("authentication_failed", why),
            NotHeard::Used => Self::refused("invalid_request", "it was heard before"),
            NotHeard::NobodyThere => Self::refused("invalid_request", "nobody is known by it"),
            NotHeard::NoKeys(why) => Self::NoKeys(why),
            NotHeard::Store(error) => Self::Store(error),
        }
    }
}

impl NotTaken {
    fn refused(err: &'static str, description: impl Into<String>) -> Self {
        Self::Refused(EventError { err, description: description.into() })
    }
}

/// Takes an event that was pushed: what it says is carried out when this answers. One that was taken before is taken
/// once more and does nothing.
///
/// # Errors
/// See [`NotTaken`].
pub async fn hear(app: &App, connection: &str, set: &str, origin: &Origin) -> Result<(), NotTaken> {
    let listening = Listening::at(app, connection, origin).await?;
    take(&listening, set).await
}

/// Takes an event, however it came.
pub(super) async fn take(listening: &Listening<'_>, set: &str) -> Result<(), NotTaken> {
    let (app, signals) = (listening.app, &listening.sign_in.settings.signals);
    let issuer = signals.issuer.as_deref().ok_or(NotTaken::Unknown)?;
    if set.is_empty() {
        return Err(NotTaken::refused("invalid_request", "send one token as application/secevent+jwt"));
    }
    let verified = app.upstream.verify_jwt(Jwks::Transmitter(issuer), set, &TYPES).await;
    let claims = verified.map_err(NotHeard::from)?;
    let audience = signals.audience.clone().unwrap_or_else(|| listening.address("events"));
    let event = security_event::check(&claims, issuer, &audience, app.now()).map_err(NotTaken::Refused)?;
    if listening.has_heard(KIND, &event.jti).await? {
        return Ok(());
    }
    carry_out(listening, &event).await?;
    listening.remember(KIND, &event.jti, event.issued.plus(OLDEST + SKEW)).await?;
    Ok(())
}

/// Does what an event says, as far as it concerns somebody who is known here.
async fn carry_out(listening: &Listening<'_>, event: &SecurityEvent) -> Result<(), sqlx::Error> {
    let Some(subject) = &event.subject else { return Ok(()) };
    let Some(found) = listening.found(subject).await? else { return Ok(()) };
    for kind in &event.kinds {
        apply(listening, &found, kind, event.issued).await?;
    }
    Ok(())
}

async fn apply(listening: &Listening<'_>, found: &Found, kind: &Kind, issued: UnixMillis) -> Result<(), sqlx::Error> {
    match kind {
        Kind::SessionRevoked => listening.end(found.ended()).await,
        Kind::CredentialChange => listening.end(found.everything()).await,
        // With the account ends what came through it, unless the provider has said otherwise since.
        Kind::AccountDisabled | Kind::AccountPurged => match found.person() {
            Some(identity) => listening.set_account(identity.user.clone(), false, issued).await,
            None => listening.end(found.ended()).await,
        },
        Kind::AccountEnabled => match found.person() {
            Some(identity) => listening.set_account(identity.user.clone(), true, issued).await,
            None => Ok(()),
        },
        // The stream's own: that it is alive, or was paused. There is nothing to do about either.
        Kind::Verification { .. } | Kind::StreamUpdated | Kind::Other => Ok(()),
    }
}
