//! Home realm: which connection somebody is led to by their address, by their organisation, or by a hint of the application;
//! and that nothing else leads anywhere.

use muster::domain::change::Change;
use muster::domain::connection::ConnectionState;
use muster::domain::federation::Stage;
use muster::domain::people::user::{Kind, OrgState, UserState};
use muster::domain::source::Source;
use muster::kernel::id::{ConnectionId, DomainId};
use serde_json::json;

use super::rules_scene::{account, enforce, has_password, identity, is_led_to, members, registered, says, subject};
use crate::support::PASSWORD;
use crate::support::admin::owned;
use crate::support::application;
use crate::support::browser::{Browser, Landing, Person};
use crate::support::client::{Ask, Client};
use crate::support::federated::{Federated, refusal, verify_domain};
use crate::support::org::Org;
use crate::support::provider::Provider;
use crate::support::server::{Site, on_both};

/// Somebody types something at the page for everybody, and asks for their company's sign-in.
async fn discover(site: &Site, browser: &mut Browser, typed: &str) -> Landing {
    let page = browser.open(&site.at.url("/login")).await.page();
    browser.press(&page, "login-discover", &[("username", typed)]).await
}

/// Whether what is typed there leads to a provider; what doesn't is answered in one way, which comes back.
async fn leads(site: &Site, typed: &str, provider: &Provider) -> Result<(), String> {
    let landing = discover(site, &mut site.browser(), typed).await;
    if is_led_to(&landing, provider) {
        return Ok(());
    }
    let page = landing.page();
    assert!(page.status == 400 && page.has("login-form") && !page.has("upstream-form"), "{page:?}");
    assert!(page.text().contains("No company sign-in is known"), "{page:?}");
    Err(page.without_hidden_values().replace(&format!("value=\"{typed}\""), "value=\"\""))
}

/// Binds a domain to a connection, or to none.
async fn bind(site: &Site, org: &Org, domain: &DomainId, connection: Option<&ConnectionId>) {
    let (org, domain, connection) = (org.id.clone(), domain.clone(), connection.cloned());
    site.act(vec![Change::SetDomainConnection { org, domain, connection }]).await;
}

/// An application of nobody's.
async fn portal(site: &Site) -> Client {
    site.client(&application::register(site, "portal", |_| {}).await)
}

/// Where a request with these parameters leads a browser that was never here.
async fn asks(site: &Site, client: &Client, params: &[(&str, &str)]) -> Landing {
    let ask = params.iter().fold(Ask::of(client), |ask, (name, value)| ask.with(name, value));
    site.browser().open(&ask.url(&site.at)).await
}

fn is_sign_in_page(landing: &Landing) -> bool {
    matches!(landing, Landing::Page(page) if page.has("login-form"))
}

// I39
#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_a_verified_domain_leads_to_the_connection_and_the_first_sign_in_makes_the_identity() {
    on_both(async |site| {
        let (acme, provider) = (site.org("acme").await, Provider::open().await);
        let okta = Federated::open(site, &acme, &provider).await;
        verify_domain(site, &acme, "acme.test").await;
        provider.says(says("ana", json!({})));
        assert!(identity(site, &okta, &subject("ana")).await.is_none() && members(site, &acme).await == 0);

        let mut seen = Vec::new();
        for typed in ["ana@acme.test", "Ana@ACME.Test"] {
            let mut browser = site.browser();
            let landing = discover(site, &mut browser, typed).await;
            assert!(is_led_to(&landing, &provider), "{typed}: {landing:?}");
            if let Landing::Page(page) = &landing {
                assert!(page.status == 200 && page.text().contains("Continue with Acme Okta"), "{page:?}");
            }
            let page = provider.pass(&mut browser, landing).await.page();
            assert_eq!((page.status, page.url), (200, site.at.url("/me")), "{typed}");
            let asked = provider.asked().into_iter().rfind(|asked| asked.path == "/authorize").unwrap();
            assert_eq!(asked.param("login_hint"), typed, "the provider hears whom it may expect");
            seen.push(identity(site, &okta, &subject("ana")).await.expect("the identity is known"));
        }
        assert_eq!((&seen[0].id, &seen[0].user), (&seen[1].id, &seen[1].user), "it is made once");
        assert_eq!(members(site, &acme).await, 1);
        let ana = account(site, &seen[0].user).await;
        assert_eq!((ana.kind, ana.state), (Kind::Managed(acme.id.clone()), UserState::Active));
        assert_eq!(ana.source, Source::Oidc(okta.connection.to_string()));
        assert_eq!((ana.profile.email.as_deref(), ana.profile.email_verified), (Some("ana@acme.test"), true));
        assert!(seen[1].last_sign_in_at.is_some() && !has_password(site, &ana.id).await);
    })
    .await;
}

