//! Memberships, for reading. Only an access edit writes them.

use super::db::{Cells, Conn, Record, Result};
use crate::domain::people::user::MembershipState;
use crate::kernel::id::{MembershipId, OrgId, UserId};

/// A membership.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Its id.
    pub id: MembershipId,
    /// The organisation.
    pub org: OrgId,
    /// The account.
    pub user: UserId,
    /// Its state.
    pub state: MembershipState,
}

impl Record for Membership {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: MembershipId::trusted(cells.take()?),
            org: OrgId::trusted(cells.take()?),
            user: UserId::trusted(cells.take()?),
            state: cells.parse()?,
        })
    }
}

/// A membership by its id, in its organisation only.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, org: &OrgId, id: &MembershipId) -> Result<Option<Membership>> {
    conn.query("SELECT id, org_id, user_id, state FROM memberships WHERE org_id = $1 AND id = $2")
        .bind(org.as_str().to_owned())
        .bind(id.as_str().to_owned())
        .optional()
        .await
}

/// A user's membership in an organisation.
///
/// # Errors
/// The database's.
pub async fn of_user(conn: &mut Conn, org: &OrgId, user: &UserId) -> Result<Option<Membership>> {
    conn.query("SELECT id, org_id, user_id, state FROM memberships WHERE org_id = $1 AND user_id = $2")
        .bind(org.as_str().to_owned())
        .bind(user.as_str().to_owned())
        .optional()
        .await
}

/// Every membership of a user, in the order of organisations.
///
/// # Errors
/// The database's.
pub async fn all_of_user(conn: &mut Conn, user: &UserId) -> Result<Vec<(OrgId, MembershipId)>> {
    let rows: Vec<(String, String)> = conn
        .query("SELECT org_id, id FROM memberships WHERE user_id = $1 ORDER BY org_id")
        .bind(user.as_str().to_owned())
        .all()
        .await?;
    Ok(rows.into_iter().map(|(org, id)| (OrgId::trusted(org), MembershipId::trusted(id))).collect())
}

/// Every membership of an organisation.
///
/// # Errors
/// The database's.
pub async fn ids_of_org(conn: &mut Conn, org: &OrgId) -> Result<Vec<MembershipId>> {
    let rows: Vec<(String,)> = conn
        .query("SELECT id FROM memberships WHERE org_id = $1 ORDER BY id")
        .bind(org.as_str().to_owned())
        .all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| MembershipId::trusted(id)).collect())
}

/// An organisation that a person can enter.
#[derive(Clone, Debug)]
pub struct Entrance {
    /// The organisation.
    pub org: OrgId,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// The membership.
    pub member: MembershipId,
    /// The membership's epoch.
    pub epoch: i64,
    /// Whether the member owns the organisation.
    pub owner: bool,
    /// How long a browser session may stand idle here; `None` is the instance's.
    pub session_idle: Option<i64>,
    /// How long a session entry lives at most; `None` is the instance's.
    pub session_absolute: Option<i64>,
}

impl Record for Entrance {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let org = OrgId::trusted(cells.take()?);
        let (slug, name) = (cells.take()?, cells.take()?);
        let member = MembershipId::trusted(cells.take()?);
        let epoch = cells.take()?;
        let owner: Option<String> = cells.take()?;
        let owner = owner.as_deref() == Some(member.as_str());
        Ok(Self { org, slug, name, member, epoch, owner, session_idle: cells.take()?, session_absolute: cells.take()? })
    }
}

/// The organisations in which a user is an active member, by name.
///
/// # Errors
/// The database's.
pub async fn entrances(conn: &mut Conn, user: &UserId) -> Result<Vec<Entrance>> {
    conn.query(
        "SELECT o.id, o.slug, o.name, m.id, m.epoch, o.owner_id, o.session_idle_ms, o.session_absolute_ms
         FROM memberships m JOIN orgs o ON o.id = m.org_id JOIN users u ON u.id = m.user_id
         WHERE m.user_id = $1 AND m.state = 'active' AND o.state = 'active' AND u.state = 'active' ORDER BY o.slug",
    )
    .bind(user.as_str().to_owned())
    .all()
    .await
}

/// The one organisation, if the user is an active member of it.
///
/// # Errors
/// The database's.
pub async fn entrance(conn: &mut Conn, user: &UserId, org: &OrgId) -> Result<Option<Entrance>> {
    conn.query(
        "SELECT o.id, o.slug, o.name, m.id, m.epoch, o.owner_id, o.session_idle_ms, o.session_absolute_ms
         FROM memberships m JOIN orgs o ON o.id = m.org_id JOIN users u ON u.id = m.user_id
         WHERE m.user_id = $1 AND m.org_id = $2 AND m.state = 'active' AND o.state = 'active' AND u.state = 'active'",
    )
    .bind(user.as_str().to_owned())
    .bind(org.as_str().to_owned())
    .optional()
    .await
}

/// The members of an organisation with their accounts, by user name.
///
/// # Errors
/// The database's.
pub async fn of_org(conn: &mut Conn, org: &OrgId) -> Result<Vec<(Membership, String)>> {
    struct Named(Membership, String);
    impl Record for Named {
        fn read(cells: &mut Cells<'_>) -> Result<Self> {
            Ok(Self(Membership::read(cells)?, cells.take()?))
        }
    }
    let rows: Vec<Named> = conn
        .query(
            "SELECT m.id, m.org_id, m.user_id, m.state, u.user_name FROM memberships m JOIN users u ON u.id = m.user_id
             WHERE m.org_id = $1 ORDER BY u.user_name, m.id",
        )
        .bind(org.as_str().to_owned())
        .all()
        .await?;
    Ok(rows.into_iter().map(|Named(member, name)| (member, name)).collect())
}
