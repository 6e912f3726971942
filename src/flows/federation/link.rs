//! Linking: somebody who is signed in with a password says who they are at a connection's provider, and proves it.
//!
//! Both sides are proven in one browser: the account by its password, typed again, and the identity by the provider's
//! answer to the flow that began there. The link dies with the session that began it.
//!
//! # Why
//! An address is no proof: whoever can have a provider name somebody's address would have their account. And whoever
//! finds a browser open must not be able to leave a way in behind that outlasts the session.

use super::came_through::of_refusal;
use super::start::{Begin, begin as begin_flow};
use super::{NotThrough, Purpose, Reading, speaks_for_the_person};
use crate::app::App;
use crate::domain::change::{Actor, Change, Mode, Origin};
use crate::domain::federation::{Claims, claims};
use crate::domain::people::user::{Kind, UserState};
use crate::flows::change_access::{Refusal, change_access_from};
use crate::flows::{Fault, change_password};
use crate::kernel::id::{ConnectionId, IdentityId, OrgId, SessionId, UserId};
use crate::kernel::secret::Secret;
use crate::store::cookies::Facts;
use crate::store::db::Conn;
use crate::store::federation::{identities, upstreams};
use crate::store::{memberships, sessions, users};

/// Why a link did not begin.
#[derive(Debug, thiserror::Error)]
pub enum NotBegun {
    /// What was typed is not the password, or the account is locked.
    #[error("that isn't your password")]
    WrongPassword,
    /// The connection, or the account, links nothing.
    #[error(transparent)]
    NotThrough(#[from] NotThrough),
}

impl From<sqlx::Error> for NotBegun {
    fn from(error: sqlx::Error) -> Self {
        Self::NotThrough(error.into())
    }
}

impl From<Fault> for NotBegun {
    fn from(fault: Fault) -> Self {
        Self::NotThrough(fault.into())
    }
}

/// Begins a link; the address at the provider where it goes on. `binding` is what stands for the browser; with the password
/// comes the value of its cookie for accounts that know it. A wrong guess counts like one at the sign-in.
///
/// # Errors
/// See [`NotBegun`].
pub async fn begin(
    app: &App,
    facts: &Facts,
    password: (&Secret, Option<&Secret>),
    (connection, binding): (&ConnectionId, &str),
    origin: &Origin,
) -> Result<String, NotBegun> {
    if !speaks_for_the_person(facts) {
        return Err(NotThrough::LinkOver.into());
    }
    let mut conn = app.db.read().await?;
    let found = upstreams::by_id(&mut conn, connection).await?.filter(upstreams::SignIn::works);
    let org = found.ok_or(NotThrough::Closed)?.connection.org;
    may_link(&mut conn, &facts.user, (&org, connection)).await?;
    drop(conn);
    if change_password::proven(app, &facts.user, password, origin).await?.is_none() {
        return Err(NotBegun::WrongPassword);
    }
    let purpose = Purpose::Link { session: facts.id.clone(), user: facts.user.clone() };
    Ok(begin_flow(app, Begin { connection, binding, purpose, login_hint: None }).await?)
}

/// An account that belongs to its person, or one that the organisation made itself, whose membership stands, and which has
/// no identity of this connection yet.
async fn may_link(
    conn: &mut Conn,
    user: &UserId,
    (org, connection): (&OrgId, &ConnectionId),
) -> Result<(), NotThrough> {
    let found = users::find(conn, user).await?.filter(|found| found.state == UserState::Active);
    let fits = found.is_some_and(|found| match &found.kind {
        Kind::Own => true,
        Kind::Managed(home) => home == org && found.source.connection().is_none(),
        Kind::Operator | Kind::Service(..) => false,
    });
    if !fits || memberships::entrance(conn, user, org).await?.is_none() {
        return Err(NotThrough::Closed);
    }
    let all = identities::of_user_in(conn, org, user).await?;
    if all.iter().any(|identity| identity.connection == *connection) {
        return Err(NotThrough::LinkTaken);
    }
    Ok(())
}

/// Links whom the provider named to the account that began it, if its session is still there.
///
/// # Errors
/// [`NotThrough::LinkOver`] without the session, [`NotThrough::LinkTaken`] where either has another; the door's.
pub(super) async fn complete(
    app: &App,
    reading: &Reading,
    claims: &Claims,
    (session, user): (&SessionId, &UserId),
    address: &str,
) -> Result<(), NotThrough> {
    let (org, connection) = (&reading.sign_in.connection.org, reading.connection());
    let upstream = claims::upstream(claims).map_err(|_| NotThrough::SubjectUnfit)?;
    let mut conn = app.db.read().await?;
    if !is_live(app, &mut conn, user, session).await? {
        return Err(NotThrough::LinkOver);
    }
    may_link(&mut conn, user, (org, connection)).await?;
    drop(conn);
    let change = Change::LinkIdentity {
        org: org.clone(),
        connection: connection.clone(),
        user: user.clone(),
        identity: IdentityId::fresh(),
        upstream,
    };
    let origin = Origin { address: address.to_owned(), ..Origin::default() };
    let linked = change_access_from(app, &Actor::User(user.clone()), &origin, vec![change], Mode::Act).await;
    match linked {
        Ok(_) => Ok(()),
        Err(Refusal::Conflict(_)) => Err(NotThrough::LinkTaken),
        Err(other) => Err(of_refusal(other)),
    }
}

/// Whether a session is one of the person's, and could be used at this moment.
async fn is_live(app: &App, conn: &mut Conn, user: &UserId, session: &SessionId) -> Result<bool, sqlx::Error> {
    let now = app.now();
    let mine = sessions::of_user(conn, user, now).await?;
    let is_it =
        |listed: &sessions::Listed| listed.id == *session && listed.last_used_at > now.minus(app.session_idle());
    Ok(mine.iter().any(is_it))
}
