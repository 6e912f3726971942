//! What whoever watches an installation wants to know of its database now and then.

use super::db::{Conn, Database, Result};
use crate::kernel::time::UnixMillis;

/// No more sessions are counted: it is a look, and must cost no more in a large installation than in a small one.
pub const MOST_SESSIONS: i64 = 100_000;

/// How much of a database is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Connections that read.
    pub reading: u32,
    /// Transactions on a server; jobs that wait for the embedded database's one writer.
    pub writing: u64,
}

/// How much of it this process uses at this moment.
#[must_use]
pub fn of(db: &Database) -> Load {
    match db {
        Database::Sqlite { readers, queue, .. } => Load { reading: readers.busy(), writing: queue.waiting() },
        Database::Postgres { readers, writers } => Load { reading: readers.busy(), writing: u64::from(writers.busy()) },
    }
}

/// How many people's browser sessions live, at most [`MOST_SESSIONS`].
///
/// # Errors
/// The database's.
pub async fn sessions(conn: &mut Conn, now: UnixMillis) -> Result<i64> {
    let (count,): (i64,) = conn
        .query(
            "SELECT COUNT(*) FROM (SELECT id FROM sessions WHERE expires_at > $1 AND ended_at IS NULL
                                     AND user_id IS NOT NULL LIMIT $2) AS live",
        )
        .bind(now.0)
        .bind(MOST_SESSIONS)
        .one()
        .await?;
    Ok(count)
}
