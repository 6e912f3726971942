//! A password that must be changed before anything else: no session and no token before it is done.

use muster::domain::change::Change;
use muster::domain::people::password::PasswordPolicy;
use muster::domain::people::user::Kind as Whose;
use muster::domain::settings::{OrgSettings, OwnData};
use muster::kernel::secret::Secret;
use muster::kernel::time::{DAY, MINUTE, SECOND};
use reqwest::Method;

use super::letters::OTHER;
use crate::support::PASSWORD;
use crate::support::browser::{Arrival, Browser, Landing, Person};
use crate::support::client::Ask;
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::server::{Site, on_both};

const TYPED: [(&str, &str); 2] = [("password", OTHER), ("password_again", OTHER)];

/// Somebody whose password an administrator has given.
async fn given(site: &Site, org: &Org, user_name: &str) {
    let mut user = site.new_user(Whose::Managed(org.id.clone()), user_name, PASSWORD).await;
    user.must_change = true;
    let id = user.id.clone();
    site.act(vec![Change::CreateUser(Box::new(user))]).await;
    org.admit(&id).await;
}

/// Signs in on the page of an authorization request, or of none.
async fn sign_in(browser: &mut Browser, url: &str, name: &str) -> Page {
    let page = browser.open(url).await.page();
    browser.press(&page, "login-submit", &[("username", name), ("password", PASSWORD)]).await.page()
}

/// Through the consent page, if there is one.
async fn arrived(browser: &mut Browser, landing: Landing) -> Arrival {
    match landing {
        Landing::Page(page) => browser.press(&page, "consent-allow", &[]).await.arrival(),
        Landing::Away(arrival) => arrival,
    }
}

async fn is_nobody(site: &Site, browser: &mut Browser) {
    assert!(browser.cookie("muster").is_none());
    let me = browser.send(Method::GET, &site.at.url("/me"), None).await;
    assert_eq!((me.status, me.header("location")), (303, "/login"));
}

