//! Every form of path and value that RFC 7644 §3.5.2 has, and what the profiles make of those that it lacks.

use serde_json::json;

use super::*;
use crate::domain::scim::schema::ENTERPRISE_URN;

const AUTO: ScimProfile = ScimProfile::Auto;
const STRICT: ScimProfile = ScimProfile::RfcStrict;

pub(super) fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

pub(super) fn body(operations: Value) -> Value {
    let mut body = json!({ "schemas": [PATCH_OP] });
    body["Operations"] = operations;
    body
}

pub(super) fn after(user: Value, operations: Value, profile: ScimProfile) -> Result<Value, ScimError> {
    let operations = parse(&body(operations), profile)?;
    apply_user(object(user), &operations, profile).map(Value::Object)
}

pub(super) fn edits(operations: Value, profile: ScimProfile) -> Result<Vec<MemberEdit>, ScimError> {
    let operations = parse(&body(operations), profile)?;
    let group = json!({ "displayName": "g", "externalId": "x" });
    let (after, edits) = apply_group(object(group.clone()), &operations, profile)?;
    assert_eq!(Value::Object(after), group, "an edit of members changes nothing else");
    Ok(edits)
}

fn word(error: &ScimError) -> &'static str {
    error.kind.map_or("", |kind| kind.as_str())
}

fn ana() -> Value {
    json!({
        "userName": "ana", "active": true, "title": "Engineer",
        "name": { "formatted": "Ana Kim", "familyName": "Kim", "givenName": "Ana" },
        "emails": [{ "value": "w@a.test", "type": "work", "primary": true }, { "value": "h@a.test", "type": "home" }],
        ENTERPRISE_URN: { "department": "R", "manager": { "value": "1", "$ref": "../Users/1" } }
    })
}

/// Ana after one operation, compared with Ana in whom some attributes are otherwise (null: gone).
fn makes(operation: Value, profile: ScimProfile, otherwise: Value) {
    let mut expected = object(ana());
    for (name, value) in object(otherwise) {
        if value.is_null() {
            expected.remove(&name)
        } else {
            expected.insert(name, value)
        };
    }
    let what = format!("{operation} in {profile:?}");
    assert_eq!(after(ana(), Value::Array(vec![operation]), profile), Ok(Value::Object(expected)), "{what}");
}

fn fails(operation: Value, profile: ScimProfile, kind: &str) {
    let what = format!("{operation} in {profile:?}");
    let error = after(ana(), Value::Array(vec![operation]), profile).unwrap_err();
    assert_eq!((error.status, word(&error)), (400, kind), "{what}");
}

#[test]
fn attributes_are_added_replaced_and_removed() {
    for profile in [AUTO, STRICT] {
        makes(json!({ "op": "add", "path": "nickName", "value": "An" }), profile, json!({ "nickName": "An" }));
        makes(json!({ "op": "replace", "path": "TITLE", "value": "Boss" }), profile, json!({ "title": "Boss" }));
        makes(json!({ "op": "remove", "path": "title" }), profile, json!({ "title": null }));
        makes(json!({ "op": "replace", "path": "title", "value": null }), profile, json!({ "title": null }));
        makes(json!({ "op": "replace", "value": { "active": false } }), profile, json!({ "active": false }));
        makes(
            json!({ "op": "add", "value": { "title": "B", "nickName": "N" } }),
            profile,
            json!({ "title": "B", "nickName": "N" }),
        );
        let user = "urn:ietf:params:scim:schemas:core:2.0:User:title";
        makes(json!({ "op": "replace", "path": user, "value": "B" }), profile, json!({ "title": "B" }));
    }
    makes(json!({ "OP": "Remove", "PATH": "title", "value": "Engineer" }), AUTO, json!({ "title": null }));
    makes(json!({ "op": "replace", "path": "", "value": { "title": "B" } }), AUTO, json!({ "title": "B" }));
    makes(json!({ "op": "replace", "path": "title", "value": ["B"] }), AUTO, json!({ "title": "B" }));
    makes(json!({ "op": "replace", "value": [{ "title": "B" }] }), AUTO, json!({ "title": "B" }));
    makes(json!({ "op": "replace", "path": "title", "value": "" }), AUTO, json!({ "title": null }));
}

