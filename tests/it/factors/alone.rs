//! Passkeys by themselves: whom they sign in without a provider, and what stands between them and a session.

use futures_util::future::join_all;
use muster::domain::change::Change;
use muster::kernel::secret::Secret;
use muster::store::factors::held;
use muster::store::memberships;
use serde_json::json;

use super::passkeys::{adds, answers, asked, kept, options, refuses};
use super::{is_in, is_out, rule, signed_in};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::authenticator::Authenticator;
use crate::support::client::Ask;
use crate::support::federated::Federated;
use crate::support::provider::Provider;
use crate::support::server::on_both_named;

const GIVEN: &str = "Quay4-Zr8wNb3Lf";
const OWN: &str = "Moss9-Tw5kRb2Vh";

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_through_a_connection_shows_a_passkey_beside_it_and_never_alone() {
    on_both_named(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let provider = Provider::open().await;
        provider.says(json!({ "sub": "00u-nora", "preferred_username": "nora" }));
        let okta = Federated::open(site, &acme, &provider).await;
        let mut home = site.browser();
        okta.comes(site, &mut home).await;
        let nora = okta.known_as(site, "00u-nora").await.expect("she came through");
        let (mut device, _) = adds(site, &mut home, "Key").await;
        refuses(site, &mut device, "what a connection owns comes through it", |_| {}).await;
        rule(&acme, |rule| rule.exempt_federated = false).await;
        let shop = site.client(&acme.application("shop").await);
        let (mut browser, ask) = (site.browser(), Ask::of(&shop));
        let page = okta.comes_for(&mut browser, &ask).await.page();
        let page = browser.press(&page, "use-passkey", &[]).await.page();
        let answer = device.answer(&options(&page));
        let arrival = browser.press(&page, "passkey-submit", &[("response", &answer)]).await.arrival();
        assert_eq!(shop.tokens_of(&arrival, &ask).await.id_claims()["acr"], "urn:muster:acr:phr");
        // Who looks after the organisation sees it, and takes it away: it is not the connection's.
        let member = memberships::of_user(&mut site.conn().await, &acme.id, &nora).await.unwrap().expect("a member").id;
        let mut olga = signed_in(site, "olga").await;
        let page = olga.open(&site.at.url(&format!("/o/acme/admin/people/{member}"))).await.page();
        assert!(page.has("reset-factors") && page.text().contains("Passkey"), "{page:?}");
        Admin::of(site, &acme, "olga").await.delete(&format!("/users/{nora}/factors")).await;
        assert!(!held(&mut site.conn().await, &nora).await.unwrap().any());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_somebody_else_gave_is_changed_after_a_passkey_as_after_itself() {
    on_both_named(async |site| {
        let ana = site.org("acme").await.person("ana", PASSWORD).await;
        let mut home = signed_in(site, "ana").await;
        let (mut device, _) = adds(site, &mut home, "Key").await;
        let password = site.hasher.hash(Secret::presented(GIVEN)).await.expect("the pool has room");
        site.act(vec![Change::ResetPassword { user: ana, password, must_change: true }]).await;
        let mut browser = site.browser();
        let page = asked(&mut browser).await;
        let answer = device.answer(&options(&page));
        let page = answers(&mut browser, &page, &answer).await;
        assert!(page.status == 200 && page.has("change-form"), "{page:?}");
        is_out(&browser);
        let landed = browser.press(&page, "change-submit", &[("password", OWN), ("password_again", OWN)]).await;
        is_in(site, &browser, landed);
        // As strongly as it was proven; and from now on nothing stands between.
        let page = browser.open(&site.at.url("/me/security/codes")).await.page();
        assert!(!page.url.contains("/login/again"), "{page:?}");
        let mut other = site.browser();
        let page = asked(&mut other).await;
        let answer = device.answer(&options(&page));
        let landed = other.press(&page, "passkey-submit", &[("response", &answer)]).await;
        is_in(site, &other, landed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_first_factors_at_once_one_is_kept_for_the_others_have_proven_a_password_alone() {
    on_both_named(async |site| {
        let ana = site.org("acme").await.person("ana", PASSWORD).await;
        let mut crowd = Vec::new();
        for _ in 0..6 {
            let mut browser = signed_in(site, "ana").await;
            let page = browser.open(&site.at.url("/me/security/passkey")).await.page();
            let (_, answer) = Authenticator::make(&site.at.issuer, &options(&page));
            crowd.push((browser, page, answer));
        }
        let pressed = crowd.iter_mut().map(|(browser, page, answer)| async move {
            let typed = [("response", answer.as_str()), ("name", "Key")];
            browser.press(page, "passkey-submit", &typed).await.page().status
        });
        let statuses = join_all(pressed).await;
        assert!(statuses.iter().all(|status| *status < 500), "{statuses:?}");
        assert_eq!(kept(site, &ana).await, 1, "{statuses:?}");
    })
    .await;
}
