//! Between the right password and the session stands a password that must be changed: nothing opens there, in whatever
//! order things are asked for; and what locks an account, or comes in odd headers, opens nothing either.

use futures_util::future::join_all;
use muster::config::Config;
use muster::domain::change::Change;
use muster::domain::mail::Purpose;
use muster::domain::oauth::application::{Application, AuthMethod, GrantType};
use muster::domain::people::user::Kind as Whose;
use muster::kernel::id::UserId;
use muster::kernel::time::{MINUTE, SECOND};
use muster::store::users;
use reqwest::Method;
use serde_json::json;

use super::letters::OTHER;
use crate::support::PASSWORD;
use crate::support::admin::Admin;
use crate::support::browser::{Browser, Person};
use crate::support::client::{Ask, Client};
use crate::support::http::Answer;
use crate::support::mailbox::link_to;
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::server::{Site, on_both, on_both_with};

const ANA: Person<'_> = Person::named("ana");
const WRONG: Person<'_> = Person { name: "ana", password: "wrong-1", org: "" };
const TYPED: [(&str, &str); 2] = [("password", OTHER), ("password_again", OTHER)];
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// An administrator of Acme whose password somebody else has given.
async fn given(site: &Site, org: &Org) -> UserId {
    let mut user = site.new_user(Whose::Managed(org.id.clone()), "ana", PASSWORD).await;
    user.must_change = true;
    let id = user.id.clone();
    site.act(vec![Change::CreateUser(Box::new(user))]).await;
    org.admit(&id).await;
    org.give("ana", "org.admin", None).await;
    id
}

