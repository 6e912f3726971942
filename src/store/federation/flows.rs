//! Sign-ins under way at a customer's provider: each row is taken once, and none is good for longer than its time.

use crate::kernel::id::{ConnectionId, UpstreamFlowId};
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;
use crate::store::db::{Cells, Record, Result, Tx, corrupt};

/// A sign-in that begins.
#[derive(Clone, Debug)]
pub struct NewFlow {
    /// Its id.
    pub id: UpstreamFlowId,
    /// The digest of the `state` that travels.
    pub state: Digest,
    /// The connection.
    pub connection: ConnectionId,
    /// The revision of the sign-in's set-up that it begins with.
    pub revision: i64,
    /// The digest of what the browser is known by.
    pub binding: Digest,
    /// What it is for, the nonce and the verifier, sealed.
    pub sealed: Vec<u8>,
    /// When it begins.
    pub created_at: UnixMillis,
    /// When it is over.
    pub expires_at: UnixMillis,
}

/// A sign-in that was under way: it is gone from the table.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Its id.
    pub id: UpstreamFlowId,
    /// The connection.
    pub connection: ConnectionId,
    /// The revision of the sign-in's set-up that it began with.
    pub revision: i64,
    /// The digest of what the browser was known by.
    pub binding: Digest,
    /// What it is for, the nonce and the verifier, sealed.
    pub sealed: Vec<u8>,
    /// When it began.
    pub created_at: UnixMillis,
    /// When it would have been over.
    pub expires_at: UnixMillis,
}

impl Record for Flow {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let id = UpstreamFlowId::trusted(cells.take()?);
        let (connection, revision) = (ConnectionId::trusted(cells.take()?), cells.take()?);
        let binding: Vec<u8> = cells.take()?;
        let binding = Digest::from_slice(&binding).ok_or_else(|| corrupt("binding of a sign-in under way"))?;
        Ok(Self {
            id,
            connection,
            revision,
            binding,
            sealed: cells.take()?,
            created_at: UnixMillis(cells.take()?),
            expires_at: UnixMillis(cells.take()?),
        })
    }
}

/// Keeps a sign-in that begins.
///
/// # Errors
/// The database's.
pub async fn put(tx: &mut Tx, flow: &NewFlow) -> Result<()> {
    tx.query(
        "INSERT INTO upstream_flows (id, state_hash, connection_id, revision, binding_hash, sealed, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(flow.id.as_str().to_owned())
    .bind(flow.state.to_vec())
    .bind(flow.connection.as_str().to_owned())
    .bind(flow.revision)
    .bind(flow.binding.to_vec())
    .bind(flow.sealed.clone())
    .bind(flow.created_at.0)
    .bind(flow.expires_at.0)
    .execute()
    .await
    .map(|_| ())
}

/// Takes the sign-in with this `state`: there for exactly one caller, and for none once its time is over. Whether it
/// is this browser's, and this connection's, the caller judges; a wrong one has used it up all the same.
///
/// # Errors
/// The database's.
pub async fn take(tx: &mut Tx, state: Digest, now: UnixMillis) -> Result<Option<Flow>> {
    tx.query(
        "DELETE FROM upstream_flows WHERE state_hash = $1 AND expires_at > $2
         RETURNING id, connection_id, revision, binding_hash, sealed, created_at, expires_at",
    )
    .bind(state.to_vec())
    .bind(now.0)
    .optional()
    .await
}
