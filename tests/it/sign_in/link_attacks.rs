//! Attacks on mailed links that others have met: steps taken without the mail, requests under false names, a way back
//! to elsewhere, and answers whose time tells who has an account.

use std::time::{Duration, Instant};

use muster::domain::change::Change;
use muster::domain::mail::Purpose;
use muster::domain::people::user::{AccessType, Kind as Whose, MembershipState, UserState};
use muster::domain::source::Source;
use muster::flows::links;
use muster::kernel::id::{MembershipId, UserId};
use muster::kernel::time::{HOUR, SECOND};
use muster::store::users;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::letters::{OTHER, registered};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::{Browser, Person};
use crate::support::client::{Ask, random};
use crate::support::mailbox::{all_sent, count_to, link_to};
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::server::{Site, on_both, on_both_with};

const ANA: &str = "ana@example.test";
const EVIL: &str = "evil.test";

/// What a form holds in a field.
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

/// Asks for a new password by the page.
async fn ask(browser: &mut Browser, site: &Site, name: &str) -> Page {
    let page = browser.open(&site.at.url("/forgot")).await.page();
    browser.press(&page, "forgot-submit", &[("username", name)]).await.page()
}

async fn is_nobody(site: &Site, browser: &mut Browser) -> bool {
    let me = browser.send(Method::GET, &site.at.url("/me"), None).await;
    browser.cookie("muster").is_none() && (me.status, me.header("location")) == (303, "/login")
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asked_for_a_link_gets_no_further_without_the_mail_and_nowhere_after_it_was_used() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        acme.give("ana", "org.admin", None).await;
        let shop = site.client(&acme.application("shop").await);
        let before = stored(site, &ana).await;
        let mut eve = site.browser();
        let login = eve.open(&Ask::of(&shop).url(&site.at)).await.page();
        let (csrf, request) = (field(&login, "login-form", "csrf"), field(&login, "login-form", "request"));
        ask(&mut eve, site, "ana").await;
        let link = link_to(site, ANA, Purpose::ResetPassword).await;
        // CVE-2026-18963: every step that comes after the mail, in the browser that asked, with all but the secret.
        let made_up = format!("{}{}", links::PREFIX, random());
        let mut paths: Vec<String> =
            Purpose::ALL.into_iter().map(|purpose| format!("{}{made_up}", purpose.path())).collect();
        paths.extend([format!("/reset/{ana}"), format!("/reset/{csrf}"), format!("/reset/{request}")]);
        let more = ["/reset", "/reset/", "/reset/ana", "/login/password-change", "/me/password", "/me/profile"];
        paths.extend(more.map(str::to_owned));
        let more = ["/me/sessions", "/me/invitations", "/device/confirm", "/o/acme/admin/people/register"];
        paths.extend(more.map(str::to_owned));
        for path in &paths {
            for act in ["", "accept", "renew", "confirm", "done"] {
                let fields = pairs(&[
                    ("csrf", csrf.as_str()),
                    ("request", request.as_str()),
                    ("act", act),
                    ("username", "ana"),
                    ("user", ana.as_str()),
                    ("email", ANA),
                    ("password", OTHER),
                    ("password_again", OTHER),
                    ("name", "Ana"),
                ]);
                let answer = eve.send(Method::POST, &site.at.url(path), Some(&fields)).await;
                let to = answer.header("location").split('?').next().unwrap_or_default();
                let away = answer.status == 303 && to.ends_with("/login");
                // Whoever asks for a first link again gets one answer, whether there was one or not.
                let neutral = answer.status == 200 && act == "renew" && path.starts_with("/welcome/");
                assert!(away || neutral || (400..500).contains(&answer.status), "{path} {act}: {answer:?}");
            }
        }
        assert!(is_nobody(site, &mut eve).await);
        assert_eq!(stored(site, &ana).await, before, "nothing was set");
        assert_eq!(count_to(site, ANA, Purpose::ResetPassword).await, 1, "and nothing more was sent");

        // Whoever reads the mail uses it. What the browser that asked holds is worth no more by that.
        let mut reader = site.browser();
        let page = reader.open(&link).await.page();
        let typed = [("password", OTHER), ("password_again", OTHER)];
        let form = page.form_with("reset-submit").unwrap().filled("reset-submit", &typed);
        let landed = reader.press(&page, "reset-submit", &typed).await.page();
        assert!(landed.has("login-form"), "{landed:?}");
        let after = stored(site, &ana).await;
        let again = pairs(&[("csrf", csrf.as_str()), ("password", PASSWORD), ("password_again", PASSWORD)]);
        assert_eq!(reader.send(Method::POST, &link, Some(&form)).await.status, 410, "the same form once more");
        assert_eq!(eve.send(Method::POST, &link, Some(&again)).await.status, 410, "another browser, another password");
        for browser in [&mut eve, &mut reader] {
            assert!(is_nobody(site, browser).await);
            assert_eq!(browser.ask_silently(&Ask::of(&shop)).await.param("error"), "login_required");
        }
        assert_eq!(stored(site, &ana).await, after);
    })
    .await;
}

