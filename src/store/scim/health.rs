//! How a connection fares, in numbers: what it asked lately, and what of it waits for an administrator.

use super::requests::first_id_at;
use crate::kernel::id::ConnectionId;
use crate::kernel::time::UnixMillis;
use crate::store::db::{Conn, Result};

/// So many requests are looked at, the newest first: a storm is counted no longer than this.
pub const MOST_LOOKED_AT: i64 = 10_000;

/// How many requests a connection's client sent since a moment, and how many of them were not carried out; of the newest
/// [`MOST_LOOKED_AT`].
///
/// Ids of requests begin with their moment (`UUIDv7`), so that the list's own index finds where the time begins.
///
/// # Errors
/// The database's.
pub async fn requests_since(conn: &mut Conn, connection: &ConnectionId, since: UnixMillis) -> Result<(i64, i64)> {
    conn.query(
        "SELECT COUNT(*), COALESCE(SUM(recent.failed), 0) FROM
           (SELECT CASE WHEN status >= 400 THEN 1 ELSE 0 END AS failed FROM scim_requests
            WHERE connection_id = $1 AND id >= $2 ORDER BY id DESC LIMIT $3) recent",
    )
    .bind(connection.as_str().to_owned())
    .bind(first_id_at(since).into_string())
    .bind(MOST_LOOKED_AT)
    .one()
    .await
}

/// How many of a connection's requests are held.
///
/// # Errors
/// The database's.
pub async fn held(conn: &mut Conn, connection: &ConnectionId) -> Result<i64> {
    let (count,): (i64,) = conn
        .query("SELECT COUNT(*) FROM scim_held WHERE connection_id = $1 AND state = 'held'")
        .bind(connection.as_str().to_owned())
        .one()
        .await?;
    Ok(count)
}

/// How many accounts stand in a connection's way and wait to be decided about.
///
/// # Errors
/// The database's.
pub async fn waiting_adoptions(conn: &mut Conn, connection: &ConnectionId) -> Result<i64> {
    let (count,): (i64,) = conn
        .query("SELECT COUNT(*) FROM scim_adoptions WHERE connection_id = $1 AND state = 'waiting'")
        .bind(connection.as_str().to_owned())
        .one()
        .await?;
    Ok(count)
}
