//! What clients send as whole resources, and what becomes of it.

use serde_json::json;

use super::*;
use crate::domain::scim::schema::{ENTERPRISE_URN, GROUP_URN, USER_URN};

const STRICT: ScimProfile = ScimProfile::RfcStrict;
const AUTO: ScimProfile = ScimProfile::Auto;

fn user(body: &Value) -> Value {
    Value::Object(incoming(ResourceType::User, body, AUTO).unwrap().object)
}

fn refused(kind: ResourceType, body: &Value, profile: ScimProfile) -> &'static str {
    let error = incoming(kind, body, profile).unwrap_err();
    assert_eq!(error.status, 400, "{body}");
    error.kind.map_or("", |kind| kind.as_str())
}

fn members(value: Value, profile: ScimProfile) -> Result<Option<Vec<String>>, ScimError> {
    let mut body = json!({ "schemas": [GROUP_URN], "displayName": "g" });
    body["members"] = value;
    incoming(ResourceType::Group, &body, profile).map(|incoming| incoming.members)
}

#[test]
fn oktas_new_user_loses_its_password_and_groups_and_keeps_the_rest() {
    let body = json!({
        "schemas": [USER_URN], "userName": "test.user@okta.local", "externalId": "00ujl29u0le5T6Aj10h7",
        "name": { "givenName": "Test", "familyName": "User" }, "locale": "en-US", "groups": [], "password": "1mz050nq",
        "emails": [{ "primary": true, "value": "test.user@okta.local", "type": "work" }], "active": true
    });
    let read = incoming(ResourceType::User, &body, ScimProfile::Okta).unwrap();
    assert!(read.has_active && read.has_external_id && read.members.is_none());
    assert!(!read.object.contains_key("password") && !read.object.contains_key("groups"));
    assert_eq!(read.object["emails"][0]["primary"], true);
    assert!(incoming(ResourceType::User, &body, STRICT).is_ok());
}

#[test]
fn oktas_whole_user_comes_back_with_id_and_meta_which_say_nothing() {
    let body = json!({
        "schemas": [USER_URN], "id": "other", "meta": { "version": "x" }, "userName": "a", "active": false,
        "groups": [{ "value": "g" }]
    });
    assert_eq!(user(&body), json!({ "userName": "a", "active": false }));
}

#[test]
fn entras_new_user_is_read_with_its_nulls_and_empty_lists() {
    let body = json!({
        "schemas": [USER_URN, ENTERPRISE_URN], "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
        "userName": "Test_User_00aa", "active": "True",
        "emails": [{ "primary": true, "type": "work", "value": "t@testuser.com" }],
        "meta": { "resourceType": "User" }, "name": { "formatted": "g f", "familyName": "f", "givenName": "g" },
        "roles": [], "title": null, "phoneNumbers": null,
        ENTERPRISE_URN: { "department": "R", "manager": { "value": "" } }
    });
    assert_eq!(
        user(&body),
        json!({
            "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef", "userName": "Test_User_00aa", "active": true,
            "name": { "formatted": "g f", "familyName": "f", "givenName": "g" },
            "emails": [{ "value": "t@testuser.com", "type": "work", "primary": true }],
            ENTERPRISE_URN: { "department": "R" }
        })
    );
}

#[test]
fn onelogins_user_has_schemas_of_its_own_and_a_single_address() {
    let body = json!({
        "schemas": ["urn:scim:schemas:core:2.0", "urn:scim:schemas:extension:enterprise:2.0"],
        "userName": "onelogin-test-user01", "emails": { "value": "a@b.test" }, "nickName": "", "groups": ["x"],
        "urn:scim:schemas:extension:enterprise:2.0": { "department": "R" }, "noSuchThing": 1
    });
    assert_eq!(
        user(&body),
        json!({
            "userName": "onelogin-test-user01", "emails": [{ "value": "a@b.test" }],
            ENTERPRISE_URN: { "department": "R" }
        })
    );
    assert_eq!(refused(ResourceType::User, &body, STRICT), "invalidValue");
}

