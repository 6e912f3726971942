//! Signing in through a provider for an application: the request goes on where it stood, the tokens say who came, how and
//! when, and an application hears of a denial and of nothing else.

use std::collections::{BTreeMap, BTreeSet};

use muster::domain::federation::Mapping;
use muster::domain::federation::mapping::GroupRule;
use muster::domain::federation::settings::ACR_UPSTREAM;
use muster::domain::mail::Purpose;
use muster::domain::source::Source;
use muster::kernel::time::HOUR;
use muster::store::federation::upstreams;
use muster::store::users;
use serde_json::json;

use crate::support::PASSWORD;
use crate::support::browser::{Landing, Person};
use crate::support::client::{Ask, Client, list};
use crate::support::federated::{Federated, is_nobody, refusal, verify_domain};
use crate::support::mailbox::links_to;
use crate::support::org::Org;
use crate::support::provider::{Provider, Spoil};
use crate::support::server::{Site, on_both};

const DEVS: &str = "00g-devs";

/// Acme, whose provider's developers administer the project `web`.
async fn acme(site: &Site) -> (Org, Provider, Federated, Client) {
    let acme = site.org("acme").await;
    acme.project("web").await;
    let group = acme.group("devs", &[]).await;
    acme.give_group("devs", "project.admin", Some("web")).await;
    verify_domain(site, &acme, "acme.test").await;
    let provider = Provider::open().await;
    let okta = Federated::with(site, &acme, &provider, |settings| {
        settings.acr = BTreeMap::from([("mfa".to_owned(), "urn:acme:mfa".to_owned())]);
        settings.amr = true;
    })
    .await;
    let rule = GroupRule { external_id: DEVS.to_owned(), label: "Developers".to_owned(), group };
    okta.map(site, Mapping { on: true, groups: vec![rule], ..Mapping::default() }).await;
    let shop = site.client(&acme.application("shop").await);
    (acme, provider, okta, shop)
}

