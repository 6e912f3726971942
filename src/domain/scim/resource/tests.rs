//! What is canonical reads into the types and comes out the same, and what Muster adds is what RFC 7643 §3.1 says.

use serde::de::DeserializeOwned;

use super::super::schema::{Attribute, ENTERPRISE_URN, GROUP_URN, Kind, Mutability, USER_URN};
use super::*;

const BASE: &str = "https://id.example/scim/v2";

fn comes_back<T: DeserializeOwned + Serialize>(value: &Value) {
    let typed: T = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(&serde_json::to_value(&typed).unwrap(), value);
}

fn stamp(kind: ResourceType) -> Stamp {
    let (created, modified) = (UnixMillis(1_767_225_600_000), UnixMillis(1_767_225_600_007));
    Stamp { kind, id: "usr_1".to_owned(), created, modified, version: 3 }
}

/// Some value of each attribute that can be shown.
fn filled(attributes: &[Attribute]) -> Object {
    let shown = attributes.iter().filter(|attribute| attribute.mutability != Mutability::WriteOnly);
    shown
        .map(|attribute| {
            let one = match attribute.kind {
                Kind::Boolean => json!(true),
                Kind::Complex => Value::Object(filled(attribute.sub)),
                _ => json!(format!("some {}", attribute.name)),
            };
            (attribute.name.to_owned(), if attribute.multi { json!([one]) } else { one })
        })
        .collect()
}

#[test]
fn each_attribute_that_is_shown_has_its_place_in_the_types() {
    let mut user = filled(ResourceType::User.schema().attributes);
    for extension in ResourceType::User.extensions() {
        user.insert(extension.urn.to_owned(), Value::Object(filled(extension.attributes)));
    }
    user.insert("externalId".to_owned(), json!("their id"));
    let user = Value::Object(complete(user, &stamp(ResourceType::User), BASE));
    assert_eq!(user["schemas"], json!([USER_URN, ENTERPRISE_URN]));
    comes_back::<User>(&user);
    let mut group = filled(ResourceType::Group.schema().attributes);
    group.insert("externalId".to_owned(), json!("their id"));
    let group = Value::Object(complete(group, &stamp(ResourceType::Group), BASE));
    assert_eq!(group["schemas"], json!([GROUP_URN]));
    comes_back::<Group>(&group);
}

#[test]
fn what_a_client_sends_comes_back_the_same() {
    comes_back::<User>(&json!({
        "schemas": [USER_URN, ENTERPRISE_URN],
        "externalId": "ext-701984",
        "userName": "d.han@acme.test",
        "name": { "formatted": "Han Dana", "familyName": "Han", "givenName": "Dana" },
        "active": false,
        "emails": [
            { "value": "d.han@acme.test", "type": "work", "primary": true },
            { "value": "dana@home.test", "type": "home" },
        ],
        "phoneNumbers": [{ "value": "+82 2 555 0100", "type": "work", "primary": false }],
        "addresses": [{ "type": "work", "streetAddress": "1 Teheran-ro\nFloor 9", "locality": "Seoul", "country": "KR" }],
        "roles": [{ "value": "auditor" }],
        "x509Certificates": [{ "value": "MIIDQzCCAqygAwIBAgICEAAwDQYJ" }],
        ENTERPRISE_URN: { "employeeNumber": "701984", "manager": { "value": "usr_2" } },
    }));
    comes_back::<User>(&json!({ "userName": "d.han@acme.test" }));
    comes_back::<Group>(&json!({ "schemas": [GROUP_URN], "displayName": "Auditors" }));
    comes_back::<Group>(&json!({ "displayName": "Auditors", "members": [{ "value": "usr_1", "type": "User" }] }));
    assert!(serde_json::from_value::<User>(json!({ "active": true })).is_err(), "no user is without a name");
}

#[test]
fn what_muster_says_of_a_resource_replaces_what_a_client_says() {
    let sent = json!({
        "schemas": ["urn:other"], "id": "mine", "userName": "dana", "meta": { "created": "never" }, ENTERPRISE_URN: {},
    });
    let Value::Object(sent) = sent else { panic!("it is an object") };
    let served = Value::Object(complete(sent, &stamp(ResourceType::User), BASE));
    assert_eq!((served["schemas"].clone(), served["id"].as_str()), (json!([USER_URN]), Some("usr_1")));
    let meta = json!({
        "resourceType": "User",
        "created": "2026-01-01T00:00:00.000Z",
        "lastModified": "2026-01-01T00:00:00.007Z",
        "location": "https://id.example/scim/v2/Users/usr_1",
        "version": "W/\"3\"",
    });
    assert_eq!(served["meta"], meta);
}

#[test]
fn moments_have_milliseconds_and_four_digits_for_the_year() {
    assert_eq!(timestamp(UnixMillis(0)), "1970-01-01T00:00:00.000Z");
    assert_eq!(timestamp(UnixMillis(951_782_399_999)), "2000-02-28T23:59:59.999Z");
    assert_eq!(timestamp(UnixMillis(LAST)), "9999-12-31T23:59:59.999Z");
    assert_eq!(timestamp(UnixMillis::MAX), timestamp(UnixMillis(LAST)));
    assert_eq!(timestamp(UnixMillis(-1)), timestamp(UnixMillis(0)));
}
