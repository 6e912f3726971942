//! Connections whose provider's events are fetched: which node does it now, when again, and how that fares.

use super::upstreams::Failing;
use crate::kernel::id::ConnectionId;
use crate::kernel::time::UnixMillis;
use crate::store::db::{Conn, Result, Tx};

/// Whether nobody is to fetch a connection's events at a moment: somebody does, or did a while ago.
///
/// # Errors
/// The database's.
pub async fn rests(conn: &mut Conn, connection: &ConnectionId, now: UnixMillis) -> Result<bool> {
    let row: Option<(i64,)> = conn
        .query("SELECT next_at FROM upstream_polls WHERE connection_id = $1 AND next_at > $2")
        .bind(connection.as_str().to_owned())
        .bind(now.0)
        .optional()
        .await?;
    Ok(row.is_some())
}

/// Takes a connection for one node until a moment; how often in a row it failed before. `None` when another node has it,
/// or it rests.
///
/// # Errors
/// The database's.
pub async fn lease(tx: &mut Tx, connection: &ConnectionId, now: UnixMillis, until: UnixMillis) -> Result<Option<i64>> {
    let row: Option<(i64,)> = tx
        .query(
            "INSERT INTO upstream_polls (connection_id, next_at, failures) VALUES ($1, $3, 0)
             ON CONFLICT (connection_id) DO UPDATE SET next_at = excluded.next_at WHERE upstream_polls.next_at <= $2
             RETURNING failures",
        )
        .bind(connection.as_str().to_owned())
        .bind(now.0)
        .bind(until.0)
        .optional()
        .await?;
    Ok(row.map(|(failures,)| failures))
}

/// Notes that a round went well. One whose lease was over, and that another node took up, notes nothing.
///
/// # Errors
/// The database's.
pub async fn settle(tx: &mut Tx, connection: &ConnectionId, leased: UnixMillis, next: UnixMillis) -> Result<()> {
    tx.query(
        "UPDATE upstream_polls SET next_at = $3, failures = 0, failing_since = NULL
         WHERE connection_id = $1 AND next_at = $2",
    )
    .bind(connection.as_str().to_owned())
    .bind(leased.0)
    .bind(next.0)
    .execute()
    .await
    .map(|_| ())
}

/// Notes that a round failed at `now`, and when to try again; as [`settle`].
///
/// # Errors
/// The database's.
pub async fn put_off(
    tx: &mut Tx,
    connection: &ConnectionId,
    leased: UnixMillis,
    next: UnixMillis,
    now: UnixMillis,
) -> Result<Option<Failing>> {
    let row: Option<(i64, i64, Option<i64>)> = tx
        .query(
            "UPDATE upstream_polls
             SET next_at = $3, failures = failures + 1, failing_since = COALESCE(failing_since, $4)
             WHERE connection_id = $1 AND next_at = $2 RETURNING failures, failing_since, told_at",
        )
        .bind(connection.as_str().to_owned())
        .bind(leased.0)
        .bind(next.0)
        .bind(now.0)
        .optional()
        .await?;
    let failing = |(failures, since, told_at): (i64, i64, Option<i64>)| Failing {
        failures,
        since: UnixMillis(since),
        told_at: told_at.map(UnixMillis),
    };
    Ok(row.map(failing))
}

/// Notes that people are told of it.
///
/// # Errors
/// The database's.
pub async fn note_told(tx: &mut Tx, connection: &ConnectionId, now: UnixMillis) -> Result<()> {
    tx.query("UPDATE upstream_polls SET told_at = $2 WHERE connection_id = $1")
        .bind(connection.as_str().to_owned())
        .bind(now.0)
        .execute()
        .await
        .map(|_| ())
}
