//! The console hangs on a session in the organisation: what ends one shuts it at the next request, a sign-in opens it again
//! and leads back, and what the organisation allows its sessions holds here too.

use std::time::{Duration, Instant};

use muster::domain::change::Change;
use muster::domain::settings::OrgSettings;
use muster::kernel::time::{HOUR, MINUTE, SECOND};
use muster::store::{memberships, orgs};
use muster::web::api;
use reqwest::Method;

use super::clerk::{Clerk, says};
use crate::support::PASSWORD;
use crate::support::admin::owned;
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::server::{Site, on_both};

/// Acme with its owner, and a reader.
async fn acme(site: &Site) -> Org {
    let (org, _) = owned(site, "acme").await;
    org.person("rita", PASSWORD).await;
    org.give("rita", "org.reader", None).await;
    org
}

async fn set(org: &Org, change: impl FnOnce(&mut OrgSettings)) {
    let mut settings = orgs::settings(&mut org.world.conn().await, &org.id).await.unwrap();
    change(&mut settings);
    let settings = Box::new(settings);
    org.world.act(vec![Change::SetOrgSettings { org: org.id.clone(), settings }]).await;
}

async fn end_sessions(org: &Org, name: &str) -> u64 {
    let (id, member) = (org.id.clone(), org.member_id(name).await);
    org.world.act(vec![Change::EndSessions { org: id, member }]).await.ended.sessions
}

/// How many entries a member has that nobody has ended, and when the console was used last with one of them.
async fn entries(site: &Site, org: &Org, name: &str) -> (i64, Option<i64>) {
    site.conn()
        .await
        .query("SELECT COUNT(*), MAX(console_at) FROM session_entries WHERE membership_id = $1 AND ended_at IS NULL")
        .bind(org.member_id(name).await.as_str().to_owned())
        .one()
        .await
        .unwrap()
}

