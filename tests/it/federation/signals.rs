//! What a provider says of sessions that are over: back-channel logout (OpenID Connect Back-Channel Logout 1.0) and global
//! token revocation. It ends what it names, here and at the application behind, and nothing else; whatever is not the
//! provider's own word, to us and for the first time, ends nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use muster::domain::change::Change;
use muster::domain::connection::ConnectionState;
use muster::domain::oidc::logout_token::EVENT;
use muster::kernel::id::ConnectionId;
use muster::kernel::time::SECOND;
use reqwest::Method;
use serde_json::{Value, json};

use super::signals_scene::{SECEVENT, Scene, with};
use crate::support::client::{Ask, random};
use crate::support::federated::{Federated, verify_domain};
use crate::support::http::Answer;
use crate::support::provider::{Provider, flipped};
use crate::support::server::{Site, on_both};

/// A token that nobody signed.
fn unsigned(typ: &str, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&json!({ "alg": "none", "typ": typ })), part(claims))
}

async fn set_state(site: &Site, okta: &Federated, state: ConnectionState) {
    let (org, connection) = (okta.org.id.clone(), okta.connection.clone());
    site.act(vec![Change::SetConnectionState { org, connection, state }]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_token_with_a_sid_ends_that_session_alone_and_one_with_a_sub_all_of_that_person() {
    on_both(async |site| {
        let scene = Scene::acme(site, |_| {}).await;
        let phone = scene.comes("ana", "s-phone").await;
        let mut desk = scene.comes("ana", "s-desk").await;
        let mut bo = scene.comes("bo", "s-bo").await;

        let answer = scene.logs_out(site, &scene.logout_token(site, json!({ "sid": "s-phone" }))).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{}", answer.body);
        phone.is_out(&scene.shop).await;
        desk.is_in(&scene.shop).await;
        bo.is_in(&scene.shop).await;
        scene.has_told_of(site, &[&phone]).await;

        // What is nobody's here, and a session that isn't the named person's, is heard and is nothing.
        for named in [
            json!({ "sid": "s-phone" }),
            json!({ "sid": "s-of-nobody" }),
            json!({ "sub": "nobody" }),
            json!({ "sub": "bo", "sid": "s-desk" }),
            json!({ "sub": "nobody", "sid": "s-desk" }),
            json!({ "sub": "ANA" }),
        ] {
            let answer = scene.logs_out(site, &scene.logout_token(site, named.clone())).await;
            assert_eq!(answer.status, 200, "{named}: {}", answer.body);
        }
        desk.is_in(&scene.shop).await;
        bo.is_in(&scene.shop).await;

        let mut again = scene.comes("ana", "s-phone-2").await;
        again.is_in(&scene.shop).await;
        let answer = scene.logs_out(site, &scene.logout_token(site, json!({ "sub": "ana" }))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        desk.is_out(&scene.shop).await;
        again.is_out(&scene.shop).await;
        bo.is_in(&scene.shop).await;
        scene.has_told_of(site, &[&phone, &desk, &again]).await;

        // Nobody is shut out by it.
        site.advance(SECOND);
        scene.comes("ana", "s-desk-2").await.is_in(&scene.shop).await;
        phone.is_out(&scene.shop).await;
        let answer = scene.logs_out(site, &scene.logout_token(site, json!({ "sub": "bo", "sid": "s-bo" }))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        bo.is_out(&scene.shop).await;
        scene.has_told_of(site, &[&phone, &desk, &again, &bo]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_outlives_its_browser_session_ends_too_when_the_provider_says_that_it_is_over() {
    on_both(async |site| {
        let scene = Scene::acme(site, |_| {}).await;
        let offline = || Ask::of(&scene.shop).with("scope", "openid offline_access roles");
        let ana = scene.comes_with("ana", "s-ana", offline()).await;
        let mut bo = scene.comes_with("bo", "s-bo", offline()).await;
        let answer = scene.logs_out(site, &scene.logout_token(site, json!({ "sid": "s-ana" }))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        ana.is_out(&scene.shop).await;
        bo.is_in(&scene.shop).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_token_with_one_thing_wrong_is_refused_and_ends_nothing() {
    on_both(async |site| {
        let scene = Scene::acme(site, |_| {}).await;
        let mut ana = scene.comes("ana", "s-ana").await;
        let (now, issuer) = (site.now().seconds(), scene.provider.issuer.clone());
        let claims = |more: Value| with(scene.farewell(site, json!({ "sub": "ana", "sid": "s-ana" })), more);
        let mut wrong: Vec<(String, String)> = Vec::new();
        for more in [
            json!({ "iss": null }),
            json!({ "iss": "https://somebody.else.test" }),
            json!({ "iss": format!("{issuer}/") }),
            json!({ "iss": [issuer] }),
            json!({ "aud": null }),
            json!({ "aud": "another-client" }),
            json!({ "aud": ["another-client"] }),
            json!({ "aud": [] }),
            json!({ "iat": null }),
            json!({ "iat": "now" }),
            json!({ "iat": now + 300 }),
            json!({ "iat": now - 3_600 }),
            json!({ "exp": now - 120 }),
            json!({ "jti": null }),
            json!({ "jti": "" }),
            json!({ "jti": 7 }),
            json!({ "events": null }),
            json!({ "events": {} }),
            json!({ "events": [EVENT] }),
            json!({ "events": { EVENT: true } }),
            json!({ "events": { "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {} } }),
            json!({ "nonce": "n" }),
            json!({ "sub": null, "sid": null }),
            json!({ "sub": "" }),
            json!({ "sid": 1 }),
        ] {
            wrong.push((more.to_string(), scene.provider.sign("logout+jwt", &claims(more))));
        }
        let good = claims(json!({}));
        let stranger = Provider::open().await;
        for (what, token) in [
            ("somebody else's key of the same name", stranger.sign("logout+jwt", &good)),
            ("one bit turned", flipped(&scene.provider.sign("logout+jwt", &good))),
            ("no signature", unsigned("logout+jwt", &good)),
            ("an access token", scene.provider.sign("at+jwt", &good)),
            ("an event", scene.provider.sign(SECEVENT, &good)),
            ("an ID token", scene.provider.sign("JWT", &claims(json!({ "events": null, "nonce": "n" })))),
            ("no token", "ana".to_owned()),
            ("nothing", String::new()),
        ] {
            wrong.push((what.to_owned(), token));
        }
        for (what, token) in &wrong {
            let answer = scene.logs_out(site, token).await;
            assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{what}: {}", answer.body);
            assert_eq!(answer.header("cache-control"), "no-store", "{what}");
        }
        let token = scene.provider.sign("logout+jwt", &good);
        let twice = [("logout_token", token.as_str()), ("logout_token", token.as_str())];
        for fields in [&[("token", token.as_str())][..], &twice, &[]] {
            assert_eq!(scene.posts_logout(site, fields).await.status, 400, "{fields:?}");
        }
        let json = site.at.request(Method::POST, &scene.url(site, "logout")).json(&json!({ "logout_token": token }));
        assert_eq!(Answer::to(json).await.status, 400, "no form");

        ana.is_in(&scene.shop).await;
        scene.has_told_of(site, &[]).await;
        // And the same token is good where nothing is wrong with it.
        assert_eq!(scene.logs_out(site, &token).await.status, 200);
        ana.is_out(&scene.shop).await;
        scene.has_told_of(site, &[&ana]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_token_counts_once_and_ends_nothing_that_came_after_it() {
    on_both(async |site| {
        let scene = Scene::acme(site, |_| {}).await;
        let ana = scene.comes("ana", "s-ana").await;
        let token = scene.logout_token(site, json!({ "sub": "ana" }));
        assert_eq!(scene.logs_out(site, &token).await.status, 200);
        ana.is_out(&scene.shop).await;
        site.advance(SECOND);
        let mut again = scene.comes("ana", "s-ana").await;
        for _ in 0..2 {
            assert_eq!(scene.logs_out(site, &token).await.refusal(), (400, "invalid_request".to_owned()));
        }
        again.is_in(&scene.shop).await;
        scene.has_told_of(site, &[&ana]).await;
        // It is the token's own name that is used up, and only at this connection.
        let jti = random();
        for (named, status) in
            [(json!({ "sub": "nobody", "jti": jti }), 200), (json!({ "sub": "ana", "jti": jti }), 400)]
        {
            assert_eq!(scene.logs_out(site, &scene.logout_token(site, named)).await.status, status);
        }
        again.is_in(&scene.shop).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connections_provider_ends_nothing_that_came_through_another() {
    on_both(async |site| {
        let acme = Scene::acme(site, |_| {}).await;
        // Globex has a provider of its own, and Initech the same as Acme, where the same people are others here.
        let globex = Scene::set(site, "globex", &Provider::open().await, |_| {}).await;
        let initech = Scene::set(site, "initech", &acme.provider, |_| {}).await;
        let ana = acme.comes("ana", "s-ana").await;
        let mut at_globex = globex.comes("ana", "s-ana").await;
        let mut at_initech = initech.comes("ana", "s-ana").await;

        let foreign = acme.logout_token(site, json!({ "sub": "ana", "sid": "s-ana" }));
        assert_eq!(globex.logs_out(site, &foreign).await.status, 400, "another provider's");
        let pretended = globex.provider.sign("logout+jwt", &acme.farewell(site, json!({ "sub": "ana" })));
        assert_eq!(acme.logs_out(site, &pretended).await.status, 400, "another provider's that says it is this one's");
        let named = json!({ "sub": "ana", "iss": acme.provider.issuer, "aud": acme.provider.client_id });
        assert_eq!(globex.logs_out(site, &globex.logout_token(site, named)).await.status, 400);
        at_globex.is_in(&globex.shop).await;

        // What counts for both ends what came through the one that was told.
        assert_eq!(acme.logs_out(site, &foreign).await.status, 200);
        ana.is_out(&acme.shop).await;
        at_initech.is_in(&initech.shop).await;
        acme.has_told_of(site, &[&ana]).await;
        initech.has_told_of(site, &[]).await;
        assert_eq!(initech.logs_out(site, &foreign).await.status, 200);
        at_initech.is_out(&initech.shop).await;
        initech.has_told_of(site, &[&at_initech]).await;
        at_globex.is_in(&globex.shop).await;
        globex.has_told_of(site, &[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_does_not_work_is_answered_like_one_that_never_was() {
    on_both(async |site| {
        let scene = Scene::acme(site, |settings| settings.signals.global_token_revocation = true).await;
        let ana = scene.comes("ana", "s-ana").await;
        let (token, body) =
            (scene.logout_token(site, json!({ "sub": "ana" })), json!({ "sub_id": scene.person("ana") }));
        let never = site.at.url(&format!("/upstream/{}/logout", ConnectionId::fresh()));
        let never = Answer::to(site.at.request(Method::POST, &never).form(&[("logout_token", &token)])).await;
        assert_eq!(never.status, 404);

        // Disabling it ends what came through; what is said meanwhile is not heard.
        set_state(site, &scene.okta, ConnectionState::Disabled).await;
        ana.is_out(&scene.shop).await;
        let answer = scene.logs_out(site, &token).await;
        assert_eq!((answer.status, &answer.body), (404, &never.body));
        let answer = scene.revokes(site, Some(&scene.bearer(site, json!({}))), &body).await;
        assert_eq!((answer.status, &answer.body), (404, &never.body));
        scene.has_told_of(site, &[&ana]).await;

        set_state(site, &scene.okta, ConnectionState::Active).await;
        site.advance(SECOND);
        let again = scene.comes("ana", "s-ana-2").await;
        assert_eq!(scene.logs_out(site, &token).await.status, 200);
        again.is_out(&scene.shop).await;
        set_state(site, &scene.okta, ConnectionState::Deleted).await;
        let answer = scene.logs_out(site, &scene.logout_token(site, json!({ "sub": "ana" }))).await;
        assert_eq!((answer.status, &answer.body), (404, &never.body));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_global_revocation_ends_everything_of_the_person_it_names() {
    on_both(async |site| {
        let scene = Scene::acme(site, |settings| settings.signals.global_token_revocation = true).await;
        verify_domain(site, &scene.org, "acme.test").await;
        let phone = scene.comes("ana", "s-phone").await;
        let desk = scene.comes("ana", "s-desk").await;
        let mut bo = scene.comes("bo", "s-bo").await;
        let of = |subject: Value| json!({ "sub_id": subject });

        let answer = scene.revokes(site, Some(&scene.bearer(site, json!({}))), &of(scene.person("ana"))).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
        phone.is_out(&scene.shop).await;
        desk.is_out(&scene.shop).await;
        bo.is_in(&scene.shop).await;
        scene.has_told_of(site, &[&phone, &desk]).await;

        let address = json!({ "format": "email", "email": "bo@acme.test" });
        let answer = scene.revokes(site, Some(&scene.bearer(site, json!({}))), &of(address)).await;
        assert_eq!(answer.status, 204, "{}", answer.body);
        bo.is_out(&scene.shop).await;
        scene.has_told_of(site, &[&phone, &desk, &bo]).await;
        site.advance(SECOND);
        scene.comes("ana", "s-again").await.is_in(&scene.shop).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_global_revocation_without_the_providers_own_token_or_a_person_ends_nothing() {
    on_both(async |site| {
        let scene = Scene::acme(site, |settings| settings.signals.global_token_revocation = true).await;
        let mut ana = scene.comes("ana", "s-ana").await;
        let (now, body) = (site.now().seconds(), json!({ "sub_id": scene.person("ana") }));
        let answer = scene.revokes(site, None, &body).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer realm=\"muster\""));
        let bearer = |more: Value| scene.bearer(site, more);
        let stranger = Scene::set(site, "globex", &Provider::open().await, |_| {}).await;
        for (what, token) in [
            ("issuer", bearer(json!({ "iss": "https://somebody.else.test" }))),
            ("no issuer", bearer(json!({ "iss": null }))),
            ("subject", bearer(json!({ "sub": "another-client" }))),
            ("audience", bearer(json!({ "aud": scene.url(site, "logout") }))),
            ("our issuer as audience", bearer(json!({ "aud": site.at.issuer }))),
            ("over", bearer(json!({ "iat": now - 400, "exp": now - 120 }))),
            ("no end", bearer(json!({ "exp": null }))),
            ("too late an end", bearer(json!({ "exp": now + 86_400 }))),
            ("not yet", bearer(json!({ "nbf": now + 300 }))),
            ("ahead", bearer(json!({ "iat": now + 300 }))),
            ("no name", bearer(json!({ "jti": null }))),
            ("one bit turned", flipped(&bearer(json!({})))),
            ("another provider's", stranger.bearer(site, json!({ "iss": scene.provider.issuer }))),
            ("a logout token", scene.logout_token(site, json!({ "sub": "ana" }))),
            ("no token", "ana".to_owned()),
        ] {
            let answer = scene.revokes(site, Some(&token), &body).await;
            assert_eq!(answer.refusal(), (401, "invalid_token".to_owned()), "{what}: {}", answer.body);
            assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""), "{what}");
        }
        for (what, body, status) in [
            ("nobody here", json!({ "sub_id": scene.person("nobody") }), 404),
            ("another provider's person", json!({ "sub_id": stranger.person("ana") }), 404),
            ("no subject", json!({}), 400),
            ("a text", json!({ "sub_id": "ana" }), 400),
            (
                "a format that names nobody",
                json!({ "sub_id": { "format": "uri", "uri": "https://acme.test/ana" } }),
                400,
            ),
        ] {
            let answer = scene.revokes(site, Some(&bearer(json!({}))), &body).await;
            assert_eq!(answer.status, status, "{what}: {}", answer.body);
        }
        ana.is_in(&scene.shop).await;
        scene.has_told_of(site, &[]).await;

        // One that was heard is used up, whomever it named.
        let token = bearer(json!({}));
        assert_eq!(scene.revokes(site, Some(&token), &json!({ "sub_id": scene.person("nobody") })).await.status, 404);
        assert_eq!(scene.revokes(site, Some(&token), &body).await.status, 401);
        ana.is_in(&scene.shop).await;
        // Where it is not switched on, it isn't there.
        scene.okta.set_up(site, |settings| settings.signals.global_token_revocation = false).await;
        assert_eq!(scene.revokes(site, Some(&bearer(json!({}))), &body).await.status, 404);
        ana.is_in(&scene.shop).await;
    })
    .await;
}
