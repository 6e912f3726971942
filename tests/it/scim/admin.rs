//! Administering connections through the API: what they are, what they keep, their credentials, who may, and their log.

use muster::domain::change::Change;
use muster::domain::scim::derive;
use muster::kernel::id::GroupId;
use muster::kernel::time::DAY;
use reqwest::Method;
use serde_json::{Value, json};

use super::admin_scene::{code, hold, id_of, in_the_way, log, moment, okta, push, push_user, pushed};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::server::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_made_changed_disabled_deleted_and_each_step_says_what_it_did() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let new = json!({ "name": "Okta", "profile": "okta", "admin_url": "https://acme.okta.example",
                          "guard": { "hold": true, "least": 20 } });
        let dry = olga.post("/connections?dry_run=true", new.clone()).await;
        assert!(dry["object"].is_null() && dry["receipt"]["dry_run"] == true, "{dry}");
        let key = [("idempotency-key", "okta")];
        let first = olga.call_with(Method::POST, "/connections", Some(&new), &key).await;
        let again = olga.call_with(Method::POST, "/connections", Some(&new), &key).await;
        assert_eq!((first.status, again.status), (201, 201), "{}", first.body);
        assert_eq!(first.json(), again.json());
        let made = first.json()["object"].clone();
        let path = format!("/connections/{}", made["id"].as_str().unwrap());
        assert_eq!(
            (&made["state"], &made["profile"], &made["local_grants"]),
            (&json!("active"), &json!("okta"), &json!(false))
        );
        assert_eq!(
            (&made["guard"]["hold"], &made["guard"]["least"], &made["guard"]["share"]),
            (&json!(true), &json!(20), &json!(50))
        );
        assert_eq!(made["scim_url"], site.at.url("/scim/v2"));
        assert_eq!(olga.refused(Method::POST, "/connections", json!({ "name": "OKTA" })).await, code(409, "conflict"));
        for wrong in [
            json!({ "name": "" }),
            json!({ "name": "x", "profile": "azure" }),
            json!({ "name": "x", "admin_url": "http://acme.example" }),
            json!({ "name": "x", "guard": { "share": 0 } }),
            json!({ "name": "x", "guard": { "on_timeout": "wait" } }),
            json!({ "name": "x", "state": "disabled" }),
        ] {
            assert_eq!(olga.refused(Method::POST, "/connections", wrong).await, code(400, "invalid"));
        }

        let listed = olga.get("/connections?search=okt").await;
        assert_eq!((&listed["items"][0]["name"], &listed["items"][0]["users"]), (&json!("Okta"), &json!(0)));
        let read = olga.call(Method::GET, &path, None).await;
        let tag = read.header("etag").to_owned();
        let body = json!({ "name": "Okta EU", "guard": { "share": 30 }, "admin_url": null });
        let changed = olga.call_with(Method::PATCH, &path, Some(&body), &[("if-match", &tag)]).await;
        let after = changed.json()["object"].clone();
        assert_eq!(
            (&after["name"], &after["guard"]["share"], &after["guard"]["hold"]),
            (&json!("Okta EU"), &json!(30), &json!(true))
        );
        assert!(after["admin_url"].is_null() && after["profile"] == "okta", "{after}");
        let stale = olga.call_with(Method::PATCH, &path, Some(&body), &[("if-match", &tag)]).await;
        assert_eq!(stale.status, 412);
        let nothing = olga.patch(&path, json!({ "name": "Okta EU" })).await;
        assert_eq!(nothing["receipt"]["acts"], json!([]), "what changes nothing leaves no trace");

        let early = olga.refused(Method::POST, &format!("{path}/release"), json!({})).await;
        assert_eq!(early, code(409, "blocked"), "as long as it works, it keeps what it keeps");
        assert_eq!(olga.refused(Method::PATCH, &path, json!({ "state": "deleted" })).await, code(400, "invalid"));
        assert_eq!(olga.patch(&path, json!({ "state": "disabled" })).await["object"]["state"], "disabled");
        assert_eq!(olga.patch(&path, json!({ "state": "active" })).await["object"]["state"], "active");
        let typed = olga.refused(Method::DELETE, &format!("{path}?confirm=Okta"), json!({})).await;
        assert_eq!(typed, code(400, "invalid"));
        olga.delete(&format!("{path}?confirm=Okta%20EU")).await;
        assert_eq!(olga.refused(Method::GET, &path, json!({})).await, code(404, "not_found"));
        assert_eq!(olga.get("/connections").await["items"], json!([]));
        // The name is free again.
        olga.post("/connections", json!({ "name": "Okta EU" })).await;
    })
    .await;
}

