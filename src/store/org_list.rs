//! Organisations as their administrators and the operator see them, with when they were made and deleted.

use super::db::{Cells, Conn, Record, Result};
use super::orgs::Org;
use crate::kernel::id::OrgId;
use crate::kernel::time::UnixMillis;

/// An organisation, as lists show it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The organisation.
    pub org: Org,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was deleted; it can be brought back for thirty days.
    pub deleted_at: Option<UnixMillis>,
}

impl Record for Listed {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            org: Org::read(cells)?,
            created_at: UnixMillis(cells.take()?),
            deleted_at: cells.take::<Option<i64>>()?.map(UnixMillis),
        })
    }
}

/// An organisation by its id.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, id: &OrgId) -> Result<Option<Listed>> {
    conn.query(
        "SELECT id, slug, name, state, policy, owner_id, session_idle_ms, session_absolute_ms, created_at, deleted_at
         FROM orgs WHERE id = $1",
    )
    .bind(id.as_str().to_owned())
    .optional()
    .await
}

/// So many organisations of the instance, those behind a slug, in the order of slugs.
///
/// # Errors
/// The database's.
pub async fn page(conn: &mut Conn, after: &str, limit: usize) -> Result<Vec<Listed>> {
    conn.query(
        "SELECT id, slug, name, state, policy, owner_id, session_idle_ms, session_absolute_ms, created_at, deleted_at
         FROM orgs WHERE slug > $1 ORDER BY slug LIMIT $2",
    )
    .bind(after.to_owned())
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .all()
    .await
}
