//! Acme, whose people come from its own provider: what the provider says of them, which groups follow, and what they hold.

use std::collections::BTreeSet;

use muster::domain::change::{Change, Receipt};
use muster::domain::federation::mapping::{Condition, GroupRule, Mapping, Op, Rule};
use muster::domain::federation::{Stage, Upstream};
use muster::domain::people::user::{Kind, MembershipState};
use muster::domain::source::Source;
use muster::kernel::id::{GroupId, MembershipId, UserId};
use muster::store::federation::identities::{self, Identity};
use muster::store::federation::{MappedPlace, mapped_places};
use muster::store::users::{self, User};
use muster::store::{audit, change_list, memberships};
use serde_json::{Value, json};

use crate::scim::visitor::Visitor;
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::{Browser, Landing};
use crate::support::client::{Ask, Client};
use crate::support::federated::Federated;
use crate::support::org::Org;
use crate::support::page::Page;
use crate::support::provider::Provider;
use crate::support::server::Site;

/// What Acme's provider calls its developers.
pub const DEVELOPERS: &str = "0f6a-developers";

/// Acme, owned by Olga, who has a password. Its mapping puts developers into `devs`, which gives a role on `web`; staff
/// into `everybody`, and whoever operates and is no contractor into `ops`, which give one on the organisation each.
pub struct Scene {
    /// The organisation.
    pub acme: Org,
    /// Its provider.
    pub provider: Provider,
    /// The connection to it.
    pub okta: Federated,
    /// Acme's application.
    pub shop: Client,
    /// Olga, at the API.
    pub olga: Admin,
    devs: GroupId,
    everybody: GroupId,
    ops: GroupId,
}

impl Scene {
    /// Sets it.
    pub async fn set(site: &Site) -> Self {
        let (acme, _) = owned(site, "acme").await;
        acme.project("web").await;
        let mut groups = Vec::new();
        for (name, role, project) in
            [("devs", "project.member", Some("web")), ("everybody", "org.reader", None), ("ops", "trail.viewer", None)]
        {
            groups.push(acme.group(name, &[]).await);
            acme.give_group(name, role, project).await;
        }
        let [devs, everybody, ops]: [GroupId; 3] = groups.try_into().expect("three groups");
        let provider = Provider::open().await;
        let okta = Federated::open(site, &acme, &provider).await;
        let shop = site.client(&acme.application("shop").await);
        let olga = Admin::of(site, &acme, "olga").await;
        let scene = Self { acme, provider, okta, shop, olga, devs, everybody, ops };
        scene.okta.map(site, scene.mapping()).await;
        scene
    }

    /// Acme's mapping as it stands at first.
    pub fn mapping(&self) -> Mapping {
        let group = |external_id: &str, group: &GroupId| GroupRule {
            external_id: external_id.to_owned(),
            label: "Developers".to_owned(),
            group: group.clone(),
        };
        Mapping {
            on: true,
            rules: vec![
                rule("Staff", &[("employee", Op::Equals, "yes")], &self.everybody),
                rule(
                    "Operators",
                    &[("department", Op::EqualsIgnoreCase, "operations"), ("contract", Op::NotEquals, "external")],
                    &self.ops,
                ),
            ],
            groups: vec![group(DEVELOPERS, &self.devs)],
            ..Mapping::default()
        }
    }

    /// A rule that puts whoever is staff into `ops`.
    pub fn staff_operates(&self) -> Rule {
        rule("Staff operates", &[("employee", Op::Equals, "yes")], &self.ops)
    }

    /// Replaces the mapping, and says what that did.
    pub async fn set_mapping(&self, site: &Site, mapping: Mapping) -> Receipt {
        let (org, connection) = (self.acme.id.clone(), self.okta.connection.clone());
        site.act(vec![Change::SetMapping { org, connection, mapping: Box::new(mapping) }]).await
    }

    /// Somebody comes through in a browser of their own, on the way to Acme's application.
    pub async fn enters(&self, claims: Value) -> Visitor {
        self.enters_at(&self.shop, claims).await
    }

    /// As [`Scene::enters`], at the node that the application talks to.
    pub async fn enters_at(&self, shop: &Client, claims: Value) -> Visitor {
        let name = claims["preferred_username"].as_str().unwrap_or_default().to_owned();
        self.provider.says(claims);
        let (mut browser, ask) = (Browser::new(shop.at.clone()), Ask::of(shop));
        let arrival = self.okta.comes_for(&mut browser, &ask).await.arrival();
        let tokens = shop.tokens_of(&arrival, &ask).await;
        Visitor::over(&name, browser, tokens)
    }

    /// Somebody tries to come through in a new browser, and sees a page.
    pub async fn tries(&self, site: &Site, claims: Value) -> Page {
        self.provider.says(claims);
        self.okta.tries(site, &mut site.browser()).await
    }

