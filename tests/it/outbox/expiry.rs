//! Sessions whose time is over though nobody signed out: they end, and the applications are told.

use std::time::Duration;

use muster::flows::expired;
use muster::kernel::time::{HOUR, MINUTE};

use crate::support::PASSWORD;
use crate::support::browser::Person;
use crate::support::client::{Client, Tokens, claims};
use crate::support::receiver::{Manner, Receiver};
use crate::support::server::{Site, on_both};

const SOON: Duration = Duration::from_secs(10);

async fn signed_in(site: &Site, receiver: &Receiver) -> (Client, Tokens) {
    let acme = site.org("acme").await;
    acme.person("ana", PASSWORD).await;
    let url = receiver.url.clone();
    let registered = acme.application_with("shop", |shop| shop.backchannel_logout_uri = Some(url)).await;
    let shop = site.client(&registered);
    let tokens = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
    (shop, tokens)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_stood_idle_ends_once_and_its_application_is_told() {
    on_both(async |site| {
        let receiver = Receiver::open(Manner::Take).await;
        let (shop, tokens) = signed_in(site, &receiver).await;
        site.advance(59 * MINUTE);
        assert_eq!(expired::end(site).await.unwrap(), 0, "its hour is not over");
        site.advance(2 * MINUTE);
        assert_eq!(expired::end(site).await.unwrap(), 1);
        assert_eq!(expired::end(site).await.unwrap(), 0, "what is ended is not ended again");
        let (_, token) = receiver.wait_for(1, SOON).await.remove(0);
        assert_eq!(claims(&token)["sid"], tokens.id_claims()["sid"]);
        assert_eq!(shop.refresh(tokens.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(receiver.tokens().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_goes_on_refreshing_keeps_its_session_until_that_has_run_out() {
    on_both(async |site| {
        let receiver = Receiver::open(Manner::Take).await;
        let (shop, mut tokens) = signed_in(site, &receiver).await;
        for _ in 0..14 {
            site.advance(50 * MINUTE);
            tokens = Tokens::read(&shop.refresh(tokens.refresh()).await);
            assert_eq!(expired::end(site).await.unwrap(), 0, "it is in use");
        }
        site.advance(HOUR);
        assert_eq!(expired::end(site).await.unwrap(), 1, "twelve hours are over");
        receiver.wait_for(1, SOON).await;
    })
    .await;
}
