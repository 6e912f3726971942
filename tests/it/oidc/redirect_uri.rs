//! Redirect URIs are compared byte by byte (RFC 9700 §4.1): what isn't registered is told on a page, never by redirect.

use muster::domain::oauth::application::{AuthMethod, GrantType};

use crate::support::PASSWORD;
use crate::support::browser::{Landing, Person};
use crate::support::client::Ask;
use crate::support::server::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_uri_that_is_one_byte_off_is_told_on_a_page() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let own = "https://shop.example/callback";
        let off = [
            "https://shop.example/callbac",
            "https://shop.example/callback/",
            "https://shop.example/Callback",
            "https://shop.example/callback?x=1",
            "https://shop.example/callback#x",
            "http://shop.example/callback",
            "https://shop.example:443/callback",
            "https://SHOP.example/callback",
            "https://a@shop.example/callback",
            "https://shop.example@evil.example/callback",
            "https://shop.example\\@evil.example/callback",
            "https://shop.example/%63allback",
            "https://shop.example/callback\n",
            "https://evil.example/callback",
            "",
        ];
        let mut browser = site.browser();
        browser.sign_in(Person::named("ana")).await;
        for uri in off {
            for extra in [("prompt", "none"), ("scope", "openid"), ("response_type", "token")] {
                let ask = Ask::of(&shop).with(extra.0, extra.1).with("redirect_uri", uri);
                match browser.open(&ask.url(&site.at)).await {
                    Landing::Page(page) => {
                        assert_eq!(page.status, 400, "{uri:?}");
                        assert!(page.text().contains("Request error"), "{uri:?}: {page:?}");
                    }
                    Landing::Away(arrival) => {
                        panic!("{uri:?} with {extra:?} was sent to {arrival:?}")
                    }
                }
            }
        }
        assert_eq!(browser.ask_silently(&Ask::of(&shop).with("redirect_uri", own)).await.address, own);
        let nobody = Ask::of(&shop).with("client_id", "nobody");
        assert_eq!(browser.open(&nobody.url(&site.at)).await.page().status, 400);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_token_endpoint_the_redirect_uri_must_be_the_same_bytes_again() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        for off in ["https://shop.example/callback/", "https://shop.example/callbacK", ""] {
            let ask = Ask::of(&shop);
            let arrival = site.browser().authorize(&ask, Person::named("ana")).await;
            let fields = [
                ("grant_type", "authorization_code"),
                ("code", arrival.param("code")),
                ("redirect_uri", off),
                ("code_verifier", ask.verifier.as_str()),
            ];
            assert_eq!(shop.post("/token", &fields).await.refusal(), (400, "invalid_grant".to_owned()), "{off:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loopback_redirect_may_vary_its_port_alone_and_is_asked_for_every_time() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let registered = acme
            .application_with("cli", |application| {
                application.auth_method = AuthMethod::None;
                application.grant_types = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
                application.redirect_uris = vec!["http://127.0.0.1/callback".to_owned()];
            })
            .await;
        let cli = site.client(&registered);
        let mut browser = site.browser();
        let ask = Ask::of(&cli).with("redirect_uri", "http://127.0.0.1:49152/callback");
        let arrival = browser.authorize(&ask, Person::named("ana")).await;
        assert_eq!((arrival.address.as_str(), arrival.param("error")), ("http://127.0.0.1:49152/callback", ""));
        assert_eq!(browser.ask_silently(&ask).await.param("error"), "consent_required");
        for off in [
            "http://127.0.0.1.evil.example:49152/callback",
            "http://localhost:49152/callback",
            "http://127.0.0.1:49152/other",
        ] {
            let ask = Ask::of(&cli).with("redirect_uri", off);
            assert_eq!(browser.open(&ask.url(&site.at)).await.page().status, 400, "{off}");
        }
    })
    .await;
}
