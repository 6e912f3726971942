//! The table of what a change ends, by HTTP alone: each cause under each policy, for somebody who loses and somebody who
//! does not. What is asserted is what people and applications see at their next request, not what rows say.

use muster::domain::access::Policy;
use muster::kernel::id::{BindingId, GroupId};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::browser::{Browser, Person};
use crate::support::client::{Client, Tokens};
use crate::support::org::Org;
use crate::support::server::{Site, on_both};

/// What became of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing ended.
    Kept,
    /// The access token is refused, refresh and session stand.
    Narrowed,
    /// Session, refresh token and access token are dead.
    Ended,
}

struct Visitor {
    browser: Browser,
    tokens: Tokens,
}

async fn visit(site: &Site, shop: &Client, name: &str) -> Visitor {
    let mut browser = site.browser();
    let tokens = shop.sign_in(&mut browser, Person::named(name)).await;
    Visitor { browser, tokens }
}

async fn fate(visitor: &mut Visitor, shop: &Client) -> Fate {
    let access = shop.is_active(visitor.tokens.access()).await;
    let refresh = shop.is_active(visitor.tokens.refresh()).await;
    let session = shop.is_signed_in(&mut visitor.browser).await;
    match (access, refresh, session) {
        (true, true, true) => Fate::Kept,
        (false, true, true) => Fate::Narrowed,
        (false, false, false) => Fate::Ended,
        other => panic!("access token, refresh token, session: {other:?}"),
    }
}

/// A cause: what stood before, and the call that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    GroupDeleted,
    RemovedFromGroup,
    RoleTakenFromGroup,
    DirectRoleTaken,
    MemberAdded,
    RoleAdded,
    GroupRenamed,
}

/// What the member holds besides what the cause takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Besides {
    /// Nothing.
    Nothing,
    /// The very same role through another group: nothing is lost.
    Same,
    /// Another role through another group.
    OtherByGroup,
    /// Another role directly.
    OtherDirect,
    /// Another role through another group, while an administrator's role is what the cause takes.
    AdminLost,
}

fn expected(policy: Policy, cause: Cause, besides: Besides) -> Fate {
    use Besides::{AdminLost, Nothing, OtherByGroup, OtherDirect, Same};
    let narrowing = match besides {
        Same => Fate::Kept,
        Nothing | AdminLost => Fate::Ended,
        OtherByGroup | OtherDirect => Fate::Narrowed,
    };
    match (policy, cause) {
        (_, Cause::MemberAdded | Cause::RoleAdded | Cause::GroupRenamed) => Fate::Kept,
        (Policy::Strict, _) if besides == Same => Fate::Kept,
        (Policy::Strict, _) => Fate::Ended,
        (Policy::Standing, Cause::GroupDeleted) => match besides {
            Same => Fate::Kept,
            OtherByGroup | AdminLost => Fate::Narrowed,
            Nothing | OtherDirect => Fate::Ended,
        },
        (Policy::Standing, Cause::RemovedFromGroup) => Fate::Ended,
        (Policy::Standing | Policy::Narrow, _) => narrowing,
    }
}

struct Stage {
    site_org: Org,
    olga: Admin,
    shop: Client,
    number: usize,
}

impl Stage {
    /// Sets up a fresh person for one case, makes the call, and says what became of them.
    async fn play(&mut self, site: &Site, cause: Cause, besides: Besides) -> (Fate, Fate, Value) {
        self.number += 1;
        let (name, spare) = (format!("p{}", self.number), format!("q{}", self.number));
        let org = &self.site_org;
        let role = if besides == Besides::AdminLost { "alert.admin" } else { "billing.viewer" };
        let group_name = format!("g{}", self.number);
        for person in [&name, &spare] {
            org.person(person, PASSWORD).await;
        }
        // Somebody whom the cause doesn't concern: he must be untouched, whatever happens.
        org.give(&spare, "org.reader", None).await;
        let group = org.group(&group_name, &[]).await;
        let binding = match cause {
            Cause::DirectRoleTaken => org.give(&name, role, None).await,
            _ => org.give_group(&group_name, role, None).await,
        };
        if !matches!(cause, Cause::DirectRoleTaken | Cause::MemberAdded) {
            org.put_in(&group_name, &[&name]).await;
        }
        self.beside(&name, role, besides).await;
        let (mut seen, mut other) = (visit(site, &self.shop, &name).await, visit(site, &self.shop, &spare).await);
        let receipt = self.make(cause, &group, &group_name, &binding, &name).await;
        (fate(&mut seen, &self.shop).await, fate(&mut other, &self.shop).await, receipt)
    }