// I39
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_no_organisation_has_proven_leads_nowhere_and_looks_like_any_other() {
    on_both(async |site| {
        let (acme, provider) = (site.org("acme").await, Provider::open().await);
        let okta = Federated::open(site, &acme, &provider).await;
        let nobodys = leads(site, "ana@nobody.test", &provider).await.unwrap_err();
        let (org, domain, name, token) =
            (acme.id.clone(), DomainId::fresh(), "acme.test".to_owned(), "t0ken".to_owned());
        site.act(vec![Change::AddDomain { org: org.clone(), domain: domain.clone(), name, token }]).await;
        assert_eq!(leads(site, "ana@acme.test", &provider).await.unwrap_err(), nobodys, "it is named, and not proven");
        site.act(vec![Change::VerifyDomain { org: org.clone(), domain: domain.clone() }]).await;
        assert!(leads(site, "ana@acme.test", &provider).await.is_ok());
        for other in ["ana@sub.acme.test", "ana@xacme.test", "ana", "acme.test", "ana@acme.test@evil.test"] {
            assert_eq!(leads(site, other, &provider).await.unwrap_err(), nobodys, "{other}");
        }
        let portal = portal(site).await;
        assert!(is_sign_in_page(&asks(site, &portal, &[("login_hint", "ana@nobody.test")]).await));

        // It leads there for as long as the connection works and is open, and no longer.
        let connection = okta.connection.clone();
        let state = |state| Change::SetConnectionState { org: org.clone(), connection: connection.clone(), state };
        let stage = |stage| Change::SetSignInStage { org: org.clone(), connection: connection.clone(), stage };
        let of_org = |state| Change::SetOrgState { org: org.clone(), state };
        for (shut, open) in [
            (stage(Stage::Tested), stage(Stage::Optional)),
            (state(ConnectionState::Disabled), state(ConnectionState::Active)),
            (of_org(OrgState::Suspended), of_org(OrgState::Active)),
        ] {
            site.act(vec![shut.clone()]).await;
            assert_eq!(leads(site, "ana@acme.test", &provider).await.unwrap_err(), nobodys, "{shut:?}");
            let hint = [("idp_hint", connection.as_str())];
            assert!(is_sign_in_page(&asks(site, &portal, &hint).await), "{shut:?}");
            site.act(vec![open]).await;
            assert!(leads(site, "ana@acme.test", &provider).await.is_ok(), "after {shut:?}");
        }
        site.act(vec![Change::RemoveDomain { org, domain }]).await;
        assert_eq!(leads(site, "ana@acme.test", &provider).await.unwrap_err(), nobodys);
        assert_eq!((provider.times_asked("/authorize"), members(site, &acme).await), (0, 0), "nobody went anywhere");
    })
    .await;
}

// I39
#[tokio::test(flavor = "multi_thread")]
async fn several_connections_offer_buttons_and_a_domain_that_is_bound_leads_to_its_own() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let (one, two) = (Provider::open().await, Provider::open().await);
        let (first, second) = (Federated::open(site, &acme, &one).await, Federated::open(site, &acme, &two).await);
        let domain = verify_domain(site, &acme, "acme.test").await;
        two.says(says("ana", json!({})));
        let portal = portal(site).await;

        let mut browser = site.browser();
        let page = browser.open(&site.at.url("/o/acme/login")).await.page();
        for okta in [&first, &second] {
            assert!(page.has(&format!("continue-{}", okta.connection)), "{page:?}");
            assert!(page.text().contains(&format!("Continue with {}", okta.name)), "{page:?}");
        }
        let landing = browser.press(&page, &format!("continue-{}", second.connection), &[]).await;
        assert!(is_led_to(&landing, &two), "{landing:?}");
        two.pass(&mut browser, landing).await;
        assert!(identity(site, &second, &subject("ana")).await.is_some());
        assert_eq!(one.times_asked("/authorize"), 0);

        // Of two nobody knows which is meant; a domain that is bound says it.
        for provider in [&one, &two] {
            assert!(leads(site, "ana@acme.test", provider).await.is_err());
        }
        for (okta, provider, other) in [(&second, &two, &one), (&first, &one, &two)] {
            bind(site, &acme, &domain, Some(&okta.connection)).await;
            assert!(leads(site, "ana@acme.test", provider).await.is_ok(), "{}", okta.name);
            assert!(!is_led_to(&discover(site, &mut site.browser(), "ana@acme.test").await, other));
            let hint = asks(site, &portal, &[("login_hint", "ana@acme.test")]).await;
            assert!(is_led_to(&hint, provider), "{}", okta.name);
        }
        // One that is closed is not stood in for by the other.
        first.stage(site, Stage::Tested).await;
        assert!(leads(site, "ana@acme.test", &two).await.is_err());
        bind(site, &acme, &domain, None).await;
        assert!(leads(site, "ana@acme.test", &two).await.is_ok(), "the only one that is open");
    })
    .await;
}

