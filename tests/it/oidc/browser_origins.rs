//! Who may read an answer across origins (Fetch, "CORS protocol"): pages of registered public applications, at the
//! endpoints that they talk to, never with cookies. Nobody else, and nothing of what people see.

use muster::domain::change::Change;
use muster::domain::oauth::application::{ApplicationState, AuthMethod};
use reqwest::Method;

use crate::support::PASSWORD;
use crate::support::application::Registered;
use crate::support::browser::{Browser, Person};
use crate::support::client::Ask;
use crate::support::http::Answer;
use crate::support::org::Org;
use crate::support::server::{Site, on_both};

/// The registered public application's pages.
const SPA: &str = "https://spa.example:8443";
/// A confidential application's.
const OFFICE: &str = "https://office.example";
/// Origins that get nothing: the confidential one, those that look like the registered one, and those that are none.
const OTHERS: [&str; 13] = [
    OFFICE,
    "null",
    "*",
    "https://evil.example",
    "https://spa.example",
    "https://spa.example:8444",
    "http://spa.example:8443",
    "https://spa.example:8443.evil.example",
    "https://spa.example:8443/",
    "https://SPA.example:8443",
    "https://a.spa.example:8443",
    "https://spa.example:8443, https://evil.example",
    "com.example.spa://callback",
];

async fn public(acme: &Org, client_id: &str, redirect_uris: &[&str]) -> Registered {
    acme.application_with(client_id, |application| {
        application.auth_method = AuthMethod::None;
        application.redirect_uris = redirect_uris.iter().map(|uri| (*uri).to_owned()).collect();
    })
    .await
}

/// Acme with Ana, the public application (pages, and an installed program's redirect URI), and the confidential one.
async fn acme(site: &Site) -> (Org, Registered) {
    let acme = site.org("acme").await;
    acme.person("ana", PASSWORD).await;
    let spa = public(&acme, "spa", &[&format!("{SPA}/callback"), "com.example.spa:/callback"]).await;
    acme.application_with("office", |application| application.redirect_uris = vec![format!("{OFFICE}/callback")]).await;
    (acme, spa)
}

/// What a browser asks before it sends a request with an Authorization header.
async fn preflight(site: &Site, path: &str, origin: &str) -> Answer {
    let request = site.at.request(Method::OPTIONS, &site.at.url(path)).header("origin", origin);
    let request = request.header("access-control-request-method", "POST");
    Answer::to(request.header("access-control-request-headers", "authorization,content-type")).await
}

async fn post(site: &Site, path: &str, origin: &str, fields: &[(&str, &str)]) -> Answer {
    Answer::to(site.at.request(Method::POST, &site.at.url(path)).header("origin", origin).form(fields)).await
}

async fn userinfo(site: &Site, method: Method, origin: &str, token: &str) -> Answer {
    let request = site.at.request(method, &site.at.url("/userinfo")).header("origin", origin);
    Answer::to(request.header("authorization", format!("Bearer {token}"))).await
}

/// The origin may read the answer, without its cookies having been sent, and no cache gives it to another one.
fn is_readable(answer: &Answer, what: &str) {
    let allowed: Vec<_> = answer.headers.get_all("access-control-allow-origin").iter().collect();
    assert_eq!(allowed, [SPA], "{what}: {answer:?}");
    assert_eq!(answer.header("access-control-allow-credentials"), "", "{what}");
    let vary = answer.headers.get_all("vary").iter().any(|value| value.to_str().unwrap().contains("origin"));
    assert!(vary, "{what}: {answer:?}");
}

