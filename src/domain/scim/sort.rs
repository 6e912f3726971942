//! The order of a list (RFC 7644 §3.4.2.3).

use std::cmp::Ordering;
use std::mem;

use serde_json::Value;

use super::Object;
use super::evaluate::{Comparable, text_of};
use super::path::AttrPath;
use super::schema::{Attribute, ResourceType, Returned};
use super::target::{Target, get, part, resolve};

/// By what a list is sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The attribute: of many values the primary one counts, else the first.
    pub by: AttrPath,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// Sorts resources of one type. Those without a value come last, in descending order first; those that compare equal
/// stay in their order. An attribute that they don't have, or that nobody reads, sorts nothing.
pub fn order(kind: ResourceType, sort: &Sort, objects: &mut [Object]) {
    let Some((target, attribute)) = resolve(kind, &sort.by).and_then(|target| target.compared()) else {
        return;
    };
    if attribute.returned == Returned::Never {
        return;
    }
    let taken = objects.iter_mut().map(|object| (key(&target, attribute, object), mem::take(object)));
    let mut keyed: Vec<(Option<Comparable>, Object)> = taken.collect();
    keyed.sort_by(|(one, _), (other, _)| {
        let ascending = in_order(one.as_ref(), other.as_ref());
        if sort.descending { ascending.reverse() } else { ascending }
    });
    for (place, (_, object)) in objects.iter_mut().zip(keyed) {
        *place = object;
    }
}

fn in_order(one: Option<&Comparable>, other: Option<&Comparable>) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) => one.order(other).unwrap_or(Ordering::Equal),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

/// The value by which a resource is sorted.
fn key(target: &Target, attribute: &Attribute, object: &Object) -> Option<Comparable> {
    let values = get(&Target { sub: None, ..*target }, object);
    let primary = values.iter().find(|value| value.get("primary") == Some(&Value::Bool(true)));
    let chosen = primary.or_else(|| values.first()).copied()?;
    let value = match target.sub {
        None => chosen,
        Some(sub) => part(chosen, sub.name).next()?,
    };
    Comparable::of(attribute, &text_of(value)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::scim::path::parse_attr;
    use crate::domain::scim::schema::ENTERPRISE_URN;

    fn people() -> Vec<Object> {
        let all = [
            json!({ "id": "1", "userName": "carol", "title": "b", "meta": { "created": "2026-01-01T00:00:00Z" },
                "emails": [{ "value": "z@x" }, { "value": "b@x", "primary": true }] }),
            json!({ "id": "2", "userName": "Ana", "active": true, "meta": { "created": "2026-01-01T01:00:00+02:00" } }),
            json!({ "id": "3", "userName": "bob", "title": "A", "emails": [{ "value": "c@x" }, { "value": "a@x" }],
                "password": "1", ENTERPRISE_URN: { "manager": { "value": "m1", "displayName": "Zoe" } } }),
            json!({ "id": "4", "userName": "dan", "title": "a", "active": false, "password": "0",
                "meta": { "created": "2025-12-31T23:00:00.0000001Z" } }),
        ];
        all.into_iter().map(|one| one.as_object().unwrap().clone()).collect()
    }

    fn sorted(by: &str, descending: bool) -> String {
        let mut all = people();
        order(ResourceType::User, &Sort { by: parse_attr(by).unwrap(), descending }, &mut all);
        all.iter().map(|one| one["id"].as_str().unwrap()).collect()
    }

    #[test]
    fn texts_sort_by_their_case_rule_moments_by_time_and_equals_stay_in_order() {
        assert_eq!((sorted("userName", false), sorted("USERNAME", true)), ("2314".into(), "4132".into()));
        assert_eq!(sorted("title", false), "3412", "a and A are equal");
        assert_eq!(sorted("meta.created", false), "2413", "2025-12-31T23:00:00Z, a moment later, an hour later, none");
        assert_eq!(sorted("active", false), "4213");
    }

    #[test]
    fn those_without_a_value_come_last_and_in_descending_order_first() {
        assert_eq!((sorted("title", false), sorted("title", true)), ("3412".into(), "2134".into()));
        assert_eq!(sorted("manager.displayName", false), "3124");
        assert_eq!(sorted(&format!("{ENTERPRISE_URN}:manager"), true), "1243");
    }

    #[test]
    fn of_many_values_the_primary_one_counts_else_the_first() {
        assert_eq!((sorted("emails", false), sorted("emails.value", true)), ("1324".into(), "2431".into()));
    }

    #[test]
    fn what_is_unknown_or_secret_or_no_single_value_sorts_nothing() {
        for by in ["nope", "password", "name", ENTERPRISE_URN] {
            assert_eq!(sorted(by, true), "1234", "{by}");
        }
    }
}
