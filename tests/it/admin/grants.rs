//! Roles, bundles and bindings: what can be given, within whose reach, and several as one.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::server::on_both;

fn keys(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect()
}

// I10 K26
#[tokio::test(flavor = "multi_thread")]
async fn a_role_lists_its_permissions_and_a_built_in_one_is_nobodys_to_change() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let new = json!({ "key": "clerk", "name": "Clerk", "permissions": ["users.read", "users.invite"] });
        let made = olga.post("/roles", new).await;
        assert_eq!(made["object"]["permissions"], json!(["users.invite", "users.read"]));
        let id = made["object"]["id"].as_str().unwrap();
        assert_eq!(olga.get(&format!("/roles/{id}")).await, olga.get("/roles/clerk").await);
        let page = olga.get("/roles?limit=200").await;
        assert!(keys(&page).contains(&"org.owner") && keys(&page).contains(&"clerk"));
        let owner = olga.get("/roles/org.owner").await;
        assert_eq!((&owner["assignable"], &owner["assignable_to_group"]), (&json!(false), &json!(false)));
        let change = json!({ "name": "Chief" });
        assert_eq!(olga.refused(Method::PATCH, "/roles/org.admin", change).await, (409, "conflict".into()));
        let unknown = json!({ "permissions": ["users.fly"] });
        assert_eq!(olga.refused(Method::PATCH, "/roles/clerk", unknown).await, (400, "invalid".into()));
        assert_eq!(olga.refused(Method::DELETE, "/roles/clerk", json!({})).await, (400, "invalid".into()));
        olga.delete("/roles/clerk?confirm=clerk").await;
        assert_eq!(olga.refused(Method::GET, "/roles/clerk", json!({})).await, (404, "not_found".into()));
    })
    .await;
}

// I13
#[tokio::test(flavor = "multi_thread")]
async fn the_four_account_roles_are_printed_with_what_they_are_made_of() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let tiers = olga.get("/api/v1/account-roles").await;
        assert_eq!(keys(&tiers), ["viewer", "operator", "editor", "administrator"]);
        assert_eq!(tiers["items"][0]["role"], "iam.viewer");
        assert_eq!(tiers["items"][3]["role"], "iam.admin");
        let catalogue = olga.get("/api/v1/permissions").await;
        let known: Vec<&Value> = catalogue["items"].as_array().unwrap().iter().map(|row| &row["permission"]).collect();
        let mut words =
            tiers["items"].as_array().unwrap().iter().flat_map(|tier| tier["permissions"].as_array().unwrap());
        assert!(words.all(|word| known.contains(&word)));
    })
    .await;
}

// N22 N23
#[tokio::test(flavor = "multi_thread")]
async fn several_roles_are_given_and_taken_as_one_or_not_at_all() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let web = acme.project("web").await;
        let ana = acme.person("ana", PASSWORD).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let on_web = json!({ "kind": "project", "project_id": web });
        let role = |role: &str| json!({ "user": ana, "role": role, "scope": on_web });
        let both = json!({ "add": [role("project.reader"), role("project.member")] });
        let done = olga.post("/bindings/batch", both).await;
        assert_eq!(done["created"].as_array().unwrap().len(), 2);
        assert_eq!(done["receipt"]["members_total"], 1);
        let id = done["created"][0]["id"].as_str().unwrap();
        let past = json!({ "user": ana, "role": "org.reader", "not_after": "2000-01-01T00:00:00Z" });
        let broken = json!({ "remove": [id], "add": [past] });
        assert_eq!(olga.refused(Method::POST, "/bindings/batch", broken).await, (400, "invalid".into()));
        assert_eq!(olga.refused(Method::GET, "/bindings?user=nobody", json!({})).await.0, 404);
        let page = olga.get(&format!("/bindings?user={ana}&project=web")).await;
        assert_eq!(page["items"].as_array().unwrap().len(), 2);
        let again = olga.post("/bindings", role("project.reader")).await;
        assert_eq!(again["receipt"]["acts"], json!([]));
        assert_eq!(again["object"]["subject"]["name"], "ana");
        olga.delete(&format!("/bindings/{id}")).await;
        assert_eq!(olga.refused(Method::GET, &format!("/bindings/{id}"), json!({})).await.0, 404);
    })
    .await;
}

// I12
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_gives_its_roles_together() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let roles = json!([
            { "role": "org.reader" },
            { "role": "project.reader", "scope": { "kind": "all_projects" } },
        ]);
        let made = olga.post("/bundles", json!({ "name": "Starter", "roles": roles })).await;
        let bundle = made["object"]["id"].as_str().unwrap();
        let done = olga.post("/bindings/apply-bundle", json!({ "bundle": bundle, "user": ana })).await;
        assert_eq!(done["created"].as_array().unwrap().len(), 2);
        let renamed = olga.patch(&format!("/bundles/{bundle}"), json!({ "name": "Beginners" })).await;
        assert_eq!(renamed["object"]["roles"], made["object"]["roles"]);
        olga.delete(&format!("/bundles/{bundle}")).await;
        assert_eq!(olga.get("/bundles").await["items"], json!([]));
        let held = olga.get(&format!("/bindings?user={ana}")).await;
        assert_eq!(held["items"].as_array().unwrap().len(), 2, "what was given stays");
    })
    .await;
}

// K33
#[tokio::test(flavor = "multi_thread")]
async fn a_projects_administrator_gives_roles_of_that_project_only() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let (web, data) = (acme.project("web").await, acme.project("data").await);
        let ana = acme.person("ana", PASSWORD).await;
        acme.person("pia", PASSWORD).await;
        acme.give("pia", "project.admin", Some("web")).await;
        let pia = Admin::of(site, &acme, "pia").await;
        let on = |project: &str| json!({ "kind": "project", "project_id": project });
        let reader = |project: &str| json!({ "user": ana, "role": "project.reader", "scope": on(project) });
        let made = pia.post("/bindings", reader(&web.to_string())).await;
        let elsewhere = reader(&data.to_string());
        assert_eq!(pia.refused(Method::POST, "/bindings", elsewhere).await, (403, "denied".into()));
        let wide = json!({ "user": ana, "role": "project.reader", "scope": { "kind": "all_projects" } });
        assert_eq!(pia.refused(Method::POST, "/bindings", wide).await, (403, "denied".into()));
        pia.delete(&format!("/bindings/{}", made["object"]["id"].as_str().unwrap())).await;
    })
    .await;
}