/// No header says that anybody may read it.
fn is_closed(answer: &Answer, what: &str) {
    let opened = answer.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
    assert!(opened.is_none(), "{what}: {answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_public_application_sign_in_across_origins_without_cookies() {
    on_both(async |site| {
        let (_, registered) = acme(site).await;
        for path in ["/token", "/userinfo", "/revoke"] {
            let answer = preflight(site, path, SPA).await;
            is_readable(&answer, path);
            assert!(answer.status < 300 && answer.body.is_empty(), "{path}: {answer:?}");
            assert!(answer.header("access-control-allow-methods").contains("POST"), "{path}: {answer:?}");
            for name in ["authorization", "content-type"] {
                assert!(answer.header("access-control-allow-headers").contains(name), "{path}: {answer:?}");
            }
        }
        let spa = site.client(&registered);
        let ask = Ask::of(&spa);
        // One of its redirect URIs is a device's, where any program could listen: it asks every time.
        let arrival = site.browser().authorize(&ask, Person::named("ana")).await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", "spa"),
            ("code", arrival.param("code")),
            ("redirect_uri", spa.redirect_uri.as_str()),
            ("code_verifier", ask.verifier.as_str()),
        ];
        let answer = post(site, "/token", SPA, &fields).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        is_readable(&answer, "the tokens");
        let tokens = answer.json();
        let token = tokens["access_token"].as_str().unwrap();
        for method in [Method::GET, Method::POST] {
            let answer = userinfo(site, method, SPA, token).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            is_readable(&answer, "the claims");
        }
        let refused = post(site, "/token", SPA, &fields).await;
        assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
        is_readable(&refused, "a refusal, which its page must be able to tell from a broken network");
        is_readable(&userinfo(site, Method::GET, SPA, "rubbish").await, "a refusal");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_origin_may_read_anything_and_a_confidential_application_has_none() {
    on_both(async |site| {
        let (acme, registered) = acme(site).await;
        let spa = site.client(&registered);
        let tokens = spa.sign_in(&mut site.browser(), Person::named("ana")).await;
        let fields = [("grant_type", "refresh_token"), ("client_id", "spa"), ("refresh_token", "rubbish")];
        for origin in OTHERS {
            for path in ["/token", "/userinfo", "/revoke"] {
                is_closed(&preflight(site, path, origin).await, &format!("{origin} before {path}"));
            }
            is_closed(&post(site, "/token", origin, &fields).await, &format!("{origin} at /token"));
            for method in [Method::GET, Method::POST] {
                let answer = userinfo(site, method, origin, tokens.access()).await;
                assert_eq!(answer.status, 200, "the token is good, whoever may read the answer");
                is_closed(&answer, &format!("{origin} at /userinfo"));
            }
        }
        is_readable(&userinfo(site, Method::GET, SPA, tokens.access()).await, "its own page");
        // What is asked at every request: the application may have been disabled, or be gone, since the last one.
        let mut disabled = registered.application.clone();
        disabled.state = ApplicationState::Disabled;
        site.act(vec![Change::PutApplication(Box::new(disabled))]).await;
        is_closed(&preflight(site, "/token", SPA).await, "a disabled application");
        site.act(vec![Change::PutApplication(Box::new(registered.application.clone()))]).await;
        is_readable(&preflight(site, "/token", SPA).await, "enabled again");
        public(&acme, "other", &[&format!("{SPA}/other")]).await;
        site.act(vec![Change::RemoveApplication { application: registered.application.id.clone() }]).await;
        is_readable(&preflight(site, "/token", SPA).await, "another application has pages there");
        acme.application_with("office-too", |a| a.redirect_uris = vec![format!("{SPA}/office")]).await;
        let other = muster::store::applications::by_client_id(&mut site.conn().await, "other").await.unwrap().unwrap();
        site.act(vec![Change::RemoveApplication { application: other.id }]).await;
        is_closed(&preflight(site, "/token", SPA).await, "only a confidential application is left there");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_see_is_closed_to_every_other_origin() {
    on_both(async |site| {
        let (_, registered) = acme(site).await;
        let spa = site.client(&registered);
        let mut browser = site.browser();
        browser.sign_in(Person::named("ana")).await;
        let silent = Ask::of(&spa).with("prompt", "none").url(&site.at);
        let (paths, urls) =
            (["/authorize", "/login", "/me", "/end_session", "/introspect"], [silent, site.at.url("/me")]);
        for origin in OTHERS.into_iter().chain([SPA]) {
            for path in paths {
                is_closed(&preflight(site, path, origin).await, &format!("{origin} before {path}"));
                let answer = post(site, path, origin, &[("username", "ana"), ("password", PASSWORD)]).await;
                is_closed(&answer, &format!("{origin} posts to {path}"));
                let request = site.at.request(Method::GET, &site.at.url(path)).header("origin", origin);
                is_closed(&Answer::to(request).await, &format!("{origin} gets {path}"));
            }
            // With the person's cookies, as a page that is embedded or scripted would have them sent.
            for url in &urls {
                let answer = browser.send_with(Method::GET, url, None, &Browser::foreign(origin)).await;
                is_closed(&answer, &format!("{origin} gets {url}"));
            }
        }
    })
    .await;
}
