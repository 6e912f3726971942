//! Signing keys that change under load: a verifier that keeps the keys as long as it may never meets one it lacks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use muster::domain::keys::Alg;
use muster::flows::rotate_keys;

use crate::support::client::{Client, Tokens};
use crate::support::server::on_both_with;
use crate::support::verifier::Verifier;

const ROTATIONS: usize = 6;

/// Gets tokens and verifies the new one and an old one, until told to stop; how many it verified.
async fn load(client: Client, stop: Arc<AtomicBool>, verified: Arc<AtomicUsize>) {
    let mut verifier = Verifier::new(client.at.clone());
    let mut old = String::new();
    while !stop.load(Ordering::SeqCst) {
        let tokens = Tokens::read(&client.own_token().await);
        for token in [tokens.access(), &old].into_iter().filter(|token| !token.is_empty()) {
            verifier.verify(token).await.unwrap_or_else(|why| panic!("{why}"));
        }
        assert!(client.is_active(tokens.access()).await);
        if verified.fetch_add(1, Ordering::SeqCst).is_multiple_of(50) {
            tokens.access().clone_into(&mut old);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_rotate_every_second_under_load_fail_nobody() {
    on_both_with(
        |config| config.keys.jwks_max_age_secs = 1,
        async |site| {
            let acme = site.org("acme").await;
            let mut clients = Vec::new();
            for alg in [Alg::Es256, Alg::EdDsa] {
                let registered = acme
                    .application_with(&format!("machine-{alg}"), |application| application.access_token_alg = alg)
                    .await;
                clients.push(site.client(&registered));
            }
            let (stop, verified) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
            let loads: Vec<_> = (0..4)
                .map(|n| {
                    tokio::spawn(load(clients[n % clients.len()].clone(), Arc::clone(&stop), Arc::clone(&verified)))
                })
                .collect();
            let mut second = tokio::time::interval(Duration::from_secs(1));
            for _ in 0..ROTATIONS {
                second.tick().await;
                assert!(!rotate_keys::rotate(site).await.expect("keys can be made").is_empty());
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
            stop.store(true, Ordering::SeqCst);
            for load in loads {
                load.await.expect("nothing failed");
            }
            assert!(verified.load(Ordering::SeqCst) > 50, "{verified:?} tokens were verified");
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_published_before_it_signs_and_an_old_one_while_its_tokens_live() {
    on_both_with(
        |_| {},
        async |site| {
            let shop = site.client(&site.org("acme").await.application("shop").await);
            let kids = async || -> Vec<String> {
                let set = site.at.get("/jwks").await.json();
                set["keys"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter_map(|key| key["kid"].as_str().map(str::to_owned))
                    .collect()
            };
            let kid_of =
                |tokens: &Tokens| crate::support::client::part(tokens.access(), 0)["kid"].as_str().unwrap().to_owned();
            let first = Tokens::read(&shop.own_token().await);
            let made = rotate_keys::rotate(site).await.unwrap();
            let shown = kids().await;
            assert!(made.iter().all(|kid| shown.contains(&kid.as_str().to_owned())) && shown.contains(&kid_of(&first)));
            assert_eq!(
                kid_of(&Tokens::read(&shop.own_token().await)),
                kid_of(&first),
                "the new key waits out the caches"
            );
            site.advance(400_000); // the caches' five minutes, and what nodes need to hear of it
            let second = Tokens::read(&shop.own_token().await);
            assert_ne!(kid_of(&second), kid_of(&first));
            assert!(shop.is_active(first.access()).await);
            site.advance(62 * 60_000);
            rotate_keys::load(site).await.unwrap();
            assert!(!kids().await.contains(&kid_of(&first)), "the old key left when its last token had run out");
        },
    )
    .await;
}
