//! What filters hold of, and which can't be asked.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{check, check_element, element_matches, matches, moment, names};
use crate::domain::scim::Object;
use crate::domain::scim::error::ScimType;
use crate::domain::scim::filter::tests::{config, filters};
use crate::domain::scim::filter::{Filter, parse_filter};
use crate::domain::scim::path::parse_path;
use crate::domain::scim::schema::{ENTERPRISE_URN, ResourceType, USER_URN};

fn object(value: Value) -> Object {
    let Value::Object(object) = value else { panic!("an object") };
    object
}

fn ana() -> Object {
    object(json!({
        "schemas": [USER_URN, ENTERPRISE_URN],
        "id": "usr_1",
        "externalId": "Ext-1",
        "userName": "Ana@Acme.com",
        "displayName": "Ana Kim",
        "title": "Lead",
        "active": true,
        "profileUrl": "https://example.com/Ana",
        "name": { "givenName": "Ana", "familyName": "O\"Malley" },
        "emails": [
            { "value": "ana@acme.com", "type": "work", "primary": true },
            { "value": "ana@home.net", "type": "home" },
        ],
        "x509Certificates": [{ "value": "AbCd" }],
        "groups": [{ "value": "grp_1", "display": "Eng" }],
        "meta": {
            "resourceType": "User",
            "created": "2015-10-10T14:38:21.861Z",
            "lastModified": "2026-01-01T00:00:00.500Z",
        },
        ENTERPRISE_URN: { "employeeNumber": "701984", "manager": { "value": "usr_9", "displayName": "Zoe" } },
    }))
}

fn engineers() -> Object {
    object(json!({
        "id": "grp_1", "displayName": "Engineers",
        "members": [{ "value": "usr_1", "type": "User" }, { "value": "usr_2" }],
        "meta": { "resourceType": "Group" },
    }))
}

fn read(filter: &str) -> Filter {
    parse_filter(filter).unwrap()
}

fn all(kind: ResourceType, object: &Object, expected: bool, filters: &[&str]) {
    for filter in filters {
        let read = read(filter);
        assert_eq!(matches(kind, &read, object), expected, "{filter}");
        assert_eq!(matches(kind, &Filter::Not(Box::new(read)), object), !expected, "not ({filter})");
    }
}

#[test]
fn texts_compare_by_the_case_rule_of_their_attribute() {
    let holds = [
        r#"userName eq "ana@acme.COM""#,
        r#"USERNAME Eq "ANA@ACME.COM""#,
        r#"userName sw "ANA""#,
        "userName ew acme.com",
        r#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ana@acme.com""#,
        r#"displayName co "A K""#,
        r#"externalId eq "Ext-1""#,
        r#"externalId sw "Ext""#,
        r#"id eq "usr_1""#,
        "meta.resourceType eq User",
        r#"profileUrl eq "https://example.com/Ana""#,
        r#"x509Certificates.value eq "AbCd""#,
        r#"title gt "Abc""#,
        r#"title ge "LEAD""#,
        r#"title lt "zed""#,
        r#"name.familyName eq "O\"Malley""#,
        r#"name.givenName eq "\u0041na""#,
        r#"displayName eq " ana kim ""#,
    ];
    all(ResourceType::User, &ana(), true, &holds);
    let fails = [
        r#"userName eq "ana""#,
        r#"externalId eq "ext-1""#,
        r#"externalId co "ext""#,
        r#"id eq "USR_1""#,
        "meta.resourceType eq user",
        r#"profileUrl eq "https://example.com/ana""#,
        r#"x509Certificates.value eq "abcd""#,
        r#"title gt "lead""#,
        r#"title lt "abc""#,
        r#"title sw "ead""#,
    ];
    all(ResourceType::User, &ana(), false, &fails);
}

