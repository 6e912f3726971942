//! A machine that stops in the middle: what was acknowledged holds when it comes back.

use crate::operating::apply_file::{FILE, SHOP_SECRET};
use crate::support::PASSWORD;
use crate::support::application::{Credentials, REDIRECT_URI, Registered, sample};
use crate::support::browser::{Browser, Person};
use crate::support::client::{Client, Tokens, list};
use crate::support::process::Installation;
use crate::support::world::Kind;

async fn installed(kind: Kind) -> Option<(Installation, Client)> {
    let mut installation = Installation::fresh(kind).await?;
    installation.set("PERSON_PASSWORD", PASSWORD);
    installation.set("SHOP_SECRET", SHOP_SECRET);
    let file = installation.write("world.toml", FILE);
    installation.succeeds(&["apply", file.to_str().unwrap()]).await;
    let mut application = sample("shop");
    application.redirect_uris = vec![REDIRECT_URI.to_owned()];
    let registered = Registered { application, credentials: Credentials::Basic(SHOP_SECRET.to_owned()) };
    let client = Client::new(installation.at.clone(), &registered);
    Some((installation, client))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_away_stays_away_after_the_process_is_killed() {
    for kind in Kind::BOTH {
        let Some((installation, shop)) = installed(kind).await else {
            continue;
        };
        let serving = installation.serve().await;
        let mut browsers = [Browser::new(installation.at.clone()), Browser::new(installation.at.clone())];
        let ana = shop.sign_in(&mut browsers[0], Person::named("ana")).await;
        let bo = shop.sign_in(&mut browsers[1], Person::named("bo")).await;
        assert_eq!(list(&ana.claims()["project_roles"]["web"]), ["project.admin"]);
        let smaller = FILE.replace(r#"members = ["ana", "bo"]"#, r#"members = ["bo"]"#);
        let smaller = installation.write("smaller.toml", &smaller);
        installation.succeeds(&["apply", smaller.to_str().unwrap()]).await;
        serving.kill().await;

        let serving = installation.serve().await;
        assert!(!shop.is_active(ana.access()).await && !shop.is_active(ana.refresh()).await, "{kind:?}");
        assert_eq!(shop.userinfo(ana.access()).await.status, 401);
        assert_eq!(shop.refresh(ana.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
        assert!(!shop.is_signed_in(&mut browsers[0]).await);
        assert!(
            shop.is_active(bo.access()).await && shop.is_signed_in(&mut browsers[1]).await,
            "nobody else lost anything"
        );
        Tokens::read(&shop.refresh(bo.refresh()).await);
        serving.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_refresh_token_is_still_used_after_the_process_is_killed() {
    for kind in Kind::BOTH {
        let Some((installation, shop)) = installed(kind).await else {
            continue;
        };
        let serving = installation.serve().await;
        let first = shop.sign_in(&mut Browser::new(installation.at.clone()), Person::named("ana")).await;
        let second = Tokens::read(&shop.refresh(first.refresh()).await);
        let third = Tokens::read(&shop.refresh(second.refresh()).await);
        serving.kill().await;
        let serving = installation.serve().await;
        assert!(shop.is_active(third.access()).await, "{kind:?}: the signing keys came back");
        assert_eq!(shop.refresh(first.refresh()).await.status, 400);
        assert!(!shop.is_active(third.access()).await && !shop.is_active(third.refresh()).await);
        serving.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_prints_a_link_that_works_and_the_next_start_another() {
    for kind in Kind::BOTH {
        let Some(installation) = Installation::fresh(kind).await else {
            continue;
        };
        let serving = installation.serve().await;
        let first = serving.said("first operator: ").await;
        assert!(installation.at.owns(&first));
        let mut browser = Browser::new(installation.at.clone());
        assert!(browser.open(&first).await.page().has("setup-form"));
        serving.kill().await;
        let serving = installation.serve().await;
        let second = serving.said("first operator: ").await;
        assert!(!browser.open(&first).await.page().has("setup-form"), "the link before is dead");
        assert!(browser.open(&second).await.page().has("setup-form"));
        serving.kill().await;
    }
}
