//! Which security events arise: what ends, what tokens say from now on, and what became of a password, told to the
//! applications at which the person is, with the words of CAEP.

use muster::domain::access::{Binding, Policy, Scope, Subject, Window};
use muster::domain::change::{Actor, Change, Mode, Receipt, Told};
use muster::domain::people::user::{AccessType, Kind as Whose};
use muster::flows::change_access::change_access;
use muster::kernel::id::BindingId;
use muster::kernel::time::SECOND;
use muster::store::users;
use serde_json::{Value, json};

use super::scene::{CAEP, Keeper, id_of, jtis, keeps_streams, own_token};
use crate::support::PASSWORD;
use crate::support::browser::Person;
use crate::support::client::{Ask, Client, Tokens, claims, list, names, part};
use crate::support::org::Org;
use crate::support::server::{Site, on_both};
use crate::support::verifier::Verifier;

const ANA: Person<'_> = Person::named("ana");
/// Every sort of event that a receiver can ask for.
pub const ALL: [&str; 3] = ["session-revoked", "credential-change", "token-claims-change"];

/// An application's program that fetches its events.
pub struct Listener {
    keeper: Keeper,
    stream: String,
}

/// An event that was fetched.
pub struct Heard {
    /// The sort, without the address before it.
    pub kind: String,
    /// The event's own members.
    pub body: Value,
    /// All claims.
    pub claims: Value,
    /// The token.
    pub token: String,
}

impl Heard {
    /// Whom it is about: the `sub`, of a complex subject the person's.
    pub fn sub(&self) -> &str {
        let subject = &self.claims["sub_id"];
        let person = if subject["format"] == "complex" { &subject["user"] } else { subject };
        person["sub"].as_str().unwrap_or_default()
    }
}

impl Listener {
    /// Gives an application a stream of some sorts of events.
    pub async fn open(client: &Client, events: &[&str]) -> Self {
        let token = own_token(client, "ssf.read ssf.manage").await;
        let keeper = Keeper { client: client.clone(), token };
        let requested: Vec<String> = events.iter().map(|event| format!("{CAEP}{event}")).collect();
        let wanted = json!({ "events_requested": requested, "delivery": { "method": "urn:ietf:rfc:8936" } });
        let stream = id_of(&keeper.make(wanted).await);
        Self { keeper, stream }
    }

    /// Leaves a person out of the stream, or takes them in again.
    pub async fn turn(&self, how: &str, sub: &str) {
        let subject = json!({ "format": "iss_sub", "iss": self.keeper.client.at.issuer, "sub": sub });
        let body = json!({ "stream_id": self.stream, "subject": subject });
        let answer = self.keeper.post(&format!("/ssf/subjects:{how}"), body).await;
        assert!([200, 204].contains(&answer.status), "{}", answer.body);
    }

    /// Fetches what waits, and takes it; by sort, and in the order of writing.
    pub async fn hear(&self) -> Vec<Heard> {
        let client = &self.keeper.client;
        let wait = json!({ "maxEvents": 100, "returnImmediately": true });
        let fetched = self.keeper.poll(&self.stream, wait).await;
        let taken = json!({ "maxEvents": 0, "returnImmediately": true, "ack": jtis(&fetched) });
        assert!(jtis(&self.keeper.poll(&self.stream, taken).await).is_empty(), "nothing was asked for");
        let mut heard: Vec<Heard> = Vec::new();
        for (jti, token) in fetched["sets"].as_object().unwrap() {
            let token = token.as_str().unwrap_or_default().to_owned();
            let claims = claims(&token);
            let header = part(&token, 0);
            assert_eq!((&header["typ"], &header["alg"]), (&json!("secevent+jwt"), &json!("RS256")));
            assert_eq!((&claims["iss"], &claims["jti"]), (&json!(client.at.issuer), &json!(jti)));
            assert_eq!(claims["aud"], json!(client.client_id));
            assert!(claims.get("sub").is_none() && claims.get("exp").is_none(), "{claims}");
            let events = names(&claims["events"]);
            assert_eq!(events.len(), 1, "{claims}");
            let body = claims["events"][&events[0]].clone();
            assert!(body["event_timestamp"].is_i64(), "{claims}");
            heard.push(Heard { kind: events[0].trim_start_matches(CAEP).to_owned(), body, claims, token });
        }
        heard.sort_by(|a, b| (&a.kind, a.claims["jti"].as_str()).cmp(&(&b.kind, b.claims["jti"].as_str())));
        heard
    }

    /// The sorts of what waits, which is taken.
    pub async fn kinds(&self) -> Vec<String> {
        self.hear().await.into_iter().map(|heard| heard.kind).collect()
    }
}

async fn shop(site: &Site, acme: &Org, client_id: &str) -> Client {
    site.client(&acme.application_with(client_id, keeps_streams).await)
}

fn told(client_id: &str, security_events: u64) -> Vec<Told> {
    vec![Told { client_id: client_id.to_owned(), logout_tokens: 0, security_events }]
}