#[test]
fn one_value_of_many_is_enough_and_brackets_speak_of_one_element() {
    let holds = [
        r#"emails co "HOME""#,
        r#"emails eq "ana@home.net""#,
        r#"emails.value eq "ANA@HOME.net""#,
        r#"emails.type eq "work" and emails.value co "@home""#,
        r#"emails[type eq "work" and value co "@acme"]"#,
        r#"emails[type eq "WORK"].value eq "ana@ACME.com""#,
        r#"emails[not (type eq "work")].value sw "ana@home""#,
        r#"emails[type eq "work"].primary pr"#,
        r#"emails.type ne "work""#,
        r#"emails[type ne "work"]"#,
        r#"groups eq "grp_1""#,
        r#"groups.value eq "grp_1""#,
        r#"groups[display eq "eng"]"#,
        r#"name[givenName eq "ana" and familyName pr]"#,
    ];
    all(ResourceType::User, &ana(), true, &holds);
    let fails = [
        r#"emails[type eq "work" and value co "@home"]"#,
        r#"emails[type eq "home"].value eq "ana@acme.com""#,
        r#"emails[type eq "home"].primary pr"#,
        r#"emails[type eq "fax"]"#,
        r#"emails[type eq "fax"].value eq "x""#,
        r#"groups eq "grp_2""#,
        r"emails[userName pr]",
    ];
    all(ResourceType::User, &ana(), false, &fails);
    let schemas = format!(r#"schemas eq "{ENTERPRISE_URN}""#);
    all(ResourceType::User, &ana(), true, &[&schemas, &format!(r#"schemas[value eq "{USER_URN}"]"#)]);
    all(ResourceType::User, &ana(), false, &[r#"schemas eq "urn:example""#]);
}

#[test]
fn members_and_managers_are_meant_by_their_value() {
    let groups = ResourceType::Group;
    let holds = [
        r#"members eq "usr_2""#,
        r#"id eq "grp_1" and members eq "usr_1""#,
        r#"members[value eq "usr_1"]"#,
        r#"MEMBERS.value eq "usr_1""#,
        r#"members.type eq "user""#,
        r#"displayname sw "eng""#,
        r#"manager ne "usr_1""#,
    ];
    all(groups, &engineers(), true, &holds);
    all(
        groups,
        &engineers(),
        false,
        &[r#"members eq "USR_1""#, r#"members eq "usr_3""#, r#"id eq "grp_2" and members eq "usr_1""#],
    );
    let holds = [
        r#"id eq "usr_1" and manager eq "usr_9""#,
        r#"manager.value eq "usr_9""#,
        "employeeNumber eq 701984",
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName sw "z""#,
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User.manager eq "usr_9""#,
        r#"urn:scim:schemas:extension:enterprise:1.0.employeeNumber eq "701984""#,
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User pr",
    ];
    all(ResourceType::User, &ana(), true, &holds);
    all(ResourceType::User, &ana(), false, &[r#"manager eq "usr_8""#, "department pr"]);
}

#[test]
fn what_is_not_there_has_no_value_and_is_not_equal_to_any() {
    let holds = [
        "title pr",
        "name pr",
        "emails pr",
        "title ne null",
        "emails ne null",
        "nickName eq null",
        "phoneNumbers eq null",
        "nope eq null",
        r#"nickName ne "x""#,
        r#"nope ne "x""#,
        r#"phoneNumbers.type ne "work""#,
        r#"members ne "usr_1""#,
        r#"emails[type eq "fax"].value eq null"#,
        r#"emails[type eq "fax"].value ne "x""#,
        "not(nope pr)",
    ];
    all(ResourceType::User, &ana(), true, &holds);
    let fails = [
        "nickName pr",
        "nope pr",
        "phoneNumbers pr",
        "title eq null",
        "name eq null",
        "nickName ne null",
        "nope ne null",
        r#"title ne "LEAD""#,
        r#"nickName eq """#,
        r#"nickName co """#,
        r#"nope gt "a""#,
        "phoneNumbers[value pr]",
    ];
    all(ResourceType::User, &ana(), false, &fails);
    let hollow = object(json!({ "title": "", "emails": [{ "value": "" }], "name": {}, "nickName": null }));
    all(ResourceType::User, &hollow, false, &["title pr", "emails pr", "emails.value pr", "name pr", "nickName pr"]);
}

#[test]
fn flags_compare_with_the_texts_that_entra_sends_too() {
    let holds = ["active eq true", r#"active eq "True""#, "active ne false", r#"active ne "FALSE""#, "active eq TRUE"];
    all(ResourceType::User, &ana(), true, &holds);
    all(
        ResourceType::User,
        &ana(),
        false,
        &["active eq false", r#"active eq "False""#, "active ne true", r#"active eq "1""#],
    );
    all(ResourceType::User, &ana(), true, &[r#"emails[primary eq "True"].type eq "work""#, "emails[primary eq true]"]);
}

#[test]
fn moments_compare_as_moments_whatever_their_zone_and_to_seven_digits() {
    let holds = [
        r#"meta.lastModified gt "2026-01-01T01:00:00.4999999+01:00""#,
        r#"meta.lastModified lt "2026-01-01T00:00:00.5000001Z""#,
        r#"meta.lastModified ge "2026-01-01T02:00:00.5000000+02:00""#,
        r#"meta.lastModified eq "2025-12-31T19:00:00.5-05:00""#,
        "meta.lastModified gt 2011-05-13T04:42:34Z",
        r#"meta.lastModified ne "2026-01-01T00:00:00Z""#,
        r#"meta.created gt "0001-01-03T00:00:00.0000000Z""#,
        r#"meta.created lt "2015-10-10T14:38:21.8617979-07:00""#,
        r#"meta.created co "2015-10""#,
        r#"meta.lastModified le "2026-01-01T00:00:00.5""#,
    ];
    all(ResourceType::User, &ana(), true, &holds);
    let fails = [
        r#"meta.lastModified lt "2026-01-01T00:00:00.500Z""#,
        r#"meta.lastModified gt "2026-01-01T00:00:00.5000000Z""#,
        r#"meta.lastModified gt "yesterday""#,
        r#"meta.lastModified eq "yesterday""#,
    ];
    all(ResourceType::User, &ana(), false, &fails);
    assert_eq!(moment("2026-01-01T02:00:00 02:00"), moment("2026-01-01T00:00:00Z"));
    assert_eq!(moment("1970-01-01T00:00:00.0000001Z"), Some(100));
    assert!(["", "2026-01-01", "2026-13-01T00:00:00Z", "Z", "é"].iter().all(|text| moment(text).is_none()));
}

#[test]
fn elements_are_judged_alone_for_paths() {
    let judge = |path: &str, value: &Value| {
        let path = parse_path(path).unwrap();
        let attribute = ResourceType::User.attribute(&path.attr.name).unwrap();
        element_matches(attribute, &path.filter.unwrap(), value)
    };
    let role = json!({ "value": "admin", "primary": true });
    assert!(judge(r#"roles[primary eq "True"].value"#, &role));
    assert!(judge(r#"roles[PRIMARY eq true and Value sw "ADM" and display ne "x"]"#, &role));
    assert!(!judge(r#"roles[primary eq "False"]"#, &role));
    assert!(!judge(r#"roles[primary eq "True"]"#, &json!({ "value": "admin" })));
    assert!(!judge("roles[primary gt false]", &role) && !judge("roles[roles.value pr]", &role));
    assert!(judge(r#"schemas[value sw "urn:"]"#, &json!("urn:x")));
}

#[test]
fn what_can_not_be_compared_is_refused_and_never_matches_nothing() {
    let refused = [
        r#"password eq "x""#,
        "password pr",
        "not (title pr or PASSWORD pr)",
        "urn:ietf:params:scim:schemas:core:2.0:User:password pr",
        "active gt true",
        "active le false",
        r#"active co "t""#,
        r#"active eq "yes""#,
        "active eq 1",
        r#"x509Certificates.value gt "a""#,
        r#"x509Certificates lt "a""#,
        r#"name eq "x""#,
        r#"addresses co "x""#,
        r#"meta gt "x""#,
        r#"meta.lastModified gt "yesterday""#,
        "meta.created eq 7",
        "emails[primary gt true]",
        r#"emails[primary eq "yes"]"#,
        r#"emails[type eq "work"].primary ge true"#,
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User eq "x""#,
        "name[givenName eq null and nope pr] and active gt true",
    ];
    for filter in refused {
        let error = check(&[ResourceType::User], &read(filter), false).unwrap_err();
        assert_eq!((error.status, error.kind), (400, Some(ScimType::InvalidFilter)), "{filter}");
        assert!(check(&ResourceType::ALL, &read(filter), false).is_err(), "{filter}");
    }
    let asked = [
        "title pr",
        "active eq true",
        r#"active eq "True""#,
        "active ne null",
        "name eq null",
        "name pr",
        "emails co x",
        r#"emails[type eq "work"].value eq "a@b""#,
        r#"x509Certificates eq "a""#,
        r#"meta.created co "2015""#,
        "employeeNumber eq 7",
        r#"manager eq "x""#,
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User pr",
        "schemas[value sw urn]",
        r#"meta.lastModified ge "2011-05-13T04:42:34+02:00""#,
    ];
    for filter in asked {
        assert_eq!(check(&[ResourceType::User], &read(filter), false), Ok(()), "{filter}");
    }
}

#[test]
fn the_strict_profile_also_refuses_what_a_type_does_not_have() {
    let loose = [
        r#"nope eq "x""#,
        "emails.nope pr",
        "emails[nope pr]",
        r#"emails[nope eq "x"]"#,
        r#"emails[type eq "work"].nope pr"#,
        r#"members eq "x""#,
        r#"active eq "True""#,
        "emails[primary eq True]",
        "title pr and urn:example:x pr",
    ];
    for filter in loose {
        let one = [ResourceType::User];
        assert_eq!(check(&one, &read(filter), false), Ok(()), "{filter}");
        assert_eq!(check(&one, &read(filter), true).unwrap_err().kind, Some(ScimType::InvalidFilter), "{filter}");
    }
    for filter in [r#"members eq "x""#, r#"userName eq "x""#, "nope pr"] {
        assert_eq!(check(&ResourceType::ALL, &read(filter), true), Ok(()), "{filter}");
    }
    let members = ResourceType::Group.attribute("members").unwrap();
    assert_eq!(check_element(members, &read(r#"value eq "x""#), true), Ok(()));
    assert!(check_element(members, &read("nope pr"), true).is_err());
}

#[test]
fn a_filter_names_the_attributes_that_it_mentions() {
    let filter = read(r#"not (title pr) or id eq "x" and (Members[value eq "y"] or emails.value co "z")"#);
    assert!(names(&filter, "members") && names(&filter, "EMAILS") && names(&filter, "title") && names(&filter, "id"));
    assert!(!names(&filter, "value") && !names(&filter, "groups"));
    let with_urn = format!("{USER_URN}:groups pr");
    assert!(names(&read(&with_urn), "groups"));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_filter_is_checked_and_judged_and_not_turns_it_around(filter in filters()) {
        for (kind, object) in [(ResourceType::User, ana()), (ResourceType::Group, engineers())] {
            let not = Filter::Not(Box::new(filter.clone()));
            prop_assert_eq!(check(&[kind], &filter, true).is_ok(), check(&[kind], &not, true).is_ok());
            prop_assert!(check(&[kind], &filter, true).is_err() || check(&[kind], &filter, false).is_ok());
            prop_assert!(!names(&filter, "password") || check(&[kind], &filter, false).is_err());
            prop_assert_ne!(matches(kind, &filter, &object), matches(kind, &not, &object));
        }
    }
}
