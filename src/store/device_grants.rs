//! Sign-ins on another device (RFC 8628): a row from the device's request until the device has its tokens.
//!
//! A row goes one way, `pending`, then `allowed` or `denied`, then `used`; each step is one statement that names the
//! state before it, so that of several who take it exactly one does.

use super::db::{Cells, Conn, Record, Result, Tx, corrupt};
use crate::domain::granted::CodeContent;
use crate::domain::oauth::device::{DeviceRequest, DeviceState};
use crate::kernel::id::{ApplicationId, EntryId, FamilyId};
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// A device's request, as it is kept.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// The digest of the device code.
    pub device: Digest,
    /// The digest of the code that people type.
    pub user_code: Digest,
    /// Who asks.
    pub application: ApplicationId,
    /// What for.
    pub asked: DeviceRequest,
    /// The family that it will make.
    pub family: FamilyId,
    /// Where the device asked from.
    pub address: String,
    /// When the last poll came, or may be said to have come.
    pub polled_at: UnixMillis,
    /// How far polls must lie apart, in milliseconds.
    pub interval: i64,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it dies.
    pub expires_at: UnixMillis,
}

/// Keeps a request; false when its user code is another's.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &mut Tx, grant: &NewGrant) -> Result<bool> {
    let rows = tx
        .query(
            "INSERT INTO device_grants (device_hash, user_code_hash, application_id, state, asked, family_id, address,
               polled_at, interval_ms, created_at, expires_at)
             VALUES ($1, $2, $3, 'pending', $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
        )
        .bind(grant.device.to_vec())
        .bind(grant.user_code.to_vec())
        .bind(grant.application.as_str().to_owned())
        .bind(serde_json::to_string(&grant.asked).map_err(|e| corrupt(&e.to_string()))?)
        .bind(grant.family.as_str().to_owned())
        .bind(grant.address.clone())
        .bind(grant.polled_at.0)
        .bind(grant.interval)
        .bind(grant.created_at.0)
        .bind(grant.expires_at.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// A request, as it was found.
#[derive(Clone, Debug)]
pub struct DeviceGrant {
    /// Who asks.
    pub application: ApplicationId,
    /// How far it has come.
    pub state: DeviceState,
    /// What for.
    pub asked: DeviceRequest,
    /// What was allowed.
    pub granted: Option<CodeContent>,
    /// The family that it makes, or made.
    pub family: FamilyId,
    /// Where the device asked from.
    pub address: String,
    /// When the last poll came.
    pub polled_at: UnixMillis,
    /// How far polls must lie apart, in milliseconds.
    pub interval: i64,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it dies.
    pub expires_at: UnixMillis,
}

impl Record for DeviceGrant {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let application = ApplicationId::trusted(cells.take()?);
        let state = cells.parse()?;
        let asked = cells.json()?;
        let granted: Option<String> = cells.take()?;
        let granted = granted.map(|text| serde_json::from_str(&text)).transpose();
        Ok(Self {
            application,
            state,
            asked,
            granted: granted.map_err(|e| corrupt(&format!("what a device was granted: {e}")))?,
            family: FamilyId::trusted(cells.take()?),
            address: cells.take()?,
            polled_at: UnixMillis(cells.take()?),
            interval: cells.take()?,
            created_at: UnixMillis(cells.take()?),
            expires_at: UnixMillis(cells.take()?),
        })
    }
}

/// A request by its device code, whatever its state.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, device: Digest) -> Result<Option<DeviceGrant>> {
    conn.query(
        "SELECT application_id, state, asked, granted, family_id, address, polled_at, interval_ms, created_at, expires_at
         FROM device_grants WHERE device_hash = $1",
    )
    .bind(device.to_vec())
    .optional()
    .await
}

/// The request that waits for somebody to type this code.
///
/// # Errors
/// The database's.
pub async fn waiting(conn: &mut Conn, user_code: Digest, now: UnixMillis) -> Result<Option<DeviceGrant>> {
    conn.query(
        "SELECT application_id, state, asked, granted, family_id, address, polled_at, interval_ms, created_at, expires_at
         FROM device_grants WHERE user_code_hash = $1 AND state = 'pending' AND expires_at > $2",
    )
    .bind(user_code.to_vec())
    .bind(now.0)
    .optional()
    .await
}

/// Notes a poll and how far the next must lie from it; false when another poll came between.
///
/// # Errors
/// The database's.
pub async fn note_poll(
    tx: &mut Tx,
    device: Digest,
    before: UnixMillis,
    now: UnixMillis,
    interval: i64,
) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE device_grants SET polled_at = $3, interval_ms = $4
             WHERE device_hash = $1 AND polled_at = $2 AND state = 'pending'",
        )
        .bind(device.to_vec())
        .bind(before.0)
        .bind(now.0)
        .bind(interval)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Gives a waiting request what somebody allowed; false when it was decided before, or is dead.
///
/// # Errors
/// The database's.
pub async fn allow(tx: &mut Tx, user_code: Digest, content: &CodeContent, now: UnixMillis) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE device_grants SET state = 'allowed', granted = $4
             WHERE user_code_hash = $1 AND application_id = $2 AND state = 'pending' AND expires_at > $3",
        )
        .bind(user_code.to_vec())
        .bind(content.holding.application.as_str().to_owned())
        .bind(now.0)
        .bind(serde_json::to_string(content).map_err(|e| corrupt(&e.to_string()))?)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Refuses a waiting request; false when it was decided before, or is dead.
///
/// # Errors
/// The database's.
pub async fn deny(tx: &mut Tx, user_code: Digest, now: UnixMillis) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE device_grants SET state = 'denied'
             WHERE user_code_hash = $1 AND state = 'pending' AND expires_at > $2",
        )
        .bind(user_code.to_vec())
        .bind(now.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Uses a device code up; true for exactly one caller, and for none once the session that allowed it was ended.
///
/// # Errors
/// The database's.
pub async fn consume(tx: &mut Tx, device: Digest, sid: &EntryId, now: UnixMillis) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE device_grants SET state = 'used'
             WHERE device_hash = $1 AND state = 'allowed' AND expires_at > $2
               AND NOT EXISTS (SELECT 1 FROM session_entries e WHERE e.id = $3 AND e.ended_at IS NOT NULL)",
        )
        .bind(device.to_vec())
        .bind(now.0)
        .bind(sid.as_str().to_owned())
        .execute()
        .await?;
    Ok(rows == 1)
}
