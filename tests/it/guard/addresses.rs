//! What one address may try: so many wrong guesses within a minute and within an hour, whoever is meant, exact however many
//! come at once, and one count for all nodes.

use std::sync::Arc;

use muster::config::Config;
use muster::flows::Fault;
use muster::flows::sign_in::with_password;
use muster::kernel::time::{HOUR, MINUTE, SECOND};
use reqwest::Method;

use super::{attempt, on_both_with, tries};
use crate::support::PASSWORD;
use crate::support::browser::Person;
use crate::support::server;
use crate::support::world::{Place, World};

const HOME: &str = "192.0.2.9";
const WRONG: &str = "Tide7-Kq2mVx9dU";

/// The limits as they are by default, but for the hour's.
fn limited(config: &mut Config) {
    (config.sign_in.address_failures_minute, config.sign_in.address_failures_hour) = (20, 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_five_hundred_guesses_at_once_from_one_address_twenty_are_looked_at() {
    on_both_with(limited, async |world| {
        world.org("acme").await.person("ana", PASSWORD).await;
        let guesses: Vec<_> = (0..500)
            .map(|number| {
                let world = world.clone();
                // One after the other is meant, so that no account's lock is in the way.
                tokio::spawn(async move { tries(&world, &format!("nobody-{number}"), WRONG, HOME).await })
            })
            .collect();
        let (mut looked_at, mut paused) = (0, 0);
        for guess in guesses {
            match guess.await.unwrap() {
                Ok(true) => panic!("a wrong guess came in"),
                Ok(false) => looked_at += 1,
                Err(seconds) => {
                    assert!((1..=60).contains(&seconds), "{seconds}");
                    paused += 1;
                }
            }
        }
        assert_eq!((looked_at, paused), (20, 480));
        assert_eq!(tries(world, "ana", PASSWORD, HOME).await, Err(60), "the right one waits, too");
        assert_eq!(tries(world, "ana", PASSWORD, "192.0.2.10").await, Ok(true), "and nobody elsewhere");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn right_guesses_cost_nothing_and_wrong_ones_add_up_over_the_hour() {
    on_both_with(limited, async |world| {
        world.org("acme").await.person("ana", PASSWORD).await;
        for _ in 0..40 {
            assert_eq!(tries(world, "ana", PASSWORD, HOME).await, Ok(true));
        }
        for number in 0..20 {
            assert_eq!(tries(world, &format!("a-{number}"), WRONG, HOME).await, Ok(false));
        }
        assert_eq!(tries(world, "b", WRONG, HOME).await, Err(60));
        world.advance(MINUTE);
        for number in 0..5 {
            assert_eq!(tries(world, &format!("c-{number}"), WRONG, HOME).await, Ok(false));
        }
        assert_eq!(tries(world, "d", WRONG, HOME).await, Err(59 * 60), "twenty-five within the hour");
        world.advance(HOUR - MINUTE - SECOND);
        assert_eq!(tries(world, "ana", PASSWORD, HOME).await, Err(1));
        world.advance(SECOND);
        assert_eq!(tries(world, "ana", PASSWORD, HOME).await, Ok(true));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_of_ipv6_counts_together_and_its_neighbour_by_itself() {
    on_both_with(limited, async |world| {
        for number in 0..20 {
            let address = format!("2001:db8:1:2::{number:x}");
            assert_eq!(tries(world, &format!("a-{number}"), WRONG, &address).await, Ok(false));
        }
        assert!(tries(world, "b", WRONG, "2001:db8:1:2:ffff::1").await.is_err());
        assert_eq!(tries(world, "b", WRONG, "2001:db8:1:3::1").await, Ok(false));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_count_in_one_place() {
    on_both_with(limited, async |world| {
        if let Place::Sqlite(_) = *world.place {
            return; // it has one node
        }
        let other = World::over(Arc::clone(&world.place), world.config.clone(), world.hands.clone()).await;
        for number in 0..20 {
            let node = if number % 2 == 0 { world } else { &other };
            assert_eq!(tries(node, &format!("a-{number}"), WRONG, HOME).await, Ok(false));
        }
        assert!(tries(world, "b", WRONG, HOME).await.is_err() && tries(&other, "b", WRONG, HOME).await.is_err());
        other.db.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_when_to_come_back() {
    server::on_both_with(limited, async |site| {
        let mut browser = site.browser();
        let url = site.at.url("/login");
        let page = browser.open(&url).await.page();
        let form = page.form_with("login-submit").unwrap();
        let mut waits = Vec::new();
        for number in 0..21 {
            let name = format!("nobody-{number}");
            let fields = form.filled("login-submit", &[("username", name.as_str()), ("password", WRONG)]);
            let answer = browser.send(Method::POST, &url, Some(&fields)).await;
            match answer.status {
                400 => assert!(answer.header("retry-after").is_empty()),
                429 => waits.push(answer.header("retry-after").parse::<i64>().expect("it is a number")),
                other => panic!("{other}: {}", answer.body),
            }
        }
        assert!(waits.len() == 1 && (1..=60).contains(&waits[0]), "{waits:?}");
        let ana = Person::named("ana");
        let page = browser.sign_in(ana).await.page();
        assert!(page.status == 429 && page.text().contains("Wait a minute"), "{page:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_in_the_same_network_keeps_nobody_out_who_was_here_before() {
    server::on_both_with(limited, async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let ana = Person::named("ana");
        let mut known = site.browser();
        assert_eq!(known.sign_in(ana).await.page().url, site.at.url("/me"));
        for number in 0..20 {
            let name = format!("nobody-{number}");
            let nobody = Person { name: &name, password: WRONG, org: "" };
            assert_eq!(site.browser().sign_in(nobody).await.page().status, 400);
        }
        assert_eq!(site.browser().sign_in(ana).await.page().status, 429, "a stranger's browser waits");
        known.lose("muster");
        assert_eq!(known.sign_in(Person { name: "nobody", ..ana }).await.page().status, 429, "it is nobody's to them");
        assert_eq!(known.sign_in(ana).await.page().url, site.at.url("/me"));
        // And who is signed in there types their password again.
        let page = known.open(&site.at.url("/me/profile")).await.page();
        let typed = [("phone", "+82 10 1234 5678"), ("password", PASSWORD)];
        assert_eq!(known.press(&page, "phone-submit", &typed).await.page().status, 200);
        // Its own few wrong guesses bound it.
        known.lose("muster");
        for _ in 0..5 {
            assert_eq!(known.sign_in(Person { password: WRONG, ..ana }).await.page().status, 400);
        }
        assert_eq!(known.sign_in(ana).await.page().status, 429);
    })
    .await;
}

/// Nobody waits for a hash for so short a time.
fn hurried(config: &mut Config) {
    limited(config);
    (config.passwords.memory_kib, config.passwords.iterations) = (19_456, 2);
    config.passwords.queue_wait_ms = 1;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crowd_keeps_from_being_looked_at_was_no_guess() {
    on_both_with(hurried, async |world| {
        for number in 0..25 {
            let attempt = attempt(&format!("nobody-{number}"), WRONG, HOME);
            match with_password(world, attempt).await {
                Err(Fault::Busy(_)) => {}
                other => panic!("{number}: {other:?}"),
            }
        }
    })
    .await;
}
