//! Security events that a provider pushes (RFC 8935; CAEP 1.0 and RISC 1.0 in the Shared Signals Framework 1.0): what they
//! say of sessions and accounts holds here at the next request, and the application behind is told; whatever is not the
//! provider's own word to us is refused in the specification's words, and does nothing.

use muster::domain::change::Change;
use muster::domain::federation::SignInSettings;
use muster::domain::people::user::UserState;
use muster::kernel::time::{DAY, SECOND};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::signals_scene::{CREDENTIAL, DISABLED, ENABLED, REVOKED, SECEVENT, Scene, VERIFICATION, with};
use crate::support::federated::{refusal, verify_domain};
use crate::support::http::Answer;
use crate::support::provider::{Provider, flipped};
use crate::support::server::{Site, on_both};

/// Acme, whose provider transmits events under its own name.
async fn acme(site: &Site) -> Scene {
    let provider = Provider::open().await;
    let issuer = provider.issuer.clone();
    Scene::set(site, "acme", &provider, |settings: &mut SignInSettings| settings.signals.issuer = Some(issuer)).await
}

/// The provider pushes an event, which must be taken.
async fn hears(site: &Site, scene: &Scene, kind: &str, subject: Value) {
    let answer = scene.pushes(site, &scene.event(site, kind, subject.clone(), json!({}))).await;
    assert_eq!((answer.status, answer.body.as_str()), (202, ""), "{kind} of {subject}");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_session_is_over_and_with_a_persons_name_alone_all_of_theirs_are() {
    on_both(async |site| {
        let scene = acme(site).await;
        let phone = scene.comes("ana", "s-phone").await;
        let mut desk = scene.comes("ana", "s-desk").await;
        let mut bo = scene.comes("bo", "s-bo").await;
        let session = |sid: &str| json!({ "format": "opaque", "id": sid });

        hears(site, &scene, REVOKED, json!({ "user": scene.person("ana"), "session": session("s-phone") })).await;
        phone.is_out(&scene.shop).await;
        desk.is_in(&scene.shop).await;
        scene.has_told_of(site, &[&phone]).await;

        // Nobody's, not theirs, of nobody whom we could know, or of nothing that ends anything: taken, and nothing.
        hears(site, &scene, REVOKED, scene.person("nobody")).await;
        hears(site, &scene, REVOKED, json!({ "user": scene.person("bo"), "session": session("s-desk") })).await;
        hears(site, &scene, REVOKED, json!({ "format": "phone_number", "phone_number": "+12065550100" })).await;
        hears(site, &scene, REVOKED, json!({ "format": "iss_sub", "iss": "https://else.test", "sub": "ana" })).await;
        hears(site, &scene, "caep/event-type/device-compliance-change", scene.person("ana")).await;
        hears(site, &scene, VERIFICATION, json!({ "format": "opaque", "id": "stream-1" })).await;
        hears(site, &scene, "ssf/event-type/stream-updated", json!({ "format": "opaque", "id": "ana" })).await;
        desk.is_in(&scene.shop).await;
        bo.is_in(&scene.shop).await;

        hears(site, &scene, REVOKED, scene.person("ana")).await;
        desk.is_out(&scene.shop).await;
        bo.is_in(&scene.shop).await;
        scene.has_told_of(site, &[&phone, &desk]).await;
        // As drafts of the framework had it: the subject inside the event.
        let kind = format!("https://schemas.openid.net/secevent/{REVOKED}");
        let within = json!({ "subject_type": "iss-sub", "iss": scene.provider.issuer, "sub": "bo" });
        let more = json!({ "sub_id": null, "events": { kind: { "subject": within } } });
        let answer = scene.pushes(site, &scene.event(site, REVOKED, json!({}), more)).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        bo.is_out(&scene.shop).await;
        scene.has_told_of(site, &[&phone, &desk, &bo]).await;
        site.advance(SECOND);
        scene.comes("ana", "s-new").await.is_in(&scene.shop).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_credential_ends_all_of_somebody_by_whatever_name_the_provider_calls_them() {
    on_both(async |site| {
        let scene = acme(site).await;
        verify_domain(site, &scene.org, "acme.test").await;
        let mut bo = scene.comes("bo", "s-bo").await;
        let mut gone = Vec::new();
        let address = json!({ "format": "email", "email": "Ana@acme.test" });
        let names = [
            scene.person("ana"),
            address.clone(),
            json!({ "format": "opaque", "id": "ana" }),
            json!({ "format": "aliases", "identifiers": [address, scene.person("ana")] }),
            // Where a session is named, too, the credential is the person's all the same.
            json!({ "user": scene.person("ana"), "session": { "format": "opaque", "id": "s-1" } }),
        ];
        for name in names {
            site.advance(SECOND);
            let visits = [scene.comes("ana", "s-1").await, scene.comes("ana", "s-2").await];
            hears(site, &scene, CREDENTIAL, name).await;
            for visit in visits {
                visit.is_out(&scene.shop).await;
                gone.push(visit);
            }
            bo.is_in(&scene.shop).await;
            scene.has_told_of(site, &gone.iter().collect::<Vec<_>>()).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_disabled_there_is_out_and_stays_out_until_it_is_enabled_there() {
    on_both(async |site| {
        let scene = acme(site).await;
        let (ana, mut bo) = (scene.comes("ana", "s-ana").await, scene.comes("bo", "s-bo").await);
        let began = site.now().seconds();
        site.advance(10 * SECOND);
        hears(site, &scene, DISABLED, scene.person("ana")).await;
        ana.is_out(&scene.shop).await;
        bo.is_in(&scene.shop).await;
        scene.has_told_of(site, &[&ana]).await;
        let disabled = (403, "account_disabled");
        assert_eq!(refusal(&scene.tries(site, "ana").await), disabled);

        // An older word that arrives late does not undo a newer one.
        let late = scene.event(site, ENABLED, scene.person("ana"), json!({ "iat": began }));
        assert_eq!(scene.pushes(site, &late).await.status, 202);
        assert_eq!(refusal(&scene.tries(site, "ana").await), disabled);

        site.advance(10 * SECOND);
        hears(site, &scene, ENABLED, scene.person("ana")).await;
        let again = scene.comes("ana", "s-again").await;
        ana.is_out(&scene.shop).await;

        // Whom an administrator here has suspended is not revived by the provider's word.
        let user = scene.okta.known_as(site, "ana").await.expect("she is known");
        site.act(vec![Change::SetUserState { user, state: UserState::Suspended }]).await;
        again.is_out(&scene.shop).await;
        site.advance(10 * SECOND);
        hears(site, &scene, ENABLED, scene.person("ana")).await;
        assert_eq!(refusal(&scene.tries(site, "ana").await), disabled);
        bo.is_in(&scene.shop).await;
        scene.has_told_of(site, &[&ana, &again]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_taken_once_more_does_nothing_once_more() {
    on_both(async |site| {
        let scene = acme(site).await;
        let ana = scene.comes("ana", "s-ana").await;
        let event = scene.event(site, REVOKED, scene.person("ana"), json!({}));
        assert_eq!(scene.pushes(site, &event).await.status, 202);
        ana.is_out(&scene.shop).await;
        site.advance(SECOND);
        let mut again = scene.comes("ana", "s-ana").await;
        for _ in 0..2 {
            assert_eq!(scene.pushes(site, &event).await.status, 202);
        }
        again.is_in(&scene.shop).await;
        scene.has_told_of(site, &[&ana]).await;
    })
    .await;
}

/// An event that Ana's sessions are over, with one thing about it changed.
fn changed(site: &Site, scene: &Scene, more: Value) -> Value {
    with(scene.event(site, REVOKED, scene.person("ana"), json!({})), more)
}

/// What is wrong with an event, the word that it is refused with, and the event.
fn wrong_claims(site: &Site, scene: &Scene) -> Vec<(String, &'static str, String)> {
    let now = site.now().seconds();
    let wrong = [
        (json!({ "iss": "https://somebody.else.test" }), "invalid_issuer"),
        (json!({ "iss": null }), "invalid_issuer"),
        (json!({ "aud": site.at.url("/upstream/con_0/events") }), "invalid_audience"),
        (json!({ "aud": scene.provider.client_id }), "invalid_audience"),
        (json!({ "aud": null }), "invalid_audience"),
        (json!({ "jti": null }), "invalid_request"),
        (json!({ "iat": null }), "invalid_request"),
        (json!({ "iat": now + 300 }), "invalid_request"),
        (json!({ "iat": now - 8 * DAY / SECOND }), "invalid_request"),
        (json!({ "exp": now - 120 }), "invalid_request"),
        (json!({ "nonce": "n" }), "invalid_request"),
        (json!({ "events": null }), "invalid_request"),
        (json!({ "events": {} }), "invalid_request"),
        (json!({ "sub_id": "ana" }), "invalid_request"),
        (json!({ "sub_id": { "format": "iss_sub", "sub": "ana" } }), "invalid_request"),
    ];
    let signed = |more: Value| scene.provider.sign(SECEVENT, &changed(site, scene, more));
    wrong.into_iter().map(|(more, word)| (more.to_string(), word, signed(more))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_with_one_thing_wrong_is_refused_in_the_specifications_words_and_does_nothing() {
    on_both(async |site| {
        let scene = acme(site).await;
        let mut ana = scene.comes("ana", "s-ana").await;
        let (good, stranger) = (changed(site, &scene, json!({})), Provider::open().await);
        let mut wrong = wrong_claims(site, &scene);
        for (what, token) in [
            ("somebody else's key of the same name", stranger.sign(SECEVENT, &good)),
            ("one bit turned", flipped(&scene.provider.sign(SECEVENT, &good))),
            ("a logout token", scene.provider.sign("logout+jwt", &good)),
            ("of no type that is known", scene.provider.sign("JWT", &good)),
            ("no token", "ana".to_owned()),
        ] {
            wrong.push((what.to_owned(), "authentication_failed", token));
        }
        wrong.push(("nothing".to_owned(), "invalid_request", String::new()));
        for (what, word, token) in wrong {
            let answer = scene.posts_event(site, token).await;
            let told = answer.json();
            assert_eq!((answer.status, &told["err"]), (400, &json!(word)), "{what}: {}", answer.body);
            assert!(told["description"].as_str().is_some_and(|text| !text.is_empty()), "{what}: {told}");
            assert_eq!((answer.header("content-type"), answer.header("content-language")), ("application/json", "en"));
        }
        let token = scene.provider.sign(SECEVENT, &good);
        let plain = site.at.request(Method::POST, &scene.url(site, "events")).header(CONTENT_TYPE, "application/jwt");
        let answer = Answer::to(plain.body(token.clone())).await;
        assert_eq!((answer.status, &answer.json()["err"]), (400, &json!("invalid_request")), "{}", answer.body);
        ana.is_in(&scene.shop).await;
        scene.has_told_of(site, &[]).await;

        // Where no transmitter is named, nothing is there.
        scene.okta.set_up(site, |settings| settings.signals.issuer = None).await;
        let answer = scene.posts_event(site, token.clone()).await;
        assert_eq!(answer.status, 404, "{}", answer.body);
        ana.is_in(&scene.shop).await;
        // And the same event is good where nothing is wrong with it.
        let issuer = scene.provider.issuer.clone();
        scene.okta.set_up(site, |settings| settings.signals.issuer = Some(issuer)).await;
        assert_eq!(scene.posts_event(site, token).await.status, 202);
        ana.is_out(&scene.shop).await;
        scene.has_told_of(site, &[&ana]).await;
    })
    .await;
}
