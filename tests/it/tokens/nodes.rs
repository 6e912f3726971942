//! Several nodes over one PostgreSQL: what is taken away through one is refused by every other at the next request.

use std::time::Duration;

use crate::support::PASSWORD;
use crate::support::browser::{Browser, Person};
use crate::support::client::{Client, Tokens};
use crate::support::http::Address;
use crate::support::server::Site;
use crate::support::verifier::Verifier;
use crate::support::world::Kind;

/// The same application and browser, asking the other node.
fn at_node(client: &Client, browser: &Browser, at: &Address) -> (Client, Browser) {
    let (mut client, mut browser) = (client.clone(), browser.clone());
    (client.at, browser.at) = (at.clone(), at.clone());
    (client, browser)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_on_one_node_is_refused_at_the_next_request_on_the_other() {
    let Some(one) = Site::open(Kind::Postgres, |_| {}).await else {
        return;
    };
    let other = one.second_node().await;
    let acme = one.org("acme").await;
    for name in ["ana", "bo"] {
        acme.person(name, PASSWORD).await;
    }
    let shop = one.client(&acme.application("shop").await);
    for round in 0..10 {
        let binding = acme.give("ana", "org.reader", None).await;
        let mut browser = one.browser();
        let tokens = shop.sign_in(&mut browser, Person::named("ana")).await;
        let (there, mut browser_there) = at_node(&shop, &browser, &other.at);
        // The other node has seen the token, and remembers that its signature holds.
        assert!(
            there.is_active(tokens.access()).await && there.is_signed_in(&mut browser_there).await,
            "round {round}"
        );
        acme.take(&binding).await;
        assert!(!there.is_active(tokens.access()).await, "round {round}: the access token is honoured");
        assert_eq!(there.userinfo(tokens.access()).await.status, 401, "round {round}");
        assert_eq!(there.refresh(tokens.refresh()).await.status, 400, "round {round}");
        assert!(!there.is_signed_in(&mut browser_there).await, "round {round}: the session stands");
    }
    other.close().await;
    one.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_began_on_one_node_ends_on_the_other() {
    let Some(one) = Site::open(Kind::Postgres, |_| {}).await else {
        return;
    };
    let other = one.second_node().await;
    let acme = one.org("acme").await;
    acme.person("ana", PASSWORD).await;
    let shop = one.client(&acme.application("shop").await);
    let ask = crate::support::client::Ask::of(&shop);
    let mut browser = one.browser();
    let page = browser.open(&ask.url(&one.at)).await.page();
    let (there, mut browser) = at_node(&shop, &browser, &other.at);
    let arrival = browser.press(&page, "login-submit", &[("username", "ana"), ("password", PASSWORD)]).await.arrival();
    let first = shop.tokens_of(&arrival, &ask).await;
    let second = Tokens::read(&there.refresh(first.refresh()).await);
    assert!(shop.is_active(second.access()).await);
    assert_eq!(there.exchange(arrival.param("code"), &ask.verifier).await.status, 400);
    assert!(!shop.is_active(second.access()).await, "the second use was noticed on the other node");
    other.close().await;
    one.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_made_on_one_node_verifies_on_the_other_before_it_signs() {
    let Some(one) = Site::open(Kind::Postgres, |config| config.keys.jwks_max_age_secs = 3).await else {
        return;
    };
    let other = one.second_node().await;
    let acme = one.org("acme").await;
    let shop = one.client(&acme.application("shop").await);
    let (there, _) = at_node(&shop, &one.browser(), &other.at);
    // It keeps the other node's keys as long as it may, and that node hears of a new key from the database alone.
    let mut verifier = Verifier::new(other.at.clone());
    verifier.verify(Tokens::read(&shop.own_token().await).access()).await.unwrap();
    muster::flows::rotate_keys::rotate(&one).await.unwrap();
    for _ in 0..70 {
        let token = Tokens::read(&shop.own_token().await);
        verifier.verify(token.access()).await.unwrap_or_else(|why| panic!("{why}"));
        assert!(there.is_active(token.access()).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    other.close().await;
    one.close().await;
}
