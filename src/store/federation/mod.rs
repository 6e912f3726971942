//! Sign-in through connections: how it is set up, sign-ins under way, who somebody is upstream, and what mappings give.
//!
//! Set-ups, identities and mapped places are read here; an access edit alone writes them.

pub mod flows;
pub mod identities;
pub mod log;
pub mod polls;
pub mod replays;
pub mod upstreams;

use super::db::{Cells, Conn, LIST, Record, Result, corrupt};
use crate::domain::source::Source;
use crate::kernel::id::{ConnectionId, GroupId, MembershipId, OrgId};
use crate::kernel::time::UnixMillis;

/// Whether a text can stand in a column at all; what can't is in no row.
fn is_storable(text: &str) -> bool {
    !text.contains('\0')
}

/// The members of an organisation who may sign in with a password though a connection is enforced: those who were made
/// so, have a password, and belong to no connection. Whether they administer anything is for the caller to judge.
///
/// # Errors
/// The database's.
pub async fn break_glass_of(conn: &mut Conn, org: &OrgId) -> Result<Vec<MembershipId>> {
    let rows: Vec<(String,)> = conn
        .query(
            "SELECT m.id FROM memberships m JOIN users u ON u.id = m.user_id
             WHERE m.org_id = $1 AND m.break_glass = TRUE AND m.state = 'active' AND u.state = 'active'
               AND u.password IS NOT NULL AND u.access_type = 'password'
               AND SUBSTR(u.source, 1, 5) NOT IN ('scim:', 'oidc:') ORDER BY m.id",
        )
        .bind(org.as_str().to_owned())
        .all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| MembershipId::trusted(id)).collect())
}

/// Whether a member was made one who may sign in with a password though a connection is enforced; what else that takes
/// is not asked.
///
/// # Errors
/// The database's.
pub async fn is_marked_break_glass(conn: &mut Conn, member: &MembershipId) -> Result<bool> {
    let row: Option<(bool,)> = conn
        .query("SELECT break_glass FROM memberships WHERE id = $1")
        .bind(member.as_str().to_owned())
        .optional()
        .await?;
    Ok(row.is_some_and(|(marked,)| marked))
}

/// A place in a group that a connection's mapping gave.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MappedPlace {
    /// The group.
    pub group: GroupId,
    /// Whose place it is.
    pub member: MembershipId,
    /// The connection.
    pub connection: ConnectionId,
    /// When it is over unless it is renewed.
    pub expires_at: UnixMillis,
}

impl Record for MappedPlace {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let (group, member) = (GroupId::trusted(cells.take()?), MembershipId::trusted(cells.take()?));
        let source: Source = cells.parse().map_err(|_: sqlx::Error| corrupt("source of a place in a group"))?;
        let connection = source.connection().ok_or_else(|| corrupt("source of a mapped place"))?;
        let connection = ConnectionId::trusted(connection.to_owned());
        Ok(Self { group, member, connection, expires_at: UnixMillis(cells.take()?) })
    }
}

/// The places in groups that mappings gave a member, over or not.
///
/// # Errors
/// The database's.
pub async fn mapped_places(conn: &mut Conn, member: &MembershipId) -> Result<Vec<MappedPlace>> {
    conn.query(
        "SELECT group_id, membership_id, source, expires_at FROM group_members
         WHERE membership_id = $1 AND expires_at IS NOT NULL ORDER BY group_id",
    )
    .bind(member.as_str().to_owned())
    .all()
    .await
}

/// Which of these members' places in a group a mapping gave.
///
/// # Errors
/// The database's.
pub async fn mapped_among(conn: &mut Conn, group: &GroupId, members: &[MembershipId]) -> Result<Vec<MappedPlace>> {
    let ids: Vec<String> = members.iter().map(|id| id.as_str().to_owned()).collect();
    let mut found = Vec::new();
    for chunk in ids.chunks(LIST) {
        let rows: Vec<MappedPlace> = conn
            .query_in(
                "SELECT group_id, membership_id, source, expires_at FROM group_members
                 WHERE membership_id IN (@) AND group_id = $$1 AND expires_at IS NOT NULL ORDER BY membership_id",
                chunk,
            )
            .bind(group.as_str().to_owned())
            .all()
            .await?;
        found.extend(rows);
    }
    Ok(found)
}
