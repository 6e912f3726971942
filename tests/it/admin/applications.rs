//! Applications: registered by an organisation or the operator, their secrets shown once, two of them overlapping.

use reqwest::Method;
use serde_json::json;

use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::server::on_both;

// H10
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_once_and_overlaps_with_the_one_before_it_only() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let new = json!({ "client_id": "robot", "name": "Robot", "redirect_uris": ["https://robot.example/cb"] });
        let made = olga.post("/applications", new).await;
        let first = made["secret"].as_str().unwrap().to_owned();
        assert_eq!(made["object"]["grant_types"], json!(["authorization_code", "refresh_token"]));
        let mut all = vec![first];
        for live in [2, 2] {
            let next = olga.post("/applications/robot/secrets", json!({})).await;
            assert_eq!(next["object"]["secrets"], live);
            all.push(next["secret"].as_str().unwrap().to_owned());
        }
        assert_eq!(olga.delete("/applications/robot/secrets/old").await["object"]["secrets"], 1);
        let shown = olga.get("/applications/robot").await.to_string() + &olga.get("/applications").await.to_string();
        assert!(all.iter().all(|secret| !shown.contains(secret.as_str())));
        let dry = olga.post("/applications/robot/secrets?dry_run=true", json!({})).await;
        assert!(dry["secret"].is_null());
        let public = olga.patch("/applications/robot", json!({ "auth_method": "none" })).await;
        assert_eq!(public["object"]["secrets"], 0);
        let none = olga.refused(Method::POST, "/applications/robot/secrets", json!({})).await;
        assert_eq!(none, (409, "conflict".into()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_organisations_application_is_not_there_and_the_instances_are_the_operators() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let (globex, _) = owned(site, "globex").await;
        acme.person("rita", PASSWORD).await;
        acme.give("rita", "org.reader", None).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let theirs = Admin::of(site, &globex, "olga").await.post("/applications", json!({ "name": "Theirs" })).await;
        let id = theirs["object"]["id"].as_str().unwrap();
        let at = format!("/applications/{id}");
        assert_eq!(olga.refused(Method::GET, &at, json!({})).await, (404, "not_found".into()));
        assert_eq!(olga.refused(Method::PATCH, &at, json!({ "name": "Mine" })).await, (404, "not_found".into()));
        assert_eq!(olga.refused(Method::GET, "/api/v1/applications", json!({})).await, (403, "denied".into()));
        let rita = Admin::of(site, &acme, "rita").await;
        assert_eq!(rita.get("/applications").await["items"], json!([]));
        let new = json!({ "name": "No" });
        assert_eq!(rita.refused(Method::POST, "/applications", new).await, (403, "denied".into()));
        let opal = Admin::operator(site, &acme).await;
        let made = opal.post("/api/v1/applications", json!({ "client_id": "portal", "name": "Portal" })).await;
        assert!(made["object"].get("org_id").is_none());
        let typed = opal.refused(Method::DELETE, "/api/v1/applications/portal", json!({})).await;
        assert_eq!(typed, (400, "invalid".into()));
        opal.delete("/api/v1/applications/portal?confirm=portal").await;
        assert_eq!(opal.refused(Method::GET, "/api/v1/applications/portal", json!({})).await.0, 404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_registration_that_was_changed_since_is_refused() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        olga.post("/applications", json!({ "client_id": "robot", "name": "Robot" })).await;
        let read = olga.call(Method::GET, "/applications/robot", None).await;
        let tag = read.header("etag").to_owned();
        let body = json!({ "name": "Second" });
        let headers = [("if-match", tag.as_str())];
        let first = olga.call_with(Method::PATCH, "/applications/robot", Some(&body), &headers).await;
        assert_eq!(first.status, 200, "{}", first.body);
        let body = json!({ "name": "Third" });
        let second = olga.call_with(Method::PATCH, "/applications/robot", Some(&body), &headers).await;
        assert_eq!(second.status, 412, "{}", second.body);
    })
    .await;
}
