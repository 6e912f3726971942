//! What stands in for what was lost, and what it does not open: recovery codes, another phone for the app, and browsers that
//! need not be asked again.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use muster::domain::mail::Template;
use muster::domain::people::factor::FactorKind;
use muster::domain::people::second_factor::Require;
use muster::kernel::id::UserId;
use muster::kernel::time::{MINUTE, SECOND};
use muster::store::{factors, passkeys, recovery_codes};
use reqwest::Method;
use serde_json::json;

use super::machine::patient;
use super::passkeys::{adds, asked, kept, options};
use super::{
    ANA, Guarded, WRONG, binds, code_to, half_way, is_in, is_out, proven, recovery_codes as shown, rule, with_app,
    with_codes,
};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, console, owned};
use crate::support::browser::{Browser, Person};
use crate::support::client::Ask;
use crate::support::codes::{Phone, STEP};
use crate::support::mailbox::mails_to;
use crate::support::server::{Site, on_both, on_both_named, on_both_with};
use crate::support::world::World;

async fn left(world: &World, user: &UserId) -> i64 {
    recovery_codes::left(&mut world.conn().await, user).await.unwrap()
}

/// Signs somebody in with the password and a code that was mailed.
async fn by_mail(site: &Site, name: &str) -> Browser {
    let mut browser = site.browser();
    let page = half_way(&mut browser, Person::named(name)).await;
    let page = browser.press(&page, "send-email", &[]).await.page();
    let code = code_to(site, &format!("{name}@example.test")).await;
    let landed = browser.press(&page, "email-submit", &[("code", &code)]).await;
    is_in(site, &browser, landed);
    browser
}

