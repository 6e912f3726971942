//! Accounts that belong to their persons, where an organisation has its people come through its own provider: that opens
//! this organisation and nothing else, and speaks for the person no further.

use muster::domain::change::{Actor, Change, Mode};
use muster::domain::federation::Upstream;
use muster::domain::mail::Purpose;
use muster::flows::change_access::change_access;
use muster::kernel::id::{IdentityId, UserId};
use reqwest::Method;
use serde_json::json;

use super::rules_scene::{Scene, account, enforce, is_led_to, says, subject};
use crate::people::clerk::Clerk;
use crate::scim::visitor::{Visitor, comes_in};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, console};
use crate::support::application;
use crate::support::browser::{Landing, Person};
use crate::support::client::{Ask, Client};
use crate::support::mailbox::link_to;
use crate::support::server::{Site, on_both};

/// An account of her own that is a member of Acme and Globex, where she may see people; an application of Globex's.
async fn cara(site: &Site, scene: &Scene) -> (UserId, Client) {
    let globex = site.org("globex").await;
    let cara = site.own_account("cara", PASSWORD).await;
    for org in [&scene.acme, &globex] {
        org.admit(&cara).await;
    }
    globex.give("cara", "org.reader", None).await;
    (cara, site.client(&globex.application("theirs").await))
}

