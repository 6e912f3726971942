//! Organisations by the API: their policies, their one owner, being suspended, deleted and brought back, and what is
//! found and removed in them by name.

use muster::domain::people::user::UserState;
use muster::kernel::id::UserId;
use muster::store::users;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::Person;
use crate::support::server::on_both;

fn denied() -> (u16, String) {
    (403, "denied".to_owned())
}

fn missing() -> (u16, String) {
    (404, "not_found".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_that_can_not_be_meant_are_refused_by_their_names_and_change_nothing() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let web = acme.project("web").await;
        acme.person("rita", PASSWORD).await;
        acme.give("rita", "org.reader", None).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let before = olga.get("/policies").await;
        assert_eq!((&before["policy"], &before["session_idle_seconds"]), (&json!("strict"), &Value::Null), "{before}");
        let many: Vec<String> = (0..201).map(|n| format!("10.0.{}.0/24", n % 256)).collect();
        for (body, field) in [
            (json!({ "policy": "lax" }), "policy"),
            (json!({ "user_visibility": "nobody" }), "user_visibility"),
            (json!({ "max_sessions": 0 }), "max_sessions"),
            (json!({ "max_sessions": 101 }), "max_sessions"),
            (json!({ "disable_unused_days": 241 }), "disable_unused_days"),
            (json!({ "allowed_networks": ["300.0.0.1"] }), "allowed_networks"),
            (json!({ "allowed_networks": many }), "allowed_networks"),
            (json!({ "own_data": ["shoe_size"] }), "own_data"),
            (json!({ "welcome_text": "x".repeat(501) }), "welcome_text"),
            (json!({ "unknown": true }), "unknown"),
            (json!({ "passwords": { "preset": "lax" } }), "passwords.preset"),
            (json!({ "passwords": { "min_length": 5 } }), "passwords.min_length"),
            (json!({ "passwords": { "min_length": 40 } }), "passwords.min_length"),
            (json!({ "passwords": { "history": 25 } }), "passwords.history"),
            (json!({ "passwords": { "lenght": 8 } }), "lenght"),
            (json!({ "second_factor": { "require": "some" } }), "second_factor.require"),
            (json!({ "second_factor": { "kinds": ["fax"] } }), "second_factor.kinds"),
            (json!({ "second_factor": { "kinds": [] } }), "second_factor.kinds"),
            (json!({ "second_factor": { "remember_days": 31 } }), "second_factor.remember_days"),
            (json!({ "lock": { "mode": "forever" } }), "lock.mode"),
            (json!({ "lock": { "failures": 2 } }), "lock.failures"),
            (json!({ "lock": { "window_minutes": 61 } }), "lock.window_minutes"),
            (json!({ "lock": { "minutes": 31 } }), "lock.minutes"),
            (json!({ "invitations": { "days": 31 } }), "invitations.days"),
            (json!({ "invitations": { "link_days": 0 } }), "invitations.link_days"),
            (json!({ "invitations": { "domains": [""] } }), "invitations.domains"),
            (json!({ "language": "tlh" }), "language"),
            (json!({ "colour": "red" }), "colour"),
            (json!({ "support_email": "help" }), "support_email"),
        ] {
            let answer = olga.call(Method::PATCH, "/policies", Some(&body)).await;
            let problem = answer.json();
            assert_eq!((answer.status, &problem["invalid_parameters"][0]["field"]), (400, &json!(field)), "{problem}");
        }
        for (body, status) in [
            (json!({ "session_idle_seconds": 899 }), 400),
            (json!({ "session_idle_seconds": 86_401 }), 400),
            (json!({ "session_absolute_seconds": 3_599 }), 400),
            (json!({ "session_absolute_seconds": 2_592_001 }), 400),
            (json!({ "session_idle_seconds": i64::MAX }), 400),
            (json!({ "default_project": "nothing" }), 404),
            // What is good in it is not done either.
            (json!({ "policy": "narrow", "max_sessions": 0 }), 400),
        ] {
            assert_eq!(olga.refused(Method::PATCH, "/policies", body.clone()).await.0, status, "{body}");
        }
        let two = json!({ "max_sessions": 0, "disable_unused_days": 0 });
        let both = olga.call(Method::PATCH, "/policies", Some(&two)).await.json();
        assert_eq!(both["invalid_parameters"].as_array().unwrap().len(), 2, "all that is wrong, not only the first");
        assert_eq!(olga.get("/policies").await, before);

        let good = json!({
            "policy": "narrow", "session_idle_seconds": 900, "session_absolute_seconds": 7200,
            "user_visibility": "everyone", "keys_by_admins_only": true, "readers_see_keys": true, "max_sessions": 3,
            "disable_unused_days": 90, "allowed_networks": ["127.0.0.0/8"], "own_data": ["password"],
            "show_last_sign_in": true, "welcome_text": "Good morning.", "default_project": "web",
            "passwords": {
                "preset": "konnect", "min_length": 14, "max_length": null, "kinds": null, "history": 5,
                "expiry_days": 90, "min_age_minutes": 5, "max_identical_run": null, "no_sequences": true,
            },
            "second_factor": {
                "require": "optional", "kinds": ["totp", "email"], "remember_days": 14, "exempt_federated": false,
            },
            "lock": { "mode": "reset", "failures": 3, "window_minutes": 30, "minutes": null },
            "invitations": { "domains": ["acme.test", "*.acme.test"], "days": 14, "link_days": 3 },
            "language": "ko", "colour": "#0a7d55", "support_email": "help@acme.test",
        });
        let changed = olga.patch("/policies", good.clone()).await;
        let mut expected = good.clone();
        expected["default_project"] = json!(web);
        assert_eq!(changed["object"], expected);
        let rita = Admin::of(site, &acme, "rita").await;
        assert_eq!(rita.get("/policies").await, expected);
        assert_eq!(rita.refused(Method::PATCH, "/policies", json!({ "policy": "strict" })).await, denied());
        let row = olga.get("/audit?kind=org.set_settings").await["items"][0].clone();
        let changed = &row["detail"]["changed"][2];
        assert_eq!(changed["before"]["settings"]["max_sessions"], Value::Null, "{row}");
        assert_eq!(changed["after"]["settings"]["max_sessions"], 3, "{row}");
        let cleared = json!({ "session_idle_seconds": null, "max_sessions": null, "default_project": null });
        let cleared = olga.patch("/policies", cleared).await;
        for field in ["session_idle_seconds", "max_sessions", "default_project"] {
            assert!(cleared["object"][field].is_null(), "{field}");
        }
        assert_eq!(cleared["object"]["disable_unused_days"], 90, "what is absent stays");
        let less = json!({ "passwords": { "history": null, "kinds": 3 }, "language": null });
        let less = olga.patch("/policies", less).await["object"].clone();
        let rules = &less["passwords"];
        assert_eq!((&rules["history"], &rules["kinds"], &rules["min_length"]), (&Value::Null, &json!(3), &json!(14)));
        assert_eq!((&less["language"], &less["invitations"]["days"]), (&Value::Null, &json!(14)));

        // Who shuts themselves out is let in again by the operator.
        olga.patch("/policies", json!({ "allowed_networks": ["10.0.0.0/8"] })).await;
        assert_eq!(olga.refused(Method::GET, "/policies", json!({})).await, (403, "address".into()));
        let opal = Admin::operator(site, &acme).await;
        opal.patch("/policies", json!({ "allowed_networks": [] })).await;
        olga.get("/policies").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_hands_the_organisation_over_only_right_after_signing_in_and_stays_till_then() {
    on_both(async |site| {
        let (acme, owner) = owned(site, "acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        acme.person("adam", PASSWORD).await;
        acme.give("adam", "org.admin", None).await;
        let to_ana = json!({ "to": ana });
        let late = Admin::stale(site, &acme, "olga").await;
        late.get("").await;
        for (method, path, body) in [
            (Method::POST, "/transfer".to_owned(), to_ana.clone()),
            (Method::DELETE, "?confirm=acme".to_owned(), json!({})),
            (Method::POST, format!("/users/{ana}/replace-identity"), json!({ "by": ana })),
        ] {
            let answer = late.call(method, &path, Some(&body)).await;
            assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("fresh_sign_in_required")), "{path}");
            let challenge = answer.header("www-authenticate");
            assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");
        }
        let adam = Admin::of(site, &acme, "adam").await;
        assert_eq!(adam.refused(Method::POST, "/transfer", to_ana.clone()).await, denied());
        assert_eq!(adam.refused(Method::DELETE, "?confirm=acme", json!({})).await, denied());
        let phrase = "?confirm=Delete%20user%20from%20organization";
        let out = format!("/users/{owner}{phrase}");
        assert_eq!(adam.refused(Method::DELETE, &out, json!({})).await, denied());

        let olga = Admin::of(site, &acme, "olga").await;
        for path in [out, format!("/memberships?user_id={owner}")] {
            let problem = olga.call(Method::DELETE, &path, None).await.json();
            assert_eq!((&problem["status"], &problem["code"]), (&json!(409), &json!("blocked")), "{problem}");
            let clear = format!("POST /api/v1/orgs/{}/transfer", acme.id);
            assert_eq!((&problem["object"], &problem["clear"]), (&json!(acme.member_id("olga").await), &json!(clear)));
        }
        assert_eq!(olga.refused(Method::POST, "/transfer", json!({ "to": UserId::fresh() })).await, missing());
        let done = olga.post("/transfer", to_ana).await;
        assert_eq!(done["object"]["owner_membership_id"], acme.member_id("ana").await.as_str());
        assert_eq!(olga.call(Method::GET, "", None).await.status, 401, "what owning gave is gone at once");
        let after = Admin::of(site, &acme, "olga").await;
        assert_eq!(after.refused(Method::GET, "", json!({})).await, denied(), "nothing else was held");
        let ana = Admin::of(site, &acme, "ana").await;
        assert_eq!(ana.get("/users?search=olga").await["items"][0]["state"], "active");
        ana.delete(&format!("/users/{owner}{phrase}")).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_makes_suspends_and_brings_back_and_the_owner_deletes_with_the_slug_typed() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let olga = Admin::of(site, &acme, "olga").await;
        let opal = Admin::operator(site, &acme).await;
        let new = |slug: &str| {
            let owner = json!({ "user_name": "ines", "email": "ines@initech.test", "password": PASSWORD });
            json!({ "slug": slug, "name": "Initech", "owner": owner })
        };
        assert_eq!(olga.refused(Method::POST, "/api/v1/orgs", new("initech")).await, denied());
        assert_eq!(opal.refused(Method::POST, "/api/v1/orgs", new("acme")).await, (409, "conflict".into()));
        assert_eq!(opal.refused(Method::POST, "/api/v1/orgs", new("api")).await, (400, "invalid".into()));
        let theirs = json!({ "slug": "initech", "name": "Initech", "owner": ana });
        assert_eq!(opal.refused(Method::POST, "/api/v1/orgs", theirs).await, (400, "invalid".into()));
        let made = opal.post("/api/v1/orgs", new("initech")).await;
        assert_eq!((&made["object"]["slug"], &made["object"]["state"]), (&json!("initech"), &json!("active")));
        let initech = site.org("initech").await;
        let ines = Admin::of(site, &initech, "ines").await;
        assert_eq!(ines.get("").await["owner_membership_id"], initech.member_id("ines").await.as_str());
        assert_eq!(ines.get("/groups").await["items"].as_array().unwrap().len(), 2, "the predefined ones");
        let slugs = |page: &Value| {
            let rows = page["items"].as_array().unwrap().iter();
            rows.map(|row| row["slug"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(slugs(&opal.get("/api/v1/orgs").await), ["acme", "initech"]);
        assert_eq!(slugs(&olga.get("/api/v1/orgs").await), ["acme"]);

        let inside = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        for path in ["/suspend", "/resume", "/restore"] {
            assert_eq!(olga.refused(Method::POST, path, json!({})).await, denied(), "{path}");
        }
        let suspended = opal.post("/suspend", json!({})).await;
        assert_eq!(suspended["object"]["state"], "suspended");
        assert_eq!(shop.userinfo(inside.access()).await.status, 401);
        assert_eq!(olga.call(Method::GET, "", None).await.status, 401);
        assert!(site.browser().sign_in(Person::named("ana")).await.page().has("login-submit"));
        ines.get("").await;
        assert_eq!(opal.post("/resume", json!({})).await["object"]["state"], "active");
        assert!(!shop.is_active(inside.access()).await, "what was ended stays ended");

        let olga = Admin::of(site, &acme, "olga").await;
        let inside = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        for wrong in ["", "?confirm=Acme", "?confirm=acm"] {
            assert_eq!(olga.refused(Method::DELETE, wrong, json!({})).await, (400, "invalid".into()), "{wrong}");
        }
        let gone = olga.delete("?confirm=acme").await;
        assert_eq!(gone["object"]["state"], "deleted");
        assert!(gone["object"]["deleted_at"].is_string(), "{gone}");
        assert!(gone["receipt"]["ended"]["sessions"].as_u64().unwrap() >= 2, "{gone}");
        assert_eq!(shop.userinfo(inside.access()).await.status, 401);
        assert_eq!(olga.call(Method::GET, "", None).await.status, 401);
        assert_eq!(opal.refused(Method::POST, "/resume", json!({})).await, (409, "conflict".into()));
        let back = opal.post("/restore", json!({})).await;
        assert_eq!((&back["object"]["state"], &back["object"]["deleted_at"]), (&json!("active"), &Value::Null));
        let again = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        assert!(shop.is_active(again.access()).await && !shop.is_active(inside.access()).await);
    })
    .await;
}

// I34 I35
#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_removed_by_id_or_by_address_and_realm_once_and_the_account_stays() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let nora = site.own_account("nora", PASSWORD).await;
        acme.admit(&nora).await;
        acme.person("rita", PASSWORD).await;
        acme.give("rita", "org.reader", None).await;
        let olga = Admin::of(site, &acme, "olga").await;
        for query in [
            String::new(),
            "?email=nora@example.test".to_owned(),
            "?realm=own".to_owned(),
            "?email=nora@example.test&realm=elsewhere".to_owned(),
            format!("?user_id={nora}&email=nora@example.test&realm=own"),
        ] {
            let refused = olga.refused(Method::DELETE, &format!("/memberships{query}"), json!({})).await;
            assert_eq!(refused, (400, "invalid".into()), "{query}");
        }
        let unknown =
            ["?email=nora@example.test&realm=managed", "?email=eve@example.test&realm=own", "?user_id=nobody"];
        for query in unknown {
            let refused = olga.refused(Method::DELETE, &format!("/memberships{query}"), json!({})).await;
            assert_eq!(refused, missing(), "{query}");
        }
        let rita = Admin::of(site, &acme, "rita").await;
        for query in [format!("?user_id={ana}"), "?email=nora@example.test&realm=own".to_owned()] {
            let path = format!("/memberships{query}");
            assert_eq!(rita.refused(Method::DELETE, &path, json!({})).await, denied());
            let gone = olga.delete(&path).await;
            assert_eq!((&gone["object"], &gone["owned"]["applications"]), (&Value::Null, &json!([])));
            assert_eq!(olga.refused(Method::DELETE, &path, json!({})).await, missing(), "the second time");
        }
        for user in [&ana, &nora] {
            let found = users::find(&mut site.conn().await, user).await.unwrap().unwrap();
            assert_eq!(found.state, UserState::Active, "the account was not deleted");
            assert_eq!(olga.refused(Method::GET, &format!("/users/{user}"), json!({})).await, missing());
        }
    })
    .await;
}

// H08
#[tokio::test(flavor = "multi_thread")]
async fn groups_are_found_by_a_word_wherever_it_stands_in_the_name() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        for name in ["Web Devs", "Devs of Data", "Ops"] {
            acme.group(name, &[]).await;
        }
        let olga = Admin::of(site, &acme, "olga").await;
        let found = async |query: &str| {
            let page = olga.get(&format!("/groups?{query}")).await;
            let names = page["items"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned());
            (names.collect::<Vec<_>>(), page["next"].as_str().map(str::to_owned))
        };
        assert_eq!(found("search=DEVS").await, (vec!["Devs of Data".to_owned(), "Web Devs".to_owned()], None));
        assert_eq!(found("search=nothing").await, (Vec::new(), None));
        let (first, next) = found("search=devs&limit=1").await;
        assert_eq!(first, ["Devs of Data"]);
        let rest = found(&format!("search=devs&limit=1&cursor={}", next.unwrap())).await;
        assert_eq!(rest, (vec!["Web Devs".to_owned()], None));
    })
    .await;
}
