//! One change that reaches many: each application hears exactly of its own people, and a preview tells nobody.

use std::collections::BTreeSet;

use muster::domain::access::Policy;
use muster::domain::change::{Change, Told};
use muster::domain::people::user::OrgState;

use super::events::{ALL, Listener};
use super::scene::keeps_streams;
use crate::support::PASSWORD;
use crate::support::application;
use crate::support::browser::Person;
use crate::support::client::{Client, list, names};
use crate::support::server::{Site, on_both};

/// An application of the instance: it goes on when an organisation stops.
async fn portal(site: &Site, client_id: &str) -> Client {
    site.client(&application::register(site, client_id, keeps_streams).await)
}

/// The sorts and the people of what waits.
async fn heard(listener: &Listener) -> BTreeSet<(String, String)> {
    let all = listener.hear().await;
    let pairs: BTreeSet<(String, String)> =
        all.iter().map(|heard| (heard.kind.clone(), heard.sub().to_owned())).collect();
    assert_eq!(pairs.len(), all.len(), "each is told once");
    pairs
}

fn told(all: &[(&str, u64)]) -> BTreeSet<(String, u64, u64)> {
    all.iter().map(|(client_id, events)| ((*client_id).to_owned(), 0, *events)).collect()
}

fn receipt(told: &[Told]) -> BTreeSet<(String, u64, u64)> {
    told.iter().map(|one| (one.client_id.clone(), one.logout_tokens, one.security_events)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_group_tells_each_application_of_those_of_its_people_who_lost_something() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let mut subs = Vec::new();
        for name in ["ana", "bo", "cy", "dora"] {
            let user = acme.person(name, PASSWORD).await;
            subs.push(user.as_str().to_owned());
        }
        acme.group("devs", &["ana", "bo", "cy", "dora"]).await;
        acme.give_group("devs", "org.reader", None).await;
        acme.give("dora", "org.reader", None).await;
        let (shop, desk) = (portal(site, "shop").await, portal(site, "desk").await);
        let (at_shop, at_desk) = (Listener::open(&shop, &ALL).await, Listener::open(&desk, &ALL).await);
        shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        shop.sign_in(&mut site.browser(), Person::named("dora")).await;
        let mut browser = site.browser();
        shop.sign_in(&mut browser, Person::named("bo")).await;
        desk.sign_in(&mut browser, Person::named("bo")).await;
        let delete = vec![Change::DeleteGroup { org: acme.id.clone(), group: acme.group_id("devs").await }];

        let preview = site.preview(delete.clone()).await;
        assert_eq!(receipt(&preview.told), told(&[("shop", 2), ("desk", 1)]));
        assert!(at_shop.hear().await.is_empty() && at_desk.hear().await.is_empty(), "nothing happened yet");

        let act = site.act(delete).await;
        assert_eq!(receipt(&act.told), told(&[("shop", 2), ("desk", 1)]));
        let over = |sub: &String| ("session-revoked".to_owned(), sub.clone());
        assert_eq!(heard(&at_shop).await, BTreeSet::from([over(&subs[0]), over(&subs[1])]));
        assert_eq!(heard(&at_desk).await, BTreeSet::from([over(&subs[1])]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_organisation_ends_everybody_in_it_and_nobody_of_another() {
    on_both(async |site| {
        let (acme, zeta) = (site.org("acme").await, site.org("zeta").await);
        let shop = portal(site, "shop").await;
        let listener = Listener::open(&shop, &ALL).await;
        let mut expected = BTreeSet::new();
        for name in ["ana", "bo", "cy"] {
            let user = acme.person(name, PASSWORD).await;
            expected.insert(("session-revoked".to_owned(), user.as_str().to_owned()));
            shop.sign_in(&mut site.browser(), Person::named(name)).await;
        }
        zeta.person("zoe", PASSWORD).await;
        let zoes = shop.sign_in(&mut site.browser(), Person::named("zoe")).await;
        let receipt = site.act(vec![Change::SetOrgState { org: acme.id.clone(), state: OrgState::Suspended }]).await;
        assert_eq!((receipt.told.len(), receipt.told[0].security_events), (1, 3));
        assert_eq!(heard(&listener).await, expected);
        assert!(shop.is_active(zoes.access()).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_is_deleted_and_one_that_is_made_change_what_tokens_say_of_everybody_on_it() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.set_policy(Policy::Narrow).await;
        acme.project("web").await;
        let (ana, bo) = (acme.person("ana", PASSWORD).await, acme.person("bo", PASSWORD).await);
        for name in ["ana", "bo"] {
            acme.give(name, "org.reader", None).await;
        }
        acme.give("ana", "project.reader", Some("web")).await;
        acme.give("bo", "project.reader", Some("*")).await;
        let shop = portal(site, "shop").await;
        let listener = Listener::open(&shop, &ALL).await;
        for name in ["ana", "bo"] {
            shop.sign_in(&mut site.browser(), Person::named(name)).await;
        }
        let delete = Change::DeleteProject { org: acme.id.clone(), project: acme.project_id("web").await };
        let receipt = site.act(vec![delete]).await;
        assert_eq!((receipt.ended.sessions, receipt.told[0].security_events), (0, 2));
        let all = listener.hear().await;
        assert_eq!(all.len(), 2);
        for event in &all {
            assert_eq!(event.kind, "token-claims-change");
            assert_eq!(list(&event.body["claims"]["org_roles"]), ["org.reader"]);
            assert!(names(&event.body["claims"]["project_roles"]).is_empty(), "{}", event.claims);
        }
        let subs: BTreeSet<&str> = all.iter().map(|event| event.sub()).collect();
        assert_eq!(subs, BTreeSet::from([ana.as_str(), bo.as_str()]));

        // Whoever holds a role on all projects gains it on a new one.
        acme.project("data").await;
        let all = listener.hear().await;
        assert_eq!((all.len(), all[0].sub()), (1, bo.as_str()));
        assert_eq!(names(&all[0].body["claims"]["project_roles"]), ["data"]);
    })
    .await;
}
