//! Bulk requests as RFC 7644 §3.7 has them, and their order.

use super::*;

fn request(operations: Value) -> Result<Bulk, ScimError> {
    let mut body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "failOnErrors": 1 });
    body["Operations"] = operations;
    parse(&body)
}

fn user(id: &str, manager: Option<&str>) -> Value {
    let mut data = json!({ "userName": id });
    if let Some(manager) = manager {
        data[ENTERPRISE_URN] = json!({ "department": "R", "manager": { "value": format!("bulkId:{manager}") } });
    }
    json!({ "method": "POST", "path": "/Users", "bulkId": id, "data": data })
}

fn group(id: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|id| json!({ "value": format!("bulkId:{id}") })).collect();
    json!({ "method": "post", "path": "/Groups", "bulkId": id, "data": { "displayName": id, "members": members } })
}

fn planned(operations: Value) -> Vec<Step> {
    plan(&request(operations).unwrap().operations)
}

fn missing(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn a_request_is_read_with_its_operations() {
    let bulk = request(json!([
        user("u1", None),
        { "method": "PATCH", "path": "/Users/usr_1", "version": "W/\"3\"", "data": { "Operations": [] } },
        { "METHOD": "delete", "Path": "/Users/usr_2" }
    ]))
    .unwrap();
    assert_eq!((bulk.fail_on_errors, bulk.operations.len()), (Some(1), 3));
    assert_eq!(bulk.operations[1].version.as_deref(), Some("W/\"3\""));
    assert_eq!((bulk.operations[2].method.as_str(), &bulk.operations[2].data), ("DELETE", &Value::Null));
    assert_eq!(parse(&json!({ "operations": [] })).unwrap(), Bulk { fail_on_errors: None, operations: Vec::new() });
}

#[test]
fn what_is_no_bulk_request_is_refused() {
    for bad in [
        json!([user("same", None), group("same", &[])]),
        json!([{ "method": "POST", "path": "/Users", "data": {} }]),
        json!([{ "path": "/Users/1" }]),
        json!([{ "method": "DELETE" }]),
        json!([{ "method": "DELETE", "path": 1 }]),
        json!(["DELETE"]),
        json!({}),
    ] {
        let error = request(bad).unwrap_err();
        assert_eq!((error.status, error.kind.map(super::super::error::ScimType::as_str)), (400, Some("invalidSyntax")));
    }
    assert!(parse(&json!([])).is_err() && parse(&json!({ "Operations": [], "failOnErrors": "1" })).is_err());
    let many: Vec<Value> =
        (0..=BULK_OPERATIONS).map(|n| json!({ "method": "DELETE", "path": format!("/Users/{n}") })).collect();
    let error = request(Value::Array(many)).unwrap_err();
    assert_eq!(error.status, 413);
    assert!(error.detail.contains("1000"));
}

#[test]
fn references_are_found_wherever_they_may_stand() {
    let operation = BulkOp {
        method: "PATCH".into(),
        path: "/Groups/bulkId:g1".into(),
        bulk_id: None,
        version: None,
        data: json!({ "Operations": [
            { "op": "add", "path": "members", "value": [{ "value": "bulkId:u1", "$ref": "../Users/bulkId:u2" }] },
            { "op": "remove", "path": "members[value eq \"bulkId:u3\" or value eq \"bulkId:u4\"]" },
            { "op": "replace", "path": "displayName", "value": "no bulkId:x, and bulkId: neither" }
        ] }),
    };
    assert_eq!(references(&operation), missing(&["g1", "u1", "u2", "u3", "u4"]));
    let mut substituted = operation.clone();
    let ids: BTreeMap<String, String> =
        ["g1", "u1", "u2", "u3"].iter().map(|id| ((*id).to_owned(), format!("id_{id}"))).collect();
    assert_eq!(substitute(&mut substituted, &ids), ["u4"]);
    assert_eq!(substituted.path, "/Groups/id_g1");
    let operations = &substituted.data["Operations"];
    assert_eq!(operations[0]["value"], json!([{ "value": "id_u1", "$ref": "../Users/id_u2" }]));
    assert_eq!(operations[1]["path"], "members[value eq \"id_u3\" or value eq \"bulkId:u4\"]");
    assert_eq!(operations[2], operation.data["Operations"][2]);
}

#[test]
fn what_is_named_runs_before_what_names_it_and_the_rest_as_it_stands() {
    use Step::Run;
    assert_eq!(planned(json!([group("g", &["a", "b"]), user("a", None), user("b", None)])), [Run(1), Run(2), Run(0)]);
    assert_eq!(planned(json!([user("a", None), group("g", &["a"]), user("b", Some("a"))])), [Run(0), Run(1), Run(2)]);
    let path = json!({ "method": "PATCH", "path": "/Groups/bulkId:g", "data": {} });
    assert_eq!(planned(json!([path, user("x", None), group("g", &[])])), [Run(2), Run(0), Run(1)]);
    assert_eq!(planned(json!([group("g", &["nobody"])])), [Run(0)]);
}

#[test]
fn a_circle_of_managers_is_made_without_one_of_them_and_completed() {
    use Step::{Complete, Run, RunWithout};
    assert_eq!(
        planned(json!([user("a", Some("b")), user("b", Some("a"))])),
        [RunWithout(1, missing(&["a"])), Run(0), Complete(1)]
    );
    assert_eq!(planned(json!([user("a", Some("a"))])), [RunWithout(0, missing(&["a"])), Complete(0)]);
    assert_eq!(
        planned(json!([group("g", &["a"]), user("a", Some("b")), user("b", Some("c")), user("c", Some("a"))])),
        [RunWithout(3, missing(&["a"])), Run(2), Run(1), Complete(3), Run(0)]
    );
}

#[test]
fn two_groups_that_name_each_other_stay_as_they_are() {
    assert_eq!(planned(json!([group("g", &["h"]), group("h", &["g"])])), [Step::Run(1), Step::Run(0)]);
}

#[test]
fn what_is_left_out_comes_back_as_a_patch() {
    let bulk = request(json!([user("a", Some("b"))])).unwrap();
    let operation = &bulk.operations[0];
    let cut = without(operation, &missing(&["b"]));
    assert_eq!(cut.data[ENTERPRISE_URN], json!({ "department": "R" }));
    assert_eq!(without(operation, &missing(&["c"])), *operation);
    let patch = completion(operation).unwrap();
    assert_eq!(patch["Operations"][0]["value"], json!({ "value": "bulkId:b" }));
    assert_eq!(completion(&cut), None);
}

#[test]
fn a_chain_as_long_as_a_request_is_planned() {
    let chain: Vec<Value> = (0..BULK_OPERATIONS)
        .map(|n| user(&n.to_string(), (n + 1 < BULK_OPERATIONS).then(|| (n + 1).to_string()).as_deref()))
        .collect();
    let steps = planned(Value::Array(chain));
    assert_eq!(steps.len(), BULK_OPERATIONS);
    assert_eq!((&steps[0], &steps[BULK_OPERATIONS - 1]), (&Step::Run(BULK_OPERATIONS - 1), &Step::Run(0)));
}
