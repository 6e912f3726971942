//! Sign-in through an organisation's own OpenID provider: where somebody is sent, what comes back, and who that is here.
//!
//! A flow under way is a row ([`start`]), taken once by whoever comes back with its secret in the same browser
//! ([`finish`]). Whoever came is made known by the one door ([`came_through`]); a link ([`link`]) and a trial ([`trial`])
//! are the same way with another end. Each outcome is a line of the connection's log ([`notes`]).
//!
//! # Why
//! The row is the only thing that knows issuer, browser and purpose. The address that the provider sends the browser to
//! is the connection's own, and the row must be of that connection: so a code of one provider never reaches another's
//! token endpoint (RFC 9700 §4.4), and a code of one browser never a session in another.

pub mod came_through;
pub mod finish;
pub mod health;
pub mod home_realm;
pub mod link;
pub mod mapping_trial;
pub mod notes;
pub mod set_up;
pub mod signals;
pub mod start;
pub mod trial;

use serde::{Deserialize, Serialize};

use super::Fault;
use crate::app::App;
use crate::domain::connection::ConnectionState;
use crate::domain::federation::Through;
use crate::domain::federation::settings::Core;
use crate::kernel::id::{ConnectionId, OrgId, SessionId, UserId};
use crate::kernel::secret::Secret;
use crate::kernel::time::{MINUTE, UnixMillis};
use crate::outside::upstream::{Party, UpstreamError};
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::federation::upstreams::{self, SignIn};
use crate::store::memberships::Entrance;

/// For how long somebody may be away at the provider, in milliseconds.
pub const LIFE: i64 = 10 * MINUTE;

/// What a connection's client secret is sealed for; bound to the connection's id.
pub const SECRET: &str = "upstream.secret";
/// What a connection's private key is sealed for; bound to the connection's id.
pub const KEY: &str = "upstream.key";
/// What the bearer token for a provider's events is sealed for; bound to the connection's id.
pub const POLL_TOKEN: &str = "upstream.poll_token";

/// What a flow is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Somebody signs in.
    SignIn {
        /// Where the sign-in leads: the pages' own, and nobody else's.
        content: String,
        /// When the request arrived that it answers.
        started: UnixMillis,
        /// Whether the person must prove themselves anew: see [`crate::flows::authorize::wants_fresh`].
        fresh: bool,
        /// The organisation that it is for, if one is known. A connection of another one lets nobody in there.
        org: Option<OrgId>,
    },
    /// Somebody who is signed in says who they are upstream.
    Link {
        /// Their session: the link dies with it.
        session: SessionId,
        /// Their account.
        user: UserId,
    },
    /// An administrator tries the set-up out. It signs nobody in.
    Trial {
        /// Who.
        by: UserId,
    },
}

/// Why nobody came through. What may be told is the word; the rest is for the log.
#[derive(Debug, thiserror::Error)]
pub enum NotThrough {
    /// No such flow: it was used, is too old, or began in another browser or for another connection.
    #[error("no such sign-in is under way")]
    UnknownFlow,
    /// The provider said no.
    #[error("the provider refused: {0}")]
    RefusedUpstream(String),
    /// Issuer, audience, signature, nonce or time of what came back are not what they must be.
    #[error("what the provider sent does not count: {0}")]
    NotVerified(&'static str),
    /// The provider can't be reached, or can't be used as it describes itself.
    #[error("the provider can't be reached")]
    Unreachable,
    /// The person had to prove themselves anew, and the provider does not say that they did.
    #[error("the provider did not ask the person again")]
    NotFresh,
    /// Nobody here is known by this identity, and the connection makes nobody.
    #[error("nobody is known by this identity")]
    AccountUnknown,
    /// The name or the address is another account's.
    #[error("another account has the name or the address")]
    AccountExists,
    /// The account or its membership is barred.
    #[error("the account may not sign in")]
    AccountDisabled,
    /// The provider left the groups out because there are too many.
    #[error("the provider left the groups out")]
    GroupsOverage,
    /// The mapping puts the person nowhere, and somebody who is nowhere is refused.
    #[error("the mapping puts the person nowhere")]
    NoGroup,
    /// The subject is no text of 1 to 255 bytes.
    #[error("the subject is unfit")]
    SubjectUnfit,
    /// The connection or its sign-in does not work (any more), or was set up anew meanwhile.
    #[error("the connection is closed")]
    Closed,
    /// The identity is linked to another account, or the account to another identity of this connection.
    #[error("the identity is linked already")]
    LinkTaken,
    /// The session that began the link is over, or may link nothing.
    #[error("the session that began the link is over")]
    LinkOver,
    /// The database failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl NotThrough {
    /// The word on the page and in the log.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::UnknownFlow => "unknown_flow",
            Self::RefusedUpstream(_) => "refused_upstream",
            Self::NotVerified(_) => "not_verified",
            Self::Unreachable => "unreachable",
            Self::NotFresh => "not_fresh",
            Self::AccountUnknown => "account_unknown",
            Self::AccountExists => "account_exists",
            Self::AccountDisabled => "account_disabled",
            Self::GroupsOverage => "groups_overage",
            Self::NoGroup => "no_group",
            Self::SubjectUnfit => "subject_unfit",
            Self::Closed => "closed",
            Self::LinkTaken => "link_taken",
            Self::LinkOver => "link_over",
            Self::Fault(_) => "unavailable",
        }
    }
}

