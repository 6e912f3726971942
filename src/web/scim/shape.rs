//! What a request looked like, without what it said: the names of attributes and operations, never a value. The log keeps no
//! more of a request than this.
//!
//! A name that could hold a person's data (a key with an address in it, a path's segment that is no id of ours) is a star.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::path::Place;
use crate::domain::scim::filter::{Filter, parse_filter};
use crate::domain::scim::path::parse_path;
use crate::kernel::id::{GroupId, UserId};

/// So many characters are kept.
const LONGEST: usize = 2_000;
/// So many names of one object, operations of one patch and segments of one path are kept.
const MANY: usize = 40;
/// The words that paths are made of.
const WORDS: [&str; 11] = [
    "scim",
    "v1",
    "v2",
    "Users",
    "Groups",
    "Bulk",
    "Me",
    "Schemas",
    "ResourceTypes",
    "ServiceProviderConfig",
    ".search",
];

/// A request's path below the endpoint and the names of its parameters.
#[must_use]
pub fn line(path: &str, query: &[(String, String)]) -> String {
    let below = path.trim_start_matches('/').strip_prefix("scim/v2").unwrap_or(path);
    let segments = below.split('/').filter(|segment| !segment.is_empty()).take(MANY);
    let mut line: String = segments.flat_map(|segment| ["/", known(segment)]).collect();
    if line.is_empty() {
        line.push('/');
    }
    for (number, (name, value)) in query.iter().take(MANY).enumerate() {
        line.push(if number == 0 { '?' } else { '&' });
        line.push_str(plain(name));
        if name.eq_ignore_ascii_case("filter") {
            line.push_str(&filter(value));
        }
    }
    cut(line)
}

fn known(segment: &str) -> &str {
    let ours = segment.parse::<UserId>().is_ok() || segment.parse::<GroupId>().is_ok();
    if ours || WORDS.contains(&segment) { segment } else { "*" }
}

/// The attributes that a filter names, in brackets; nothing for one that can't be read.
fn filter(text: &str) -> String {
    parse_filter(text).map(|filter| format!("({})", names(&filter))).unwrap_or_default()
}

fn names(filter: &Filter) -> String {
    let mut found = BTreeSet::new();
    gather(filter, &mut found);
    found.into_iter().collect::<Vec<_>>().join(",")
}

fn gather(filter: &Filter, into: &mut BTreeSet<String>) {
    match filter {
        Filter::And(terms) | Filter::Or(terms) => terms.iter().for_each(|term| gather(term, into)),
        Filter::Not(term) => gather(term, into),
        Filter::Present(attr) | Filter::Compare(attr, ..) => {
            into.insert(attr.to_string());
        }
        Filter::Element { attr, filter, .. } => {
            into.insert(format!("{attr}[{}]", names(filter)));
        }
    }
}

/// A request's body.
#[must_use]
pub fn body(place: &Place, body: &Value) -> String {
    let Value::Object(members) = body else {
        return String::new();
    };
    let operations = members.iter().find(|(name, _)| name.eq_ignore_ascii_case("Operations"));
    cut(match (place, operations) {
        (Place::Bulk, Some((_, Value::Array(operations)))) => bulk(operations),
        (Place::One(..), Some((_, Value::Array(operations)))) => patch(operations),
        (Place::Search(_), _) => search(members),
        _ => fields(members, 1),
    })
}

fn bulk(operations: &[Value]) -> String {
    let mut counts: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for operation in operations {
        let method = member(operation, "method").and_then(Value::as_str).unwrap_or_default();
        let path = member(operation, "path").and_then(Value::as_str).unwrap_or_default();
        let endpoint = path.split('/').find(|segment| !segment.is_empty()).map_or("*", known);
        *counts.entry((plain(method).to_uppercase(), endpoint)).or_default() += 1;
    }
    let lines: Vec<String> =
        counts.iter().take(MANY).map(|((method, endpoint), count)| format!("{method} {endpoint} × {count}")).collect();
    lines.join("; ")
}

fn patch(operations: &[Value]) -> String {
    let mut lines: Vec<String> = operations.iter().take(MANY).map(operation).collect();
    if operations.len() > MANY {
        lines.push(format!("and {} more", operations.len() - MANY));
    }
    lines.join("; ")
}

fn operation(operation: &Value) -> String {
    let op = member(operation, "op").and_then(Value::as_str).map_or("*", plain).to_lowercase();
    let path = member(operation, "path").and_then(Value::as_str).map(attribute);
    let value = member(operation, "value").map(|value| under(value, 1)).unwrap_or_default();
    match path {
        Some(path) => format!("{op} {path}{value}"),
        None => format!("{op} {value}"),
    }
}

