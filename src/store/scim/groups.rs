//! What connections say of the groups that they own, for reading: one by one, by what filters ask for, in pages, and
//! who is in them. No function but the last three reads a member's row.

use super::{Stretch, is_storable, no_index, rows, stretch};
use crate::domain::scim::Object;
use crate::domain::scim::plan::Lookup;
use crate::kernel::id::{ConnectionId, GroupId, MembershipId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::db::{Cells, Conn, LIST, Record, Result};

/// A provisioned group.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The group: its id is the resource's.
    pub group: GroupId,
    /// Its name, as sent.
    pub name: String,
    /// The attributes in canonical form, without id, meta and members.
    pub object: Object,
    /// Rises with every change, also of who is in it.
    pub version: i64,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it, or who is in it, was changed last.
    pub modified_at: UnixMillis,
}

impl Record for Stored {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            group: GroupId::trusted(cells.take()?),
            name: cells.take()?,
            object: cells.json()?,
            version: cells.take()?,
            created_at: UnixMillis(cells.take()?),
            modified_at: UnixMillis(cells.take()?),
        })
    }
}

/// A group that a connection owns.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, connection: &ConnectionId, group: &GroupId) -> Result<Option<Stored>> {
    if !is_storable(group.as_str()) {
        return Ok(None);
    }
    conn.query(
        "SELECT s.group_id, g.name, s.resource, s.version, s.created_at, s.modified_at
         FROM scim_groups s JOIN groups g ON g.id = s.group_id WHERE s.connection_id = $1 AND s.group_id = $2",
    )
    .bind(connection.as_str().to_owned())
    .bind(group.as_str().to_owned())
    .optional()
    .await
}

const BY_ID: &str = "SELECT s.group_id, g.name, s.resource, s.version, s.created_at, s.modified_at
     FROM scim_groups s JOIN groups g ON g.id = s.group_id WHERE s.connection_id = $1 AND s.group_id = $2 LIMIT $3";
const BY_NAME: &str = "SELECT s.group_id, g.name, s.resource, s.version, s.created_at, s.modified_at
     FROM scim_groups s JOIN groups g ON g.id = s.group_id WHERE s.connection_id = $1 AND s.name_key = $2 LIMIT $3";
const BY_EXTERNAL_ID: &str = "SELECT s.group_id, g.name, s.resource, s.version, s.created_at, s.modified_at
     FROM scim_groups s JOIN groups g ON g.id = s.group_id WHERE s.connection_id = $1 AND s.external_id = $2
     LIMIT $3";
// Read in this order: from the member, never from all that the connection owns.
const BY_MEMBER: &str = "SELECT s.group_id, g.name, s.resource, s.version, s.created_at, s.modified_at
     FROM scim_users u CROSS JOIN group_members e CROSS JOIN scim_groups s CROSS JOIN groups g
     WHERE u.connection_id = $1 AND u.user_id = $2 AND e.membership_id = u.membership_id AND s.group_id = e.group_id
       AND s.connection_id = $1 AND g.id = s.group_id
     LIMIT $3";
const MODIFIED_SINCE: &str = "SELECT s.group_id, g.name, s.resource, s.version, s.created_at, s.modified_at
     FROM scim_groups s JOIN groups g ON g.id = s.group_id WHERE s.connection_id = $1 AND s.modified_at >= $2
     LIMIT $3";

/// The groups that a look-up leads to, of one connection, in the order of their ids; `Member` names an account that is
/// in them. Which are left out when there are more than `limit` is not said. Groups have neither user names nor addresses.
///
/// # Errors
/// The database's; or there is no index for it (`Scan`).
pub async fn look_up(conn: &mut Conn, connection: &ConnectionId, lookup: &Lookup, limit: usize) -> Result<Vec<Stored>> {
    let mut found = sought(conn, connection, lookup, rows(limit)).await?;
    found.sort_unstable_by(|left, right| left.group.cmp(&right.group));
    Ok(found)
}

async fn sought(conn: &mut Conn, connection: &ConnectionId, lookup: &Lookup, limit: i64) -> Result<Vec<Stored>> {
    let (sql, sought) = match lookup {
        Lookup::Id(id) => (BY_ID, id),
        Lookup::DisplayName(key) => (BY_NAME, key),
        Lookup::ExternalId(id) => (BY_EXTERNAL_ID, id),
        Lookup::Member(user) => (BY_MEMBER, user),
        Lookup::ModifiedSince(at) => {
            let query = conn.query(MODIFIED_SINCE).bind(connection.as_str().to_owned());
            return query.bind(*at).bind(limit).all().await;
        }
        Lookup::UserName(_) | Lookup::Email { .. } => return Ok(Vec::new()),
        Lookup::Scan => return Err(no_index("groups")),
    };
    if !is_storable(sought) {
        return Ok(Vec::new());
    }
    conn.query(sql).bind(connection.as_str().to_owned()).bind(sought.clone()).bind(limit).all().await
}

