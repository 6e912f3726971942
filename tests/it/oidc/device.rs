//! Sign-in on another device (RFC 8628): a code is typed or compared, a person who has just proved who they are says yes
//! to what they see, and of all polls one gets the tokens.

use futures_util::future::join_all;
use muster::domain::change::Change;
use muster::domain::oauth::application::{Application, AuthMethod, GrantType};
use muster::domain::people::user::MembershipState;
use muster::flows::bootstrap;
use muster::kernel::time::{MINUTE, SECOND};
use muster::store::applications;
use reqwest::Method;
use serde_json::json;

use crate::support::PASSWORD;
use crate::support::application::{Credentials, Registered};
use crate::support::browser::{Browser, Person};
use crate::support::client::{Client, Tokens, list};
use crate::support::http::Answer;
use crate::support::page::Page;
use crate::support::server::{Site, on_both};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const ANA: Person<'_> = Person::named("ana");
const SCOPE: &str = "openid roles offline_access";

/// What a device knows of its own request.
struct Device {
    code: String,
    user_code: String,
    complete: String,
}

fn of_device(application: &mut Application) {
    application.auth_method = AuthMethod::None;
    application.grant_types = vec![GrantType::DeviceCode, GrantType::RefreshToken];
    application.redirect_uris.clear();
}

/// Acme with Ana, and a television that she wants to use.
async fn television(site: &Site) -> Client {
    let acme = site.org("acme").await;
    acme.person("ana", PASSWORD).await;
    acme.give("ana", "org.reader", None).await;
    site.client(&acme.application_with("tv", of_device).await)
}

async fn begin_with(client: &Client, scope: &str) -> Device {
    let answer = client.post("/device_authorization", &[("scope", scope)]).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{}", answer.body);
    let told = answer.json();
    assert_eq!(told["verification_uri"], client.at.url("/device"));
    assert_eq!((&told["expires_in"], &told["interval"]), (&json!(600), &json!(5)));
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    let device =
        Device { code: text("device_code"), user_code: text("user_code"), complete: text("verification_uri_complete") };
    assert_eq!((device.code.len(), device.user_code.len()), (7 + 43, 9));
    device
}

async fn begin(client: &Client) -> Device {
    begin_with(client, SCOPE).await
}

async fn poll(client: &Client, device: &Device) -> Answer {
    client.post("/token", &[("grant_type", GRANT), ("device_code", &device.code)]).await
}

fn refused(word: &str) -> (u16, String) {
    (400, word.to_owned())
}

/// Types a code; the page that follows.
async fn types(browser: &mut Browser, code: &str) -> Page {
    let url = browser.at.url("/device");
    let page = browser.open(&url).await.page();
    browser.press(&page, "device-continue", &[("user_code", code)]).await.page()
}

/// Signs in on the page, which must ask for it.
async fn signs_in(browser: &mut Browser, page: &Page) -> Page {
    browser.press(page, "login-submit", &[("username", ANA.name), ("password", ANA.password)]).await.page()
}

/// Types the code, signs in if asked, and presses a button of the page that says who asks; the page at the end.
async fn decides(browser: &mut Browser, device: &Device, button: &str) -> Page {
    let mut page = types(browser, &device.user_code).await;
    if page.has("login-form") {
        page = signs_in(browser, &page).await;
    }
    browser.press(&page, button, &[]).await.page()
}