#[test]
fn a_complex_attribute_keeps_what_is_not_given() {
    for profile in [AUTO, STRICT] {
        let name = json!({ "name": { "formatted": "Ana Kim", "familyName": "Lee", "givenName": "Ana" } });
        for path in ["name", "name.familyName"] {
            let value = if path == "name" { json!({ "familyName": "Lee" }) } else { json!("Lee") };
            for op in ["add", "replace"] {
                makes(json!({ "op": op, "path": path, "value": value }), profile, name.clone());
            }
        }
        makes(json!({ "op": "replace", "value": { "name": { "familyName": "Lee" } } }), profile, name);
        let fewer = json!({ "name": { "familyName": "Kim", "givenName": "Ana" } });
        makes(json!({ "op": "remove", "path": "name.formatted" }), profile, fewer.clone());
        makes(json!({ "op": "replace", "path": "name", "value": { "formatted": null } }), profile, fewer);
        makes(json!({ "op": "remove", "path": "name" }), profile, json!({ "name": null }));
    }
}

#[test]
fn what_is_not_the_clients_to_write_is_refused_by_path_and_passed_over_in_a_value() {
    for profile in [AUTO, STRICT] {
        for path in ["id", "meta", "meta.version", "groups", "groups.value"] {
            fails(json!({ "op": "replace", "path": path, "value": "x" }), profile, "mutability");
        }
        let manager = format!("{ENTERPRISE_URN}:manager.displayName");
        fails(json!({ "op": "add", "path": manager, "value": "Bo" }), profile, "mutability");
        fails(json!({ "op": "remove", "path": "userName" }), profile, "mutability");
        fails(json!({ "op": "replace", "path": "userName", "value": null }), profile, "mutability");
        fails(json!({ "op": "remove", "path": "active" }), profile, "mutability");
        fails(json!({ "op": "replace", "value": { "active": null } }), profile, "mutability");
        let value = json!({ "id": "x", "schemas": [], "Meta": {}, "title": "B" });
        makes(json!({ "op": "replace", "value": value }), profile, json!({ "title": "B" }));
        makes(json!({ "op": "replace", "path": "password", "value": "secret" }), profile, json!({}));
        makes(json!({ "op": "add", "path": "schemas", "value": ["urn:x"] }), profile, json!({}));
    }
    makes(json!({ "op": "replace", "value": { "groups": [], "title": "B" } }), AUTO, json!({ "title": "B" }));
    fails(json!({ "op": "replace", "value": { "groups": [] } }), STRICT, "mutability");
}

#[test]
fn many_values_are_added_once_replaced_together_and_removed_as_named() {
    let (work, home) = (ana()["emails"][0].clone(), ana()["emails"][1].clone());
    for profile in [AUTO, STRICT] {
        let new = json!({ "value": "n@a.test", "type": "other" });
        makes(
            json!({ "op": "add", "path": "emails", "value": [new] }),
            profile,
            json!({ "emails": [work, home, new] }),
        );
        makes(json!({ "op": "add", "value": { "emails": [new] } }), profile, json!({ "emails": [work, home, new] }));
        makes(json!({ "op": "add", "path": "emails", "value": [{ "value": "W@a.test" }] }), profile, json!({}));
        makes(json!({ "op": "replace", "path": "emails", "value": [new] }), profile, json!({ "emails": [new] }));
        makes(json!({ "op": "remove", "path": "emails" }), profile, json!({ "emails": null }));
        makes(json!({ "op": "replace", "path": "emails", "value": [] }), profile, json!({ "emails": null }));
        makes(json!({ "op": "replace", "path": "emails", "value": null }), profile, json!({ "emails": null }));
        makes(json!({ "op": "remove", "path": "emails[type eq \"home\"]" }), profile, json!({ "emails": [work] }));
        makes(
            json!({ "op": "remove", "path": "emails", "value": [{ "value": "h@a.test" }] }),
            profile,
            json!({ "emails": [work] }),
        );
        makes(json!({ "op": "remove", "path": "emails", "value": [{ "value": "nobody" }] }), profile, json!({}));
    }
    let new = json!({ "value": "n@a.test" });
    makes(json!({ "op": "add", "path": "emails", "value": new }), AUTO, json!({ "emails": [work, home, new] }));
    makes(json!({ "op": "remove", "path": "emails[type eq \"none\"]" }), AUTO, json!({}));
    fails(json!({ "op": "remove", "path": "emails[type eq \"none\"]" }), STRICT, "noTarget");
}

