//! Front-Channel Logout 1.0: the browser that signs out loads the addresses of the applications that it was signed in to,
//! and then goes where it was going.

use reqwest::Method;
use serde_json::json;

use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::Person;
use crate::support::server::on_both;

const FRONT: &str = "https://shop.example/signed-out?by=muster";

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_signs_out_loads_what_its_applications_asked_for_and_goes_on() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let shop = acme.application_with("shop", |shop| shop.frontchannel_logout_uri = Some(FRONT.to_owned())).await;
        let plain = acme.application("plain").await;
        let (shop, plain) = (site.client(&shop), site.client(&plain));
        let mut browser = site.browser();
        plain.sign_in(&mut browser, Person::named("ana")).await;
        let tokens = shop.sign_in(&mut browser, Person::named("ana")).await;
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("id_token_hint", tokens.id())
            .append_pair("post_logout_redirect_uri", "https://shop.example/")
            .append_pair("state", "a b")
            .finish();
        let answer = browser.send(Method::GET, &site.at.url(&format!("/end_session?{query}")), None).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let policy = answer.header("content-security-policy");
        assert!(policy.ends_with("; frame-src https://shop.example"), "{policy}");
        let sid = tokens.id_claims()["sid"].as_str().unwrap().to_owned();
        let iss = form_urlencoded::byte_serialize(site.at.issuer.as_bytes()).collect::<String>();
        let plainly = answer.body.replace("&amp;", "&").replace("&#38;", "&");
        assert!(plainly.contains(&format!("<iframe src=\"{FRONT}&iss={iss}&sid={sid}\"")), "{plainly}");
        assert_eq!(answer.body.matches("<iframe").count(), 1, "of the others there is nothing to load");
        assert!(plainly.contains("content=\"2;url=https://shop.example/?state=a+b\""), "{plainly}");
        assert!(plainly.contains("id=\"return-to\" href=\"https://shop.example/?state=a+b\""), "{plainly}");
        // Whoever comes back signed out has nothing to load any more.
        let answer = browser.send(Method::GET, &site.at.url(&format!("/end_session?{query}")), None).await;
        assert_eq!((answer.status, answer.header("location")), (303, "https://shop.example/?state=a+b"));
        assert!(!shop.is_signed_in(&mut browser).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_for_leaving_browsers_is_on_the_origin_of_a_redirect_uri() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let with = |uri: &str| {
            json!({ "client_id": "shop", "name": "Shop", "redirect_uris": ["https://shop.example/cb"],
                    "frontchannel_logout_uri": uri, "frontchannel_logout_session_required": true, "status_list": true })
        };
        for bad in ["https://evil.example/out", "http://shop.example/out", "javascript:alert(1)"] {
            let refused = olga.refused(Method::POST, "/applications", with(bad)).await;
            assert_eq!(refused, (400, "invalid".to_owned()), "{bad}");
        }
        let made = olga.post("/applications", with("https://shop.example/out")).await["object"].clone();
        assert_eq!(made["frontchannel_logout_uri"], "https://shop.example/out");
        assert_eq!((&made["frontchannel_logout_session_required"], &made["status_list"]), (&json!(true), &json!(true)));
        let changed = olga.patch("/applications/shop", json!({ "frontchannel_logout_uri": null })).await;
        assert_eq!(changed["object"]["frontchannel_logout_uri"], json!(null));
    })
    .await;
}
