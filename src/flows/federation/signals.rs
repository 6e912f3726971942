//! What a connection's provider says of sessions that are over and of accounts that are disabled: heard, verified, and
//! carried out by the one door.
//!
//! Three ways lead here: back-channel logout ([`logout`]), security events that are pushed ([`events`]) or fetched
//! ([`poll`]), and global token revocation ([`revocation`]).
//!
//! # Why
//! A token is looked for among those heard before, then acted on, and then remembered. The other way round a crash in
//! between would make the provider's second try a repeat, and what it ends would live on. That two copies of one token at
//! the same moment both end the same sessions harms nobody.

pub mod events;
pub mod logout;
pub mod poll;
pub mod revocation;

use serde_json::Value;

use super::is_standing;
use crate::app::App;
use crate::domain::change::{Actor, Change, Mode, Origin};
use crate::domain::federation::security_event::Subject;
use crate::domain::federation::{Ended, Upstream};
use crate::domain::people::identifier;
use crate::domain::people::user::Kind;
use crate::flows::change_access::{Refusal, change_access_from};
use crate::kernel::id::{ConnectionId, UserId};
use crate::kernel::time::UnixMillis;
use crate::outside::upstream::UpstreamError;
use crate::store::federation::identities::{self, Identity};
use crate::store::federation::replays;
use crate::store::federation::upstreams::{self, SignIn};
use crate::store::users;

/// Why nothing was done about what somebody said.
#[derive(Debug, thiserror::Error)]
pub enum NotHeard {
    /// There is no such connection, it does not work, or it hears nothing of this kind.
    #[error("there is nothing here")]
    Unknown,
    /// What was sent can't be read.
    #[error("{0}")]
    Malformed(String),
    /// It is not the provider's, not for us, or over.
    #[error("what was sent does not count: {0}")]
    NotVerified(&'static str),
    /// It was heard before.
    #[error("it was heard before")]
    Used,
    /// It names nobody who is known here.
    #[error("nobody is known by it")]
    NobodyThere,
    /// The provider's keys can't be had.
    #[error("the provider's keys can't be had: {0}")]
    NoKeys(&'static str),
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] sqlx::Error),
}

impl From<UpstreamError> for NotHeard {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::NotVerified(why) => Self::NotVerified(why),
            UpstreamError::Unreachable => Self::NoKeys("the provider can't be reached"),
            UpstreamError::BadDiscovery(why) => Self::NoKeys(why),
            UpstreamError::Refused(_) => Self::NoKeys("the provider refuses to say them"),
            UpstreamError::TooLarge => Self::NotVerified("it, or what the provider publishes, is larger than is read"),
        }
    }
}

/// A connection that is spoken to.
struct Listening<'l> {
    app: &'l App,
    origin: &'l Origin,
    sign_in: SignIn,
}

impl<'l> Listening<'l> {
    /// The connection with this id, if it and its organisation work. Whether its sign-in is open to people is not asked:
    /// what only ends something is heard before and after, too.
    async fn at(app: &'l App, connection: &str, origin: &'l Origin) -> Result<Self, NotHeard> {
        let sign_in = standing(app, connection).await?.ok_or(NotHeard::Unknown)?;
        Ok(Self { app, origin, sign_in })
    }

    fn id(&self) -> &ConnectionId {
        &self.sign_in.connection.id
    }

    /// The address of one of the connection's own endpoints.
    fn address(&self, endpoint: &str) -> String {
        self.app.url(&format!("/upstream/{}/{endpoint}", self.id()))
    }

    /// Whether a token was heard before.
    async fn has_heard(&self, kind: &str, jti: &str) -> Result<bool, sqlx::Error> {
        let mut conn = self.app.db.read().await?;
        replays::seen(&mut conn, self.id(), &name_of(kind, jti)).await
    }

    /// Remembers a token until it is refused anyway; false when it was remembered already.
    async fn remember(&self, kind: &str, jti: &str, until: UnixMillis) -> Result<bool, sqlx::Error> {
        let (id, name) = (self.id().clone(), name_of(kind, jti));
        self.app.db.write(move |tx| Box::pin(async move { replays::fresh(tx, &id, &name, until).await })).await
    }

    /// Who somebody upstream is here.
    async fn known(&self, upstream: &Upstream) -> Result<Option<Identity>, sqlx::Error> {
        let mut conn = self.app.db.read().await?;
        identities::find(&mut conn, self.id(), upstream).await
    }

    /// Who a subject is at the connection's provider. What its transmitter of events calls its own is the provider's,
    /// too: that is how it was set up.
    fn upstream(&self, subject: &Subject) -> Option<Upstream> {
        let settings = &self.sign_in.settings;
        let issuer = &settings.core.issuer;
        subject.upstream(issuer).or_else(|| {
            let same = subject.upstream(settings.signals.issuer.as_deref()?)?;
            Some(Upstream { issuer: issuer.clone(), subject: same.subject })
        })
    }

    /// Who a person is here.
    async fn person(&self, subject: &Subject) -> Result<Option<Identity>, sqlx::Error> {
        if let Subject::Email(address) = subject {
            return self.at_address(address).await;
        }
        match self.upstream(subject) {
            Some(upstream) => self.known(&upstream).await,
            None => Ok(None),
        }
    }

