//! What Okta, Entra, `OneLogin`, `JumpCloud`, `SailPoint`, authentik and Keycloak's clients really send.

use serde_json::json;

use super::tests::{after, object};
use super::*;
use crate::domain::scim::schema::{ENTERPRISE_URN, GROUP_URN};

const AUTO: ScimProfile = ScimProfile::Auto;

/// The operations of a whole message, as it stands on the wire.
fn sent(message: &str, profile: ScimProfile) -> Vec<PatchOp> {
    parse(&serde_json::from_str(message).unwrap(), profile).unwrap()
}

fn group(message: &str, profile: ScimProfile) -> (Value, Vec<MemberEdit>) {
    let before = object(json!({ "displayName": "before", "externalId": "x" }));
    let (after, edits) = apply_group(before, &sent(message, profile), profile).unwrap();
    (Value::Object(after), edits)
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn okta_deactivates_without_a_path() {
    let message = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations":[{"op":"replace","value":{"active":false}}]}"#;
    for profile in [AUTO, ScimProfile::Okta, ScimProfile::RfcStrict] {
        let user = object(json!({ "userName": "a", "active": true, "title": "t" }));
        let after = apply_user(user, &sent(message, profile), profile).map(Value::Object);
        assert_eq!(after, Ok(json!({ "userName": "a", "active": false, "title": "t" })));
    }
}

#[test]
fn okta_renames_a_group_and_sends_its_id_along() {
    let message = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace",
        "value":{"id":"abf4dd94-a4c0-4f67-89c9-76b03340cb9b","displayName":"Test SCIMv2"}}]}"#;
    for profile in [AUTO, ScimProfile::Okta, ScimProfile::RfcStrict] {
        let (after, edits) = group(message, profile);
        assert_eq!((after["displayName"].as_str(), edits), (Some("Test SCIMv2"), Vec::new()));
        assert_eq!(after["externalId"], "x");
    }
}

#[test]
fn okta_takes_a_member_out_and_puts_one_in_with_one_message() {
    let message = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[
        {"op":"remove","path":"members[value eq \"89bb1940-b905-4575-9e7f-6f887cfb368e\"]"},
        {"op":"add","path":"members","value":[
            {"value":"23a35c27-23d3-4c03-b4c5-6443c09e7173","display":"test.user@okta.local"}]}]}"#;
    let (_, edits) = group(message, ScimProfile::Okta);
    let gone = MemberEdit::Remove(ids(&["89bb1940-b905-4575-9e7f-6f887cfb368e"]));
    assert_eq!(edits, [gone, MemberEdit::Add(ids(&["23a35c27-23d3-4c03-b4c5-6443c09e7173"]))]);
}

#[test]
fn oktas_full_push_replaces_all_members() {
    let message = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace",
        "path":"members","value":[{"value":"A","display":"a@x"},{"value":"B","display":"b@x"}]}]}"#;
    assert_eq!(group(message, ScimProfile::Okta).1, [MemberEdit::Set(ids(&["A", "B"]))]);
}

#[test]
fn entras_default_mode_updates_attribute_by_attribute() {
    let message = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[
        {"op":"Replace","path":"displayName","value":"Pvlo"},
        {"op":"Replace","path":"emails[type eq \"work\"].value","value":"T@test.microsoft.com"},
        {"op":"Replace","path":"name.familyName","value":"Pkqf"},
        {"op":"Replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
            "value":"Eqpj"}]}"#;
    for profile in [AUTO, ScimProfile::Entra] {
        let after = apply_user(object(json!({ "userName": "a" })), &sent(message, profile), profile).map(Value::Object);
        let expected = json!({
            "userName": "a", "displayName": "Pvlo", "name": { "familyName": "Pkqf" },
            "emails": [{ "value": "T@test.microsoft.com", "type": "work" }],
            ENTERPRISE_URN: { "employeeNumber": "Eqpj" }
        });
        assert_eq!(after, Ok(expected));
    }
}