// H26
#[tokio::test(flavor = "multi_thread")]
async fn a_given_password_is_changed_before_there_is_a_session_or_a_token() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        given(site, &acme, "ana").await;
        let shop = site.client(&acme.application("shop").await);
        let (mut browser, ask) = (site.browser(), Ask::of(&shop));
        let page = sign_in(&mut browser, &ask.url(&site.at), "ana").await;
        assert!(page.has("change-form") && page.text().contains("given to you by somebody else"), "{page:?}");
        assert!(page.text().contains("Use 6 to 32 characters."), "{page:?}");
        is_nobody(site, &mut browser).await;
        assert_eq!(browser.ask_silently(&Ask::of(&shop)).await.param("error"), "login_required");
        assert_eq!(shop.exchange("mst_ac_nothing", &ask.verifier).await.refusal(), (400, "invalid_grant".to_owned()));
        for (new, repeated, says) in [
            (OTHER, "Quay4-Zr8wNb3Lg", "The two passwords are not the same."),
            (PASSWORD, PASSWORD, "You used this one recently."),
            ("short", "short", "<a href=\"#password\">Use 6 to 32 characters.</a>"),
            ("", "", "Enter a new password."),
        ] {
            let typed = [("password", new), ("password_again", repeated)];
            let again = browser.press(&page, "change-submit", &typed).await.page();
            assert!(again.status == 400 && again.html.contains(says), "{says}: {}", again.html);
            assert!(again.html.contains("<title>Error: ") && !again.html.contains("Zr8w"), "{}", again.html);
            is_nobody(site, &mut browser).await;
        }
        // Another browser can do nothing with the form, and this one nothing without its token.
        let fields = page.form_with("change-submit").unwrap().filled("change-submit", &TYPED);
        let url = site.at.url("/login/password-change");
        assert_eq!(site.browser().send(Method::POST, &url, Some(&fields)).await.status, 403);
        let before = site.now().seconds();
        let landing = browser.press(&page, "change-submit", &TYPED).await;
        let arrival = arrived(&mut browser, landing).await;
        let claims = shop.tokens_of(&arrival, &ask).await.claims();
        assert!(claims["auth_time"].as_i64().unwrap_or_default() >= before, "{claims}");
        // The form is good for one change.
        let landing =
            browser.press(&page, "change-submit", &[("password", PASSWORD), ("password_again", PASSWORD)]).await;
        assert!(
            matches!(&landing, Landing::Page(page) if page.status == 400 && !page.has("change-form")),
            "{landing:?}"
        );
        let signed_in = site.browser().sign_in(Person { password: OTHER, ..Person::named("ana") }).await.page();
        assert_eq!(signed_in.url, site.at.url("/me"), "and asked for nothing more");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_right_password_tells_that_it_must_be_changed() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        given(site, &acme, "ana").await;
        acme.person("bo", PASSWORD).await;
        let mut browser = site.browser();
        let mut answers = Vec::new();
        for name in ["bo", "ana"] {
            let page = browser.sign_in(Person { password: "wrong-1", ..Person::named(name) }).await.page();
            let typed = format!("value=\"{name}\"");
            answers.push((page.status, page.without_hidden_values().replace(&typed, "value=\"\"")));
        }
        assert_eq!(answers[0], answers[1]);
        for _ in 0..4 {
            browser.sign_in(Person { password: "wrong-1", ..Person::named("ana") }).await;
        }
        let page = sign_in(&mut browser, &site.at.url("/login"), "ana").await;
        assert!(page.has("login-form"), "its failures count like everybody's: {page:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_dies_after_ten_minutes_and_when_another_password_is_given() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        given(site, &acme, "ana").await;
        let mut browser = site.browser();
        let url = site.at.url("/login");
        let page = sign_in(&mut browser, &url, "ana").await;
        site.advance(10 * MINUTE + SECOND);
        let late = browser.press(&page, "change-submit", &TYPED).await.page();
        assert!(late.status == 400 && !late.has("change-form"), "{late:?}");
        let page = sign_in(&mut browser, &url, "ana").await;
        let password = site.hasher.hash(Secret::presented("Reed9-Lm5yHs2Wc")).await.unwrap();
        let user = acme.user_id("ana").await;
        site.act(vec![Change::ResetPassword { user, password, must_change: true }]).await;
        let late = browser.press(&page, "change-submit", &TYPED).await.page();
        assert!(late.status == 400 && !late.has("change-form"), "{late:?}");
        is_nobody(site, &mut browser).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_too_old_for_the_organisation_is_changed_first_even_where_people_may_not_change_theirs() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let passwords = PasswordPolicy { expiry_days: Some(90), ..PasswordPolicy::default() };
        let settings =
            OrgSettings { passwords, own_data: [OwnData::Profile].into_iter().collect(), ..OrgSettings::default() };
        site.act(vec![Change::SetOrgSettings { org: acme.id.clone(), settings: Box::new(settings) }]).await;
        assert_eq!(site.browser().sign_in(Person::named("ana")).await.page().url, site.at.url("/me"));
        site.advance(90 * DAY);
        let mut browser = site.browser();
        let page = sign_in(&mut browser, &site.at.url("/login"), "ana").await;
        assert!(page.has("change-form") && page.text().contains("older than your organisation allows"), "{page:?}");
        is_nobody(site, &mut browser).await;
        let landed = browser.press(&page, "change-submit", &TYPED).await.page();
        assert_eq!(landed.url, site.at.url("/me"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gives_up_goes_back_to_the_application_and_is_nobody() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        given(site, &acme, "ana").await;
        let shop = site.client(&acme.application("shop").await);
        let mut browser = site.browser();
        let page = sign_in(&mut browser, &Ask::of(&shop).url(&site.at), "ana").await;
        let arrival = browser.press(&page, "change-cancel", &[]).await.arrival();
        assert_eq!((arrival.param("error"), arrival.param("code")), ("access_denied", ""));
        is_nobody(site, &mut browser).await;
        let opened = browser.send(Method::GET, &site.at.url("/login/password-change"), None).await;
        assert_eq!((opened.status, opened.header("location")), (303, "/login"));
    })
    .await;
}