    /// Who has an address here and came through this connection: a managed account of the organisation, else somebody's
    /// own; and of that the identity at this connection alone.
    async fn at_address(&self, address: &str) -> Result<Option<Identity>, sqlx::Error> {
        let (org, key) = (&self.sign_in.connection.org, identifier::key(address));
        let mut conn = self.app.db.read().await?;
        for realm in [org.as_str(), Kind::Own.realm()] {
            let Some(user) = users::by_identifier(&mut conn, realm, &key).await? else { continue };
            let found = identities::of_user_in(&mut conn, org, &user.id).await?;
            if let Some(found) = found.into_iter().find(|identity| identity.connection == *self.id()) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Whom or what a subject names here, if anything. A session of somebody unknown is nothing.
    async fn found(&self, subject: &Subject) -> Result<Option<Found>, sqlx::Error> {
        match subject {
            Subject::IssSub(_) | Subject::Opaque(_) | Subject::Email(_) => {
                Ok(self.person(subject).await?.map(Found::Person))
            }
            Subject::Session { sid, user: None } => Ok(Some(Found::Session { sid: sid.clone(), of: None })),
            Subject::Session { sid, user: Some(user) } => {
                let of = self.person(user).await?;
                Ok(of.map(|of| Found::Session { sid: sid.clone(), of: Some(of) }))
            }
        }
    }

    /// Ends what came through, as the door judges it.
    async fn end(&self, ended: Ended) -> Result<(), sqlx::Error> {
        let (org, connection) = (self.sign_in.connection.org.clone(), self.id().clone());
        self.carry_out(Change::EndUpstream { org, connection, ended }).await
    }

    /// Says that an account is disabled upstream since a moment, or is not any more.
    async fn set_account(&self, user: UserId, active: bool, at: UnixMillis) -> Result<(), sqlx::Error> {
        let (org, connection) = (self.sign_in.connection.org.clone(), self.id().clone());
        self.carry_out(Change::SetUpstreamAccount { org, connection, user, active, at }).await
    }

    /// Asks the door. What it refuses it would refuse again, so that the provider need not send it again.
    async fn carry_out(&self, change: Change) -> Result<(), sqlx::Error> {
        let actor = Actor::Connection { org: self.sign_in.connection.org.clone(), connection: self.id().clone() };
        match change_access_from(self.app, &actor, self.origin, vec![change], Mode::Act).await {
            Ok(_) => Ok(()),
            Err(Refusal::Store(error)) => Err(error),
            Err(refusal) => {
                tracing::warn!(connection.id = %self.id(), %refusal, "what a provider said was not carried out");
                Ok(())
            }
        }
    }
}

/// Whom or what a subject names here.
enum Found {
    /// Somebody, with all that came through their identity.
    Person(Identity),
    /// One of the provider's sessions.
    Session {
        /// The provider's `sid`.
        sid: String,
        /// Whose, if that was said.
        of: Option<Identity>,
    },
}

impl Found {
    /// What is over where it is said to be.
    fn ended(&self) -> Ended {
        match self {
            Self::Person(identity) => Ended::Person(identity.upstream.clone()),
            Self::Session { sid, of } => {
                Ended::Session { sid: sid.clone(), upstream: of.as_ref().map(|identity| identity.upstream.clone()) }
            }
        }
    }

    /// The person's identity, where it is known whose a session is.
    fn person(&self) -> Option<&Identity> {
        match self {
            Self::Person(identity) => Some(identity),
            Self::Session { of, .. } => of.as_ref(),
        }
    }

    /// Everything of the person, where it is known who that is.
    fn everything(&self) -> Ended {
        self.person().map_or_else(|| self.ended(), |identity| Ended::Person(identity.upstream.clone()))
    }
}

/// What a token is remembered by: tokens of one kind don't use up another's.
fn name_of(kind: &str, jti: &str) -> String {
    format!("{kind} {jti}")
}

/// A connection's sign-in, if the connection and its organisation work.
async fn standing(app: &App, connection: &str) -> Result<Option<SignIn>, sqlx::Error> {
    let Ok(id) = connection.parse::<ConnectionId>() else {
        return Ok(None);
    };
    let mut conn = app.db.read().await?;
    Ok(upstreams::by_id(&mut conn, &id).await?.filter(is_standing))
}

/// The public half of the key that a connection that works signs its client assertions with, as a JWK.
///
/// # Errors
/// The database's.
pub async fn public_key(app: &App, connection: &str) -> Result<Option<Value>, sqlx::Error> {
    let found = standing(app, connection).await?.and_then(|sign_in| sign_in.public_key);
    Ok(found.and_then(|jwk| serde_json::from_str(&jwk).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_provider_did_wrong_may_come_again_and_what_the_token_did_may_not() {
        for later in
            [UpstreamError::Unreachable, UpstreamError::BadDiscovery("no"), UpstreamError::Refused("no".into())]
        {
            assert!(matches!(NotHeard::from(later), NotHeard::NoKeys(_)));
        }
        for never in [UpstreamError::NotVerified("no"), UpstreamError::TooLarge] {
            assert!(matches!(NotHeard::from(never), NotHeard::NotVerified(_)));
        }
    }

    #[test]
    fn a_token_of_one_kind_uses_up_no_other_kinds() {
        assert_ne!(name_of("logout", "j1"), name_of("event", "j1"));
    }
}