// N10
#[tokio::test(flavor = "multi_thread")]
async fn the_first_sign_in_makes_the_account_with_its_roles_and_the_application_learns_of_both() {
    on_both(async |site| {
        let (acme, provider, okta, shop) = acme(site).await;
        let proven = site.now().seconds() - 3_600;
        provider.says(json!({
            "sub": "00u-ana", "preferred_username": "ana.lim", "name": "Ana Lim", "given_name": "Ana", "family_name": "Lim",
            "email": "Ana@acme.test", "email_verified": true, "groups": [DEVS, "00g-others"],
            "acr": "mfa", "amr": ["pwd", "otp"], "auth_time": proven,
        }));
        let (ask, mut browser) = (Ask::of(&shop), site.browser());
        let arrival = okta.comes_for(&mut browser, &ask).await.arrival();
        let tokens = shop.tokens_of(&arrival, &ask).await;
        let user = okta.known_as(site, "00u-ana").await.expect("the identity is linked");
        let claims = tokens.id_claims();
        assert_eq!((&claims["sub"], &claims["nonce"]), (&json!(user.as_str()), &json!(ask.param("nonce"))));
        assert_eq!((&claims["acr"], list(&claims["amr"])), (&json!("urn:acme:mfa"), ["otp", "pwd"].map(str::to_owned).to_vec()));
        assert_eq!(claims["auth_time"], json!(proven), "they proved it an hour ago, and that is told");
        assert_eq!(list(&tokens.claims()["project_roles"]["web"]), ["project.admin"]);
        assert!(list(&tokens.claims()["org_roles"]).is_empty());
        let told = shop.userinfo(tokens.access()).await.json();
        assert_eq!((&told["name"], &told["email"]), (&json!("Ana Lim"), &json!("Ana@acme.test")), "{told}");
        assert_eq!((&told["email_verified"], &told["preferred_username"]), (&json!(true), &json!("ana.lim")));

        let account = users::find(&mut site.conn().await, &user).await.unwrap().unwrap();
        assert_eq!((account.user_name.as_str(), account.source), ("ana.lim", Source::Oidc(okta.connection.to_string())));
        let facts = users::password_facts(&mut site.conn().await, &user).await.unwrap();
        assert!(facts.is_none_or(|facts| facts.password.is_none()), "nobody has a password for it");
        assert_eq!(acme.user_id("ana.lim").await, user, "and it is a member");
        assert!(links_to(site, "Ana@acme.test", Purpose::Invitation).await.is_empty(), "and nobody was invited");
        let log = okta.log(site).await;
        assert_eq!((log.len(), log[0].outcome.as_str(), &log[0].user), (1, "accepted", &Some(user.clone())));
        assert_eq!((&log[0].claims["name"], &log[0].claims["email_verified"]), (&json!("…"), &json!(true)));

        // The next sign-in follows what the provider says by then; what it does not say of the means is not made up.
        provider.says(json!({ "sub": "00u-ana", "preferred_username": "ana.oh", "name": "Ana Oh", "groups": [] }));
        let (ask, mut browser) = (Ask::of(&shop), site.browser());
        let before = site.now().seconds();
        let arrival = okta.comes_for(&mut browser, &ask).await.arrival();
        let tokens = shop.tokens_of(&arrival, &ask).await;
        let claims = tokens.id_claims();
        assert_eq!((&claims["sub"], &claims["acr"]), (&json!(user.as_str()), &json!(ACR_UPSTREAM)));
        assert!(list(&claims["amr"]).is_empty() && claims["auth_time"].as_i64().unwrap() >= before, "{claims}");
        assert!(list(&tokens.claims()["project_roles"]["web"]).is_empty(), "{}", tokens.claims());
        let told = shop.userinfo(tokens.access()).await.json();
        assert_eq!((&told["name"], &told["preferred_username"]), (&json!("Ana Oh"), &json!("ana.oh")), "{told}");
        assert!(told["email"].is_null(), "an address that nobody asserts any more is told to nobody: {told}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_button_on_the_sign_in_page_leads_back_into_the_request_that_waits() {
    on_both(async |site| {
        let (_, provider, okta, shop) = acme(site).await;
        let (ask, mut browser) = (Ask::of(&shop), site.browser());
        let page = browser.open(&ask.url(&site.at)).await.page();
        let button = format!("continue-{}", okta.connection);
        assert!(page.has("login-form") && page.has(&button) && page.text().contains(&okta.name), "{page:?}");
        let landing = browser.press(&page, &button, &[]).await;
        let Landing::Page(going) = &landing else { panic!("a form leads to a page of ours: {landing:?}") };
        assert!(going.status == 200 && going.html.contains("http-equiv=\"refresh\""), "{going:?}");
        let arrival = provider.pass(&mut browser, landing).await.arrival();
        let tokens = shop.tokens_of(&arrival, &ask).await;
        let user = okta.known_as(site, "u1").await.expect("they are known");
        assert_eq!(tokens.claims()["sub"], json!(user.as_str()));
        // What was asked of the provider, and nothing more.
        let asked = provider.asked();
        let sent = asked.iter().find(|asked| asked.path == "/authorize").expect("the browser went there");
        let mut names: Vec<&str> = sent.params.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let wanted =
            ["client_id", "code_challenge", "code_challenge_method", "nonce", "redirect_uri", "response_type", "scope"];
        assert_eq!(names, [&wanted[..], &["state"]].concat());
        let scopes: BTreeSet<&str> = sent.param("scope").split(' ').collect();
        assert_eq!(scopes, BTreeSet::from(["openid", "profile", "email"]));
        // The browser's session is one like any other from here on.
        assert!(shop.is_signed_in(&mut browser).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_must_prove_themselves_anew_is_asked_there_and_an_old_proof_does_not_do() {
    on_both(async |site| {
        let (_, provider, okta, shop) = acme(site).await;
        let mut browser = site.browser();
        okta.comes(site, &mut browser).await;
        for (name, value) in [("prompt", "login"), ("max_age", "0"), ("max_age", "60")] {
            site.advance(HOUR / 12);
            let ask = Ask::of(&shop).with(name, value);
            let started = site.now().seconds();
            let landing = browser.open(&okta.hinted(&ask).url(&site.at)).await;
            let Landing::Away(sent) = &landing else { panic!("{name}={value}: {landing:?}") };
            assert_eq!((sent.param("prompt"), sent.param("max_age")), ("login", "0"), "{name}={value}");
            let arrival = provider.pass(&mut browser, landing).await.arrival();
            let claims = shop.tokens_of(&arrival, &ask).await.id_claims();
            assert!(claims["auth_time"].as_i64().unwrap() >= started, "{name}={value}: {claims}");

            // It let them pass without a question, or does not say when it asked.
            for said in [json!({ "auth_time": started - 3_600 }), json!({ "auth_time": null })] {
                site.advance(HOUR / 12);
                provider.spoil(Spoil::Claims(said.clone()));
                let page = okta.comes_for(&mut browser, &ask).await.page();
                assert_eq!(refusal(&page), (403, "not_fresh"), "{name}={value} {said}: {page:?}");
                assert_eq!(okta.log(site).await[0].outcome, "not_fresh");
                provider.spoil(Spoil::Nothing);
            }
        }
        // Without that, what it says of an earlier proof is as good as any.
        provider.spoil(Spoil::Claims(json!({ "auth_time": site.now().seconds() - 7_200 })));
        let ask = Ask::of(&shop);
        let arrival = okta.comes_for(&mut site.browser(), &ask).await.arrival();
        shop.tokens_of(&arrival, &ask).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_may_show_nothing_never_leads_to_a_provider() {
    on_both(async |site| {
        let (_, provider, okta, shop) = acme(site).await;
        let mut browser = site.browser();
        for ask in [Ask::of(&shop), okta.hinted(&Ask::of(&shop)), Ask::of(&shop).with("login_hint", "ana@acme.test")] {
            let arrival = browser.ask_silently(&ask).await;
            assert_eq!(
                (arrival.address.as_str(), arrival.param("error")),
                (shop.redirect_uri.as_str(), "login_required")
            );
            assert_eq!((arrival.param("state"), arrival.param("code")), (ask.param("state"), ""));
        }
        assert!(provider.asked().is_empty(), "nobody was asked anything: {:?}", provider.asked());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_hears_of_a_denial_and_a_person_reads_of_everything_else() {
    on_both(async |site| {
        let (_, provider, okta, shop) = acme(site).await;
        provider.spoil(Spoil::Error("access_denied"));
        let (ask, mut browser) = (Ask::of(&shop), site.browser());
        let arrival = okta.comes_for(&mut browser, &ask).await.arrival();
        assert_eq!((arrival.address.as_str(), arrival.param("error")), (shop.redirect_uri.as_str(), "access_denied"));
        assert_eq!((arrival.param("state"), arrival.param("iss")), (ask.param("state"), site.at.issuer.as_str()));
        assert_eq!(arrival.param("code"), "");
        // Without an application there is nobody else to tell.
        let page = okta.tries(site, &mut browser).await;
        assert_eq!(refusal(&page), (403, "refused_upstream"), "{page:?}");
        for word in ["login_required", "server_error", "invalid_request", "<b>zounds</b>", "a word\r\nx-gadzooks: 1"] {
            provider.spoil(Spoil::Error(word));
            let page = okta.comes_for(&mut browser, &ask).await.page();
            assert_eq!(refusal(&page), (403, "refused_upstream"), "{word}");
            assert!(!page.html.contains("zounds") && !page.html.contains("gadzooks"), "{word}: {page:?}");
            assert!(page.has("upstream-again"), "it can be tried again: {page:?}");
        }
        assert!(is_nobody(site, &mut browser).await);
        assert_eq!(provider.times_asked("/token"), 0);
        let log = okta.log(site).await;
        assert!(log.len() == 7 && log.iter().all(|line| line.outcome == "refused_upstream"), "{log:?}");
        // Trying again goes on with the request that waits.
        let page = okta.comes_for(&mut browser, &ask).await.page();
        provider.spoil(Spoil::Nothing);
        let landing = browser.press(&page, "upstream-again", &[]).await;
        let arrival = provider.pass(&mut browser, landing).await.arrival();
        shop.tokens_of(&arrival, &ask).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_fails_signs_nobody_in_keeps_nobody_waiting_and_is_noted() {
    on_both(async |site| {
        let (acme, provider, okta, _) = acme(site).await;
        acme.person("pat", PASSWORD).await;
        okta.comes(site, &mut site.browser()).await;
        // Its document and keys are known by now: what fails is the exchange.
        let failing = [
            (Spoil::Down, "unreachable"),
            (Spoil::Redirect, "unreachable"),
            (Spoil::Huge, "not_verified"),
            (Spoil::Slow, "unreachable"),
        ];
        for (number, (spoil, word)) in (1..).zip(failing) {
            provider.spoil(spoil);
            let mut browser = site.browser();
            let begun = std::time::Instant::now();
            let page = okta.tries(site, &mut browser).await;
            assert_eq!(refusal(&page), (502, word), "{page:?}");
            assert!(begun.elapsed().as_secs() < 20, "{word} after {:?}", begun.elapsed());
            assert!(is_nobody(site, &mut browser).await && page.has("upstream-again"), "{page:?}");
            let found = upstreams::by_id(&mut site.conn().await, &okta.connection).await.unwrap().unwrap();
            assert_eq!((found.health.failures, okta.log(site).await[0].outcome.as_str()), (number, word));
            // Others are not kept from signing in meanwhile.
            assert_eq!(site.browser().sign_in(Person::named("pat")).await.page().status, 200);
        }
        assert_eq!(provider.times_asked("/elsewhere"), 0, "a redirect is not followed");
        for (status, body, word) in [
            (401, "{\"error\":\"invalid_client\",\"error_description\":\"zounds\"}", (403, "refused_upstream")),
            (400, "{\"error\":\"<b>zounds</b>\"}", (403, "refused_upstream")),
            (503, "zounds", (502, "unreachable")),
            (200, "<html>zounds", (502, "unreachable")),
        ] {
            provider.spoil(Spoil::Nothing);
            provider.answer("/token", status, body);
            let page = okta.tries(site, &mut site.browser()).await;
            assert_eq!(refusal(&page), word, "{body}");
            assert!(!page.html.contains("zounds"), "{body}: {page:?}");
        }
        let found = upstreams::by_id(&mut site.conn().await, &okta.connection).await.unwrap().unwrap();
        assert!(found.health.last_error.is_some_and(|error| !error.contains("zounds")));
    })
    .await;
}
