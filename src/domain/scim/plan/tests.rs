//! What is asked of indexes, and that it never misses a match.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::{Lookup, lookup};
use crate::domain::scim::Object;
use crate::domain::scim::evaluate::matches;
use crate::domain::scim::filter::parse_filter;
use crate::domain::scim::filter::tests::{config, filters};
use crate::domain::scim::schema::ResourceType;
use crate::domain::scim::username;
use crate::kernel::fold;

/// 2026-01-01T00:00:00Z in milliseconds since 1970.
const NEW_YEAR: i64 = 1_767_225_600_000;

fn of_user(filter: &str) -> Lookup {
    lookup(ResourceType::User, &parse_filter(filter).unwrap())
}

fn of_group(filter: &str) -> Lookup {
    lookup(ResourceType::Group, &parse_filter(filter).unwrap())
}

fn email(kind: Option<&str>, value: &str) -> Lookup {
    Lookup::Email { kind: kind.map(str::to_owned), value: value.to_owned() }
}

#[test]
fn equal_identifiers_are_looked_up_by_their_keys() {
    assert_eq!(of_user(r#"userName eq "Ana""#), Lookup::UserName(username::key("Ana")));
    assert_eq!(of_user(r#"externalId eq "E1""#), Lookup::ExternalId("E1".into()));
    assert_eq!(of_user("externalId eq 42"), Lookup::ExternalId("42".into()));
    assert_eq!(of_user(r#"ID eq "usr_1""#), Lookup::Id("usr_1".into()));
    assert_eq!(of_user(r#"emails eq "A@X""#), email(None, "a@x"));
    assert_eq!(of_user(r#"emails.value eq "A@X""#), email(None, "a@x"));
    assert_eq!(of_user(r#"emails[type eq "Work"].value eq "A@X""#), email(Some("work"), "a@x"));
    assert_eq!(of_user(r#"emails[type eq "work" and value eq "a@x"]"#), email(Some("work"), "a@x"));
    assert_eq!(of_user(r#"emails[value eq "a@x"].primary pr"#), email(None, "a@x"));
    assert_eq!(of_group(r#"displayName eq "Eng""#), Lookup::DisplayName("eng".into()));
    for filter in [r#"members eq "usr_1""#, r#"members.value eq "usr_1""#, r#"members[value eq "usr_1"]"#] {
        assert_eq!(of_group(filter), Lookup::Member("usr_1".into()), "{filter}");
    }
    for filter in [r#"groups eq "grp_1""#, r#"groups[value eq "grp_1"]"#] {
        assert_eq!(of_user(filter), Lookup::Member("grp_1".into()), "{filter}");
    }
    let urn = r#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ana""#;
    assert_eq!(of_user(urn), Lookup::UserName("ana".into()));
}

#[test]
fn changes_since_are_looked_up_from_the_millisecond_on() {
    let since = |text: &str| of_user(&format!("meta.lastModified {text}"));
    assert_eq!(since(r#"gt "2026-01-01T00:00:00Z""#), Lookup::ModifiedSince(NEW_YEAR));
    assert_eq!(since(r#"ge "2026-01-01T01:00:00.0015+01:00""#), Lookup::ModifiedSince(NEW_YEAR + 1));
    assert_eq!(since(r#"gt "1969-12-31T23:59:59.9999Z""#), Lookup::ModifiedSince(-1));
    assert_eq!(since(r#"lt "2026-01-01T00:00:00Z""#), Lookup::Scan);
    let later = r#"meta.lastModified gt "2026-01-01T00:00:00Z" and meta.lastModified gt "2026-01-01T00:00:01Z""#;
    assert_eq!(of_user(later), Lookup::ModifiedSince(NEW_YEAR + 1_000));
}

#[test]
fn the_most_selective_conjunct_is_looked_up() {
    assert_eq!(of_group(r#"members eq "usr_1" and id eq "grp_1""#), Lookup::Id("grp_1".into()));
    assert_eq!(of_user(r#"title pr and (emails eq "a@x" and userName eq "ana")"#), Lookup::UserName("ana".into()));
    assert_eq!(of_user(r#"active eq true and externalId eq "e1""#), Lookup::ExternalId("e1".into()));
}

#[test]
fn what_no_index_answers_is_scanned() {
    let scanned = [
        r#"userName sw "ana""#,
        r#"userName ne "ana""#,
        r#"not (userName eq "ana")"#,
        r#"id eq "a" or id eq "b""#,
        "id pr",
        "externalId eq null",
        r#"emails.type eq "work""#,
        r#"emails[type eq "work"]"#,
        r#"emails[value ne "a@x"]"#,
        r#"emails[value eq "a@x" or type eq "work"]"#,
        r#"emails[value eq "a@x"].type ne "work""#,
        r#"emails[value eq "a@x"].type eq null"#,
        r#"displayName eq "x""#,
        r#"members eq "usr_1""#,
        r#"manager eq "usr_1""#,
        r#"phoneNumbers eq "1""#,
        r#"nope eq "x""#,
        r#"groups.display eq "eng""#,
    ];
    for filter in scanned {
        assert_eq!(of_user(filter), Lookup::Scan, "{filter}");
    }
}

/// A moment of the new year's first seconds, as the server writes it.
fn modified(millis: i64) -> String {
    format!("2026-01-01T00:00:{:02}.{:03}Z", millis / 1_000, millis % 1_000)
}

fn moments() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), Just(1_000), Just(1_500), Just(1_501), 0..3_000_i64]
}

fn users() -> impl Strategy<Value = Object> {
    let emails = (select(vec!["a@x", "A@x", "b@x"]), proptest::option::of(select(vec!["work", "WORK", "home"])));
    let rest = (select(vec!["eng", "ana"]), any::<bool>(), moments(), select(vec!["usr_1", "usr_2", "grp_3"]));
    (
        select(vec!["usr_1", "usr_2"]),
        select(vec!["ana", "ANA", "bob"]),
        proptest::option::of(select(vec!["e1", "E1"])),
        proptest::collection::vec(emails, 0..3),
        rest,
    )
        .prop_map(|(id, user_name, external, emails, (display, active, millis, group))| {
            let emails: Vec<Value> = emails
                .into_iter()
                .map(|(value, kind)| without_null(&[("value", Some(value)), ("type", kind)]))
                .collect();
            let mut object = object(json!({
                "id": id, "userName": user_name, "displayName": display, "active": active, "emails": emails,
                "groups": [{ "value": group }], "meta": { "lastModified": modified(millis) },
            }));
            if let Some(external) = external {
                object.insert("externalId".to_owned(), external.into());
            }
            object
        })
}

fn groups() -> impl Strategy<Value = Object> {
    let members = proptest::collection::btree_set(select(vec!["usr_1", "usr_2", "usr_3"]), 0..3);
    (select(vec!["usr_1", "grp_2"]), select(vec!["eng", "ENG", "ana"]), members, moments()).prop_map(
        |(id, name, members, millis)| {
            let members: Vec<Value> =
                members.into_iter().map(|value| json!({ "value": value, "type": "User" })).collect();
            object(json!({
                "id": id, "displayName": name, "members": members, "meta": { "lastModified": modified(millis) },
            }))
        },
    )
}

fn object(value: Value) -> Object {
    let Value::Object(object) = value else { panic!("an object") };
    object
}

fn without_null(parts: &[(&str, Option<&str>)]) -> Value {
    let given = parts.iter().filter_map(|(name, value)| Some(((*name).to_owned(), Value::from((*value)?))));
    Value::Object(given.collect())
}

fn text<'o>(object: &'o Object, name: &str) -> Option<&'o str> {
    object.get(name).and_then(Value::as_str)
}

fn elements<'o>(object: &'o Object, name: &str) -> Vec<&'o Object> {
    object.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).collect()
}

/// Whether an index would find a resource; the columns are what the store writes.
fn finds(lookup: &Lookup, object: &Object) -> bool {
    match lookup {
        Lookup::Scan => true,
        Lookup::Id(id) => text(object, "id") == Some(id.as_str()),
        Lookup::UserName(key) => text(object, "userName").is_some_and(|name| username::key(name) == *key),
        Lookup::ExternalId(id) => text(object, "externalId") == Some(id.as_str()),
        Lookup::DisplayName(key) => text(object, "displayName").is_some_and(|name| fold::key(name) == *key),
        Lookup::Email { kind, value } => elements(object, "emails").into_iter().any(|email| {
            let of_kind = |kind: &String| fold::key(text(email, "type").unwrap_or_default()) == *kind;
            fold::key(text(email, "value").unwrap_or_default()) == *value && kind.as_ref().is_none_or(of_kind)
        }),
        Lookup::Member(id) => {
            let related = ["members", "groups"].map(|name| elements(object, name));
            related.concat().into_iter().any(|one| text(one, "value") == Some(id.as_str()))
        }
        Lookup::ModifiedSince(since) => {
            let modified = object["meta"]["lastModified"].as_str().unwrap();
            let (seconds, millis) = (&modified[17..19], &modified[20..23]);
            NEW_YEAR + seconds.parse::<i64>().unwrap() * 1_000 + millis.parse::<i64>().unwrap() >= *since
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_lookup_finds_every_user_that_matches(filter in filters(), user in users()) {
        let lookup = lookup(ResourceType::User, &filter);
        let found = finds(&lookup, &user) || !matches(ResourceType::User, &filter, &user);
        prop_assert!(found, "{filter} is looked up by {lookup:?}");
    }

    #[test]
    fn the_lookup_finds_every_group_that_matches(filter in filters(), group in groups()) {
        let lookup = lookup(ResourceType::Group, &filter);
        let found = finds(&lookup, &group) || !matches(ResourceType::Group, &filter, &group);
        prop_assert!(found, "{filter} is looked up by {lookup:?}");
    }
}
