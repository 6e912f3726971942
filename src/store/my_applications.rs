//! What a person has allowed applications, what those still have of it, and how both end.

use super::db::{Cells, Conn, Record, Result, Tx};
use super::sessions::Farewell;
use crate::kernel::id::{ApplicationId, EntryId, UserId};
use crate::kernel::time::UnixMillis;

/// The most applications that a list shows.
const MOST: i64 = 200;

/// What a person has allowed an application.
#[derive(Clone, Debug)]
pub struct Consent {
    /// The application.
    pub application: ApplicationId,
    /// The scopes, a space between them.
    pub scopes: String,
    /// When.
    pub at: UnixMillis,
}

impl Record for Consent {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            application: ApplicationId::trusted(cells.take()?),
            scopes: cells.take()?,
            at: UnixMillis(cells.take()?),
        })
    }
}

/// What a person has allowed, at most two hundred.
///
/// # Errors
/// The database's.
pub async fn consents(conn: &mut Conn, user: &UserId) -> Result<Vec<Consent>> {
    conn.query(
        "SELECT application_id, scopes, created_at FROM consents WHERE user_id = $1 ORDER BY application_id LIMIT $2",
    )
    .bind(user.as_str().to_owned())
    .bind(MOST)
    .all()
    .await
}

/// What an application has of a person.
#[derive(Clone, Debug)]
pub struct Hold {
    /// The application.
    pub application: ApplicationId,
    /// When it was last used, as far as its tokens tell.
    pub at: UnixMillis,
    /// Whether it may act while the person is away.
    pub offline: bool,
}

impl Record for Hold {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            application: ApplicationId::trusted(cells.take()?),
            at: UnixMillis(cells.take()?),
            offline: cells.take::<i64>()? > 0,
        })
    }
}

/// The applications that have living tokens of a person, at most two hundred.
///
/// # Errors
/// The database's.
pub async fn by_tokens(conn: &mut Conn, user: &UserId, now: UnixMillis) -> Result<Vec<Hold>> {
    conn.query(
        "SELECT application_id, MAX(rotated_at), COUNT(CASE WHEN entry_id IS NULL THEN id END) FROM token_families
         WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 AND idle_until > $2
         GROUP BY application_id ORDER BY application_id LIMIT $3",
    )
    .bind(user.as_str().to_owned())
    .bind(now.0)
    .bind(MOST)
    .all()
    .await
}

/// The applications that are signed in through living sessions of a person, at most two hundred.
///
/// # Errors
/// The database's.
pub async fn by_sessions(conn: &mut Conn, user: &UserId, now: UnixMillis) -> Result<Vec<Hold>> {
    conn.query(
        "SELECT a.application_id, MAX(a.created_at), CAST(0 AS BIGINT)
         FROM session_entries e JOIN entry_applications a ON a.entry_id = e.id JOIN sessions s ON s.id = e.session_id
         WHERE e.user_id = $1 AND e.ended_at IS NULL AND e.expires_at > $2 AND s.ended_at IS NULL AND s.expires_at > $2
         GROUP BY a.application_id ORDER BY a.application_id LIMIT $3",
    )
    .bind(user.as_str().to_owned())
    .bind(now.0)
    .bind(MOST)
    .all()
    .await
}

/// Forgets what a person allowed an application; whether they had allowed anything.
///
/// # Errors
/// The database's.
pub async fn forget_consent(tx: &mut Tx, user: &UserId, application: &ApplicationId) -> Result<bool> {
    let rows = tx
        .query("DELETE FROM consents WHERE user_id = $1 AND application_id = $2")
        .bind(user.as_str().to_owned())
        .bind(application.as_str().to_owned())
        .execute()
        .await?;
    Ok(rows > 0)
}

/// Ends every family of tokens that an application has of a person, those of offline access too. Answers whom to tell.
///
/// # Errors
/// The database's.
pub async fn end_families(
    tx: &mut Tx,
    user: &UserId,
    application: &ApplicationId,
    now: UnixMillis,
) -> Result<Vec<Farewell>> {
    tx.query(
        "UPDATE token_families SET ended_at = $3, end_reason = 'consent_withdrawn'
         WHERE user_id = $1 AND application_id = $2 AND ended_at IS NULL RETURNING application_id, user_id, sid",
    )
    .bind(user.as_str().to_owned())
    .bind(application.as_str().to_owned())
    .bind(now.0)
    .all()
    .await
}

/// Takes an application out of the living sessions of a person, which go on. Answers whom to tell.
///
/// # Errors
/// The database's.
pub async fn leave_sessions(tx: &mut Tx, user: &UserId, application: &ApplicationId) -> Result<Vec<Farewell>> {
    let entries: Vec<(String,)> = tx
        .query(
            "DELETE FROM entry_applications WHERE application_id = $2 AND entry_id IN
               (SELECT e.id FROM session_entries e WHERE e.user_id = $1 AND e.ended_at IS NULL)
             RETURNING entry_id",
        )
        .bind(user.as_str().to_owned())
        .bind(application.as_str().to_owned())
        .all()
        .await?;
    let told =
        |(entry,)| Farewell { application: application.clone(), user: user.clone(), sid: EntryId::trusted(entry) };
    Ok(entries.into_iter().map(told).collect())
}
