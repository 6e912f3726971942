//! What an organisation's console hangs on: the newest entry that a browser session has there, and its last use by the
//! console.

use super::db::{Cells, Conn, Record, Result, Tx};
use crate::kernel::id::{EntryId, MembershipId, OrgId, SessionId};
use crate::kernel::time::UnixMillis;

/// The newest entry of a session in an organisation, live or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Its id.
    pub id: EntryId,
    /// The membership that it was made for, which may be gone.
    pub member: Option<MembershipId>,
    /// The epoch that it carries.
    pub epoch: i64,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it runs out at the latest.
    pub expires_at: UnixMillis,
    /// When it was ended.
    pub ended_at: Option<UnixMillis>,
    /// When a page of the console was asked for with it last.
    pub console_at: Option<UnixMillis>,
}

impl Record for Newest {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: EntryId::trusted(cells.take()?),
            member: cells.take::<Option<String>>()?.map(MembershipId::trusted),
            epoch: cells.take()?,
            created_at: UnixMillis(cells.take()?),
            expires_at: UnixMillis(cells.take()?),
            ended_at: cells.take::<Option<i64>>()?.map(UnixMillis),
            console_at: cells.take::<Option<i64>>()?.map(UnixMillis),
        })
    }
}

/// The newest entry of a session in an organisation.
///
/// # Errors
/// The database's.
pub async fn newest(conn: &mut Conn, session: &SessionId, org: &OrgId) -> Result<Option<Newest>> {
    conn.query(
        "SELECT id, membership_id, epoch, created_at, expires_at, ended_at, console_at FROM session_entries
         WHERE session_id = $1 AND org_id = $2 ORDER BY created_at DESC, id DESC LIMIT 1",
    )
    .bind(session.as_str().to_owned())
    .bind(org.as_str().to_owned())
    .optional()
    .await
}

/// Notes that a page of the console was asked for with an entry.
///
/// # Errors
/// The database's.
pub async fn note_use(tx: &mut Tx, entry: &EntryId, now: UnixMillis) -> Result<()> {
    tx.query("UPDATE session_entries SET console_at = $2 WHERE id = $1 AND COALESCE(console_at, 0) < $2")
        .bind(entry.as_str().to_owned())
        .bind(now.0)
        .execute()
        .await
        .map(|_| ())
}
