//! What connections' clients show, for reading, and when each was used last. An access edit alone makes and removes it.

use crate::domain::connection::CredentialKind;
use crate::domain::people::user::OrgState;
use crate::kernel::id::{ConnectionId, OrgId, ScimCredentialId};
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;
use crate::store::connections::Connection;
use crate::store::db::{Cells, Conn, Record, Result, Tx, corrupt};

/// A bearer token, or the secret of an OAuth client; never the secret itself.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Its id; of an OAuth client also the `client_id`.
    pub id: ScimCredentialId,
    /// Whose client shows it.
    pub connection: ConnectionId,
    /// The connection's organisation.
    pub org: OrgId,
    /// Which kind.
    pub kind: CredentialKind,
    /// What people call it.
    pub name: String,
    /// When it was made.
    pub created_at: UnixMillis,
    /// The label of whoever made it.
    pub created_by: String,
    /// When it ends.
    pub expires_at: UnixMillis,
    /// When it was used last.
    pub last_used_at: Option<UnixMillis>,
}

impl Credential {
    /// Whether it is good for something at `now`.
    #[must_use]
    pub fn is_live(&self, now: UnixMillis) -> bool {
        now < self.expires_at
    }
}

impl Record for Credential {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: ScimCredentialId::trusted(cells.take()?),
            connection: ConnectionId::trusted(cells.take()?),
            org: OrgId::trusted(cells.take()?),
            kind: cells.parse()?,
            name: cells.take()?,
            created_at: UnixMillis(cells.take()?),
            created_by: cells.take()?,
            expires_at: UnixMillis(cells.take()?),
            last_used_at: cells.take::<Option<i64>>()?.map(UnixMillis),
        })
    }
}

/// A credential and all that it hangs on.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The credential, live or not.
    pub credential: Credential,
    /// Its connection, whatever the state.
    pub connection: Connection,
    /// Whether the organisation works.
    pub org_active: bool,
}

impl Record for Standing {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let (credential, connection) = (Credential::read(cells)?, Connection::read(cells)?);
        let org: OrgState = cells.parse()?;
        Ok(Self { credential, connection, org_active: org == OrgState::Active })
    }
}

/// The bearer token with a secret, whatever became of it, and all that it hangs on, by one statement. The secret of an
/// OAuth client is no bearer token.
///
/// # Errors
/// The database's.
pub async fn standing_by_secret(conn: &mut Conn, secret: Digest) -> Result<Option<Standing>> {
    conn.query(
        "SELECT c.id, c.connection_id, c.org_id, c.kind, c.name, c.created_at, c.created_by, c.expires_at, c.last_used_at,
           n.id, n.org_id, n.name, n.state, n.profile, n.local_grants, n.settings, n.user_count, n.group_count,
           n.created_at, n.last_sync_at, n.last_error_at, n.last_error, o.state
         FROM scim_credentials c JOIN connections n ON n.id = c.connection_id JOIN orgs o ON o.id = n.org_id
         WHERE c.secret_hash = $1 AND c.kind = 'token'",
    )
    .bind(secret.to_vec())
    .optional()
    .await
}

/// A credential by its id, whatever became of it, and all that it hangs on, by one statement.
///
/// # Errors
/// The database's.
pub async fn standing_by_id(conn: &mut Conn, id: &ScimCredentialId) -> Result<Option<Standing>> {
    conn.query(
        "SELECT c.id, c.connection_id, c.org_id, c.kind, c.name, c.created_at, c.created_by, c.expires_at, c.last_used_at,
           n.id, n.org_id, n.name, n.state, n.profile, n.local_grants, n.settings, n.user_count, n.group_count,
           n.created_at, n.last_sync_at, n.last_error_at, n.last_error, o.state
         FROM scim_credentials c JOIN connections n ON n.id = c.connection_id JOIN orgs o ON o.id = n.org_id
         WHERE c.id = $1",
    )
    .bind(id.as_str().to_owned())
    .optional()
    .await
}