#[test]
fn names_are_read_in_any_case_and_never_twice() {
    assert_eq!(
        user(
            &json!({ "USERNAME": "a", "Name": { "GIVENNAME": "A" }, "EMAILS": [{ "VALUE": "x@y.z", "Type": "Work" }] })
        ),
        json!({ "userName": "a", "name": { "givenName": "A" }, "emails": [{ "value": "x@y.z", "type": "Work" }] })
    );
    let twice = json!({ "userName": "a", "UserName": "b" });
    assert_eq!(refused(ResourceType::User, &twice, AUTO), "invalidSyntax");
    let twice = json!({ "userName": "a", "name": { "givenName": "a", "GivenName": "b" } });
    assert_eq!(refused(ResourceType::User, &twice, AUTO), "invalidSyntax");
}

#[test]
fn values_of_the_wrong_type_are_refused_and_what_is_meant_is_taken() {
    for bad in [
        json!({ "userName": 5 }),
        json!({ "userName": "" }),
        json!({ "displayName": "no user name" }),
        json!({ "userName": "a", "active": "maybe" }),
        json!({ "userName": "a", "active": 1 }),
        json!({ "userName": "a", "name": "Ana" }),
        json!({ "userName": "a", "emails": 1 }),
        json!({ "userName": "a", "emails": [1] }),
        json!({ "userName": "a", "title": ["one", "two"] }),
        json!({ "userName": "a", "title": "x".repeat(4097) }),
        json!({ "userName": "a", "title": "a\u{0}b" }),
        json!({ "userName": "a", "x509Certificates": [{ "value": "no base64!" }] }),
        json!({ "userName": "a", ENTERPRISE_URN: [] }),
        json!({ "userName": "a", "roles": (0..1025).map(|n| n.to_string()).collect::<Vec<_>>() }),
    ] {
        assert_eq!(refused(ResourceType::User, &bad, AUTO), "invalidValue", "{bad}");
    }
    for (sent, meant) in [
        (json!({ "title": ["only"] }), json!({ "title": "only" })),
        (json!({ "title": [] }), json!({})),
        (json!({ "active": "FALSE" }), json!({ "active": false })),
        (json!({ "emails": ["x@y.z"] }), json!({ "emails": [{ "value": "x@y.z" }] })),
        (json!({ "emails": [{ "type": "work", "value": "" }] }), json!({})),
        (json!({ ENTERPRISE_URN: { "manager": "271" } }), json!({ ENTERPRISE_URN: { "manager": { "value": "271" } } })),
        (
            json!({ ENTERPRISE_URN: { "manager": [{ "$ref": "../Users/7", "value": "7", "displayName": "No" }] } }),
            json!({ ENTERPRISE_URN: { "manager": { "value": "7", "$ref": "../Users/7" } } }),
        ),
        (json!({ ENTERPRISE_URN: null }), json!({})),
    ] {
        let named = |mut body: Value| {
            body["userName"] = "a".into();
            body
        };
        let (sent, meant) = (named(sent), named(meant));
        assert_eq!(user(&sent), meant, "{sent}");
    }
}

#[test]
fn to_the_letter_nothing_is_guessed() {
    let strict = |mut body: Value| {
        body["schemas"] = json!([USER_URN]);
        body["userName"] = "a".into();
        refused(ResourceType::User, &body, STRICT)
    };
    for bad in [
        json!({ "active": "true" }),
        json!({ "title": ["only"] }),
        json!({ "emails": { "value": "x@y.z" } }),
        json!({ "emails": ["x@y.z"] }),
        json!({ "emails": [{ "value": "x@y.z", "kind": "work" }] }),
        json!({ "noSuchThing": 1 }),
        json!({ ENTERPRISE_URN: { "noSuchThing": 1 } }),
        json!({ ENTERPRISE_URN: { "manager": "271" } }),
        json!({ "emails": [{ "value": "a@b.c", "primary": true }, { "value": "d@e.f", "primary": true }] }),
    ] {
        assert_eq!(strict(bad.clone()), "invalidValue", "{bad}");
    }
    assert_eq!(refused(ResourceType::User, &json!({ "userName": "a" }), STRICT), "invalidValue");
    assert_eq!(
        refused(ResourceType::User, &json!({ "userName": "a", "schemas": [ENTERPRISE_URN] }), STRICT),
        "invalidValue"
    );
    assert_eq!(
        refused(ResourceType::User, &json!({ "userName": "a", "schemas": [GROUP_URN] }), STRICT),
        "invalidValue"
    );
    assert_eq!(refused(ResourceType::User, &json!([]), AUTO), "invalidSyntax");
}

