//! Browsers that an account knows by a cookie of theirs. The cookie's value is here only as its SHA-256.
//!
//! At each sign-in the cookie gets another value: what somebody planted or copied before is worth nothing after it.

use super::db::{Cells, Conn, Record, Result, Tx, corrupt};
use crate::kernel::id::UserId;
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// After so many wrong guesses since its last success a browser counts as a stranger's.
pub const MOST_FAILURES: i64 = 5;
/// An account knows so many browsers at most: those that it saw last.
const MOST_DEVICES: i64 = 50;

/// A browser that an account knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    /// The digest of its cookie.
    pub digest: Digest,
    /// When the second factor was proven here last with the wish not to be asked again.
    pub factor_at: Option<UnixMillis>,
}

impl Record for KnownDevice {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let bytes: Vec<u8> = cells.take()?;
        let digest = Digest::from_slice(&bytes).ok_or_else(|| corrupt("digest of a known device"))?;
        Ok(Self { digest, factor_at: cells.take::<Option<i64>>()?.map(UnixMillis) })
    }
}

/// What a browser is to an account, if it hasn't guessed wrong too often.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, device: Digest, user: &UserId) -> Result<Option<KnownDevice>> {
    conn.query(
        "SELECT device_hash, factor_at FROM known_devices WHERE device_hash = $1 AND user_id = $2 AND failures < $3",
    )
    .bind(device.to_vec())
    .bind(user.as_str().to_owned())
    .bind(MOST_FAILURES)
    .optional()
    .await
}

/// Counts a wrong guess. One from a browser that is not known costs as much.
///
/// # Errors
/// The database's.
pub async fn count_failure(tx: &mut Tx, device: Digest, user: &UserId) -> Result<()> {
    tx.query("UPDATE known_devices SET failures = failures + 1 WHERE device_hash = $1 AND user_id = $2")
        .bind(device.to_vec())
        .bind(user.as_str().to_owned())
        .execute()
        .await
        .map(|_| ())
}

/// Whether a browser still is what [`find`] said. Written to be locked: of guesses at once only so many come through.
///
/// # Errors
/// The database's.
pub async fn is_known(tx: &mut Tx, device: Digest, user: &UserId) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE known_devices SET failures = failures
             WHERE device_hash = $1 AND user_id = $2 AND failures < $3",
        )
        .bind(device.to_vec())
        .bind(user.as_str().to_owned())
        .bind(MOST_FAILURES)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Makes a browser known to an account, under a new value of its cookie; what other accounts know of it goes along. Its
/// wrong guesses at this account are forgotten.
///
/// # Errors
/// The database's.
pub async fn make_known(
    tx: &mut Tx,
    (old, new): (Option<Digest>, Digest),
    user: &UserId,
    now: UnixMillis,
) -> Result<()> {
    if let Some(old) = old {
        tx.query("UPDATE known_devices SET device_hash = $2 WHERE device_hash = $1")
            .bind(old.to_vec())
            .bind(new.to_vec())
            .execute()
            .await?;
    }
    tx.query(
        "INSERT INTO known_devices (device_hash, user_id, made_at, seen_at) VALUES ($1, $2, $3, $3)
         ON CONFLICT (device_hash, user_id) DO UPDATE SET seen_at = $3, failures = 0",
    )
    .bind(new.to_vec())
    .bind(user.as_str().to_owned())
    .bind(now.0)
    .execute()
    .await?;
    tx.query(
        "DELETE FROM known_devices WHERE user_id = $1 AND device_hash NOT IN
           (SELECT d.device_hash FROM known_devices d WHERE d.user_id = $1
            ORDER BY d.seen_at DESC, d.device_hash LIMIT $2)",
    )
    .bind(user.as_str().to_owned())
    .bind(MOST_DEVICES)
    .execute()
    .await
    .map(|_| ())
}

/// Notes that the second factor was proven on a browser that is known, and need not be again for a while; how many rows
/// were written.
///
/// # Errors
/// The database's.
pub async fn remember_factor(tx: &mut Tx, device: Digest, user: &UserId, at: UnixMillis) -> Result<u64> {
    tx.query("UPDATE known_devices SET factor_at = $3 WHERE device_hash = $1 AND user_id = $2")
        .bind(device.to_vec())
        .bind(user.as_str().to_owned())
        .bind(at.0)
        .execute()
        .await
}

/// Forgets on which browsers of an account the second factor need not be shown again, but for one. The account's row is
/// locked by the caller: those who write here take turns.
///
/// # Errors
/// The database's.
pub async fn forget_factors(tx: &mut Tx, user: &UserId, but: Option<Digest>) -> Result<()> {
    tx.query(
        "UPDATE known_devices SET factor_at = NULL
         WHERE user_id = $1 AND device_hash <> $2 AND factor_at IS NOT NULL",
    )
    .bind(user.as_str().to_owned())
    .bind(but.map(Digest::to_vec).unwrap_or_default())
    .execute()
    .await
    .map(|_| ())
}

/// Forgets every browser of an account: none gets past a lock or is spared the second factor any more.
///
/// # Errors
/// The database's.
pub async fn forget_all(tx: &mut Tx, user: &UserId) -> Result<()> {
    tx.query("DELETE FROM known_devices WHERE user_id = $1").bind(user.as_str().to_owned()).execute().await.map(|_| ())
}
