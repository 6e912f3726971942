//! Whatever ends is told, whichever way it ended.

use muster::domain::access::Policy;
use muster::domain::change::Change;
use muster::domain::oauth::application::ApplicationState;
use muster::domain::people::user::OrgState;
use muster::flows::access_key::mint;
use muster::kernel::time::{DAY, SECOND};
use serde_json::{Value, json};

use super::scene::{Follower, before, family, is_over, least};
use crate::support::PASSWORD;
use crate::support::application::Credentials;
use crate::support::browser::Person;
use crate::support::client::Tokens;
use crate::support::server::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_taken_is_told_with_the_version_below_which_tokens_are_over() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let mut follower = Follower::of_instance(site, "guard").await;
        assert_eq!(follower.catch_up().await, Vec::<Value>::new(), "nothing has ended yet");

        let binding = acme.give("ana", "org.reader", None).await;
        let claims = shop.sign_in(&mut site.browser(), Person::named("ana")).await.claims();
        acme.take(&binding).await;
        let told = follower.catch_up().await;
        let told_least = least(&told, ana.as_str(), acme.id.as_str()).expect("it is told");
        assert!(told_least > claims["acv"].as_i64().unwrap(), "{told:?}");
        assert!(is_over(&told, &family(&claims)), "the sign-in ended: {told:?}");
        assert_eq!(follower.catch_up().await, Vec::<Value>::new(), "it is told once");

        acme.set_policy(Policy::Narrow).await;
        acme.give("ana", "org.reader", None).await;
        let binding = acme.give("ana", "billing.viewer", None).await;
        let claims = shop.sign_in(&mut site.browser(), Person::named("ana")).await.claims();
        assert!(claims["acv"].as_i64().unwrap() >= told_least, "what was told does not end what came after");
        acme.take(&binding).await;
        let told = follower.catch_up().await;
        assert!(least(&told, ana.as_str(), acme.id.as_str()).unwrap() > claims["acv"].as_i64().unwrap());
        assert!(!is_over(&told, &family(&claims)), "the sign-in goes on");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_revoked_are_told_one_by_one_or_with_their_family() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let mut follower = Follower::of_instance(site, "guard").await;
        let tokens = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        let claims = tokens.claims();
        shop.revoke(tokens.access()).await;
        assert_eq!(follower.catch_up().await, [json!(["t", claims["jti"]])]);
        shop.revoke(tokens.refresh()).await;
        assert_eq!(follower.catch_up().await, [json!(["f", family(&claims)])]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_is_disabled_or_removed_is_told_with_its_organisation_or_alone() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let registered = acme.application("shop").await;
        let (shop, kept) = (site.client(&registered), site.client(&acme.application("kept").await));
        let mut follower = Follower::of_instance(site, "guard").await;
        let person = shop.sign_in(&mut site.browser(), Person::named("ana")).await.claims();
        let own = Tokens::read(&shop.own_token().await).claims();

        let mut disabled = registered.application.clone();
        disabled.state = ApplicationState::Disabled;
        site.act(vec![Change::PutApplication(Box::new(disabled))]).await;
        let told = follower.catch_up().await;
        assert!(before(&told, "shop").unwrap() > own["iat"].as_i64().unwrap(), "{told:?}");
        assert!(is_over(&told, &family(&person)), "{told:?}");

        site.act(vec![Change::PutApplication(Box::new(registered.application.clone()))]).await;
        site.advance(2 * SECOND);
        let again = Tokens::read(&shop.own_token().await).claims();
        assert!(before(&told, "shop").unwrap() <= again["iat"].as_i64().unwrap(), "what came after counts");
        let others = Tokens::read(&kept.own_token().await).claims();
        site.act(vec![Change::SetOrgState { org: acme.id.clone(), state: OrgState::Suspended }]).await;
        let told = follower.catch_up().await;
        for (client_id, token) in [("shop", &again), ("kept", &others)] {
            assert!(before(&told, client_id).unwrap() > token["iat"].as_i64().unwrap(), "{told:?}");
        }

        site.act(vec![Change::SetOrgState { org: acme.id.clone(), state: OrgState::Active }]).await;
        site.advance(2 * SECOND);
        follower.catch_up().await;
        let last = Tokens::read(&shop.own_token().await).claims();
        site.act(vec![Change::RemoveApplication { application: registered.application.id.clone() }]).await;
        let told = follower.catch_up().await;
        assert!(
            before(&told, "shop").unwrap() > last["iat"].as_i64().unwrap(),
            "its rows are gone, and it is told: {told:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_key_that_is_disabled_or_removed_is_told() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let project = acme.project("web").await;
        acme.person("ana", PASSWORD).await;
        acme.give("ana", "project.reader", Some("web")).await;
        let mut follower = Follower::of_instance(site, "guard").await;
        let (key, secret) =
            mint(site, acme.member_id("ana").await, project, "of a test".to_owned(), site.now().plus(DAY));
        let id = key.id.clone();
        site.act(vec![Change::CreateAccessKey { org: acme.id.clone(), key: Box::new(key) }]).await;
        let mut registered = acme.application("as-a-tool").await;
        registered.application.client_id = id.to_string();
        registered.credentials = Credentials::Basic(secret.expose().to_owned());
        let tool = site.client(&registered);
        let set = |active| Change::SetAccessKey {
            org: acme.id.clone(),
            key: id.clone(),
            name: "of a test".to_owned(),
            active,
        };

        let claims = Tokens::read(&tool.own_token().await).claims();
        site.act(vec![set(false)]).await;
        let told = follower.catch_up().await;
        assert!(before(&told, id.as_str()).unwrap() > claims["iat"].as_i64().unwrap(), "{told:?}");
        site.act(vec![set(true)]).await;
        site.advance(2 * SECOND);
        let told = follower.catch_up().await;
        let claims = Tokens::read(&tool.own_token().await).claims();
        assert!(before(&told, id.as_str()).unwrap() <= claims["iat"].as_i64().unwrap(), "what came after counts");
        assert!(!is_over(&told, id.as_str()));
        site.act(vec![Change::RemoveAccessKey { org: acme.id.clone(), key: id.clone() }]).await;
        let told = follower.catch_up().await;
        assert!(is_over(&told, id.as_str()) && is_over(&told, &family(&claims)), "{told:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_was_removed_and_comes_again_has_tokens_that_nothing_told_before_ends() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let bo = site.own_account("bo", PASSWORD).await;
        acme.admit(&bo).await;
        for _ in 0..3 {
            let binding = acme.give("bo", "org.reader", None).await;
            acme.take(&binding).await;
        }
        let shop = site.client(&acme.application("shop").await);
        let mut follower = Follower::of_instance(site, "guard").await;
        follower.catch_up().await;
        for _ in 0..2 {
            let claims = shop.sign_in(&mut site.browser(), Person::named("bo")).await.claims();
            let member = acme.member_id("bo").await;
            site.act(vec![Change::RemoveMember { org: acme.id.clone(), member }]).await;
            acme.admit(&bo).await;
            let told = follower.catch_up().await;
            let told_least = least(&told, bo.as_str(), acme.id.as_str()).expect("it is told");
            assert!(told_least > claims["acv"].as_i64().unwrap() && is_over(&told, &family(&claims)), "{told:?}");
            let again = shop.sign_in(&mut site.browser(), Person::named("bo")).await;
            assert!(again.claims()["acv"].as_i64().unwrap() >= told_least, "{told:?}");
            assert!(shop.is_active(again.access()).await);
        }
    })
    .await;
}