#[test]
fn at_most_one_is_primary_and_the_same_value_of_the_same_type_stands_once() {
    let emails = json!([
        { "value": "a@b.c", "type": "work", "primary": true },
        { "value": "A@b.c", "type": "Work", "display": "A" },
        { "value": "a@b.c", "type": "home" },
        { "value": "d@e.f", "primary": true }
    ]);
    assert_eq!(
        user(&json!({ "userName": "a", "emails": emails }))["emails"],
        json!([
            { "value": "a@b.c", "display": "A", "type": "work", "primary": false },
            { "value": "a@b.c", "type": "home" },
            { "value": "d@e.f", "primary": true }
        ])
    );
    let addresses =
        json!([{ "type": "work", "country": "KR" }, { "country": "KR", "type": "work" }, { "country": "KR" }]);
    let kept = user(&json!({ "userName": "a", "addresses": addresses }));
    assert_eq!(kept["addresses"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_groups_members_are_taken_out_of_it() {
    let body = json!({
        "schemas": [GROUP_URN, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
        "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159", "displayName": "displayName",
        "meta": { "resourceType": "Group" }
    });
    let read = incoming(ResourceType::Group, &body, ScimProfile::Entra).unwrap();
    assert_eq!((read.members, read.has_external_id), (None, true));
    assert!(incoming(ResourceType::Group, &body, STRICT).is_err());
    for (sent, ids) in [
        (json!([]), Some(vec![])),
        (json!(null), None),
        (
            json!([{ "value": "u1", "display": "a@x" }, { "value": "u2", "type": "User" }, { "value": "u1" }]),
            Some(vec!["u1", "u2"]),
        ),
        (json!([{ "$ref": null, "value": "u1", "displayName": "x" }]), Some(vec!["u1"])),
        (json!(["u1", "u2"]), Some(vec!["u1", "u2"])),
        (json!("u1"), Some(vec!["u1"])),
        (json!({ "VALUE": "u1" }), Some(vec!["u1"])),
        (json!([{ "$ref": "https://id.example/scim/v2/Users/u1" }]), Some(vec!["u1"])),
    ] {
        let ids = ids.map(|ids| ids.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(members(sent.clone(), AUTO), Ok(ids), "{sent}");
    }
    assert_eq!(members(json!(null), STRICT), Ok(Some(Vec::new())));
    let twice = json!({ "displayName": "g", "members": [], "Members": [] });
    assert_eq!(refused(ResourceType::Group, &twice, AUTO), "invalidSyntax");
}

#[test]
fn groups_in_groups_are_refused_clearly() {
    for nested in [
        json!([{ "value": "g1", "type": "Group" }]),
        json!([{ "value": "g1", "type": "group" }]),
        json!([{ "value": "g1", "$ref": "../Groups/g1" }]),
        json!([{ "value": "g1", "$ref": "https://id.example/scim/v2/Groups/g1" }]),
    ] {
        let error = members(nested, AUTO).unwrap_err();
        assert!(error.detail.starts_with("Groups as members are not supported"), "{}", error.detail);
    }
    for bad in [json!([{}]), json!([{ "value": "" }]), json!([{ "value": 1 }]), json!([1]), json!(true), json!([null])]
    {
        assert_eq!(members(bad, AUTO).unwrap_err().status, 400);
    }
    for loose in [json!(["u1"]), json!("u1"), json!({ "value": "u1" }), json!([{ "value": "u1", "type": "user" }])] {
        assert!(members(loose, STRICT).is_err());
    }
}
