//! What real provisioning clients send, from the probe to the delete, each as its maker documents it or as it was seen on
//! the wire; replayed against a connection of the fitting profile and one that was told nothing. What is left at the end is
//! read from the database.

use std::collections::{BTreeMap, BTreeSet};

use muster::domain::connection::ScimProfile;
use muster::domain::people::user::UserState;
use muster::domain::source::Source;
use muster::store::{groups, memberships, users};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::client::{Answer, Push, SCIM_JSON};
use crate::support::org::Org;
use crate::support::server::{Site, on_both};

/// One request and what comes back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    /// What the client does with it.
    name: String,
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    expect: Expect,
    /// What later requests name, and where it stands in the answer.
    #[serde(default)]
    keep: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    status: u16,
    /// What stands where in the body.
    #[serde(default)]
    has: BTreeMap<String, Value>,
    /// Where nothing stands.
    #[serde(default)]
    lacks: Vec<String>,
}

/// A client's whole life.
struct Life {
    client: &'static str,
    exchanges: &'static str,
    profiles: &'static [ScimProfile],
    /// Who is there at the end, and whether they are active.
    users: &'static [(&'static str, bool)],
    /// Which groups, with whom in them.
    groups: &'static [(&'static str, &'static [&'static str])],
}

static LIVES: [Life; 6] = [
    Life {
        client: "okta",
        exchanges: include_str!("exchanges/okta.json"),
        profiles: &[ScimProfile::Okta, ScimProfile::Auto],
        users: &[("test.user@okta.local", true), ("bo.lee@okta.local", true), ("cat.oh@okta.local", false)],
        groups: &[("Engineers", &["test.user@okta.local", "cat.oh@okta.local"])],
    },
    Life {
        client: "entra",
        exchanges: include_str!("exchanges/entra.json"),
        profiles: &[ScimProfile::Entra, ScimProfile::Auto],
        users: &[("Test_User_00aa", true), ("bo@testuser.com", true)],
        groups: &[("Renamed", &["Test_User_00aa"])],
    },
    Life {
        client: "entra-optscim",
        exchanges: include_str!("exchanges/entra_optscim.json"),
        profiles: &[ScimProfile::Entra, ScimProfile::Auto],
        users: &[("Test_User_00bb", true), ("bo@testuser.com", false)],
        groups: &[("Renamed", &["bo@testuser.com"])],
    },
    Life {
        client: "onelogin",
        exchanges: include_str!("exchanges/onelogin.json"),
        profiles: &[ScimProfile::Auto],
        users: &[("onelogin-test-user01", true), ("onelogin-test-user02", false)],
        groups: &[("OneLogin users", &["onelogin-test-user01"])],
    },
    Life {
        client: "jumpcloud",
        exchanges: include_str!("exchanges/jumpcloud.json"),
        profiles: &[ScimProfile::Auto],
        users: &[("ana@jumpcloud.test", true)],
        groups: &[("Builders", &["ana@jumpcloud.test"])],
    },
    Life {
        client: "authentik",
        exchanges: include_str!("exchanges/authentik.json"),
        profiles: &[ScimProfile::Auto],
        users: &[("akadmin", true), ("bo", true)],
        groups: &[("authentik Admins", &["akadmin"]), ("Readers", &["akadmin", "bo"])],
    },
];

type Names = BTreeMap<String, String>;

/// A text with the names in it that were kept.
fn filled(text: &str, names: &Names) -> String {
    let full = names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value));
    assert!(!full.contains("${"), "nothing was kept for {full}");
    full
}

fn filled_in(value: &Value, names: &Names) -> Value {
    match value {
        Value::String(text) => Value::String(filled(text, names)),
        Value::Array(all) => Value::Array(all.iter().map(|one| filled_in(one, names)).collect()),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), filled_in(value, names))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// What holds for every answer.
fn is_sound(answer: &Answer, what: &str) {
    match answer.status {
        201 => assert_eq!(Some(answer.header("location")), answer.json["meta"]["location"].as_str(), "{what}"),
        204 => assert_eq!(answer.json, Value::Null, "{what}"),
        200..300 => {}
        _ => {
            answer.error();
        }
    }
    if answer.status != 204 {
        assert_eq!(answer.header("content-type"), SCIM_JSON, "{what}");
    }
    assert!(!answer.json.to_string().contains("1mz050nq"), "{what}: a password came back");
}