/// Makes recovery codes anew, in a browser whose proof is fresh.
async fn makes_codes(site: &Site, browser: &mut Browser) -> Vec<String> {
    let page = browser.open(&site.at.url("/me/security/codes")).await.page();
    shown(&browser.press(&page, "ask-submit", &[]).await.page())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_password_alone_switches_on_brings_no_recovery_codes_in_a_session_or_inside_a_sign_in() {
    on_both(async |site| {
        site.stop_jobs().await; // what was delivered is not kept
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        let (ana, bo) = (acme.person("ana", PASSWORD).await, globex.person("bo", PASSWORD).await);
        with_codes(site, &ana, "ana", FactorKind::Email).await;
        assert_eq!(left(site, &ana).await, 0);
        proven(site, &bo, (true, true)).await;
        let kinds = BTreeSet::from([FactorKind::Email, FactorKind::Totp]);
        rule(&globex, |rule| (rule.require, rule.kinds) = (Require::Everyone, kinds)).await;
        let mut browser = site.browser();
        let page = half_way(&mut browser, Person::named("bo")).await;
        let page = browser.press(&page, "setup-email", &[]).await.page();
        assert!(page.has("email-form") && !page.has("codes-form"), "{page:?}");
        is_out(&browser);
        let page = browser.press(&page, "send-email", &[]).await.page();
        let code = code_to(site, "bo@example.test").await;
        let landed = browser.press(&page, "email-submit", &[("code", &code)]).await;
        is_in(site, &browser, landed);
        assert_eq!(left(site, &bo).await, 0);
        // Whoever has shown the code makes a set themselves; one that comes with an app takes its place.
        let before = makes_codes(site, &mut browser).await;
        let (_, after) = binds(site, &mut browser).await;
        assert!(after.iter().all(|code| !before.contains(code)));
        assert_eq!(left(site, &bo).await, 10);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_stands_in_for_no_kind_that_was_never_made() {
    on_both(async |site| {
        site.stop_jobs().await;
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        with_codes(site, &ana, "ana", FactorKind::Email).await;
        let codes = makes_codes(site, &mut by_mail(site, "ana").await).await;
        rule(&acme, |rule| rule.require = Require::Everyone).await;
        let mut browser = site.browser();
        let page = half_way(&mut browser, ANA).await;
        let page = browser.press(&page, "recovery-submit", &[("code", &codes[0])]).await.page();
        assert!(page.has("setup-totp"), "an app is to be made, as after a mailed code: {page:?}");
        is_out(&browser);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_counts_for_what_was_really_shown() {
    on_both(async |site| {
        site.stop_jobs().await;
        let (acme, _) = owned(site, "acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        acme.person("bo", PASSWORD).await;
        acme.give("ana", "org.admin", None).await;
        acme.give("bo", "org.admin", None).await;
        with_codes(site, &ana, "ana", FactorKind::Email).await;
        let his = with_app(site, "bo").await;
        let mut by_code = site.browser();
        let page = half_way(&mut by_code, Person::named("bo")).await;
        let landed = by_code.press(&page, "recovery-submit", &[("code", &his.recovery[0])]).await;
        is_in(site, &by_code, landed);
        let console = console(site).await;
        let mut callers = Vec::new();
        for mut browser in [by_mail(site, "ana").await, by_code] {
            let ask = Ask::of(&console).with("scope", "openid muster.admin").with("organization", "acme");
            let arrival = browser.open(&ask.url(&site.at)).await.arrival();
            let tokens = console.tokens_of(&arrival, &ask).await;
            assert_eq!(tokens.id_claims()["amr"], json!(["pwd", "otp", "mfa"]), "they are told alike");
            callers.push(Admin::with_token(site, &acme, tokens.access()));
        }
        for caller in &callers {
            caller.get("/users").await;
        }
        rule(&acme, |rule| rule.require = Require::Everyone).await;
        let refused = callers[0].call(Method::GET, "/users", None).await;
        assert_eq!((refused.status, &refused.json()["code"]), (401, &json!("insufficient_user_authentication")));
        callers[1].get("/users").await; // it stood in for an app
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_a_passkey_takes_it_away_by_a_recovery_code_and_does_nothing_else_by_that() {
    on_both_named(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let user = acme.person("ana", PASSWORD).await;
        acme.give("ana", "org.admin", None).await;
        let guarded = with_app(site, "ana").await;
        adds(site, &mut guarded.browser.clone(), "Key").await;
        let key = passkeys::of_user(&mut site.conn().await, &user).await.unwrap().remove(0).id;
        let mut ana = guarded.signs_in(site, ANA).await;
        // For everything else a recovery code is neither asked for nor used up.
        let page = ana.open(&site.at.url("/login/again")).await.page();
        assert!(page.has("use-passkey") && !page.has("totp-form") && !page.has("recovery-form"), "{page:?}");
        assert!(page.html.contains("id=\"recovery-elsewhere\""), "but it is said where it does");
        let mut fields = page.form_with("ways-form").unwrap().filled("none", &[]);
        let forged = [("kind", "recovery"), ("code", guarded.recovery[0].as_str())];
        fields.extend(forged.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let answer = ana.send(Method::POST, &site.at.url("/login/mfa"), Some(&fields)).await;
        assert_eq!((answer.status, left(site, &user).await), (400, 10), "{}", answer.body);
        let remove = site.at.url(&format!("/me/security/remove?which={key}"));
        let page = ana.open(&remove).await.page();
        assert!(page.url.contains("/login/again") && !page.has("totp-form"), "the app alone is not enough: {page:?}");
        let landed = ana.press(&page, "recovery-submit", &[("code", &guarded.recovery[0])]).await.page();
        assert!(landed.url == remove && left(site, &user).await == 9, "{landed:?}");
        let page = ana.clone().open(&site.at.url("/login/again")).await.page();
        assert!(page.has("use-passkey"), "it freshened nothing: {page:?}");
        // The interface keeps to the same.
        let console = console(site).await;
        let ask = Ask::of(&console).with("scope", "openid muster.admin").with("organization", "acme");
        let arrival = ana.open(&ask.url(&site.at)).await.arrival();
        let hers = Admin::with_token(site, &acme, console.tokens_of(&arrival, &ask).await.access());
        let refused = hers.refused(Method::POST, "/roles", json!({ "key": "x", "permissions": ["org.read"] })).await;
        assert_eq!(refused, (401, "insufficient_user_authentication".to_owned()));
        hers.patch(&format!("/api/v1/me/factors/{key}"), json!({ "name": "Lost" })).await;
        let done = ana.press(&landed, "ask-submit", &[]).await.page();
        assert!(done.text().contains("It's removed") && kept(site, &user).await == 0, "{done:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_does_for_ten_minutes_from_the_sign_in_and_in_a_session_that_a_passkey_opened() {
    on_both_named(async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let guarded = with_app(site, "ana").await;
        let (mut device, _) = adds(site, &mut guarded.browser.clone(), "Key").await;
        let paths =
            ["/me/security/codes", "/me/security/passkey", "/me/security/totp", "/me/security/remove?which=totp"];
        let mut lost = site.browser();
        let page = half_way(&mut lost, ANA).await;
        let landed = lost.press(&page, "recovery-submit", &[("code", &guarded.recovery[0])]).await;
        is_in(site, &lost, landed);
        for path in paths {
            let page = lost.open(&site.at.url(path)).await.page();
            assert_eq!((page.status, page.url.as_str()), (200, site.at.url(path).as_str()), "{page:?}");
        }
        let mut held = site.browser();
        let page = asked(&mut held).await;
        let answer = device.answer(&options(&page));
        let landed = held.press(&page, "passkey-submit", &[("response", &answer)]).await;
        is_in(site, &held, landed);
        site.advance(10 * MINUTE + SECOND);
        for path in paths {
            let page = lost.open(&site.at.url(path)).await.page();
            assert!(page.url.contains("/login/again"), "{path}: {page:?}");
        }
        let page = held.open(&site.at.url("/me/security/codes")).await.page();
        let landed = held.press(&page, "recovery-submit", &[("code", &guarded.recovery[1])]).await.page();
        assert_eq!((landed.status, landed.url), (200, site.at.url("/me/security/codes")));
        let page = held.open(&site.at.url("/login/again")).await.page();
        assert!(page.has("use-passkey"), "the passkey's own proof is as old as before: {page:?}");
    })
    .await;
}

/// Sets the app up on another phone.
async fn moves(site: &Site, browser: &mut Browser) -> Phone {
    let page = browser.open(&site.at.url("/me/security/totp")).await.page();
    assert!(page.html.contains("id=\"moves\""), "it is said what becomes of the other: {page:?}");
    let phone = Phone::of(&page);
    let (first, next) = (phone.code(site.now().minus(STEP)), phone.code(site.now()));
    let typed = [("code", first.as_str()), ("next_code", next.as_str())];
    let done = browser.press(&page, "totp-submit", &typed).await.page();
    assert!(done.status == 200 && done.text().contains("is set up anew"), "{done:?}");
    let again = browser.press(&page, "totp-submit", &typed).await.page();
    assert_eq!(again.status, 409, "what bound it binds nothing once more: {again:?}");
    phone
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_moves_to_another_phone_where_nothing_else_counts_and_the_old_one_is_out() {
    on_both(async |site| {
        site.stop_jobs().await;
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let old = with_app(site, "ana").await;
        let kinds = BTreeSet::from([FactorKind::Totp]);
        rule(&acme, |rule| (rule.require, rule.kinds) = (Require::Everyone, kinds)).await;
        let mut browser = old.signs_in(site, ANA).await;
        let page = browser.open(&site.at.url("/me/security")).await.page();
        assert!(page.html.contains("id=\"move-totp\""), "{page:?}");
        let phone = moves(site, &mut browser).await;
        let new = Guarded { phone, recovery: old.recovery.clone(), browser };
        assert_eq!(factors::of_user(&mut site.conn().await, &ana).await.unwrap().len(), 1);
        assert_eq!(left(site, &ana).await, 10, "those that were kept are good still");
        let told = mails_to(site, "ana@example.test").await;
        let count = |template: Template| told.iter().filter(|mail| mail.template == template).count();
        assert_eq!((count(Template::FactorAdded), count(Template::FactorRemoved)), (2, 1), "one went, and one came");
        let mut other = site.browser();
        let page = half_way(&mut other, ANA).await;
        let refused = other.press(&page, "totp-submit", &[("code", &old.code(site))]).await.page();
        assert_eq!(refused.status, 400, "{refused:?}");
        new.signs_in(site, ANA).await;
        // Whose phone is gone comes in by a recovery code, and does the same.
        let mut lost = site.browser();
        let page = half_way(&mut lost, ANA).await;
        let landed = lost.press(&page, "recovery-submit", &[("code", &old.recovery[0])]).await;
        is_in(site, &lost, landed);
        let phone = moves(site, &mut lost).await;
        let newest = Guarded { phone, recovery: Vec::new(), browser: lost };
        let mut late = newest.signs_in(site, ANA).await;
        site.advance(10 * MINUTE + SECOND);
        let page = late.open(&site.at.url("/me/security/totp")).await.page();
        assert!(page.url.contains("/login/again"), "not without a proof: {page:?}");
    })
    .await;
}

/// Signs in with the wish not to be asked there again; nobody is signed in after it.
async fn remembered(site: &Site, guarded: &Guarded) -> Browser {
    let mut browser = site.browser();
    let page = half_way(&mut browser, ANA).await;
    let landed = browser.press(&page, "totp-submit", &[("code", &guarded.code(site)), ("remember", "1")]).await;
    is_in(site, &browser, landed);
    browser.lose("muster");
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_of_browsers_is_forgotten_with_what_was_lost() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        rule(&acme, |rule| rule.remember_days = 7).await;
        proven(site, &ana, (true, true)).await;
        let guarded = with_app(site, "ana").await;
        // A recovery code; and it is remembered nowhere itself.
        let mut known = remembered(site, &guarded).await;
        let mut other = site.browser();
        let page = half_way(&mut other, ANA).await;
        let form = page.form_with("recovery-form").unwrap();
        let mut fields = form.filled("recovery-submit", &[("code", &guarded.recovery[0])]);
        fields.push(("remember".to_owned(), "1".to_owned()));
        let answer = other.send(Method::POST, &site.at.url("/login/mfa"), Some(&fields)).await;
        assert!(answer.status == 303 && other.cookie("muster").is_some(), "{answer:?}");
        other.lose("muster");
        half_way(&mut other, ANA).await;
        half_way(&mut known, ANA).await;
        // New recovery codes.
        let mut known = remembered(site, &guarded).await;
        let mut browser = guarded.signs_in(site, ANA).await;
        makes_codes(site, &mut browser).await;
        half_way(&mut known, ANA).await;
        // A factor that is removed.
        let page = browser.open(&site.at.url("/me/security")).await.page();
        browser.press(&page, "add-email", &[]).await;
        let mut known = remembered(site, &guarded).await;
        let page = browser.open(&site.at.url("/me/security/remove?which=email")).await.page();
        assert_eq!(browser.press(&page, "ask-submit", &[]).await.page().status, 200);
        half_way(&mut known, ANA).await;
        // The end of all other sessions; but the browser that asks is asked no more than before.
        let (mut known, mut here) = (remembered(site, &guarded).await, remembered(site, &guarded).await);
        let landed = here.sign_in(ANA).await;
        is_in(site, &here, landed);
        let page = here.open(&site.at.url("/me/sessions")).await.page();
        here.press(&page, "end-others", &[]).await;
        half_way(&mut known, ANA).await;
        here.lose("muster");
        let landed = here.sign_in(ANA).await;
        is_in(site, &here, landed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn right_and_wrong_guesses_of_one_browser_at_once_take_turns_and_none_of_them_fails() {
    on_both_with(patient, async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let guarded = with_app(site, "ana").await;
        for _ in 0..5 {
            // The account knows this browser: both guesses lock its row, and the account's.
            let mut known = guarded.signs_in(site, ANA).await;
            known.lose("muster");
            let guesses = (0..16).map(|number| {
                let mut browser = known.clone();
                let person = if number % 4 == 0 { WRONG } else { ANA };
                async move { browser.sign_in(person).await.page().status }
            });
            let statuses = join_all(guesses).await;
            assert!(statuses.iter().all(|status| *status < 500), "{statuses:?}");
        }
    })
    .await;
}