/// The digest of an OAuth client's secret. Whether the client is good for anything, [`standing_by_id`] says.
///
/// # Errors
/// The database's.
pub async fn secret_of_client(conn: &mut Conn, id: &ScimCredentialId) -> Result<Option<Digest>> {
    let row: Option<(Vec<u8>,)> = conn
        .query("SELECT secret_hash FROM scim_credentials WHERE id = $1 AND kind = 'client'")
        .bind(id.as_str().to_owned())
        .optional()
        .await?;
    row.map(|(hash,)| Digest::from_slice(&hash).ok_or_else(|| corrupt("secret of a SCIM client"))).transpose()
}

/// The credentials of a connection, the oldest first; there are few.
///
/// # Errors
/// The database's.
pub async fn of_connection(conn: &mut Conn, connection: &ConnectionId) -> Result<Vec<Credential>> {
    conn.query(
        "SELECT id, connection_id, org_id, kind, name, created_at, created_by, expires_at, last_used_at
         FROM scim_credentials WHERE connection_id = $1 ORDER BY id",
    )
    .bind(connection.as_str().to_owned())
    .all()
    .await
}

/// A credential by its id, in its organisation only.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, org: &OrgId, id: &ScimCredentialId) -> Result<Option<Credential>> {
    conn.query(
        "SELECT id, connection_id, org_id, kind, name, created_at, created_by, expires_at, last_used_at
         FROM scim_credentials WHERE org_id = $1 AND id = $2",
    )
    .bind(org.as_str().to_owned())
    .bind(id.as_str().to_owned())
    .optional()
    .await
}

/// How many credentials of a kind a connection has that are good for something at `now`.
///
/// # Errors
/// The database's.
pub async fn count_live(
    conn: &mut Conn,
    connection: &ConnectionId,
    kind: CredentialKind,
    now: UnixMillis,
) -> Result<i64> {
    let (count,): (i64,) = conn
        .query("SELECT COUNT(*) FROM scim_credentials WHERE connection_id = $1 AND kind = $2 AND expires_at > $3")
        .bind(connection.as_str().to_owned())
        .bind(kind.as_str())
        .bind(now.0)
        .one()
        .await?;
    Ok(count)
}

/// Notes when a credential was used last.
///
/// # Errors
/// The database's.
pub async fn note_use(tx: &mut Tx, id: &ScimCredentialId, at: UnixMillis) -> Result<()> {
    tx.query(
        "UPDATE scim_credentials SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
    )
    .bind(id.as_str().to_owned())
    .bind(at.0)
    .execute()
    .await
    .map(|_| ())
}

/// So many credentials that end before a moment, or have ended, and of which nobody was told; the first to end first.
/// Left out are those of deleted connections, those that were made after a moment, and those that are not over yet of
/// connections and organisations that don't work: whoever is not told of must not stand in the way of others.
///
/// # Errors
/// The database's.
pub async fn ending(
    conn: &mut Conn,
    (now, before): (UnixMillis, UnixMillis),
    made_until: UnixMillis,
    limit: i64,
) -> Result<Vec<Credential>> {
    conn.query(
        "SELECT c.id, c.connection_id, c.org_id, c.kind, c.name, c.created_at, c.created_by, c.expires_at, c.last_used_at
         FROM scim_credentials c JOIN connections n ON n.id = c.connection_id JOIN orgs o ON o.id = c.org_id
         WHERE c.expires_at < $1 AND c.warned_at IS NULL AND c.created_at <= $3 AND n.state <> 'deleted'
           AND (c.expires_at <= $4 OR (n.state = 'active' AND o.state = 'active'))
         ORDER BY c.expires_at LIMIT $2",
    )
    .bind(before.0)
    .bind(limit.max(0))
    .bind(made_until.0)
    .bind(now.0)
    .all()
    .await
}

/// Notes that somebody was told of a credential's end; whether it was this call that noted it.
///
/// # Errors
/// The database's.
pub async fn note_warned(tx: &mut Tx, id: &ScimCredentialId, at: UnixMillis) -> Result<bool> {
    let rows = tx
        .query("UPDATE scim_credentials SET warned_at = $2 WHERE id = $1 AND warned_at IS NULL")
        .bind(id.as_str().to_owned())
        .bind(at.0)
        .execute()
        .await?;
    Ok(rows == 1)
}