    async fn beside(&self, name: &str, role: &str, besides: Besides) {
        let (org, other) = (&self.site_org, format!("h{}", self.number));
        let given = match besides {
            Besides::Nothing => return,
            Besides::Same => role,
            Besides::OtherByGroup | Besides::OtherDirect | Besides::AdminLost => "trail.viewer",
        };
        if besides == Besides::OtherDirect {
            org.give(name, given, None).await;
            return;
        }
        org.group(&other, &[name]).await;
        org.give_group(&other, given, None).await;
    }

    async fn make(&self, cause: Cause, group: &GroupId, group_name: &str, binding: &BindingId, name: &str) -> Value {
        let member = self.site_org.member_id(name).await;
        let answer = match cause {
            Cause::GroupDeleted => self.olga.delete(&format!("/groups/{group}?confirm={group_name}")).await,
            Cause::RemovedFromGroup => {
                self.olga.post(&format!("/groups/{group}/members/remove"), json!({ "users": [member] })).await
            }
            Cause::RoleTakenFromGroup | Cause::DirectRoleTaken => {
                self.olga.delete(&format!("/bindings/{binding}")).await
            }
            Cause::MemberAdded => {
                self.olga.post(&format!("/groups/{group}/members/add"), json!({ "users": [member] })).await
            }
            Cause::RoleAdded => self.olga.post("/bindings", json!({ "group": group, "role": "iam.viewer" })).await,
            Cause::GroupRenamed => {
                self.olga.patch(&format!("/groups/{group}"), json!({ "name": format!("{group_name} anew") })).await
            }
        };
        answer["receipt"].clone()
    }
}

// K40 K41 K45 K47 N23
#[tokio::test(flavor = "multi_thread")]
async fn every_cause_under_every_policy_ends_exactly_what_the_table_says() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let shop = site.client(&acme.application("shop").await);
        let olga = Admin::of(site, &acme, "olga").await;
        let mut stage = Stage { site_org: acme, olga, shop, number: 0 };
        let causes = [
            Cause::GroupDeleted,
            Cause::RemovedFromGroup,
            Cause::RoleTakenFromGroup,
            Cause::DirectRoleTaken,
            Cause::MemberAdded,
            Cause::RoleAdded,
            Cause::GroupRenamed,
        ];
        let all = [Besides::Nothing, Besides::Same, Besides::OtherByGroup, Besides::OtherDirect, Besides::AdminLost];
        for policy in [Policy::Strict, Policy::Standing, Policy::Narrow] {
            stage.olga.patch("/policies", json!({ "policy": policy.as_str() })).await;
            for cause in causes {
                for besides in all {
                    let (became, other, receipt) = stage.play(site, cause, besides).await;
                    let wanted = expected(policy, cause, besides);
                    assert_eq!(became, wanted, "{policy} {cause:?} {besides:?}: {receipt}");
                    assert_eq!(other, Fate::Kept, "{policy} {cause:?} {besides:?}: a bystander");
                    let ended = receipt["ended"]["sessions"].as_u64().unwrap();
                    assert_eq!(ended, u64::from(wanted == Fate::Ended), "{policy} {cause:?} {besides:?}: {receipt}");
                }
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn these_end_everything_under_every_policy() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let shop = site.client(&acme.application("shop").await);
        let olga = Admin::of(site, &acme, "olga").await;
        for policy in ["strict", "standing", "narrow"] {
            olga.patch("/policies", json!({ "policy": policy })).await;
            let acts: [(&str, Method, &str, Value); 5] = [
                ("suspended", Method::POST, "/suspend", json!({})),
                ("reset", Method::POST, "/password", json!({ "password": "another Tide7-Kq2mVx" })),
                ("sessions", Method::DELETE, "/sessions", json!({})),
                ("key user", Method::PATCH, "", json!({ "access_type": "key" })),
                ("deleted", Method::DELETE, "?confirm=Delete%20user%20from%20organization", json!({})),
            ];
            for (number, (what, method, path, body)) in acts.into_iter().enumerate() {
                let (name, spare) = (format!("{policy}{number}"), format!("{policy}{number}x"));
                let user = acme.person(&name, PASSWORD).await;
                acme.person(&spare, PASSWORD).await;
                for person in [&name, &spare] {
                    acme.give(person, "org.reader", None).await;
                }
                let (mut seen, mut other) = (visit(site, &shop, &name).await, visit(site, &shop, &spare).await);
                let answer = olga.call(method, &format!("/users/{user}{path}"), Some(&body)).await;
                assert_eq!(answer.status, 200, "{policy} {what}: {}", answer.body);
                assert_eq!(fate(&mut seen, &shop).await, Fate::Ended, "{policy} {what}");
                assert_eq!(fate(&mut other, &shop).await, Fate::Kept, "{policy} {what}");
            }
        }
    })
    .await;
}
