//! A stronger proof, or a newer one, where it is asked for: by an application (`acr_values`, `max_age`, an essential `acr`),
//! by the interface (RFC 9470), and before what is sensitive.

use muster::kernel::time::{MINUTE, SECOND};
use reqwest::Method;
use serde_json::{Value, json};

use super::{ANA, Guarded, signed_in, with_app};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, console, owned};
use crate::support::browser::{Browser, Person};
use crate::support::client::{Ask, Client, Tokens};
use crate::support::http::Answer;
use crate::support::page::Page;
use crate::support::server::{Site, on_both};

const PWD: &str = "urn:muster:acr:pwd";
const MFA: &str = "urn:muster:acr:mfa";
const PHR: &str = "urn:muster:acr:phr";

/// A session that began before its account had a factor: it has shown a password, and no more.
async fn before_the_factor(site: &Site) -> (Browser, Guarded) {
    let early = signed_in(site, "ana").await;
    let guarded = with_app(site, "ana").await;
    (early, guarded)
}

async fn tokens(client: &Client, browser: &mut Browser, ask: &Ask) -> Tokens {
    let arrival = browser.open(&ask.url(&client.at)).await.arrival();
    client.tokens_of(&arrival, ask).await
}

fn essential(acr: &[&str]) -> String {
    json!({ "id_token": { "acr": { "essential": true, "values": acr } } }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_asks_for_a_level_and_gets_it_or_hears_that_it_can_not_be_had() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        for name in ["ana", "bo"] {
            acme.person(name, PASSWORD).await;
        }
        let shop = site.client(&acme.application("shop").await);
        let discovered = site.at.get("/.well-known/openid-configuration").await.json();
        assert_eq!(discovered["acr_values_supported"], json!([PWD, MFA, PHR]));
        let guarded = with_app(site, "ana").await;
        let mut browser = guarded.signs_in(site, ANA).await;
        let told = tokens(&shop, &mut browser, &Ask::of(&shop).with("acr_values", MFA)).await.id_claims();
        assert_eq!(told["acr"], MFA, "it was shown already");
        // What she has nothing for: a wish is told of truly, and what is essential is refused.
        let told = tokens(&shop, &mut browser, &Ask::of(&shop).with("acr_values", PHR)).await.id_claims();
        assert_eq!(told["acr"], MFA);
        let arrival = browser.open(&Ask::of(&shop).with("claims", &essential(&[PHR])).url(&site.at)).await.arrival();
        assert_eq!((arrival.param("error"), arrival.param("code")), ("unmet_authentication_requirements", ""));
        let told = tokens(&shop, &mut browser, &Ask::of(&shop).with("claims", &essential(&[PHR, MFA]))).await;
        assert_eq!(told.id_claims()["acr"], MFA);

        let mut bo = signed_in(site, "bo").await;
        let told = tokens(&shop, &mut bo, &Ask::of(&shop).with("acr_values", MFA)).await.id_claims();
        assert_eq!(told["acr"], PWD, "he has no factor, and nobody says that he has");
        let arrival = bo.open(&Ask::of(&shop).with("claims", &essential(&[MFA])).url(&site.at)).await.arrival();
        assert_eq!(arrival.param("error"), "unmet_authentication_requirements");
        let told = tokens(&shop, &mut bo, &Ask::of(&shop).with("acr_values", "urn:other:loa3")).await.id_claims();
        assert_eq!(told["acr"], PWD);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_has_shown_less_is_asked_for_more_and_renewed_by_it() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let (mut browser, guarded) = before_the_factor(site).await;
        let ask = Ask::of(&shop).with("acr_values", MFA);
        let silent = browser.ask_silently(&ask).await;
        assert_eq!((silent.param("error"), silent.param("code")), ("login_required", ""));
        site.advance(5 * MINUTE);
        let (before, at) = (browser.cookie("muster").map(str::to_owned), site.now().seconds());
        let page = browser.open(&ask.url(&site.at)).await.page();
        assert!(page.has("totp-form") && page.has("factor-cancel"), "{page:?}");
        let cancelled = browser.clone().press(&page, "factor-cancel", &[]).await.arrival();
        assert_eq!(cancelled.param("error"), "access_denied");
        let arrival = browser.press(&page, "totp-submit", &[("code", &guarded.code(site))]).await.arrival();
        let told = shop.tokens_of(&arrival, &ask).await.id_claims();
        assert_eq!((&told["acr"], &told["amr"]), (&json!(MFA), &json!(["pwd", "otp", "mfa"])));
        assert!(told["auth_time"].as_i64().is_some_and(|when| when >= at), "{told}");
        assert_ne!(browser.cookie("muster").map(str::to_owned), before, "a new cookie with the new level");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_max_age_is_proven_anew_with_all_that_is_owed() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let guarded = with_app(site, "ana").await;
        let mut browser = guarded.signs_in(site, ANA).await;
        let ask = Ask::of(&shop).with("max_age", "300");
        assert_eq!(tokens(&shop, &mut browser, &ask).await.id_claims()["acr"], MFA);
        site.advance(5 * MINUTE + 2 * SECOND);
        let silent = browser.ask_silently(&ask).await;
        assert_eq!(silent.param("error"), "login_required");
        let at = site.now().seconds();
        for ask in [ask.clone(), Ask::of(&shop).with("prompt", "login")] {
            let page = browser.open(&ask.url(&site.at)).await.page();
            let typed = [("username", "ana"), ("password", PASSWORD)];
            let page = browser.press(&page, "login-submit", &typed).await.page();
            assert!(page.has("totp-form"), "the password is half of it: {page:?}");
            let arrival = browser.press(&page, "totp-submit", &[("code", &guarded.code(site))]).await.arrival();
            let told = shop.tokens_of(&arrival, &ask).await.id_claims();
            assert!(told["acr"] == MFA && told["auth_time"].as_i64().is_some_and(|when| when >= at), "{told}");
        }
    })
    .await;
}

