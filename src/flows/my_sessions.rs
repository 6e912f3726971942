//! Where somebody is signed in, as they see it themselves, and ending it: one, or all but the one that asks.

use std::collections::BTreeSet;

use super::sign_out;
use crate::app::App;
use crate::domain::people::browser::device;
use crate::kernel::id::{SessionId, UserId};
use crate::kernel::secret::Secret;
use crate::kernel::time::UnixMillis;
use crate::store::db::Conn;
use crate::store::my_sessions::{self, Mine};
use crate::store::{known_devices, users};

/// A session in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its id; never the cookie.
    pub id: SessionId,
    /// Browser and system.
    pub device: String,
    /// The browser, as it named itself.
    pub user_agent: String,
    /// The address that it began at.
    pub address: String,
    /// Where that is, as far as a file of the operator says.
    pub place: Option<String>,
    /// When it began.
    pub created_at: UnixMillis,
    /// When the person proved last who they are.
    pub auth_time: UnixMillis,
    /// The level that was reached.
    pub acr: String,
    /// When it was used last.
    pub last_used_at: UnixMillis,
    /// When it runs out at the latest.
    pub expires_at: UnixMillis,
    /// The name of the connection that it came through, if it came through one.
    pub connection: Option<String>,
    /// The names of the applications that were used in it.
    pub applications: Vec<String>,
}

/// The live sessions of a person, the one that was used last first.
///
/// # Errors
/// The database's.
pub async fn all(app: &App, conn: &mut Conn, user: &UserId) -> Result<Vec<Seen>, sqlx::Error> {
    let now = app.now();
    let sessions = my_sessions::all(conn, user, now, now.minus(app.session_idle())).await?;
    let used: BTreeSet<_> = sessions.iter().flat_map(|session| session.applications.iter().cloned()).collect();
    let names = my_sessions::applications(conn, &used).await?;
    let show = |mine: Mine| Seen {
        device: device(&mine.user_agent),
        place: app.places.of(&mine.address),
        applications: mine.applications.iter().filter_map(|id| names.get(id)).map(|one| one.name.clone()).collect(),
        id: mine.id,
        user_agent: mine.user_agent,
        address: mine.address,
        created_at: mine.created_at,
        auth_time: mine.auth_time,
        acr: mine.acr,
        last_used_at: mine.last_used_at,
        expires_at: mine.expires_at,
        connection: mine.connection,
    };
    Ok(sessions.into_iter().map(show).collect())
}

/// Ends one session of a person, with what was opened in it; false when the person has no such session.
///
/// # Errors
/// The database's: then nothing ended.
pub async fn end(app: &App, user: &UserId, session: &SessionId) -> Result<bool, sqlx::Error> {
    if !is_there(app, user, session).await? {
        return Ok(false);
    }
    sign_out::sign_out(app, session).await.map(|_| true)
}

/// Whether a live session is this person's.
///
/// # Errors
/// The database's.
pub async fn is_there(app: &App, user: &UserId, session: &SessionId) -> Result<bool, sqlx::Error> {
    my_sessions::is_of(&mut app.db.read().await?, user, session, app.now()).await
}

/// How many sessions a person has besides one, a hundred at most.
///
/// # Errors
/// The database's.
pub async fn count_others(app: &App, user: &UserId, keep: Option<&SessionId>) -> Result<usize, sqlx::Error> {
    Ok(my_sessions::others(&mut app.db.read().await?, user, keep, app.now()).await?.len())
}

/// Ends every session of a person but one; how many. No browser is spared the second factor any more, but for the one with
/// this cookie.
///
/// # Errors
/// The database's: then the ones that were ended so far stay ended.
pub async fn end_others(
    app: &App,
    user: &UserId,
    keep: Option<&SessionId>,
    device: Option<&Secret>,
) -> Result<usize, sqlx::Error> {
    let (whose, but) = (user.clone(), device.map(Secret::digest));
    let forgotten: Result<(), sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                users::take_turns(tx, &whose).await?;
                known_devices::forget_factors(tx, &whose, but).await
            })
        })
        .await;
    forgotten?;
    let mut count = 0;
    loop {
        let others = my_sessions::others(&mut app.db.read().await?, user, keep, app.now()).await?;
        if others.is_empty() {
            return Ok(count);
        }
        for session in &others {
            sign_out::sign_out(app, session).await?;
        }
        count += others.len();
    }
}