/// Gives a role on the organisation to a person; the receipt.
async fn give(acme: &Org, user_name: &str, role: &str) -> Receipt {
    let (subject, role) = (Subject::Member(acme.member_id(user_name).await), role.parse().expect("a role"));
    let binding = Binding { id: BindingId::fresh(), role, scope: Scope::Org, subject, window: Window::ALWAYS };
    acme.world.act(vec![Change::Bind { org: acme.id.clone(), binding }]).await
}

async fn end_sessions(acme: &Org, user_name: &str) -> Receipt {
    let (org, member) = (acme.id.clone(), acme.member_id(user_name).await);
    acme.world.act(vec![Change::EndSessions { org, member }]).await
}

fn initiator(heard: &Heard) -> &str {
    heard.body["initiating_entity"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_is_told_with_person_session_organisation_and_why() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let binding = acme.give("ana", "org.reader", None).await;
        let (shop, desk) = (shop(site, &acme, "shop").await, shop(site, &acme, "desk").await);
        let (at_shop, at_desk) = (Listener::open(&shop, &ALL).await, Listener::open(&desk, &ALL).await);
        let tokens = shop.sign_in(&mut site.browser(), ANA).await;

        let receipt = acme.take(&binding).await;
        assert_eq!(receipt.told, told("shop", 1));
        let heard = at_shop.hear().await;
        assert_eq!(heard.len(), 1);
        let event = &heard[0];
        assert_eq!(event.kind, "session-revoked");
        let expected = json!({
            "format": "complex",
            "user": { "format": "iss_sub", "iss": site.at.issuer, "sub": ana },
            "session": { "format": "opaque", "id": tokens.id_claims()["sid"] },
            "tenant": { "format": "opaque", "id": acme.id },
        });
        assert_eq!(event.claims["sub_id"], expected);
        assert_eq!(event.claims["txn"], json!(receipt.id));
        assert_eq!((initiator(event), &event.body["reason_admin"]), ("admin", &json!({ "en": receipt.acts[0] })));
        assert_eq!(event.body["event_timestamp"], json!(receipt.at.seconds()));
        Verifier::new(site.at.clone()).verify(&event.token).await.expect("its signature holds");
        assert!(at_desk.hear().await.is_empty(), "nobody told an application at which the person never was");
        assert!(at_shop.hear().await.is_empty(), "what was taken does not come again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gain_and_a_narrowing_tell_what_the_next_token_says_and_nobody_whose_tokens_say_the_same() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.set_policy(Policy::Narrow).await;
        let ana = acme.person("ana", PASSWORD).await;
        for key in ["web", "data"] {
            acme.project(key).await;
        }
        acme.give("ana", "org.reader", None).await;
        let web = acme.give("ana", "project.reader", Some("web")).await;
        let (all, one) = (&shop(site, &acme, "shop").await, &shop(site, &acme, "single").await);
        let none = &shop(site, &acme, "plain").await;
        let (at_all, at_one) = (Listener::open(all, &ALL).await, Listener::open(one, &ALL).await);
        let at_none = Listener::open(none, &ALL).await;
        let mut browser = site.browser();
        let tokens = all.sign_in(&mut browser, ANA).await;
        let for_web = Ask::of(one).with("scope", "openid roles project:web");
        assert_eq!(list(&one.sign_in_with(&mut browser, ANA, for_web).await.claims()["roles"]), ["project.reader"]);
        none.sign_in_with(&mut browser, ANA, Ask::of(none).with("scope", "openid")).await;

        acme.give("ana", "project.member", Some("data")).await;
        let heard = at_all.hear().await;
        assert_eq!((heard.len(), heard[0].kind.as_str()), (1, "token-claims-change"));
        let tenant = json!({ "format": "opaque", "id": acme.id });
        assert_eq!((heard[0].sub(), &heard[0].claims["sub_id"]["tenant"]), (ana.as_str(), &tenant));
        let next = Tokens::read(&all.refresh(tokens.refresh()).await);
        same_claims(&heard[0].body["claims"], &next.claims());
        assert!(at_one.hear().await.is_empty(), "another project is no matter of a token for one");
        assert!(at_none.hear().await.is_empty(), "its tokens never named a role");

        let receipt = acme.take(&web).await;
        assert_eq!((receipt.ended.sessions, receipt.told.len()), (0, 2), "{:?}", receipt.told);
        let heard = at_all.hear().await;
        let next = Tokens::read(&all.refresh(next.refresh()).await);
        same_claims(&heard[0].body["claims"], &next.claims());
        assert_eq!(names(&heard[0].body["claims"]["project_roles"]), ["data"]);
        let heard = at_one.hear().await;
        assert_eq!(heard[0].body["claims"], json!({ "project": "web", "roles": [] }));
        assert!(at_none.hear().await.is_empty());

        assert_eq!(give(&acme, "ana", "org.reader").await.told, Vec::new(), "what was held already is no news");
        assert!(at_all.hear().await.is_empty());
    })
    .await;
}