/// The parameters of a challenge (RFC 9470 §3).
fn challenge(answer: &Answer, name: &str) -> String {
    let text = answer.header("www-authenticate");
    let found = text.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split_once('"'));
    found.map_or(String::new(), |(value, _)| value.to_owned())
}

async fn calls(site: &Site, tokens: &Tokens) -> Answer {
    let acme = site.org("acme").await;
    let caller = Admin::with_token(site, &acme, tokens.access());
    caller.call(Method::POST, "/api/v1/me/recovery-codes", None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_interface_asks_for_the_authorization_endpoint_brings() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let (mut browser, guarded) = before_the_factor(site).await;
        let console = console(site).await;
        let ask = || Ask::of(&console).with("scope", "openid muster.admin").with("organization", "acme");
        // Entering asks for it already; a token from before the factor is one that has less.
        let page = browser.open(&ask().url(&site.at)).await.page();
        assert!(page.has("totp-form"), "{page:?}");
        let mut fresh = guarded.signs_in(site, ANA).await;
        let old = tokens(&console, &mut fresh, &ask()).await;
        assert_eq!(calls(site, &old).await.status, 200);
        site.advance(10 * MINUTE + SECOND);
        let old = Tokens::read(&console.refresh(old.refresh()).await);
        let refused = calls(site, &old).await;
        assert_eq!((refused.status, &refused.json()["code"]), (401, &json!("fresh_sign_in_required")));
        assert_eq!(challenge(&refused, "error"), "insufficient_user_authentication");
        let (acr, age) = (challenge(&refused, "acr_values"), challenge(&refused, "max_age"));
        assert_eq!((acr.as_str(), age.as_str()), (MFA, "600"));
        // A client that knows the standard, and nothing of Muster.
        let ask = ask().with("acr_values", &acr).with("max_age", &age);
        let page = fresh.open(&ask.url(&site.at)).await.page();
        let page = fresh.press(&page, "login-submit", &[("username", "ana"), ("password", PASSWORD)]).await.page();
        let arrival = fresh.press(&page, "totp-submit", &[("code", &guarded.code(site))]).await.arrival();
        let new = console.tokens_of(&arrival, &ask).await;
        let answer = calls(site, &new).await;
        let codes: Vec<Value> = answer.json()["recovery_codes"].as_array().cloned().unwrap_or_default();
        assert_eq!((answer.status, codes.len()), (200, 10), "{}", answer.body);
    })
    .await;
}

