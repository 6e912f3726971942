//! Access keys: long-lived ids and secrets for tools. Their secrets are here as digests only.

use super::db::{Cells, Conn, Record, Result};
use crate::kernel::id::{AccessKeyId, MembershipId, OrgId, ProjectId, UserId};
use crate::kernel::time::UnixMillis;

/// A key, as lists show it: never a secret.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// Its id, which is the `client_id` at the token endpoint.
    pub id: AccessKeyId,
    /// The project that it is for.
    pub project: ProjectId,
    /// Whose: a member, or a service account's membership.
    pub member: MembershipId,
    /// The account.
    pub user: UserId,
    /// What people call it.
    pub name: String,
    /// `active`, `disabled` or `ended`.
    pub state: String,
    /// When it ends.
    pub expires_at: UnixMillis,
    /// When it was used last, to the minute.
    pub last_used_at: Option<UnixMillis>,
    /// The label of whoever made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Why it ended, if it did.
    pub end_reason: Option<String>,
}

impl Record for AccessKey {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: AccessKeyId::trusted(cells.take()?),
            project: ProjectId::trusted(cells.take()?),
            member: MembershipId::trusted(cells.take()?),
            user: UserId::trusted(cells.take()?),
            name: cells.take()?,
            state: cells.take()?,
            expires_at: UnixMillis(cells.take()?),
            last_used_at: cells.take::<Option<i64>>()?.map(UnixMillis),
            created_by: cells.take()?,
            created_at: UnixMillis(cells.take()?),
            end_reason: cells.take()?,
        })
    }
}

/// A key by its id, in its organisation only.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, org: &OrgId, id: &AccessKeyId) -> Result<Option<AccessKey>> {
    conn.query(
        "SELECT id, project_id, membership_id, user_id, name, state, expires_at, last_used_at, created_by, created_at,
         end_reason FROM access_keys WHERE org_id = $1 AND id = $2",
    )
    .bind(org.as_str().to_owned())
    .bind(id.as_str().to_owned())
    .optional()
    .await
}
