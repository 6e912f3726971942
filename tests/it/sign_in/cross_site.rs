//! Requests that another site makes a browser send: refused before anything is done.

use reqwest::Method;

use crate::support::PASSWORD;
use crate::support::browser::{Browser, Person};
use crate::support::client::Ask;
use crate::support::page::Page;
use crate::support::server::on_both;

fn own(browser: &Browser) -> Vec<(&'static str, String)> {
    vec![("origin", browser.at.issuer.clone()), ("sec-fetch-site", "same-origin".to_owned())]
}

fn filled(page: &Page) -> Vec<(String, String)> {
    page.form_with("login-form")
        .expect("the sign-in page")
        .filled("login-submit", &[("username", "ana"), ("password", PASSWORD)])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_another_site_posts_is_refused_whatever_it_knows() {
    on_both(async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let url = site.at.url("/login");
        let mut browser = site.browser();
        let page = browser.open(&url).await.page();
        let fields = filled(&page);
        let null = vec![("origin", "null".to_owned()), ("sec-fetch-site", "cross-site".to_owned())];
        let prefix = Browser::foreign(&format!("{}.evil.example", site.at.issuer));
        for headers in [Browser::foreign("https://evil.example"), null, prefix] {
            let answer = browser.send_with(Method::POST, &url, Some(&fields), &headers).await;
            assert_eq!(answer.status, 403, "{headers:?}");
        }
        assert!(browser.cookie("muster").is_none());
        let answer = browser.send_with(Method::POST, &url, Some(&fields), &own(&browser.clone())).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/me"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_good_in_the_browser_that_it_was_shown_to_alone() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let url = site.at.url("/login");
        let (mut mine, mut theirs) = (site.browser(), site.browser());
        let page = mine.open(&Ask::of(&shop).url(&site.at)).await.page();
        let other = theirs.open(&url).await.page();
        let headers = own(&mine);
        // The whole form of another browser; a token that is missing or another's; a request that is another's.
        let with = |name: &str, value: &str| -> Vec<(String, String)> {
            filled(&page).into_iter().map(|(n, v)| if n == name { (n, value.to_owned()) } else { (n, v) }).collect()
        };
        let of_other = |name: &str| filled(&other).into_iter().find(|(n, _)| n == name).map(|(_, v)| v).unwrap();
        let answer = theirs.send_with(Method::POST, &url, Some(&filled(&page)), &headers).await;
        assert_eq!(answer.status, 403);
        for fields in [
            with("csrf", ""),
            with("csrf", &of_other("csrf")),
            with("request", &of_other("request")),
            with("request", "x"),
        ] {
            let answer = mine.send_with(Method::POST, &url, Some(&fields), &headers).await;
            assert!((400..500).contains(&answer.status), "{}", answer.status);
        }
        assert!(mine.cookie("muster").is_none() && theirs.cookie("muster").is_none());
        let nobody = site.browser().send_with(Method::POST, &url, Some(&filled(&page)), &headers).await;
        assert_eq!(nobody.status, 403, "a browser without our cookie");
        let landing = mine.press(&page, "login-submit", &[("username", "ana"), ("password", PASSWORD)]).await;
        assert_ne!(landing.arrival().param("code"), "");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_cookie_is_not_the_one_that_the_person_is_signed_in_with() {
    on_both(async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let mut browser = site.browser();
        browser.sign_in(Person::named("ana")).await;
        let first = browser.cookie("muster").map(str::to_owned);
        browser.sign_in(Person::named("ana")).await;
        let second = browser.cookie("muster").map(str::to_owned);
        assert!(first.is_some() && first != second, "a sign-in gives the session a new cookie");
        let old = format!("muster={}", first.unwrap());
        let request = site.at.request(Method::GET, &site.at.url("/me")).header("cookie", old);
        let answer = crate::support::http::Answer::to(request).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/login"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_needs_the_persons_own_page() {
    on_both(async |site| {
        site.org("acme").await.person("ana", PASSWORD).await;
        let mut browser = site.browser();
        browser.sign_in(Person::named("ana")).await;
        let page = browser.open(&site.at.url("/end_session")).await.page();
        let fields = page.form_with("logout-confirm").unwrap().filled("logout-confirm", &[]);
        let url = site.at.url("/end_session/confirm");
        let answer =
            browser.send_with(Method::POST, &url, Some(&fields), &Browser::foreign("https://evil.example")).await;
        assert_eq!(answer.status, 403);
        let bare: Vec<(String, String)> = fields.into_iter().filter(|(name, _)| name != "csrf").collect();
        assert_eq!(browser.send(Method::POST, &url, Some(&bare)).await.status, 403);
        assert_eq!(browser.open(&site.at.url("/me")).await.page().url, site.at.url("/me"), "still signed in");
    })
    .await;
}
