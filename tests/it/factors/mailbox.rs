//! One mailbox, or one phone, is never both factors: beside a password that was set by what came there, a code goes to the
//! other address. And what opens an account by phone goes to numbers that were proven alone, and is told.

use std::collections::BTreeSet;

use muster::domain::mail::{Purpose, Template};
use muster::domain::people::factor::FactorKind;
use muster::domain::people::second_factor::Require;
use muster::flows::factors::{self, Presented};
use muster::flows::guard::Caller;
use muster::kernel::time::{MINUTE, SECOND};
use reqwest::Method;

use super::{ANA, PHONE, code_to, codes_to, half_way, is_in, is_out, proven, rule, signed_in, with_codes};
use crate::support::PASSWORD;
use crate::support::browser::{Browser, Landing, Person};
use crate::support::mailbox::{link_to, links_to, mails_to};
use crate::support::page::Page;
use crate::support::server::{Site, on_both};

const MAIL: &str = "ana@example.test";
/// The number as messages go there.
const NUMBER: &str = "+821012345678";
const OTHER: &str = "Quay4-Zr8wNb3Lf";
const OWN: &str = "Moss9-Tw5kRb2Vh";
const NOW: Person<'_> = Person { password: OTHER, ..ANA };

/// Asks for a link for a new password, which is to come this way.
async fn forgets(site: &Site, via: &str) -> Browser {
    let mut browser = site.browser();
    let page = browser.open(&site.at.url(&format!("/forgot?via={via}"))).await.page();
    let done = browser.press(&page, "forgot-submit", &[("username", "ana")]).await.page();
    assert_eq!(done.status, 200, "{done:?}");
    browser
}

/// Sets another password by a link that comes this way, to this address.
async fn resets(site: &Site, via: &str, to: &str) {
    let mut browser = forgets(site, via).await;
    let link = link_to(site, to, Purpose::ResetPassword).await;
    let page = browser.open(&link).await.page();
    let typed = [("password", OTHER), ("password_again", OTHER)];
    let done = browser.press(&page, "reset-submit", &typed).await.page();
    assert!(done.status == 200 && done.has("login-form"), "{done:?}");
}

/// Has a code sent, and shows it.
async fn shows(site: &Site, browser: &mut Browser, page: &Page, (kind, to): (&str, &str)) -> Landing {
    let page = browser.press(page, &format!("send-{kind}"), &[]).await.page();
    assert_eq!(page.status, 200, "{page:?}");
    let code = code_to(site, to).await;
    browser.press(&page, &format!("{kind}-submit"), &[("code", &code)]).await
}