#[test]
fn elements_are_chosen_by_a_filter() {
    let work = |address: &str| json!({ "value": address, "type": "work", "primary": true });
    let home = ana()["emails"][1].clone();
    for profile in [AUTO, STRICT] {
        for filter in
            ["type eq \"work\"", "TYPE eq \"Work\" and value co \"@a\"", "not (type eq \"home\")", "primary eq true"]
        {
            let path = format!("emails[{filter}].value");
            let after = json!({ "emails": [work("n@a.test"), home] });
            for op in ["add", "replace"] {
                makes(json!({ "op": op, "path": path, "value": "n@a.test" }), profile, after.clone());
            }
        }
        let named = json!({ "value": "w@a.test", "display": "W", "type": "work", "primary": true });
        let path = "emails[type eq \"work\"]";
        makes(
            json!({ "op": "add", "path": path, "value": { "display": "W" } }),
            profile,
            json!({ "emails": [named, home] }),
        );
    }
    let path = "emails[type eq \"work\"]";
    let replace = json!({ "op": "replace", "path": path, "value": { "value": "n@a.test" } });
    makes(replace.clone(), AUTO, json!({ "emails": [work("n@a.test"), home] }));
    makes(replace, STRICT, json!({ "emails": [{ "value": "n@a.test" }, home] }));
    makes(
        json!({ "op": "replace", "path": path, "value": "n@a.test" }),
        AUTO,
        json!({ "emails": [work("n@a.test"), home] }),
    );
    makes(
        json!({ "op": "replace", "path": "emails[type eq \"work\"].value", "value": "" }),
        AUTO,
        json!({ "emails": [home] }),
    );
    makes(json!({ "op": "remove", "path": "emails[type eq \"work\"].value" }), AUTO, json!({ "emails": [home] }));
    makes(
        json!({ "op": "replace", "path": "emails.value", "value": "n@a.test" }),
        AUTO,
        json!({ "emails": [work("n@a.test"), home] }),
    );
}

#[test]
fn an_element_that_is_not_there_is_made_of_what_the_filter_says() {
    for (path, value, name, made) in [
        (
            "phoneNumbers[type eq \"mobile\"].value",
            json!("+1"),
            "phoneNumbers",
            json!([{ "value": "+1", "type": "mobile" }]),
        ),
        (
            "addresses[type eq \"work\"].postalCode",
            json!("04524"),
            "addresses",
            json!([{ "postalCode": "04524", "type": "work" }]),
        ),
        ("roles[primary eq \"True\"].value", json!("Admin"), "roles", json!([{ "value": "Admin", "primary": true }])),
        (
            "ims[type eq \"x\" and primary eq true]",
            json!({ "value": "v" }),
            "ims",
            json!([{ "value": "v", "type": "x", "primary": true }]),
        ),
    ] {
        for op in ["Add", "Replace"] {
            makes(json!({ "op": op, "path": path, "value": value }), AUTO, json!({ name: made }));
        }
        let kind = if path.contains("\"True\"") { "invalidFilter" } else { "noTarget" };
        fails(json!({ "op": "replace", "path": path, "value": value }), STRICT, kind);
    }
    makes(json!({ "op": "replace", "path": "roles[type eq \"x\"].value", "value": null }), AUTO, json!({}));
    makes(json!({ "op": "replace", "path": "roles[type eq \"x\"].value", "value": "" }), AUTO, json!({}));
    for filter in ["type eq \"a\" or type eq \"b\"", "not (type pr)", "type ne null"] {
        fails(json!({ "op": "add", "path": format!("roles[{filter}].value"), "value": "v" }), AUTO, "noTarget");
    }
}

#[test]
fn a_new_primary_takes_the_place_of_the_old_one() {
    let emails = json!({ "emails": [
        { "value": "w@a.test", "type": "work", "primary": false },
        { "value": "h@a.test", "type": "home", "primary": true }
    ] });
    for profile in [AUTO, STRICT] {
        makes(
            json!({ "op": "replace", "path": "emails[type eq \"home\"].primary", "value": true }),
            profile,
            emails.clone(),
        );
        let home = json!([{ "value": "h@a.test", "type": "home", "primary": true }]);
        makes(json!({ "op": "add", "path": "emails", "value": home }), profile, emails.clone());
        makes(
            json!({ "op": "replace", "path": "emails[type eq \"home\"]", "value": home[0] }),
            profile,
            emails.clone(),
        );
    }
}