/// Posts a form under a target, names and headers as they stand here; the status.
async fn post_raw(browser: &Browser, target: &str, hosts: &[&str], headers: &str, fields: &[(String, String)]) -> u16 {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let cookie = browser.cookie("muster_browser").expect("the page binds the browser");
    let hosts: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
    let message = format!(
        "POST {target} HTTP/1.1\r\n{hosts}{headers}Origin: {}\r\nCookie: muster_browser={cookie}\r\n\
         Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        browser.at.issuer,
        body.len()
    );
    let mut wire = TcpStream::connect(browser.at.node.trim_start_matches("http://")).await.unwrap();
    wire.write_all(message.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    wire.read_to_end(&mut answer).await.unwrap();
    let head = String::from_utf8_lossy(&answer).into_owned();
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status in {head:?}"))
}

/// What a proxy that passes everything on would let through.
const FORWARDED: [(&str, &str); 8] = [
    ("x-forwarded-host", EVIL),
    ("x-forwarded-proto", "gopher"),
    ("x-forwarded-port", "666"),
    ("x-forwarded-prefix", "/evil.test"),
    ("x-forwarded-for", "203.0.113.9"),
    ("forwarded", "for=203.0.113.9;host=evil.test;proto=https"),
    ("x-original-url", "https://evil.test/forgot"),
    ("x-host", EVIL),
];

#[tokio::test(flavor = "multi_thread")]
async fn links_lead_to_the_issuer_whatever_the_request_says_and_nothing_is_sent_under_another_name() {
    let behind_a_proxy =
        |config: &mut muster::config::Config| config.http.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    on_both_with(behind_a_proxy, async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.person("ana", PASSWORD).await;
        let mut browser = site.browser();
        let page = browser.open(&site.at.url("/forgot")).await.page();
        let form = page.form_with("forgot-submit").unwrap().filled("forgot-submit", &[("username", "ana")]);
        let own = site.at.node.trim_start_matches("http://").to_owned();
        let (absolute, longer, at) =
            (format!("http://{own}/forgot"), format!("{own}.evil.test"), format!("{own}@evil.test"));
        let elsewhere = "http://evil.test/forgot";
        let headers: String = FORWARDED.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        for (target, hosts) in [
            ("/forgot", vec![EVIL]),
            ("/forgot", vec![longer.as_str()]),
            ("/forgot", vec![at.as_str()]),
            ("/forgot", vec![]),
            ("/forgot", vec![own.as_str(), EVIL]),
            ("/forgot", vec![EVIL, own.as_str()]),
            (elsewhere, vec![EVIL]),
            (elsewhere, vec![own.as_str()]),
            (absolute.as_str(), vec![EVIL]),
        ] {
            for headers in ["", headers.as_str()] {
                let status = post_raw(&browser, target, &hosts, headers, &form).await;
                assert!([400, 421].contains(&status), "{target} of {hosts:?}: {status}");
            }
        }
        assert_eq!(count_to(site, ANA, Purpose::ResetPassword).await, 0, "nothing was sent for any of it");
        // An absolute target that names the issuer is the same request (RFC 9112 §3.2.2).
        assert_eq!(post_raw(&browser, &absolute, &[own.as_str()], &headers, &form).await, 200);
        let mut found = vec![link_to(site, ANA, Purpose::ResetPassword).await];
        let olga = Admin::of(site, &acme, "olga").await;
        for (path, body) in [
            ("/users", json!({ "user_name": "rea", "email": "rea@example.test" })),
            ("/invitations", json!({ "people": [{ "email": "ina@example.test", "name": "Ina Vee" }] })),
        ] {
            let answer = olga.call_with(Method::POST, path, Some(&body), &FORWARDED).await;
            assert!(answer.status < 300 && !answer.body.contains(EVIL), "{}", answer.body);
        }
        found.push(link_to(site, "rea@example.test", Purpose::SetPassword).await);
        found.push(link_to(site, "ina@example.test", Purpose::Invitation).await);
        for link in found {
            assert!(link.starts_with(&format!("{}/", site.at.issuer)), "{link}");
        }
        all_sent(site).await;
        let files = std::fs::read_dir(site.place.folder().join("mail")).unwrap();
        let texts: Vec<String> = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
        assert!(texts.len() >= 3 && texts.iter().all(|text| !text.contains(EVIL)), "{texts:?}");
    })
    .await;
}

