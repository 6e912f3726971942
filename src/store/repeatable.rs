//! Requests that a caller may repeat (`Idempotency-Key`): what they were, and what was answered. Never a secret.

use super::db::{Cells, Conn, Record, Result, Tx};
use crate::kernel::id::ChangeId;
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// A request that was taken before.
#[derive(Debug)]
pub struct Found {
    /// The digest of what was asked.
    pub fingerprint: Option<Digest>,
    /// The status and the answer, once they are known.
    pub answer: Option<(u16, String)>,
    /// The change that it became.
    pub change: Option<ChangeId>,
    /// When it was taken.
    pub created_at: UnixMillis,
}

impl Record for Found {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let fingerprint: Vec<u8> = cells.take()?;
        let status: Option<i64> = cells.take()?;
        let answer: Option<String> = cells.take()?;
        let change: Option<String> = cells.take()?;
        Ok(Self {
            fingerprint: Digest::from_slice(&fingerprint),
            answer: status.and_then(|status| u16::try_from(status).ok()).zip(answer),
            change: change.map(ChangeId::trusted),
            created_at: UnixMillis(cells.take()?),
        })
    }
}

/// Takes a key; false when it is taken already.
///
/// # Errors
/// The database's.
pub async fn begin(tx: &mut Tx, caller: &str, key: &str, fingerprint: Digest, now: UnixMillis) -> Result<bool> {
    let rows = tx
        .query(
            "INSERT INTO repeatable_requests (caller, request_key, fingerprint, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
        )
        .bind(caller.to_owned())
        .bind(key.to_owned())
        .bind(fingerprint.to_vec())
        .bind(now.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// The request under a key.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, caller: &str, key: &str) -> Result<Option<Found>> {
    conn.query(
        "SELECT fingerprint, status, answer, change_id, created_at FROM repeatable_requests
         WHERE caller = $1 AND request_key = $2",
    )
    .bind(caller.to_owned())
    .bind(key.to_owned())
    .optional()
    .await
}

/// Takes a key over whose request was lost; false when somebody else did.
///
/// # Errors
/// The database's.
pub async fn take_over(tx: &mut Tx, caller: &str, key: &str, was: UnixMillis, now: UnixMillis) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE repeatable_requests SET created_at = $4
             WHERE caller = $1 AND request_key = $2 AND created_at = $3 AND status IS NULL AND change_id IS NULL",
        )
        .bind(caller.to_owned())
        .bind(key.to_owned())
        .bind(was.0)
        .bind(now.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Notes which change a request became, in that change's own transaction: a repeat finds it even after a crash.
///
/// # Errors
/// The database's.
pub async fn note_change(tx: &mut Tx, caller: &str, key: &str, change: &ChangeId) -> Result<()> {
    tx.query("UPDATE repeatable_requests SET change_id = $3 WHERE caller = $1 AND request_key = $2")
        .bind(caller.to_owned())
        .bind(key.to_owned())
        .bind(change.as_str().to_owned())
        .execute()
        .await
        .map(|_| ())
}

/// Keeps the answer.
///
/// # Errors
/// The database's.
pub async fn answer(tx: &mut Tx, caller: &str, key: &str, status: u16, answer: String) -> Result<()> {
    tx.query("UPDATE repeatable_requests SET status = $3, answer = $4 WHERE caller = $1 AND request_key = $2")
        .bind(caller.to_owned())
        .bind(key.to_owned())
        .bind(i64::from(status))
        .bind(answer)
        .execute()
        .await
        .map(|_| ())
}

/// Gives a key back.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &mut Tx, caller: &str, key: &str) -> Result<()> {
    tx.query("DELETE FROM repeatable_requests WHERE caller = $1 AND request_key = $2")
        .bind(caller.to_owned())
        .bind(key.to_owned())
        .execute()
        .await
        .map(|_| ())
}
