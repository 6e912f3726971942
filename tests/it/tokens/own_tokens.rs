//! What a registration is worth: its application's own tokens hold for as long as it stands, and what it was not
//! registered for it doesn't hear, however it asks.

use muster::domain::change::Change;
use muster::domain::oauth::application::{Application, ApplicationState};
use muster::domain::people::user::OrgState;
use muster::kernel::time::SECOND;
use serde_json::Value;

use crate::support::PASSWORD;
use crate::support::browser::Person;
use crate::support::client::{Ask, Client, Tokens, list, names};
use crate::support::server::{Site, on_both};

/// Every claim that tells of access on projects or in the organisation.
const OF_ROLES: [&str; 7] =
    ["project", "roles", "org_roles", "project_roles", "groups", "_claim_names", "_claim_sources"];

async fn put(site: &Site, application: &Application) {
    site.act(vec![Change::PutApplication(Box::new(application.clone()))]).await;
}

async fn own_token(client: &Client) -> String {
    let tokens = Tokens::read(&client.own_token().await);
    assert!(tokens.refresh().is_empty() && tokens.id().is_empty(), "{:?}", tokens.answer);
    tokens.access().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_applications_own_token_does_not_come_back_with_the_application() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let registered = acme.application("robot").await;
        let (robot, kept) = (site.client(&registered), site.client(&acme.application("kept").await));
        let (before, others) = (own_token(&robot).await, own_token(&kept).await);
        assert!(robot.is_active(&before).await && kept.is_active(&others).await);

        let mut disabled = registered.application.clone();
        disabled.state = ApplicationState::Disabled;
        put(site, &disabled).await;
        assert_eq!(robot.own_token().await.refusal(), (401, "invalid_client".to_owned()));
        assert_eq!(robot.userinfo(&before).await.status, 401);
        put(site, &registered.application).await;
        assert!(!robot.is_active(&before).await, "disabled once, dead for good");
        site.advance(2 * SECOND);
        let after = own_token(&robot).await;
        assert!(robot.is_active(&after).await && !robot.is_active(&before).await);
        assert!(kept.is_active(&others).await, "another application's token stands");
        // A change of the registration that disables nothing ends nothing.
        put(site, &Application { name: "Renamed".to_owned(), ..registered.application.clone() }).await;
        assert!(robot.is_active(&after).await);

        for state in [OrgState::Suspended, OrgState::Active] {
            site.act(vec![Change::SetOrgState { org: acme.id.clone(), state }]).await;
        }
        assert!(!robot.is_active(&after).await && !kept.is_active(&others).await, "the organisation was suspended");
        site.advance(2 * SECOND);
        let again = own_token(&robot).await;
        assert!(robot.is_active(&again).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_with_a_used_client_id_inherits_no_token() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let registered = acme.application("robot").await;
        let first = site.client(&registered);
        let before = own_token(&first).await;
        let ana = first.sign_in(&mut site.browser(), Person::named("ana")).await;
        site.act(vec![Change::RemoveApplication { application: registered.application.id.clone() }]).await;
        assert_eq!(first.own_token().await.refusal(), (401, "invalid_client".to_owned()));

        let second = site.client(&acme.application("robot").await);
        assert_eq!(second.client_id, first.client_id);
        assert_eq!(first.own_token().await.refusal(), (401, "invalid_client".to_owned()), "nor its secret");
        for token in [&before, ana.access(), ana.refresh()] {
            assert!(!second.is_active(token).await, "it was issued to the one before");
        }
        assert_eq!(second.userinfo(ana.access()).await.status, 401);
        assert_eq!(second.refresh(ana.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
        let own = own_token(&second).await;
        assert!(second.is_active(&own).await);
        // Nor can it end what was never its own, or bring the old one back.
        assert_eq!(second.revoke(&before).await.status, 200);
        assert!(second.is_active(&own).await && !second.is_active(&before).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_token_tells_of_no_person_and_no_role() {
    on_both(async |site| {
        let robot = site.client(&site.org("acme").await.application("robot").await);
        let asked = [
            ("grant_type", "client_credentials"),
            ("scope", "openid profile roles groups project:web offline_access"),
            ("project", "web"),
        ];
        let tokens = Tokens::read(&robot.post("/token", &asked).await);
        let claims = tokens.claims();
        assert_eq!(claims["sub"], robot.client_id.as_str());
        says_nothing_of_roles(&claims);
        for name in ["sid", "acv", "org_id", "auth_time", "email"] {
            assert_eq!(claims[name], Value::Null, "{name}");
        }
        assert!(tokens.refresh().is_empty() && tokens.id().is_empty());
        assert!(robot.userinfo(tokens.access()).await.status >= 400, "userinfo is about persons");
    })
    .await;
}

fn says_nothing_of_roles(told: &Value) {
    let told_of: Vec<String> = names(told).into_iter().filter(|name| OF_ROLES.contains(&name.as_str())).collect();
    assert!(told_of.is_empty(), "{told_of:?} in {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_gives_no_roles_to_an_application_that_may_not_ask_for_them() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.project("web").await;
        acme.person("ana", PASSWORD).await;
        acme.give("ana", "project.admin", Some("web")).await;
        acme.give("ana", "org.reader", None).await;
        let curious = site.client(
            &acme
                .application_with("curious", |application| {
                    application.scopes = ["openid", "profile", "email"].map(str::to_owned).to_vec();
                })
                .await,
        );
        let asks = [
            Ask::of(&curious).with("project", "web"),
            Ask::of(&curious).with("scope", "openid project:web"),
            Ask::of(&curious).with("scope", "openid roles project:web").with("project", "web"),
            Ask::of(&curious).with("scope", "openid").with("project", "nowhere"),
        ];
        for ask in asks {
            let tokens = curious.sign_in_with(&mut site.browser(), Person::named("ana"), ask).await;
            assert!(!tokens.answer["scope"].to_string().contains("project"), "{:?}", tokens.answer);
            let next = Tokens::read(&curious.refresh(tokens.refresh()).await);
            for tokens in [&tokens, &next] {
                says_nothing_of_roles(&tokens.claims());
                says_nothing_of_roles(&tokens.id_claims());
                says_nothing_of_roles(&curious.userinfo(tokens.access()).await.json());
                says_nothing_of_roles(&curious.introspect(tokens.access()).await);
            }
        }
        // One that may hears of that project alone.
        let shop = site.client(&acme.application("shop").await);
        let ask = Ask::of(&shop).with("project", "web");
        let claims = shop.sign_in_with(&mut site.browser(), Person::named("ana"), ask).await.claims();
        assert_eq!((&claims["project"], list(&claims["roles"])), (&"web".into(), vec!["project.admin".to_owned()]));
        assert_eq!((&claims["org_roles"], &claims["project_roles"]), (&Value::Null, &Value::Null));
    })
    .await;
}