fn search(members: &Map<String, Value>) -> String {
    let text = member_of(members, "filter").and_then(Value::as_str);
    format!("{}{}", fields(members, 0), text.map(filter).unwrap_or_default())
}

fn fields(members: &Map<String, Value>, deeper: usize) -> String {
    let named = members.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("schemas")).take(MANY);
    let shown: Vec<String> =
        named.map(|(name, value)| format!("{}{}", attribute(name), under(value, deeper))).collect();
    shown.join(",")
}

/// What stands for a value: its names, how many it has, or nothing.
fn under(value: &Value, deeper: usize) -> String {
    match value {
        Value::Object(members) if deeper > 0 => format!("{{{}}}", fields(members, deeper - 1)),
        Value::Object(_) => "{}".to_owned(),
        Value::Array(items) => format!("[{}]", items.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => String::new(),
    }
}

/// The name of an attribute, or of a path to one.
fn attribute(text: &str) -> String {
    if !text.contains('[') {
        return plain(text).to_owned();
    }
    let Ok(path) = parse_path(text) else {
        return "*".to_owned();
    };
    let inside = path.filter.as_ref().map(|filter| format!("[{}]", names(filter))).unwrap_or_default();
    let sub = path.sub.as_ref().map(|sub| format!(".{sub}")).unwrap_or_default();
    format!("{}{inside}{sub}", path.attr)
}

/// A name as it stands, if it is made like one.
fn plain(name: &str) -> &str {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_$:.-".contains(c);
    if !name.is_empty() && name.len() <= 100 && name.chars().all(fits) { name } else { "*" }
}

fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.as_object().and_then(|members| member_of(members, name))
}

fn member_of<'v>(members: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    members.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn cut(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::scim::schema::ResourceType;

    fn pairs(query: &[(&str, &str)]) -> Vec<(String, String)> {
        query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn one() -> Place {
        Place::One(ResourceType::User, "usr_1".to_owned())
    }

    #[test]
    fn a_path_keeps_its_words_and_our_ids_and_a_query_its_names() {
        let query =
            pairs(&[("filter", "userName eq \"ana@acme.test\" and emails[type eq \"work\"]"), ("startIndex", "1")]);
        assert_eq!(line("/scim/v2/Users", &query), "/Users?filter(emails[type],userName)&startIndex");
        let id = UserId::fresh();
        assert_eq!(line(&format!("/scim/v2//Users/{id}/"), &[]), format!("/Users/{id}"));
        assert_eq!(line("/scim/v2/Users/ana@acme.test", &pairs(&[("ana@acme.test", "")])), "/Users/*?*");
        assert_eq!(line("/scim/v2", &pairs(&[("filter", "ana@acme.test (")])), "/?filter");
    }

    #[test]
    fn a_resource_keeps_the_names_of_its_attributes() {
        let sent = json!({
            "schemas": ["urn:x"], "userName": "ana@acme.test", "name": { "givenName": "Ana" }, "emails": [{ "value": "x" }],
            "ana@acme.test": 1, "emails[value eq \"ana@acme.test\"].type": "work",
        });
        let shape = body(&Place::All(ResourceType::User), &sent);
        let names: BTreeSet<&str> = shape.split(',').collect();
        assert_eq!(names, BTreeSet::from(["userName", "name{givenName}", "emails[1]", "*", "emails[value].type"]));
    }

    #[test]
    fn a_patch_keeps_its_operations_and_a_bulk_request_their_number() {
        let sent = json!({ "operations": [
            { "op": "Add", "path": "members", "value": [{ "value": "usr_1" }] },
            { "op": "remove", "path": "members[value eq \"usr_1\"]" },
            { "op": "replace", "value": { "active": false } },
        ] });
        assert_eq!(body(&one(), &sent), "add members[1]; remove members[value]; replace {active}");
        let sent = json!({ "Operations": [
            { "method": "post", "path": "/Users", "data": { "userName": "ana" } },
            { "method": "POST", "path": "/Users" },
            { "method": "DELETE", "path": "/Groups/ana@acme.test" },
        ] });
        assert_eq!(body(&Place::Bulk, &sent), "DELETE Groups × 1; POST Users × 2");
    }

    #[test]
    fn very_much_is_cut() {
        let operations: Vec<Value> = (0..1000).map(|_| json!({ "op": "add", "path": "x".repeat(100) })).collect();
        let shape = body(&one(), &json!({ "Operations": operations }));
        assert!(shape.chars().count() == LONGEST + 1 && shape.ends_with('…'));
    }
}
