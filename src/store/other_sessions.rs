//! What somebody has open besides one browser session, and how it ends: theirs to ask for when they change the password.

use super::db::{Result, Tx};
use super::sessions::{EndedEntry, Farewell};
use crate::kernel::id::{SessionId, UserId};
use crate::kernel::time::UnixMillis;

fn text(keep: Option<&SessionId>) -> String {
    keep.map(|id| id.as_str().to_owned()).unwrap_or_default()
}

/// Ends every live entry of a person but those of the session that stays.
///
/// # Errors
/// The database's.
pub async fn end_entries(
    tx: &mut Tx,
    user: &UserId,
    keep: Option<&SessionId>,
    now: UnixMillis,
) -> Result<Vec<EndedEntry>> {
    tx.query(
        "UPDATE session_entries SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL AND session_id <> $3
         RETURNING id, session_id",
    )
    .bind(user.as_str().to_owned())
    .bind(now.0)
    .bind(text(keep))
    .all()
    .await
}

/// Ends every family of a person that did not come from the session that stays, those of offline access too. Answers
/// whom to tell.
///
/// # Errors
/// The database's.
pub async fn end_families(
    tx: &mut Tx,
    user: &UserId,
    keep: Option<&SessionId>,
    reason: &'static str,
    now: UnixMillis,
) -> Result<Vec<Farewell>> {
    tx.query(
        "UPDATE token_families SET ended_at = $2, end_reason = $3 WHERE user_id = $1 AND ended_at IS NULL
           AND sid NOT IN (SELECT e.id FROM session_entries e WHERE e.session_id = $4)
         RETURNING application_id, user_id, sid",
    )
    .bind(user.as_str().to_owned())
    .bind(now.0)
    .bind(reason)
    .bind(text(keep))
    .all()
    .await
}

/// Ends every browser session of a person but the one that stays.
///
/// # Errors
/// The database's.
pub async fn end_sessions(tx: &mut Tx, user: &UserId, keep: Option<&SessionId>, now: UnixMillis) -> Result<()> {
    tx.query("UPDATE sessions SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL AND id <> $3")
        .bind(user.as_str().to_owned())
        .bind(now.0)
        .bind(text(keep))
        .execute()
        .await
        .map(|_| ())
}

/// Has the API tokens refused that were made from a person's access keys up to now; the keys stay.
///
/// # Errors
/// The database's.
pub async fn end_api_tokens(tx: &mut Tx, user: &UserId, now: UnixMillis) -> Result<()> {
    tx.query(
        "UPDATE access_keys SET tokens_from = $2 WHERE state <> 'ended'
           AND membership_id IN (SELECT m.id FROM memberships m WHERE m.user_id = $1)",
    )
    .bind(user.as_str().to_owned())
    .bind(now.0)
    .execute()
    .await
    .map(|_| ())
}