// N06 N07 N08 N09 K11
#[tokio::test(flavor = "multi_thread")]
async fn what_a_connection_keeps_is_shown_with_its_name_and_refused_with_it_until_it_is_released() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let okta = okta(&olga).await;
        let path = format!("/connections/{okta}");
        let ana = push_user(site, &acme, &okta, "ana").await;
        let group = GroupId::fresh();
        let object = json!({ "displayName": "Engineering" });
        let new = derive::group(object.as_object().unwrap()).unwrap();
        push(site, &acme, &okta, |org, connection| Change::ProvisionGroup {
            org,
            connection,
            group: group.clone(),
            new: Box::new(new),
        })
        .await;
        let wanted =
            json!({ "connection_id": okta.as_str(), "name": "Okta", "admin_url": "https://acme.okta.example" });
        let (user, of_group) = (format!("/users/{ana}"), format!("/groups/{group}"));
        let detail = olga.get(&user).await;
        assert_eq!((&detail["managed_by"], &detail["upstream_active"]), (&wanted, &json!(true)), "{detail}");
        assert_eq!(detail["source"], format!("scim:{okta}"));
        let row = olga.get("/users?search=ana").await["items"][0].clone();
        assert_eq!((&row["managed_by"], &row["upstream_active"]), (&wanted, &json!(true)));
        assert_eq!(olga.get(&of_group).await["managed_by"], wanted);
        let all = olga.get("/memberships").await;
        let member =
            |user: &str| all["items"].as_array().unwrap().iter().find(|row| row["user_id"] == user).unwrap().clone();
        assert_eq!(member(ana.as_str())["managed_by"], wanted);
        let own = member(acme.user_id("olga").await.as_str());
        assert_eq!((&own["managed_by"], &own["source"]), (&Value::Null, &json!("local")));
        let listed = olga.get("/connections").await["items"][0].clone();
        assert_eq!((&listed["users"], &listed["groups"]), (&json!(1), &json!(1)));

        for (at, body) in [(&user, json!({ "name": "Eve" })), (&of_group, json!({ "name": "Ours" }))] {
            let answer = olga.call(Method::PATCH, at, Some(&body)).await;
            assert_eq!(
                (answer.status, answer.json()["code"].as_str()),
                (409, Some("managed_by_idp")),
                "{}",
                answer.body
            );
            assert!(answer.json()["detail"].as_str().unwrap().contains("Okta"), "{}", answer.body);
        }
        push(site, &acme, &okta, |org, connection| Change::SetProvisionedUser {
            org,
            connection,
            user: ana.clone(),
            new: Box::new(pushed("ana", false)),
            version: None,
        })
        .await;
        let detail = olga.get(&user).await;
        assert_eq!((&detail["upstream_active"], &detail["state"]), (&json!(false), &json!("deactivated")));

        olga.delete(&format!("{path}?confirm=Okta")).await;
        let kept = olga.get(&path).await;
        assert_eq!(kept["state"], "deleted", "it is there for as long as it keeps something");
        assert_eq!(olga.refused(Method::PATCH, &path, json!({ "name": "x" })).await, code(404, "not_found"));
        assert_eq!(olga.get(&user).await["managed_by"], wanted);
        olga.post(&format!("{path}/release"), json!({})).await;
        let detail = olga.get(&user).await;
        assert_eq!((&detail["managed_by"], &detail["source"]), (&Value::Null, &json!("local")));
        assert!(detail["upstream_active"].is_null() && olga.get(&of_group).await["managed_by"].is_null());
        olga.patch(&of_group, json!({ "name": "Ours" })).await;
        assert_eq!(olga.refused(Method::GET, &path, json!({})).await, code(404, "not_found"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_shown_once_lives_half_a_year_and_there_are_two_of_a_kind() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let okta = okta(&olga).await;
        let path = format!("/connections/{okta}/credentials");
        let first = json!({ "kind": "token", "name": "first" });
        let dry = olga.post(&format!("{path}?dry_run=true"), first.clone()).await;
        assert!(dry["secret"].is_null() && dry["object"].is_null(), "{dry}");
        let key = [("idempotency-key", "first")];
        let made = olga.call_with(Method::POST, &path, Some(&first), &key).await;
        let again = olga.call_with(Method::POST, &path, Some(&first), &key).await;
        assert_eq!((made.status, again.status), (201, 201), "{}", made.body);
        let secret = made.json()["secret"].as_str().unwrap().to_owned();
        assert!(secret.starts_with("mst_") && secret.len() > 40);
        assert!(again.json()["secret"].is_null() && !again.body.contains(&secret), "it is shown once");
        let half = moment(site.now().plus(180 * DAY));
        assert_eq!(made.json()["object"]["expires_at"].as_str().unwrap()[..10], half[..10]);
        let (year, more) = (moment(site.now().plus(364 * DAY)), moment(site.now().plus(366 * DAY)));
        for wrong in [
            json!({ "kind": "token", "name": "x", "expires_at": more }),
            json!({ "kind": "token", "name": "x", "expires_at": moment(site.now().minus(DAY)) }),
            json!({ "kind": "password", "name": "x" }),
            json!({ "kind": "token", "name": "" }),
        ] {
            assert_eq!(olga.refused(Method::POST, &path, wrong).await, code(400, "invalid"));
        }
        let second = olga.post(&path, json!({ "kind": "token", "name": "second", "expires_at": year })).await;
        let third = olga.refused(Method::POST, &path, json!({ "kind": "token", "name": "third" })).await;
        assert_eq!(third, code(409, "limit_reached"));
        let client = olga.post(&path, json!({ "kind": "client", "name": "oauth" })).await;
        assert_eq!(
            (&client["token_url"], &client["object"]["kind"]),
            (&json!(site.at.url("/token")), &json!("client"))
        );
        let secrets =
            [secret, second["secret"].as_str().unwrap().to_owned(), client["secret"].as_str().unwrap().to_owned()];

        let listed = olga.get(&path).await;
        let names: Vec<&str> =
            listed["items"].as_array().unwrap().iter().filter_map(|row| row["name"].as_str()).collect();
        assert_eq!(names, ["first", "second", "oauth"]);
        let one = format!("{path}/{}", id_of(&second));
        let mut answers = vec![listed.to_string(), olga.get(&one).await.to_string()];
        for reads in
            ["/audit?limit=200", "/changes", &format!("/connections/{okta}"), &format!("/connections/{okta}/health")]
        {
            answers.push(olga.get(reads).await.to_string());
        }
        assert!(secrets.iter().all(|secret| answers.iter().all(|answer| !answer.contains(secret.as_str()))));

        let other = olga.post("/connections", json!({ "name": "Entra" })).await;
        let elsewhere = format!("/connections/{}/credentials/{}", id_of(&other), id_of(&second));
        assert_eq!(olga.refused(Method::GET, &elsewhere, json!({})).await, code(404, "not_found"));
        assert_eq!(olga.refused(Method::DELETE, &elsewhere, json!({})).await, code(404, "not_found"));
        olga.delete(&one).await;
        assert_eq!(olga.refused(Method::DELETE, &one, json!({})).await, code(404, "not_found"));
        olga.post(&path, json!({ "kind": "token", "name": "third" })).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_administrator_sets_connections_up_and_another_organisations_are_not_there() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        for (name, role) in [("ida", "iam.admin"), ("rita", "org.reader"), ("vic", "iam.viewer")] {
            acme.person(name, PASSWORD).await;
            acme.give(name, role, None).await;
        }
        acme.person("mia", PASSWORD).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let okta = okta(&olga).await;
        let held = hold(site, &acme, &okta, &GroupId::fresh()).await;
        let adoption = in_the_way(site, &acme, &okta, &acme.user_id("mia").await).await;
        let domain = id_of(&olga.post("/domains", json!({ "domain": "acme.example" })).await);
        let path = format!("/connections/{okta}");
        let reads = [
            "/connections".to_owned(),
            path.clone(),
            format!("{path}/credentials"),
            format!("{path}/requests"),
            format!("{path}/health"),
            "/held".to_owned(),
            format!("/held/{held}"),
            "/adoptions".to_owned(),
            format!("/adoptions/{adoption}"),
            "/domains".to_owned(),
            format!("/domains/{domain}"),
        ];
        let writes = [
            (Method::POST, "/connections".to_owned(), json!({ "name": "Mine" })),
            (Method::PATCH, path.clone(), json!({ "state": "disabled" })),
            (Method::DELETE, format!("{path}?confirm=Okta"), json!({})),
            (Method::POST, format!("{path}/credentials"), json!({ "kind": "token", "name": "mine" })),
            (Method::POST, format!("/held/{held}/release"), json!({})),
            (Method::POST, format!("/held/{held}/reject"), json!({})),
            (Method::POST, format!("/adoptions/{adoption}/decide"), json!({ "decision": "adopt" })),
        ];
        for name in ["ida", "rita", "vic"] {
            let them = Admin::of(site, &acme, name).await;
            for read in &reads {
                them.get(read).await;
            }
            // A connection's token gives whatever its groups give: who may not give that makes none.
            for (method, path, body) in &writes {
                let refused = them.refused(method.clone(), path, body.clone()).await;
                assert_eq!(refused, code(403, "denied"), "{name}: {method} {path}");
            }
        }
        let mia = Admin::of(site, &acme, "mia").await;
        assert_eq!(mia.refused(Method::GET, "/connections", json!({})).await, code(403, "denied"));

        let (globex, _) = owned(site, "globex").await;
        let stranger = Admin::of(site, &globex, "olga").await;
        let own = id_of(&stranger.post("/connections", json!({ "name": "Okta" })).await);
        for read in reads.iter().filter(|path| path.matches('/').count() > 1) {
            assert_eq!(stranger.refused(Method::GET, read, json!({})).await, code(404, "not_found"), "{read}");
        }
        for (method, path, body) in writes.iter().skip(1) {
            assert_eq!(stranger.refused(method.clone(), path, body.clone()).await, code(404, "not_found"), "{path}");
        }
        for read in ["/held", "/adoptions", "/domains"] {
            assert_eq!(stranger.get(read).await["items"], json!([]), "{read}");
        }
        assert_eq!(stranger.get("/connections").await["items"].as_array().unwrap().len(), 1);
        let outside = olga.refused(Method::GET, &format!("/connections/{own}"), json!({})).await;
        assert_eq!(outside, code(404, "not_found"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_read_page_by_page_and_the_health_says_how_a_connection_fares() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let okta = okta(&olga).await;
        let path = format!("/connections/{okta}");
        let quiet = olga.get(&format!("{path}/health")).await;
        assert_eq!(quiet["last_hour"], json!({ "requests": 0, "errors": 0, "error_rate": null }));
        log(site, &okta, &[200, 201, 409, 404]).await;
        let soon = moment(site.now().plus(3 * DAY));
        let credentials = format!("{path}/credentials");
        olga.post(&credentials, json!({ "kind": "token", "name": "short", "expires_at": soon })).await;
        olga.post(&credentials, json!({ "kind": "token", "name": "long" })).await;
        hold(site, &acme, &okta, &GroupId::fresh()).await;
        acme.person("mia", PASSWORD).await;
        in_the_way(site, &acme, &okta, &acme.user_id("mia").await).await;

        let page = olga.get(&format!("{path}/requests?limit=3")).await;
        let statuses = |page: &Value| -> Vec<i64> {
            page["items"].as_array().unwrap().iter().filter_map(|row| row["status"].as_i64()).collect()
        };
        assert_eq!(statuses(&page), [404, 409, 201], "the newest first");
        let rest = olga.get(&format!("{path}/requests?limit=3&cursor={}", page["next"].as_str().unwrap())).await;
        assert_eq!((statuses(&rest), rest.get("next")), (vec![200], None));
        assert_eq!(statuses(&olga.get(&format!("{path}/requests?errors=true")).await), [404, 409]);
        let row = &page["items"][1];
        assert_eq!(
            (&row["method"], &row["path"], &row["detail"]),
            (&json!("POST"), &json!("/Users"), &json!("It was 409."))
        );
        let wrong = olga.refused(Method::GET, &format!("{path}/requests?errors=maybe"), json!({})).await;
        assert_eq!(wrong, code(400, "invalid"));

        let health = olga.get(&format!("{path}/health")).await;
        assert_eq!(health["last_hour"], json!({ "requests": 4, "errors": 2, "error_rate": 0.5 }));
        assert_eq!(
            (&health["held"], &health["adoptions"], &health["live_credentials"]),
            (&json!(1), &json!(1), &json!(2))
        );
        let ending = health["credentials_ending"].as_array().unwrap();
        assert_eq!((ending.len(), &ending[0]["name"]), (1, &json!("short")), "{health}");
    })
    .await;
}
