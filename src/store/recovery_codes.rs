//! Recovery codes: only their SHA-256 is here, and each counts once.
//!
//! A set is written by an [`AccessEdit`](super::access_edit::AccessEdit) alone.

use super::db::{Conn, Result, Tx};
use crate::kernel::id::UserId;
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// How many codes of an account were not used.
///
/// # Errors
/// The database's.
pub async fn left(conn: &mut Conn, user: &UserId) -> Result<i64> {
    let (count,): (i64,) = conn
        .query("SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL")
        .bind(user.as_str().to_owned())
        .one()
        .await?;
    Ok(count)
}

/// When an account's set was made; `None` when there is none.
///
/// # Errors
/// The database's.
pub async fn made_at(conn: &mut Conn, user: &UserId) -> Result<Option<UnixMillis>> {
    let row: Option<(i64,)> = conn
        .query("SELECT made_at FROM recovery_codes WHERE user_id = $1 LIMIT 1")
        .bind(user.as_str().to_owned())
        .optional()
        .await?;
    Ok(row.map(|(at,)| UnixMillis(at)))
}

/// Uses a code up; false when it is none, or was used.
///
/// # Errors
/// The database's.
pub async fn use_up(tx: &mut Tx, user: &UserId, code: Digest, now: UnixMillis) -> Result<bool> {
    let rows = tx
        .query("UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL")
        .bind(user.as_str().to_owned())
        .bind(code.to_vec())
        .bind(now.0)
        .execute()
        .await?;
    Ok(rows == 1)
}
