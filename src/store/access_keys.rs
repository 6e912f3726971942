//! Access keys: long-lived ids and secrets for tools. Their secrets are here as digests only.
//!
//! Only an access edit makes, changes and ends them; what is written here besides is when one was used last.

use super::db::{Cells, Conn, Record, Result, Tx, corrupt};
use super::families::MemberCells;
use crate::domain::standing::MemberStanding;
use crate::kernel::id::{AccessKeyId, MembershipId, OrgId, ProjectId, UserId};
use crate::kernel::secret::Digest;
use crate::kernel::time::{MINUTE, UnixMillis};

/// A key, as lists show it: never a secret.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// Its id, which is the `client_id` at the token endpoint.
    pub id: AccessKeyId,
    /// The project that it is for.
    pub project: ProjectId,
    /// That project's key.
    pub project_key: String,
    /// Whose: a member, or a service account's membership.
    pub member: MembershipId,
    /// The account.
    pub user: UserId,
    /// The account's user name.
    pub user_name: String,
    /// Whether the account is a service account.
    pub service: bool,
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
            project_key: cells.take()?,
            member: MembershipId::trusted(cells.take()?),
            user: UserId::trusted(cells.take()?),
            user_name: cells.take()?,
            service: cells.take::<Option<String>>()?.is_some(),
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
        "SELECT k.id, k.project_id, p.project_key, k.membership_id, k.user_id, u.user_name, u.project_id, k.name, k.state,
           k.expires_at, k.last_used_at, k.created_by, k.created_at, k.end_reason
         FROM access_keys k JOIN projects p ON p.id = k.project_id JOIN users u ON u.id = k.user_id
         WHERE k.org_id = $1 AND k.id = $2",
    )
    .bind(org.as_str().to_owned())
    .bind(id.as_str().to_owned())
    .optional()
    .await
}

/// Which keys a list shows, and how many.
#[derive(Clone, Debug)]
pub struct Page {
    /// Those alone whose time is over at this moment; all when `None`.
    pub expired_at: Option<UnixMillis>,
    /// Those that come after this one.
    pub after: Option<AccessKeyId>,
    /// At most so many.
    pub limit: i64,
}

impl Page {
    fn expired_at(&self) -> i64 {
        self.expired_at.unwrap_or(UnixMillis::MAX).0
    }

    fn after(&self) -> String {
        self.after.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default()
    }
}

/// The keys of an organisation, in the order of their making.
///
/// # Errors
/// The database's.
pub async fn of_org(conn: &mut Conn, org: &OrgId, page: &Page) -> Result<Vec<AccessKey>> {
    conn.query(
        "SELECT k.id, k.project_id, p.project_key, k.membership_id, k.user_id, u.user_name, u.project_id, k.name, k.state,
           k.expires_at, k.last_used_at, k.created_by, k.created_at, k.end_reason
         FROM access_keys k JOIN projects p ON p.id = k.project_id JOIN users u ON u.id = k.user_id
         WHERE k.org_id = $1 AND k.id > $2 AND k.expires_at <= $3 ORDER BY k.id LIMIT $4",
    )
    .bind(org.as_str().to_owned())
    .bind(page.after())
    .bind(page.expired_at())
    .bind(page.limit)
    .all()
    .await
}

/// The keys of one project, in the order of their making.
///
/// # Errors
/// The database's.
pub async fn of_project(conn: &mut Conn, org: &OrgId, project: &ProjectId, page: &Page) -> Result<Vec<AccessKey>> {
    conn.query(
        "SELECT k.id, k.project_id, p.project_key, k.membership_id, k.user_id, u.user_name, u.project_id, k.name, k.state,
           k.expires_at, k.last_used_at, k.created_by, k.created_at, k.end_reason
         FROM access_keys k JOIN projects p ON p.id = k.project_id JOIN users u ON u.id = k.user_id
         WHERE k.project_id = $5 AND k.org_id = $1 AND k.id > $2 AND k.expires_at <= $3 ORDER BY k.id LIMIT $4",
    )
    .bind(org.as_str().to_owned())
    .bind(page.after())
    .bind(page.expired_at())
    .bind(page.limit)
    .bind(project.as_str().to_owned())
    .all()
    .await
}

