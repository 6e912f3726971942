//! Projects by the API: who sees which, who is on one and through what, leaving one, and roles on all of them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::Person;
use crate::support::client::{Tokens, list};
use crate::support::server::on_both;

fn denied() -> (u16, String) {
    (403, "denied".to_owned())
}

fn missing() -> (u16, String) {
    (404, "not_found".to_owned())
}

fn keys(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect()
}

// K34 K35
#[tokio::test(flavor = "multi_thread")]
async fn members_and_readers_of_a_project_have_their_role_as_a_claim_and_see_neither_members_nor_others() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        for key in ["web", "data"] {
            acme.project(key).await;
        }
        let shop = site.client(&acme.application("shop").await);
        for (name, role) in [("mia", "project.member"), ("rea", "project.reader")] {
            acme.person(name, PASSWORD).await;
            acme.give(name, role, Some("web")).await;
            let claims = shop.sign_in(&mut site.browser(), Person::named(name)).await.claims();
            assert_eq!(list(&claims["project_roles"]["web"]), [role]);
            assert!(claims["project_roles"]["data"].is_null() && list(&claims["org_roles"]).is_empty());
            let them = Admin::of(site, &acme, name).await;
            assert_eq!(keys(&them.get("/projects").await), ["web"]);
            assert_eq!(them.get("/projects/web").await["key"], "web");
            assert_eq!(them.refused(Method::GET, "/projects/web/members", json!({})).await, denied(), "{name}");
            for path in ["/projects/data", "/projects/data/members", "/projects/nothing"] {
                assert_eq!(them.refused(Method::GET, path, json!({})).await, missing(), "{path}");
            }
            let change = json!({ "name": "Mine" });
            assert_eq!(them.refused(Method::PATCH, "/projects/web", change).await, denied());
        }
    })
    .await;
}

// K30
#[tokio::test(flavor = "multi_thread")]
async fn a_trail_viewer_sees_the_record_and_nothing_else() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.project("web").await;
        acme.person("tess", PASSWORD).await;
        acme.give("tess", "trail.viewer", None).await;
        let ana = acme.person("ana", PASSWORD).await;
        let tess = Admin::of(site, &acme, "tess").await;
        for (kind, rows) in [("project.create", 1), ("org.transfer", 1), ("binding.create", 1)] {
            let found = tess.get(&format!("/audit?kind={kind}")).await;
            assert_eq!(found["items"].as_array().unwrap().len(), rows, "{kind}: {found}");
        }
        assert_eq!(tess.get("/audit/verify").await["whole"], true);
        assert_eq!(tess.call(Method::GET, "/audit/export?format=jsonl", None).await.status, 200);
        let change = tess.get("/changes?limit=1").await["items"][0]["id"].as_str().unwrap().to_owned();
        tess.get(&format!("/changes/{change}")).await;
        for path in [
            "",
            "/policies",
            "/users",
            "/memberships",
            "/groups",
            "/roles",
            "/bundles",
            "/bindings",
            "/applications",
            "/service-accounts",
            "/access-keys",
            "/alerts",
            &format!("/users/{ana}"),
            &format!("/users/{ana}/access"),
            &format!("/users/{ana}/log"),
            &format!("/users/{ana}/sessions"),
        ] {
            assert_eq!(tess.refused(Method::GET, path, json!({})).await, denied(), "{path}");
        }
        assert_eq!(tess.get("/projects").await["items"], json!([]));
        assert_eq!(tess.refused(Method::GET, "/projects/web", json!({})).await, missing());
        for (method, path, body) in [
            (Method::POST, "/groups", json!({ "name": "x" })),
            (Method::POST, "/projects", json!({ "key": "x", "name": "x" })),
            (Method::POST, "/bindings", json!({ "user": ana, "role": "trail.viewer" })),
            (Method::PATCH, "/policies", json!({ "policy": "narrow" })),
        ] {
            assert_eq!(tess.refused(method, path, body).await, denied(), "{path}");
        }
    })
    .await;
}

// K19
#[tokio::test(flavor = "multi_thread")]
async fn taking_somebody_out_of_a_project_is_no_deletion_and_names_what_stands_in_the_way() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        for key in ["web", "data"] {
            acme.project(key).await;
        }
        let ana = acme.person("ana", PASSWORD).await;
        for (name, role, project) in [
            ("pia", "project.admin", "web"),
            ("mia", "project.member", "web"),
            ("ana", "project.member", "web"),
            ("ana", "project.reader", "data"),
        ] {
            if name != "ana" {
                acme.person(name, PASSWORD).await;
            }
            acme.give(name, role, Some(project)).await;
        }
        let devs = acme.group("devs", &["ana"]).await;
        acme.give_group("devs", "project.reader", Some("web")).await;
        let shop = site.client(&acme.application("shop").await);
        let (pia, mia) = (Admin::of(site, &acme, "pia").await, Admin::of(site, &acme, "mia").await);
        let olga = Admin::of(site, &acme, "olga").await;
        let at = format!("/projects/web/members/{ana}");
        assert_eq!(mia.refused(Method::DELETE, &at, json!({})).await, denied());
        let there = format!("/projects/data/members/{ana}");
        assert_eq!(pia.refused(Method::DELETE, &there, json!({})).await, missing(), "that project isn't hers to see");

        let members = pia.get("/projects/web/members").await;
        let row = members["items"].as_array().unwrap().iter().find(|row| row["user_name"] == "ana").unwrap();
        let held: Vec<&Value> = row["roles"].as_array().unwrap().iter().map(|role| &role["role"]).collect();
        assert_eq!(held, [&json!("project.member"), &json!("project.reader")], "{members}");
        assert_eq!(row["roles"][1]["ways"][0]["group_name"], "devs");

        let blocked = pia.call(Method::DELETE, &at, None).await.json();
        assert_eq!((&blocked["status"], &blocked["code"]), (&json!(409), &json!("blocked")), "{blocked}");
        assert_eq!(blocked["object"], devs.as_str());
        let (method, path) = blocked["clear"].as_str().unwrap().split_once(' ').unwrap();
        assert_eq!(method, "POST");
        olga.post(path, json!({ "users": [ana] })).await;
        let left = pia.delete(&at).await;
        assert_eq!((&left["object"], &left["receipt"]["members_total"]), (&Value::Null, &json!(1)));
        assert_eq!(left["receipt"]["members"][0]["lost"][0]["role"], "project.member");
        assert_eq!(pia.refused(Method::DELETE, &at, json!({})).await, missing(), "there is nothing to leave");

        let claims = shop.sign_in(&mut site.browser(), Person::named("ana")).await.claims();
        assert!(claims["project_roles"]["web"].is_null(), "{claims}");
        assert_eq!(list(&claims["project_roles"]["data"]), ["project.reader"]);
        assert_eq!(olga.get(&format!("/users/{ana}")).await["state"], "active");
    })
    .await;
}

