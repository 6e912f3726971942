//! Bundles of roles: presets that are given together, for reading. An access edit writes them.

use super::db::{Cells, Conn, Record, Result, corrupt};
use crate::domain::access::difference::Held;
use crate::domain::access::{Role, Scope};
use crate::kernel::fold;
use crate::kernel::id::{BundleId, OrgId};
use crate::kernel::time::UnixMillis;

/// A bundle.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Its id.
    pub id: BundleId,
    /// Its name.
    pub name: String,
    /// The roles and on what each is given. One of a project or an own role that is gone by now gives nothing.
    pub grants: Vec<(Role, Scope)>,
    /// When it was made.
    pub created_at: UnixMillis,
}

impl Record for Bundle {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let (id, name) = (BundleId::trusted(cells.take()?), cells.take()?);
        let grants: Vec<Held> = cells.json()?;
        let grants = grants.into_iter().map(|held| (held.role, held.scope)).collect();
        Ok(Self { id, name, grants, created_at: UnixMillis(cells.take()?) })
    }
}

/// The grants as the database keeps them.
pub(super) fn json(grants: &[(Role, Scope)]) -> Result<String> {
    let held: Vec<Held> =
        grants.iter().map(|(role, scope)| Held { role: role.clone(), scope: scope.clone() }).collect();
    serde_json::to_string(&held).map_err(|e| corrupt(&e.to_string()))
}

/// A bundle by its id, in its organisation only.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, org: &OrgId, id: &BundleId) -> Result<Option<Bundle>> {
    conn.query("SELECT id, name, grants, created_at FROM role_bundles WHERE org_id = $1 AND id = $2")
        .bind(org.as_str().to_owned())
        .bind(id.as_str().to_owned())
        .optional()
        .await
}

/// The bundles of an organisation, by name, from behind the name `after` on.
///
/// # Errors
/// The database's.
pub async fn page(conn: &mut Conn, org: &OrgId, after: &str, limit: usize) -> Result<Vec<Bundle>> {
    conn.query(
        "SELECT id, name, grants, created_at FROM role_bundles WHERE org_id = $1 AND name_key > $2
         ORDER BY name_key LIMIT $3",
    )
    .bind(org.as_str().to_owned())
    .bind(fold::key(after))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .all()
    .await
}

/// Whether another bundle of the organisation has this name, without regard to case.
///
/// # Errors
/// The database's.
pub async fn is_taken(conn: &mut Conn, org: &OrgId, name: &str, by_another_than: &BundleId) -> Result<bool> {
    let row: Option<(String,)> = conn
        .query("SELECT id FROM role_bundles WHERE org_id = $1 AND name_key = $2 AND id <> $3")
        .bind(org.as_str().to_owned())
        .bind(fold::key(name))
        .bind(by_another_than.as_str().to_owned())
        .optional()
        .await?;
    Ok(row.is_some())
}
