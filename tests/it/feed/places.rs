//! Who may read the feed, what of it, and where a reader goes on.

use std::time::{Duration, Instant};

use muster::flows::feed::follow;
use muster::kernel::time::{HOUR, MINUTE};
use muster::store::restored;
use serde_json::{Value, json};

use super::scene::{Follower, SCOPE, family, is_over, least, reads};
use crate::support::PASSWORD;
use crate::support::application;
use crate::support::browser::Person;
use crate::support::client::{Ask, Tokens};
use crate::support::http::Answer;
use crate::support::org::Org;
use crate::support::server::{Site, on_both};
use crate::support::world::Kind;

/// Ends something of a person's: one entry for their membership.
async fn end_something(org: &Org, user_name: &str) {
    let binding = org.give(user_name, "org.reader", None).await;
    org.take(&binding).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_application_of_its_own_accord_may_read_the_feed() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let mut follower = Follower::of_instance(site, "guard").await;
        let shop = site.client(&acme.application_with("shop", reads).await);
        let ask = Ask::of(&shop).with("scope", &format!("openid {SCOPE}"));
        let of_ana = shop.sign_in_with(&mut site.browser(), Person::named("ana"), ask).await;
        let plain = site.client(&application::register(site, "plain", |_| {}).await);
        let without = Tokens::read(&plain.own_token().await);

        let bare = site.at.get("/revocations").await;
        assert_eq!((bare.status, bare.header("www-authenticate")), (401, "Bearer realm=\"muster\""));
        for (token, status, error) in [
            ("nonsense", 401, "invalid_token"),
            (of_ana.access(), 403, "insufficient_scope"),
            (without.access(), 403, "insufficient_scope"),
        ] {
            follower.token = token.to_owned();
            let answer = follower.ask("").await;
            assert_eq!(answer.refusal(), (status, error.to_owned()));
            assert!(answer.header("www-authenticate").contains(error), "{:?}", answer.headers);
        }
        follower.renew().await;
        for query in ["after=x", "after=-1", "wait=31", "after=1&after=2"] {
            assert_eq!(follower.ask(query).await.refusal(), (400, "invalid_request".to_owned()), "{query}");
        }
        let told = site.at.get("/.well-known/muster-revocations").await.json();
        assert_eq!(told["revocations_endpoint"], format!("{}/revocations", site.at.issuer));
        assert_eq!((&told["max_token_life"], &told["scope"]), (&json!(3600), &json!(SCOPE)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisations_application_hears_of_its_own_people_alone() {
    on_both(async |site| {
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        let ana = acme.person("ana", PASSWORD).await;
        let gil = globex.person("gil", PASSWORD).await;
        let mut whole = Follower::of_instance(site, "guard").await;
        let mut own = Follower::of(site, &acme.application_with("own", reads).await).await;
        end_something(&acme, "ana").await;
        end_something(&globex, "gil").await;
        let (all, part) = (whole.catch_up().await, own.catch_up().await);
        let told = |entries: &[Value], of: &str, org: &Org| least(entries, of, org.id.as_str()).is_some();
        assert!(told(&all, ana.as_str(), &acme) && told(&all, gil.as_str(), &globex), "{all:?}");
        assert!(told(&part, ana.as_str(), &acme) && !told(&part, gil.as_str(), &globex), "{part:?}");
        assert_eq!(whole.position, own.position, "what is for others is passed over");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_goes_on_where_it_was_and_begins_anew_where_nobody_can_go_on() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let mut follower = Follower::of_instance(site, "guard").await;
        for _ in 0..3 {
            end_something(&acme, "ana").await;
            follower.catch_up().await;
        }
        let (end, generation) = follower.position.clone().unwrap();
        assert_eq!(end, 3);
        for (query, from, reset, entries) in [
            (String::new(), 0, true, 3),
            ("after=0".to_owned(), 0, false, 3),
            (format!("after=2&generation={generation}"), 2, false, 1),
            ("after=3".to_owned(), 3, false, 0),
            ("after=4".to_owned(), 0, true, 3),
            ("after=2&generation=another".to_owned(), 0, true, 3),
        ] {
            let answer = follower.ask(&query).await;
            let page = follower.read(&answer).await;
            assert_eq!(
                (&page["from"], &page["to"], &page["reset"]),
                (&json!(from), &json!(3), &json!(reset)),
                "{query}"
            );
            assert_eq!((page["entries"].as_array().unwrap().len(), &page["head"]), (entries, &json!(true)), "{query}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_waits_is_answered_as_soon_as_there_is_something() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let mut follower = Follower::of_instance(site, "guard").await;
        follower.catch_up().await;
        let begun = Instant::now();
        let page = follower.page(1).await;
        assert!(begun.elapsed() >= Duration::from_millis(900), "there is nothing to tell");
        assert_eq!((&page["entries"], &page["head"]), (&json!([]), &json!(true)));
        follower.go_on(&page);

        let (page, ended) = tokio::join!(follower.page(20), async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            end_something(&acme, "ana").await;
            Instant::now()
        });
        let after = ended.elapsed();
        assert_eq!(page["entries"].as_array().unwrap().len(), 1);
        assert!(after < Duration::from_secs(1), "it was told {after:?} after the change");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_living_token_can_need_is_forgotten_and_late_readers_begin_anew() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let mut follower = Follower::of_instance(site, "guard").await;
        end_something(&acme, "ana").await;
        assert_eq!(follower.catch_up().await.len(), 1);
        assert_eq!(follow::prune(site).await.unwrap(), 0, "it is needed still");
        site.advance(HOUR + 6 * MINUTE);
        assert_eq!(follow::prune(site).await.unwrap(), 1);
        follower.renew().await;
        end_something(&acme, "ana").await;
        assert_eq!(follower.catch_up().await.len(), 1, "whoever was at the end goes on there");
        let answer = follower.ask("after=0").await;
        let late = follower.read(&answer).await;
        assert_eq!((&late["from"], &late["to"], &late["reset"]), (&json!(1), &json!(2), &json!(true)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restore_readers_begin_anew_and_hear_that_everything_before_is_over() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let mut follower = Follower::of_instance(site, "guard").await;
        end_something(&acme, "ana").await;
        follower.catch_up().await;
        let (_, before) = follower.position.clone().unwrap();
        let now = site.now();
        let begun: Result<(), sqlx::Error> =
            site.db.write(move |tx| Box::pin(async move { restored::begin_feed(tx, "second", now).await })).await;
        begun.unwrap();
        let told = follower.catch_up().await;
        assert_eq!(told.last(), Some(&json!(["all", now.seconds()])), "{told:?}");
        let (_, generation) = follower.position.clone().unwrap();
        assert!(generation == "second" && before != generation);
        assert_eq!(follower.catch_up().await, Vec::<Value>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_goes_from_node_to_node_and_misses_nothing() {
    let Some(one) = Site::open(Kind::Postgres, |_| {}).await else {
        return;
    };
    let other = one.second_node().await;
    let acme = one.org("acme").await;
    let ana = acme.person("ana", PASSWORD).await;
    let shop = one.client(&acme.application("shop").await);
    let mut follower = Follower::of_instance(&one, "guard").await;
    follower.catch_up().await;
    let mut least_told = 0;
    for round in 0..8 {
        let claims = shop.sign_in(&mut one.browser(), Person::named("ana")).await.claims();
        end_something(&acme, "ana").await;
        follower.go_to(if round % 2 == 0 { &other.at } else { &one.at });
        let told = follower.catch_up().await;
        let told_least = least(&told, ana.as_str(), acme.id.as_str()).expect("it is told on whichever node");
        assert!(told_least > least_told && is_over(&told, &family(&claims)), "round {round}: {told:?}");
        least_told = told_least;
    }
    other.close().await;
    one.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_the_feed_does_not_claim_to_be_at_its_end() {
    on_both(async |site| {
        let mut follower = Follower::of_instance(site, "guard").await;
        follower.catch_up().await;
        site.db.close().await;
        let answer: Answer = follower.ask("after=0").await;
        assert!(answer.status >= 500, "{}: {}", answer.status, answer.body);
    })
    .await;
}