async fn asks_again(browser: &mut Browser, path: &str) -> Option<Page> {
    let page = browser.open(&browser.at.url(path)).await.page();
    page.url.contains("/login/again").then_some(page)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_borrows_no_proof_from_the_browser_for_what_asks_for_the_password_besides() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let guarded = with_app(site, "ana").await;
        let mut browser = guarded.signs_in(site, ANA).await;
        let console = console(site).await;
        let ask = Ask::of(&console).with("scope", "openid muster.admin").with("organization", "acme");
        let old = tokens(&console, &mut browser, &ask).await;
        site.advance(10 * MINUTE + SECOND);
        let old = Tokens::read(&console.refresh(old.refresh()).await);
        let page = asks_again(&mut browser, "/me/security/codes").await.expect("the proof is old");
        let landed = browser.press(&page, "totp-submit", &[("code", &guarded.code(site))]).await.page();
        assert_eq!(landed.url, site.at.url("/me/security/codes"), "{landed:?}");
        let acts = [
            (Method::POST, "/api/v1/me/password", json!({ "old": PASSWORD, "new": "Quay4-Zr8wNb3Lf" })),
            (Method::PATCH, "/api/v1/me", json!({ "email": "new@example.test", "password": PASSWORD })),
            (Method::PATCH, "/api/v1/me", json!({ "phone": "+82 10 1234 5678", "password": PASSWORD })),
        ];
        let caller = Admin::with_token(site, &acme, old.access());
        for (method, path, body) in acts.clone() {
            let refused = caller.refused(method, path, body.clone()).await;
            assert_eq!(refused, (401, "fresh_sign_in_required".to_owned()), "{body}");
        }
        // One that is as young as the proof does it, the password last.
        let new = tokens(&console, &mut browser, &ask.with("max_age", "600")).await;
        let caller = Admin::with_token(site, &acme, new.access());
        for (method, path, body) in acts.into_iter().rev() {
            let answer = caller.call(method, path, Some(&body)).await;
            assert_eq!(answer.status, 200, "{body}: {}", answer.body);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sensitive_asks_for_the_strongest_proof_that_the_person_has_and_leads_back() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        for name in ["ana", "bo"] {
            acme.person(name, PASSWORD).await;
        }
        acme.give("ana", "org.admin", None).await;
        let guarded = with_app(site, "ana").await;
        let mut bo = signed_in(site, "bo").await;
        let mut ana = guarded.signs_in(site, ANA).await;
        for path in ["/me/security/totp", "/me/security/codes"] {
            assert!(asks_again(&mut ana, path).await.is_none() && asks_again(&mut bo, path).await.is_none());
        }
        site.advance(10 * MINUTE + SECOND);
        // Who has a password alone types it; who has a factor shows that, and the password is not enough.
        let page = asks_again(&mut bo, "/me/security/totp").await.expect("the proof is old");
        assert!(page.has("again-form") && !page.has("totp-form"), "{page:?}");
        let refused = bo.press(&page, "again-submit", &[("password", "wrong-1")]).await.page();
        assert_eq!(refused.status, 400);
        let landed = bo.press(&page, "again-submit", &[("password", PASSWORD)]).await.page();
        assert_eq!(landed.url, site.at.url("/me/security/totp"), "{landed:?}");
        let page = asks_again(&mut ana, "/me/security/codes").await.expect("the proof is old");
        assert!(page.has("totp-form") && !page.has("again-form"), "{page:?}");
        let landed = ana.press(&page, "totp-submit", &[("code", &guarded.code(site))]).await.page();
        assert_eq!(landed.url, site.at.url("/me/security/codes"), "{landed:?}");
        // What was asked of one session renews no other.
        let mut other = guarded.signs_in(site, ANA).await;
        site.advance(10 * MINUTE + SECOND);
        let page = asks_again(&mut other, "/me/security/codes").await.expect("the proof is old");
        let form = page.form_with("totp-form").unwrap();
        let fields = form.filled("totp-submit", &[("code", &guarded.code(site))]);
        let answer = ana.send(Method::POST, &site.at.url("/login/mfa"), Some(&fields)).await;
        assert!((400..500).contains(&answer.status), "{answer:?}");
        assert!(asks_again(&mut ana, "/me/security/codes").await.is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_keys_connections_and_exports_ask_for_a_proof_of_the_last_ten_minutes() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.project("web").await;
        acme.person("bo", PASSWORD).await;
        let bo = acme.user_id("bo").await;
        let mut browser = site.browser();
        let console = console(site).await;
        let ask = Ask::of(&console).with("scope", "openid roles muster.admin").with("organization", "acme");
        let tokens = console.sign_in_with(&mut browser, Person::named("olga"), ask).await;
        let binding = json!({ "role": "org.reader", "scope": { "kind": "org" }, "subject": { "user_id": bo } });
        let acts: [(Method, String, Value); 7] = [
            (Method::POST, "/bindings".to_owned(), binding),
            (Method::POST, "/roles".to_owned(), json!({ "key": "helper", "permissions": ["org.read"] })),
            (Method::PUT, format!("/users/{bo}/groups"), json!({ "groups": [] })),
            (Method::POST, "/connections".to_owned(), json!({ "name": "Okta" })),
            (Method::POST, format!("/users/{}/access-keys", acme.user_id("olga").await), json!({ "name": "ci" })),
            (Method::DELETE, format!("/users/{bo}/factors"), Value::Null),
            (Method::GET, "/audit/export".to_owned(), Value::Null),
        ];
        site.advance(10 * MINUTE + SECOND);
        let tokens = Tokens::read(&console.refresh(tokens.refresh()).await);
        let olga = Admin::with_token(site, &acme, tokens.access());
        assert_eq!(olga.call(Method::GET, "/users", None).await.status, 200, "what is not sensitive goes on");
        for (method, path, body) in acts {
            let answer = olga.call(method.clone(), &path, Some(&body)).await;
            assert_eq!(
                (answer.status, &answer.json()["code"]),
                (401, &json!("fresh_sign_in_required")),
                "{method} {path}"
            );
            assert_eq!(challenge(&answer, "max_age"), "600");
        }
    })
    .await;
}
