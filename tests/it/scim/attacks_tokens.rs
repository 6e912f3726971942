//! What opens `/scim/v2`, and what it opened: tokens that end with what they hang on, people who are out everywhere at
//! once, and secrets that nobody reads again.

use muster::domain::change::Change;
use muster::domain::connection::{ConnectionState, CredentialKind, NewScimCredential, ScimProfile};
use muster::domain::people::user::OrgState;
use muster::kernel::id::ScimCredentialId;
use muster::kernel::secret::Secret;
use muster::kernel::time::{DAY, HOUR, MINUTE};
use muster::outside::chance::SystemChance;
use reqwest::Method;
use serde_json::{Value, json};

use super::admin_scene::moment;
use super::attacks_scene::{BULK, PUSHED_PASSWORD, members_of, roles_of, with};
use super::client::{Push, user};
use super::visitor::{Visitor, comes_in, may_sign_in};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::client::Tokens;
use crate::support::http;
use crate::support::server::{Site, on_both};

/// An OAuth client of the connection, and an access token of it.
async fn oauth(site: &Site, push: &Push) -> Push {
    let (secret, id) = (Secret::mint(&SystemChance, "mcs_"), ScimCredentialId::fresh());
    let new = NewScimCredential {
        id: id.clone(),
        connection: push.connection.clone(),
        kind: CredentialKind::Client,
        name: "oauth".to_owned(),
        secret: secret.digest(),
        expires_at: site.now().plus(DAY),
    };
    site.act(vec![Change::AddScimCredential { org: push.org.clone(), credential: Box::new(new) }]).await;
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", "scim"),
        ("client_id", id.as_str()),
        ("client_secret", secret.expose()),
    ];
    let request = site.at.request(Method::POST, &site.at.url("/token")).form(&form);
    let mut client = push.with_token(Tokens::read(&http::Answer::to(request).await).access());
    client.credential = id;
    client
}

// GitLab #385050: a token is seen, ends, and dies with all that it hangs on, at the next request.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_listed_with_its_last_use_and_dies_with_its_connection_and_its_organisation() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let push = Push::open(site, &acme, ScimProfile::Auto).await;
        let second = push.with_new_token(site, HOUR).await;
        let client = oauth(site, &push).await;
        let path = format!("/connections/{}/credentials", push.connection);
        let third = json!({ "kind": "token", "name": "third" });
        let refused = olga.refused(Method::POST, &path, third).await;
        assert_eq!(refused.0, 409, "two at a time: {refused:?}");
        let listed = olga.get(&path).await;
        let row = |listed: &Value, id: &ScimCredentialId| {
            let rows = listed["items"].as_array().unwrap();
            rows.iter().find(|row| row["id"] == json!(id.as_str())).unwrap_or_else(|| panic!("{listed}")).clone()
        };
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(3), "{listed}");
        assert_eq!(
            (&row(&listed, &second.credential)["last_used_at"], &row(&listed, &second.credential)["kind"]),
            (&Value::Null, &json!("token"))
        );
        assert!(!listed.to_string().contains(&push.token) && !listed.to_string().contains("mst_"));
        let all = [&push, &second, &client];
        let open = async |expected: [u16; 3], when: &str| {
            for (one, expected) in all.iter().zip(expected) {
                assert_eq!(one.get("/Users").await.status, expected, "{when}: {}", one.credential);
            }
        };
        open([200, 200, 200], "at first").await;
        for _ in 0..200 {
            if !row(&olga.get(&path).await, &second.credential)["last_used_at"].is_null() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert!(row(&olga.get(&path).await, &second.credential)["last_used_at"].is_string(), "its use was noted");

        let (org, connection) = (acme.id.clone(), push.connection.clone());
        let set_org = async |state: OrgState| site.act(vec![Change::SetOrgState { org: org.clone(), state }]).await;
        let set = async |state: ConnectionState| {
            let (org, connection) = (org.clone(), connection.clone());
            site.act(vec![Change::SetConnectionState { org, connection, state }]).await
        };
        set_org(OrgState::Suspended).await;
        open([401; 3], "while the organisation is suspended").await;
        set_org(OrgState::Active).await;
        open([200; 3], "when it is back").await;
        set(ConnectionState::Disabled).await;
        open([401; 3], "while the connection is off").await;
        set(ConnectionState::Active).await;
        open([200; 3], "when it is on again").await;
        site.advance(HOUR + MINUTE);
        open([200, 401, 401], "when their time is over").await;
        // Her own token is over, too.
        let olga = Admin::of(site, &acme, "olga").await;
        assert_eq!(row(&olga.get(&path).await, &second.credential)["expired"], true);
        set(ConnectionState::Deleted).await;
        open([401; 3], "when the connection is gone").await;
        let revived = site.change(vec![Change::SetConnectionState { org, connection, state: ConnectionState::Active }]);
        assert!(revived.await.is_err(), "and it never comes back");
        open([401; 3], "for good").await;
    })
    .await;
}

