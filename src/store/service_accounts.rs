//! Service accounts: accounts of a project that tools use, for reading. Only an access edit writes them.

use super::db::{Cells, Conn, Record, Result};
use crate::domain::people::user::MembershipState;
use crate::kernel::id::{MembershipId, OrgId, ProjectId, UserId};
use crate::kernel::time::UnixMillis;

/// A service account.
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    /// The account.
    pub user: UserId,
    /// Its membership, which its bindings hang on.
    pub member: MembershipId,
    /// The project that it belongs to.
    pub project: ProjectId,
    /// Its name, of which the project has one.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The member who answers for it.
    pub owner: Option<MembershipId>,
    /// The state of its membership.
    pub state: MembershipState,
    /// When it was made.
    pub created_at: UnixMillis,
}

impl Record for ServiceAccount {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            user: UserId::trusted(cells.take()?),
            member: MembershipId::trusted(cells.take()?),
            project: ProjectId::trusted(cells.take()?),
            name: cells.take()?,
            description: cells.take()?,
            owner: cells.take::<Option<String>>()?.map(MembershipId::trusted),
            state: cells.parse()?,
            created_at: UnixMillis(cells.take()?),
        })
    }
}

/// A service account by its account's id, in its organisation only.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, org: &OrgId, user: &UserId) -> Result<Option<ServiceAccount>> {
    conn.query(
        "SELECT u.id, m.id, u.project_id, u.user_name, u.description, u.owner_id, m.state, u.created_at
         FROM users u JOIN memberships m ON m.user_id = u.id AND m.org_id = u.org_id
         WHERE u.id = $2 AND u.org_id = $1 AND u.project_id IS NOT NULL AND u.state <> 'deleted'",
    )
    .bind(org.as_str().to_owned())
    .bind(user.as_str().to_owned())
    .optional()
    .await
}

/// The service accounts of an organisation that come after one, in the order of their making.
///
/// # Errors
/// The database's.
pub async fn of_org(conn: &mut Conn, org: &OrgId, after: Option<&UserId>, limit: i64) -> Result<Vec<ServiceAccount>> {
    conn.query(
        "SELECT u.id, m.id, u.project_id, u.user_name, u.description, u.owner_id, m.state, u.created_at
         FROM projects p JOIN users u ON u.project_id = p.id AND u.state <> 'deleted'
         JOIN memberships m ON m.user_id = u.id AND m.org_id = p.org_id
         WHERE p.org_id = $1 AND u.id > $2 ORDER BY u.id LIMIT $3",
    )
    .bind(org.as_str().to_owned())
    .bind(after.map(|id| id.as_str().to_owned()).unwrap_or_default())
    .bind(limit)
    .all()
    .await
}

/// The service accounts of one project that come after one, in the order of their making.
///
/// # Errors
/// The database's.
pub async fn of_project(
    conn: &mut Conn,
    org: &OrgId,
    project: &ProjectId,
    after: Option<&UserId>,
    limit: i64,
) -> Result<Vec<ServiceAccount>> {
    conn.query(
        "SELECT u.id, m.id, u.project_id, u.user_name, u.description, u.owner_id, m.state, u.created_at
         FROM users u JOIN memberships m ON m.user_id = u.id AND m.org_id = u.org_id
         WHERE u.project_id = $4 AND u.state <> 'deleted' AND u.org_id = $1 AND u.id > $2 ORDER BY u.id LIMIT $3",
    )
    .bind(org.as_str().to_owned())
    .bind(after.map(|id| id.as_str().to_owned()).unwrap_or_default())
    .bind(limit)
    .bind(project.as_str().to_owned())
    .all()
    .await
}