impl From<sqlx::Error> for NotThrough {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<UpstreamError> for NotThrough {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Unreachable | UpstreamError::BadDiscovery(_) => Self::Unreachable,
            UpstreamError::Refused(code) => Self::RefusedUpstream(code),
            UpstreamError::NotVerified(why) => Self::NotVerified(why),
            UpstreamError::TooLarge => Self::NotVerified("more than is read"),
        }
    }
}

/// Whether a session opens an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opens {
    /// It does.
    Yes,
    /// It came through a connection of another organisation: it is good there, and nowhere else.
    NotHere,
    /// The organisation has people come through this connection, and the session did not.
    Through(ConnectionId),
}

/// Whether a session of this provenance opens an organisation to the member whose entrance it is.
///
/// Break-glass owners come in with their password; what came through another connection of the organisation doesn't,
/// where one is enforced.
#[must_use]
pub fn opens(through: Option<&Through>, entrance: &Entrance) -> Opens {
    if through.is_some_and(|came| came.org != entrance.org) {
        return Opens::NotHere;
    }
    let Some(enforced) = &entrance.enforced else { return Opens::Yes };
    match through {
        Some(came) if came.connection == *enforced => Opens::Yes,
        None if entrance.break_glass => Opens::Yes,
        Some(_) | None => Opens::Through(enforced.clone()),
    }
}

/// Whether a session may do for the account what the account's own person may alone: accept invitations, change it, link
/// it. One that came through a connection speaks for the person in that organisation and no further.
#[must_use]
pub fn speaks_for_the_person(facts: &Facts) -> bool {
    facts.through.is_none()
}

/// Where a connection's provider sends the browser back to.
#[must_use]
pub fn callback(app: &App, connection: &ConnectionId) -> String {
    app.url(&format!("/upstream/{connection}/callback"))
}

/// A connection's sign-in with what Muster shows its provider: the secrets, opened.
pub struct Reading {
    /// The sign-in.
    pub sign_in: SignIn,
    secret: Option<Secret>,
    key: Option<Vec<u8>>,
    kid: Option<String>,
    redirect_uri: String,
}

impl Reading {
    /// Muster as the provider knows it.
    #[must_use]
    pub fn party(&self) -> Party<'_> {
        Party {
            settings: self.core(),
            secret: self.secret.as_ref(),
            private_key: self.key.as_deref(),
            key_id: self.kid.as_deref(),
            redirect_uri: &self.redirect_uri,
        }
    }

    /// Who the provider is.
    #[must_use]
    pub const fn core(&self) -> &Core {
        &self.sign_in.settings.core
    }

    /// The connection.
    #[must_use]
    pub const fn connection(&self) -> &ConnectionId {
        &self.sign_in.connection.id
    }
}