fn field(page: &Page, form: &str, name: &str) -> String {
    let fields = page.form_with(form).unwrap_or_else(|| panic!("no {form} on {page:?}")).filled("", &[]);
    fields.into_iter().find(|(given, _)| given == name).unwrap_or_else(|| panic!("no {name} in {form}")).1
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn stored(site: &Site, user: &UserId) -> Option<String> {
    users::password_facts(&mut site.conn().await, user).await.unwrap().unwrap().password
}

async fn signs_in(browser: &mut Browser, page: &Page, person: Person<'_>) -> Page {
    browser.press(page, "login-submit", &[("username", person.name), ("password", person.password)]).await.page()
}

/// Nobody was let in: neither a session, nor a code, nor a page for somebody who is.
fn is_outside(browser: &Browser, answer: &Answer, what: &str) {
    assert!(browser.cookie("muster").is_none(), "{what} made a session");
    let location = answer.header("location");
    assert!(answer.status < 500 && !location.contains("code="), "{what}: {answer:?}");
    match answer.status {
        200 => assert!(answer.body.contains("id=\"login-form\""), "{what}: {}", answer.body),
        303 => {
            let page = location.split('?').next().unwrap_or_default();
            assert!(page.ends_with("/login"), "{what} leads to {location}");
        }
        status => assert!((400..500).contains(&status), "{what}: {status}"),
    }
}

fn of_device(application: &mut Application) {
    application.auth_method = AuthMethod::None;
    application.grant_types = vec![GrantType::DeviceCode, GrantType::RefreshToken];
    application.redirect_uris.clear();
}

/// A device that waits: its code, and what people type.
async fn device(tv: &Client) -> (String, String) {
    let told = tv.post("/device_authorization", &[("scope", "openid roles")]).await.json();
    let text = |name: &str| told[name].as_str().unwrap_or_else(|| panic!("no {name}: {told}")).to_owned();
    (text("device_code"), text("user_code"))
}

async fn poll(tv: &Client, code: &str) -> Answer {
    tv.post("/token", &[("grant_type", GRANT), ("device_code", code)]).await
}

async fn types(browser: &mut Browser, code: &str) -> Page {
    let url = browser.at.url("/device");
    let page = browser.open(&url).await.page();
    browser.press(&page, "device-continue", &[("user_code", code)]).await.page()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_right_password_nothing_opens_but_the_page_that_changes_it() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        given(site, &acme).await;
        let shop = site.client(&acme.application("shop").await);
        let tv = site.client(&acme.application_with("tv", of_device).await);
        let (ask, mut browser) = (Ask::of(&shop), site.browser());
        let login = browser.open(&ask.url(&site.at)).await.page();
        let began = field(&login, "login-form", "request");
        let page = signs_in(&mut browser, &login, ANA).await;
        assert!(page.has("change-form"), "{page:?}");
        let (waits, csrf) = (field(&page, "change-form", "request"), field(&page, "change-form", "csrf"));

        // The steps that follow a sign-in, with what the two pages carry (CVE-2026-32246 of another product).
        for request in [began.as_str(), waits.as_str()] {
            for (path, name, value) in [
                ("/consent", "act", "allow"),
                ("/select-org", "org", acme.id.as_str()),
                ("/device/confirm", "act", "allow"),
                ("/me/password", "old", PASSWORD),
                ("/me/profile", "act", "profile"),
                ("/me/sessions", "session", "others"),
                ("/me/invitations", "act", "accept"),
                ("/o/acme/admin/people/register", "act", "register"),
                ("/o/acme/admin/people/invite/send", "act", "go"),
            ] {
                let fields = pairs(&[("csrf", csrf.as_str()), ("request", request), (name, value)]);
                let answer = browser.send(Method::POST, &site.at.url(path), Some(&fields)).await;
                is_outside(&browser, &answer, path);
            }
        }
        for path in ["/me", "/me/password", "/me/profile", "/me/invitations", "/o/acme/admin", "/o/acme/admin/people"] {
            let answer = browser.send(Method::GET, &site.at.url(path), None).await;
            assert_eq!(answer.status, 303, "{path}");
            is_outside(&browser, &answer, path);
        }
        let answer = browser.send(Method::GET, &ask.url(&site.at), None).await;
        assert_eq!(answer.status, 200, "an authorization request begins at the sign-in");
        is_outside(&browser, &answer, "/authorize");
        for path in ["/api/v1/me", "/api/v1/orgs/acme/users", "/userinfo"] {
            assert_eq!(browser.send(Method::GET, &site.at.url(path), None).await.status, 401, "{path}");
        }

        // A device gets nothing either before the change is done, and its confirmation is only asked for after that.
        let (code, user_code) = device(&tv).await;
        let asked = types(&mut browser, &user_code).await;
        assert!(asked.has("login-form") && !asked.has("device-allow"), "{asked:?}");
        let page = signs_in(&mut browser, &asked, ANA).await;
        assert!(page.has("change-form") && !page.has("device-allow"), "{page:?}");
        let request = field(&asked, "login-form", "request");
        let fields = pairs(&[("csrf", csrf.as_str()), ("request", request.as_str()), ("act", "allow")]);
        let answer = browser.send(Method::POST, &site.at.url("/device/confirm"), Some(&fields)).await;
        is_outside(&browser, &answer, "/device/confirm of the device");
        assert_eq!(poll(&tv, &code).await.refusal(), (400, "authorization_pending".to_owned()));
        let confirm = browser.press(&page, "change-submit", &TYPED).await.page();
        assert!(confirm.has("device-allow") && browser.cookie("muster").is_some(), "{confirm:?}");
    })
    .await;
}

/// So many things can be done before the change, each in any order.
const DEEDS: usize = 8;

/// A browser on the way in, with the forms that it was shown last.
struct Walker {
    browser: Browser,
    csrf: String,
    login: String,
    change: String,
}

impl Walker {
    async fn begin(site: &Site) -> Self {
        let mut browser = site.browser();
        let page = browser.open(&site.at.url("/login")).await.page();
        let (csrf, login) = (field(&page, "login-form", "csrf"), field(&page, "login-form", "request"));
        Self { browser, csrf, login, change: String::new() }
    }

