//! Sessions by the API: people end their own, administrators everybody's, and a restriction closes what it excludes.

use muster::kernel::id::EntryId;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::Person;
use crate::support::client::Ask;
use crate::support::server::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn people_see_and_end_their_own_sessions_and_administrators_everybodys() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let (ana, bo) = (acme.person("ana", PASSWORD).await, acme.person("bo", PASSWORD).await);
        acme.person("rita", PASSWORD).await;
        acme.give("rita", "org.reader", None).await;
        let shop = site.client(&acme.application("shop").await);
        let (mut one, mut two) = (site.browser(), site.browser());
        let first = shop.sign_in(&mut one, Person::named("ana")).await;
        let second = shop.sign_in(&mut two, Person::named("ana")).await;
        let by_ana = Admin::of(site, &acme, "ana").await;
        let at = format!("/users/{ana}/sessions");
        let page = by_ana.get(&at).await;
        let rows = page["items"].as_array().unwrap();
        assert_eq!(rows.len(), 3, "two of the shop and the one that asks: {page}");
        let sid = first.claims()["sid"].as_str().unwrap().to_owned();
        let row = rows.iter().find(|row| row["id"] == sid.as_str()).unwrap();
        assert_eq!((&row["applications"], &row["address"]), (&json!(["shop"]), &json!("127.0.0.1")));
        assert!(row["user_agent"].as_str().unwrap().contains("Firefox"), "{row}");

        let (by_bo, by_rita) = (Admin::of(site, &acme, "bo").await, Admin::of(site, &acme, "rita").await);
        let entry = format!("{at}/{sid}");
        for path in [&at, &entry] {
            for them in [&by_bo, &by_rita] {
                assert_eq!(them.refused(Method::DELETE, path, json!({})).await, (403, "denied".into()), "{path}");
            }
        }
        assert_eq!(by_bo.refused(Method::GET, &at, json!({})).await, (403, "denied".into()));
        assert_eq!(by_rita.get(&at).await["items"].as_array().unwrap().len(), 3, "a reader sees them");
        let missing = || (404, "not_found".to_owned());
        let elsewhere = format!("/users/{bo}/sessions/{sid}");
        assert_eq!(by_bo.refused(Method::DELETE, &elsewhere, json!({})).await, missing(), "it is not bo's");
        for unknown in [EntryId::fresh().to_string(), "nothing".to_owned()] {
            let path = format!("{at}/{unknown}");
            assert_eq!(by_ana.refused(Method::DELETE, &path, json!({})).await, missing(), "{path}");
        }
        assert!(shop.is_active(first.access()).await);

        let told = by_ana.delete(&format!("{entry}?dry_run=true")).await;
        assert_eq!(told["receipt"]["ended"]["sessions"], 1);
        assert!(shop.is_active(first.access()).await, "it was a question");
        let ended = by_ana.delete(&entry).await;
        assert_eq!((&ended["object"], &ended["receipt"]["ended"]["sessions"]), (&Value::Null, &json!(1)));
        assert!(!shop.is_active(first.access()).await && !shop.is_signed_in(&mut one).await);
        assert!(shop.is_active(second.access()).await && shop.is_signed_in(&mut two).await);

        let olga = Admin::of(site, &acme, "olga").await;
        assert_eq!(olga.delete(&at).await["receipt"]["ended"]["sessions"], 2);
        assert!(!shop.is_active(second.access()).await && !shop.is_signed_in(&mut two).await);
        assert_eq!(by_ana.call(Method::GET, &at, None).await.status, 401, "the token that asked is one of them");
        assert_eq!(olga.get(&at).await["items"], json!([]));
        let again = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        assert!(shop.is_active(again.access()).await, "the access stays");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_member_reaches_the_listed_applications_and_nothing_else() {
    on_both(async |site| {
        let (acme, owner) = owned(site, "acme").await;
        let (globex, _) = owned(site, "globex").await;
        let ana = acme.person("ana", PASSWORD).await;
        let registered = acme.application("shop").await;
        let (shop, desk) = (site.client(&registered), site.client(&acme.application("desk").await));
        globex.application("theirs").await;
        let mut browser = site.browser();
        let before = desk.sign_in(&mut browser, Person::named("ana")).await;
        let by_ana = Admin::of(site, &acme, "ana").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let at = format!("/users/{ana}/restriction");
        for (body, status, code) in [
            (json!({}), 400, "invalid"),
            (json!({ "applications": "shop" }), 400, "invalid"),
            (json!({ "applications": ["nothing"] }), 404, "not_found"),
            (json!({ "applications": ["theirs"] }), 404, "not_found"),
        ] {
            assert_eq!(olga.refused(Method::PUT, &at, body.clone()).await, (status, code.into()), "{body}");
        }
        let shut = olga.put(&at, json!({ "applications": ["shop"] })).await;
        assert_eq!(shut["object"]["restricted_to"], json!([registered.application.id]));
        assert!(!desk.is_active(before.access()).await && !desk.is_signed_in(&mut browser).await);
        assert_eq!(by_ana.call(Method::GET, "/api/v1/me", None).await.status, 401, "nor the API");
        let arrival = site.browser().authorize(&Ask::of(&desk), Person::named("ana")).await;
        assert_eq!(arrival.param("error"), "access_denied");
        let inside = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        assert!(shop.is_active(inside.access()).await);

        let own = format!("/users/{owner}/restriction");
        let refused = olga.call(Method::PUT, &own, Some(&json!({ "applications": ["shop"] }))).await.json();
        assert_eq!((&refused["status"], &refused["code"]), (&json!(409), &json!("blocked")), "{refused}");
        let clear = format!("POST /api/v1/orgs/{}/transfer", acme.id);
        assert_eq!((&refused["object"], &refused["clear"]), (&json!(acme.member_id("olga").await), &json!(clear)));

        let lifted = olga.put(&at, json!({ "applications": null })).await;
        assert_eq!(lifted["object"]["restricted_to"], Value::Null);
        assert_eq!(lifted["receipt"]["ended"]["sessions"], 0);
        assert!(shop.is_active(inside.access()).await);
        desk.sign_in(&mut site.browser(), Person::named("ana")).await;
    })
    .await;
}
