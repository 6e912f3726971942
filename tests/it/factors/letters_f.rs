//! How second factors of others were passed by (F1 to F8, F10, F11), and that none of it works here. F4 is told in `machine`,
//! F9 in `passkeys`.

use futures_util::future::join_all;
use muster::config::Config;
use muster::domain::oauth::application::{Application, AuthMethod, GrantType};
use muster::domain::people::factor::FactorKind;
use muster::domain::people::second_factor::Require;
use muster::kernel::time::{MINUTE, SECOND};
use muster::store::recovery_codes;
use reqwest::Method;
use serde_json::json;

use super::{
    ANA, Guarded, WRONG, code_to, codes_to, counter, half_way, is_in, is_out, rule, signed_in, with_app, with_codes,
};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, console};
use crate::support::browser::{Browser, Person};
use crate::support::client::{Ask, Client, Tokens};
use crate::support::codes::{Phone, STEP};
use crate::support::http::Answer;
use crate::support::page::Page;
use crate::support::server::{Site, on_both, on_both_with};

const NO_RECOVERY: &str = "0000-0000-0000-0000";

fn of_device(application: &mut Application) {
    application.auth_method = AuthMethod::None;
    application.grant_types = vec![GrantType::DeviceCode, GrantType::RefreshToken];
    application.redirect_uris.clear();
}

/// A browser in front of a device's code; the page that follows.
async fn at_device(site: &Site, tv: &Client) -> (Browser, Page) {
    let told = tv.post("/device_authorization", &[("scope", "openid roles")]).await.json();
    let code = told["user_code"].as_str().expect("a code to be typed").to_owned();
    let mut browser = site.browser();
    let page = browser.open(&site.at.url("/device")).await.page();
    let page = browser.press(&page, "device-continue", &[("user_code", &code)]).await.page();
    (browser, page)
}

async fn types(browser: &mut Browser, page: &Page, person: Person<'_>) -> Page {
    browser.press(page, "login-submit", &[("username", person.name), ("password", person.password)]).await.page()
}

