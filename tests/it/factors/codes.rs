//! Codes: of an app, by mail and to the phone (H23), and the recovery codes that stand in for what was lost.

use futures_util::future::join_all;
use muster::domain::people::factor::FactorKind;
use muster::kernel::time::{MINUTE, SECOND};
use muster::store::{factors, recovery_codes};
use reqwest::Method;
use serde_json::json;

use super::{
    ANA, code_to, codes_to, half_way, is_in, is_out, proven, recovery_codes as shown, signed_in, with_app, with_codes,
};
use crate::support::PASSWORD;
use crate::support::admin::Admin;
use crate::support::codes::{Phone, STEP};
use crate::support::server::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_bound_by_two_codes_that_follow_each_other_and_by_nothing_less() {
    on_both(async |site| {
        let ana = site.org("acme").await.person("ana", PASSWORD).await;
        let mut browser = signed_in(site, "ana").await;
        let page = browser.open(&site.at.url("/me/security/totp")).await.page();
        let (phone, now) = (Phone::of(&page), site.now());
        assert!(page.html.contains("href=\"otpauth://totp/") && page.html.contains("<svg"), "{page:?}");
        let (code, next) = (phone.code(now), phone.code(now.plus(STEP)));
        let late = (phone.code(now.minus(10 * STEP)), phone.code(now.minus(9 * STEP)));
        for (first, second) in
            [(&code, &code), (&next, &code), (&late.0, &late.1), (&code, &String::new()), (&String::new(), &code)]
        {
            let page = browser.press(&page, "totp-submit", &[("code", first), ("next_code", second)]).await.page();
            assert_eq!(page.status, 400, "{first} {second}");
            assert_eq!(page.text_of("totp-secret").as_deref(), Some(phone.typed_from()), "what was scanned stays good");
        }
        assert!(!factors::held(&mut site.conn().await, &ana).await.unwrap().any());
        let done = browser.press(&page, "totp-submit", &[("code", &code), ("next_code", &next)]).await.page();
        assert_eq!(shown(&done).len(), 10);
        let again = browser.press(&page, "totp-submit", &[("code", &code), ("next_code", &next)]).await.page();
        assert_eq!(again.status, 409, "there is one already: {again:?}");
        let (mut other, code) = (site.browser(), next);
        let page = half_way(&mut other, ANA).await;
        let page = other.press(&page, "totp-submit", &[("code", &code)]).await.page();
        assert_eq!(page.status, 400, "what bound it counts no more");
    })
    .await;
}

