//! Whose rule holds: that of the organisation which is entered, by what was really done in the session; who is exempt, and
//! who makes a factor on the way in.

use std::collections::BTreeSet;

use muster::config::Config;
use muster::domain::people::factor::FactorKind;
use muster::domain::people::second_factor::Require;
use muster::kernel::time::{DAY, MINUTE};
use reqwest::Method;
use serde_json::json;

use super::{ANA, Guarded, binds, half_way, is_in, is_out, recovery_codes, rule, signed_in, with_app};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::{Arrival, Browser, Landing, Person};
use crate::support::client::{Ask, Client};
use crate::support::codes::{Phone, STEP};
use crate::support::federated::Federated;
use crate::support::page::Page;
use crate::support::provider::Provider;
use crate::support::server::{Site, on_both, on_both_with};

/// Binds an app on the way in, from the page that asks which kind; where that leads once the recovery codes were seen.
async fn makes(site: &Site, browser: &mut Browser, page: &Page) -> (Landing, Guarded) {
    assert!(page.has("setup-totp") && !page.has("totp-code"), "{page:?}");
    let page = browser.press(page, "setup-totp", &[]).await.page();
    let phone = Phone::of(&page);
    let (first, next) = (phone.code(site.now().minus(STEP)), phone.code(site.now()));
    let page = browser.press(&page, "totp-submit", &[("code", &first), ("next_code", &next)]).await.page();
    let recovery = recovery_codes(&page);
    let landing = browser.press(&page, "codes-continue", &[]).await;
    (landing, Guarded { phone, recovery, browser: browser.clone() })
}

fn has_code(arrival: &Arrival) -> bool {
    !arrival.param("code").is_empty()
}