/// A way back that somebody asks for.
const ASKED: [(&str, &str); 7] = [
    ("next", "https://evil.test/"),
    ("next", "//evil.test/"),
    ("next", "/\\evil.test"),
    ("return_to", "https://evil.test/"),
    ("redirect_uri", "https://evil.test/"),
    ("after", "https://evil.test/"),
    ("continue", "javascript:alert(1)//evil.test"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_way_back_after_a_sign_in_is_ours_whoever_asks_for_another() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        site.own_account("ana", PASSWORD).await;
        let olga = Admin::of(site, &acme, "olga").await;
        olga.post("/invitations", json!({ "people": [{ "email": ANA, "name": "Ana Kim" }] })).await;
        let link = link_to(site, ANA, Purpose::Invitation).await;
        let path = link.strip_prefix(&site.at.issuer).expect("it leads to us").to_owned();
        let typed = [("username", "ana"), ("password", PASSWORD)];
        let mut way_back = String::new();
        for (name, value) in ASKED {
            let asked = form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
            let with = |mut fields: Vec<(String, String)>| {
                fields.push((name.to_owned(), value.to_owned()));
                fields
            };
            // Without an invitation.
            let (mut browser, url) = (site.browser(), site.at.url(&format!("/login?{asked}")));
            let page = browser.open(&url).await.page();
            assert!(!page.html.contains(EVIL), "{page:?}");
            let fields = with(page.form_with("login-form").unwrap().filled("login-submit", &typed));
            let answer = browser.send(Method::POST, &url, Some(&fields)).await;
            assert_eq!((answer.status, answer.header("location")), (303, "/me"), "{asked}");
            // With one: back to it.
            let (mut browser, url) = (site.browser(), format!("{link}?{asked}"));
            let shown = browser.open(&url).await.page();
            let fields = with(shown.form_with("invite-sign-in").unwrap().filled("invite-sign-in", &[]));
            let answer = browser.send(Method::POST, &url, Some(&fields)).await;
            assert!(answer.status == 200 && !answer.body.contains(EVIL), "{asked}: {}", answer.body);
            let sign_in = Page::read(url, answer.status, answer.body);
            way_back = field(&sign_in, "login-form", "request");
            let fields = with(sign_in.form_with("login-form").unwrap().filled("login-submit", &typed));
            let answer = browser.send(Method::POST, &site.at.url("/login"), Some(&fields)).await;
            assert_eq!((answer.status, answer.header("location")), (303, path.as_str()), "{asked}");
        }
        // What carries the way back opens in no other browser, and not when a character of it is another.
        let mut other = site.browser();
        let page = other.open(&site.at.url("/login")).await.page();
        let mut broken = field(&page, "login-form", "request").into_bytes();
        let middle = broken.len() / 2;
        broken[middle] = if broken[middle] == b'A' { b'B' } else { b'A' };
        for request in [way_back, String::from_utf8(broken).unwrap()] {
            let mut fields = page.form_with("login-form").unwrap().filled("login-submit", &typed);
            fields.retain(|(name, _)| name != "request");
            fields.push(("request".to_owned(), request));
            assert_eq!(other.send(Method::POST, &site.at.url("/login"), Some(&fields)).await.status, 400);
        }
        assert!(other.cookie("muster").is_none());
        // A secret, and a slug, that would be another site's address.
        let csrf = field(&page, "login-form", "csrf");
        let act = pairs(&[("csrf", csrf.as_str()), ("act", "sign_in")]);
        for path in ["/invite/%2F%2Fevil.test", "/invite/..%2F..%2Fevil.test", "/invite/%5Cevil.test"] {
            assert_eq!(other.send(Method::POST, &site.at.url(path), Some(&act)).await.status, 404, "{path}");
        }
        for path in ["/o/%2F%2Fevil.test/admin", "/o/%2Fevil.test/admin/people", "/o/%5C%5Cevil.test/admin"] {
            let answer = other.send(Method::GET, &site.at.url(path), None).await;
            assert_eq!((answer.status, answer.header("location")), (404, ""), "{path}");
        }
    })
    .await;
}

