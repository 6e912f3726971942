//! Codes that were sent by mail or to a phone: the newest of each account, until it is used, over, or was guessed at too
//! often.

use super::db::{Cells, Conn, Record, Result, Tx, corrupt};
use crate::domain::people::factor::{CODE_TRIES, FactorKind};
use crate::kernel::id::UserId;
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// What was sent to an account last.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The code's MAC.
    pub code: Digest,
    /// When.
    pub sent_at: UnixMillis,
    /// When it is over.
    pub expires_at: UnixMillis,
    /// How many were sent in a row, none of them used …
    pub sent: i64,
    /// … since this moment.
    pub since: UnixMillis,
}

impl Record for Sent {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let code: Vec<u8> = cells.take()?;
        Ok(Self {
            code: Digest::from_slice(&code).ok_or_else(|| corrupt("code of a factor"))?,
            sent_at: UnixMillis(cells.take()?),
            expires_at: UnixMillis(cells.take()?),
            sent: cells.take()?,
            since: UnixMillis(cells.take()?),
        })
    }
}

/// What was sent to an account last by a way, if it was not used.
///
/// # Errors
/// The database's.
pub async fn last(conn: &mut Conn, user: &UserId, kind: FactorKind) -> Result<Option<Sent>> {
    conn.query(
        "SELECT code_hash, sent_at, expires_at, sent, sent_since FROM factor_codes WHERE user_id = $1 AND kind = $2",
    )
    .bind(user.as_str().to_owned())
    .bind(kind.as_str())
    .optional()
    .await
}

/// Keeps a code that is sent; the one before is dead.
///
/// # Errors
/// The database's.
pub async fn put(tx: &mut Tx, user: &UserId, kind: FactorKind, new: &Sent) -> Result<()> {
    tx.query(
        "INSERT INTO factor_codes (user_id, kind, code_hash, tries, sent_at, expires_at, sent, sent_since)
         VALUES ($1, $2, $3, 0, $4, $5, $6, $7)
         ON CONFLICT (user_id, kind) DO UPDATE SET code_hash = excluded.code_hash, tries = 0,
           sent_at = excluded.sent_at, expires_at = excluded.expires_at, sent = excluded.sent,
           sent_since = excluded.sent_since",
    )
    .bind(user.as_str().to_owned())
    .bind(kind.as_str())
    .bind(new.code.to_vec())
    .bind(new.sent_at.0)
    .bind(new.expires_at.0)
    .bind(new.sent)
    .bind(new.since.0)
    .execute()
    .await
    .map(|_| ())
}

/// Takes a try at the code; what it is compared with, or `None` when there is none any more.
///
/// # Errors
/// The database's.
pub async fn take_try(tx: &mut Tx, user: &UserId, kind: FactorKind, now: UnixMillis) -> Result<Option<Digest>> {
    let row: Option<(Vec<u8>,)> = tx
        .query(
            "UPDATE factor_codes SET tries = tries + 1 WHERE user_id = $1 AND kind = $2 AND expires_at > $3
               AND tries < $4 RETURNING code_hash",
        )
        .bind(user.as_str().to_owned())
        .bind(kind.as_str())
        .bind(now.0)
        .bind(CODE_TRIES)
        .optional()
        .await?;
    row.map(|(code,)| Digest::from_slice(&code).ok_or_else(|| corrupt("code of a factor"))).transpose()
}

/// Uses a code up; false when it is another one by now.
///
/// # Errors
/// The database's.
pub async fn use_up(tx: &mut Tx, user: &UserId, kind: FactorKind, code: Digest) -> Result<bool> {
    let rows = tx
        .query("DELETE FROM factor_codes WHERE user_id = $1 AND kind = $2 AND code_hash = $3")
        .bind(user.as_str().to_owned())
        .bind(kind.as_str())
        .bind(code.to_vec())
        .execute()
        .await?;
    Ok(rows == 1)
}
