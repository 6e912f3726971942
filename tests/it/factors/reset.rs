//! Factors that are lost: an administrator takes them away, and everything that is open ends everywhere; a link for a new
//! password passes none of them over.

use muster::domain::change::{Actor, Mode, Origin};
use muster::domain::mail::{Purpose, Template};
use muster::flows::factors;
use muster::kernel::time::MINUTE;
use muster::store::factors::held;
use reqwest::Method;
use serde_json::json;

use super::{ANA, binds, half_way, is_out, signed_in, with_app};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::{Browser, Person};
use crate::support::client::Ask;
use crate::support::mailbox::{link_to, mails_to};
use crate::support::server::{Site, on_both};

const OTHER: &str = "Quay4-Zr8wNb3Lf";

async fn is_over(site: &Site, browser: &mut Browser) -> bool {
    let me = browser.send(Method::GET, &site.at.url("/me"), None).await;
    (me.status, me.header("location")) == (303, "/login")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_by_an_administrator_ends_every_session_and_token_and_is_told_and_written_down() {
    on_both(async |site| {
        site.stop_jobs().await; // what was delivered is not kept
        let (acme, _) = owned(site, "acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        acme.person("bo", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let guarded = with_app(site, "ana").await;
        let (mut home, mut work) = (guarded.browser.clone(), guarded.signs_in(site, ANA).await);
        let mut of_bo = signed_in(site, "bo").await;
        let ask = Ask::of(&shop).with("scope", "openid offline_access").with("prompt", "consent");
        let hers = shop.sign_in_with(&mut work, ANA, ask).await;
        let his = shop.sign_in(&mut of_bo, Person::named("bo")).await;
        assert!(shop.is_active(hers.access()).await && shop.is_active(his.access()).await);
        let olga = Admin::of(site, &acme, "olga").await;
        let tried = olga.call(Method::DELETE, &format!("/users/{ana}/factors?dry_run=true"), None).await;
        assert_eq!(tried.status, 200, "{}", tried.body);
        assert!(shop.is_active(hers.access()).await && held(&mut site.conn().await, &ana).await.unwrap().any());
        olga.delete(&format!("/users/{ana}/factors")).await;
        assert!(!shop.is_active(hers.access()).await && shop.refresh(hers.refresh()).await.status == 400);
        assert!(is_over(site, &mut home).await && is_over(site, &mut work).await, "everywhere");
        assert!(shop.is_active(his.access()).await && !is_over(site, &mut of_bo).await, "and nobody else's");
        assert!(!held(&mut site.conn().await, &ana).await.unwrap().any());
        let told = mails_to(site, "ana@example.test").await;
        assert!(told.iter().any(|mail| mail.template == Template::FactorsReset), "the person is told");
        let rows = olga.get(&format!("/audit?kind=factor.reset&target={ana}")).await;
        assert_eq!(rows["items"].as_array().map(Vec::len), Some(1), "{rows}");
        // Neither the app nor a recovery code is known any more, and another one can be bound.
        let mut browser = signed_in(site, "ana").await;
        let (_, recovery) = binds(site, &mut browser).await;
        assert!(recovery.iter().all(|code| !guarded.recovery.contains(code)));
        let mut stranger = site.browser();
        let page = half_way(&mut stranger, ANA).await;
        let refused = stranger.press(&page, "recovery-submit", &[("code", &guarded.recovery[0])]).await.page();
        assert_eq!(refused.status, 400);
        let refused = stranger.press(&page, "totp-submit", &[("code", &guarded.code(site))]).await.page();
        assert_eq!(refused.status, 400);
        is_out(&stranger);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_in_many_organisations_is_reset_by_the_operator_alone_and_ends_in_all_of_them() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let globex = site.org("globex").await;
        let cara = site.own_account("cara", PASSWORD).await;
        acme.admit(&cara).await;
        globex.admit(&cara).await;
        let guarded = with_app(site, "cara").await;
        let mut browser = guarded.browser.clone();
        let shop = site.client(&acme.application("shop").await);
        let board = site.client(&globex.application("board").await);
        let at_acme = shop.sign_in(&mut browser, Person::named("cara")).await;
        let at_globex = board.sign_in(&mut browser, Person::named("cara")).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let refused = olga.refused(Method::DELETE, &format!("/users/{cara}/factors"), json!({})).await;
        assert_eq!(refused, (409, "own_account".to_owned()));
        assert!(shop.is_active(at_acme.access()).await && board.is_active(at_globex.access()).await);
        let receipt = factors::reset(site, &Actor::CommandLine, &cara, &Origin::default(), Mode::Act).await.unwrap();
        assert_eq!(receipt.ended.sessions, 2, "{receipt:?}");
        assert!(!shop.is_active(at_acme.access()).await && !board.is_active(at_globex.access()).await);
        assert!(is_over(site, &mut browser).await);
        signed_in(site, "cara").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_for_a_new_password_passes_no_factor_over() {
    on_both(async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let guarded = with_app(site, "ana").await;
        let mut browser = site.browser();
        let page = browser.open(&site.at.url("/forgot")).await.page();
        browser.press(&page, "forgot-submit", &[("username", "ana")]).await;
        let link = link_to(site, "ana@example.test", Purpose::ResetPassword).await;
        let page = browser.open(&link).await.page();
        let typed = [("password", OTHER), ("password_again", OTHER)];
        let done = browser.press(&page, "reset-submit", &typed).await.page();
        assert_eq!(done.status, 200, "{done:?}");
        is_out(&browser);
        assert!(is_over(site, &mut browser).await, "a new password is no sign-in");
        assert!(is_over(site, &mut guarded.browser.clone()).await, "and it ended what was open");
        let ana = Person { password: OTHER, ..ANA };
        let page = half_way(&mut browser, ana).await;
        assert!(page.has("totp-form"), "{page:?}");
        site.advance(MINUTE);
        guarded.signs_in(site, ana).await;
    })
    .await;
}
