//! A connection's stored resources on their way into an answer: complete, and with groups or members where they are wanted.
//!
//! Relations are read for all rows of a page together, never one by one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Asking;
use super::refused::unavailable;
use crate::app::App;
use crate::domain::scim::Object;
use crate::domain::scim::error::ScimError;
use crate::domain::scim::plan::Lookup;
use crate::domain::scim::resource::{Stamp, complete, location};
use crate::domain::scim::schema::ResourceType;
use crate::kernel::id::{GroupId, MembershipId, UserId};
use crate::store::db::{Conn, Result};
use crate::store::groups::count_members_of;
use crate::store::scim::{groups, users};

/// So many members one page of groups carries. A group with more stands alone on its page, which is then shorter than
/// what was asked for: nobody has us hold millions of them.
const MOST_MEMBERS: i64 = 200_000;

/// A resource with what an answer needs beside it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// User or group.
    pub kind: ResourceType,
    /// Its id.
    pub id: String,
    /// The version that it stands at.
    pub version: i64,
    /// The resource, complete but for its groups or members.
    pub object: Object,
    /// A user's membership.
    member: Option<MembershipId>,
}

/// The attribute that other resources are named by: it is read only where it is wanted.
pub(super) const fn relation(kind: ResourceType) -> &'static str {
    match kind {
        ResourceType::User => "groups",
        ResourceType::Group => "members",
    }
}

/// What is stored of a user, with what upstream says of its state.
pub(super) fn bare_user(stored: &users::Stored) -> Object {
    let mut object = stored.object.clone();
    object.insert("active".to_owned(), stored.active.into());
    object
}

/// What is stored of a group, with its name.
pub(super) fn bare_group(stored: &groups::Stored) -> Object {
    let mut object = stored.object.clone();
    object.insert("displayName".to_owned(), stored.name.clone().into());
    object
}

/// A member as a group shows it.
pub(super) fn member_value(base: &str, user: &UserId, display: &str) -> Value {
    let mut value = json!({
        "value": user.as_str(), "$ref": location(base, ResourceType::User, user.as_str()), "type": "User",
    });
    if !display.is_empty() {
        value["display"] = display.into();
    }
    value
}

fn group_value(base: &str, group: &GroupId, name: &str) -> Value {
    let address = location(base, ResourceType::Group, group.as_str());
    json!({ "value": group.as_str(), "$ref": address, "display": name, "type": "direct" })
}

/// What one connection sees.
pub(super) struct View<'a> {
    /// The handles.
    pub app: &'a App,
    /// Who asks.
    pub asking: &'a Asking,
    /// The address that locations begin with.
    pub base: String,
}

impl<'a> View<'a> {
    /// What this connection sees.
    pub fn new(app: &'a App, asking: &'a Asking) -> Self {
        Self { app, asking, base: asking.base(app) }
    }

    /// A connection to read with.
    pub async fn conn(&self) -> std::result::Result<Conn, ScimError> {
        self.app.db.read().await.map_err(unavailable)
    }

    /// A resource by its id; `None` for another connection's too.
    pub async fn find(&self, conn: &mut Conn, kind: ResourceType, id: &str) -> Result<Option<Row>> {
        let connection = &self.asking.connection.id;
        match kind {
            ResourceType::User => {
                let Ok(id) = id.parse::<UserId>() else { return Ok(None) };
                Ok(users::find(conn, connection, &id).await?.map(|stored| self.user(&stored)))
            }
            ResourceType::Group => {
                let Ok(id) = id.parse::<GroupId>() else { return Ok(None) };
                Ok(groups::find(conn, connection, &id).await?.map(|stored| self.group(&stored)))
            }
        }
    }

    /// What an index finds, at most so many.
    pub async fn look_up(&self, conn: &mut Conn, kind: ResourceType, by: &Lookup, limit: usize) -> Result<Vec<Row>> {
        let connection = &self.asking.connection.id;
        Ok(match kind {
            ResourceType::User => self.users(&users::look_up(conn, connection, by, limit).await?),
            ResourceType::Group => self.groups(&groups::look_up(conn, connection, by, limit).await?),
        })
    }

    /// So many resources behind an id, in the order of their ids.
    pub async fn after(&self, conn: &mut Conn, kind: ResourceType, after: &str, limit: usize) -> Result<Vec<Row>> {
        let connection = &self.asking.connection.id;
        Ok(match kind {
            ResourceType::User => self.users(&users::after(conn, connection, after, limit).await?),
            ResourceType::Group => self.groups(&groups::after(conn, connection, after, limit).await?),
        })
    }

