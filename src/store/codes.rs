//! Authorization codes and client assertions: what may be used once.

use super::db::{Cells, Conn, Record, Result, Tx, corrupt};
use crate::domain::granted::CodeContent;
use crate::kernel::id::{ApplicationId, FamilyId};
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// Keeps a code's digest and content, and the id of the family that it will make.
///
/// # Errors
/// The database's.
pub async fn insert(
    tx: &mut Tx,
    code: Digest,
    family: &FamilyId,
    content: &CodeContent,
    expires_at: UnixMillis,
) -> Result<()> {
    tx.query("INSERT INTO authorization_codes (code_hash, family_id, granted, expires_at) VALUES ($1, $2, $3, $4)")
        .bind(code.to_vec())
        .bind(family.as_str().to_owned())
        .bind(serde_json::to_string(content).map_err(|e| corrupt(&e.to_string()))?)
        .bind(expires_at.0)
        .execute()
        .await
        .map(|_| ())
}

/// A code, as it was found.
#[derive(Clone, Debug)]
pub struct Code {
    /// The family that it makes, or made.
    pub family: FamilyId,
    /// Its content.
    pub content: CodeContent,
    /// When it runs out.
    pub expires_at: UnixMillis,
    /// Whether it was used before.
    pub used: bool,
}

impl Record for Code {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            family: FamilyId::trusted(cells.take()?),
            content: cells.json()?,
            expires_at: UnixMillis(cells.take()?),
            used: cells.take::<Option<i64>>()?.is_some(),
        })
    }
}

/// Looks a code up without using it.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, code: Digest) -> Result<Option<Code>> {
    conn.query("SELECT family_id, granted, expires_at, used_at FROM authorization_codes WHERE code_hash = $1")
        .bind(code.to_vec())
        .optional()
        .await
}

/// Uses a code up; true for exactly one caller.
///
/// # Errors
/// The database's.
pub async fn consume(tx: &mut Tx, code: Digest, now: UnixMillis) -> Result<bool> {
    let rows = tx
        .query("UPDATE authorization_codes SET used_at = $2 WHERE code_hash = $1 AND used_at IS NULL")
        .bind(code.to_vec())
        .bind(now.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Remembers a client assertion's `jti`; false when the application used it before.
///
/// # Errors
/// The database's.
pub async fn remember_assertion(
    tx: &mut Tx,
    application: &ApplicationId,
    jti: Digest,
    expires_at: UnixMillis,
) -> Result<bool> {
    let rows = tx
        .query(
            "INSERT INTO used_assertions (application_id, jti_hash, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(application.as_str().to_owned())
        .bind(jti.to_vec())
        .bind(expires_at.0)
        .execute()
        .await?;
    Ok(rows == 1)
}