// I11
#[tokio::test(flavor = "multi_thread")]
async fn a_role_on_all_projects_is_held_on_later_ones_and_there_are_no_other_wildcards() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let web = acme.project("web").await;
        let ana = acme.person("ana", PASSWORD).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let shop = site.client(&acme.application("shop").await);
        let all = json!({ "user": ana, "role": "project.reader", "scope": { "kind": "all_projects" } });
        let given = olga.post("/bindings", all).await["object"]["id"].clone();
        let tokens = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        assert_eq!(list(&tokens.claims()["project_roles"]["web"]), ["project.reader"]);

        let made = olga.post("/projects", json!({ "key": "later", "name": "Later" })).await;
        assert_eq!(made["receipt"]["members"][0]["gained"].as_array().unwrap().len(), 1, "{made}");
        let claims = Tokens::read(&shop.refresh(tokens.refresh()).await).claims();
        assert_eq!(list(&claims["project_roles"]["later"]), ["project.reader"]);
        let members = olga.get("/projects/later/members").await;
        let way = &members["items"][0]["roles"][0]["ways"][0];
        assert_eq!((&way["covered_by"], &way["binding_id"]), (&json!("all_projects"), &given));

        for (role, scope) in [
            ("project.reader", json!({ "kind": "project", "project_id": "*" })),
            ("project.reader", json!({ "kind": "project", "project_id": "web*" })),
            ("project.reader", json!({ "kind": "*" })),
            ("project.reader", json!("*")),
            ("project.*", json!({ "kind": "project", "project_id": web })),
            ("*", json!({ "kind": "org" })),
        ] {
            let body = json!({ "user": ana, "role": role, "scope": scope });
            assert_eq!(olga.refused(Method::POST, "/bindings", body).await, (400, "invalid".into()), "{role} {scope}");
        }
        let words = json!({ "key": "clerk", "name": "Clerk", "permissions": ["users.*"] });
        assert_eq!(olga.refused(Method::POST, "/roles", words).await, (400, "invalid".into()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_made_found_renamed_and_deleted_with_its_key_typed() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        for (key, name) in [("web", "The Shop"), ("data", "Numbers")] {
            let made = olga.post("/projects", json!({ "key": key, "name": name })).await;
            assert_eq!((&made["object"]["key"], &made["object"]["name"]), (&json!(key), &json!(name)));
        }
        assert_eq!(keys(&olga.get("/projects").await), ["data", "web"]);
        assert_eq!(keys(&olga.get("/projects?search=SHOP").await), ["web"]);
        let first = olga.get("/projects?limit=1").await;
        let next = first["next"].as_str().unwrap();
        assert_eq!(keys(&olga.get(&format!("/projects?limit=1&cursor={next}")).await), ["web"]);
        for (key, name, status, code) in [
            ("web", "Again", 409, "conflict"),
            ("Web", "x", 400, "invalid"),
            ("x-", "x", 400, "invalid"),
            ("y", " ", 400, "invalid"),
        ] {
            let refused = olga.refused(Method::POST, "/projects", json!({ "key": key, "name": name })).await;
            assert_eq!(refused, (status, code.into()), "{key}");
        }
        acme.person("ana", PASSWORD).await;
        acme.give("ana", "project.admin", Some("web")).await;
        let shop = site.client(&acme.application("shop").await);
        let tokens = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        let renamed = olga.patch("/projects/web", json!({ "name": "The Store" })).await;
        assert_eq!((&renamed["object"]["key"], &renamed["object"]["name"]), (&json!("web"), &json!("The Store")));
        assert!(shop.is_active(tokens.access()).await, "nobody's token ends by a name");
        for wrong in ["", "?confirm=data", "?confirm=The%20Store"] {
            let refused = olga.refused(Method::DELETE, &format!("/projects/web{wrong}"), json!({})).await;
            assert_eq!(refused, (400, "invalid".into()), "{wrong}");
        }
        let gone = olga.delete("/projects/web?confirm=web").await;
        assert_eq!(gone["receipt"]["members"][0]["user_name"], "ana");
        assert!(!shop.is_active(tokens.access()).await);
        assert_eq!(olga.refused(Method::GET, "/projects/web", json!({})).await, missing());
    })
    .await;
}