async fn allows(site: &Site, device: &Device) {
    let page = decides(&mut site.browser(), device, "device-allow").await;
    assert!(page.status == 200 && page.text().contains("Your device is signed in"), "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_let_in_by_a_person_who_compared_the_code_and_saw_who_asks() {
    on_both(async |site| {
        let tv = television(site).await;
        let device = begin(&tv).await;
        assert_eq!(poll(&tv, &device).await.refusal(), refused("authorization_pending"));

        // The address with the code in it allows nothing, however often it is opened.
        let mut browser = site.browser();
        let page = browser.open(&device.complete).await.page();
        assert!(page.text().contains(&device.user_code) && page.has("device-continue"));
        site.advance(5 * SECOND);
        assert_eq!(poll(&tv, &device).await.refusal(), refused("authorization_pending"));

        let page = browser.press(&page, "device-continue", &[]).await.page();
        assert!(page.text().contains("The tv"), "{page:?}");
        let page = signs_in(&mut browser, &page).await;
        for part in ["The tv", "Ana Example", "Acme", "127.0.0.1", &device.user_code, "org.reader", "Stay signed in"] {
            assert!(page.text().contains(part), "{part} is missing: {page:?}");
        }
        site.advance(5 * SECOND);
        assert_eq!(poll(&tv, &device).await.refusal(), refused("authorization_pending"));
        let page = browser.press(&page, "device-allow", &[]).await.page();
        assert!(page.text().contains("Your device is signed in"), "{page:?}");

        let tokens = Tokens::read(&poll(&tv, &device).await);
        let claims = tokens.claims();
        assert_eq!(claims["sub"], site.org("acme").await.user_id("ana").await.as_str());
        assert_eq!((&claims["client_id"], &claims["org_slug"]), (&json!("tv"), &json!("acme")));
        assert_eq!(list(&claims["org_roles"]), ["org.reader"]);
        assert_eq!(tokens.id_claims()["aud"], "tv");
        assert_eq!(tv.userinfo(tokens.access()).await.status, 200);
        let next = Tokens::read(&tv.refresh(tokens.refresh()).await);
        assert_eq!(tv.userinfo(next.access()).await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_polls_too_often_is_told_to_slow_down_each_time_by_five_seconds_more() {
    on_both(async |site| {
        let tv = television(site).await;
        let device = begin(&tv).await;
        assert_eq!(poll(&tv, &device).await.refusal(), refused("authorization_pending"));
        assert_eq!(poll(&tv, &device).await.refusal(), refused("slow_down"));
        site.advance(6 * SECOND);
        assert_eq!(poll(&tv, &device).await.refusal(), refused("slow_down"), "it is ten seconds by now");
        site.advance(15 * SECOND);
        assert_eq!(poll(&tv, &device).await.refusal(), refused("authorization_pending"));
        allows(site, &device).await;
        assert_eq!(poll(&tv, &device).await.status, 200, "tokens that are there don't wait");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_says_no_or_does_not_come_in_time_lets_nobody_in() {
    on_both(async |site| {
        let tv = television(site).await;
        let denied = begin(&tv).await;
        let page = decides(&mut site.browser(), &denied, "device-deny").await;
        assert!(page.text().contains("Not signed in"), "{page:?}");
        assert_eq!(poll(&tv, &denied).await.refusal(), refused("access_denied"));
        assert_eq!(poll(&tv, &denied).await.refusal(), refused("access_denied"));
        assert!(types(&mut site.browser(), &denied.user_code).await.has("user-code"), "its code is dead");

        let (late, mut browser) = (begin(&tv).await, site.browser());
        let page = types(&mut browser, &late.user_code).await;
        let page = signs_in(&mut browser, &page).await;
        site.advance(10 * MINUTE);
        assert_eq!(poll(&tv, &late).await.refusal(), refused("expired_token"));
        let page = browser.press(&page, "device-allow", &[]).await.page();
        assert!(!page.text().contains("Your device is signed in"), "{page:?}");
        assert_eq!(poll(&tv, &late).await.refusal(), refused("expired_token"));

        let (given_up, mut browser) = (begin(&tv).await, site.browser());
        let page = types(&mut browser, &given_up.user_code).await;
        let page = browser.press(&page, "login-cancel", &[]).await.page();
        assert!(page.status == 200 && page.text().contains("Nothing was allowed"), "{page:?}");
        assert_eq!(poll(&tv, &given_up).await.refusal(), refused("authorization_pending"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_types_wrong_codes_has_to_pause() {
    const WRONG: &str = "bcdf-ghjk";
    on_both(async |site| {
        let tv = television(site).await;
        let (device, mut guesser) = (begin(&tv).await, site.browser());
        for _ in 0..5 {
            let page = types(&mut guesser, WRONG).await;
            assert!(page.status == 400 && page.text().contains("That code isn't right"), "{page:?}");
        }
        let page = types(&mut guesser, &device.user_code).await;
        assert!(page.status == 429 && page.text().contains("Too many codes were wrong"), "{page:?}");
        for typed in ["", "what?", "AEIO-UAEI"] {
            assert_eq!(types(&mut site.browser(), typed).await.status, 400, "no code at all is no guess");
        }
        // Another browser at the same address may still go on, until the address has had its ten.
        assert!(types(&mut site.browser(), &device.user_code).await.has("login-form"));
        for _ in 0..5 {
            assert_eq!(types(&mut site.browser(), WRONG).await.status, 400);
        }
        assert_eq!(types(&mut site.browser(), &device.user_code).await.status, 429);
        site.advance(MINUTE);
        assert!(types(&mut site.browser(), &device.user_code).await.has("login-form"));
        assert_eq!(types(&mut guesser, &device.user_code).await.status, 429, "the browser waits longer");
        site.advance(10 * MINUTE);
        let next = begin(&tv).await;
        assert!(types(&mut guesser, &next.user_code).await.has("login-form"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_code_is_good_for_the_application_it_was_issued_to_and_for_no_other_grant() {
    on_both(async |site| {
        let tv = television(site).await;
        let acme = site.org("acme").await;
        let shop = site.client(&acme.application("shop").await);
        let answer = shop.post("/device_authorization", &[("scope", SCOPE)]).await;
        assert_eq!(answer.refusal(), refused("unauthorized_client"), "off unless the registration names the grant");
        let device = begin(&tv).await;
        allows(site, &device).await;
        assert_eq!(poll(&shop, &device).await.refusal(), refused("unauthorized_client"));
        let other = site.client(&acme.application_with("radio", of_device).await);
        assert_eq!(poll(&other, &device).await.refusal(), refused("invalid_grant"));
        assert_eq!(shop.exchange(&device.code, "").await.refusal(), refused("invalid_grant"));
        assert_eq!(tv.refresh(&device.code).await.refusal(), refused("invalid_grant"));
        let user_code = Device { code: device.user_code.clone(), ..begin(&tv).await };
        assert_eq!(poll(&tv, &user_code).await.refusal(), refused("invalid_grant"));
        assert_eq!(tv.post("/token", &[("grant_type", GRANT)]).await.refusal(), refused("invalid_request"));
        // What it asks for is held to its registration, and what it was allowed is what was asked.
        let tokens = Tokens::read(&poll(&tv, &device).await);
        assert_eq!(tokens.answer["scope"], "offline_access openid roles");
        let greedy = begin_with(&tv, "openid phone muster.admin").await;
        allows(site, &greedy).await;
        assert_eq!(Tokens::read(&poll(&tv, &greedy).await).answer["scope"], "openid");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_code_that_is_used_twice_ends_what_it_made() {
    on_both(async |site| {
        let tv = television(site).await;
        let device = begin(&tv).await;
        allows(site, &device).await;
        let tokens = Tokens::read(&poll(&tv, &device).await);
        assert_eq!(tv.userinfo(tokens.access()).await.status, 200);
        assert_eq!(poll(&tv, &device).await.refusal(), refused("invalid_grant"));
        assert_eq!(tv.userinfo(tokens.access()).await.status, 401);
        assert_eq!(tv.refresh(tokens.refresh()).await.refusal(), refused("invalid_grant"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_polls_at_once_none_is_left_with_a_live_token_and_of_twenty_approvals_one_counts() {
    on_both(async |site| {
        let tv = television(site).await;
        let (device, mut browser) = (begin(&tv).await, site.browser());
        let page = types(&mut browser, &device.user_code).await;
        let page = signs_in(&mut browser, &page).await;
        let approvals = (0..20).map(|_| {
            let (mut browser, page) = (browser.clone(), page.clone());
            async move { browser.press(&page, "device-allow", &[]).await.page() }
        });
        let ends = join_all(approvals).await;
        let let_in = ends.iter().filter(|page| page.text().contains("Your device is signed in")).count();
        assert_eq!(let_in, 1, "{ends:?}");
        assert!(ends.iter().filter(|page| page.text().contains("Too late")).count() == 19, "{ends:?}");

        let answers = join_all((0..20).map(|_| poll(&tv, &device))).await;
        let given: Vec<Tokens> = answers.iter().filter(|answer| answer.status == 200).map(Tokens::read).collect();
        assert!(given.len() <= 1, "one code, {} answers with tokens", given.len());
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!(answer.refusal(), refused("invalid_grant"));
        }
        for tokens in given {
            assert_eq!(tv.userinfo(tokens.access()).await.status, 401);
            assert_eq!(tv.refresh(tokens.refresh()).await.refusal(), refused("invalid_grant"));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_membership_that_ends_before_the_device_comes_lets_it_in_no_more() {
    on_both(async |site| {
        let tv = television(site).await;
        let acme = site.org("acme").await;
        let org = acme.id.clone();
        let (suspended, removed) = (begin(&tv).await, begin(&tv).await);
        allows(site, &suspended).await;
        let member = acme.member_id("ana").await;
        for state in [MembershipState::Suspended, MembershipState::Active] {
            site.act(vec![Change::SetMemberState { org: org.clone(), member: member.clone(), state }]).await;
        }
        assert_eq!(poll(&tv, &suspended).await.refusal(), refused("invalid_grant"), "it doesn't come back by itself");
        allows(site, &removed).await;
        site.act(vec![Change::RemoveMember { org, member }]).await;
        assert_eq!(poll(&tv, &removed).await.refusal(), refused("invalid_grant"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_lies_back_further_than_ten_minutes_is_not_enough() {
    on_both(async |site| {
        let tv = television(site).await;
        let mut browser = site.browser();
        browser.sign_in(ANA).await;
        let device = begin(&tv).await;
        let page = types(&mut browser, &device.user_code).await;
        assert!(page.has("device-allow"), "{page:?}");
        site.advance(10 * MINUTE + SECOND);
        let page = browser.press(&page, "device-allow", &[]).await.page();
        assert!(page.has("login-form"), "{page:?}");
        let later = begin(&tv).await;
        let page = types(&mut browser, &later.user_code).await;
        assert!(page.has("login-form"), "{page:?}");
        assert!(signs_in(&mut browser, &page).await.has("device-allow"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_allowed_but_from_the_page_that_the_person_saw() {
    on_both(async |site| {
        let tv = television(site).await;
        let (device, mut browser) = (begin(&tv).await, site.browser());
        let login = types(&mut browser, &device.user_code).await;
        let url = site.at.url("/device/confirm");
        let mut fields = login.form_with("login-form").unwrap().filled("login-submit", &[]);
        fields.retain(|(name, _)| ["request", "csrf"].contains(&name.as_str()));
        fields.push(("act".to_owned(), "allow".to_owned()));
        // The request of a page that didn't show who asks: whoever sends it signs in and is asked.
        let answer = browser.send(Method::POST, &url, Some(&fields)).await;
        let page = Page::read(url.clone(), answer.status, answer.body);
        assert!(page.has("login-form"), "{page:?}");
        let page = signs_in(&mut browser, &page).await;
        assert!(page.has("device-allow"), "{page:?}");
        // That page, sent by another site, or by another browser.
        let fields = page.form_with("device-allow").unwrap().filled("device-allow", &[]);
        let foreign = Browser::foreign("https://evil.example");
        assert_eq!(browser.send_with(Method::POST, &url, Some(&fields), &foreign).await.status, 403);
        assert_eq!(site.browser().send(Method::POST, &url, Some(&fields)).await.status, 403);
        let bare: Vec<(String, String)> = fields.into_iter().filter(|(name, _)| name != "csrf").collect();
        assert_eq!(browser.send(Method::POST, &url, Some(&bare)).await.status, 403);
        assert_eq!(poll(&tv, &device).await.refusal(), refused("authorization_pending"));
        let answer = site.at.get("/device/confirm").await;
        assert_eq!(answer.status, 405, "no address allows anything");
    })
    .await;
}

// H17
#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_is_registered_at_the_start_and_lets_people_in_without_their_password() {
    on_both(async |site| {
        television(site).await;
        bootstrap::command_line(site).await.expect("the door accepts it");
        let stamp = applications::stamp(&mut site.conn().await, bootstrap::COMMAND_LINE).await.unwrap();
        bootstrap::command_line(site).await.expect("the door accepts it");
        let again = applications::stamp(&mut site.conn().await, bootstrap::COMMAND_LINE).await.unwrap();
        assert!(stamp.is_some() && stamp == again, "a second start writes nothing");
        let found = applications::by_client_id(&mut site.conn().await, bootstrap::COMMAND_LINE).await.unwrap();
        let mut application = found.expect("it is there");
        let cli = site.client(&Registered { application: application.clone(), credentials: Credentials::None });

        let scope = "openid roles offline_access muster.admin";
        let device = begin_with(&cli, scope).await;
        let mut browser = site.browser();
        let page = types(&mut browser, &device.user_code).await;
        let page = signs_in(&mut browser, &page).await;
        assert!(page.text().contains("Muster on the command line"), "{page:?}");
        browser.press(&page, "device-allow", &[]).await.page();
        let tokens = Tokens::read(&poll(&cli, &device).await);
        assert_eq!(tokens.claims()["scope"], "muster.admin offline_access openid roles");
        let password = [("grant_type", "password"), ("username", "ana"), ("password", PASSWORD)];
        assert_eq!(cli.post("/token", &password).await.refusal(), refused("unsupported_grant_type"));

        application.state = muster::domain::oauth::application::ApplicationState::Disabled;
        site.act(vec![Change::PutApplication(Box::new(application))]).await;
        bootstrap::command_line(site).await.expect("the door accepts it");
        assert_eq!(cli.userinfo(tokens.access()).await.status, 401, "an operator's word outlives the next start");
        assert_eq!(cli.post("/device_authorization", &[("scope", scope)]).await.refusal().1, "invalid_client");
    })
    .await;
}
