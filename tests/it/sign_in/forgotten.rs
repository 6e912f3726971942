//! Forgotten passwords: one answer for everybody, one link to one address, one use, and no session at its end.

use futures_util::future::join_all;
use muster::domain::change::{Change, Origin};
use muster::domain::mail::Purpose;
use muster::domain::people::user::{Kind as Whose, UserState};
use muster::flows::forgotten::{self, Asked, By};
use muster::flows::links::Dead;
use muster::flows::set_password::NotSet;
use muster::flows::sign_in::Context;
use muster::kernel::secret::Secret;
use muster::kernel::time::{HOUR, MINUTE, SECOND};
use reqwest::Method;

use super::letters::{OTHER, registered};
use crate::support::PASSWORD;
use crate::support::browser::{Browser, Person};
use crate::support::http::Answer;
use crate::support::mailbox::{count_to, link_to, nth_link, secret_of};
use crate::support::page::Page;
use crate::support::server::{Site, on_both as on_both_served};
use crate::support::world::{World, on_both};

const ANA: &str = "ana@example.test";
const PHONE: &str = "+82 10 1234 5678";

/// Asks for a new password by the page.
async fn ask(browser: &mut Browser, site: &Site, name: &str) -> Page {
    let page = browser.open(&site.at.url("/forgot")).await.page();
    browser.press(&page, "forgot-submit", &[("username", name)]).await.page()
}

/// Opens a link and sets a password with it.
async fn reset(browser: &mut Browser, link: &str, password: &str) -> Page {
    let page = browser.open(link).await.page();
    let typed = [("password", password), ("password_again", password)];
    browser.press(&page, "reset-submit", &typed).await.page()
}

fn now_with(password: &'static str) -> Person<'static> {
    Person { password, ..Person::named("ana") }
}

// H25
#[tokio::test(flavor = "multi_thread")]
async fn a_link_sets_a_new_password_once_and_ends_every_session_and_leads_to_the_sign_in() {
    on_both_served(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let mut before = site.browser();
        let tokens = shop.sign_in(&mut before, Person::named("ana")).await;
        let mut browser = site.browser();
        let page = browser.open(&site.at.url("/o/acme/login")).await.page();
        assert!(page.html.contains("href=\"/forgot?organization=acme\""), "{}", page.html);
        let done = ask(&mut browser, site, "ana").await;
        assert_eq!(done.status, 200);
        let link = link_to(site, ANA, Purpose::ResetPassword).await;
        for method in [Method::GET, Method::HEAD, Method::GET] {
            let answer = site.browser().send(method, &link, None).await;
            assert_eq!((answer.status, answer.header("referrer-policy")), (200, "no-referrer"));
            assert_eq!(answer.header("cache-control"), "no-store");
        }
        let landed = reset(&mut browser, &link, OTHER).await;
        assert_eq!(landed.url, site.at.url("/o/acme/login?after=password_changed"));
        assert!(landed.has("login-form") && landed.text().contains("Your password was changed. Sign in."));
        assert!(browser.cookie("muster").is_none(), "nobody is signed in by a link");
        assert!(!shop.is_signed_in(&mut before).await && !shop.is_active(tokens.access()).await);
        assert_eq!(shop.refresh(tokens.refresh()).await.status, 400);
        assert!(site.browser().sign_in(now_with(PASSWORD)).await.page().has("login-form"), "the old one is none");
        assert_eq!(site.browser().sign_in(now_with(OTHER)).await.page().url, site.at.url("/me"));
        for _ in 0..2 {
            let dead = browser.open(&link).await.page();
            assert!(dead.status == 410 && dead.text().contains("This link was used"), "{dead:?}");
        }
    })
    .await;
}