/// Sends a form of a page with one field changed by hand.
async fn forged(browser: &mut Browser, page: &Page, button: &str, (name, value): (&str, &str)) -> u16 {
    let mut fields = page.form_with(button).unwrap().filled(button, &[]);
    for (known, text) in &mut fields {
        if known == name {
            value.clone_into(text);
        }
    }
    browser.send(Method::POST, &browser.at.url("/login/mfa"), Some(&fields)).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_the_mail_and_sets_a_password_by_it_gets_no_code_there_and_the_phone_stands_in() {
    on_both(async |site| {
        site.stop_jobs().await; // what was delivered is not kept
        let ana = site.org("acme").await.person("ana", PASSWORD).await;
        with_codes(site, &ana, "ana", FactorKind::Email).await;
        let mut early = site.browser();
        let page = half_way(&mut early, ANA).await;
        early.press(&page, "send-email", &[]).await;
        let code = code_to(site, MAIL).await;
        resets(site, "mail", MAIL).await;
        let mut browser = site.browser();
        let page = half_way(&mut browser, NOW).await;
        assert!(page.has("send-sms") && page.has("sms-form"), "{page:?}");
        assert!(!page.has("send-email") && !page.has("email-form"), "{page:?}");
        let before = codes_to(site, MAIL).await;
        assert_eq!(forged(&mut browser, &page, "send-sms", ("act", "send_email")).await, 400);
        assert_eq!(forged(&mut browser, &page, "sms-submit", ("kind", "email")).await, 400);
        assert_eq!(codes_to(site, MAIL).await, before, "nothing is sent there");
        // Nor does one that was sent there before, and is good still.
        let caller = Caller { agent: "", address: "192.0.2.7", device: None };
        let shown = factors::verify(site, &ana, Presented::Email(&code), "", caller).await.unwrap();
        assert!(shown.is_none());
        is_out(&browser);
        let landed = shows(site, &mut browser, &page, ("sms", NUMBER)).await;
        is_in(site, &browser, landed);
        // Both together have shown who it is: from here on it is a password like any other.
        site.advance(MINUTE + SECOND);
        let mut other = site.browser();
        let page = half_way(&mut other, NOW).await;
        assert!(page.has("send-email") && !page.has("send-sms"), "{page:?}");
        let landed = shows(site, &mut other, &page, ("email", MAIL)).await;
        is_in(site, &other, landed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_by_text_message_is_the_same_and_who_must_have_that_kind_shows_it_afterwards() {
    on_both(async |site| {
        site.stop_jobs().await;
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        with_codes(site, &ana, "ana", FactorKind::Sms).await;
        let kinds = BTreeSet::from([FactorKind::Sms, FactorKind::Totp]);
        rule(&acme, |rule| (rule.require, rule.kinds) = (Require::Everyone, kinds)).await;
        resets(site, "sms", PHONE).await;
        let mut browser = site.browser();
        let page = half_way(&mut browser, NOW).await;
        assert!(page.has("send-email") && !page.has("send-sms"), "{page:?}");
        // Nobody is stuck where the organisation takes no mailed codes: it stands in for the proof, and not for the kind.
        let page = shows(site, &mut browser, &page, ("email", MAIL)).await.page();
        assert!(page.has("send-sms") && !page.has("setup-totp"), "{page:?}");
        is_out(&browser);
        let landed = shows(site, &mut browser, &page, ("sms", NUMBER)).await;
        is_in(site, &browser, landed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_the_person_chose_with_the_one_before_is_a_thing_of_its_own() {
    on_both(async |site| {
        site.stop_jobs().await;
        let ana = site.org("acme").await.person("ana", PASSWORD).await;
        proven(site, &ana, (true, true)).await;
        resets(site, "mail", MAIL).await;
        let mut browser = site.browser();
        let landed = browser.sign_in(NOW).await;
        is_in(site, &browser, landed);
        let page = browser.open(&site.at.url("/me/password")).await.page();
        let typed = [("old", OTHER), ("password", OWN), ("password_again", OWN)];
        let done = browser.press(&page, "password-submit", &typed).await.page();
        assert!(done.text().contains("Your password was changed"), "{done:?}");
        let page = browser.open(&site.at.url("/me/security")).await.page();
        assert_eq!(browser.press(&page, "add-email", &[]).await.page().status, 200);
        let page = half_way(&mut site.browser(), Person { password: OWN, ..ANA }).await;
        assert!(page.has("send-email") && !page.has("send-sms"), "{page:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_link_goes_to_a_number_that_nobody_has_proven_whoever_typed_it() {
    on_both(async |site| {
        site.stop_jobs().await;
        let ana = site.org("acme").await.person("ana", PASSWORD).await;
        proven(site, &ana, (true, false)).await;
        forgets(site, "sms").await;
        link_to(site, MAIL, Purpose::ResetPassword).await;
        assert!(links_to(site, PHONE, Purpose::ResetPassword).await.is_empty());
        proven(site, &ana, (true, true)).await;
        forgets(site, "sms").await;
        link_to(site, PHONE, Purpose::ResetPassword).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_comes_changes_or_goes_is_told_by_mail() {
    on_both(async |site| {
        site.stop_jobs().await;
        site.org("acme").await.person("ana", PASSWORD).await;
        let mut browser = signed_in(site, "ana").await;
        let numbers = [(PHONE, "…78"), ("+82 10 8765 4321", "…21"), ("+82-10-8765-4321", "…21"), ("", "")];
        let mut wanted = Vec::new();
        for (number, told) in numbers {
            let page = browser.open(&site.at.url("/me/profile")).await.page();
            let done = browser.press(&page, "phone-submit", &[("phone", number), ("password", PASSWORD)]).await.page();
            assert_eq!(done.status, 200, "{done:?}");
            // The same number, written in another way, is no news.
            if !number.contains('-') {
                wanted.push(told.to_owned());
            }
            let mails = mails_to(site, MAIL).await;
            let news = mails.iter().filter(|mail| mail.template == Template::PhoneChanged);
            let news: Vec<String> = news.map(|mail| mail.values["address"].clone()).collect();
            assert_eq!(news, wanted, "{number}");
        }
    })
    .await;
}