/// The keys of one member, in the order of their making: two for each project, and those that have ended.
///
/// # Errors
/// The database's.
pub async fn of_member(conn: &mut Conn, org: &OrgId, member: &MembershipId) -> Result<Vec<AccessKey>> {
    conn.query(
        "SELECT k.id, k.project_id, p.project_key, k.membership_id, k.user_id, u.user_name, u.project_id, k.name, k.state,
           k.expires_at, k.last_used_at, k.created_by, k.created_at, k.end_reason
         FROM access_keys k JOIN projects p ON p.id = k.project_id JOIN users u ON u.id = k.user_id
         WHERE k.membership_id = $2 AND k.org_id = $1 ORDER BY k.id",
    )
    .bind(org.as_str().to_owned())
    .bind(member.as_str().to_owned())
    .all()
    .await
}

/// How many keys a member has on a project that have not ended, disabled ones included.
///
/// # Errors
/// The database's.
pub async fn count(conn: &mut Conn, member: &MembershipId, project: &ProjectId) -> Result<i64> {
    let (count,): (i64,) = conn
        .query("SELECT COUNT(*) FROM access_keys WHERE membership_id = $1 AND project_id = $2 AND state <> 'ended'")
        .bind(member.as_str().to_owned())
        .bind(project.as_str().to_owned())
        .one()
        .await?;
    Ok(count)
}

/// A key with everything that its validity hangs on, as of one read.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The key.
    pub id: AccessKeyId,
    /// Its organisation.
    pub org: OrgId,
    /// The project that it is for.
    pub project: ProjectId,
    /// That project's key.
    pub project_key: String,
    /// Whose it is.
    pub user: UserId,
    /// The secret's digest.
    pub secret: Digest,
    /// Whether it is neither disabled nor ended.
    pub active: bool,
    /// Tokens that were made from it up to this moment are refused.
    pub tokens_from: UnixMillis,
    /// When it ends.
    pub expires_at: UnixMillis,
    /// When it was used last, to the minute.
    pub last_used_at: Option<UnixMillis>,
    /// Whether the account is active.
    pub user_active: bool,
    /// Whether the account is a service account.
    pub service: bool,
    /// Whether the member is restricted to some applications.
    pub restricted: bool,
    /// The membership; `None` when it is gone, or somebody else's.
    pub member: Option<MemberStanding>,
    /// Whether the token that was asked about was revoked by itself.
    pub token_revoked: bool,
}

impl Record for Standing {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let id = AccessKeyId::trusted(cells.take()?);
        let org = OrgId::trusted(cells.take()?);
        let (project, project_key) = (ProjectId::trusted(cells.take()?), cells.take()?);
        let user = UserId::trusted(cells.take()?);
        let secret: Vec<u8> = cells.take()?;
        Ok(Self {
            secret: Digest::from_slice(&secret).ok_or_else(|| corrupt("secret of an access key"))?,
            id,
            org,
            project,
            project_key,
            user,
            active: cells.take::<String>()? == "active",
            tokens_from: UnixMillis(cells.take()?),
            expires_at: UnixMillis(cells.take()?),
            last_used_at: cells.take::<Option<i64>>()?.map(UnixMillis),
            user_active: cells.take::<String>()? == "active",
            service: cells.take::<Option<String>>()?.is_some(),
            restricted: cells.take::<Option<String>>()?.is_some(),
            member: MemberCells::read(cells)?.0,
            token_revoked: cells.take()?,
        })
    }
}

/// A key with its standing, by one statement; `jti` is the token that is asked about, or empty.
///
/// # Errors
/// The database's.
pub async fn standing(conn: &mut Conn, id: &AccessKeyId, jti: &str) -> Result<Option<Standing>> {
    conn.query(
        "SELECT k.id, k.org_id, k.project_id, p.project_key, k.user_id, k.secret_hash, k.state, k.tokens_from,
           k.expires_at, k.last_used_at, u.state, u.project_id, m.restricted_to,
           m.id, m.state, m.acv, m.acv_least, m.epoch, o.state, o.slug, o.owner_id,
           EXISTS (SELECT 1 FROM revoked_tokens r WHERE r.jti = $2)
         FROM access_keys k
         JOIN users u ON u.id = k.user_id
         JOIN projects p ON p.id = k.project_id
         JOIN orgs o ON o.id = k.org_id
         LEFT JOIN memberships m ON m.id = k.membership_id AND m.user_id = k.user_id AND m.org_id = k.org_id
         WHERE k.id = $1",
    )
    .bind(id.as_str().to_owned())
    .bind(jti.to_owned())
    .optional()
    .await
}

/// Notes that a key was used, at most once a minute.
///
/// # Errors
/// The database's.
pub async fn note_use(tx: &mut Tx, id: &AccessKeyId, now: UnixMillis) -> Result<()> {
    tx.query("UPDATE access_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)")
        .bind(id.as_str().to_owned())
        .bind(now.0)
        .bind(now.minus(MINUTE).0)
        .execute()
        .await
        .map(|_| ())
}