// H23
#[tokio::test(flavor = "multi_thread")]
async fn codes_by_mail_and_to_the_phone_are_switched_on_only_when_both_addresses_are_verified_and_sign_in() {
    on_both(async |site| {
        site.stop_jobs().await;
        let acme = site.org("acme").await;
        let user = acme.person("ana", PASSWORD).await;
        let ana = Admin::of(site, &acme, "ana").await;
        for verified in [(false, false), (true, false), (false, true)] {
            proven(site, &user, verified).await;
            for kind in ["email", "sms"] {
                let answer = ana.call(Method::POST, "/api/v1/me/factors", Some(&json!({ "kind": kind }))).await;
                assert_eq!((answer.status, &answer.json()["code"]), (409, &json!("not_here")), "{}", answer.body);
                let reason = answer.json()["detail"].as_str().unwrap_or_default().to_lowercase();
                assert!(reason.contains("confirm"), "{verified:?}: {reason}");
            }
            let mut browser = signed_in(site, "ana").await;
            let page = browser.open(&site.at.url("/me/security")).await.page();
            assert!(!page.has("add-email") && !page.has("add-sms"), "{page:?}");
        }
        with_codes(site, &user, "ana", FactorKind::Email).await;
        for (kind, to) in [("email", "ana@example.test"), ("sms", "+821012345678")] {
            if kind == "sms" {
                let mut browser = site.browser();
                let page = half_way(&mut browser, ANA).await;
                site.advance(61 * SECOND);
                let page = browser.press(&page, "send-email", &[]).await.page();
                let code = code_to(site, "ana@example.test").await;
                let landed = browser.press(&page, "email-submit", &[("code", &code)]).await;
                is_in(site, &browser, landed);
                let page = browser.open(&site.at.url("/me/security")).await.page();
                assert_eq!(browser.press(&page, "add-sms", &[]).await.page().status, 200);
            }
            let mut browser = site.browser();
            let page = half_way(&mut browser, ANA).await;
            assert_eq!(codes_to(site, "+821012345678").await, 0, "nothing is sent before it is asked for");
            let page = browser.press(&page, &format!("send-{kind}"), &[]).await.page();
            let text = page.text();
            assert!(!text.contains(to) && text.contains("We sent a code"), "the address is masked: {text}");
            let limited = browser.press(&page, &format!("send-{kind}"), &[]).await.page();
            assert_eq!(limited.status, 429, "one a minute");
            let code = code_to(site, to).await;
            assert!(code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit()));
            let button = format!("{kind}-submit");
            let landed = browser.press(&page, &button, &[("code", &code)]).await;
            is_in(site, &browser, landed);
            let mut other = site.browser();
            let page = half_way(&mut other, ANA).await;
            let page = other.press(&page, &button, &[("code", &code)]).await.page();
            assert_eq!(page.status, 400, "each counts once");
            is_out(&other);
        }
        // Either address that is known no more takes both ways along.
        proven(site, &user, (true, false)).await;
        assert!(!factors::held(&mut site.conn().await, &user).await.unwrap().any());
        signed_in(site, "ana").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_was_sent_is_good_for_ten_minutes_and_a_newer_one_is_its_end() {
    on_both(async |site| {
        site.stop_jobs().await;
        let user = site.org("acme").await.person("ana", PASSWORD).await;
        with_codes(site, &user, "ana", FactorKind::Sms).await;
        let mut browser = site.browser();
        let page = half_way(&mut browser, ANA).await;
        browser.press(&page, "send-sms", &[]).await;
        let first = code_to(site, "+821012345678").await;
        site.advance(61 * SECOND);
        browser.press(&page, "send-sms", &[]).await;
        let second = code_to(site, "+821012345678").await;
        if first != second {
            let refused = browser.press(&page, "sms-submit", &[("code", &first)]).await.page();
            assert_eq!(refused.status, 400, "the first is dead");
        }
        site.advance(10 * MINUTE);
        let page = half_way(&mut browser, ANA).await;
        let refused = browser.press(&page, "sms-submit", &[("code", &second)]).await.page();
        assert_eq!(refused.status, 400, "its time is over");
        browser.press(&page, "send-sms", &[]).await;
        let third = code_to(site, "+821012345678").await;
        let landed = browser.press(&page, "sms-submit", &[("code", &third)]).await;
        is_in(site, &browser, landed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_counts_once_of_many_at_once_and_a_new_set_is_the_end_of_the_old() {
    on_both(async |site| {
        let user = site.org("acme").await.person("ana", PASSWORD).await;
        let mut guarded = with_app(site, "ana").await;
        assert!(guarded.recovery.iter().all(|code| code.len() == 19 && code.matches('-').count() == 3));
        let mut crowd = Vec::new();
        for _ in 0..5 {
            let mut browser = site.browser();
            let page = half_way(&mut browser, ANA).await;
            crowd.push((browser, page));
        }
        // However it was written down.
        let written = guarded.recovery[0].to_uppercase().replace('-', " ");
        let typed = [("code", written.as_str())];
        join_all(crowd.iter_mut().map(|(browser, page)| browser.press(page, "recovery-submit", &typed))).await;
        let inside = crowd.iter().filter(|(browser, _)| browser.cookie("muster").is_some()).count();
        assert_eq!(inside, 1);
        assert_eq!(recovery_codes::left(&mut site.conn().await, &user).await.unwrap(), 9);

        let page = guarded.browser.open(&site.at.url("/me/security/codes")).await.page();
        let renewed = shown(&guarded.browser.press(&page, "ask-submit", &[]).await.page());
        assert!(renewed.iter().all(|code| !guarded.recovery.contains(code)));
        site.advance(15 * MINUTE); // past what the crowd brought
        let mut browser = site.browser();
        let page = half_way(&mut browser, ANA).await;
        let refused = browser.press(&page, "recovery-submit", &[("code", &guarded.recovery[1])]).await.page();
        assert_eq!(refused.status, 400);
        let landed = browser.press(&page, "recovery-submit", &[("code", &renewed[1])]).await;
        is_in(site, &browser, landed);
        assert_eq!(recovery_codes::left(&mut site.conn().await, &user).await.unwrap(), 9);
    })
    .await;
}