async fn replay(push: &Push, life: &Life, profile: ScimProfile) {
    let exchanges: Vec<Exchange> =
        serde_json::from_str(life.exchanges).unwrap_or_else(|why| panic!("{}: {why}", life.client));
    let mut names = Names::new();
    for exchange in exchanges {
        let what = format!("{} ({profile}): {}", life.client, exchange.name);
        let method: Method = exchange.method.parse().unwrap();
        let (path, body) = (filled(&exchange.path, &names), exchange.body.map(|body| filled_in(&body, &names)));
        let headers: Vec<(&str, &str)> =
            exchange.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = push.send(method, &path, body.as_ref(), &headers).await;
        assert_eq!(answer.status, exchange.expect.status, "{what}: {}", answer.json);
        is_sound(&answer, &what);
        for (pointer, expected) in &exchange.expect.has {
            let found = answer.json.pointer(pointer).unwrap_or(&Value::Null);
            assert_eq!(*found, filled_in(expected, &names), "{what}: {pointer} of {}", answer.json);
        }
        for pointer in &exchange.expect.lacks {
            assert_eq!(answer.json.pointer(pointer), None, "{what}: {pointer} of {}", answer.json);
        }
        for (name, pointer) in exchange.keep {
            let found = answer.json.pointer(&pointer).and_then(Value::as_str);
            let found = found.unwrap_or_else(|| panic!("{what}: no {pointer} in {}", answer.json));
            names.insert(name, found.to_owned());
        }
    }
}

/// Who is there by the database, and which groups of the connection with whom in them.
async fn state(site: &Site, org: &Org, push: &Push) -> (BTreeMap<String, bool>, BTreeMap<String, BTreeSet<String>>) {
    let mut conn = site.conn().await;
    let source = Source::Scim(push.connection.to_string());
    let (mut people, mut names) = (BTreeMap::new(), BTreeMap::new());
    for (member, name) in memberships::of_org(&mut conn, &org.id).await.unwrap() {
        assert_eq!(member.source, source, "{name}");
        let user = users::find(&mut conn, &member.user).await.unwrap().expect("a member has an account");
        people.insert(name.clone(), user.state == UserState::Active);
        names.insert(member.id, name);
    }
    let mut inside = BTreeMap::new();
    for group in groups::of_org(&mut conn, &org.id).await.unwrap() {
        let members = groups::member_ids(&mut conn, &group.id).await.unwrap();
        if group.source == source {
            inside.insert(group.name, members.iter().map(|member| names[member].clone()).collect());
        }
    }
    (people, inside)
}

async fn live(site: &Site, life: &Life, profile: ScimProfile) {
    let org = site.org(&format!("{}-{profile}", life.client)).await;
    let push = Push::open(site, &org, profile).await;
    replay(&push, life, profile).await;
    let people: BTreeMap<String, bool> =
        life.users.iter().map(|(name, active)| ((*name).to_owned(), *active)).collect();
    let inside: BTreeMap<String, BTreeSet<String>> = life
        .groups
        .iter()
        .map(|(name, members)| ((*name).to_owned(), members.iter().map(|member| (*member).to_owned()).collect()))
        .collect();
    assert_eq!(state(site, &org, &push).await, (people, inside), "{} ({profile})", life.client);
}

/// The life with this name, under every profile that fits it.
async fn every_profile(site: &Site, client: &str) {
    let life = LIVES.iter().find(|life| life.client == client).expect("there is such a client");
    for profile in life.profiles {
        live(site, life, *profile).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn okta_lives_its_whole_life_here() {
    on_both(async |site| every_profile(site, "okta").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entra_lives_its_whole_life_here_in_its_default_mode_and_in_the_one_that_follows_the_rfc() {
    on_both(async |site| {
        every_profile(site, "entra").await;
        every_profile(site, "entra-optscim").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn onelogin_lives_its_whole_life_here() {
    on_both(async |site| every_profile(site, "onelogin").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jumpcloud_lives_its_whole_life_here() {
    on_both(async |site| every_profile(site, "jumpcloud").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authentik_lives_its_whole_life_here() {
    on_both(async |site| every_profile(site, "authentik").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_live_side_by_side_in_one_instance_and_none_sees_another() {
    on_both(async |site| {
        futures_util::future::join_all(LIVES.iter().map(|life| live(site, life, ScimProfile::Auto))).await;
    })
    .await;
}
