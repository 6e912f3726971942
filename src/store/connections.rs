//! Connections, for reading, and when each was heard of last. Only an access edit makes and changes them.

use super::db::{Cells, Conn, Record, Result, Tx};
use super::scim::shown;
use crate::domain::connection::{ConnectionSettings, ConnectionState, ScimProfile};
use crate::kernel::id::{ConnectionId, OrgId};
use crate::kernel::time::UnixMillis;

/// So many characters of an error are kept.
const LONGEST_ERROR: usize = 300;

/// A connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Whose it is.
    pub org: OrgId,
    /// What people call it.
    pub name: String,
    /// Whether it works.
    pub state: ConnectionState,
    /// How its client speaks.
    pub profile: ScimProfile,
    /// Whether its people may be put into local groups and be given roles directly.
    pub local_grants: bool,
    /// The rest.
    pub settings: ConnectionSettings,
    /// How many users it owns.
    pub users: i64,
    /// How many groups it owns.
    pub groups: i64,
    /// When it was made.
    pub created_at: UnixMillis,
    /// The last request that was carried out.
    pub last_sync_at: Option<UnixMillis>,
    /// The last request that was not.
    pub last_error_at: Option<UnixMillis>,
    /// Why.
    pub last_error: Option<String>,
}

impl Record for Connection {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: ConnectionId::trusted(cells.take()?),
            org: OrgId::trusted(cells.take()?),
            name: cells.take()?,
            state: cells.parse()?,
            profile: cells.parse()?,
            local_grants: cells.take()?,
            settings: cells.json()?,
            users: cells.take()?,
            groups: cells.take()?,
            created_at: UnixMillis(cells.take()?),
            last_sync_at: cells.take::<Option<i64>>()?.map(UnixMillis),
            last_error_at: cells.take::<Option<i64>>()?.map(UnixMillis),
            last_error: cells.take()?,
        })
    }
}

/// A connection by its id, in its organisation only, whatever its state.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, org: &OrgId, id: &ConnectionId) -> Result<Option<Connection>> {
    conn.query(
        "SELECT id, org_id, name, state, profile, local_grants, settings, user_count, group_count, created_at, last_sync_at,
           last_error_at, last_error
         FROM connections WHERE org_id = $1 AND id = $2",
    )
    .bind(org.as_str().to_owned())
    .bind(id.as_str().to_owned())
    .optional()
    .await
}

/// A connection by its id, whatever its state.
///
/// # Errors
/// The database's.
pub async fn by_id(conn: &mut Conn, id: &ConnectionId) -> Result<Option<Connection>> {
    conn.query(
        "SELECT id, org_id, name, state, profile, local_grants, settings, user_count, group_count, created_at, last_sync_at,
           last_error_at, last_error
         FROM connections WHERE id = $1",
    )
    .bind(id.as_str().to_owned())
    .optional()
    .await
}

/// The connections of an organisation, the oldest first, deleted ones too: what they own may still be theirs.
///
/// # Errors
/// The database's.
pub async fn of_org(conn: &mut Conn, org: &OrgId) -> Result<Vec<Connection>> {
    conn.query(
        "SELECT id, org_id, name, state, profile, local_grants, settings, user_count, group_count, created_at, last_sync_at,
           last_error_at, last_error
         FROM connections WHERE org_id = $1 ORDER BY id",
    )
    .bind(org.as_str().to_owned())
    .all()
    .await
}

/// What people call a connection, whatever its state; `None` where a source names none of ours.
///
/// # Errors
/// The database's.
pub async fn name_of(conn: &mut Conn, id: &str) -> Result<Option<String>> {
    let Ok(id) = id.parse::<ConnectionId>() else {
        return Ok(None);
    };
    let row: Option<(String,)> =
        conn.query("SELECT name FROM connections WHERE id = $1").bind(id.into_string()).optional().await?;
    Ok(row.map(|(name,)| name))
}

/// Notes that a connection's client asked at `at`, and was told the error, if there is one. What is older than what
/// stands there already changes nothing.
///
/// # Errors
/// The database's.
pub async fn note_sync(tx: &mut Tx, id: &ConnectionId, at: UnixMillis, error: Option<&str>) -> Result<()> {
    let query = match error {
        None => tx
            .query(
                "UPDATE connections SET last_sync_at = $2
                 WHERE id = $1 AND (last_sync_at IS NULL OR last_sync_at < $2)",
            )
            .bind(id.as_str().to_owned())
            .bind(at.0),
        Some(error) => tx
            .query(
                "UPDATE connections SET last_error_at = $2, last_error = $3
                 WHERE id = $1 AND (last_error_at IS NULL OR last_error_at <= $2)",
            )
            .bind(id.as_str().to_owned())
            .bind(at.0)
            .bind(shown(error, LONGEST_ERROR)),
    };
    query.execute().await.map(|_| ())
}