/// So many groups of a connection behind an id, in the order of their ids; `""` is the beginning.
///
/// # Errors
/// The database's.
pub async fn after(conn: &mut Conn, connection: &ConnectionId, after: &str, limit: usize) -> Result<Vec<Stored>> {
    conn.query(
        "SELECT s.group_id, g.name, s.resource, s.version, s.created_at, s.modified_at
         FROM scim_groups s JOIN groups g ON g.id = s.group_id
         WHERE s.connection_id = $1 AND s.group_id > $2 ORDER BY s.group_id LIMIT $3",
    )
    .bind(connection.as_str().to_owned())
    .bind(after.to_owned())
    .bind(rows(limit))
    .all()
    .await
}

/// So many groups of a connection behind the first `offset` of `total`, in the order of their ids; counted like users.
///
/// # Errors
/// The database's.
pub async fn at_offset(
    conn: &mut Conn,
    connection: &ConnectionId,
    offset: usize,
    limit: usize,
    total: i64,
) -> Result<Vec<Stored>> {
    let Some(Stretch { from_end, skip, take }) = stretch(offset, limit, total) else {
        return Ok(Vec::new());
    };
    let sql = if from_end {
        "SELECT s.group_id, g.name, s.resource, s.version, s.created_at, s.modified_at
         FROM scim_groups s JOIN groups g ON g.id = s.group_id
         WHERE s.connection_id = $1 AND s.group_id <=
           (SELECT group_id FROM scim_groups WHERE connection_id = $1 ORDER BY group_id DESC LIMIT 1 OFFSET $2)
         ORDER BY s.group_id DESC LIMIT $3"
    } else {
        "SELECT s.group_id, g.name, s.resource, s.version, s.created_at, s.modified_at
         FROM scim_groups s JOIN groups g ON g.id = s.group_id
         WHERE s.connection_id = $1 AND s.group_id >=
           (SELECT group_id FROM scim_groups WHERE connection_id = $1 ORDER BY group_id LIMIT 1 OFFSET $2)
         ORDER BY s.group_id LIMIT $3"
    };
    let mut page: Vec<Stored> =
        conn.query(sql).bind(connection.as_str().to_owned()).bind(skip).bind(take).all().await?;
    if from_end {
        page.reverse();
    }
    Ok(page)
}

/// So many members of a group behind a membership, in the order of memberships (`""` is the beginning): the membership,
/// the account, and what people see.
///
/// # Errors
/// The database's.
pub async fn members_page(
    conn: &mut Conn,
    group: &GroupId,
    after: &str,
    limit: usize,
) -> Result<Vec<(MembershipId, UserId, String)>> {
    let page: Vec<(String, String, String)> = conn
        .query(
            "SELECT e.membership_id, u.id, COALESCE(NULLIF(u.name, ''), u.user_name)
             FROM group_members e JOIN memberships m ON m.id = e.membership_id JOIN users u ON u.id = m.user_id
             WHERE e.group_id = $1 AND e.membership_id > $2 ORDER BY e.membership_id LIMIT $3",
        )
        .bind(group.as_str().to_owned())
        .bind(after.to_owned())
        .bind(rows(limit))
        .all()
        .await?;
    Ok(page
        .into_iter()
        .map(|(member, user, name)| (MembershipId::trusted(member), UserId::trusted(user), name))
        .collect())
}

/// The members of some groups, in the order of groups and memberships: the account, and what people see.
///
/// # Errors
/// The database's.
pub async fn members_of_many(conn: &mut Conn, groups: &[GroupId]) -> Result<Vec<(GroupId, UserId, String)>> {
    let ids: Vec<String> = groups.iter().map(|id| id.as_str().to_owned()).collect();
    let mut found = Vec::new();
    for chunk in ids.chunks(LIST) {
        let rows: Vec<(String, String, String)> = conn
            .query_in(
                "SELECT e.group_id, u.id, COALESCE(NULLIF(u.name, ''), u.user_name)
                 FROM group_members e JOIN memberships m ON m.id = e.membership_id JOIN users u ON u.id = m.user_id
                 WHERE e.group_id IN (@) ORDER BY e.group_id, e.membership_id",
                chunk,
            )
            .all()
            .await?;
        found
            .extend(rows.into_iter().map(|(group, user, name)| (GroupId::trusted(group), UserId::trusted(user), name)));
    }
    Ok(found)
}

/// Whether an account is in a group.
///
/// # Errors
/// The database's.
pub async fn is_member(conn: &mut Conn, group: &GroupId, user: &UserId) -> Result<bool> {
    let found: Option<(String,)> = conn
        .query(
            // Read in this order: never along all members of the group.
            "SELECT e.membership_id FROM memberships m CROSS JOIN group_members e
             WHERE m.user_id = $2 AND e.group_id = $1 AND e.membership_id = m.id",
        )
        .bind(group.as_str().to_owned())
        .bind(user.as_str().to_owned())
        .optional()
        .await?;
    Ok(found.is_some())
}
