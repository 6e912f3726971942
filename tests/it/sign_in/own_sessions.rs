//! A person's own sessions: seen, and ended one by one or all but the one that asks.

use reqwest::Method;

use crate::support::PASSWORD;
use crate::support::browser::{Browser, Person};
use crate::support::server::{Site, on_both};

fn own(site: &Site) -> Vec<(&'static str, String)> {
    vec![("origin", site.at.issuer.clone()), ("sec-fetch-site", "same-origin".to_owned())]
}

async fn signed_in(site: &Site, who: &'static str) -> (Browser, String) {
    let mut browser = site.browser();
    browser.sign_in(Person::named(who)).await;
    let html = browser.send(Method::GET, &site.at.url("/me/sessions"), None).await.body;
    (browser, html)
}

/// The value of the hidden field, and those of the buttons that end sessions.
fn offered(html: &str) -> (String, Vec<String>) {
    let after = |mark: &str| -> Vec<String> {
        let parts = html.split(mark).skip(1);
        parts.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
    };
    (after("name=\"csrf\" value=\"").remove(0), after("name=\"session\" value=\""))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_ends_one_session_or_all_others_and_never_somebody_elses() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        acme.person("bo", PASSWORD).await;
        let ((mut one, _), (mut two, _)) = (signed_in(site, "ana").await, signed_in(site, "ana").await);
        let (mut three, page) = signed_in(site, "ana").await;
        let (csrf, sessions) = offered(&page);
        assert_eq!(sessions.len(), 3, "the two others, and all of them: {sessions:?}");
        let sessions: Vec<String> = sessions.into_iter().filter(|session| session != "others").collect();
        let url = site.at.url("/me/sessions");
        let form = |csrf: &str, session: &str| {
            vec![("csrf".to_owned(), csrf.to_owned()), ("session".to_owned(), session.to_owned())]
        };
        let answer = three.send_with(Method::POST, &url, Some(&form("", &sessions[0])), &own(site)).await;
        assert_eq!(answer.status, 403, "without the page's token nothing ends");
        // Bo can't end Ana's, though he knows its id.
        let (mut stranger, _) = signed_in(site, "bo").await;
        let (theirs, _) = offered(&stranger.send(Method::GET, &site.at.url("/end_session"), None).await.body);
        let answer = stranger.send_with(Method::POST, &url, Some(&form(&theirs, &sessions[0])), &own(site)).await;
        assert_eq!(answer.status, 404);
        let answer = three.send_with(Method::POST, &url, Some(&form(&csrf, &sessions[0])), &own(site)).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/me/sessions?done=ended"));
        let out = [is_out(&mut one, site).await, is_out(&mut two, site).await];
        assert_eq!(out.iter().filter(|out| **out).count(), 1, "exactly the one that was named");
        let answer = three.send_with(Method::POST, &url, Some(&form(&csrf, "others")), &own(site)).await;
        assert_eq!(answer.status, 303);
        assert!(is_out(&mut one, site).await && is_out(&mut two, site).await && !is_out(&mut three, site).await);
        assert!(!is_out(&mut stranger, site).await);
    })
    .await;
}

async fn is_out(browser: &mut Browser, site: &Site) -> bool {
    browser.send(Method::GET, &site.at.url("/me"), None).await.status == 303
}
