//! What attacks on a SCIM server are tried with: neighbours who must not see one another, and what is true of accounts.

use muster::domain::change::Change;
use muster::domain::connection::ScimProfile;
use muster::domain::people::user::UserState;
use muster::domain::source::Source;
use muster::kernel::id::{DomainId, GroupId, UserId};
use muster::store::memberships;
use muster::store::users::{self, User};
use serde_json::{Value, json};

use super::client::{GROUP, Push};
use crate::support::PASSWORD;
use crate::support::admin::owned;
use crate::support::org::Org;
use crate::support::server::Site;

/// The schema of a bulk request.
pub const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// A password that clients push, and that nobody keeps.
pub const PUSHED_PASSWORD: &str = "Pushed7-Vb2nQx9wL";

/// An account as it is stored.
pub async fn account(site: &Site, id: &str) -> User {
    users::find(&mut site.conn().await, &id.parse().unwrap()).await.unwrap().expect("it is there")
}

/// What must stay as it is of an account that is none of the client's business.
pub async fn facts(site: &Site, id: &str) -> (String, Option<String>, bool, Source, UserState, Option<String>) {
    let User { user_name, profile, source, state, .. } = account(site, id).await;
    let kept = users::password_facts(&mut site.conn().await, &id.parse().unwrap()).await.unwrap();
    (user_name, profile.email, profile.email_verified, source, state, kept.and_then(|facts| facts.password))
}

/// The organisation has shown that a domain is its own.
pub async fn own(site: &Site, org: &Org, name: &str) {
    let (id, name) = (DomainId::fresh(), name.to_owned());
    let add = Change::AddDomain { org: org.id.clone(), domain: id.clone(), name, token: "t0ken".to_owned() };
    site.act(vec![add, Change::VerifyDomain { org: org.id.clone(), domain: id }]).await;
}

/// A group as clients push one.
pub fn group(name: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
    json!({ "schemas": [GROUP], "displayName": name, "members": members })
}

/// A body with one member more, or another.
pub fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

/// The members of a group, as the client reads them.
pub async fn members_of(push: &Push, group: &str) -> Vec<String> {
    let read = push.get(&format!("/Groups/{group}")).await.good().json;
    let members = read["members"].as_array().cloned().unwrap_or_default();
    let mut ids: Vec<String> = members.iter().map(|one| one["value"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

/// What became of each operation of a bulk request.
pub async fn bulk(push: &Push, operations: Vec<Value>) -> Vec<Value> {
    let answer = push.post("/Bulk", json!({ "schemas": [BULK], "Operations": operations })).await.good();
    answer.json["Operations"].as_array().cloned().unwrap_or_default()
}

/// The roles that reach somebody.
pub async fn roles_of(site: &Site, org: &Org, user_name: &str) -> Vec<String> {
    let member = org.member_id(user_name).await;
    let held = memberships::bindings_reaching(&mut site.conn().await, &member).await.unwrap();
    held.iter().map(|binding| binding.role.to_string()).collect()
}

/// Three clients: two connections of Acme, and one of Globex.
pub struct Neighbours {
    /// The organisation with two of them.
    pub acme: Org,
    /// The one that asks.
    pub own: Push,
    /// What it owns: two users …
    pub users: Vec<String>,
    /// … and a group.
    pub groups: Vec<String>,
    /// Ids that are none of its business: a group of Acme's own is the third.
    pub foreign: Vec<String>,
    /// The others, each with its user and its group.
    pub others: Vec<(Push, String, String)>,
}

/// What stands in the names of everything that is not its own.
pub const MARKS: [&str; 3] = ["zebedee", "quixote", "yolanda"];

impl Neighbours {
    /// Makes them.
    pub async fn set(site: &Site) -> Self {
        let (acme, olga) = owned(site, "acme").await;
        let globex = site.org("globex").await;
        let yolanda = acme.person("yolanda", PASSWORD).await;
        let local = acme.group("yolandas", &["yolanda"]).await;
        let own = Push::open(site, &acme, ScimProfile::Auto).await;
        let users = vec![own.create_user("ann").await, own.create_user("ben").await];
        let groups = vec![own.create_group("Team", &[&users[0]]).await];
        let mut foreign = vec![
            olga.into_string(),
            yolanda.into_string(),
            local.into_string(),
            acme.member_id("yolanda").await.into_string(),
            UserId::fresh().into_string(),
            GroupId::fresh().into_string(),
        ];
        let mut others = Vec::new();
        for (org, mark) in [(&acme, "zebedee"), (&globex, "quixote")] {
            let push = Push::open(site, org, ScimProfile::Auto).await;
            let person = push.create_user(mark).await;
            let team = push.create_group(&format!("{mark} team"), &[&person]).await;
            foreign.extend([person.clone(), team.clone()]);
            others.push((push, person, team));
        }
        Self { acme, own, users, groups, foreign, others }
    }

    /// What the others have, as they read it.
    pub async fn elsewhere(&self) -> Vec<Value> {
        let mut seen = Vec::new();
        for (push, person, team) in &self.others {
            seen.push(push.get(&format!("/Users/{person}")).await.good().json);
            seen.push(push.get(&format!("/Groups/{team}")).await.good().json);
        }
        seen
    }
}
