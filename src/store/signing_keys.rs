//! Signing keys: sealed private parts, published public ones, and when each signs.

use super::db::{Cells, Conn, Record, Result, Tx};
use crate::domain::keys::Alg;
use crate::kernel::id::KeyId;
use crate::kernel::time::UnixMillis;

/// A key as the database keeps it.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// Its `kid`.
    pub kid: KeyId,
    /// What it signs with.
    pub alg: Alg,
    /// PKCS#8, sealed.
    pub sealed: Vec<u8>,
    /// The public JWK, as JSON.
    pub public_jwk: String,
    /// When it was made.
    pub created_at: UnixMillis,
    /// From when on it is published.
    pub publish_from: UnixMillis,
    /// From when on it signs.
    pub sign_from: UnixMillis,
    /// Until when it signs.
    pub sign_until: UnixMillis,
    /// Until when it is published and its signatures hold.
    pub verify_until: UnixMillis,
}

impl Record for SigningKey {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            kid: KeyId::trusted(cells.take()?),
            alg: cells.parse()?,
            sealed: cells.take()?,
            public_jwk: cells.take()?,
            created_at: UnixMillis(cells.take()?),
            publish_from: UnixMillis(cells.take()?),
            sign_from: UnixMillis(cells.take()?),
            sign_until: UnixMillis(cells.take()?),
            verify_until: UnixMillis(cells.take()?),
        })
    }
}

/// Every key whose signatures still hold.
///
/// # Errors
/// The database's.
pub async fn live(conn: &mut Conn, now: UnixMillis) -> Result<Vec<SigningKey>> {
    conn.query(
        "SELECT kid, alg, sealed, public_jwk, created_at, publish_from, sign_from, sign_until, verify_until
         FROM signing_keys WHERE verify_until > $1 ORDER BY created_at, kid",
    )
    .bind(now.0)
    .all()
    .await
}

/// A number that changes with every key that is added, retired or pruned.
///
/// # Errors
/// The database's.
pub async fn mark(conn: &mut Conn) -> Result<i64> {
    let (count, newest, retired): (i64, Option<i64>, i64) = conn
        .query(
            "SELECT COUNT(*), MAX(created_at), COUNT(CASE WHEN sign_until < 9000000000000000000 THEN 1 END)
             FROM signing_keys",
        )
        .one()
        .await?;
    Ok(newest.unwrap_or(0).wrapping_mul(1_000_003).wrapping_add(count * 1_009).wrapping_add(retired))
}

/// Adds a key.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &mut Tx, key: &SigningKey) -> Result<()> {
    tx.query(
        "INSERT INTO signing_keys (kid, alg, sealed, public_jwk, created_at, publish_from, sign_from, sign_until, verify_until)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(key.kid.as_str().to_owned())
    .bind(key.alg.name())
    .bind(key.sealed.clone())
    .bind(key.public_jwk.clone())
    .bind(key.created_at.0)
    .bind(key.publish_from.0)
    .bind(key.sign_from.0)
    .bind(key.sign_until.0)
    .bind(key.verify_until.0)
    .execute()
    .await
    .map(|_| ())
}

/// Lets the keys of an algorithm sign no longer than until `sign_until`, and hold until `verify_until`.
///
/// # Errors
/// The database's.
pub async fn retire(
    tx: &mut Tx,
    alg: Alg,
    but: &KeyId,
    sign_until: UnixMillis,
    verify_until: UnixMillis,
) -> Result<()> {
    tx.query(
        "UPDATE signing_keys SET sign_until = $3, verify_until = $4 WHERE alg = $1 AND kid <> $2 AND sign_until > $3",
    )
    .bind(alg.name())
    .bind(but.as_str().to_owned())
    .bind(sign_until.0)
    .bind(verify_until.0)
    .execute()
    .await
    .map(|_| ())
}

/// Takes the lock under which keys are made, so that two nodes at their first start make one set.
///
/// # Errors
/// The database's.
pub async fn lock(tx: &mut Tx) -> Result<()> {
    tx.query("UPDATE instance SET value = value WHERE name = 'schema'").execute().await.map(|_| ())
}
