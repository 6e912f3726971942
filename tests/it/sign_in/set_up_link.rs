//! The one-time link that makes the first operator: good for an hour, for one account, and not used up by looking.

use muster::flows::bootstrap::{FirstOperator, first_operator, setup_link};
use muster::kernel::secret::Secret;
use muster::kernel::time::{HOUR, SECOND};

use crate::support::browser::Person;
use crate::support::server::on_both as on_both_served;
use crate::support::world::on_both;

const OPERATOR: &str = "a long sentence for Opal";

fn opal() -> FirstOperator {
    FirstOperator {
        name: "Opal".to_owned(),
        user_name: "opal".to_owned(),
        email: "opal@example.test".to_owned(),
        password: Secret::presented(OPERATOR),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_makes_one_operator_and_is_dead() {
    on_both_served(async |site| {
        let link = setup_link(site).await.unwrap().expect("there is no operator yet");
        let url = site.at.url(&format!("/setup/{}", link.expose()));
        let mut browser = site.browser();
        for _ in 0..3 {
            assert!(browser.open(&url).await.page().has("setup-form"), "looking does not use it up");
        }
        let page = browser.open(&url).await.page();
        let typed = |password| {
            [
                ("name", "Opal"),
                ("username", "opal"),
                ("email", "opal@example.test"),
                ("password", password),
                ("password_again", password),
            ]
        };
        let again = browser.press(&page, "setup-submit", &typed("short")).await.page();
        assert!(again.has("setup-form") && again.text().contains("characters"), "{again:?}");
        let done = browser.press(&again, "setup-submit", &typed(OPERATOR)).await.page();
        assert_eq!(done.status, 200);
        assert!(done.text().contains("Muster is ready"), "{done:?}");
        let dead = site.browser().press(&page, "setup-submit", &typed(OPERATOR)).await.page();
        assert!((400..500).contains(&dead.status), "{dead:?}");
        let dead = browser.open(&url).await.page();
        assert!(dead.status >= 400 && !dead.has("setup-form"), "{dead:?}");
        assert!(setup_link(site).await.unwrap().is_none(), "no link is given while there is an operator");
        let signed_in = site.browser().sign_in(Person { password: OPERATOR, ..Person::named("opal") }).await.page();
        assert!(signed_in.text().contains("Operator"), "{signed_in:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_who_use_the_link_at_once_one_becomes_the_operator() {
    on_both(async |world| {
        let link = setup_link(&world).await.unwrap().unwrap();
        let attempts = futures_util::future::join_all((0..10).map(|number| {
            let who = FirstOperator {
                user_name: format!("opal-{number}"),
                email: format!("opal-{number}@example.test"),
                ..opal()
            };
            first_operator(&world, &link, who)
        }));
        assert_eq!(attempts.await.into_iter().filter(Result::is_ok).count(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_dead_after_an_hour_and_when_a_newer_one_was_given() {
    on_both(async |world| {
        let first = setup_link(&world).await.unwrap().unwrap();
        let second = setup_link(&world).await.unwrap().unwrap();
        assert!(first_operator(&world, &first, opal()).await.is_err(), "a newer link was given");
        assert!(first_operator(&world, &Secret::presented("mst_setup_x"), opal()).await.is_err());
        world.advance(HOUR);
        assert!(first_operator(&world, &second, opal()).await.is_err(), "its hour is over");
        let third = setup_link(&world).await.unwrap().unwrap();
        world.advance(HOUR - SECOND);
        assert!(first_operator(&world, &third, opal()).await.is_ok());
    })
    .await;
}
