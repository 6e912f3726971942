//! What connections say of the accounts that they own, for reading: one by one, by what filters ask for, and in pages.

use std::collections::BTreeMap;

use super::{Stretch, is_storable, no_index, rows, stretch};
use crate::domain::scim::Object;
use crate::domain::scim::plan::Lookup;
use crate::kernel::id::{ConnectionId, GroupId, MembershipId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::db::{Cells, Conn, LIST, Record, Result};

/// A provisioned account.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The account: its id is the resource's.
    pub user: UserId,
    /// Its membership in the connection's organisation.
    pub member: MembershipId,
    /// Whose it is.
    pub connection: ConnectionId,
    /// What upstream says.
    pub active: bool,
    /// The attributes in canonical form, without id, meta, groups and password.
    pub object: Object,
    /// Rises with every change.
    pub version: i64,
    /// When it was made, or taken over.
    pub created_at: UnixMillis,
    /// When it was changed last.
    pub modified_at: UnixMillis,
}

impl Record for Stored {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            user: UserId::trusted(cells.take()?),
            member: MembershipId::trusted(cells.take()?),
            connection: ConnectionId::trusted(cells.take()?),
            active: cells.take()?,
            object: cells.json()?,
            version: cells.take()?,
            created_at: UnixMillis(cells.take()?),
            modified_at: UnixMillis(cells.take()?),
        })
    }
}

/// An account that a connection owns.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, connection: &ConnectionId, user: &UserId) -> Result<Option<Stored>> {
    if !is_storable(user.as_str()) {
        return Ok(None);
    }
    conn.query(
        "SELECT user_id, membership_id, connection_id, active, resource, version, created_at, modified_at
         FROM scim_users WHERE connection_id = $1 AND user_id = $2",
    )
    .bind(connection.as_str().to_owned())
    .bind(user.as_str().to_owned())
    .optional()
    .await
}

const BY_ID: &str = "SELECT user_id, membership_id, connection_id, active, resource, version, created_at, modified_at
     FROM scim_users WHERE connection_id = $1 AND user_id = $2 LIMIT $3";
const BY_USER_NAME: &str =
    "SELECT user_id, membership_id, connection_id, active, resource, version, created_at, modified_at
     FROM scim_users WHERE connection_id = $1 AND user_name_key = $2 LIMIT $3";
const BY_EXTERNAL_ID: &str =
    "SELECT user_id, membership_id, connection_id, active, resource, version, created_at, modified_at
     FROM scim_users WHERE connection_id = $1 AND external_id = $2 LIMIT $3";
// An address may stand under several types: the list of ids keeps one row one.
const BY_EMAIL: &str = "SELECT user_id, membership_id, connection_id, active, resource, version, created_at, modified_at
     FROM scim_users
     WHERE connection_id = $1 AND user_id IN (SELECT user_id FROM scim_emails WHERE connection_id = $1 AND value_key = $2)
     LIMIT $3";
const BY_EMAIL_OF_TYPE: &str =
    "SELECT user_id, membership_id, connection_id, active, resource, version, created_at, modified_at
     FROM scim_users
     WHERE connection_id = $1 AND user_id IN
       (SELECT user_id FROM scim_emails WHERE connection_id = $1 AND value_key = $2 AND type_key = $4)
     LIMIT $3";
// Read in this order: from the group, never from all that the connection owns.
const BY_GROUP: &str =
    "SELECT u.user_id, u.membership_id, u.connection_id, u.active, u.resource, u.version, u.created_at, u.modified_at
     FROM scim_groups s CROSS JOIN group_members e CROSS JOIN memberships m CROSS JOIN scim_users u
     WHERE s.connection_id = $1 AND s.group_id = $2 AND e.group_id = s.group_id AND m.id = e.membership_id
       AND u.user_id = m.user_id AND u.connection_id = $1
     LIMIT $3";
const MODIFIED_SINCE: &str =
    "SELECT user_id, membership_id, connection_id, active, resource, version, created_at, modified_at
     FROM scim_users WHERE connection_id = $1 AND modified_at >= $2 LIMIT $3";

/// The accounts that a look-up leads to, of one connection, in the order of their ids; `Member` names a group that they
/// are in. Which are left out when there are more than `limit` is not said.
///
/// # Why
/// No statement here asks for an order: a database that is asked for the order of ids and a limit may choose to walk
/// along all ids of the connection.
///
/// # Errors
/// The database's; or there is no index for it (`Scan`, `DisplayName`).
pub async fn look_up(conn: &mut Conn, connection: &ConnectionId, lookup: &Lookup, limit: usize) -> Result<Vec<Stored>> {
    let mut found = sought(conn, connection, lookup, rows(limit)).await?;
    found.sort_unstable_by(|left, right| left.user.cmp(&right.user));
    Ok(found)
}

