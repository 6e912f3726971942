//! Browsers that somebody signed in with before: the digest of what each calls itself, never its text.

use super::db::{Result, Tx};
use crate::kernel::id::UserId;
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// Whether a browser is new to its person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The person has not signed in with any before.
    First,
    /// The person has signed in before, and never with this one.
    New,
    /// The person has signed in with this one before.
    Known,
}

/// Notes that somebody signed in with a browser, and says whether it is new. Of two sign-ins at once with the same new
/// browser one hears that it is.
///
/// # Errors
/// The database's.
pub async fn note(tx: &mut Tx, user: &UserId, agent: Digest, at: UnixMillis) -> Result<Seen> {
    // PostgreSQL waits here for whoever inserts the same row, and finds it then.
    let inserted = tx
        .query("INSERT INTO known_browsers (user_id, agent_hash, seen_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(user.as_str().to_owned())
        .bind(agent.to_vec())
        .bind(at.0)
        .execute()
        .await?;
    if inserted == 0 {
        tx.query("UPDATE known_browsers SET seen_at = $3 WHERE user_id = $1 AND agent_hash = $2")
            .bind(user.as_str().to_owned())
            .bind(agent.to_vec())
            .bind(at.0)
            .execute()
            .await?;
        return Ok(Seen::Known);
    }
    let other: Option<(i64,)> = tx
        .query("SELECT seen_at FROM known_browsers WHERE user_id = $1 AND agent_hash <> $2 LIMIT 1")
        .bind(user.as_str().to_owned())
        .bind(agent.to_vec())
        .optional()
        .await?;
    Ok(if other.is_some() { Seen::New } else { Seen::First })
}