async fn enters(browser: &mut Browser, client: &Client) -> Landing {
    browser.open(&Ask::of(client).url(&client.at)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_must_have_a_factor_and_has_none_makes_one_inside_the_sign_in() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        rule(&acme, |rule| rule.require = Require::Everyone).await;
        let shop = site.client(&acme.application("shop").await);
        let (mut browser, ask) = (site.browser(), Ask::of(&shop));
        let page = browser.open(&ask.url(&site.at)).await.page();
        let page = browser.press(&page, "login-submit", &[("username", "ana"), ("password", PASSWORD)]).await.page();
        is_out(&browser);
        let (landing, guarded) = makes(site, &mut browser, &page).await;
        let told = shop.tokens_of(&landing.arrival(), &ask).await.id_claims();
        assert_eq!((&told["acr"], &told["amr"]), (&json!("urn:muster:acr:mfa"), &json!(["pwd", "otp", "mfa"])));
        // From now on it is shown, not made.
        let mut other = site.browser();
        let page = half_way(&mut other, ANA).await;
        assert!(page.has("totp-form") && !page.has("setup-totp"), "{page:?}");
        let landed = other.press(&page, "totp-submit", &[("code", &guarded.code(site))]).await;
        is_in(site, &other, landed);
        // And the last one stays where it is demanded.
        let page = other.open(&site.at.url("/me/security/remove?which=totp")).await.page();
        let refused = other.press(&page, "ask-submit", &[]).await.page();
        assert!(refused.status == 409 && refused.text().contains("requires a second factor of you"), "{refused:?}");
        rule(&acme, |_| {}).await;
        assert_eq!(other.press(&page, "ask-submit", &[]).await.page().status, 200);
        signed_in(site, "ana").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rule_of_the_organisation_that_is_entered_holds_and_no_other() {
    on_both(async |site| {
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        let cara = site.own_account("cara", PASSWORD).await;
        acme.admit(&cara).await;
        globex.admit(&cara).await;
        rule(&globex, |rule| rule.require = Require::Everyone).await;
        let shop = site.client(&acme.application("shop").await);
        let board = site.client(&globex.application("board").await);
        let mut browser = signed_in(site, "cara").await;
        assert!(has_code(&enters(&mut browser, &shop).await.arrival()), "Acme asks for nothing");
        let silent = browser.ask_silently(&Ask::of(&board)).await;
        assert_eq!((silent.param("error"), has_code(&silent)), ("login_required", false));
        let page = enters(&mut browser, &board).await.page();
        let (landing, guarded) = makes(site, &mut browser, &page).await;
        assert!(has_code(&landing.arrival()));
        // A kind that Globex does not count is enough at Acme, and not at Globex.
        rule(&globex, |rule| (rule.require, rule.kinds) = (Require::Everyone, BTreeSet::from([FactorKind::Passkey])))
            .await;
        let mut other = guarded.signs_in(site, Person::named("cara")).await;
        assert!(has_code(&enters(&mut other, &shop).await.arrival()));
        let page = enters(&mut other, &board).await.page();
        assert!(page.has("setup-form") && !page.has("setup-totp"), "{page:?}");
        assert!(page.text().contains("Passkeys need an address with a name"), "and why it can't be made: {page:?}");
        assert!(!has_code(&other.ask_silently(&Ask::of(&board)).await));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_for_administrators_is_for_whoever_holds_an_office_and_the_console_and_the_interface_keep_it() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        for name in ["ana", "bo"] {
            acme.person(name, PASSWORD).await;
        }
        acme.give("ana", "org.admin", None).await;
        acme.give("bo", "org.reader", None).await;
        let early = Admin::of(site, &acme, "ana").await;
        let mut open = signed_in(site, "ana").await;
        let people = site.at.url("/o/acme/admin/people");
        assert_eq!(open.open(&people).await.page().status, 200);
        rule(&acme, |rule| rule.require = Require::Admins).await;
        // What was opened before is judged by the rule of now.
        let answer = open.send(Method::GET, &people, None).await;
        assert!(answer.status == 303 && answer.header("location").starts_with("/login/mfa"), "{answer:?}");
        let refused = early.call(Method::GET, "/users", None).await;
        assert_eq!((refused.status, &refused.json()["code"]), (401, &json!("insufficient_user_authentication")));
        for name in ["ana", "olga"] {
            let mut browser = site.browser();
            let page = half_way(&mut browser, Person::named(name)).await;
            assert!(page.has("setup-totp"), "{name}: {page:?}");
        }
        signed_in(site, "bo").await;
        // In the session that was open: the factor is made, and the page is there again.
        let page = open.open(&people).await.page();
        let (landing, _) = makes(site, &mut open, &page).await;
        let page = landing.page();
        assert_eq!((page.status, page.url), (200, people));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_remembered_where_the_rule_lets_it_for_as_long_as_it_says_and_for_one_person() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        for name in ["ana", "bo"] {
            acme.person(name, PASSWORD).await;
        }
        rule(&acme, |rule| rule.remember_days = 2).await;
        let (ana, bo) = (with_app(site, "ana").await, with_app(site, "bo").await);
        let mut browser = site.browser();
        let page = half_way(&mut browser, ANA).await;
        let typed = [("code", ana.code(site)), ("remember", "1".to_owned())];
        let typed: Vec<(&str, &str)> = typed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let landed = browser.press(&page, "totp-submit", &typed).await;
        is_in(site, &browser, landed);
        let mut copied = browser.clone();
        browser.lose("muster");
        let landed = browser.sign_in(ANA).await;
        is_in(site, &browser, landed);
        browser.lose("muster");
        // Another person, another browser, and one that was copied before the last sign-in are asked.
        half_way(&mut browser, Person::named("bo")).await;
        half_way(&mut site.browser(), ANA).await;
        copied.lose("muster");
        half_way(&mut copied, ANA).await;
        let mut shared = browser.clone();
        let page = half_way(&mut shared, Person::named("bo")).await;
        let typed = [("code", bo.code(site)), ("remember", String::new())];
        let typed: Vec<(&str, &str)> = typed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let landed = shared.press(&page, "totp-submit", &typed).await;
        is_in(site, &shared, landed);
        shared.lose("muster");
        half_way(&mut shared, Person::named("bo")).await; // who did not wish it
        // Ana did, and is let in for two days.
        site.advance(DAY);
        let landed = shared.sign_in(ANA).await;
        is_in(site, &shared, landed);
        shared.lose("muster");
        site.advance(DAY + MINUTE);
        half_way(&mut shared, ANA).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_organisation_remembers_opens_none_that_does_not() {
    on_both(async |site| {
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        let cara = site.own_account("cara", PASSWORD).await;
        acme.admit(&cara).await;
        globex.admit(&cara).await;
        rule(&acme, |rule| rule.remember_days = 7).await;
        let mut browser = signed_in(site, "cara").await;
        let (phone, recovery) = binds(site, &mut browser).await;
        let guarded = Guarded { phone, recovery, browser };
        // At Acme's own page, whose rule lets the device be remembered.
        let mut browser = site.browser();
        let page = browser.open(&site.at.url("/o/acme/login")).await.page();
        let page = browser.press(&page, "login-submit", &[("username", "cara"), ("password", PASSWORD)]).await.page();
        let typed = [("code", guarded.code(site)), ("remember", "1".to_owned())];
        let typed: Vec<(&str, &str)> = typed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let landed = browser.press(&page, "totp-submit", &typed).await;
        is_in(site, &browser, landed);
        browser.lose("muster");
        let page = browser.open(&site.at.url("/o/acme/login")).await.page();
        let landed = browser.press(&page, "login-submit", &[("username", "cara"), ("password", PASSWORD)]).await;
        is_in(site, &browser, landed);
        let shop = site.client(&acme.application("shop").await);
        let board = site.client(&globex.application("board").await);
        assert!(has_code(&enters(&mut browser, &shop).await.arrival()), "Acme remembers it");
        let page = enters(&mut browser, &board).await.page();
        assert!(page.has("totp-form"), "Globex does not: {page:?}");
        globex.give("cara", "org.admin", None).await;
        let answer = browser.send(Method::GET, &site.at.url("/o/globex/admin/people"), None).await;
        assert!(answer.status == 303 && answer.header("location").starts_with("/login/mfa"), "{answer:?}");
        let arrival = browser.press(&page, "totp-submit", &[("code", &guarded.code(site))]).await.arrival();
        assert!(has_code(&arrival));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_through_a_provider_is_exempt_where_the_rule_says_so_or_the_provider_is_trusted() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let provider = Provider::open().await;
        provider.says(json!({ "sub": "00u-nora", "preferred_username": "nora", "amr": ["pwd", "mfa"], "acr": "AAL2" }));
        let okta = Federated::open(site, &acme, &provider).await;
        let shop = site.client(&acme.application("shop").await);
        rule(&acme, |rule| (rule.require, rule.exempt_federated) = (Require::Everyone, true)).await;
        let (mut browser, ask) = (site.browser(), Ask::of(&shop));
        let arrival = okta.comes_for(&mut browser, &ask).await.arrival();
        let told = shop.tokens_of(&arrival, &ask).await.id_claims();
        assert_ne!(told["acr"], "urn:muster:acr:mfa", "exempt is not proven: {told}");

        rule(&acme, |rule| rule.require = Require::Everyone).await;
        assert!(!has_code(&browser.ask_silently(&ask).await), "the session is judged by the rule of now");
        let mut other = site.browser();
        let page = okta.comes_for(&mut other, &Ask::of(&shop)).await.page();
        assert!(page.has("setup-totp"), "what the provider says of a factor is not trusted: {page:?}");

        for (acr, amr) in [(Some("AAL2"), None), (None, Some("mfa"))] {
            okta.set_up(site, |settings| {
                settings.trusted_acr = acr.map(str::to_owned).into_iter().collect();
                settings.trusted_amr = amr.map(str::to_owned).into_iter().collect();
            })
            .await;
            let (mut browser, ask) = (site.browser(), Ask::of(&shop));
            let arrival = okta.comes_for(&mut browser, &ask).await.arrival();
            let told = shop.tokens_of(&arrival, &ask).await.id_claims();
            assert_eq!(told["acr"], "urn:muster:acr:mfa", "{told}");
            assert!(told["amr"].as_array().is_some_and(|words| words.contains(&json!("mfa"))), "{told}");
        }
        // Trusted words that the provider does not say prove nothing.
        provider.says(json!({ "sub": "00u-nora", "preferred_username": "nora", "amr": ["pwd"], "acr": "AAL1" }));
        let mut other = site.browser();
        let page = okta.comes_for(&mut other, &Ask::of(&shop)).await.page();
        assert!(page.has("setup-totp"), "{page:?}");
    })
    .await;
}

/// As it is by default.
fn strict(config: &mut Config) {
    config.sign_in.operators_second_factor = true;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_has_a_factor_has_shown_it_wherever_they_act() {
    on_both_with(strict, async |site| {
        let acme = site.org("acme").await;
        let operator = Admin::operator(site, &acme).await;
        operator.get("").await;
        let mut browser = site.browser();
        let page = browser.open(&site.at.url("/instance/login")).await.page();
        browser.press(&page, "login-submit", &[("username", "opal"), ("password", PASSWORD)]).await;
        let people = site.at.url("/o/acme/admin/people");
        assert_eq!(browser.open(&people).await.page().status, 200, "who has none is let in");
        let (phone, _) = binds(site, &mut browser).await;
        assert_eq!(browser.open(&people).await.page().status, 200, "it was shown just now");
        // A token from before says nothing of it.
        let refused = operator.call(Method::GET, "", None).await;
        assert_eq!((refused.status, &refused.json()["code"]), (401, &json!("insufficient_user_authentication")));
        let mut other = site.browser();
        let page = other.open(&site.at.url("/instance/login")).await.page();
        let page = other.press(&page, "login-submit", &[("username", "opal"), ("password", PASSWORD)]).await.page();
        is_out(&other);
        site.advance(STEP);
        other.press(&page, "totp-submit", &[("code", &phone.code(site.now()))]).await;
        assert_eq!(other.open(&people).await.page().status, 200);
    })
    .await;
}