#[test]
fn entras_flagged_mode_puts_paths_into_one_value() {
    let message = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[
        {"op":"replace","path":"emails[type eq \"work\"].value","value":"x@t.com"},
        {"op":"replace","value":{"displayName":"Bjfe","name.givenName":"Kkom",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber":"Aklq"}}]}"#;
    let user = object(
        json!({ "userName": "a", "name": { "familyName": "F" }, "emails": [{ "value": "o@t.com", "type": "work" }] }),
    );
    for profile in [AUTO, ScimProfile::Entra, ScimProfile::RfcStrict] {
        let after = apply_user(user.clone(), &sent(message, profile), profile).map(Value::Object);
        let expected = json!({
            "userName": "a", "displayName": "Bjfe", "name": { "familyName": "F", "givenName": "Kkom" },
            "emails": [{ "value": "x@t.com", "type": "work" }], ENTERPRISE_URN: { "employeeNumber": "Aklq" }
        });
        assert_eq!(after, Ok(expected));
    }
    let key = json!([{ "op": "add", "value": { "emails[type eq \"work\"].value": "n@t.com" } }]);
    assert_eq!(
        after(Value::Object(user), key, AUTO).unwrap()["emails"],
        json!([{ "value": "n@t.com", "type": "work" }])
    );
}

#[test]
fn entra_writes_booleans_as_texts_and_a_manager_as_one() {
    for value in ["False", "false"] {
        let operations = json!([{ "op": "Replace", "path": "active", "value": value }]);
        assert_eq!(after(json!({ "userName": "a", "active": true }), operations, AUTO).unwrap()["active"], false);
    }
    let message = r#"{"Operations":[{"op":"Add",
        "path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"271"}],
        "schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}"#;
    let operations = sent(message, ScimProfile::Entra);
    let after = apply_user(object(json!({ "userName": "a" })), &operations, ScimProfile::Entra).unwrap();
    assert_eq!(after[ENTERPRISE_URN], json!({ "manager": { "value": "271" } }));
}

#[test]
fn entras_single_role_is_put_together_from_its_parts_in_any_order() {
    let part = |name: &str, value: &str| {
        let path = format!("roles[primary eq \"True\"].{name}");
        json!({ "op": "Add", "path": path, "value": value })
    };
    let parts = [part("display", "Admin"), part("type", "WindowsAzureActiveDirectoryRole"), part("value", "admin")];
    let role = json!([{
        "value": "admin", "display": "Admin", "type": "WindowsAzureActiveDirectoryRole", "primary": true
    }]);
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let operations = order.map(|place| parts[place].clone()).to_vec();
        let made = after(json!({ "userName": "a" }), Value::Array(operations), AUTO).unwrap();
        assert_eq!(made["roles"], role, "{order:?}");
    }
    let packed = json!([{ "value": "{\"id\":\"1\",\"value\":\"Admin\"}" }]);
    let operations = json!([{ "op": "Add", "path": "roles", "value": packed }]);
    assert_eq!(after(json!({ "userName": "a" }), operations, AUTO).unwrap()["roles"], packed);
}

#[test]
fn entra_authentik_and_jumpcloud_take_out_whom_they_list_and_nobody_else() {
    for operation in [
        json!({ "op": "Remove", "path": "members", "value": [{ "$ref": null, "value": "u1" }] }),
        json!({ "op": "remove", "path": "members", "value": [{ "value": "u1" }] }),
        json!({ "op": "remove", "path": "members", "value": { "value": "u1" } }),
        json!({ "op": "Remove", "path": "members", "value": "u1" }),
    ] {
        let message = json!({ "schemas": [PATCH_OP], "Operations": [operation] }).to_string();
        for profile in [AUTO, ScimProfile::Entra, ScimProfile::Okta] {
            assert_eq!(group(&message, profile).1, [MemberEdit::Remove(ids(&["u1"]))], "{message}");
        }
    }
    let add = r#"{"Operations":[{"op":"Add","path":"members","value":[{"$ref":null,"value":"u1"}]}]}"#;
    assert_eq!(group(add, ScimProfile::Entra).1, [MemberEdit::Add(ids(&["u1"]))]);
}

#[test]
fn authentik_sends_each_member_by_itself_and_renames_with_the_whole_group() {
    let one = |id: &str| json!({ "op": "add", "path": "members", "value": [{ "value": id }] });
    let message = json!({ "schemas": [PATCH_OP], "Operations": [one("a"), one("b"), one("c")] }).to_string();
    assert_eq!(group(&message, AUTO).1, [MemberEdit::Add(ids(&["a", "b", "c"]))]);
    let whole =
        json!({ "id": "grp_1", "schemas": [GROUP_URN], "externalId": "5", "displayName": "new", "members": null });
    let message = json!({ "schemas": [PATCH_OP], "Operations": [{ "op": "replace", "value": whole }] }).to_string();
    let (after, edits) = group(&message, AUTO);
    assert_eq!((after, edits), (json!({ "displayName": "new", "externalId": "5" }), Vec::new()));
}

#[test]
fn others_send_their_keys_in_lower_case_and_members_without_a_path() {
    let wso2 = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "operations":[{"op":"add","value":{"members":[{"value":"u1","display":"x"}]}}]}"#;
    assert_eq!(group(wso2, AUTO).1, [MemberEdit::Add(ids(&["u1"]))]);
    let microsoft = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"id":"1",
        "Operations":[{"name":"addMember","op":"add","path":"members","value":"u1"},
        {"name":"addMember","op":"add","path":"members","value":[{"displayName":"x","value":"u2"}]}]}"#;
    assert_eq!(group(microsoft, AUTO).1, [MemberEdit::Add(ids(&["u1", "u2"]))]);
    let keycloak = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[
        {"op":"replace","path":"members","value":[{"value":"u1","type":"User"},{"value":"u2","type":"User"}]}]}"#;
    assert_eq!(group(keycloak, AUTO).1, [MemberEdit::Set(ids(&["u1", "u2"]))]);
    let external = r#"{"Operations":[{"op":"Replace","path":"externalId","value":"new"}]}"#;
    assert_eq!(group(external, ScimProfile::Entra).0["externalId"], "new");
}

#[test]
fn sailpoint_replaces_what_is_not_there_yet() {
    let operations = json!([
        { "op": "replace", "path": "name", "value": { "givenName": "A" } },
        { "op": "replace", "path": format!("{ENTERPRISE_URN}:manager"), "value": { "value": "7" } }
    ]);
    for profile in [AUTO, ScimProfile::RfcStrict] {
        let after = after(json!({ "userName": "a" }), operations.clone(), profile).unwrap();
        let expected =
            json!({ "userName": "a", "name": { "givenName": "A" }, ENTERPRISE_URN: { "manager": { "value": "7" } } });
        assert_eq!(after, expected);
    }
}
