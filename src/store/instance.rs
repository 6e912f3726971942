//! Facts of the instance itself, and the one-time link that makes its first operator.

use super::db::{Conn, Result, Tx};
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// A fact by its name.
///
/// # Errors
/// The database's.
pub async fn get(conn: &mut Conn, name: &'static str) -> Result<Option<String>> {
    let row: Option<(String,)> = conn.query("SELECT value FROM instance WHERE name = $1").bind(name).optional().await?;
    Ok(row.map(|(value,)| value))
}

/// Sets a fact, unless it is set already; what it is afterwards.
///
/// # Errors
/// The database's.
pub async fn set_once(tx: &mut Tx, name: &'static str, value: &str) -> Result<String> {
    tx.query("INSERT INTO instance (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(name)
        .bind(value.to_owned())
        .execute()
        .await?;
    Ok(get(tx, name).await?.unwrap_or_default())
}

/// Replaces every set-up link by this one.
///
/// # Errors
/// The database's.
pub async fn put_setup_link(tx: &mut Tx, link: Digest, expires_at: UnixMillis) -> Result<()> {
    tx.query("DELETE FROM setup_links").execute().await?;
    tx.query("INSERT INTO setup_links (secret_hash, expires_at) VALUES ($1, $2)")
        .bind(link.to_vec())
        .bind(expires_at.0)
        .execute()
        .await
        .map(|_| ())
}

/// Whether a set-up link is good.
///
/// # Errors
/// The database's.
pub async fn setup_link_is_good(conn: &mut Conn, link: Digest, now: UnixMillis) -> Result<bool> {
    let row: Option<(i64,)> = conn
        .query("SELECT expires_at FROM setup_links WHERE secret_hash = $1 AND used_at IS NULL AND expires_at > $2")
        .bind(link.to_vec())
        .bind(now.0)
        .optional()
        .await?;
    Ok(row.is_some())
}

/// Uses a set-up link up; true for exactly one caller.
///
/// # Errors
/// The database's.
pub async fn use_setup_link(tx: &mut Tx, link: Digest, now: UnixMillis) -> Result<bool> {
    let rows = tx
        .query("UPDATE setup_links SET used_at = $2 WHERE secret_hash = $1 AND used_at IS NULL AND expires_at > $2")
        .bind(link.to_vec())
        .bind(now.0)
        .execute()
        .await?;
    Ok(rows == 1)
}