/// The person says that somebody upstream is she.
async fn link(site: &Site, scene: &Scene, user: &UserId, name: &str) {
    let link = Change::LinkIdentity {
        org: scene.acme.id.clone(),
        connection: scene.okta.connection.clone(),
        user: user.clone(),
        identity: IdentityId::fresh(),
        upstream: Upstream { issuer: scene.provider.issuer.clone(), subject: subject(name) },
    };
    change_access(site, &Actor::User(user.clone()), vec![link], Mode::Act).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_account_comes_through_for_that_organisation_and_with_its_password_for_others() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let shop = &scene.shop;
        let (cara, theirs) = cara(site, &scene).await;
        enforce(site, &scene.okta).await;

        let mut browser = site.browser();
        assert!(browser.sign_in(Person::named("cara")).await.page().url.ends_with("/me"));
        assert!(theirs.is_signed_in(&mut browser).await);
        let silent = browser.ask_silently(&Ask::of(shop)).await;
        assert_eq!(silent.param("error"), "login_required", "nothing silent goes to a provider");
        // Somebody of her name whom the provider vouches for is not she.
        assert_ne!(scene.enters(says("cara", json!({}))).await.tokens.id_claims()["sub"], json!(cara));

        link(site, &scene, &cara, "carolina").await;
        scene.provider.says(says("carolina", json!({})));
        let ask = Ask::of(shop);
        let landing = browser.open(&ask.url(&site.at)).await;
        assert!(is_led_to(&landing, &scene.provider), "{landing:?}");
        let arrival = scene.provider.pass(&mut browser, landing).await.arrival();
        let tokens = shop.tokens_of(&arrival, &ask).await;
        assert_eq!((&tokens.id_claims()["sub"], &tokens.claims()["org_slug"]), (&json!(cara), &json!("acme")));
        let mut at_acme = Visitor::over("cara", browser.clone(), tokens);
        at_acme.is_in(shop).await;

        // What came through opens nothing of Globex's: there she signs in as before, and that opens nothing of Acme's.
        assert!(!theirs.is_signed_in(&mut browser).await);
        let tokens = theirs.sign_in(&mut browser, Person::named("cara")).await;
        assert_eq!(tokens.id_claims()["sub"], json!(cara));
        at_acme.is_out(shop).await;
        assert_eq!(browser.ask_silently(&Ask::of(shop)).await.param("error"), "login_required");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_through_one_organisations_connection_opens_nothing_of_another_and_changes_no_own_account() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let (cara, theirs) = cara(site, &scene).await;
        let globex = site.org("globex").await;
        link(site, &scene, &cara, "cara").await;
        let inviting = site.org("initech").await;
        inviting.person("boss", PASSWORD).await;
        let to = inviting.member_id("boss").await;
        site.act(vec![Change::TransferOwnership { org: inviting.id.clone(), to }]).await;
        let boss = Admin::of(site, &inviting, "boss").await;
        boss.post("/invitations", json!({ "people": [{ "email": "cara@example.test", "name": "Cara" }] })).await;
        link_to(site, "cara@example.test", Purpose::Invitation).await;
        let before = account(site, &cara).await;

        // With her password, she gets everywhere.
        let mut by_password = Clerk::at(site, &globex, "cara").await;
        assert_eq!(by_password.open("people").await.status, 200);

        scene.provider.says(says("cara", json!({})));
        let mut browser = site.browser();
        let me = scene.okta.comes(site, &mut browser).await.text();
        assert!(me.contains("acme") && !me.contains("globex"), "{me}");
        assert!(!theirs.is_signed_in(&mut browser).await);
        for url in [Ask::of(&theirs).url(&site.at), site.at.url("/o/globex/admin/people")] {
            let landing = browser.open(&url).await;
            assert!(matches!(&landing, Landing::Page(page) if page.has("login-form")), "{landing:?}");
        }
        // An application of nobody's hears of Acme alone, and asks nothing.
        let portal = site.client(&application::register(site, "portal", |_| {}).await);
        let ask = Ask::of(&portal);
        let arrival = browser.open(&ask.url(&site.at)).await.arrival();
        assert_eq!(portal.tokens_of(&arrival, &ask).await.claims()["org_slug"], "acme");
        let named = browser.ask_silently(&Ask::of(&portal).with("organization", "globex")).await;
        assert_eq!(named.param("error"), "login_required");

        // Of her own account nothing is shown to be changed, and nothing is changed.
        let mut clerk = Clerk { browser, base: site.at.url("/o/acme/admin") };
        let csrf = clerk.csrf().await;
        let forms: [(&str, &[(&str, &str)]); 5] = [
            ("/me/profile", &[("act", "profile"), ("name", "Eve")]),
            ("/me/profile", &[("act", "email"), ("email", "eve@evil.test"), ("password", PASSWORD)]),
            (
                "/me/password",
                &[("old", PASSWORD), ("password", "Quay4-Zr8wNb3Lf"), ("password_again", "Quay4-Zr8wNb3Lf")],
            ),
            ("/me/invitations", &[("act", "accept"), ("org", inviting.id.as_str())]),
            ("/me/identities", &[("act", "unlink")]),
        ];
        for (path, typed) in forms {
            if path != "/me/identities" {
                assert_eq!(clerk.browser.open(&site.at.url(path)).await.page().status, 403, "{path}");
            }
            let mut fields = vec![("csrf".to_owned(), csrf.clone())];
            fields.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            let answer = clerk.browser.send(Method::POST, &site.at.url(path), Some(&fields)).await;
            assert_eq!(answer.status, 403, "{path} {typed:?}: {}", answer.body);
        }
        let console = console(site).await;
        let ask = Ask::of(&console).with("scope", "openid roles muster.admin").with("organization", "acme");
        let arrival = scene.okta.comes_for(&mut site.browser(), &ask).await.arrival();
        let api = Admin::with_token(site, &scene.acme, console.tokens_of(&arrival, &ask).await.access());
        let accept = format!("/api/v1/me/invitations/{}/accept", inviting.id);
        for (method, path, body) in [
            (Method::PATCH, "/api/v1/me", json!({ "name": "Eve" })),
            (Method::PATCH, "/api/v1/me", json!({ "email": "eve@evil.test", "password": PASSWORD })),
            (Method::POST, "/api/v1/me/password", json!({ "old": PASSWORD, "new": "Quay4-Zr8wNb3Lf" })),
            (Method::POST, accept.as_str(), json!({})),
        ] {
            assert_eq!(api.refused(method, path, body).await.0, 403, "{path}");
        }
        assert_eq!(api.at_org("globex").refused(Method::GET, "/users", json!({})).await.0, 404);
        let after = account(site, &cara).await;
        assert_eq!((after.name, after.profile), (before.name, before.profile));
        assert!(comes_in(&theirs, "cara").await, "her password is what it was");
    })
    .await;
}