#[test]
fn an_extension_is_reached_by_each_of_its_paths() {
    let with = |name: &str, value: Value| {
        let mut parts = ana()[ENTERPRISE_URN].clone();
        parts[name] = value;
        json!({ ENTERPRISE_URN: parts })
    };
    for profile in [AUTO, STRICT] {
        let path = format!("{ENTERPRISE_URN}:department");
        makes(json!({ "op": "replace", "path": path, "value": "S" }), profile, with("department", json!("S")));
        makes(
            json!({ "op": "add", "path": ENTERPRISE_URN, "value": { "costCenter": "9" } }),
            profile,
            with("costCenter", json!("9")),
        );
        makes(
            json!({ "op": "add", "value": { ENTERPRISE_URN: { "costCenter": "9" } } }),
            profile,
            with("costCenter", json!("9")),
        );
        makes(json!({ "op": "replace", "value": { path.as_str(): "S" } }), profile, with("department", json!("S")));
        makes(json!({ "op": "remove", "path": ENTERPRISE_URN }), profile, json!({ ENTERPRISE_URN: null }));
    }
    let old = "urn:scim:schemas:extension:enterprise:1.0.department";
    makes(json!({ "op": "Replace", "path": old, "value": "S" }), AUTO, with("department", json!("S")));
    let dotted = format!("{ENTERPRISE_URN}.department");
    makes(json!({ "op": "Replace", "path": dotted, "value": "S" }), AUTO, with("department", json!("S")));
    let both = json!([
        { "op": "remove", "path": format!("{ENTERPRISE_URN}:department") },
        { "op": "remove", "path": format!("{ENTERPRISE_URN}:manager") }
    ]);
    assert!(after(ana(), both, AUTO).unwrap().get(ENTERPRISE_URN).is_none());
}

#[test]
fn a_manager_comes_and_goes_in_every_form() {
    let manager = |value: Value| json!({ ENTERPRISE_URN: { "department": "R", "manager": value } });
    let path = format!("{ENTERPRISE_URN}:manager");
    let sub = format!("{path}.value");
    for value in [json!("271"), json!({ "value": "271" }), json!([{ "value": "271" }]), json!(["271"])] {
        for op in ["Add", "Replace"] {
            makes(json!({ "op": op, "path": path, "value": value }), AUTO, manager(json!({ "value": "271" })));
            makes(json!({ "op": op, "path": "manager", "value": value }), AUTO, manager(json!({ "value": "271" })));
        }
    }
    makes(json!({ "op": "add", "path": sub, "value": "271" }), AUTO, manager(json!({ "value": "271" })));
    makes(json!({ "op": "add", "value": { sub.as_str(): "271" } }), AUTO, manager(json!({ "value": "271" })));
    let moved = json!({ "value": "7", "$ref": "../Users/7" });
    makes(json!({ "op": "add", "path": "manager", "value": [moved] }), AUTO, manager(moved.clone()));
    let none = json!({ ENTERPRISE_URN: { "department": "R" } });
    for value in [json!(""), json!({ "value": "" }), json!(null), json!({ "value": null }), json!([])] {
        makes(json!({ "op": "Replace", "path": path, "value": value }), AUTO, none.clone());
    }
    makes(json!({ "op": "remove", "path": path }), STRICT, none.clone());
    makes(json!({ "op": "replace", "path": sub, "value": "" }), AUTO, none);
    makes(json!({ "op": "replace", "path": path, "value": { "displayName": "Bo" } }), AUTO, json!({}));
}

#[test]
fn what_means_nothing_is_passed_over_or_to_the_letter_refused() {
    for path in ["noSuchThing", "emails.noSuchThing", "emails[type eq \"work\"].noSuchThing", "urn:example:2.0:X:y"] {
        makes(json!({ "op": "add", "path": path, "value": "x" }), AUTO, json!({}));
        fails(json!({ "op": "add", "path": path, "value": "x" }), STRICT, "invalidPath");
    }
    makes(json!({ "op": "add", "value": { "noSuchThing": 1, "not a path": 2 } }), AUTO, json!({}));
    fails(json!({ "op": "add", "value": { "noSuchThing": 1 } }), STRICT, "invalidPath");
    for profile in [AUTO, STRICT] {
        fails(json!({ "op": "remove" }), profile, "noTarget");
        fails(json!({ "op": "move", "path": "title" }), profile, "invalidSyntax");
        fails(json!({ "path": "title" }), profile, "invalidSyntax");
        fails(json!({ "op": "add", "path": "title", "value": null }), profile, "invalidValue");
        fails(json!({ "op": "add", "path": "title" }), profile, "invalidValue");
        fails(json!({ "op": "replace", "path": "title", "value": { "a": 1 } }), profile, "invalidValue");
        fails(json!({ "op": "replace", "path": "active", "value": "maybe" }), profile, "invalidValue");
        fails(json!({ "op": "replace", "value": "x" }), profile, "invalidValue");
        fails(json!({ "op": "replace", "path": "title[x", "value": "x" }), profile, "invalidFilter");
        fails(json!({ "op": "replace", "path": "a b", "value": "x" }), profile, "invalidPath");
        fails(json!({ "op": "replace", "path": 1, "value": "x" }), profile, "invalidPath");
        fails(json!({ "op": "replace", "path": "title[value eq \"x\"]", "value": "x" }), profile, "invalidPath");
        fails(json!("replace"), profile, "invalidSyntax");
    }
    fails(json!({ "op": "replace", "path": "active", "value": "False" }), STRICT, "invalidValue");
    fails(json!({ "op": "replace", "path": "manager[value eq \"1\"]", "value": {} }), STRICT, "invalidPath");
}

