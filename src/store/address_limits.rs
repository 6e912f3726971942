//! How often something was tried under a key within a window: one statement takes a try, or finds none left. All nodes count
//! in the same rows, so a limit is one limit.

use super::db::{Conn, Result, Tx};
use crate::kernel::time::UnixMillis;

/// A limit: so many tries within so many milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is counted together.
    pub key: String,
    /// So many …
    pub most: i64,
    /// … within so many milliseconds of the first.
    pub window: i64,
}

/// A try that was taken, so that it can be given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    key: String,
    window_start: UnixMillis,
}

/// Takes a try; `None` when there is none left. A full window is not made fuller: what is given back is free again.
///
/// # Errors
/// The database's.
pub async fn take(tx: &mut Tx, limit: &Limit, now: UnixMillis) -> Result<Option<Taken>> {
    let row: Option<(i64,)> = tx
        .query(
            "INSERT INTO address_limits (limit_key, window_start, ends_at, count) VALUES ($1, $2, $3, 1)
             ON CONFLICT (limit_key) DO UPDATE SET
               count = CASE WHEN address_limits.ends_at <= $2 THEN 1 ELSE address_limits.count + 1 END,
               window_start = CASE WHEN address_limits.ends_at <= $2 THEN $2 ELSE address_limits.window_start END,
               ends_at = CASE WHEN address_limits.ends_at <= $2 THEN $3 ELSE address_limits.ends_at END
             WHERE address_limits.ends_at <= $2 OR address_limits.count < $4
             RETURNING window_start",
        )
        .bind(limit.key.clone())
        .bind(now.0)
        .bind(now.plus(limit.window).0)
        .bind(limit.most)
        .optional()
        .await?;
    Ok(row.map(|(start,)| Taken { key: limit.key.clone(), window_start: UnixMillis(start) }))
}

/// Gives a try back that was none. One of a window that is over changes nothing.
///
/// # Errors
/// The database's.
pub async fn give_back(tx: &mut Tx, taken: &Taken) -> Result<()> {
    // The last one takes the row along: what went right leaves nothing behind.
    let last = tx
        .query("DELETE FROM address_limits WHERE limit_key = $1 AND window_start = $2 AND count <= 1")
        .bind(taken.key.clone())
        .bind(taken.window_start.0)
        .execute()
        .await?;
    if last > 0 {
        return Ok(());
    }
    tx.query("UPDATE address_limits SET count = count - 1 WHERE limit_key = $1 AND window_start = $2 AND count > 0")
        .bind(taken.key.clone())
        .bind(taken.window_start.0)
        .execute()
        .await
        .map(|_| ())
}

/// When the window of a key ends; `None` where nothing is counted.
///
/// # Errors
/// The database's.
pub async fn ends_at(conn: &mut Conn, key: &str) -> Result<Option<UnixMillis>> {
    let row: Option<(i64,)> =
        conn.query("SELECT ends_at FROM address_limits WHERE limit_key = $1").bind(key.to_owned()).optional().await?;
    Ok(row.map(|(at,)| UnixMillis(at)))
}