// H24 H25
#[tokio::test(flavor = "multi_thread")]
async fn user_name_address_and_phone_reach_one_account_and_the_link_comes_by_the_way_that_was_asked_for() {
    on_both_served(async |site| {
        let acme = site.org("acme").await;
        let mut user = site.new_user(Whose::Managed(acme.id.clone()), "ana", PASSWORD).await;
        user.profile.phone_number = Some(PHONE.to_owned());
        user.profile.phone_number_verified = true;
        let id = user.id.clone();
        site.act(vec![Change::CreateUser(Box::new(user))]).await;
        acme.admit(&id).await;
        for (number, name) in ["ana", "Ana@Example.test", "+82-10-1234-5678"].into_iter().enumerate() {
            ask(&mut site.browser(), site, name).await;
            nth_link(site, ANA, Purpose::ResetPassword, number + 1).await;
            let signed_in = site.browser().sign_in(Person::named(name)).await.page();
            assert_eq!(signed_in.url, site.at.url("/me"), "{name}");
        }
        site.advance(HOUR + SECOND);
        let mut browser = site.browser();
        let page = browser.open(&site.at.url("/forgot?via=sms&organization=acme")).await.page();
        browser.press(&page, "forgot-submit", &[("username", "ana")]).await.page();
        let link = link_to(site, PHONE, Purpose::ResetPassword).await;
        let before = nth_link(site, ANA, Purpose::ResetPassword, 3).await;
        let dead = browser.open(&before).await.page();
        assert!(dead.status == 410, "a newer link takes the place of the one before: {dead:?}");
        assert!(reset(&mut browser, &link, OTHER).await.has("login-form"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_meant_the_answer_is_one() {
    on_both_served(async |site| {
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        for name in ["ana", "suspended", "double"] {
            acme.person(name, PASSWORD).await;
        }
        globex.person("double", PASSWORD).await;
        registered(&acme, "pending").await;
        let suspended = acme.user_id("suspended").await;
        site.act(vec![Change::SetUserState { user: suspended, state: UserState::Suspended }]).await;
        let mut browser = site.browser();
        let expected = ask(&mut browser, site, "ana").await;
        assert_eq!(expected.status, 200);
        for name in ["nobody", "suspended", "double", "pending", "stranger@elsewhere.test", "ana,bo", PHONE] {
            let page = ask(&mut browser, site, name).await;
            assert_eq!((page.status, &page.html), (expected.status, &expected.html), "{name}");
        }
        link_to(site, ANA, Purpose::ResetPassword).await;
        for (name, purpose, sent) in [
            ("suspended", Purpose::ResetPassword, 0),
            ("double", Purpose::ResetPassword, 0),
            ("pending", Purpose::ResetPassword, 0),
            // The one from the registration; a minute passes before another.
            ("pending", Purpose::SetPassword, 1),
        ] {
            assert_eq!(count_to(site, &format!("{name}@example.test"), purpose).await, sent, "{name}");
        }
        site.advance(MINUTE + SECOND);
        ask(&mut browser, site, "pending").await;
        let link = nth_link(site, "pending@example.test", Purpose::SetPassword, 2).await;
        assert!(browser.open(&link).await.page().has("welcome-form"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_accounts_own_address_gets_the_link_however_it_is_asked_for() {
    on_both_served(async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let mut browser = site.browser();
        let url = site.at.url("/forgot");
        let page = browser.open(&url).await.page();
        let csrf = page.form_with("forgot-submit").unwrap().filled("forgot-submit", &[]);
        let with = |more: &[(&str, &str)]| -> Vec<(String, String)> {
            let base = csrf.iter().filter(|(name, _)| name == "csrf").cloned();
            base.chain(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))).collect()
        };
        for fields in [
            with(&[("username", "ana"), ("username", "evil@evil.test")]),
            with(&[("username[]", ANA), ("username[]", "evil@evil.test")]),
            with(&[("username[]", ANA)]),
            with(&[("username", "ana@example.test\r\nBcc: evil@evil.test")]),
            with(&[("username", "")]),
            with(&[]),
        ] {
            let answer = browser.send(Method::POST, &url, Some(&fields)).await;
            assert_eq!(answer.status, 400, "{fields:?}: {}", answer.body);
        }
        let json =
            site.at.request(Method::POST, &url).json(&serde_json::json!({ "username": [ANA, "evil@evil.test"] }));
        assert_eq!(Answer::to(json).await.status, 400);
        // Hosts that a request names are not the one that the link leads to (E5).
        let hostile = [
            ("origin", site.at.issuer.clone()),
            ("x-forwarded-host", "evil.test".to_owned()),
            ("x-forwarded-proto", "gopher".to_owned()),
            ("forwarded", "host=evil.test;proto=https".to_owned()),
            ("x-original-url", "https://evil.test/forgot".to_owned()),
        ];
        let both = with(&[("username", "ana"), ("email", "evil@evil.test")]);
        let answer = browser.send_with(Method::POST, &url, Some(&both), &hostile).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let link = link_to(site, ANA, Purpose::ResetPassword).await;
        assert!(link.starts_with(&format!("{}/reset/mln_", site.at.issuer)), "{link}");
        assert_eq!(count_to(site, ANA, Purpose::ResetPassword).await, 1);
        assert_eq!(count_to(site, "evil@evil.test", Purpose::ResetPassword).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_gets_three_links_an_hour_and_a_network_ten_answers() {
    on_both_served(async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let mut browser = site.browser();
        for number in 1..=4_usize {
            assert_eq!(ask(&mut browser, site, "ana").await.status, 200);
            nth_link(site, ANA, Purpose::ResetPassword, number.min(3)).await;
        }
        assert_eq!(count_to(site, ANA, Purpose::ResetPassword).await, 3, "the fourth is silently none");
        for _ in 5..=10 {
            assert_eq!(ask(&mut browser, site, "nobody").await.status, 200);
        }
        let page = browser.open(&site.at.url("/forgot")).await.page();
        let fields = page.form_with("forgot-submit").unwrap().filled("forgot-submit", &[("username", "nobody")]);
        let answer = browser.send(Method::POST, &site.at.url("/forgot"), Some(&fields)).await;
        let wait: i64 = answer.header("retry-after").parse().unwrap_or_default();
        assert!(answer.status == 429 && (1..=3600).contains(&wait), "{} {wait}", answer.status);
        site.advance(HOUR + SECOND);
        assert_eq!(ask(&mut browser, site, "ana").await.status, 200);
        nth_link(site, ANA, Purpose::ResetPassword, 4).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_link_opens_nothing_and_no_step_can_be_left_out() {
    on_both_served(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        registered(&acme, "pia").await;
        let first = link_to(site, "pia@example.test", Purpose::SetPassword).await;
        let first = first.rsplit('/').next().unwrap_or_default().to_owned();
        let mut browser = site.browser();
        ask(&mut browser, site, "ana").await;
        let link = link_to(site, ANA, Purpose::ResetPassword).await;
        let good = link.rsplit('/').next().unwrap_or_default().to_owned();
        let page = browser.open(&link).await.page();
        let typed = [("password", OTHER), ("password_again", OTHER)];
        let fields = page.form_with("reset-submit").unwrap().filled("reset-submit", &typed);
        let flipped = format!("{}{}", &good[..good.len() - 1], if good.ends_with('A') { 'B' } else { 'A' });
        let upper = good.to_uppercase();
        let longer = format!("{good}A");
        // A link of another purpose is none here either (E7).
        for wrong in ["", "null", "0", "[]", "%20", "mln_", &flipped, &upper, &longer, &good[4..], &first] {
            let url = site.at.url(&format!("/reset/{wrong}"));
            assert_eq!(browser.send(Method::GET, &url, None).await.status, 404, "GET {wrong:?}");
            let status = browser.send(Method::POST, &url, Some(&fields)).await.status;
            assert!([404, 405].contains(&status), "POST {wrong:?}: {status}");
        }
        let welcome = site.at.url(&format!("/welcome/{good}"));
        assert_eq!(browser.send(Method::POST, &welcome, Some(&fields)).await.status, 404);
        // The same browser, without the link.
        for path in ["/login/password-change", "/forgot"] {
            let status = browser.send(Method::POST, &site.at.url(path), Some(&fields)).await.status;
            assert_eq!(status, 400, "{path}");
        }
        assert!(site.browser().sign_in(now_with(OTHER)).await.page().has("login-form"), "nothing was set");
        // Without the page's token nothing is set, and the link stays good.
        let bare: Vec<(String, String)> = fields.iter().filter(|(name, _)| name != "csrf").cloned().collect();
        assert_eq!(browser.send(Method::POST, &link, Some(&bare)).await.status, 403);
        let short = reset(&mut browser, &link, "ana").await;
        let text = short.text();
        for rule in ["Use 6 to 32 characters.", "Use at least two of", "Don't use your username"] {
            assert!(short.status == 400 && text.contains(rule), "{rule}: {short:?}");
        }
        assert!(short.html.contains("<title>Error: ") && !short.html.contains("value=\"ana\""));
        assert!(reset(&mut browser, &link, OTHER).await.has("login-form"));
    })
    .await;
}

/// Asks for a link for Ana without a page, and gives its secret.
async fn secret_for_ana(world: &World) -> Secret {
    let sent = count_to(world, ANA, Purpose::ResetPassword).await;
    let asked = forgotten::ask(world, "ana", Context::None, By::Mail, &Origin::default()).await.unwrap();
    assert_eq!(asked, Asked::Done);
    secret_of(&nth_link(world, ANA, Purpose::ResetPassword, sent + 1).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_who_use_a_link_at_once_one_sets_the_password() {
    on_both(async |world| {
        world.org("acme").await.person("ana", PASSWORD).await;
        let secret = secret_for_ana(&world).await;
        let all = join_all((0..50).map(|number| {
            let (world, secret) = (world.clone(), secret.clone());
            tokio::spawn(async move {
                let new = Secret::presented(format!("{OTHER}{number}"));
                forgotten::set(&world, &secret, new, &Origin::default()).await
            })
        }));
        let outcomes: Vec<_> = all.await.into_iter().map(Result::unwrap).collect();
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        for lost in outcomes.into_iter().filter_map(Result::err) {
            assert!(matches!(lost, NotSet::Dead(Dead::Used)), "{lost:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_good_for_half_an_hour_and_dies_with_whatever_else_changes_the_password() {
    on_both(async |world| {
        let acme = world.org("acme").await;
        let user = acme.person("ana", PASSWORD).await;
        let set =
            async |secret: &Secret| forgotten::set(&world, secret, Secret::presented(OTHER), &Origin::default()).await;
        let first = secret_for_ana(&world).await;
        world.advance(30 * MINUTE);
        assert!(matches!(set(&first).await, Err(NotSet::Dead(Dead::Expired { .. }))));
        let second = secret_for_ana(&world).await;
        world.advance(30 * MINUTE - SECOND);
        assert_eq!(set(&second).await.unwrap().as_deref(), Some("acme"));
        world.advance(HOUR);
        let third = secret_for_ana(&world).await;
        let hash = world.hasher.hash(Secret::presented(PASSWORD)).await.unwrap();
        world.act(vec![Change::ResetPassword { user: user.clone(), password: hash, must_change: true }]).await;
        assert!(matches!(set(&third).await, Err(NotSet::Dead(_))), "an administrator has set another one");
        let fourth = secret_for_ana(&world).await;
        world.act(vec![Change::SetUserState { user, state: UserState::Suspended }]).await;
        assert!(matches!(set(&fourth).await, Err(NotSet::Dead(_))), "the account is suspended");
    })
    .await;
}