    /// So many resources from a place in the order of their ids.
    pub async fn at_offset(
        &self,
        conn: &mut Conn,
        kind: ResourceType,
        (offset, limit): (usize, usize),
    ) -> Result<Vec<Row>> {
        let (connection, total) = (&self.asking.connection.id, self.total(kind));
        Ok(match kind {
            ResourceType::User => self.users(&users::at_offset(conn, connection, offset, limit, total).await?),
            ResourceType::Group => self.groups(&groups::at_offset(conn, connection, offset, limit, total).await?),
        })
    }

    /// How many of a kind the connection owns, as the row said that authenticated it.
    pub fn total(&self, kind: ResourceType) -> i64 {
        match kind {
            ResourceType::User => self.asking.connection.users,
            ResourceType::Group => self.asking.connection.groups,
        }
    }

    /// Puts its groups, or its members, into each row of these kinds.
    pub async fn put_relations(&self, conn: &mut Conn, rows: &mut [Row], kinds: &[ResourceType]) -> Result<()> {
        let wanted = |row: &&Row| kinds.contains(&row.kind);
        let members: Vec<MembershipId> = rows.iter().filter(wanted).filter_map(|row| row.member.clone()).collect();
        let groups: Vec<GroupId> = rows.iter().filter(wanted).filter_map(Row::group_id).collect();
        let mut related: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        if !members.is_empty() {
            for (member, group, name) in users::groups_of(conn, &self.asking.connection.id, &members).await? {
                related.entry(member.into_string()).or_default().push(group_value(&self.base, &group, &name));
            }
        }
        if !groups.is_empty() {
            for (group, user, display) in groups::members_of_many(conn, &groups).await? {
                related.entry(group.into_string()).or_default().push(member_value(&self.base, &user, &display));
            }
        }
        for row in rows {
            let key = row.member.as_ref().map_or(row.id.as_str(), MembershipId::as_str);
            if let Some(values) = related.remove(key) {
                row.object.insert(relation(row.kind).to_owned(), Value::Array(values));
            }
        }
        Ok(())
    }

    /// How many of these rows can be given their members at a time: at least one.
    pub async fn fitting(&self, conn: &mut Conn, rows: &[Row]) -> Result<usize> {
        let groups: Vec<GroupId> = rows.iter().filter_map(Row::group_id).collect();
        if groups.is_empty() {
            return Ok(rows.len());
        }
        let counts: BTreeMap<GroupId, i64> = count_members_of(conn, &groups).await?.into_iter().collect();
        let sizes = rows.iter().map(|row| row.group_id().and_then(|id| counts.get(&id).copied()).unwrap_or(0));
        Ok(prefix(sizes, MOST_MEMBERS))
    }

    fn users(&self, stored: &[users::Stored]) -> Vec<Row> {
        stored.iter().map(|one| self.user(one)).collect()
    }

    fn groups(&self, stored: &[groups::Stored]) -> Vec<Row> {
        stored.iter().map(|one| self.group(one)).collect()
    }

    fn user(&self, stored: &users::Stored) -> Row {
        let stamp = Stamp {
            kind: ResourceType::User,
            id: stored.user.to_string(),
            created: stored.created_at,
            modified: stored.modified_at,
            version: stored.version,
        };
        self.row(bare_user(stored), stamp, Some(stored.member.clone()))
    }

    fn group(&self, stored: &groups::Stored) -> Row {
        let stamp = Stamp {
            kind: ResourceType::Group,
            id: stored.group.to_string(),
            created: stored.created_at,
            modified: stored.modified_at,
            version: stored.version,
        };
        self.row(bare_group(stored), stamp, None)
    }

    fn row(&self, object: Object, stamp: Stamp, member: Option<MembershipId>) -> Row {
        let object = complete(object, &stamp, &self.base);
        Row { kind: stamp.kind, id: stamp.id, version: stamp.version, object, member }
    }
}

impl Row {
    fn group_id(&self) -> Option<GroupId> {
        (self.kind == ResourceType::Group).then(|| GroupId::trusted(self.id.clone()))
    }
}

/// How many of the first sizes stay within a bound together; at least one, where there is one.
fn prefix(sizes: impl Iterator<Item = i64>, most: i64) -> usize {
    let mut sum = 0_i64;
    let mut taken = 0;
    for size in sizes {
        sum = sum.saturating_add(size);
        if sum > most && taken > 0 {
            break;
        }
        taken += 1;
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_carries_as_many_groups_as_fit_and_at_least_one() {
        assert_eq!(prefix([3, 3, 3].into_iter(), 6), 2);
        assert_eq!(prefix([9, 1].into_iter(), 6), 1);
        assert_eq!(prefix([0, 0, 0].into_iter(), 0), 3);
        assert_eq!(prefix(std::iter::empty(), 6), 0);
    }
}