/// That claims are the roles of a token, and all of them.
fn same_claims(told: &Value, token: &Value) {
    assert_eq!(names(told), ["org_roles", "project_roles"]);
    for name in names(told) {
        assert_eq!(told[&name], token[&name], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_asked_for_and_whom_a_stream_leaves_out_is_not_told() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        acme.give("ana", "billing.viewer", None).await;
        let shop = shop(site, &acme, "shop").await;
        let listener = Listener::open(&shop, &["session-revoked"]).await;
        shop.sign_in(&mut site.browser(), ANA).await;
        assert_eq!(give(&acme, "ana", "org.reader").await.told, Vec::new(), "gains were not asked for");

        listener.turn("remove", ana.as_str()).await;
        let ended = end_sessions(&acme, "ana").await;
        assert_eq!((ended.ended.sessions, ended.told.len()), (1, 0));
        assert!(listener.hear().await.is_empty());

        listener.turn("add", ana.as_str()).await;
        shop.sign_in(&mut site.browser(), ANA).await;
        assert_eq!(end_sessions(&acme, "ana").await.told, told("shop", 1));
        assert_eq!(listener.kinds().await, ["session-revoked"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_a_password_is_told_with_who_did_it() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        acme.give("ana", "org.reader", None).await;
        let shop = shop(site, &acme, "shop").await;
        let listener = Listener::open(&shop, &ALL).await;
        shop.sign_in(&mut site.browser(), ANA).await;
        let about = json!({ "format": "iss_sub", "iss": site.at.issuer, "sub": ana });

        // By herself, the session stays.
        let facts = users::password_facts(&mut site.conn().await, &ana).await.unwrap().unwrap();
        let old = facts.password.expect("she has one");
        let password = old.clone();
        let own = Change::ChangePassword { user: ana.clone(), old, password, end_others: false, keep: None };
        let receipt = change_access(site, &Actor::User(ana.clone()), vec![own], Mode::Act).await.unwrap();
        assert_eq!((receipt.ended.sessions, receipt.told), (0, told("shop", 1)));
        let heard = listener.hear().await;
        assert_eq!((heard[0].kind.as_str(), initiator(&heard[0])), ("credential-change", "user"));
        assert_eq!((heard.len(), &heard[0].claims["sub_id"]), (1, &about));
        let said = &heard[0].body;
        assert_eq!((&said["credential_type"], &said["change_type"]), (&json!("password"), &json!("update")));

        // By an administrator, it ends everything; by making the account one for tools, the password is gone.
        let password = site.new_user(Whose::Own, "nobody", PASSWORD).await.password.expect("it was hashed");
        let reset = Change::ResetPassword { user: ana.clone(), password, must_change: false };
        let to_tools = Change::SetAccessType { user: ana.clone(), access: AccessType::Key };
        for (change, how) in [(reset, "update"), (to_tools, "delete")] {
            assert_eq!(site.act(vec![change]).await.told, told("shop", 2), "{how}");
            let heard = listener.hear().await;
            let kinds: Vec<&str> = heard.iter().map(|heard| heard.kind.as_str()).collect();
            assert_eq!(kinds, ["credential-change", "session-revoked"]);
            assert_eq!((&heard[0].body["change_type"], initiator(&heard[0])), (&json!(how), "admin"));
            if how == "update" {
                shop.sign_in(&mut site.browser(), ANA).await;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_a_revocation_and_a_stolen_refresh_token_are_told_too() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        acme.give("ana", "org.reader", None).await;
        let (shop, desk) = (shop(site, &acme, "shop").await, shop(site, &acme, "desk").await);
        let (at_shop, at_desk) = (Listener::open(&shop, &ALL).await, Listener::open(&desk, &ALL).await);
        let mut browser = site.browser();
        let tokens = shop.sign_in(&mut browser, ANA).await;
        desk.sign_in(&mut browser, ANA).await;

        assert_eq!(shop.revoke(tokens.refresh()).await.status, 200);
        let heard = at_shop.hear().await;
        assert_eq!((heard.len(), heard[0].kind.as_str(), initiator(&heard[0])), (1, "session-revoked", "system"));
        assert_eq!(heard[0].claims["sub_id"]["session"]["id"], tokens.id_claims()["sid"]);
        assert_eq!(shop.revoke(tokens.refresh()).await.status, 200);
        assert!(at_shop.hear().await.is_empty() && at_desk.hear().await.is_empty(), "once, and nobody else");

        let first = shop.sign_in(&mut browser, ANA).await;
        shop.refresh(first.refresh()).await;
        site.advance(11 * SECOND);
        assert_eq!(shop.refresh(first.refresh()).await.status, 400);
        let heard = at_shop.hear().await;
        assert_eq!((heard.len(), heard[0].kind.as_str(), initiator(&heard[0])), (1, "session-revoked", "policy"));

        shop.sign_in(&mut browser, ANA).await;
        let page = browser.open(&site.at.url("/end_session")).await.page();
        browser.press(&page, "logout-confirm", &[]).await.page();
        for listener in [&at_shop, &at_desk] {
            let heard = listener.hear().await;
            assert_eq!((heard.len(), heard[0].kind.as_str(), initiator(&heard[0])), (1, "session-revoked", "user"));
            assert!(heard[0].claims.get("txn").is_none(), "a sign-out is no change of access");
        }
    })
    .await;
}
