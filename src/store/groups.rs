//! Groups and who is in them, for reading. Only an access edit writes them.

use std::collections::BTreeSet;

use super::db::{Cells, Conn, LIST, Record, Result};
use super::picture::{Gathered, ROW};
use crate::domain::source::Source;
use crate::kernel::id::{GroupId, MembershipId, OrgId, UserId};
use crate::kernel::time::UnixMillis;

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its name as typed.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it comes from.
    pub source: Source,
}

impl Record for Group {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: GroupId::trusted(cells.take()?),
            name: cells.take()?,
            description: cells.take()?,
            source: cells.parse()?,
        })
    }
}

/// A group by its id, in its organisation only.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, org: &OrgId, id: &GroupId) -> Result<Option<Group>> {
    conn.query("SELECT id, name, description, source FROM groups WHERE org_id = $1 AND id = $2")
        .bind(org.as_str().to_owned())
        .bind(id.as_str().to_owned())
        .optional()
        .await
}

/// The groups of an organisation, by name.
///
/// # Errors
/// The database's.
pub async fn of_org(conn: &mut Conn, org: &OrgId) -> Result<Vec<Group>> {
    conn.query("SELECT id, name, description, source FROM groups WHERE org_id = $1 ORDER BY name_key")
        .bind(org.as_str().to_owned())
        .all()
        .await
}

/// Who is in a group.
///
/// # Errors
/// The database's.
pub async fn member_ids(conn: &mut Conn, group: &GroupId) -> Result<Vec<MembershipId>> {
    // In one text: many rows that cross from the embedded database's thread one by one cost more than finding them.
    let gathered: Gathered = conn
        .query("SELECT string_agg(membership_id, $2 ORDER BY membership_id) FROM group_members WHERE group_id = $1")
        .bind(group.as_str().to_owned())
        .bind(ROW.to_string())
        .one()
        .await?;
    Ok(gathered.rows().map(|id| MembershipId::trusted(id.to_owned())).collect())
}

/// Who is in a group to stay, and whom a mapping put there for a while.
///
/// # Errors
/// The database's.
pub async fn places(conn: &mut Conn, group: &GroupId) -> Result<(BTreeSet<MembershipId>, BTreeSet<MembershipId>)> {
    let rows: Vec<(String, bool)> = conn
        .query("SELECT membership_id, expires_at IS NOT NULL FROM group_members WHERE group_id = $1")
        .bind(group.as_str().to_owned())
        .all()
        .await?;
    let (mut stay, mut mapped) = (BTreeSet::new(), BTreeSet::new());
    for (member, ends) in rows {
        let those = if ends { &mut mapped } else { &mut stay };
        those.insert(MembershipId::trusted(member));
    }
    Ok((stay, mapped))
}

/// Which of these members are in a group: as many rows as are asked for, however large the group is.
///
/// # Errors
/// The database's.
pub async fn members_among(
    conn: &mut Conn,
    group: &GroupId,
    members: &[MembershipId],
) -> Result<BTreeSet<MembershipId>> {
    let ids: Vec<String> = members.iter().map(|id| id.as_str().to_owned()).collect();
    let mut found = BTreeSet::new();
    for chunk in ids.chunks(LIST) {
        let rows: Vec<(String,)> = conn
            .query_in("SELECT membership_id FROM group_members WHERE membership_id IN (@) AND group_id = $$1", chunk)
            .bind(group.as_str().to_owned())
            .all()
            .await?;
        found.extend(rows.into_iter().map(|(id,)| MembershipId::trusted(id)));
    }
    Ok(found)
}

/// How many are in a group.
///
/// # Errors
/// The database's.
pub async fn count_members(conn: &mut Conn, group: &GroupId) -> Result<i64> {
    let (count,): (i64,) = conn
        .query("SELECT COUNT(*) FROM group_members WHERE group_id = $1")
        .bind(group.as_str().to_owned())
        .one()
        .await?;
    Ok(count)
}

/// How many are in each of some groups; those that nobody is in are left out.
///
/// # Errors
/// The database's.
pub async fn count_members_of(conn: &mut Conn, groups: &[GroupId]) -> Result<Vec<(GroupId, i64)>> {
    let ids: Vec<String> = groups.iter().map(|id| id.as_str().to_owned()).collect();
    let mut counts = Vec::new();
    for chunk in ids.chunks(LIST) {
        let rows: Vec<(String, i64)> = conn
            .query_in("SELECT group_id, COUNT(*) FROM group_members WHERE group_id IN (@) GROUP BY group_id", chunk)
            .all()
            .await?;
        counts.extend(rows.into_iter().map(|(id, count)| (GroupId::trusted(id), count)));
    }
    Ok(counts)
}

/// A member of a group, as lists show it.
#[derive(Clone, Debug)]
pub struct Member {
    /// The membership.
    pub member: MembershipId,
    /// The account.
    pub user: UserId,
    /// Its user name.
    pub user_name: String,
    /// Its name.
    pub name: String,
    /// Where its place in the group comes from.
    pub source: Source,
    /// When the place is over unless it is renewed; `None` lasts.
    pub expires_at: Option<UnixMillis>,
}

impl Record for Member {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            member: MembershipId::trusted(cells.take()?),
            user: UserId::trusted(cells.take()?),
            user_name: cells.take()?,
            name: cells.take()?,
            source: cells.parse()?,
            expires_at: cells.take::<Option<i64>>()?.map(UnixMillis),
        })
    }
}

/// So many members of a group, those behind a membership, in the order of their ids.
///
/// # Errors
/// The database's.
pub async fn members_page(conn: &mut Conn, group: &GroupId, after: &str, limit: usize) -> Result<Vec<Member>> {
    conn.query(
        "SELECT e.membership_id, u.id, u.user_name, u.name, e.source, e.expires_at
         FROM group_members e JOIN memberships m ON m.id = e.membership_id JOIN users u ON u.id = m.user_id
         WHERE e.group_id = $1 AND e.membership_id > $2 ORDER BY e.membership_id LIMIT $3",
    )
    .bind(group.as_str().to_owned())
    .bind(after.to_owned())
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .all()
    .await
}

/// The groups that a member is in.
///
/// # Errors
/// The database's.
pub async fn ids_of_member(conn: &mut Conn, member: &MembershipId) -> Result<BTreeSet<GroupId>> {
    let rows: Vec<(String,)> = conn
        .query("SELECT group_id FROM group_members WHERE membership_id = $1")
        .bind(member.as_str().to_owned())
        .all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| GroupId::trusted(id)).collect())
}

/// The names of the groups that a member is in at a moment, for the `groups` claim.
///
/// # Errors
/// The database's.
pub async fn names_of_member(conn: &mut Conn, member: &MembershipId, at: UnixMillis) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = conn
        .query(
            "SELECT g.name FROM group_members e JOIN groups g ON g.id = e.group_id
             WHERE e.membership_id = $1 AND (e.expires_at IS NULL OR e.expires_at > $2)
             ORDER BY g.name_key",
        )
        .bind(member.as_str().to_owned())
        .bind(at.0)
        .all()
        .await?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}