async fn sought(conn: &mut Conn, connection: &ConnectionId, lookup: &Lookup, limit: i64) -> Result<Vec<Stored>> {
    let (sql, sought, kind) = match lookup {
        Lookup::Id(id) => (BY_ID, id, None),
        Lookup::UserName(key) => (BY_USER_NAME, key, None),
        Lookup::ExternalId(id) => (BY_EXTERNAL_ID, id, None),
        Lookup::Email { kind: None, value } => (BY_EMAIL, value, None),
        Lookup::Email { kind: Some(kind), value } => (BY_EMAIL_OF_TYPE, value, Some(kind)),
        Lookup::Member(group) => (BY_GROUP, group, None),
        Lookup::ModifiedSince(at) => {
            let query = conn.query(MODIFIED_SINCE).bind(connection.as_str().to_owned());
            return query.bind(*at).bind(limit).all().await;
        }
        Lookup::Scan | Lookup::DisplayName(_) => return Err(no_index("users")),
    };
    if !is_storable(sought) || kind.is_some_and(|kind| !is_storable(kind)) {
        return Ok(Vec::new());
    }
    let mut query = conn.query(sql).bind(connection.as_str().to_owned()).bind(sought.clone()).bind(limit);
    if let Some(kind) = kind {
        query = query.bind(kind.clone());
    }
    query.all().await
}

/// So many accounts of a connection behind an id, in the order of their ids; `""` is the beginning.
///
/// # Errors
/// The database's.
pub async fn after(conn: &mut Conn, connection: &ConnectionId, after: &str, limit: usize) -> Result<Vec<Stored>> {
    conn.query(
        "SELECT user_id, membership_id, connection_id, active, resource, version, created_at, modified_at
         FROM scim_users WHERE connection_id = $1 AND user_id > $2 ORDER BY user_id LIMIT $3",
    )
    .bind(connection.as_str().to_owned())
    .bind(after.to_owned())
    .bind(rows(limit))
    .all()
    .await
}

/// So many accounts of a connection behind the first `offset` of `total`, in the order of their ids.
///
/// # Why
/// The keys of an index are counted from the nearer end, and rows are read from the first that is wanted on.
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
        "SELECT user_id, membership_id, connection_id, active, resource, version, created_at, modified_at
         FROM scim_users WHERE connection_id = $1 AND user_id <=
           (SELECT user_id FROM scim_users WHERE connection_id = $1 ORDER BY user_id DESC LIMIT 1 OFFSET $2)
         ORDER BY user_id DESC LIMIT $3"
    } else {
        "SELECT user_id, membership_id, connection_id, active, resource, version, created_at, modified_at
         FROM scim_users WHERE connection_id = $1 AND user_id >=
           (SELECT user_id FROM scim_users WHERE connection_id = $1 ORDER BY user_id LIMIT 1 OFFSET $2)
         ORDER BY user_id LIMIT $3"
    };
    let mut page: Vec<Stored> =
        conn.query(sql).bind(connection.as_str().to_owned()).bind(skip).bind(take).all().await?;
    if from_end {
        page.reverse();
    }
    Ok(page)
}

/// The memberships of those of some accounts that a connection owns, by the accounts' ids. What is no id of an account
/// is left out like an account of somebody else.
///
/// # Errors
/// The database's.
pub async fn members(
    conn: &mut Conn,
    connection: &ConnectionId,
    users: &[String],
) -> Result<BTreeMap<String, MembershipId>> {
    let ids: Vec<String> = users.iter().filter(|id| id.parse::<UserId>().is_ok()).cloned().collect();
    let mut found = BTreeMap::new();
    for chunk in ids.chunks(LIST) {
        let rows: Vec<(String, String)> = conn
            .query_in(
                "SELECT user_id, membership_id FROM scim_users WHERE user_id IN (@) AND connection_id = $$1",
                chunk,
            )
            .bind(connection.as_str().to_owned())
            .all()
            .await?;
        found.extend(rows.into_iter().map(|(user, member)| (user, MembershipId::trusted(member))));
    }
    Ok(found)
}

/// The groups of a connection that some members are in, each with its name, in the order of members and groups.
///
/// # Errors
/// The database's.
pub async fn groups_of(
    conn: &mut Conn,
    connection: &ConnectionId,
    members: &[MembershipId],
) -> Result<Vec<(MembershipId, GroupId, String)>> {
    let ids: Vec<String> = members.iter().map(|id| id.as_str().to_owned()).collect();
    let mut found = Vec::new();
    for chunk in ids.chunks(LIST) {
        // Read in this order: from the members, never from all groups of the connection.
        let rows: Vec<(String, String, String)> = conn
            .query_in(
                "SELECT e.membership_id, s.group_id, g.name
                 FROM group_members e CROSS JOIN scim_groups s CROSS JOIN groups g
                 WHERE e.membership_id IN (@) AND s.group_id = e.group_id AND s.connection_id = $$1 AND g.id = s.group_id
                 ORDER BY e.membership_id, s.group_id",
                chunk,
            )
            .bind(connection.as_str().to_owned())
            .all()
            .await?;
        found.extend(
            rows.into_iter().map(|(member, id, name)| (MembershipId::trusted(member), GroupId::trusted(id), name)),
        );
    }
    Ok(found)
}