    /// The places that the mapping has given somebody, over or not.
    pub async fn places(&self, site: &Site, name: &str) -> Vec<MappedPlace> {
        let member = self.acme.member_id(name).await;
        mapped_places(&mut site.conn().await, &member).await.unwrap()
    }
}

fn rule(name: &str, conditions: &[(&str, Op, &str)], group: &GroupId) -> Rule {
    let condition = |&(claim, op, value): &(&str, Op, &str)| Condition {
        claim: claim.to_owned(),
        op,
        values: vec![value.to_owned()],
    };
    Rule {
        name: name.to_owned(),
        conditions: conditions.iter().map(condition).collect(),
        groups: BTreeSet::from([group.clone()]),
    }
}

/// The subject under which a provider knows somebody.
pub fn subject(name: &str) -> String {
    format!("00u-{name}")
}

/// What a provider says of somebody: names, an address at `acme.test`, and more.
pub fn says(name: &str, more: Value) -> Value {
    let mut claims = json!({
        "sub": subject(name), "preferred_username": name, "name": format!("{name} Kim"), "given_name": name,
        "family_name": "Kim", "email": format!("{name}@acme.test"), "email_verified": true,
    });
    for (claim, value) in more.as_object().expect("an object") {
        claims[claim.as_str()] = value.clone();
    }
    claims
}

/// Who somebody is here whom a connection's provider knows by this subject.
pub async fn identity(site: &Site, okta: &Federated, subject: &str) -> Option<Identity> {
    let upstream = Upstream { issuer: okta.provider.issuer.clone(), subject: subject.to_owned() };
    identities::find(&mut site.conn().await, &okta.connection, &upstream).await.unwrap()
}

/// An account, which must be there.
pub async fn account(site: &Site, id: &UserId) -> User {
    users::find(&mut site.conn().await, id).await.unwrap().expect("it is there")
}

/// Whether an account has a password.
pub async fn has_password(site: &Site, id: &UserId) -> bool {
    users::password_facts(&mut site.conn().await, id).await.unwrap().is_some_and(|facts| facts.password.is_some())
}

/// How many members an organisation has.
pub async fn members(site: &Site, org: &Org) -> usize {
    memberships::of_org(&mut site.conn().await, &org.id).await.unwrap().len()
}

/// Somebody whom an administrator has registered with this address.
pub async fn registered(site: &Site, org: &Org, name: &str, email: &str) -> UserId {
    let mut user = site.new_user(Kind::Managed(org.id.clone()), name, PASSWORD).await;
    user.profile.email = Some(email.to_owned());
    let (id, org, member) = (user.id.clone(), org.id.clone(), MembershipId::fresh());
    let join =
        Change::AddMember { org, member, user: id.clone(), state: MembershipState::Active, source: Source::Local };
    site.act(vec![Change::CreateUser(Box::new(user)), join]).await;
    id
}

/// The newest change of an organisation, as its receipt tells it.
pub async fn newest(site: &Site, org: &Org) -> Receipt {
    let mut conn = site.conn().await;
    let newest = change_list::of_org(&mut conn, &org.id, None, 1).await.unwrap().remove(0);
    audit::receipt(&mut conn, &newest.id).await.unwrap().expect("a change leaves its receipt")
}

/// Who lost or gained something by a change: names, and the words of the roles, lost first.
pub fn moved(receipt: &Receipt) -> Vec<(&str, Vec<&str>, Vec<&str>)> {
    receipt
        .members
        .iter()
        .map(|line| {
            let lost = line.lost.iter().map(|held| held.role.as_str()).collect();
            let gained = line.gained.iter().map(|held| held.role.as_str()).collect();
            (line.user_name.as_str(), lost, gained)
        })
        .collect()
}

/// Lets somebody who administers sign in with a password though a connection is enforced.
pub async fn break_glass(site: &Site, org: &Org, name: &str) {
    let (org, member) = (org.id.clone(), org.member_id(name).await);
    site.act(vec![Change::SetBreakGlass { org, member, on: true }]).await;
}

/// Enforces a connection, for which Olga can come in without it; says what that did.
pub async fn enforce(site: &Site, okta: &Federated) -> Receipt {
    break_glass(site, &okta.org, "olga").await;
    let (org, connection) = (okta.org.id.clone(), okta.connection.clone());
    site.act(vec![Change::SetSignInStage { org, connection, stage: Stage::Enforced }]).await
}

/// Whether a browser was sent to a provider, or shown the page that leads there.
pub fn is_led_to(landing: &Landing, provider: &Provider) -> bool {
    let to = format!("{}/authorize", provider.issuer);
    match landing {
        Landing::Away(arrival) => arrival.address == to,
        Landing::Page(page) => page.html.contains(&format!("id=\"upstream-go\" href=\"{to}?")),
    }
}

/// Some words.
pub fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
