//! Edits of a group's members, from the client's ids to the door's changes.
//!
//! What is added and removed is written row by row, in the client's order. Ids are looked up for the whole request at
//! once, and the group's other members are read only where a filter says which of them are to go.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Write;
use crate::domain::change::Change;
use crate::domain::scim::error::ScimError;
use crate::domain::scim::evaluate::element_matches;
use crate::domain::scim::filter::{Filter, Literal, Op};
use crate::domain::scim::patch::MemberEdit;
use crate::domain::scim::schema::ResourceType;
use crate::flows::scim::refused::unavailable;
use crate::flows::scim::shown::member_value;
use crate::kernel::id::{GroupId, MembershipId, OrgId, UserId};
use crate::store::scim::{groups, users};

/// So many members are looked at at a time, where a filter says which are to go.
const PAGE: usize = 1_000;
/// So many ids a refusal names.
const MOST_NAMED: usize = 3;
const NESTED: &str = "Groups as members are not supported; push their members.";

/// An edit that names its members.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Add(Vec<String>),
    Remove(Vec<String>),
    Set(Vec<String>),
}

/// What the door is asked for, in the client's order.
pub(super) async fn changes(
    write: &Write<'_>,
    group: &GroupId,
    edits: Vec<MemberEdit>,
) -> Result<Vec<Change>, ScimError> {
    let mut steps = Vec::new();
    for edit in edits {
        let step = match edit {
            MemberEdit::Add(ids) => Step::Add(ids),
            MemberEdit::Remove(ids) => Step::Remove(ids),
            MemberEdit::Set(ids) => Step::Set(ids),
            MemberEdit::RemoveWhere(filter) => Step::Remove(matching(write, group, &filter, &steps).await?),
        };
        push(&mut steps, step);
    }
    let ids: BTreeSet<&String> = steps.iter().flat_map(Step::ids).collect();
    if ids.is_empty() {
        // Whatever is left empties the group or does nothing.
        return resolved(steps, &BTreeMap::new(), (&write.view.asking.connection.org, group));
    }
    let ids: Vec<String> = ids.into_iter().cloned().collect();
    let mut conn = write.view.conn().await?;
    let known = users::members(&mut conn, &write.view.asking.connection.id, &ids).await.map_err(unavailable)?;
    drop(conn);
    resolved(steps, &known, (&write.view.asking.connection.org, group))
}

impl Step {
    fn ids(&self) -> &[String] {
        match self {
            Self::Add(ids) | Self::Remove(ids) | Self::Set(ids) => ids,
        }
    }
}

/// Appends a step; neighbours that do the same are one.
fn push(steps: &mut Vec<Step>, step: Step) {
    match (steps.last_mut(), step) {
        (Some(Step::Add(before) | Step::Set(before)), Step::Add(ids))
        | (Some(Step::Remove(before)), Step::Remove(ids)) => before.extend(ids),
        (_, step) => steps.push(step),
    }
}

/// The changes of steps: what is left of them at the end, for whoever comes and goes in one request has done neither.
/// Who is to be added must be known; who is to go and is nobody is gone already.
fn resolved(
    steps: Vec<Step>,
    known: &BTreeMap<String, MembershipId>,
    (org, group): (&OrgId, &GroupId),
) -> Result<Vec<Change>, ScimError> {
    // Whether nobody stays but those who come.
    let mut whole = false;
    let (mut come, mut go): (BTreeSet<MembershipId>, BTreeSet<MembershipId>) = (BTreeSet::new(), BTreeSet::new());
    for step in steps {
        if let Step::Add(ids) | Step::Set(ids) = &step {
            check_known(ids, known)?;
        }
        let (to, from) = match step {
            Step::Set(_) => {
                whole = true;
                come.clear();
                (&mut come, &mut go)
            }
            Step::Add(_) => (&mut come, &mut go),
            Step::Remove(_) => (&mut go, &mut come),
        };
        for member in step.ids().iter().filter_map(|id| known.get(id)) {
            from.remove(member);
            to.insert(member.clone());
        }
    }
    if whole {
        return Ok(vec![Change::SetGroupMembers { org: org.clone(), group: group.clone(), members: come }]);
    }
    let mut changes = Vec::new();
    if !come.is_empty() {
        let (org, group) = (org.clone(), group.clone());
        changes.push(Change::AddToGroup { org, group, members: come.into_iter().collect() });
    }
    if !go.is_empty() {
        let (org, group) = (org.clone(), group.clone());
        changes.push(Change::RemoveFromGroup { org, group, members: go.into_iter().collect() });
    }
    Ok(changes)
}

fn check_known(ids: &[String], known: &BTreeMap<String, MembershipId>) -> Result<(), ScimError> {
    let unknown: BTreeSet<&str> = ids.iter().filter(|id| !known.contains_key(*id)).map(String::as_str).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    if unknown.iter().any(|id| id.parse::<GroupId>().is_ok()) {
        return Err(ScimError::value(NESTED));
    }
    let named: Vec<String> = unknown.iter().take(MOST_NAMED).map(|id| format!("\"{}\"", cut(id))).collect();
    let more = match unknown.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Err(ScimError::value(format!(
        "members: {}{more}: no users of this connection. Push the users first.",
        named.join(", ")
    )))
}

/// An id as a refusal shows it: what a client sends can be anything.
fn cut(id: &str) -> String {
    id.chars().filter(|letter| !letter.is_control()).take(64).collect()
}

