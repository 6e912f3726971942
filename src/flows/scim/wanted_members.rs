//! Filters that ask a group for some members by their ids: these alone are looked for, whatever else the group holds.
//!
//! `id eq "G" and members eq "U"` is how a client finds out whether U is in G. Where a filter names members in no other
//! way, it comes out the same whether all members stand in the group or only those that it names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::shown::{Row, View, member_value};
use crate::domain::scim::filter::{Filter, Literal, Op};
use crate::domain::scim::path::AttrPath;
use crate::kernel::id::{GroupId, MembershipId, UserId};
use crate::store::db::{Conn, Result};
use crate::store::scim::users;

const MEMBERS: &str = "members";
const VALUE: &str = "value";

/// The members that a filter names by their ids, if it names members in no other way.
#[derive(Debug, Default)]
pub(super) struct WantedMembers {
    ids: Option<BTreeSet<String>>,
    found: Option<BTreeMap<GroupId, Vec<Value>>>,
}

impl WantedMembers {
    /// Those of a filter.
    pub fn of(filter: Option<&Filter>) -> Self {
        let mut ids = BTreeSet::new();
        let by_value = filter.is_some_and(|filter| collect(filter, &mut ids));
        Self { ids: by_value.then_some(ids), found: None }
    }

    /// Puts those of the named members into each group that are in it; false where the filter needs all members.
    pub async fn put(&mut self, view: &View<'_>, conn: &mut Conn, rows: &mut [Row]) -> Result<bool> {
        let Some(ids) = &self.ids else {
            return Ok(false);
        };
        if self.found.is_none() {
            let connection = &view.asking.connection.id;
            let ids: Vec<String> = ids.iter().cloned().collect();
            let members = users::members(conn, connection, &ids).await?;
            let named: BTreeMap<&MembershipId, &String> = members.iter().map(|(user, member)| (member, user)).collect();
            let mut found: BTreeMap<GroupId, Vec<Value>> = BTreeMap::new();
            let memberships: Vec<MembershipId> = members.values().cloned().collect();
            for (member, group, _) in users::groups_of(conn, connection, &memberships).await? {
                if let Some(user) = named.get(&member) {
                    let user = UserId::trusted((*user).clone());
                    found.entry(group).or_default().push(member_value(&view.base, &user, ""));
                }
            }
            self.found = Some(found);
        }
        for row in rows {
            if let Some(values) = self.found.as_ref().and_then(|found| found.get(&GroupId::trusted(row.id.clone()))) {
                row.object.insert(MEMBERS.to_owned(), Value::Array(values.clone()));
            }
        }
        Ok(true)
    }
}

/// Takes the ids out of a filter; false when it asks for members in another way.
fn collect(filter: &Filter, into: &mut BTreeSet<String>) -> bool {
    match filter {
        Filter::And(all) | Filter::Or(all) => all.iter().all(|one| collect(one, into)),
        Filter::Not(one) => collect(one, into),
        Filter::Present(attr) => !is_members(attr),
        Filter::Compare(attr, op, literal) => {
            let value = attr.sub.as_deref().is_none_or(is_value);
            !is_members(attr) || (value && equals(*op, literal, into))
        }
        Filter::Element { attr, filter, rest } => {
            !is_members(attr) || (rest.is_none() && collect_element(filter, into))
        }
    }
}

/// The same within the brackets of `members[…]`.
fn collect_element(filter: &Filter, into: &mut BTreeSet<String>) -> bool {
    match filter {
        Filter::And(all) | Filter::Or(all) => all.iter().all(|one| collect_element(one, into)),
        Filter::Compare(attr, op, literal) => attr.sub.is_none() && is_value(&attr.name) && equals(*op, literal, into),
        // Another member than those may match.
        Filter::Not(_) | Filter::Present(_) | Filter::Element { .. } => false,
    }
}

fn equals(op: Op, literal: &Literal, into: &mut BTreeSet<String>) -> bool {
    let (Op::Eq, Literal::Text(id)) = (op, literal) else {
        return false;
    };
    into.insert(id.clone());
    true
}

fn is_members(attr: &AttrPath) -> bool {
    attr.name.eq_ignore_ascii_case(MEMBERS)
}

fn is_value(name: &str) -> bool {
    name.eq_ignore_ascii_case(VALUE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::scim::filter::parse_filter;

    fn ids(filter: &str) -> Option<Vec<String>> {
        let filter = parse_filter(filter).unwrap();
        WantedMembers::of(Some(&filter)).ids.map(|ids| ids.into_iter().collect())
    }

    #[test]
    fn members_that_are_named_by_their_ids_are_all_that_is_looked_for() {
        let u = Some(vec!["U".to_owned()]);
        assert_eq!(ids(r#"id eq "G" and members eq "U""#), u);
        assert_eq!(ids(r#"Members.VALUE eq "U""#), u);
        assert_eq!(ids(r#"not (members[value eq "U"])"#), u);
        let both = Some(vec!["U".to_owned(), "V".to_owned()]);
        assert_eq!(ids(r#"members[value eq "U" or value eq "V"]"#), both);
        assert_eq!(ids(r#"displayName eq "x""#), Some(Vec::new()));
    }

    #[test]
    fn a_filter_that_asks_in_another_way_needs_them_all() {
        for filter in [
            "members pr",
            r#"members ne "U""#,
            r#"members co "U""#,
            r#"members.display eq "Ana""#,
            r#"members[not (value eq "U")]"#,
            r#"members[value eq "U" and display eq "Ana"]"#,
            r#"members[type eq "User"].value eq "U""#,
            r#"members eq "U" or members.type eq "User""#,
        ] {
            assert_eq!(ids(filter), None, "{filter}");
        }
    }
}