#[test]
fn the_message_itself_is_read_leniently_but_to_the_letter() {
    let loose = json!({ "operations": [{ "op": "REPLACE", "path": "title", "value": "B", "name": "x" }], "id": "1" });
    assert_eq!(parse(&loose, AUTO).map(|all| all.len()), Ok(1));
    assert!(parse(&loose, STRICT).is_err());
    assert_eq!(parse(&json!({ "Operations": { "op": "remove", "path": "title" } }), AUTO).map(|all| all.len()), Ok(1));
    assert_eq!(parse(&body(json!([])), AUTO), Ok(Vec::new()));
    for bad in [json!([]), json!({}), body(json!("x"))] {
        assert!(parse(&bad, AUTO).is_err());
    }
    assert!(parse(&body(json!([])), STRICT).is_err());
    let many: Vec<Value> = (0..300).map(|_| json!({ "op": "add", "path": "title", "value": "x" })).collect();
    assert!(after(ana(), Value::Array(many), AUTO).is_err());
}

#[test]
fn a_groups_members_become_edits_in_order() {
    use MemberEdit::{Add, Remove, Set};
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let two = json!([{ "value": "a" }, { "value": "b" }]);
    for profile in [AUTO, STRICT] {
        for (operation, expected) in [
            (json!({ "op": "add", "path": "members", "value": two }), vec![Add(ids(&["a", "b"]))]),
            (json!({ "op": "add", "value": { "members": two } }), vec![Add(ids(&["a", "b"]))]),
            (json!({ "op": "replace", "path": "members", "value": two }), vec![Set(ids(&["a", "b"]))]),
            (json!({ "op": "replace", "path": "members", "value": [] }), vec![Set(ids(&[]))]),
            (json!({ "op": "replace", "path": "members", "value": null }), vec![Set(ids(&[]))]),
            (json!({ "op": "remove", "path": "members" }), vec![Set(ids(&[]))]),
            (json!({ "op": "remove", "path": "members", "value": two }), vec![Remove(ids(&["a", "b"]))]),
            (json!({ "op": "remove", "path": "members", "value": [] }), vec![]),
            (json!({ "op": "remove", "path": "members[value eq \"a\"]" }), vec![Remove(ids(&["a"]))]),
            (
                json!({ "op": "remove", "path": "Members[VALUE eq \"a\" or value eq \"b\"]" }),
                vec![Remove(ids(&["a", "b"]))],
            ),
        ] {
            assert_eq!(edits(json!([operation.clone()]), profile), Ok(expected), "{operation}");
        }
        let all = edits(json!([{ "op": "remove", "path": "members[type eq \"User\"]" }]), profile).unwrap();
        assert!(matches!(&all[..], [MemberEdit::RemoveWhere(_)]));
        let nested = json!([{ "op": "add", "path": "members", "value": [{ "value": "g", "type": "Group" }] }]);
        assert_eq!(word(&edits(nested, profile).unwrap_err()), "invalidValue");
        let changed = json!([{ "op": "replace", "path": "members[value eq \"a\"].value", "value": "b" }]);
        assert_eq!(word(&edits(changed, profile).unwrap_err()), "mutability");
        assert_eq!(
            word(&edits(json!([{ "op": "remove", "path": "displayName" }]), profile).unwrap_err()),
            "mutability"
        );
    }
    let order = json!([
        { "op": "add", "path": "members", "value": [{ "value": "a" }] },
        { "op": "add", "path": "members", "value": [{ "value": "b" }] },
        { "op": "remove", "path": "members", "value": [{ "value": "a" }] },
        { "op": "replace", "path": "members", "value": ["c"] }
    ]);
    assert_eq!(edits(order, AUTO), Ok(vec![Add(ids(&["a", "b"])), Remove(ids(&["a"])), Set(ids(&["c"]))]));
    assert_eq!(edits(json!([{ "op": "replace", "value": { "members": null } }]), AUTO), Ok(Vec::new()));
    assert_eq!(
        edits(json!([{ "op": "add", "path": "members.value", "value": "a" }]), AUTO),
        Ok(vec![Add(ids(&["a"]))])
    );
    assert_eq!(
        edits(json!([{ "op": "add", "path": "members[value eq \"a\"].display", "value": "A" }]), AUTO)
            .unwrap_err()
            .status,
        400
    );
}
