//! The authorization code flow (RFC 6749 §4.1, RFC 7636, OpenID Connect Core §3.1): from the request to roles in tokens,
//! and a code that is good once, for one application, one verifier and one redirect URI.

use muster::domain::keys::Alg;
use muster::domain::oauth::application::AuthMethod;
use muster::kernel::time::{MINUTE, SECOND};
use serde_json::json;

use crate::support::PASSWORD;
use crate::support::browser::Person;
use crate::support::client::{Ask, Client, Tokens, list, part};
use crate::support::server::{Site, on_both};
use crate::support::verifier::Verifier;

const ANA: Person<'_> = Person::named("ana");

/// Acme with Ana, who holds an organisation role directly and two project roles through two groups.
async fn acme(site: &Site) -> Client {
    let acme = site.org("acme").await;
    for key in ["web", "data"] {
        acme.project(key).await;
    }
    acme.person("ana", PASSWORD).await;
    acme.give("ana", "org.reader", None).await;
    for (group, role, project) in [("devs", "project.admin", "web"), ("analysts", "project.reader", "data")] {
        acme.group(group, &["ana"]).await;
        acme.give_group(group, role, Some(project)).await;
    }
    site.client(&acme.application("shop").await)
}

// H07 K36
#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_and_the_application_learns_exactly_the_roles_of_the_bindings() {
    on_both(async |site| {
        let shop = acme(site).await;
        let acme = site.org("acme").await;
        acme.give_group("devs", "org.admin", None).await;
        acme.give_group("devs", "project.reader", Some("data")).await;
        let (ask, mut browser) = (Ask::of(&shop), site.browser());
        let arrival = browser.authorize(&ask, ANA).await;
        let tokens = shop.tokens_of(&arrival, &ask).await;
        let mut verifier = Verifier::new(site.at.clone());
        let access = verifier.verify(tokens.access()).await.expect("the access token's signature holds");
        let id = verifier.verify(tokens.id()).await.expect("the ID token's signature holds");

        assert_eq!(part(tokens.access(), 0)["typ"], "at+jwt");
        let sub = acme.user_id("ana").await;
        for claims in [&access, &id] {
            assert_eq!(claims["iss"], site.at.issuer);
            assert_eq!(claims["sub"], sub.as_str());
            assert_eq!((&claims["org_id"], &claims["org_slug"]), (&json!(acme.id.as_str()), &json!(acme.slug)));
            assert_eq!(list(&claims["org_roles"]), ["org.admin", "org.reader"]);
            assert_eq!(list(&claims["project_roles"]["web"]), ["project.admin"]);
            assert_eq!(list(&claims["project_roles"]["data"]), ["project.reader"]);
        }
        assert_eq!((&access["client_id"], &access["aud"]), (&json!("shop"), &json!(site.at.issuer)));
        assert_eq!((&id["aud"], &id["nonce"]), (&json!("shop"), &json!(ask.param("nonce"))));
        assert_eq!(access["sid"], id["sid"]);
        assert!(access["acv"].is_i64() && id["acv"].is_null() && id["email"].is_null());
        let userinfo = shop.userinfo(tokens.access()).await;
        assert_eq!(userinfo.status, 200, "{}", userinfo.body);
        let told = userinfo.json();
        assert_eq!((&told["sub"], &told["email"]), (&access["sub"], &json!("ana@example.test")));
        assert_eq!(told["project_roles"], access["project_roles"]);
        assert!(shop.is_active(tokens.access()).await && shop.is_signed_in(&mut browser).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_authenticate_and_every_algorithm_gives_tokens_that_verify() {
    on_both(async |site| {
        acme(site).await;
        let acme = site.org("acme").await;
        let methods =
            [AuthMethod::None, AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost, AuthMethod::PrivateKeyJwt];
        let algs = [Alg::Es256, Alg::Rs256, Alg::EdDsa];
        for (number, method) in methods.into_iter().enumerate() {
            let alg = algs[number % algs.len()];
            let registered = acme
                .application_with(&format!("shop-{number}"), |application| {
                    application.auth_method = method;
                    (application.id_token_alg, application.access_token_alg) = (alg, alg);
                })
                .await;
            let shop = site.client(&registered);
            let tokens = shop.sign_in(&mut site.browser(), ANA).await;
            let mut verifier = Verifier::new(site.at.clone());
            for token in [tokens.access(), tokens.id()] {
                assert_eq!(part(token, 0)["alg"], alg.name());
                verifier.verify(token).await.unwrap_or_else(|why| panic!("{method} {alg}: {why}"));
            }
            Tokens::read(&shop.refresh(tokens.refresh()).await);
        }
    })
    .await;
}

async fn code(site: &Site, shop: &Client) -> (String, Ask) {
    let ask = Ask::of(shop);
    let arrival = site.browser().authorize(&ask, ANA).await;
    (arrival.param("code").to_owned(), ask)
}

fn invalid_grant() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_used_twice_ends_what_it_made() {
    on_both(async |site| {
        let shop = acme(site).await;
        let (code, ask) = code(site, &shop).await;
        let tokens = Tokens::read(&shop.exchange(&code, &ask.verifier).await);
        assert_eq!(shop.exchange(&code, &ask.verifier).await.refusal(), invalid_grant());
        assert!(!shop.is_active(tokens.access()).await && !shop.is_active(tokens.refresh()).await);
        assert_eq!(shop.refresh(tokens.refresh()).await.refusal(), invalid_grant());
        assert_eq!(shop.userinfo(tokens.access()).await.status, 401);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_that_use_one_code_at_once_none_is_left_with_a_live_token() {
    on_both(async |site| {
        let shop = acme(site).await;
        let (code, ask) = code(site, &shop).await;
        let answers = futures_util::future::join_all((0..20).map(|_| shop.exchange(&code, &ask.verifier))).await;
        let given: Vec<Tokens> = answers.iter().filter(|answer| answer.status == 200).map(Tokens::read).collect();
        assert!(given.len() <= 1, "{} got tokens", given.len());
        for tokens in given {
            assert!(!shop.is_active(tokens.access()).await);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_in_another_applications_hands_is_burnt() {
    on_both(async |site| {
        let shop = acme(site).await;
        let other = site.client(&site.org("acme").await.application("other").await);
        let (code, ask) = code(site, &shop).await;
        assert_eq!(other.exchange(&code, &ask.verifier).await.refusal(), invalid_grant());
        assert_eq!(shop.exchange(&code, &ask.verifier).await.refusal(), invalid_grant());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_for_nothing_without_its_verifier() {
    on_both(async |site| {
        let shop = acme(site).await;
        let long = "v".repeat(129);
        for wrong in ["", "short", "a-verifier-of-somebody-else-with-43-letters", long.as_str()] {
            let (code, _) = code(site, &shop).await;
            let answer = shop.exchange(&code, wrong).await;
            assert!(
                answer.status == 400 && ["invalid_grant", "invalid_request"].contains(&answer.error().as_str()),
                "{wrong}"
            );
        }
        let (code, ask) = code(site, &shop).await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", shop.redirect_uri.as_str()),
        ];
        let answer = shop.post("/token", &fields).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert_ne!(shop.exchange("mst_ac_nothing", &ask.verifier).await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_challenge_is_refused_and_a_verifier_without_one_too() {
    on_both(async |site| {
        let shop = acme(site).await;
        let bare = |client: &Client| Ask::of(client).without("code_challenge").without("code_challenge_method");
        let arrival = site.browser().authorize(&bare(&shop), ANA).await;
        assert_eq!(arrival.param("error"), "invalid_request");
        let lenient =
            site.org("acme").await.application_with("lenient", |application| application.require_pkce = false).await;
        let lenient = site.client(&lenient);
        let ask = bare(&lenient);
        let arrival = site.browser().authorize(&ask, ANA).await;
        assert_eq!(lenient.exchange(arrival.param("code"), &ask.verifier).await.refusal().0, 400);
        let plain = Ask::of(&shop).with("code_challenge_method", "plain");
        assert_eq!(site.browser().authorize(&plain, ANA).await.param("error"), "invalid_request");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_lives_sixty_seconds() {
    on_both(async |site| {
        let shop = acme(site).await;
        let (code, ask) = code(site, &shop).await;
        site.advance(61 * SECOND);
        assert_eq!(shop.exchange(&code, &ask.verifier).await.refusal(), invalid_grant());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_is_asked_once_and_a_refusal_reaches_the_application() {
    on_both(async |site| {
        acme(site).await;
        let asking = site.org("acme").await.application_with("asking", |application| application.trusted = false).await;
        let asking = site.client(&asking);
        let (ask, mut browser) = (Ask::of(&asking), site.browser());
        let page = browser.open(&ask.url(&site.at)).await.page();
        let page = browser.press(&page, "login-submit", &[("username", "ana"), ("password", PASSWORD)]).await.page();
        assert!(page.text().contains("org.reader"), "{page:?}");
        let arrival = browser.press(&page, "consent-deny", &[]).await.arrival();
        assert_eq!((arrival.param("error"), arrival.param("state")), ("access_denied", ask.param("state")));
        assert_eq!(browser.ask_silently(&ask).await.param("error"), "consent_required");
        asking.tokens_of(&browser.authorize(&ask, ANA).await, &ask).await;
        assert!(asking.is_signed_in(&mut browser).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_of_two_organisations_chooses_one_and_the_token_is_for_that_one_alone() {
    on_both(async |site| {
        let user = site.own_account("kim", PASSWORD).await;
        for (slug, role) in [("acme", "org.reader"), ("globex", "billing.viewer")] {
            let org = site.org(slug).await;
            org.admit(&user).await;
            org.give("kim", role, None).await;
        }
        let registered = crate::support::application::register(site, "everywhere", |_| {}).await;
        let client = site.client(&registered);
        let kim = Person { org: "globex", ..Person::named("kim") };
        let mut browser = site.browser();
        let claims = client.sign_in(&mut browser, kim).await.claims();
        assert_eq!(
            (&claims["org_slug"], list(&claims["org_roles"])),
            (&json!("globex"), vec!["billing.viewer".to_owned()])
        );
        assert_eq!(browser.ask_silently(&Ask::of(&client)).await.param("error"), "interaction_required");
        let named = Ask::of(&client).with("organization", "acme");
        let arrival = browser.ask_silently(&named).await;
        assert_eq!(client.tokens_of(&arrival, &named).await.claims()["org_slug"], "acme");
        let foreign = Ask::of(&client).with("organization", "initech");
        assert_eq!(browser.ask_silently(&foreign).await.param("error"), "access_denied");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prompt_login_and_max_age_ask_for_the_password_again() {
    on_both(async |site| {
        let shop = acme(site).await;
        let mut browser = site.browser();
        let first = shop.sign_in(&mut browser, ANA).await.id_claims()["auth_time"].as_i64().unwrap();
        site.advance(2 * MINUTE);
        for ask in [Ask::of(&shop).with("prompt", "login"), Ask::of(&shop).with("max_age", "60")] {
            let page = browser.open(&ask.url(&site.at)).await.page();
            assert!(page.has("login-form"), "{page:?}");
            let arrival =
                browser.press(&page, "login-submit", &[("username", "ana"), ("password", PASSWORD)]).await.arrival();
            let again = shop.tokens_of(&arrival, &ask).await.id_claims()["auth_time"].as_i64().unwrap();
            assert!(again >= first + 120, "{again} {first}");
            site.advance(2 * MINUTE);
        }
        assert_eq!(site.browser().ask_silently(&Ask::of(&shop)).await.param("error"), "login_required");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_by_form_post_carries_the_same_parameters() {
    on_both(async |site| {
        let shop = acme(site).await;
        let ask = Ask::of(&shop).with("response_mode", "form_post");
        let arrival = site.browser().authorize(&ask, ANA).await;
        shop.tokens_of(&arrival, &ask).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_sees_nothing_of_another_applications_tokens() {
    on_both(async |site| {
        let shop = acme(site).await;
        let other = site.client(&site.org("acme").await.application("other").await);
        let tokens = shop.sign_in(&mut site.browser(), ANA).await;
        assert!(!other.is_active(tokens.access()).await && !other.is_active(tokens.refresh()).await);
        assert_eq!(other.refresh(tokens.refresh()).await.refusal(), invalid_grant());
        assert_eq!(other.revoke(tokens.refresh()).await.status, 200);
        assert!(shop.is_active(tokens.access()).await, "another application's revocation does nothing");
        assert_eq!(shop.revoke(tokens.refresh()).await.status, 200);
        assert!(!shop.is_active(tokens.access()).await && !shop.is_active(tokens.refresh()).await);
        assert_eq!(shop.userinfo(tokens.id()).await.status, 401, "an ID token opens nothing");
        assert_eq!(shop.userinfo(tokens.refresh()).await.status, 401, "nor does a refresh token");
    })
    .await;
}