/// Who is asked for: one account that gets a link, and all others.
const CASES: [&str; 6] = ["ana", "nobody", "suspended", "federated", "robot", "pending"];
/// So many times each.
const SAMPLES: usize = 200;
/// A machine that does something else may spoil a series; what differs by itself differs in every one.
const SERIES: usize = 3;
/// The medians lie closer together than this.
const CLOSE: Duration = Duration::from_millis(5);

async fn all_kinds(site: &Site, acme: &Org) {
    for name in ["ana", "suspended", "robot"] {
        acme.person(name, PASSWORD).await;
    }
    registered(acme, "pending").await;
    let mut federated = site.new_user(Whose::Managed(acme.id.clone()), "federated", PASSWORD).await;
    federated.source = Source::Scim("okta".to_owned());
    let (org, member, user) = (acme.id.clone(), MembershipId::fresh(), federated.id.clone());
    let (state, source) = (MembershipState::Active, federated.source.clone());
    let (suspended, robot) = (acme.user_id("suspended").await, acme.user_id("robot").await);
    site.act(vec![
        Change::SetUserState { user: suspended, state: UserState::Suspended },
        Change::SetAccessType { user: robot, access: AccessType::Key },
        Change::CreateUser(Box::new(federated)),
        Change::AddMember { org, member, user, state, source },
    ])
    .await;
}

/// The medians of all cases.
async fn series(site: &Site, browser: &mut Browser, page: &Page, expected: &str) -> [Duration; CASES.len()] {
    let mut taken: [Vec<Duration>; CASES.len()] = Default::default();
    let url = site.at.url("/forgot");
    for round in 0..SAMPLES {
        // An hour later nobody's limit is met, and the account's own links go out each time.
        site.advance(HOUR + SECOND);
        // Multiples modulo the next prime: everybody comes after everybody else equally often.
        let step = round % CASES.len() + 1;
        for place in 1..=CASES.len() {
            let case = place * step % (CASES.len() + 1) - 1;
            let typed = [("username", CASES[case])];
            let fields = page.form_with("forgot-submit").unwrap().filled("forgot-submit", &typed);
            let began = Instant::now();
            let answer = browser.send(Method::POST, &url, Some(&fields)).await;
            taken[case].push(began.elapsed());
            assert!(answer.status == 200 && answer.body == expected, "{}: {answer:?}", CASES[case]);
        }
    }
    taken.map(|mut all| {
        all.sort_unstable();
        all[all.len() / 2]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_an_account_and_of_what_kind_is_told_neither_by_the_answer_nor_by_its_time() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        all_kinds(site, &acme).await;
        let mut browser = site.browser();
        let page = browser.open(&site.at.url("/forgot")).await.page();
        let expected = browser.press(&page, "forgot-submit", &[("username", "stranger")]).await.page();
        assert_eq!(expected.status, 200);
        let mut told = Vec::new();
        for number in 1..=SERIES {
            let medians = series(site, &mut browser, &page, &expected.html).await;
            told.push(format!("{:?}", CASES.iter().zip(&medians).collect::<Vec<_>>()));
            eprintln!("{}", told[told.len() - 1]);
            if *medians.iter().max().unwrap() - *medians.iter().min().unwrap() < CLOSE {
                break;
            }
            assert!(number < SERIES, "the answers differ in every series:\n{}", told.join("\n"));
        }
        assert!(count_to(site, ANA, Purpose::ResetPassword).await > 0, "the one who may have a link got links");
        for name in ["suspended", "federated", "robot", "pending"] {
            let sent = count_to(site, &format!("{name}@example.test"), Purpose::ResetPassword).await;
            assert_eq!(sent, 0, "{name}");
        }
        let page = site.browser().sign_in(Person::named("robot")).await.page();
        assert!(page.has("login-form"), "an account for keys has no way in here: {page:?}");
    })
    .await;
}