/// A connection's sign-in, if it can be used for this: for a trial the connection and its organisation must work, for
/// everything else it must be open to people.
///
/// # Errors
/// [`NotThrough::Closed`] where it can't; the database's.
pub async fn reading(
    app: &App,
    conn: &mut Conn,
    connection: &ConnectionId,
    purpose: &Purpose,
) -> Result<Reading, NotThrough> {
    let found = upstreams::by_id(conn, connection).await?;
    let usable = |sign_in: &SignIn| match purpose {
        Purpose::Trial { .. } => is_standing(sign_in),
        Purpose::SignIn { .. } | Purpose::Link { .. } => sign_in.works(),
    };
    let sign_in = found.filter(usable).ok_or(NotThrough::Closed)?;
    let sealed = upstreams::secrets(conn, connection).await?;
    let opened = |purpose: &str, sealed: Option<Vec<u8>>| match sealed {
        None => Ok(None),
        Some(bytes) => app.sealer.open(purpose, connection.as_str(), &bytes).map(Some).map_err(|error| {
            tracing::error!(%error, %connection, "a connection's secret can't be opened");
            NotThrough::Closed
        }),
    };
    let (secret, key) = match sealed {
        Some(sealed) => (opened(SECRET, sealed.secret)?, opened(KEY, sealed.key)?),
        None => (None, None),
    };
    let secret = secret.and_then(|bytes| String::from_utf8(bytes).ok()).map(Secret::presented);
    let kid = sign_in.public_key.as_deref().and_then(kid_of);
    Ok(Reading { secret, key, kid, redirect_uri: callback(app, connection), sign_in })
}

/// Whether a connection and its organisation are there to be tried out.
fn is_standing(sign_in: &SignIn) -> bool {
    sign_in.org_active && sign_in.connection.state == ConnectionState::Active
}

/// The `kid` of a JWK.
fn kid_of(jwk: &str) -> Option<String> {
    let jwk: serde_json::Value = serde_json::from_str(jwk).ok()?;
    jwk.get("kid")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::settings::OrgSettings;
    use crate::kernel::id::{IdentityId, MembershipId};

    fn entrance(enforced: Option<u128>, break_glass: bool) -> Entrance {
        Entrance {
            org: OrgId::from_u128(1),
            slug: "acme".to_owned(),
            name: "Acme".to_owned(),
            member: MembershipId::from_u128(2),
            epoch: 0,
            owner: false,
            session_idle: None,
            session_absolute: None,
            settings: OrgSettings::default(),
            restricted_to: None,
            last_sign_in_at: None,
            enforced: enforced.map(ConnectionId::from_u128),
            break_glass,
        }
    }

    fn through(org: u128, connection: u128) -> Through {
        Through {
            connection: ConnectionId::from_u128(connection),
            org: OrgId::from_u128(org),
            identity: IdentityId::from_u128(1),
            sid: None,
        }
    }

    #[test]
    fn what_came_through_one_organisations_connection_opens_nothing_of_another() {
        for (enforced, break_glass) in [(None, false), (Some(7), false), (Some(7), true), (Some(8), true)] {
            assert_eq!(opens(Some(&through(2, 7)), &entrance(enforced, break_glass)), Opens::NotHere);
        }
        assert_eq!(opens(Some(&through(1, 7)), &entrance(None, false)), Opens::Yes);
    }

    #[test]
    fn where_a_connection_is_enforced_nobody_comes_in_otherwise_but_a_break_glass_owner_with_a_password() {
        let to = |number| Opens::Through(ConnectionId::from_u128(number));
        assert_eq!(opens(None, &entrance(Some(7), false)), to(7));
        assert_eq!(opens(Some(&through(1, 7)), &entrance(Some(7), false)), Opens::Yes);
        assert_eq!(opens(Some(&through(1, 8)), &entrance(Some(7), false)), to(7), "through another one");
        assert_eq!(opens(Some(&through(1, 8)), &entrance(Some(7), true)), to(7), "break-glass is for passwords");
        assert_eq!(opens(None, &entrance(Some(7), true)), Opens::Yes);
        assert_eq!(opens(None, &entrance(None, false)), Opens::Yes);
    }

    #[test]
    fn a_jwk_has_its_kid_or_none() {
        assert_eq!(kid_of(r#"{"kty":"EC","kid":"k1"}"#).as_deref(), Some("k1"));
        assert_eq!((kid_of("{}"), kid_of("no json"), kid_of(r#"{"kid":7}"#)), (None, None, None));
    }

    #[test]
    fn what_a_flow_is_for_reads_back() {
        let session = SessionId::from_u128(1);
        for purpose in [
            Purpose::SignIn { content: "{}".to_owned(), started: UnixMillis(5), fresh: true, org: None },
            Purpose::Link { session, user: UserId::from_u128(2) },
            Purpose::Trial { by: UserId::from_u128(2) },
        ] {
            let text = serde_json::to_string(&purpose).unwrap();
            assert_eq!(serde_json::from_str::<Purpose>(&text).unwrap(), purpose);
        }
    }
}
