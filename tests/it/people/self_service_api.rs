//! One's own account through the API: sessions, applications, access, activity, factors, keys, and leaving.

use muster::kernel::time::DAY;
use reqwest::Method;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::Person;
use crate::support::server::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_with_device_and_address_and_ended() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.person("ana", PASSWORD).await;
        acme.person("bo", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let (mut one, mut two) = (site.browser(), site.browser());
        let tokens = shop.sign_in(&mut one, Person::named("ana")).await;
        two.sign_in(Person::named("ana")).await;
        let ana = Admin::of(site, &acme, "ana").await;
        let bo = Admin::of(site, &acme, "bo").await;
        let listed = ana.get("/api/v1/me/sessions").await["items"].as_array().unwrap().clone();
        assert_eq!(listed.len(), 3, "{listed:?}");
        assert_eq!(listed.iter().filter(|one| one["current"] == true).count(), 1);
        let used =
            listed.iter().find(|one| !one["applications"].as_array().unwrap().is_empty() && one["current"] == false);
        let used = used.expect("the shop was used in one");
        assert_eq!((&used["device"], &used["address"]), (&json!("Firefox on Linux"), &json!("127.0.0.1")));
        let path = format!("/api/v1/me/sessions/{}", used["id"].as_str().unwrap());
        assert_eq!(bo.refused(Method::DELETE, &path, json!({})).await.0, 404, "somebody else's is not there");
        assert!(shop.is_active(tokens.access()).await);
        assert_eq!(ana.delete(&format!("{path}?dry_run=true")).await["ended"], 1);
        assert!(shop.is_active(tokens.access()).await, "a dry run ends nothing");
        ana.delete(&path).await;
        assert!(!shop.is_active(tokens.access()).await);
        assert_eq!(ana.delete("/api/v1/me/sessions").await["ended"], 1, "the other, and not the one that asks");
        let left = ana.get("/api/v1/me/sessions").await["items"].clone();
        assert!(left.as_array().unwrap().len() == 1 && left[0]["current"] == true, "{left}");
        assert_eq!(two.send(Method::GET, &site.at.url("/me"), None).await.status, 303);
        assert_eq!(bo.get("/api/v1/me/sessions").await["items"].as_array().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_access_keys_and_activity_are_ones_own() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.project("web").await;
        acme.person("ana", PASSWORD).await;
        acme.give("ana", "project.member", Some("web")).await;
        let registered = acme.application("shop").await;
        let shop = site.client(&registered);
        let tokens = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        let (ana, olga) = (Admin::of(site, &acme, "ana").await, Admin::of(site, &acme, "olga").await);
        let mine = ana.get("/api/v1/me/applications").await["items"].clone();
        assert!(mine.as_array().unwrap().iter().any(|one| one["client_id"] == "shop" && one["signed_in"] == true));
        let path = format!("/api/v1/me/applications/{}", registered.application.id);
        assert_eq!(olga.refused(Method::DELETE, &path, json!({})).await.0, 404);
        ana.delete(&format!("{path}?dry_run=true")).await;
        assert!(shop.is_active(tokens.access()).await);
        assert_eq!(ana.delete(&path).await["token_families"], 1);
        assert!(!shop.is_active(tokens.access()).await);
        assert_eq!(ana.refused(Method::DELETE, &path, json!({})).await.0, 404);

        let held = ana.get("/api/v1/me/access").await["items"].clone();
        assert_eq!((held[0]["org_slug"].as_str(), held[0]["active"].as_bool()), (Some("acme"), Some(true)));
        let grants = held[0]["grants"].as_array().unwrap();
        assert!(grants.iter().any(|grant| grant["role"] == "project.member"), "{held}");

        let at = OffsetDateTime::from_unix_timestamp(site.now().plus(DAY).seconds()).unwrap();
        let tomorrow = at.format(&Rfc3339).unwrap();
        let key = json!({ "project": "web", "name": "ci", "expires_at": tomorrow });
        let made = ana.post(&format!("/users/{}/access-keys", acme.user_id("ana").await), key).await;
        let keys = ana.get("/api/v1/me/access-keys").await["items"].clone();
        assert_eq!((&keys[0]["name"], &keys[0]["org_slug"]), (&json!("ci"), &json!("acme")));
        assert!(!keys.to_string().contains(made["secret"].as_str().unwrap()));
        let path = format!("/api/v1/me/access-keys/{}", keys[0]["id"].as_str().unwrap());
        assert_eq!(olga.refused(Method::DELETE, &path, json!({})).await.0, 404);
        ana.delete(&path).await;
        assert_eq!(ana.get("/api/v1/me/access-keys").await["items"], json!([]));

        let (mut seen, mut next) = (Vec::new(), String::new());
        loop {
            let log = ana.get(&format!("/api/v1/me/activity?limit=3{next}")).await;
            seen.extend(log["items"].as_array().unwrap().clone());
            let Some(cursor) = log["next"].as_str() else { break };
            next = format!("&cursor={cursor}");
        }
        let all = ana.get("/api/v1/me/activity?limit=200").await["items"].clone();
        assert_eq!(json!(seen), all, "the pages make the whole");
        for kind in ["sign_in.accepted", "access_key.create", "consent.withdrawn", "binding.create"] {
            assert!(seen.iter().any(|line| line["kinds"].as_array().unwrap().contains(&json!(kind))), "{kind}: {all}");
        }
        let given = seen.iter().find(|line| line["kinds"] == json!(["binding.create"])).unwrap();
        assert_eq!((&given["by"], &given["address"]), (&json!("administrator"), &json!(null)), "nobody's whereabouts");
        assert_eq!(ana.refused(Method::GET, "/api/v1/me/activity?cursor=x", json!({})).await.0, 400);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_is_for_accounts_of_ones_own() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.person("ana", PASSWORD).await;
        let cara = site.own_account("cara", PASSWORD).await;
        acme.admit(&cara).await;
        let (ana, hers) = (Admin::of(site, &acme, "ana").await, Admin::of(site, &acme, "cara").await);
        assert_eq!(ana.refused(Method::DELETE, "/api/v1/me/organisations/acme", json!({})).await.0, 403);
        assert_eq!(hers.refused(Method::DELETE, "/api/v1/me/organisations/globex", json!({})).await.0, 404);
        let would = hers.delete("/api/v1/me/organisations/acme?dry_run=true").await;
        assert_eq!(would["receipt"]["dry_run"], true, "{would}");
        assert_eq!(hers.get("/api/v1/me/organisations").await["items"][0]["org_slug"], "acme");
        hers.delete("/api/v1/me/organisations/acme").await;
        assert_eq!(
            hers.refused(Method::GET, "/api/v1/me/organisations", json!({})).await.0,
            401,
            "the token died with it"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn factors_are_kept_with_a_fresh_sign_in_only() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.person("ana", PASSWORD).await;
        let ana = Admin::of(site, &acme, "ana").await;
        let shown = ana.get("/api/v1/me/factors").await;
        assert_eq!((&shown["passkeys"], &shown["recovery_codes_left"]), (&json!([]), &json!(0)));
        assert!(shown["factors"][1]["unavailable"].is_string(), "no verified address, no codes: {shown}");
        let on = json!({ "kind": "sms" });
        assert_eq!(ana.refused(Method::POST, "/api/v1/me/factors", on.clone()).await, (409, "not_here".to_owned()));
        let begun = ana.post("/api/v1/me/factors/totp/begin", json!({})).await;
        assert!(begun["otpauth_uri"].as_str().unwrap().starts_with("otpauth://totp/"), "{begun}");
        let confirm = json!({ "begun": begun["begun"], "codes": ["000000", "000000"] });
        let path = "/api/v1/me/factors/totp/confirm";
        assert_eq!(ana.refused(Method::POST, path, confirm.clone()).await.0, 400);
        let olga = Admin::of(site, &acme, "olga").await;
        assert_eq!(olga.refused(Method::POST, path, confirm.clone()).await.0, 400, "it is hers");
        assert_eq!(ana.refused(Method::DELETE, "/api/v1/me/factors/totp", json!({})).await.0, 404);
        let late = Admin::stale(site, &acme, "ana").await;
        for (method, path, body) in [
            (Method::POST, "/api/v1/me/factors", &on),
            (Method::POST, path, &confirm),
            (Method::POST, "/api/v1/me/factors/totp/begin", &json!({})),
            (Method::POST, "/api/v1/me/recovery-codes", &json!({})),
            (Method::DELETE, "/api/v1/me/factors/totp", &json!({})),
        ] {
            let answer = late.call(method, path, Some(body)).await;
            assert_eq!(answer.status, 401, "{path}: {}", answer.body);
            assert!(answer.header("www-authenticate").contains("insufficient_user_authentication"), "{path}");
        }
        assert_eq!(late.get("/api/v1/me/factors").await["recovery_codes_left"], 0, "looking asks for nothing");
    })
    .await;
}
