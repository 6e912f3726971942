//! The refresh grant (RFC 6749 §6, RFC 9700 §4.14.2): a new token at each use, a lost answer repeated, and no mercy for
//! a token that comes back.

use std::collections::BTreeSet;

use muster::kernel::time::{DAY, SECOND};

use crate::support::PASSWORD;
use crate::support::browser::Person;
use crate::support::client::{Ask, Client, Tokens, list};
use crate::support::server::{Site, on_both};

const ANA: Person<'_> = Person::named("ana");

async fn shop(site: &Site) -> Client {
    let acme = site.org("acme").await;
    acme.person("ana", PASSWORD).await;
    acme.give("ana", "org.reader", None).await;
    site.client(&acme.application("shop").await)
}

fn invalid_grant() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_use_gives_a_new_refresh_token_of_the_same_sign_in() {
    on_both(async |site| {
        let shop = shop(site).await;
        let first = shop.sign_in(&mut site.browser(), ANA).await;
        let second = Tokens::read(&shop.refresh(first.refresh()).await);
        assert!(second.refresh().starts_with("mst_rt_") && second.refresh() != first.refresh());
        assert_eq!(list(&second.claims()["org_roles"]), ["org.reader"]);
        let (before, after) = (first.id_claims(), second.id_claims());
        for name in ["iss", "sub", "aud", "auth_time", "sid"] {
            assert_eq!(before[name], after[name], "{name}");
        }
        assert!(shop.is_active(second.refresh()).await && !shop.is_active(first.refresh()).await);
        assert!(shop.is_active(first.access()).await, "an access token isn't refused because a newer one exists");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_repeated_word_for_word() {
    on_both(async |site| {
        let shop = shop(site).await;
        let first = shop.sign_in(&mut site.browser(), ANA).await;
        let second = Tokens::read(&shop.refresh(first.refresh()).await);
        site.advance(5 * SECOND);
        let repeated = Tokens::read(&shop.refresh(first.refresh()).await);
        assert_eq!(second.refresh(), repeated.refresh());
        let third = Tokens::read(&shop.refresh(second.refresh()).await);
        assert!(shop.is_active(third.refresh()).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_comes_back_after_its_successor_was_used_ends_the_family() {
    on_both(async |site| {
        let shop = shop(site).await;
        let first = shop.sign_in(&mut site.browser(), ANA).await;
        let second = Tokens::read(&shop.refresh(first.refresh()).await);
        let third = Tokens::read(&shop.refresh(second.refresh()).await);
        assert_eq!(shop.refresh(first.refresh()).await.refusal(), invalid_grant());
        assert_eq!(shop.refresh(third.refresh()).await.refusal(), invalid_grant());
        for token in [first.access(), second.access(), third.access(), third.refresh()] {
            assert!(!shop.is_active(token).await);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_comes_back_too_late_ends_the_family() {
    on_both(async |site| {
        let shop = shop(site).await;
        let first = shop.sign_in(&mut site.browser(), ANA).await;
        let second = Tokens::read(&shop.refresh(first.refresh()).await);
        site.advance(11 * SECOND);
        assert_eq!(shop.refresh(first.refresh()).await.refusal(), invalid_grant());
        assert_eq!(shop.refresh(second.refresh()).await.refusal(), invalid_grant());
        assert!(!shop.is_active(second.access()).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_uses_at_once_leave_one_successor_and_it_works() {
    on_both(async |site| {
        let shop = shop(site).await;
        let first = shop.sign_in(&mut site.browser(), ANA).await;
        let answers = futures_util::future::join_all((0..50).map(|_| shop.refresh(first.refresh()))).await;
        let successors: BTreeSet<String> =
            answers.iter().map(|answer| Tokens::read(answer).refresh().to_owned()).collect();
        assert_eq!(successors.len(), 1);
        let successor = successors.into_iter().next().unwrap();
        assert!(shop.is_active(&successor).await);
        Tokens::read(&shop.refresh(&successor).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_token_under_a_familys_name_ends_nothing() {
    on_both(async |site| {
        let shop = shop(site).await;
        let tokens = shop.sign_in(&mut site.browser(), ANA).await;
        let token = tokens.refresh();
        let cut = &token[..token.len() - 1];
        let turned: String = token.chars().rev().collect();
        let swapped = format!("{cut}{}", if token.ends_with('A') { 'B' } else { 'A' });
        for forged in [cut, &turned, &swapped, "mst_rt_", "", tokens.access()] {
            assert_eq!(shop.refresh(forged).await.status, 400, "{forged}");
        }
        assert!(shop.is_active(token).await);
        Tokens::read(&shop.refresh(token).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_tokens_live_within_the_session_unless_offline_access_was_granted() {
    on_both(async |site| {
        let shop = shop(site).await;
        let mut browser = site.browser();
        let within = shop.sign_in(&mut browser, ANA).await;
        let ask = Ask::of(&shop).with("scope", "openid roles offline_access");
        let offline = shop.sign_in_with(&mut browser, ANA, ask).await;
        let page = browser.open(&site.at.url("/end_session")).await.page();
        browser.press(&page, "logout-confirm", &[]).await.page();
        assert_eq!(shop.refresh(within.refresh()).await.refusal(), invalid_grant());
        let offline = Tokens::read(&shop.refresh(offline.refresh()).await);
        site.advance(8 * DAY);
        assert_eq!(
            shop.refresh(offline.refresh()).await.refusal(),
            invalid_grant(),
            "it lay idle for more than a week"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_may_ask_for_less_and_never_for_more() {
    on_both(async |site| {
        let shop = shop(site).await;
        let tokens = shop.sign_in_with(&mut site.browser(), ANA, Ask::of(&shop).with("scope", "openid roles")).await;
        let more =
            [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), ("scope", "openid roles email")];
        assert_eq!(shop.post("/token", &more).await.refusal(), (400, "invalid_scope".to_owned()));
        let less = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), ("scope", "openid")];
        let narrowed = Tokens::read(&shop.post("/token", &less).await);
        assert_eq!(narrowed.claims()["org_roles"], serde_json::Value::Null);
        let whole = Tokens::read(&shop.refresh(narrowed.refresh()).await);
        assert_eq!(list(&whole.claims()["org_roles"]), ["org.reader"]);
    })
    .await;
}
