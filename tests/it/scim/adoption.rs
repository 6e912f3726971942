//! Accounts that stand in a connection's way: taken over under the organisation's own verified domain, queued
//! otherwise, and never found by a number, in another organisation, or where somebody owns or administers.

use std::collections::BTreeSet;

use muster::domain::change::{Actor, AdoptionDecision, Change, Mode, Origin, Receipt};
use muster::domain::connection::ScimProfile;
use muster::domain::people::user::{MembershipState, UserState};
use muster::domain::source::Source;
use muster::flows::change_access::Refusal;
use muster::flows::scim::adopt;
use muster::kernel::id::{DomainId, RoleId, UserId};
use muster::store::scim::adoptions::{self, Adoption, State};
use muster::store::users::{self, User};
use serde_json::{Value, json};

use super::client::{Answer, Push, USER};
use crate::support::PASSWORD;
use crate::support::admin::owned;
use crate::support::org::Org;
use crate::support::server::{Site, on_both};

/// What is pushed of somebody.
fn pushed(name: &str, email: &str) -> Value {
    let emails = json!([{ "type": "work", "value": email, "primary": true }]);
    json!({ "schemas": [USER], "userName": name, "externalId": "1", "emails": emails, "active": true })
}

async fn push(client: &Push, name: &str, email: &str) -> Answer {
    client.post("/Users", pushed(name, email)).await
}

async fn account(site: &Site, id: &UserId) -> User {
    users::find(&mut site.conn().await, id).await.unwrap().expect("it is there")
}

async fn has_password(site: &Site, id: &UserId) -> bool {
    users::password_facts(&mut site.conn().await, id).await.unwrap().is_some_and(|facts| facts.password.is_some())
}

async fn queue(site: &Site, org: &Org) -> Vec<Adoption> {
    adoptions::page(&mut site.conn().await, &org.id, None, None, 50).await.unwrap()
}

/// The organisation has shown that a domain is its own.
async fn own(site: &Site, org: &Org, name: &str) {
    let (id, name) = (DomainId::fresh(), name.to_owned());
    let add = Change::AddDomain { org: org.id.clone(), domain: id.clone(), name, token: "t0ken".to_owned() };
    site.act(vec![add, Change::VerifyDomain { org: org.id.clone(), domain: id }]).await;
}

