//! Streams of security events, as the applications that receive them keep them (SSF 1.0 §8).
//!
//! [`manage`] makes, changes and deletes them, [`status`] starts and stops them, [`subjects`] leaves people out,
//! [`verify`] tries them. What is told waits in the outbox: [`poll`] hands it out, [`push`] prepares it for the worker
//! that posts it, [`stale`] gives up what nobody fetches. Which events there are is decided in `flows::tell`.

pub mod manage;
pub mod poll;
pub mod push;
pub mod stale;
pub mod status;
pub mod subjects;
pub mod verify;

use super::{accept_token, find_application};
use crate::app::App;
use crate::domain::keys::Alg;
use crate::domain::oauth::scope::{SSF_MANAGE, SSF_READ};
use crate::domain::ssf::Malformed;
use crate::domain::ssf::event::{Issue, SecurityEvent, TYP};
use crate::domain::ssf::stream::Delivery;
use crate::kernel::id::{ApplicationId, ChangeId, OrgId, OutboxId, StreamId};
use crate::kernel::time::UnixMillis;
use crate::outside::keyring::KeyError;
use crate::store::db::{Result as Stored, Tx};
use crate::store::outbox;
use crate::store::streams::{self, Stream};

/// What a token must allow for reading, trying and fetching: one of these.
pub const READING: &[&str] = &[SSF_READ, SSF_MANAGE];
/// What a token must allow for everything else.
pub const MANAGING: &[&str] = &[SSF_MANAGE];

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// The request has no token.
    #[error("send an access token in the Authorization header")]
    NoToken,
    /// The token is not honoured.
    #[error("the token is not honoured")]
    Unauthorized,
    /// The token is not an application's own with one of these scopes.
    #[error("the token is not an application's own with the scope {}", .0.join(" or "))]
    Scope(&'static [&'static str]),
    /// The application has no such stream.
    #[error("the application has no such stream")]
    Unknown,
    /// The request can't be read, or asks for what can't be.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// The application has as many streams as it may.
    #[error("the application has as many streams as it may have; delete one")]
    TooMany,
    /// The stream leaves out as many people as it may.
    #[error("the stream leaves out as many people as it may")]
    TooManyLeftOut,
    /// The stream was tried a moment ago.
    #[error("the stream was tried a moment ago")]
    TooSoon,
    /// The stream is disabled.
    #[error("the stream is disabled")]
    Disabled,
    /// No key signs.
    #[error("no key signs: {0}")]
    Keys(#[from] KeyError),
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] sqlx::Error),
}

/// An application that receives security events.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Its id.
    pub id: ApplicationId,
    /// Its client id: the `aud` of its streams.
    pub client_id: String,
    /// The organisation that it belongs to.
    pub org: Option<OrgId>,
}

/// The application whose own token it is, if the token allows one of these scopes.
///
/// # Errors
/// [`NotDone::Unauthorized`], [`NotDone::Scope`], or the database's.
pub async fn receiver(app: &App, token: &str, scopes: &'static [&'static str]) -> Result<Receiver, NotDone> {
    let mut conn = app.db.read().await?;
    let accepted = accept_token::accept(app, &mut conn, token).await?.ok_or(NotDone::Unauthorized)?;
    let said = |name: &str| accept_token::text(&accepted.claims, name).unwrap_or_default();
    let allowed = said("scope").split(' ').any(|word| scopes.contains(&word));
    if accepted.family.is_some() || accepted.tool.is_some() || !allowed {
        return Err(NotDone::Scope(scopes));
    }
    let found = find_application::active(app, &mut conn, said("client_id")).await?;
    let application = found.ok_or(NotDone::Unauthorized)?;
    // Its own tokens are for Muster, or for the resource that is itself.
    let audience = said("aud");
    if audience != app.issuer() && application.resource.as_deref() != Some(audience) {
        return Err(NotDone::Unauthorized);
    }
    Ok(Receiver { id: application.id.clone(), client_id: application.client_id.clone(), org: application.org.clone() })
}

/// The stream of this application with this id, under which no other stream of the application is changed meanwhile.
async fn held(tx: &mut Tx, application: &ApplicationId, id: &StreamId) -> Result<Stream, NotDone> {
    streams::take_turns(tx, application).await?;
    streams::find(tx, application, id).await?.ok_or(NotDone::Unknown)
}

/// The id that a request names; what is none names no stream.
fn named(id: &str) -> Result<StreamId, NotDone> {
    id.parse().map_err(|_| NotDone::Unknown)
}

/// What waits for a stream is sent now, or held, as the stream stands.
async fn settle_waiting(tx: &mut Tx, stream: &StreamId, sends: bool, now: UnixMillis) -> Stored<()> {
    if sends {
        outbox::release(tx, stream.as_str(), now).await?;
    } else {
        outbox::hold(tx, stream.as_str()).await?;
    }
    Ok(())
}

/// Where the events of a stream are fetched.
fn poll_address(app: &App, stream: &StreamId) -> String {
    app.url(&format!("{}{stream}", crate::domain::ssf::metadata::POLL))
}

/// Whether somebody posts the events of such a stream.
const fn is_pushed(stream: &Stream) -> bool {
    matches!(stream.settings.delivery, Delivery::Push)
}

/// A row of the outbox, as its token names it.
#[derive(Clone, Copy, Debug)]
pub struct Of<'r> {
    /// The row: the `jti`.
    pub id: &'r OutboxId,
    /// When it was written: the `iat`.
    pub at: UnixMillis,
    /// The change that it comes from: the `txn`.
    pub change: Option<&'r ChangeId>,
}

/// The token that tells an event. It is always signed with RS256, which every receiver understands, and comes out the
/// same however often it is sent, as long as the key signs.
///
/// # Errors
/// No key signs.
pub fn signed(app: &App, audience: &str, of: Of<'_>, event: &SecurityEvent) -> Result<String, KeyError> {
    let issue = Issue {
        issuer: app.issuer(),
        audience,
        jti: of.id.as_str(),
        at: of.at,
        change: of.change.map(ChangeId::as_str),
    };
    app.keyring.sign(Alg::Rs256, TYP, &event.claims(&issue), app.now())
}
