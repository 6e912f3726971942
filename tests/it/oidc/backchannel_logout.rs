//! Back-Channel Logout 1.0: whoever used a session that ended is told of it, soon, in a token that verifies, and
//! again until it is taken.

use std::time::{Duration, Instant};

use muster::kernel::time::{HOUR, MINUTE};
use serde_json::{Value, json};

use crate::support::PASSWORD;
use crate::support::browser::Person;
use crate::support::client::{Client, claims, names, part};
use crate::support::org::Org;
use crate::support::receiver::{Manner, Receiver};
use crate::support::server::{Site, on_both};
use crate::support::verifier::Verifier;

const SOON: Duration = Duration::from_secs(10);

async fn told_at(site: &Site, acme: &Org, client_id: &str, receiver: &Receiver) -> Client {
    let url = receiver.url.clone();
    let registered =
        acme.application_with(client_id, |application| application.backchannel_logout_uri = Some(url)).await;
    site.client(&registered)
}

fn check(token: &Value, site: &Site, aud: &str) {
    assert_eq!((&token["iss"], &token["aud"]), (&json!(site.at.issuer), &json!(aud)));
    assert_eq!(token["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
    let life = token["exp"].as_i64().unwrap() - token["iat"].as_i64().unwrap();
    assert!((1..=120).contains(&life), "it lives {life} s");
    assert!(token["jti"].is_string() && !names(token).contains(&"nonce".to_owned()));
}

// K45
#[tokio::test(flavor = "multi_thread")]
async fn a_person_removed_from_the_only_granting_group_is_out_at_once_and_applications_are_told() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        acme.group("devs", &["ana"]).await;
        acme.give_group("devs", "org.reader", None).await;
        let receiver = Receiver::open(Manner::Take).await;
        let shop = told_at(site, &acme, "shop", &receiver).await;
        let mut browser = site.browser();
        let tokens = shop.sign_in(&mut browser, Person::named("ana")).await;

        let receipt = acme.take_out("devs", &["ana"]).await;
        assert_eq!((receipt.ended.sessions, receipt.ended.token_families), (1, 1));
        assert_eq!((receipt.told.len(), receipt.told[0].logout_tokens), (1, 1));
        assert!(!shop.is_active(tokens.access()).await && !shop.is_active(tokens.refresh()).await);
        assert_eq!(shop.userinfo(tokens.access()).await.status, 401);
        assert_eq!(shop.refresh(tokens.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
        assert!(!shop.is_signed_in(&mut browser).await, "the cookie is rejected");
        assert!(browser.open(&site.at.url("/me")).await.page().has("login-form"));

        let (_, token) = receiver.wait_for(1, SOON).await.remove(0);
        assert_eq!(part(&token, 0)["typ"], "logout+jwt");
        let said = Verifier::new(site.at.clone()).verify(&token).await.expect("its signature holds");
        check(&said, site, "shop");
        let id = tokens.id_claims();
        assert_eq!((&said["sub"], &said["sid"]), (&id["sub"], &id["sid"]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_tells_every_application_of_the_session_once() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let receivers = [Receiver::open(Manner::Take).await, Receiver::open(Manner::Take).await];
        let mut browser = site.browser();
        for (number, receiver) in receivers.iter().enumerate() {
            let client = told_at(site, &acme, &format!("shop-{number}"), receiver).await;
            client.sign_in(&mut browser, Person::named("ana")).await;
        }
        let page = browser.open(&site.at.url("/end_session")).await.page();
        let page = browser.press(&page, "logout-confirm", &[]).await.page();
        assert!(page.text().contains("You have been signed out"), "{page:?}");
        for (number, receiver) in receivers.iter().enumerate() {
            let tokens = receiver.wait_for(1, SOON).await;
            check(&claims(&tokens[0].1), site, &format!("shop-{number}"));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(receivers.iter().all(|receiver| receiver.tokens().len() == 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_is_told_again_until_it_takes_the_token() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let binding = acme.give("ana", "org.reader", None).await;
        let receiver = Receiver::open(Manner::Refuse).await;
        let shop = told_at(site, &acme, "shop", &receiver).await;
        shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        acme.take(&binding).await;
        receiver.wait_for(1, SOON).await;
        receiver.behave(Manner::Take);
        // The answer of the first attempt must be noted before the clock moves on.
        tokio::time::sleep(Duration::from_millis(300)).await;
        site.advance(HOUR);
        site.outbox_bell.notify_one();
        let tokens = receiver.wait_for(2, SOON).await;
        let (first, second) = (claims(&tokens[0].1), claims(&tokens[1].1));
        assert_eq!((&first["sub"], &first["sid"]), (&second["sub"], &second["sid"]));
        check(&second, site, "shop");
        site.advance(HOUR);
        site.outbox_bell.notify_one();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(receiver.tokens().len(), 2, "what was taken is not sent again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_delays_neither_the_change_nor_another_receiver() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let (dead, alive) = (Receiver::open(Manner::Hang).await, Receiver::open(Manner::Take).await);
        let clients = [told_at(site, &acme, "dead", &dead).await, told_at(site, &acme, "alive", &alive).await];
        let mut bindings = Vec::new();
        for (name, client) in ["ana", "bo"].iter().zip(&clients) {
            acme.person(name, PASSWORD).await;
            bindings.push(acme.give(name, "org.reader", None).await);
            client.sign_in(&mut site.browser(), Person::named(name)).await;
        }
        let begun = Instant::now();
        acme.take(&bindings[0]).await;
        dead.wait_for(1, SOON).await;
        // The first delivery hangs; what comes after it must not wait for it.
        acme.take(&bindings[1]).await;
        assert!(begun.elapsed() < Duration::from_secs(2), "the changes took {:?}", begun.elapsed());
        alive.wait_for(1, Duration::from_secs(4)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_of_a_change_that_takes_nothing_away() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        acme.give("ana", "org.reader", None).await;
        let twice = acme.give("ana", "billing.viewer", None).await;
        acme.give("ana", "billing.manager", None).await;
        let receiver = Receiver::open(Manner::Take).await;
        let shop = told_at(site, &acme, "shop", &receiver).await;
        let mut browser = site.browser();
        let tokens = shop.sign_in(&mut browser, Person::named("ana")).await;
        // The manager's role implies the viewer's: nothing is lost.
        let receipt = acme.take(&twice).await;
        assert_eq!((receipt.ended.sessions, receipt.told.len()), (0, 0));
        site.advance(MINUTE);
        site.outbox_bell.notify_one();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(receiver.tokens().is_empty() && shop.is_active(tokens.access()).await);
    })
    .await;
}