async fn decide(
    site: &Site,
    actor: &Actor,
    row: &Adoption,
    decision: AdoptionDecision,
    mode: Mode,
) -> Result<Receipt, Refusal> {
    adopt::decide(site, actor, &Origin::default(), &row.org, (&row.id, decision), mode).await
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_number_nor_another_organisations_person_ever_leads_to_an_account() {
    on_both(async |site| {
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        let ana = acme.person("ana", PASSWORD).await;
        let gil = globex.person("gil", PASSWORD).await;
        let cara = site.own_account("cara", PASSWORD).await;
        acme.admit(&cara).await;
        own(site, &acme, "example.test").await;
        let client = Push::open(site, &acme, ScimProfile::Auto).await;
        let there: BTreeSet<String> = [&ana, &gil, &cara].map(ToString::to_string).into();
        let mut made = BTreeSet::new();
        for (number, id) in ["1", "0", "-1", ana.as_str(), "ana", "../1"].into_iter().enumerate() {
            let mut body = pushed(&format!("new{number}"), &format!("new{number}@pushed.test"));
            body["externalId"] = json!(id);
            body["id"] = json!(ana.as_str());
            let answer = client.post("/Users", &body).await;
            assert_eq!((answer.status, &answer.json["externalId"]), (201, &json!(id)));
            assert!(made.insert(answer.id()) && !there.contains(&answer.id()), "{id}");
        }
        // Another organisation's person, and one whose account is their own, have names of other realms.
        for (name, email) in [("gil", "gil@example.test"), ("cara", "cara@example.test")] {
            let answer = push(&client, name, email).await;
            assert_eq!(answer.status, 201, "{name}: {}", answer.json);
            assert!(!there.contains(&answer.id()), "{name}");
        }
        for user in [&ana, &gil, &cara] {
            let found = account(site, user).await;
            assert!(found.source == Source::Local && found.state == UserState::Active, "{found:?}");
            assert!(has_password(site, user).await);
        }
        assert!(queue(site, &acme).await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_taken_over_only_under_a_verified_domain_of_the_address_that_was_pushed() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.project("web").await;
        let ana = acme.person("ana", PASSWORD).await;
        acme.give("ana", "project.reader", Some("web")).await;
        let client = Push::open(site, &acme, ScimProfile::Auto).await;
        let email = "Ana@Example.test";
        for _ in 0..2 {
            assert_eq!(push(&client, email, email).await.error(), (409, "uniqueness"));
        }
        let waiting = queue(site, &acme).await;
        assert_eq!((waiting.len(), waiting[0].state, &waiting[0].user), (1, State::Waiting, &ana));
        own(site, &acme, "pushed.test").await;
        assert_eq!(push(&client, "ana", "ana@pushed.test").await.error(), (409, "uniqueness"), "another address");
        assert!(account(site, &ana).await.source == Source::Local && has_password(site, &ana).await);

        own(site, &acme, "example.test").await;
        let answer = push(&client, email, email).await;
        assert_eq!((answer.status, answer.json["id"].as_str()), (201, Some(ana.as_str())), "{}", answer.json);
        assert_eq!(account(site, &ana).await.source, Source::Scim(client.connection.to_string()));
        assert!(!has_password(site, &ana).await);
        let member = acme.member_id("Ana@Example.test").await;
        let held = muster::store::memberships::bindings_reaching(&mut site.conn().await, &member).await.unwrap();
        assert_eq!(held.len(), 1, "what was given here stays");
        assert_eq!(push(&client, email, email).await.error(), (409, "uniqueness"), "it is there by now");
        // Another connection can't have it, and nobody is asked.
        let other = Push::open(site, &acme, ScimProfile::Auto).await;
        assert_eq!(push(&other, email, email).await.error(), (409, "uniqueness"));
        assert_eq!(queue(site, &acme).await.len(), 1);
        assert_eq!(other.get(&format!("/Users/{ana}")).await.error(), (404, ""));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_owns_or_administers_or_is_barred_is_never_taken_over_by_a_push() {
    on_both(async |site| {
        let (acme, olga) = owned(site, "acme").await;
        own(site, &acme, "example.test").await;
        let mut never = vec![("olga", olga)];
        for name in ["ada", "ivo", "pat", "oda", "sue", "bo"] {
            never.push((name, acme.person(name, PASSWORD).await));
        }
        acme.project("web").await;
        acme.group("admins", &["ada"]).await;
        acme.give_group("admins", "org.admin", None).await;
        acme.give("ivo", "iam.admin", None).await;
        acme.give("pat", "project.admin", Some("web")).await;
        let own_role = Change::CreateRole {
            org: acme.id.clone(),
            role: RoleId::fresh(),
            key: "helper".to_owned(),
            name: "Helper".to_owned(),
            permissions: BTreeSet::new(),
        };
        site.act(vec![own_role]).await;
        acme.give("oda", "helper", None).await;
        let member = acme.member_id("sue").await;
        let suspend = Change::SetMemberState { org: acme.id.clone(), member, state: MembershipState::Suspended };
        site.act(vec![suspend]).await;
        let client = Push::open(site, &acme, ScimProfile::Auto).await;
        for (name, user) in &never {
            // Somebody whose name alone was pushed, with an address of theirs that nobody has proven.
            let email = if *name == "bo" { "bo@elsewhere.test".to_owned() } else { format!("{name}@example.test") };
            assert_eq!(push(&client, name, &email).await.error(), (409, "uniqueness"), "{name}");
            let found = account(site, user).await;
            assert!(found.source == Source::Local && has_password(site, user).await, "{name}");
        }
        let waiting = queue(site, &acme).await;
        assert!(waiting.iter().all(|row| row.state == State::Waiting));
        let asked: BTreeSet<UserId> = waiting.into_iter().map(|row| row.user).collect();
        assert_eq!(asked, never.into_iter().map(|(_, user)| user).collect());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_decides_of_each_account_that_waits() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let admin = Actor::User(acme.person("ada", PASSWORD).await);
        let reader = Actor::User(acme.person("rob", PASSWORD).await);
        acme.give("ada", "org.admin", None).await;
        acme.give("rob", "org.reader", None).await;
        let client = Push::open(site, &acme, ScimProfile::Auto).await;
        let mut people = Vec::new();
        for name in ["ana", "bo", "cy"] {
            people.push(acme.person(name, PASSWORD).await);
            assert_eq!(push(&client, name, &format!("{name}@example.test")).await.error(), (409, "uniqueness"));
        }
        let rows = queue(site, &acme).await;
        let row = |user: &UserId| rows.iter().find(|row| row.user == *user).unwrap();
        let (ana, bo, cy) = (row(&people[0]), row(&people[1]), row(&people[2]));

        let refused = decide(site, &reader, ana, AdoptionDecision::Adopt, Mode::Act).await;
        assert!(matches!(refused, Err(Refusal::Denied { .. })), "{refused:?}");
        decide(site, &admin, ana, AdoptionDecision::Adopt, Mode::DryRun).await.unwrap();
        assert!(account(site, &ana.user).await.source == Source::Local, "a dry run");
        decide(site, &admin, ana, AdoptionDecision::Adopt, Mode::Act).await.unwrap();
        assert_eq!(account(site, &ana.user).await.source, Source::Scim(client.connection.to_string()));
        let shown = client.get(&format!("/Users/{}", ana.user)).await.good();
        assert_eq!((&shown.json["userName"], &shown.json["externalId"]), (&json!("ana"), &json!("1")));
        // Nobody has shown whose example.test is.
        assert!(!account(site, &ana.user).await.profile.email_verified);

        decide(site, &admin, bo, AdoptionDecision::KeepApart, Mode::Act).await.unwrap();
        decide(site, &admin, cy, AdoptionDecision::Reject, Mode::Act).await.unwrap();
        own(site, &acme, "example.test").await;
        assert_eq!(push(&client, "bo", "bo@example.test").await.error(), (409, "uniqueness"), "kept apart for good");
        let answer = push(&client, "cy", "cy@example.test").await;
        assert_eq!((answer.status, answer.json["id"].as_str()), (201, Some(cy.user.as_str())), "asked again, and fit");
        let states: Vec<State> = queue(site, &acme).await.iter().map(|row| row.state).collect();
        assert_eq!(states[..2], [State::Adopted, State::KeptApart]);
        assert_ne!(states[2], State::Waiting);
        assert!(account(site, &bo.user).await.source == Source::Local && has_password(site, &bo.user).await);
    })
    .await;
}