    /// A form as the page would send it, or as it never would.
    fn form(&self, deed: usize) -> (&'static str, Vec<(String, String)>) {
        let (login, change) = (("request", self.login.as_str()), ("request", self.change.as_str()));
        let right = [("username", "ana"), ("password", PASSWORD)];
        let old = [("password", PASSWORD), ("password_again", PASSWORD)];
        let (path, fields): (_, Vec<(&str, &str)>) = match deed {
            0 => ("/login", vec![login]),
            1 => ("/login", [&[login][..], &right].concat()),
            2 => ("/login", [&[change][..], &right].concat()),
            3 => ("/login/password-change", vec![change]),
            4 => ("/login/password-change", [&[login][..], &TYPED].concat()),
            5 => ("/login/password-change", [&[change, change][..], &TYPED, &TYPED].concat()),
            6 => ("/login/password-change", [&[change][..], &old].concat()),
            _ => ("/login/password-change", [&[change, ("act", "cancel")][..], &TYPED].concat()),
        };
        (path, pairs(&[&[("csrf", self.csrf.as_str())][..], fields.as_slice()].concat()))
    }

    async fn does(&mut self, deed: usize, so_far: &str) {
        let (path, fields) = self.form(deed);
        let url = self.browser.at.url(path);
        let answer = self.browser.send(Method::POST, &url, Some(&fields)).await;
        let page = Page::read(url, answer.status, answer.body.clone());
        assert!(self.browser.cookie("muster").is_none(), "{so_far} signs somebody in");
        if page.has("change-form") {
            self.change = field(&page, "change-form", "request");
        } else {
            is_outside(&self.browser, &answer, so_far);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_order_of_empty_repeated_swapped_and_withdrawn_forms_ends_in_a_session() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let ana = given(site, &acme).await;
        let before = stored(site, &ana).await;
        // CVE-2026-49443 and others: every order of three of them.
        let walks = (0..DEEDS).map(|first| async move {
            for rest in 0..DEEDS * DEEDS {
                let (mut walker, mut so_far) = (Walker::begin(site).await, String::new());
                for deed in [first, rest / DEEDS, rest % DEEDS] {
                    so_far = format!("{so_far} {deed}");
                    walker.does(deed, &so_far).await;
                }
            }
        });
        join_all(walks).await;
        assert_eq!(stored(site, &ana).await, before, "and none of it changed the password");

        // The way that is meant: once, and never again with the same forms.
        let mut walker = Walker::begin(site).await;
        walker.does(1, "the right password").await;
        let (_, again) = walker.form(1);
        let url = site.at.url("/login/password-change");
        let mut change = pairs(&[("csrf", walker.csrf.as_str()), ("request", walker.change.as_str())]);
        change.extend(pairs(&TYPED));
        let answer = walker.browser.send(Method::POST, &url, Some(&change)).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/me"));
        let changed = stored(site, &ana).await;
        let page = walker.browser.open(&site.at.url("/end_session")).await.page();
        walker.browser.press(&page, "logout-confirm", &[]).await;
        assert!(walker.browser.cookie("muster").is_none(), "the cookie goes with the session");
        for (path, fields) in [("/login/password-change", &change), ("/login", &again)] {
            let answer = walker.browser.send(Method::POST, &site.at.url(path), Some(fields)).await;
            assert_eq!(answer.status, 400, "{path}");
            is_outside(&walker.browser, &answer, path);
        }
        assert_eq!(stored(site, &ana).await, changed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_count_together_wherever_they_are_made_and_the_lock_holds_at_every_way_in() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let tv = site.client(&acme.application_with("tv", of_device).await);
        let hers = Admin::of(site, &acme, "ana").await;
        let mut here = site.browser();
        here.sign_in(ANA).await;
        here.lose("muster_device"); // a browser that the account knows gets past the lock
        let form = here.open(&site.at.url("/me/password")).await.page();
        let before = stored(site, &ana).await;
        let typed = |old| [("old", old), ("password", OTHER), ("password_again", OTHER)];
        let own = async |old: &str| {
            hers.refused(Method::POST, "/api/v1/me/password", json!({ "old": old, "new": OTHER })).await.0
        };

        // Five guesses, each by another way.
        assert!(site.browser().sign_in(WRONG).await.page().has("login-form"));
        let mut guesser = site.browser();
        let at_shop = guesser.open(&Ask::of(&shop).url(&site.at)).await.page();
        assert!(signs_in(&mut guesser, &at_shop, WRONG).await.has("login-form"));
        let (code, user_code) = device(&tv).await;
        let mut couch = site.browser();
        let page = types(&mut couch, &user_code).await;
        let asked = signs_in(&mut couch, &page, WRONG).await;
        assert!(asked.has("login-form"), "{asked:?}");
        assert_eq!(here.press(&form, "password-submit", &typed("wrong-1")).await.page().status, 400);
        assert!((400..500).contains(&own("wrong-1").await));

        // The right password opens none of them now.
        for path in ["/login", "/o/acme/login"] {
            let mut browser = site.browser();
            let page = browser.open(&site.at.url(path)).await.page();
            assert!(signs_in(&mut browser, &page, ANA).await.has("login-form"), "{path}");
        }
        assert!(signs_in(&mut guesser, &at_shop, ANA).await.has("login-form"), "for an application");
        let page = signs_in(&mut couch, &asked, ANA).await;
        assert!(page.has("login-form") && !page.has("device-allow"), "on a device: {page:?}");
        assert_eq!(poll(&tv, &code).await.refusal(), (400, "authorization_pending".to_owned()));
        assert_eq!(here.press(&form, "password-submit", &typed(PASSWORD)).await.page().status, 400);
        assert!((400..500).contains(&own(PASSWORD).await));
        assert_eq!(stored(site, &ana).await, before);
        site.advance(15 * MINUTE + SECOND);
        assert_eq!(site.browser().sign_in(ANA).await.page().url, site.at.url("/me"));
    })
    .await;
}

/// Locks Ana's account by guesses from elsewhere.
async fn lock(site: &Site) {
    let mut guesser = site.browser();
    for _ in 0..5 {
        guesser.sign_in(WRONG).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_about_to_change_the_password_comes_in_no_earlier_than_the_lock_ends() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        given(site, &acme).await;
        let mut browser = site.browser();
        let page = browser.sign_in(ANA).await.page();
        assert!(page.has("change-form"), "{page:?}");
        lock(site).await;
        // CVE-2025-6004 and others: the other flow knew nothing of the lock, or lifted it.
        browser.press(&page, "change-submit", &TYPED).await;
        assert!(browser.cookie("muster").is_none(), "the account is locked");
        let answer = browser.send(Method::GET, &site.at.url("/me"), None).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/login"));
        for password in [PASSWORD, OTHER] {
            let page = site.browser().sign_in(Person { password, ..ANA }).await.page();
            assert!(page.has("login-form"), "the lock holds: {page:?}");
        }
        site.advance(15 * MINUTE + SECOND);
        let landed = site.browser().sign_in(Person { password: OTHER, ..ANA }).await.page();
        assert_eq!(landed.url, site.at.url("/me"), "what was typed was kept, for it was the right time");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_a_link_and_opening_it_lifts_no_lock() {
    on_both(async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        lock(site).await;
        let mut browser = site.browser();
        let page = browser.open(&site.at.url("/forgot")).await.page();
        browser.press(&page, "forgot-submit", &[("username", "ana")]).await;
        let link = link_to(site, "ana@example.test", Purpose::ResetPassword).await;
        let page = browser.open(&link).await.page();
        for bad in ["", "abc"] {
            let typed = [("password", bad), ("password_again", bad)];
            assert_eq!(browser.press(&page, "reset-submit", &typed).await.page().status, 400, "{bad:?}");
        }
        assert!(site.browser().sign_in(ANA).await.page().has("login-form"), "it is locked as before");
        let landed = browser.press(&page, "reset-submit", &TYPED).await.page();
        assert!(landed.has("login-form") && browser.cookie("muster").is_none(), "{landed:?}");
        assert!(site.browser().sign_in(ANA).await.page().has("login-form"), "what was guessed at is gone");
    })
    .await;
}

/// Headers that no browser sends, or that a proxy might.
const ODD: [(&str, &str); 26] = [
    ("x-forwarded-for", "garbage"),
    ("x-forwarded-for", ""),
    ("x-forwarded-for", ",,,"),
    ("x-forwarded-for", "300.300.300.300"),
    ("x-forwarded-for", "127.0.0.1, 127.0.0.1, unknown"),
    ("x-forwarded-for", "[::1, 203.0.113.9"),
    ("x-real-ip", "not an address"),
    ("forwarded", "for=;;;=\",\""),
    ("x-forwarded-proto", "gopher"),
    ("x-forwarded-host", "evil.test"),
    ("x-original-url", "/me"),
    ("x-rewrite-url", "/me"),
    ("x-http-method-override", "GET"),
    ("x-remote-user", "ana"),
    ("x-forwarded-user", "ana"),
    ("x-forwarded-email", "ana@example.test"),
    ("remote-user", "ana"),
    ("authorization", "Bearer null"),
    ("authorization", "Basic YW5hOg=="),
    ("cookie", "muster=null"),
    ("cookie", "muster=; muster=AAAAAAAAAAAAAAAAAAAAAA"),
    ("accept", "*/*;q=many"),
    ("accept-language", ";;;,,,q=2"),
    ("traceparent", "zz-zz"),
    ("x-request-id", "' OR 1=1 --"),
    ("sec-fetch-site", "nowhere"),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_header_makes_a_step_of_the_sign_in_vanish() {
    let behind_a_proxy = |config: &mut Config| {
        config.http.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        config.passwords.lock_failures = i64::MAX;
        (config.sign_in.free_failures, config.sign_in.most_failures) = (i64::MAX, i64::MAX);
    };
    on_both_with(behind_a_proxy, async |site| {
        let acme = site.org("acme").await;
        given(site, &acme).await;
        let mut browser = site.browser();
        let url = site.at.url("/login");
        let page = browser.open(&url).await.page();
        let form = page.form_with("login-form").unwrap();
        let filled = |password| form.filled("login-submit", &[("username", "ana"), ("password", password)]);
        // CVE-2024-47070: an address that could not be read made the password's stage vanish.
        for (name, value) in ODD {
            let is = |answer: &Answer, status: u16, form: &str| {
                let shown = answer.body.contains(&format!("id=\"{form}\""));
                assert!(answer.status == status && shown, "{name}: {value}: {answer:?}");
            };
            let mut headers = vec![("origin", site.at.issuer.clone()), (name, value.to_owned())];
            if name != "sec-fetch-site" {
                headers.push(("sec-fetch-site", "same-origin".to_owned()));
            }
            for password in ["wrong-1", ""] {
                let answer = browser.send_with(Method::POST, &url, Some(&filled(password)), &headers).await;
                is(&answer, 400, "login-form");
            }
            let answer = browser.send_with(Method::POST, &url, Some(&filled(PASSWORD)), &headers).await;
            is(&answer, 200, "change-form");
            let page = Page::read(url.clone(), answer.status, answer.body);
            let fields = page.form_with("change-form").unwrap().filled("change-submit", &[]);
            let change = site.at.url("/login/password-change");
            let answer = browser.send_with(Method::POST, &change, Some(&fields), &headers).await;
            is(&answer, 400, "change-form");
            let me = browser.send_with(Method::GET, &site.at.url("/me"), None, &headers).await;
            assert_eq!((me.status, me.header("location")), (303, "/login"), "{name}: {value}");
            assert!(browser.cookie("muster").is_none(), "{name}: {value}");
        }
    })
    .await;
}