// I39
#[tokio::test(flavor = "multi_thread")]
async fn an_applications_hint_and_the_named_organisation_lead_to_a_connection_of_that_organisation_alone() {
    on_both(async |site| {
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        let (provider, theirs) = (Provider::open().await, Provider::open().await);
        let okta = Federated::open(site, &acme, &provider).await;
        Federated::open(site, &globex, &theirs).await;
        verify_domain(site, &acme, "acme.test").await;
        let (portal, id) = (portal(site).await, okta.connection.to_string());
        let id = id.as_str();
        for hinted in [
            &[("idp_hint", id)][..],
            &[("organization", "acme"), ("idp_hint", id)],
            &[("organization", acme.id.as_str()), ("idp_hint", "acme OKTA")],
            &[("login_hint", "ana@acme.test")],
            &[("organization", "acme"), ("login_hint", "ana@acme.test")],
        ] {
            let landing = asks(site, &portal, hinted).await;
            assert!(is_led_to(&landing, &provider), "{hinted:?}: {landing:?}");
        }
        for not in [
            // A name is one organisation's.
            &[("idp_hint", "Acme Okta")][..],
            &[("idp_hint", "con_00000000000000000000000000")],
            &[("organization", "globex"), ("idp_hint", id)],
            &[("organization", "globex"), ("idp_hint", "Acme Okta")],
            &[("organization", "nowhere"), ("idp_hint", id)],
            &[("organization", "globex"), ("login_hint", "ana@acme.test")],
            &[("organization", "acme")],
        ] {
            let landing = asks(site, &portal, not).await;
            assert!(is_sign_in_page(&landing), "{not:?}: {landing:?}");
        }
        let page = asks(site, &portal, &[("organization", "acme")]).await.page();
        assert!(page.has(&format!("continue-{id}")) && page.text().contains("Continue with Acme Okta"), "{page:?}");
        let page = asks(site, &portal, &[("organization", "globex"), ("idp_hint", id)]).await.page();
        assert!(!page.has(&format!("continue-{id}")) && !page.text().contains("Acme Okta"), "{page:?}");
        for address in [format!("/login?idp_hint={id}"), "/o/acme/login?idp_hint=acme%20okta".to_owned()] {
            assert!(is_led_to(&site.browser().open(&site.at.url(&address)).await, &provider), "{address}");
        }
        // Whoever may be shown nothing is sent nowhere.
        for hint in [("idp_hint", id), ("login_hint", "ana@acme.test")] {
            let arrival = asks(site, &portal, &[hint, ("prompt", "none")]).await.arrival();
            assert_eq!(
                (arrival.address.as_str(), arrival.param("error")),
                (application::REDIRECT_URI, "login_required")
            );
        }

        provider.says(says("ana", json!({})));
        let ask = Ask::of(&portal).with("organization", "acme").with("idp_hint", id);
        let mut browser = site.browser();
        let landing = browser.open(&ask.url(&site.at)).await;
        let arrival = provider.pass(&mut browser, landing).await.arrival();
        let claims = portal.tokens_of(&arrival, &ask).await.claims();
        assert_eq!((&claims["org_slug"], &claims["acr"]), (&json!("acme"), &json!("urn:muster:acr:upstream")));
        assert_eq!(theirs.times_asked("/authorize"), 0);
    })
    .await;
}

