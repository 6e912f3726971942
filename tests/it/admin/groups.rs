//! Groups: unique names, rows one by one, typed deletion, and what each act does to the members' sessions.

use reqwest::Method;
use serde_json::json;

use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::server::on_both;

// K21 K22 K23
#[tokio::test(flavor = "multi_thread")]
async fn a_groups_name_is_unique_in_its_organisation_whatever_its_case() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let (globex, _) = owned(site, "globex").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let made = olga.post("/groups", json!({ "name": " Devs ", "description": "They build" })).await;
        assert_eq!(made["object"]["name"], "Devs");
        assert_eq!(made["receipt"]["dry_run"], false);
        assert_eq!(olga.refused(Method::POST, "/groups", json!({ "name": "dEVS" })).await, (409, "conflict".into()));
        Admin::of(site, &globex, "olga").await.post("/groups", json!({ "name": "devs" })).await;
        let long = json!({ "name": "Ops", "description": "x".repeat(101) });
        assert_eq!(olga.refused(Method::POST, "/groups", long).await, (400, "invalid".into()));
        let fits = json!({ "name": "Ops", "description": "x".repeat(100) });
        olga.post("/groups", fits).await;
        acme.person("rita", PASSWORD).await;
        acme.give("rita", "org.reader", None).await;
        let rita = Admin::of(site, &acme, "rita").await;
        assert_eq!(rita.refused(Method::POST, "/groups", json!({ "name": "No" })).await, (403, "denied".into()));
        assert!(rita.get("/groups").await["items"].as_array().unwrap().iter().any(|group| group["name"] == "Ops"));
    })
    .await;
}

// K24 K36 K48
#[tokio::test(flavor = "multi_thread")]
async fn a_group_holds_roles_on_the_organisation_and_on_projects_and_a_foreign_organisation_is_refused() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let (globex, _) = owned(site, "globex").await;
        let (web, data) = (acme.project("web").await, acme.project("data").await);
        let olga = Admin::of(site, &acme, "olga").await;
        let roles = json!([
            { "role": "org.reader" },
            { "role": "project.admin", "scope": { "kind": "project", "project_id": web } },
            { "role": "project.reader", "scope": { "kind": "project", "project_id": data } },
        ]);
        let made = olga.post("/groups", json!({ "name": "Mixed", "roles": roles })).await;
        assert_eq!(made["object"]["roles"].as_array().unwrap().len(), 3);
        let foreign = json!({ "name": "Other", "org_id": globex.id });
        assert_eq!(olga.refused(Method::POST, "/groups", foreign).await, (400, "invalid".into()));
        let alone = json!({ "name": "Bad", "roles": [{ "role": "project.admin" }] });
        assert_eq!(olga.refused(Method::POST, "/groups", alone).await, (400, "invalid".into()));
        let owner = json!({ "name": "Bad", "roles": [{ "role": "org.owner" }] });
        assert!(olga.refused(Method::POST, "/groups", owner).await.0 >= 400);
        assert!(!olga.get("/groups").await["items"].as_array().unwrap().iter().any(|group| group["name"] == "Bad"));
    })
    .await;
}

// K37 K43
#[tokio::test(flavor = "multi_thread")]
async fn unknown_ids_are_refused_row_by_row_and_the_others_are_kept() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let (globex, _) = owned(site, "globex").await;
        let (ana, bo) = (acme.person("ana", PASSWORD).await, acme.person("bo", PASSWORD).await);
        let stranger = globex.person("eve", PASSWORD).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let id = olga.post("/groups", json!({ "name": "Devs" })).await["object"]["id"].as_str().unwrap().to_owned();
        let rows = json!({ "users": [ana, "nobody", stranger, bo] });
        let done = olga.post(&format!("/groups/{id}/members/add"), rows).await;
        let refused: Vec<(u64, &str)> = done["refused"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["row"].as_u64().unwrap(), row["code"].as_str().unwrap()))
            .collect();
        assert_eq!(refused, [(1, "not_found"), (2, "not_found")]);
        let members = olga.get(&format!("/groups/{id}/members")).await;
        assert_eq!(members["items"].as_array().unwrap().len(), 2);
        let gone = olga.post(&format!("/groups/{id}/members/remove"), json!({ "users": [ana, bo] })).await;
        assert_eq!(gone["refused"], json!([]));
        assert_eq!(olga.get(&format!("/groups/{id}")).await["members"], 0);
    })
    .await;
}

// K39
#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_deleted_only_with_its_name_typed_exactly() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let id = olga.post("/groups", json!({ "name": "Devs" })).await["object"]["id"].as_str().unwrap().to_owned();
        for wrong in ["", "?confirm=devs", "?confirm=Dev"] {
            let path = format!("/groups/{id}{wrong}");
            assert_eq!(olga.refused(Method::DELETE, &path, json!({})).await, (400, "invalid".into()), "{wrong}");
        }
        olga.get(&format!("/groups/{id}")).await;
        olga.delete(&format!("/groups/{id}?confirm=Devs")).await;
        assert_eq!(olga.call(Method::GET, &format!("/groups/{id}"), None).await.status, 404);
    })
    .await;
}