fn field(page: &Page, form: &str, name: &str) -> String {
    let fields = page.form_with(form).unwrap_or_else(|| panic!("no {form} on {page:?}")).filled("", &[]);
    fields.into_iter().find(|(given, _)| given == name).unwrap_or_else(|| panic!("no {name} in {form}")).1
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A code that is not the app's.
fn other_than(code: &str) -> String {
    let first = code.as_bytes()[0];
    let other = if first == b'9' { '0' } else { char::from(first + 1) };
    format!("{other}{}", &code[1..])
}

/// Nobody was let in by an answer.
fn refuses(browser: &Browser, page: &Page) {
    is_out(browser);
    assert!((400..500).contains(&page.status), "{page:?}");
}

/// An application's request, with password and code; its tokens.
async fn comes(site: &Site, client: &Client, button: &str, code: &str) -> Tokens {
    let (mut browser, ask) = (site.browser(), Ask::of(client));
    let page = browser.open(&ask.url(&site.at)).await.page();
    let page = types(&mut browser, &page, ANA).await;
    is_out(&browser);
    let arrival = browser.press(&page, button, &[("code", code)]).await.arrival();
    client.tokens_of(&arrival, &ask).await
}

#[tokio::test(flavor = "multi_thread")]
async fn f1_wrong_codes_and_wrong_passwords_share_one_counter_and_its_lock_holds_at_every_entry() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let guarded = with_app(site, "ana").await;
        let shop = site.client(&acme.application("shop").await);
        let tv = site.client(&acme.application_with("tv", of_device).await);
        // A session that must prove itself again, in a browser that the account doesn't know.
        let mut again = guarded.signs_in(site, ANA).await;
        again.lose("muster_device");
        site.advance(11 * MINUTE);
        let at_proof = again.open(&site.at.url("/me/security/codes")).await.page();
        let (mut one, mut two) = (site.browser(), site.browser());
        let at_login = half_way(&mut one, ANA).await;
        let page = two.open(&Ask::of(&shop).url(&site.at)).await.page();
        let at_shop = types(&mut two, &page, ANA).await;
        let (mut couch, page) = at_device(site, &tv).await;
        let at_tv = types(&mut couch, &page, ANA).await;
        assert!([&at_proof, &at_login, &at_shop, &at_tv].iter().all(|page| page.has("totp-form")));

        let wrong = other_than(&guarded.code(site));
        refuses(&one, &one.clone().press(&at_login, "totp-submit", &[("code", &wrong)]).await.page());
        let page = two.press(&at_shop, "recovery-submit", &[("code", NO_RECOVERY)]).await.page();
        refuses(&two, &page);
        assert_eq!(again.press(&at_proof, "totp-submit", &[("code", &wrong)]).await.page().status, 400);
        let page = couch.press(&at_tv, "totp-submit", &[("code", &wrong)]).await.page();
        refuses(&couch, &page);
        assert_eq!(counter(site, &ana).await, (4, 0), "each was counted, and nothing forgot them");
        refuses(&site.browser(), &site.browser().sign_in(WRONG).await.page());
        let locked = counter(site, &ana).await;
        assert!(locked.0 == 5 && locked.1 > site.now().0, "{locked:?}");

        // What is right now is right in vain, and isn't used up.
        let page = one.press(&at_login, "totp-submit", &[("code", &guarded.code(site))]).await.page();
        refuses(&one, &page);
        assert!(page.text().contains("paused until"), "whoever knew the password is told: {page:?}");
        let page = two.press(&at_shop, "recovery-submit", &[("code", &guarded.recovery[0])]).await.page();
        refuses(&two, &page);
        assert_eq!(recovery_codes::left(&mut site.conn().await, &ana).await.unwrap(), 10);
        let page = again.press(&at_proof, "totp-submit", &[("code", &guarded.code(site))]).await.page();
        assert_eq!(page.status, 400, "{page:?}");
        let page = couch.press(&at_tv, "totp-submit", &[("code", &guarded.code(site))]).await.page();
        refuses(&couch, &page);
        refuses(&site.browser(), &site.browser().sign_in(ANA).await.page());
        for _ in 0..5 {
            one.press(&at_login, "totp-submit", &[("code", &wrong)]).await;
        }
        assert_eq!(counter(site, &ana).await, locked, "what comes while it is locked is not looked at");
        site.advance(15 * MINUTE);
        guarded.signs_in(site, ANA).await;
        assert_eq!(counter(site, &ana).await.0, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f1_a_code_that_was_mailed_is_dead_after_five_tries_and_they_lock_the_account() {
    on_both(async |site| {
        site.stop_jobs().await;
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        with_codes(site, &ana, "ana", FactorKind::Email).await;
        let mut browser = site.browser();
        let page = half_way(&mut browser, ANA).await;
        let page = browser.press(&page, "send-email", &[]).await.page();
        assert!(page.has("email-form") && page.text().contains("good for ten minutes"), "{page:?}");
        let code = code_to(site, "ana@example.test").await;
        for _ in 0..5 {
            browser.press(&page, "email-submit", &[("code", &other_than(&code))]).await;
            is_out(&browser);
        }
        assert_eq!(counter(site, &ana).await.0, 5);
        let refused = browser.press(&page, "email-submit", &[("code", &code)]).await.page();
        refuses(&browser, &refused);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f2_whoever_has_a_factor_shows_it_whatever_the_rule_and_the_tokens_say_what_was_done() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        for name in ["ana", "bo"] {
            acme.person(name, PASSWORD).await;
        }
        let shop = site.client(&acme.application("shop").await);
        let guarded = with_app(site, "ana").await;
        for require in [Require::None, Require::Optional, Require::Admins, Require::Everyone] {
            rule(&acme, |rule| rule.require = require).await;
            let told = comes(site, &shop, "totp-submit", &guarded.code(site)).await.id_claims();
            assert_eq!((&told["acr"], &told["amr"]), (&json!("urn:muster:acr:mfa"), &json!(["pwd", "otp", "mfa"])));
        }
        let told = comes(site, &shop, "recovery-submit", &guarded.recovery[0]).await.id_claims();
        assert_eq!((&told["acr"], &told["amr"]), (&json!("urn:muster:acr:mfa"), &json!(["pwd", "otp", "mfa"])));
        rule(&acme, |_| {}).await;
        let told = shop.sign_in(&mut site.browser(), Person::named("bo")).await.id_claims();
        assert_eq!((&told["acr"], &told["amr"]), (&json!("urn:muster:acr:pwd"), &json!(["pwd"])), "and no more");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_after_the_password_alone_nothing_opens_but_the_page_that_asks_for_the_factor() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        acme.give("ana", "org.admin", None).await;
        let guarded = with_app(site, "ana").await;
        let shop = site.client(&acme.application("shop").await);
        let tv = site.client(&acme.application_with("tv", of_device).await);
        let (ask, mut browser) = (Ask::of(&shop), site.browser());
        let login = browser.open(&ask.url(&site.at)).await.page();
        let began = field(&login, "login-form", "request");
        let page = types(&mut browser, &login, ANA).await;
        let (waits, csrf) = (field(&page, "totp-form", "request"), field(&page, "totp-form", "csrf"));
        for request in [began.as_str(), waits.as_str()] {
            for (path, name, value) in [
                ("/consent", "act", "allow"),
                ("/select-org", "org", acme.id.as_str()),
                ("/device/confirm", "act", "allow"),
                ("/login/mfa/done", "act", "back"),
                ("/login/password-change", "password", PASSWORD),
                ("/me/password", "old", PASSWORD),
                ("/me/security", "act", "codes"),
                ("/me/security/totp", "begun", "x"),
                ("/me/sessions", "session", "others"),
                ("/o/acme/admin/people/register", "act", "register"),
            ] {
                let fields = pairs(&[("csrf", csrf.as_str()), ("request", request), (name, value)]);
                let answer = browser.send(Method::POST, &site.at.url(path), Some(&fields)).await;
                is_out(&browser);
                let to = answer.header("location");
                assert!(answer.status < 500 && !to.contains("code="), "{path}: {answer:?}");
            }
        }
        for path in ["/me", "/me/security", "/o/acme/admin", "/o/acme/admin/people", "/login/mfa", "/login/again"] {
            let answer = browser.send(Method::GET, &site.at.url(path), None).await;
            let to = answer.header("location").split('?').next().unwrap_or_default().to_owned();
            assert!(answer.status == 303 && to.ends_with("/login"), "{path}: {answer:?}");
        }
        let page = browser.open(&ask.url(&site.at)).await.page();
        assert!(page.has("login-form"), "an authorization request begins at the sign-in: {page:?}");
        let silent = browser.ask_silently(&ask).await;
        assert_eq!((silent.param("error"), silent.param("code")), ("login_required", ""));
        for path in ["/api/v1/me", "/api/v1/orgs/acme/users", "/userinfo"] {
            assert_eq!(browser.send(Method::GET, &site.at.url(path), None).await.status, 401, "{path}");
        }
        let (mut couch, page) = at_device(site, &tv).await;
        let page = types(&mut couch, &page, ANA).await;
        assert!(page.has("totp-form") && !page.has("device-allow"), "{page:?}");
        let page = couch.press(&page, "totp-submit", &[("code", &guarded.code(site))]).await.page();
        assert!(page.has("device-allow"), "{page:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f5_of_fifty_who_show_one_code_at_once_one_comes_in_and_it_never_counts_again() {
    on_both(async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let guarded = with_app(site, "ana").await;
        let mut crowd = Vec::new();
        for _ in 0..50 {
            let mut browser = site.browser();
            let page = half_way(&mut browser, ANA).await;
            crowd.push((browser, page));
        }
        let code = guarded.code(site);
        let typed = [("code", code.as_str())];
        join_all(crowd.iter_mut().map(|(browser, page)| browser.press(page, "totp-submit", &typed))).await;
        let inside = crowd.iter().filter(|(browser, _)| browser.cookie("muster").is_some()).count();
        assert_eq!(inside, 1);
        // Past the lock that the others brought: neither the same nor the one before counts after a newer one.
        site.advance(16 * MINUTE);
        let (mut one, mut two) = (site.browser(), site.browser());
        let (first, other) = (half_way(&mut one, ANA).await, half_way(&mut two, ANA).await);
        let now = site.now();
        let newest = guarded.phone.code(now.plus(STEP));
        let landed = one.press(&first, "totp-submit", &[("code", &newest)]).await;
        is_in(site, &one, landed);
        for code in [&newest, &guarded.phone.code(now), &guarded.phone.code(now.minus(STEP))] {
            let page = two.press(&other, "totp-submit", &[("code", code)]).await.page();
            refuses(&two, &page);
        }
        site.advance(STEP); // past the newest
        let landed = two.press(&other, "totp-submit", &[("code", &guarded.code(site))]).await;
        is_in(site, &two, landed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f6_a_key_has_a_hundred_and_sixty_bits_is_shown_once_and_lies_sealed() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        acme.person("bo", PASSWORD).await;
        let (ana, mut bo) = (with_app(site, "ana").await, with_app(site, "bo").await);
        assert!(ana.phone.key().len() == 20 && ana.phone.key() != bo.phone.key());
        let sealed: Vec<(Option<Vec<u8>>,)> =
            site.conn().await.query("SELECT sealed FROM factors WHERE kind = 'totp'").all().await.unwrap();
        assert_eq!(sealed.len(), 2);
        for (row,) in &sealed {
            let row = row.as_deref().expect("a key is kept");
            assert!(row.len() > 20 && !row.windows(20).any(|part| part == ana.phone.key() || part == bo.phone.key()));
        }
        let digests: Vec<(Vec<u8>,)> =
            site.conn().await.query("SELECT code_hash FROM recovery_codes").all().await.unwrap();
        assert!(digests.len() == 20 && digests.iter().all(|(digest,)| digest.len() == 32));
        for path in ["/me/security", "/me/security/totp", "/me"] {
            let page = bo.browser.open(&site.at.url(path)).await.page();
            assert!(page.status == 200 && !page.html.contains(bo.phone.typed_from()), "{path}");
            assert!(bo.recovery.iter().all(|code| !page.html.contains(code.as_str())), "{path}");
        }
        let page = bo.browser.open(&site.at.url("/me/security/totp")).await.page();
        assert_ne!(Phone::of(&page).key(), bo.phone.key(), "another one is made each time");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f7_a_code_goes_to_the_address_that_the_account_has_whatever_else_is_sent_along() {
    on_both(async |site| {
        site.stop_jobs().await;
        let ana = site.org("acme").await.person("ana", PASSWORD).await;
        with_codes(site, &ana, "ana", FactorKind::Sms).await;
        let mut browser = site.browser();
        let page = half_way(&mut browser, ANA).await;
        let (request, csrf) = (field(&page, "ways-form", "request"), field(&page, "ways-form", "csrf"));
        let evil = ["email", "phone", "phone_number", "to", "address", "recipient", "username", "user"];
        let mut fields = pairs(&[("request", &request), ("csrf", &csrf), ("act", "send_sms")]);
        fields.extend(evil.iter().flat_map(|name| pairs(&[(name, "evil@evil.test")])));
        let answer = browser.send(Method::POST, &site.at.url("/login/mfa"), Some(&fields)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!((codes_to(site, "+821012345678").await, codes_to(site, "evil@evil.test").await), (1, 0));
        // A way that the account has not switched on sends nothing.
        let fields = pairs(&[("request", &request), ("csrf", &csrf), ("act", "send_email")]);
        let answer = browser.send(Method::POST, &site.at.url("/login/mfa"), Some(&fields)).await;
        assert_eq!((answer.status, codes_to(site, "ana@example.test").await), (400, 0));
        let code = code_to(site, "+821012345678").await;
        let page = browser.open(&site.at.url("/login")).await.page();
        let page = types(&mut browser, &page, ANA).await;
        let landed = browser.press(&page, "sms-submit", &[("code", &code)]).await;
        is_in(site, &browser, landed);
    })
    .await;
}

/// Signs in with the wish to be remembered, and out again.
async fn remembered(site: &Site, guarded: &Guarded) -> Browser {
    let mut browser = site.browser();
    let page = half_way(&mut browser, ANA).await;
    let landed = browser.press(&page, "totp-submit", &[("code", &guarded.code(site)), ("remember", "1")]).await;
    is_in(site, &browser, landed);
    let page = browser.open(&site.at.url("/end_session")).await.page();
    browser.press(&page, "logout-confirm", &[]).await;
    is_out(&browser);
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn f8_a_sign_in_that_is_newer_and_weaker_opens_nothing_sensitive() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        acme.give("ana", "org.admin", None).await;
        rule(&acme, |rule| rule.remember_days = 7).await;
        let guarded = with_app(site, "ana").await;
        let mut browser = remembered(site, &guarded).await;
        site.advance(MINUTE);
        let landed = browser.sign_in(ANA).await;
        is_in(site, &browser, landed); // by the password alone, a moment ago
        let page = browser.open(&site.at.url("/me/security/codes")).await.page();
        assert!(page.url.contains("/login/again") && page.has("totp-form") && !page.has("again-form"), "{page:?}");
        let (request, csrf) = (field(&page, "totp-form", "request"), field(&page, "totp-form", "csrf"));
        let fields = pairs(&[("request", &request), ("csrf", &csrf), ("password", PASSWORD)]);
        let answer = browser.send(Method::POST, &site.at.url("/login/mfa"), Some(&fields)).await;
        assert_eq!(answer.status, 400, "a password freshens no factor: {}", answer.body);
        let page = browser.open(&site.at.url("/me/security/codes")).await.page();
        assert!(page.url.contains("/login/again"), "{page:?}");

        let console = console(site).await;
        let ask = Ask::of(&console).with("scope", "openid muster.admin").with("organization", "acme");
        let arrival = browser.open(&ask.url(&site.at)).await.arrival();
        let tokens = console.tokens_of(&arrival, &ask).await;
        assert_eq!(tokens.id_claims()["acr"], "urn:muster:acr:pwd");
        let weak = Admin::with_token(site, &acme, tokens.access());
        for (method, path) in [
            (Method::POST, "/api/v1/me/recovery-codes"),
            (Method::DELETE, "/api/v1/me/factors/totp"),
            (Method::POST, "/bindings"),
        ] {
            let answer = weak.call(method, path, Some(&json!({}))).await;
            let challenge = answer.header("www-authenticate").to_owned();
            assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("insufficient_user_authentication")));
            assert!(challenge.contains("acr_values=\"urn:muster:acr:mfa\""), "{path}: {challenge}");
            assert!(challenge.contains("max_age=\"600\""), "{path}: {challenge}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_no_other_flow_gets_past_the_lock_or_makes_a_proof_of_what_is_old() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let tv = site.client(&acme.application_with("tv", of_device).await);
        let mut browser = site.browser();
        let ask = Ask::of(&shop).with("scope", "openid offline_access").with("prompt", "consent");
        let tokens = shop.sign_in_with(&mut browser, ANA, ask).await;
        let before = tokens.claims();
        browser.lose("muster_device");
        site.advance(11 * MINUTE);
        let hers = Admin::of(site, &acme, "ana").await;
        let at_proof = browser.open(&site.at.url("/me/security/totp")).await.page();
        assert!(at_proof.has("again-form"), "{at_proof:?}");
        for _ in 0..5 {
            refuses(&site.browser(), &site.browser().sign_in(WRONG).await.page());
        }
        refuses(&site.browser(), &site.browser().sign_in(ANA).await.page());
        let (mut couch, page) = at_device(site, &tv).await;
        let page = types(&mut couch, &page, ANA).await;
        assert!(page.has("login-form") && !page.has("device-allow"), "{page:?}");
        let page = browser.press(&at_proof, "again-submit", &[("password", PASSWORD)]).await.page();
        assert_eq!(page.status, 400, "nor is it a proof: {page:?}");
        let body = json!({ "old": PASSWORD, "new": "Quay4-Zr8wNb3Lf" });
        assert!((400..500).contains(&hers.refused(Method::POST, "/api/v1/me/password", body).await.0));
        for grant in [
            "password",
            "urn:openid:params:grant-type:ciba",
            "urn:ietf:params:oauth:grant-type:token-exchange",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
        ] {
            let fields = [("grant_type", grant), ("username", "ana"), ("password", PASSWORD)];
            let refusal: (u16, String) = shop.post("/token", &fields).await.refusal();
            assert_eq!(refusal, (400, "unsupported_grant_type".to_owned()), "{grant}");
        }
        // What was open before stays so, for guessing shuts nobody out; and it says when it was opened.
        let after = Tokens::read(&shop.refresh(tokens.refresh()).await).claims();
        assert!(before["auth_time"].is_i64() && after["auth_time"] == before["auth_time"], "{after}");
        assert_eq!(after["acr"], before["acr"]);
        site.advance(15 * MINUTE + SECOND);
        signed_in(site, "ana").await;
    })
    .await;
}

/// Believes what stands before it of addresses.
fn behind_a_proxy(config: &mut Config) {
    config.http.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
}

async fn spoil_rules(site: &Site, settings: &str) {
    let settings = settings.to_owned();
    let written: Result<u64, sqlx::Error> = site
        .db
        .write(move |tx| {
            Box::pin(async move { tx.query("UPDATE orgs SET settings = $1").bind(settings).execute().await })
        })
        .await;
    assert_eq!(written.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_what_cannot_be_read_or_judged_lets_nobody_in() {
    on_both_with(behind_a_proxy, async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let guarded = with_app(site, "ana").await;
        let shop = site.client(&acme.application("shop").await);
        let long = "9".repeat(4_000);
        let odd = ["%%%", "::::", ", ,", "999.999.1.1", "unknown, 1.2.3.4:99999", "[::1", "\"", "-1", long.as_str()];
        let names = ["x-forwarded-for", "forwarded", "x-real-ip", "accept-language", "user-agent", "referer", "via"];
        for (value, name) in odd.iter().flat_map(|value| names.iter().map(move |name| (*value, *name))) {
            let headers = [
                ("origin", site.at.issuer.clone()),
                ("sec-fetch-site", "same-origin".to_owned()),
                (name, value.to_owned()),
            ];
            let mut browser = site.browser();
            let url = site.at.url("/login");
            let page = browser.open(&url).await.page();
            let typed = [("username", "ana"), ("password", PASSWORD)];
            let fields = page.form_with("login-submit").unwrap().filled("login-submit", &typed);
            let answer: Answer = browser.send_with(Method::POST, &url, Some(&fields), &headers).await;
            is_out(&browser);
            let page = Page::read(url, answer.status, answer.body);
            assert!(page.has("totp-form"), "{name}: {value:.20}: {page:?}");
            let fields = page.form_with("totp-submit").unwrap().filled("totp-submit", &[("code", "")]);
            let answer = browser.send_with(Method::POST, &site.at.url("/login/mfa"), Some(&fields), &headers).await;
            is_out(&browser);
            assert_eq!(answer.status, 400, "{name}: {value:.20}");
        }
        // A rule that can't be read is not a rule that asks for nothing.
        let mut inside = guarded.signs_in(site, ANA).await;
        let ask = Ask::of(&shop);
        assert!(!inside.ask_silently(&ask).await.param("code").is_empty());
        spoil_rules(site, "{\"second_factor\":{\"require\":\"sometimes\"}}").await;
        let mut browser = site.browser();
        let page = browser.open(&site.at.url("/login")).await.page();
        let page = types(&mut browser, &page, ANA).await;
        is_out(&browser);
        assert!(page.status >= 400 && !page.has("totp-form"), "{page:?}");
        let answer = inside.send(Method::GET, &ask.clone().with("prompt", "none").url(&site.at), None).await;
        assert!(!answer.header("location").contains("code="), "{answer:?}");
        let answer = inside.send(Method::GET, &site.at.url("/o/acme/admin"), None).await;
        assert!(answer.status >= 400 || answer.header("location").contains("/login"), "{answer:?}");
        spoil_rules(site, "{}").await;
        guarded.signs_in(site, ANA).await;
    })
    .await;
}