// I39
#[tokio::test(flavor = "multi_thread")]
async fn another_organisations_domain_leads_to_nobody_of_it() {
    on_both(async |site| {
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        let (provider, theirs) = (Provider::open().await, Provider::open().await);
        let okta = Federated::open(site, &acme, &provider).await;
        let other = Federated::open(site, &globex, &theirs).await;
        verify_domain(site, &acme, "acme.test").await;
        verify_domain(site, &globex, "globex.test").await;
        let bob = registered(site, &globex, "bob", "bob@globex.test").await;

        // Whatever Acme's provider says of an address of Globex's: it is nobody there who comes, and nobody's address.
        let boss = json!({ "email": "bob@globex.test", "preferred_username": "bob@globex.test" });
        provider.says(says("bob", boss));
        okta.comes(site, &mut site.browser()).await;
        let found = identity(site, &okta, &subject("bob")).await.unwrap();
        let came = account(site, &found.user).await;
        assert_eq!((&came.kind, came.profile.email.as_deref()), (&Kind::Managed(acme.id.clone()), None));
        assert_eq!(came.user_name, subject("bob"), "nor is it a user name");
        let before = account(site, &bob).await;
        assert!(found.user != bob && before.source == Source::Local && has_password(site, &bob).await);
        assert_eq!((members(site, &acme).await, members(site, &globex).await), (1, 1));
        let mut browser = site.browser();
        let page = browser.sign_in(Person::named("bob@globex.test")).await.page();
        assert!(page.url.ends_with("/me") && page.text().contains("globex"), "his address is his own: {page:?}");

        // It leads to his own organisation's provider, wherever it is typed, and to none of another's.
        assert!(leads(site, "bob@globex.test", &theirs).await.is_ok());
        other.stage(site, Stage::Tested).await;
        for provider in [&provider, &theirs] {
            assert!(leads(site, "bob@globex.test", provider).await.is_err());
        }
        let portal = portal(site).await;
        let landing = asks(site, &portal, &[("organization", "acme"), ("login_hint", "bob@globex.test")]).await;
        assert!(is_sign_in_page(&landing), "{landing:?}");
        // A provider begins sign-ins of its own issuer alone.
        let wrong = site.at.url(&format!("/upstream/{}/login?iss=https%3A%2F%2Fidp.globex.test", okta.connection));
        assert_eq!(refusal(&site.browser().open(&wrong).await.page()), (403, "closed"));
    })
    .await;
}

// I39
#[tokio::test(flavor = "multi_thread")]
async fn where_a_connection_is_enforced_its_people_go_there_at_once_and_a_password_is_typed_only_on_demand() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let provider = Provider::open().await;
        let okta = Federated::open(site, &acme, &provider).await;
        verify_domain(site, &acme, "acme.test").await;
        let (portal, shop) = (portal(site).await, site.client(&acme.application("shop").await));
        let typed = [("username", "ana@acme.test"), ("password", "whatever-1")];

        let mut browser = site.browser();
        let page = browser.open(&site.at.url("/login")).await.page();
        let landing = browser.press(&page, "login-submit", &typed).await;
        assert!(is_sign_in_page(&landing), "as long as there is a choice, a password is looked at: {landing:?}");
        assert!(is_sign_in_page(&site.browser().open(&site.at.url("/o/acme/login")).await));

        enforce(site, &okta).await;
        for landing in [
            site.browser().open(&site.at.url("/o/acme/login")).await,
            asks(site, &portal, &[("organization", "acme")]).await,
            asks(site, &shop, &[]).await,
            browser.press(&page, "login-submit", &typed).await,
        ] {
            assert!(is_led_to(&landing, &provider), "{landing:?}");
        }
        assert!(is_sign_in_page(&asks(site, &portal, &[]).await), "who says nothing is asked");
        let mut browser = site.browser();
        let page = browser.open(&site.at.url("/o/acme/login?local=1")).await.page();
        assert!(page.has("login-form") && !page.html.contains("upstream-go"), "{page:?}");
        let landing = browser.press(&page, "login-submit", &[("username", "olga"), ("password", PASSWORD)]);
        assert!(landing.await.page().url.ends_with("/me"), "whoever may, comes in there");
    })
    .await;
}