/// Uses the console, and waits until that is noted.
async fn use_it(site: &Site, org: &Org, clerk: &mut Clerk, name: &str) {
    let (since, begun) = (site.now(), Instant::now());
    let page = clerk.open("people").await;
    assert_eq!((page.status, page.url.as_str()), (200, clerk.url("people").as_str()), "{page:?}");
    while entries(site, org, name).await.1.is_none_or(|at| at < since.0) {
        assert!(begun.elapsed() < Duration::from_secs(10), "the use of the console is never noted");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether a page is the sign-in of Acme.
fn is_shut(page: &Page) -> bool {
    page.has("login-form") && page.url.contains("/o/acme/login")
}

/// Fills in the sign-in page that is shown, and stands where it leads.
async fn sign_in(site: &Site, clerk: &mut Clerk, page: &Page, name: &str) -> Page {
    site.advance(SECOND);
    clerk.browser.press(page, "login-submit", &[("username", name), ("password", PASSWORD)]).await.page()
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_a_members_sessions_shuts_the_console_at_the_next_request_and_a_sign_in_leads_back() {
    on_both(async |site| {
        let acme = acme(site).await;
        acme.person("adam", PASSWORD).await;
        let role = acme.give("adam", "org.admin", None).await;
        let mut adam = Clerk::at(site, &acme, "adam").await;
        assert_eq!(entries(site, &acme, "adam").await.0, 0, "a sign-in without an application is in no organisation");
        let form = adam.open("people/register").await;
        assert_eq!(form.status, 200);
        adam.open("people").await;
        assert_eq!(entries(site, &acme, "adam").await.0, 1, "one, however many pages are opened");
        let members = memberships::of_org(&mut site.conn().await, &acme.id).await.unwrap().len();

        assert_eq!(end_sessions(&acme, "adam").await, 1);
        let refused = adam.submit(&form, "register-submit", &[("username", "eve"), ("credential", "generated")]).await;
        assert_eq!(refused.answer.status, 303);
        assert!(is_shut(&refused.page), "{:?}", refused.page);
        assert_eq!(memberships::of_org(&mut site.conn().await, &acme.id).await.unwrap().len(), members);
        let back = sign_in(site, &mut adam, &refused.page, "adam").await;
        assert_eq!(
            (back.status, back.url.as_str()),
            (200, adam.url("people").as_str()),
            "a form leads to the first page"
        );

        assert_eq!(end_sessions(&acme, "adam").await, 1);
        let page = adam.open("people/invite").await;
        assert!(is_shut(&page), "{page:?}");
        let back = sign_in(site, &mut adam, &page, "adam").await;
        assert_eq!((back.status, back.url.as_str()), (200, adam.url("people/invite").as_str()));

        acme.take(&role).await;
        let page = adam.open("people").await;
        assert!(is_shut(&page), "an administrator who lost the role signs in again: {page:?}");
        assert_eq!(sign_in(site, &mut adam, &page, "adam").await.status, 403);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_in_one_organisation_leaves_the_console_of_another_open() {
    on_both(async |site| {
        let (acme, bolt) = (acme(site).await, site.org("bolt").await);
        let ola = site.own_account("ola", PASSWORD).await;
        for org in [&acme, &bolt] {
            org.admit(&ola).await;
            org.give("ola", "org.reader", None).await;
        }
        let mut ola = Clerk::at(site, &acme, "ola").await;
        let (here, there) = (ola.url("people"), site.at.url("/o/bolt/admin/people"));
        for url in [&here, &there] {
            assert_eq!(ola.browser.open(url).await.page().url, *url);
        }
        assert_eq!(end_sessions(&acme, "ola").await, 1);
        for _ in 0..2 {
            assert!(is_shut(&ola.browser.open(&here).await.page()), "asking again opens nothing");
            assert_eq!(ola.browser.open(&there).await.page().url, there);
        }
        assert!(ola.browser.open(&site.at.url("/me")).await.page().url.ends_with("/me"), "the browser is signed in");
        let page = ola.open("people").await;
        assert_eq!(sign_in(site, &mut ola, &page, "ola").await.url, here);
        for url in [&here, &there] {
            assert_eq!(ola.browser.open(url).await.page().url, *url);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_organisations_limits_hold_for_the_console() {
    on_both(async |site| {
        let acme = acme(site).await;
        set(&acme, |settings| settings.max_sessions = Some(1)).await;
        let (mut one, mut two) = (Clerk::at(site, &acme, "rita").await, Clerk::at(site, &acme, "rita").await);
        assert_eq!(one.open("people").await.status, 200);
        assert!(!is_shut(&two.open("people").await));
        let page = one.open("people").await;
        assert!(is_shut(&page), "the second console is one session too many: {page:?}");
        assert!(!is_shut(&two.open("people").await));
        assert_eq!(sign_in(site, &mut one, &page, "rita").await.url, one.url("people"));
        assert!(is_shut(&two.open("people").await));
        set(&acme, |settings| settings.max_sessions = None).await;

        let limits = |idle, absolute| Change::SetSessionLimits { org: acme.id.clone(), idle, absolute };
        site.act(vec![limits(Some(15 * MINUTE), None)]).await;
        let mut rita = Clerk::at(site, &acme, "rita").await;
        for _ in 0..3 {
            use_it(site, &acme, &mut rita, "rita").await;
            site.advance(14 * MINUTE);
        }
        site.advance(2 * MINUTE);
        for _ in 0..2 {
            let own = rita.browser.open(&site.at.url("/me")).await.page();
            assert!(own.url.ends_with("/me"), "the instance lets a session stand idle for longer: {own:?}");
            assert!(is_shut(&rita.open("people").await), "and another page wakes no console");
        }
        let page = rita.open("people").await;
        assert_eq!(sign_in(site, &mut rita, &page, "rita").await.url, rita.url("people"));

        site.act(vec![limits(None, Some(HOUR))]).await;
        let mut rita = Clerk::at(site, &acme, "rita").await;
        for _ in 0..2 {
            site.advance(28 * MINUTE);
            use_it(site, &acme, &mut rita, "rita").await;
        }
        site.advance(5 * MINUTE);
        let page = rita.open("people").await;
        assert!(is_shut(&page), "used all the time, and over: {page:?}");
        assert_eq!(sign_in(site, &mut rita, &page, "rita").await.url, rita.url("people"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_organisation_does_not_admit_gets_no_session_there() {
    on_both(async |site| {
        let acme = acme(site).await;
        let mut rita = Clerk::at(site, &acme, "rita").await;
        set(&acme, |settings| settings.allowed_networks = vec!["203.0.113.0/24".to_owned()]).await;
        assert_eq!(rita.open("people").await.status, 403);
        assert_eq!(entries(site, &acme, "rita").await.0, 0);
        set(&acme, |settings| settings.allowed_networks = Vec::new()).await;
        assert_eq!(rita.open("people").await.status, 200);
        set(&acme, |settings| settings.allowed_networks = vec!["203.0.113.0/24".to_owned()]).await;
        assert_eq!(rita.open("people").await.status, 403);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_opens_a_page_before_the_sign_in_comes_back_to_it_and_nobody_else_says_where() {
    on_both(async |site| {
        acme(site).await;
        let mut rita = Clerk { browser: site.browser(), base: site.at.url("/o/acme/admin") };
        let asked = "people?q=olga%40example.test";
        let page = rita.open(asked).await;
        assert!(is_shut(&page), "{page:?}");
        let sealed = page.url.split_once("?back=").expect("the way back goes along").1.to_owned();
        assert!(!page.url.contains("people"), "it is sealed: {}", page.url);
        let wrong = [("username", "rita"), ("password", "wrong")];
        let again = rita.browser.press(&page, "login-submit", &wrong).await.page();
        let back = sign_in(site, &mut rita, &again, "rita").await;
        assert_eq!((back.status, back.url.as_str()), (200, rita.url(asked).as_str()), "after a slip too");
        says(&back, &["olga@example.test"]);

        let forged =
            ["//evil.test/", "https://evil.test/", "/o/acme/admin/people", "%2F%5Cevil.test", "", sealed.as_str()];
        for back in forged {
            let mut clerk = Clerk { browser: site.browser(), base: site.at.url("/o/acme/admin") };
            let page = clerk.browser.open(&site.at.url(&format!("/o/acme/login?back={back}"))).await.page();
            let landing = sign_in(site, &mut clerk, &page, "rita").await;
            assert_eq!(landing.url, site.at.url("/me"), "{back}");
        }

        let mut late = Clerk { browser: site.browser(), base: site.at.url("/o/acme/admin") };
        let shut = late.open("people").await;
        site.advance(31 * MINUTE);
        let page = late.browser.open(&shut.url).await.page();
        assert_eq!(
            sign_in(site, &mut late, &page, "rita").await.url,
            site.at.url("/me"),
            "half an hour is long enough"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ones_own_page_links_to_the_consoles_where_one_sees_people_and_both_have_a_way_out() {
    on_both(async |site| {
        let acme = acme(site).await;
        acme.person("mona", PASSWORD).await;
        let bolt = site.org("bolt").await;
        let ola = site.own_account("ola", PASSWORD).await;
        for org in [&acme, &bolt] {
            org.admit(&ola).await;
        }
        bolt.give("ola", "iam.viewer", None).await;
        for (name, consoles) in [("rita", ["acme", ""]), ("mona", ["", ""]), ("ola", ["", "bolt"])] {
            let mut clerk = Clerk::at(site, &acme, name).await;
            let page = clerk.browser.open(&site.at.url("/me")).await.page();
            for slug in ["acme", "bolt"] {
                let link = format!("href=\"/o/{slug}/admin\"");
                assert_eq!(page.html.contains(&link), consoles.contains(&slug), "{name} {slug}");
                let opened = clerk.browser.open(&site.at.url(&format!("/o/{slug}/admin/people"))).await.page();
                assert_eq!(opened.status == 200, consoles.contains(&slug), "{name} {slug}: {opened:?}");
            }
            assert!(page.html.contains("id=\"sign-out\" href=\"/end_session\""));
        }
        let mut rita = Clerk::at(site, &acme, "rita").await;
        let page = rita.open("people").await;
        assert!(page.html.contains("href=\"/me\">Your account</a>"), "{page:?}");
        assert!(page.html.contains("id=\"sign-out\" href=\"/end_session\""));
        let question = rita.browser.open(&site.at.url("/end_session")).await.page();
        rita.browser.press(&question, "logout-confirm", &[]).await;
        assert_eq!(entries(site, &acme, "rita").await.0, 1, "that of the browser before");
        assert!(is_shut(&rita.open("people").await));
    })
    .await;
}

/// How fresh a sign-in must be is said once, in the declarations of the API. None of the console's acts asks for more than
/// a session there; when one does, the console has to ask for it too.
#[tokio::test(flavor = "multi_thread")]
async fn the_api_asks_for_no_fresher_sign_in_for_the_acts_of_the_console() {
    const ACTS: [(Method, &str); 6] = [
        (Method::POST, "/users"),
        (Method::POST, "/users/bulk"),
        (Method::POST, "/users/{user}/resend"),
        (Method::POST, "/invitations"),
        (Method::POST, "/invitations/{invitation}/resend"),
        (Method::DELETE, "/invitations/{invitation}"),
    ];
    on_both(async |site| {
        let declared = api::build(site).2;
        for (method, path) in ACTS {
            let path = format!("/api/v1/orgs/{{org}}{path}");
            let route = declared.iter().find(|route| route.method == method.as_str() && route.path == path);
            let route = route.unwrap_or_else(|| panic!("no {method} {path}"));
            assert!(!route.rule.fresh, "{method} {path}: the console must ask for a fresh sign-in as well");
        }
    })
    .await;
}