/// Which members a filter says, among those of the group and those that the same request has just put into it.
async fn matching(
    write: &Write<'_>,
    group: &GroupId,
    filter: &Filter,
    before: &[Step],
) -> Result<Vec<String>, ScimError> {
    if let Some(ids) = named(filter) {
        return Ok(ids);
    }
    let Some(attribute) = ResourceType::Group.attribute("members") else {
        return Ok(Vec::new());
    };
    let base = &write.view.base;
    let matches = |user: &UserId, display: &str| -> bool {
        let value: Value = member_value(base, user, display);
        element_matches(attribute, filter, &value)
    };
    let just_added = before.iter().filter(|step| !matches!(step, Step::Remove(_))).flat_map(Step::ids);
    let mut found: Vec<String> =
        just_added.filter(|id| matches(&UserId::trusted((*id).clone()), "")).cloned().collect();
    let mut after = String::new();
    loop {
        let mut conn = write.view.conn().await?;
        let page = groups::members_page(&mut conn, group, &after, PAGE).await.map_err(unavailable)?;
        drop(conn);
        let Some((last, ..)) = page.last() else {
            return Ok(found);
        };
        last.as_str().clone_into(&mut after);
        found.extend(
            page.iter().filter(|(_, user, name)| matches(user, name.as_str())).map(|(_, user, _)| user.to_string()),
        );
    }
}

/// The ids of a filter that says nothing but ids: `value eq "x"`, or several of these.
fn named(filter: &Filter) -> Option<Vec<String>> {
    match filter {
        Filter::Compare(attr, Op::Eq, Literal::Text(id))
            if attr.sub.is_none() && attr.name.eq_ignore_ascii_case("value") =>
        {
            Some(vec![id.clone()])
        }
        Filter::Or(all) => {
            let all: Option<Vec<Vec<String>>> = all.iter().map(named).collect();
            all.map(|ids| ids.concat())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::scim::filter::parse_filter;

    fn ids(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn known() -> BTreeMap<String, MembershipId> {
        [("a", 1), ("b", 2)].into_iter().map(|(id, n)| (id.to_owned(), MembershipId::from_u128(n))).collect()
    }

    fn told(steps: Vec<Step>) -> Result<Vec<(&'static str, usize)>, ScimError> {
        let changes = resolved(steps, &known(), (&OrgId::from_u128(1), &GroupId::from_u128(1)))?;
        let tell = |change: &Change| match change {
            Change::AddToGroup { members, .. } => ("add", members.len()),
            Change::RemoveFromGroup { members, .. } => ("remove", members.len()),
            Change::SetGroupMembers { members, .. } => ("set", members.len()),
            _ => ("other", 0),
        };
        Ok(changes.iter().map(tell).collect())
    }

    #[test]
    fn neighbours_that_do_the_same_are_one_step_and_the_order_stays() {
        let mut steps = Vec::new();
        push(&mut steps, Step::Add(ids(&["a"])));
        push(&mut steps, Step::Add(ids(&["b"])));
        push(&mut steps, Step::Remove(ids(&["a"])));
        push(&mut steps, Step::Add(ids(&["a"])));
        push(&mut steps, Step::Set(Vec::new()));
        push(&mut steps, Step::Add(ids(&["b"])));
        let expected = vec![
            Step::Add(ids(&["a", "b"])),
            Step::Remove(ids(&["a"])),
            Step::Add(ids(&["a"])),
            Step::Set(ids(&["b"])),
        ];
        assert_eq!(steps, expected);
    }

    #[test]
    fn who_is_to_be_added_must_be_known_and_who_is_to_go_need_not() {
        let steps = vec![Step::Add(ids(&["a", "a"])), Step::Remove(ids(&["b", "x"])), Step::Remove(ids(&["x"]))];
        assert_eq!(told(steps).unwrap(), [("add", 1), ("remove", 1)]);
        assert_eq!(told(vec![Step::Set(Vec::new())]).unwrap(), [("set", 0)]);
        // The last word on somebody counts, and turns make no more changes.
        let turns: Vec<Step> =
            (0..1_000).flat_map(|_| [Step::Remove(ids(&["a"])), Step::Add(ids(&["a", "b"]))]).collect();
        assert_eq!(told(turns).unwrap(), [("add", 2)]);
        let back = vec![Step::Set(ids(&["a"])), Step::Add(ids(&["b"])), Step::Remove(ids(&["a"]))];
        assert_eq!(told(back).unwrap(), [("set", 1)]);
        let refused = told(vec![Step::Set(ids(&["a", "v", "w", "x", "y"]))]).unwrap_err();
        assert_eq!(refused.kind.map(crate::domain::scim::error::ScimType::as_str), Some("invalidValue"));
        assert!(refused.detail.contains("\"v\", \"w\", \"x\" and 1 more"), "{}", refused.detail);
        let nested = told(vec![Step::Add(vec![GroupId::from_u128(7).to_string()])]).unwrap_err();
        assert_eq!(nested.detail, NESTED);
    }

    #[test]
    fn a_filter_of_nothing_but_ids_needs_no_look_at_the_group() {
        let of = |text: &str| named(&parse_filter(text).unwrap());
        assert_eq!(of(r#"value eq "x""#), Some(ids(&["x"])));
        assert_eq!(of(r#"value eq "x" or VALUE eq "y""#), Some(ids(&["x", "y"])));
        for other in [r#"value eq "x" and type eq "User""#, r#"display eq "Ana""#, "value pr", r#"value ne "x""#] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
