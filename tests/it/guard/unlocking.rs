//! An administrator sees how somebody's account is guarded, lifts its lock, and takes second factors away from whoever lost
//! them; each leaves its row in the audit record.

use muster::domain::change::{Change, Origin};
use muster::domain::oidc::claims::Profile;
use muster::domain::people::factor::FactorKind;
use muster::flows::factors::{Who, codes};
use muster::flows::sign_in::{Answer, with_password};
use muster::kernel::id::UserId;
use muster::store::users;
use reqwest::Method;
use serde_json::{Value, json};

use super::attempt;
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::Person;
use crate::support::server::{Site, on_both};

const ANA: Person<'_> = Person::named("ana");
const WRONG: Person<'_> = Person { name: "ana", password: "Tide7-Kq2mVx9dU", org: "" };

async fn lock(site: &Site) {
    let mut stranger = site.browser();
    for _ in 0..5 {
        assert_eq!(stranger.sign_in(WRONG).await.page().status, 400);
    }
    assert_eq!(site.browser().sign_in(ANA).await.page().status, 400);
}

/// Gives somebody codes to the phone, as they would themselves.
async fn give_codes(site: &Site, user: &UserId) {
    let found = users::find(&mut site.conn().await, user).await.unwrap().unwrap();
    let profile = Profile {
        phone_number: Some("+82 10 1234 5678".to_owned()),
        email_verified: true,
        phone_number_verified: true,
        ..found.profile
    };
    let change = Change::SetProfile { user: user.clone(), user_name: found.user_name, profile: Box::new(profile) };
    site.act(vec![change]).await;
    let Ok(Answer::SignedIn(facts)) = with_password(site, attempt("ana", PASSWORD, "192.0.2.1")).await else {
        panic!("not signed in")
    };
    codes::switch_on(site, Who::SignedIn(&facts), FactorKind::Sms, &Origin::default()).await.expect("both are known");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_lifts_a_lock_and_nobody_their_own() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        acme.person("rita", PASSWORD).await;
        acme.give("rita", "org.reader", None).await;
        let bo = site.own_account("bo", PASSWORD).await;
        acme.admit(&bo).await;
        let (olga, rita) = (Admin::of(site, &acme, "olga").await, Admin::of(site, &acme, "rita").await);
        lock(site).await;
        let (factors, unlock) = (format!("/users/{ana}/factors"), format!("/users/{ana}/unlock"));
        let seen = rita.get(&factors).await;
        assert_eq!((&seen["locked"], &seen["failures_in_a_row"]), (&json!(true), &json!(5)), "{seen}");
        assert!(seen["locked_until"].is_string() && seen["factors"] == json!([]), "{seen}");
        assert_eq!(rita.refused(Method::POST, &unlock, json!({})).await, (403, "denied".to_owned()));
        let own = format!("/users/{}/unlock", acme.user_id("olga").await);
        assert_eq!(olga.refused(Method::POST, &own, json!({})).await, (403, "denied".to_owned()));
        let of_bo = format!("/users/{bo}/unlock");
        assert_eq!(olga.refused(Method::POST, &of_bo, json!({})).await, (409, "own_account".to_owned()));
        assert_eq!(site.browser().sign_in(ANA).await.page().status, 400, "nothing of that opened it");
        let tried = olga.call(Method::POST, &format!("{unlock}?dry_run=true"), None).await;
        assert_eq!((tried.status, &tried.json()["object"]["locked"]), (200, &json!(true)), "{}", tried.body);
        let opened = olga.post(&unlock, json!({})).await;
        assert_eq!((&opened["object"]["locked"], &opened["object"]["locked_until"]), (&json!(false), &Value::Null));
        assert_eq!(opened["object"]["failures_in_a_row"], 0, "{opened}");
        assert_eq!(site.browser().sign_in(ANA).await.page().url, site.at.url("/me"));
        let rows = olga.get(&format!("/audit?kind=user.unlock&target={ana}")).await;
        assert_eq!(rows["items"].as_array().map(Vec::len), Some(1), "{rows}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_takes_second_factors_away_and_every_session_ends() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let mut browser = site.browser();
        browser.sign_in(ANA).await;
        give_codes(site, &ana).await;
        let path = format!("/users/{ana}/factors");
        let seen = olga.get(&path).await;
        assert_eq!((&seen["factors"][0]["kind"], &seen["recovery_codes_left"]), (&json!("sms"), &json!(0)), "{seen}");
        let text = seen.to_string();
        assert!(!text.contains("1234") && !text.contains("example.test"), "{text}");
        let reset = olga.delete(&path).await;
        assert_eq!((&reset["object"]["factors"], &reset["object"]["recovery_codes_left"]), (&json!([]), &json!(0)));
        let page = browser.open(&site.at.url("/me")).await.page();
        assert!(page.has("login-form"), "{page:?}");
        assert_eq!(site.browser().sign_in(ANA).await.page().url, site.at.url("/me"), "the password is enough again");
        let rows = olga.get(&format!("/audit?kind=factor.reset&target={ana}")).await;
        assert_eq!(rows["items"].as_array().map(Vec::len), Some(1), "{rows}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_shows_a_lock_and_lifts_it() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.person("ana", PASSWORD).await;
        lock(site).await;
        let mut olga = site.browser();
        olga.sign_in(Person::named("olga")).await;
        let url = site.at.url(&format!("/o/acme/admin/people/{}", acme.member_id("ana").await));
        let page = olga.open(&url).await.page();
        assert!(page.text().contains("Locked until") && page.has("unlock") && !page.has("reset-factors"), "{page:?}");
        let page = olga.press(&page, "unlock", &[]).await.page();
        assert!(page.text().contains("The account is unlocked.") && !page.has("unlock"), "{page:?}");
        assert_eq!(site.browser().sign_in(ANA).await.page().url, site.at.url("/me"));
    })
    .await;
}
