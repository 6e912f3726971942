//! Sessions that are about to end: what the browser loads when it signs out, and entries whose time is over.

use super::db::{Cells, Conn, Record, Result};
use super::sessions::EndedEntry;
use crate::domain::oauth::application::Application;
use crate::kernel::id::{EntryId, SessionId};
use crate::kernel::time::UnixMillis;

/// An application that the browser itself tells of a sign-out.
#[derive(Clone, Debug)]
pub struct FrontChannel {
    /// Its registration.
    pub application: Application,
    /// The entry through which it was signed in.
    pub sid: EntryId,
}

impl Record for FrontChannel {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self { application: cells.json()?, sid: EntryId::trusted(cells.take()?) })
    }
}

/// The applications with a front-channel logout address that were signed in through the live entries of a session.
///
/// # Errors
/// The database's.
pub async fn front_channel(conn: &mut Conn, session: &SessionId, most: i64) -> Result<Vec<FrontChannel>> {
    conn.query(
        "SELECT p.registration, e.id FROM session_entries e
           JOIN entry_applications a ON a.entry_id = e.id JOIN applications p ON p.id = a.application_id
         WHERE e.session_id = $1 AND e.ended_at IS NULL AND p.state = 'active'
           AND p.registration LIKE '%\"frontchannel_logout_uri\":\"%' ORDER BY p.client_id, e.id LIMIT $2",
    )
    .bind(session.as_str().to_owned())
    .bind(most)
    .all()
    .await
}

/// The live entries that have run out.
///
/// # Errors
/// The database's.
pub async fn run_out(conn: &mut Conn, now: UnixMillis, most: i64) -> Result<Vec<EndedEntry>> {
    conn.query(
        "SELECT id, session_id FROM session_entries WHERE ended_at IS NULL AND expires_at <= $1
         ORDER BY expires_at LIMIT $2",
    )
    .bind(now.0)
    .bind(most)
    .all()
    .await
}

/// The live entries whose browser stood idle for longer than their organisation allows, or the instance: `idle`, in
/// milliseconds. A refresh within them is a use: an application that goes on working keeps its session.
///
/// # Errors
/// The database's.
pub async fn idle(conn: &mut Conn, now: UnixMillis, idle: i64, most: i64) -> Result<Vec<EndedEntry>> {
    // The shortest limit that any organisation has bounds the part of the index that is looked at.
    let (shortest,): (Option<i64>,) = conn.query("SELECT MIN(session_idle_ms) FROM orgs").one().await?;
    conn.query(
        "SELECT e.id, e.session_id FROM sessions s JOIN session_entries e ON e.session_id = s.id
           LEFT JOIN orgs o ON o.id = e.org_id
         WHERE s.ended_at IS NULL AND s.last_used_at <= $1 AND e.ended_at IS NULL
           AND s.last_used_at <= $2 - CASE WHEN o.session_idle_ms < $3 THEN o.session_idle_ms ELSE $3 END
           AND NOT EXISTS (SELECT 1 FROM token_families f WHERE f.entry_id = e.id AND f.ended_at IS NULL
             AND f.rotated_at > $2 - CASE WHEN o.session_idle_ms < $3 THEN o.session_idle_ms ELSE $3 END)
         ORDER BY s.last_used_at LIMIT $4",
    )
    .bind(now.minus(shortest.map_or(idle, |own| own.min(idle))).0)
    .bind(now.0)
    .bind(idle)
    .bind(most)
    .all()
    .await
}