// What is switched off upstream is off at the next request, on every node; only upstream switches it on.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_switched_off_is_out_with_everything_at_every_node() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let web = acme.project("web").await;
        let push = Push::open(site, &acme, ScimProfile::Auto).await;
        let ana = push.create_user("ana").await;
        let devs = push.create_group("Devs", &[&ana]).await;
        acme.give_group("Devs", "project.admin", Some("web")).await;
        let other = site.second_node().await;
        let registered = acme.application("shop").await;
        let (here, there) = (site.client(&registered), other.client(&registered));
        may_sign_in(site, &ana).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let key = json!({ "project": "web", "name": "laptop", "expires_at": moment(site.now().plus(DAY)) });
        let made = olga.post(&format!("/users/{ana}/access-keys"), key).await;
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "muster.admin"),
            ("client_id", made["object"]["id"].as_str().unwrap()),
            ("client_secret", made["secret"].as_str().unwrap()),
        ];
        let ask = async || http::Answer::to(site.at.request(Method::POST, &site.at.url("/token")).form(&form)).await;
        let tool = Tokens::read(&ask().await);
        let visitor = Visitor::of(&here, "ana").await;
        for node in [&here, &there] {
            assert!(node.is_active(visitor.tokens.access()).await);
        }
        let set = |active: &str| json!([{ "op": "Replace", "path": "active", "value": active }]);
        push.at_node(&other).operate(&format!("/Users/{ana}"), set("False")).await.good();
        for node in [&here, &there] {
            visitor.is_out(node).await;
        }
        assert_ne!(ask().await.status, 200, "a key gives no token any more");
        for node in [site, &other] {
            let called = Admin::with_token(node, &acme, tool.access()).call(Method::GET, "/projects/web", None).await;
            assert_eq!(called.status, 401, "{}", called.body);
        }
        assert_eq!(members_of(&push, &devs).await, std::slice::from_ref(&ana), "the membership stays");
        push.operate(&format!("/Users/{ana}"), set("True")).await.good();
        visitor.is_out(&here).await;
        assert!(comes_in(&there, "ana").await, "a new sign-in opens it again");
        assert!(roles_of(site, &acme, "ana").await.contains(&"project.admin".to_owned()), "{web}");
        other.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_a_connection_and_no_password_that_it_pushed_comes_out_anywhere() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.person("bo", PASSWORD).await;
        let push = Push::open(site, &acme, ScimProfile::Auto).await;
        let client = oauth(site, &push).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let secrets = [push.token.as_str(), client.token.as_str(), PUSHED_PASSWORD];
        let secret_free = |what: &str, text: &str| {
            for secret in &secrets {
                assert!(!text.contains(secret), "{what} tells a secret: {text}");
            }
        };
        let pushed = |name: &str| with(user(name), "password", json!(PUSHED_PASSWORD));
        let ana = push.post("/Users", pushed("ana")).await.good().id();
        let path = format!("/Users/{ana}");
        let set = json!([{ "op": "replace", "path": "password", "value": PUSHED_PASSWORD }]);
        let mut answers = vec![
            push.put(&path, pushed("ana")).await,
            push.operate(&path, &set).await,
            push.operate(&path, json!([{ "op": "add", "value": { "password": PUSHED_PASSWORD } }])).await,
            // Refused ones too: a name that is taken, one that can't be, and one that waits for a decision.
            push.post("/Users", pushed("ana")).await,
            push.post("/Users", with(pushed("x"), "active", json!("maybe"))).await,
            push.post("/Users", pushed("bo")).await,
            push.get(&format!("{path}?attributes=password,userName")).await,
            push.post("/Users/.search", json!({ "attributes": ["password"] })).await,
            client.get("/Users").await,
        ];
        let operations = vec![json!({ "method": "POST", "path": "/Users", "bulkId": "b", "data": pushed("ben") })];
        answers.push(push.post("/Bulk", json!({ "schemas": [BULK], "Operations": operations })).await);
        answers.push(push.with_token(&format!("{}x", push.token)).get("/Users").await);
        for answer in &answers {
            secret_free("an answer", &format!("{} {:?}", answer.json, answer.headers));
        }
        let connection = format!("/connections/{}", push.connection);
        for path in [
            connection.clone(),
            format!("{connection}/credentials"),
            format!("{connection}/credentials/{}", push.credential),
            format!("{connection}/requests?limit=200"),
            "/adoptions".to_owned(),
            "/held".to_owned(),
            "/changes?limit=200".to_owned(),
            "/audit?limit=200".to_owned(),
            "/audit/export?format=jsonl".to_owned(),
            format!("/users/{ana}"),
            format!("/users/{ana}/log"),
            "/state".to_owned(),
        ] {
            let answer = olga.call(Method::GET, &path, None).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            secret_free(&path, &answer.body);
        }
        // Nor does it lie in the rows: digests apart, which nobody can read back.
        for sql in [
            "SELECT resource FROM scim_users",
            "SELECT resource FROM scim_adoptions",
            "SELECT path || ' ' || detail || ' ' || body FROM scim_requests",
            "SELECT method || ' ' || path || ' ' || body FROM scim_held",
            "SELECT name || ' ' || settings FROM connections",
            "SELECT id || ' ' || name || ' ' || created_by FROM scim_credentials",
        ] {
            let rows: Vec<(String,)> = site.conn().await.query(sql).all().await.unwrap();
            rows.iter().for_each(|(text,)| secret_free(sql, text));
        }
    })
    .await;
}
