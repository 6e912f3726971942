//! What holds of every PATCH: one primary at most, no change by what is there already, and a canonical object after it.

use proptest::collection;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::tests::{body, object};
use super::*;
use crate::domain::scim::filter::tests::config;
use crate::domain::scim::normalize::incoming;
use crate::domain::scim::schema::{ENTERPRISE_URN, USER_URN};

const PROFILES: [ScimProfile; 4] = [ScimProfile::Auto, ScimProfile::Entra, ScimProfile::Okta, ScimProfile::RfcStrict];

fn email() -> impl Strategy<Value = Value> {
    let value = select(vec!["a@b.c", "A@b.c", "d@e.f", "g@h.i"]);
    let kind = proptest::option::of(select(vec!["work", "Work", "home", "other"]));
    (value, kind, proptest::option::of(any::<bool>())).prop_map(|(value, kind, primary)| {
        let mut email = json!({ "value": value });
        if let Some(kind) = kind {
            email["type"] = kind.into();
        }
        if let Some(primary) = primary {
            email["primary"] = primary.into();
        }
        email
    })
}

fn user() -> impl Strategy<Value = Object> {
    let emails = collection::vec(email(), 0..5);
    (emails, any::<bool>(), proptest::option::of("[a-z]{1,4}")).prop_map(|(emails, active, department)| {
        let mut user = json!({ "userName": "ana", "active": active, "emails": emails, "title": "t" });
        if let Some(department) = department {
            user[ENTERPRISE_URN] = json!({ "department": department, "manager": { "value": "1" } });
        }
        incoming(ResourceType::User, &user, ScimProfile::Auto).unwrap().object
    })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        email(),
        collection::vec(email(), 0..3).prop_map(Value::Array),
        select(vec![
            json!("x@y.z"),
            json!(""),
            json!(null),
            json!(true),
            json!("True"),
            json!("work"),
            json!([]),
            json!({})
        ]),
        email().prop_map(|email| json!({ "emails": [email], "title": "n", "name.givenName": "G" })),
        Just(json!({ "department": "D", "manager": "2", "manager.value": "" })),
    ]
}

fn operation() -> impl Strategy<Value = Value> {
    let paths = [
        "emails",
        "emails.value",
        "emails.primary",
        "emails[type eq \"work\"]",
        "emails[type eq \"work\"].value",
        "emails[type eq \"other\" and primary eq \"True\"].primary",
        "emails[primary eq true].type",
        "emails[not (value co \"a\")].display",
        "title",
        "active",
        "name",
        "name.givenName",
        "manager",
        "noSuchThing",
        "userName",
        ENTERPRISE_URN,
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
    ];
    let path = proptest::option::of(select(paths.to_vec()));
    (select(vec!["add", "Replace", "remove"]), path, value()).prop_map(|(op, path, value)| {
        let mut operation = json!({ "op": op, "value": value });
        if let Some(path) = path {
            operation["path"] = path.into();
        }
        operation
    })
}

fn patched(user: Object, operations: Vec<Value>, profile: ScimProfile) -> Result<Object, ScimError> {
    apply_user(user, &parse(&body(Value::Array(operations)), profile)?, profile)
}

fn normalised(user: &Object, profile: ScimProfile) -> Object {
    let mut body = Value::Object(user.clone());
    body["schemas"] = json!([USER_URN]);
    incoming(ResourceType::User, &body, profile).unwrap().object
}

fn primaries(user: &Object) -> usize {
    let emails = user.get("emails").and_then(Value::as_array).into_iter().flatten();
    emails.filter(|email| email["primary"] == true).count()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn after_any_patch_a_user_is_canonical_and_has_one_primary_address_at_most(
        user in user(), operations in collection::vec(operation(), 1..6), profile in select(PROFILES.to_vec()),
    ) {
        if let Ok(after) = patched(user, operations, profile) {
            prop_assert!(primaries(&after) <= 1);
            prop_assert_eq!(&normalised(&after, profile), &after);
            // The text of the row too: what has not changed is not written.
            prop_assert_eq!(Value::Object(normalised(&after, profile)).to_string(), Value::Object(after).to_string());
        }
    }

    #[test]
    fn adding_what_is_there_changes_nothing(user in user(), profile in select(PROFILES.to_vec())) {
        let mut operations = Vec::new();
        for (name, value) in &user {
            operations.push(json!({ "op": "add", "path": name, "value": value }));
            operations.push(json!({ "op": "add", "value": { name.as_str(): value } }));
        }
        prop_assert_eq!(patched(user.clone(), operations, profile), Ok(user));
    }

    #[test]
    fn replacing_twice_is_replacing_once(
        user in user(), operation in operation(), profile in select(PROFILES.to_vec()),
    ) {
        let mut operation = operation;
        operation["op"] = "Replace".into();
        if let Ok(once) = patched(user, vec![operation.clone()], profile)
            && let Ok(twice) = patched(once.clone(), vec![operation], profile)
        {
            prop_assert_eq!(twice, once);
        }
    }

    #[test]
    fn removing_all_values_drops_the_attribute(user in user(), profile in select(PROFILES.to_vec())) {
        let all = user.get("emails").cloned().unwrap_or_else(|| json!([]));
        let empty = all.as_array().is_none_or(Vec::is_empty);
        let remove = json!({ "op": "remove", "path": "emails", "value": all });
        let listed = patched(user.clone(), vec![remove], profile).unwrap();
        prop_assert!(!listed.contains_key("emails"));
        let chosen = patched(user, vec![json!({ "op": "remove", "path": "emails[value pr]" })], profile);
        match chosen {
            Ok(after) => prop_assert!(!after.contains_key("emails")),
            Err(error) => prop_assert!(empty && profile.is_strict(), "{}", error.detail),
        }
    }

    #[test]
    fn nothing_that_is_sent_makes_it_fall(text in "\\PC{0,60}", op in select(vec!["add", "replace", "remove"])) {
        for profile in PROFILES {
            let user = object(json!({ "userName": "ana" }));
            let _ = patched(user.clone(), vec![json!({ "op": op, "path": text, "value": text })], profile);
            let _ = patched(user, vec![json!({ "op": op, "value": { text.as_str(): [text] } })], profile);
        }
    }
}
