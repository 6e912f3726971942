//! Somebody in two organisations with one browser: what one of them ends, ends there alone, and stays ended.

use muster::domain::change::Change;

use crate::support::PASSWORD;
use crate::support::browser::Person;
use crate::support::server::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn what_one_organisation_ends_is_not_opened_again_by_the_session_that_lives_on_in_another() {
    on_both(async |site| {
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        let ana = acme.world.own_account("ana", PASSWORD).await;
        acme.admit(&ana).await;
        globex.admit(&ana).await;
        let shop = site.client(&acme.application("shop").await);
        let store = site.client(&globex.application("store").await);
        let mut browser = site.browser();
        let tokens = shop.sign_in(&mut browser, Person::named("ana")).await;
        store.sign_in(&mut browser, Person::named("ana")).await;
        assert!(shop.is_signed_in(&mut browser).await && store.is_signed_in(&mut browser).await);

        let member = acme.member_id("ana").await;
        acme.world.act(vec![Change::EndSessions { org: acme.id.clone(), member }]).await;
        assert!(!shop.is_active(tokens.access()).await);
        for _ in 0..3 {
            assert!(store.is_signed_in(&mut browser).await, "the other organisation's session lives on");
            assert!(!shop.is_signed_in(&mut browser).await, "and opens nothing here");
        }
        site.advance(1);
        shop.sign_in(&mut browser, Person::named("ana")).await;
        assert!(shop.is_signed_in(&mut browser).await && store.is_signed_in(&mut browser).await);
    })
    .await;
}
