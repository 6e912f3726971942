//! Logout tokens and events of providers that were heard before: each counts once.

use crate::kernel::id::ConnectionId;
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;
use crate::store::db::{Conn, Result, Tx};

/// Whether a `jti` of a connection's provider is remembered.
///
/// # Errors
/// The database's.
pub async fn seen(conn: &mut Conn, connection: &ConnectionId, jti: &str) -> Result<bool> {
    let row: Option<(i64,)> = conn
        .query("SELECT expires_at FROM upstream_replays WHERE connection_id = $1 AND jti_hash = $2")
        .bind(connection.as_str().to_owned())
        .bind(Digest::of(jti.as_bytes()).to_vec())
        .optional()
        .await?;
    Ok(row.is_some())
}

/// Remembers a `jti` of a connection's provider until a moment after which its token is refused anyway; true for exactly
/// one caller.
///
/// # Errors
/// The database's.
pub async fn fresh(tx: &mut Tx, connection: &ConnectionId, jti: &str, until: UnixMillis) -> Result<bool> {
    let rows = tx
        .query(
            "INSERT INTO upstream_replays (connection_id, jti_hash, expires_at) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
        )
        .bind(connection.as_str().to_owned())
        .bind(Digest::of(jti.as_bytes()).to_vec())
        .bind(until.0)
        .execute()
        .await?;
    Ok(rows == 1)
}
