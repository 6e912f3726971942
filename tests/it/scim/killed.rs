//! A machine that stops: what was answered holds, and what was not is wholly done or not at all.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Push, SCIM_JSON, patch_of};
use super::races::members_of;
use super::visitor::{Visitor, comes_in, may_sign_in};
use crate::operating::apply_file::{FILE, SHOP_SECRET};
use crate::support::PASSWORD;
use crate::support::application::{Credentials, REDIRECT_URI, Registered, sample};
use crate::support::client::Client;
use crate::support::http;
use crate::support::process::{Installation, Serving};
use crate::support::world::{Kind, World};
use muster::domain::connection::ScimProfile;

/// Acme as the file of `apply` has it, with a connection, in a process of its own.
struct Machine {
    installation: Installation,
    world: World,
    shop: Client,
    push: Push,
}

impl Machine {
    async fn fresh(kind: Kind) -> Option<Self> {
        let mut installation = Installation::fresh(kind).await?;
        // The key of `World`: what is written beside the process is read by it.
        installation.set("MUSTER_KEYS__INSTANCE_KEY", &format!("{}Bwc", "BwcH".repeat(10)));
        installation.set("PERSON_PASSWORD", PASSWORD);
        installation.set("SHOP_SECRET", SHOP_SECRET);
        let file = installation.write("world.toml", FILE);
        installation.succeeds(&["apply", file.to_str().unwrap()]).await;
        let mut application = sample("shop");
        application.redirect_uris = vec![REDIRECT_URI.to_owned()];
        let registered = Registered { application, credentials: Credentials::Basic(SHOP_SECRET.to_owned()) };
        let shop = Client::new(installation.at.clone(), &registered);
        let world = installation.world().await;
        let acme = world.org("acme").await;
        let push = Push::open_at(&world, &installation.at, &acme, ScimProfile::Auto).await;
        Some(Self { installation, world, shop, push })
    }

    /// Pushes people who may sign in, into a group that gives a role.
    async fn people(&self, names: &[&str]) -> Vec<String> {
        let mut people = Vec::new();
        for name in names {
            let id = self.push.create_user(name).await;
            may_sign_in(&self.world, &id).await;
            people.push(id);
        }
        let members: Vec<&str> = people.iter().map(String::as_str).collect();
        self.push.create_group("Crew", &members).await;
        self.world.org("acme").await.give_group("Crew", "project.member", Some("web")).await;
        people
    }

    async fn is_active(&self, user: &str) -> bool {
        self.push.get(&format!("/Users/{user}")).await.good().json["active"] == true
    }
}

fn active(active: bool) -> Value {
    json!([{ "op": "replace", "value": { "active": active } }])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deactivation_that_was_answered_holds_after_the_process_is_killed() {
    for kind in Kind::BOTH {
        let Some(machine) = Machine::fresh(kind).await else {
            continue;
        };
        let serving = machine.installation.serve().await;
        let people = machine.people(&["nia", "max"]).await;
        let (shop, push) = (&machine.shop, &machine.push);
        let (nia, mut max) = (Visitor::of(shop, "nia").await, Visitor::of(shop, "max").await);
        let path = format!("/Users/{}", people[0]);
        assert_eq!(push.operate(&path, active(false)).await.status, 200);
        serving.kill().await;

        let serving = machine.installation.serve().await;
        nia.is_out(shop).await;
        max.is_in(shop).await;
        assert!(!machine.is_active(&people[0]).await && !comes_in(shop, "nia").await, "{kind:?}");
        assert_eq!(push.operate(&path, active(true)).await.status, 200);
        let nia = Visitor::of(shop, "nia").await;
        assert_eq!(nia.roles().1, ["project.member"], "{kind:?}: it was all there still");
        let group = push.get("/Groups").await.json["Resources"][0].clone();
        let gone = json!([{ "op": "remove", "path": "members", "value": [{ "value": people[0] }] }]);
        assert_eq!(push.operate(&format!("/Groups/{}", group["id"].as_str().unwrap()), gone).await.status, 204);
        serving.kill().await;

        let serving = machine.installation.serve().await;
        nia.is_out(shop).await;
        max.is_in(shop).await;
        assert_eq!(members_of(&push.get("/Groups").await.json["Resources"][0]), BTreeSet::from([people[1].as_str()]));
        serving.kill().await;
        machine.world.db.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_in_the_middle_leaves_everybody_wholly_in_or_wholly_out() {
    const NAMES: [&str; 6] = ["nia", "max", "liv", "tom", "eva", "kai"];
    for kind in Kind::BOTH {
        let Some(machine) = Machine::fresh(kind).await else {
            continue;
        };
        let mut serving = machine.installation.serve().await;
        let people = machine.people(&NAMES).await;
        let (shop, push) = (&machine.shop, &machine.push);
        for delay in [2, 10, 40] {
            let mut visitors = Vec::new();
            for (name, id) in NAMES.iter().zip(&people) {
                assert_eq!(push.operate(&format!("/Users/{id}"), active(true)).await.status, 200);
                visitors.push(Visitor::of(shop, name).await);
            }
            let sent = people.iter().map(|id| {
                let body = patch_of(&active(false)).to_string();
                let request = push.request(Method::PATCH, &format!("/Users/{id}")).header("content-type", SCIM_JSON);
                tokio::spawn(async move { http::Answer::try_to(request.body(body)).await.map(|answer| answer.status) })
            });
            let sent: Vec<_> = sent.collect();
            tokio::time::sleep(Duration::from_millis(delay)).await;
            serving.kill().await;
            let mut answered = Vec::new();
            for one in sent {
                answered.push(matches!(one.await.unwrap(), Ok(200)));
            }
            serving = machine.installation.serve().await;
            for ((id, visitor), answered) in people.iter().zip(&mut visitors).zip(answered) {
                if machine.is_active(id).await {
                    assert!(!answered, "{kind:?}, {delay} ms: what was answered is forgotten");
                    visitor.is_in(shop).await;
                } else {
                    visitor.is_out(shop).await;
                }
            }
        }
        serving.kill().await;
        machine.world.db.close().await;
    }
}

/// So often a machine is killed in each story.
const KILLS: usize = 14;

/// A log that tells of each statement once it was run.
struct Statements {
    log: PathBuf,
}

impl Statements {
    fn count(&self) -> usize {
        std::fs::read_to_string(&self.log).unwrap_or_default().matches(" sqlx::query").count()
    }

    /// Kills the process as soon as it has run so many statements more; or once `done` says that it was over before.
    async fn kill_after(&self, serving: Serving, (from, more): (usize, usize), done: impl Fn() -> bool) {
        let begun = Instant::now();
        while self.count() < from + more && !done() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it runs no statement");
            tokio::task::yield_now().await;
        }
        serving.kill().await;
    }
}

impl Machine {
    fn statements(&mut self) -> Statements {
        self.installation.set("MUSTER_LOG__FILTER", "warn,sqlx::query=debug");
        Statements { log: self.installation.log() }
    }

    async fn count(&self, sql: &'static str) -> i64 {
        let (count,): (i64,) = self.world.conn().await.query(sql).one().await.unwrap();
        count
    }

    /// Sends a PATCH of operations, without waiting for the answer.
    fn send(&self, path: &str, operations: &Value) -> tokio::task::JoinHandle<Option<u16>> {
        let body = patch_of(operations).to_string();
        let request = self.push.request(Method::PATCH, path).header("content-type", SCIM_JSON).body(body);
        tokio::spawn(async move { http::Answer::try_to(request).await.ok().map(|answer| answer.status) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_between_two_statements_a_process_is_killed_a_deactivation_is_whole_or_was_none() {
    for kind in Kind::BOTH {
        let Some(mut machine) = Machine::fresh(kind).await else {
            continue;
        };
        let statements = machine.statements();
        let mut serving = machine.installation.serve().await;
        let person = machine.people(&["nia"]).await.remove(0);
        let path = format!("/Users/{person}");
        let (mut all, mut both) = (60, [0, 0]);
        for round in 0..KILLS {
            assert_eq!(machine.push.operate(&path, active(true)).await.status, 200);
            let mut visitor = Visitor::of(&machine.shop, "nia").await;
            let changes = machine.count("SELECT COUNT(*) FROM changes").await;
            let from = statements.count();
            let sent = machine.send(&path, &active(false));
            // The first is let go on: so many statements there are to be stopped between.
            let more = if round == 0 { usize::MAX - from } else { all * round / KILLS };
            statements.kill_after(serving, (from, more), || sent.is_finished()).await;
            if round == 0 {
                all = statements.count() - from;
            }
            let answered = sent.await.unwrap();
            serving = machine.installation.serve().await;
            let after = machine.count("SELECT COUNT(*) FROM changes").await;
            if machine.is_active(&person).await {
                assert_eq!(answered, None, "{kind:?}, round {round}: what was answered is forgotten");
                visitor.is_in(&machine.shop).await;
                assert_eq!(after, changes, "{kind:?}, round {round}: a receipt of what did not happen");
                both[0] += 1;
            } else {
                visitor.is_out(&machine.shop).await;
                assert_eq!(after, changes + 1, "{kind:?}, round {round}: what happened has one receipt");
                both[1] += 1;
            }
        }
        assert!(both[0] > 0 && both[1] > 0, "{kind:?}: {both:?} of {all} statements: it was stopped before and after");
        serving.kill().await;
        machine.world.db.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_process_is_killed_each_step_of_a_bulk_request_is_whole_or_was_none() {
    const NAMES: [&str; 4] = ["nia", "max", "liv", "tom"];
    for kind in Kind::BOTH {
        let Some(mut machine) = Machine::fresh(kind).await else {
            continue;
        };
        let statements = machine.statements();
        let mut serving = machine.installation.serve().await;
        let people = machine.people(&NAMES).await;
        let group = machine.push.get("/Groups").await.json["Resources"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/Groups/{group}");
        let put = |members: &[String]| {
            let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
            json!([{ "op": "replace", "path": "members", "value": members }])
        };
        for round in 0..KILLS / 2 {
            assert!([200, 204].contains(&machine.push.operate(&path, put(&people)).await.status));
            let mut operations: Vec<Value> = people.iter().map(|id| remove(&path, id)).collect();
            operations.push(json!({ "method": "PATCH", "path": path, "data":
                patch_of(&json!([{ "op": "replace", "path": "externalId", "value": format!("round-{round}") }])) }));
            let body =
                json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations });
            let from = statements.count();
            let request = machine.push.request(Method::POST, "/Bulk").header("content-type", SCIM_JSON);
            let request = request.body(body.to_string());
            let sent = tokio::spawn(async move { http::Answer::try_to(request).await.is_ok() });
            statements.kill_after(serving, (from, 20 + 30 * round), || sent.is_finished()).await;
            let answered = sent.await.unwrap();
            serving = machine.installation.serve().await;
            let found = machine.push.get(&path).await.good().json;
            let left = members_of(&found);
            // They go one after the other, in the order that was asked.
            let expected: BTreeSet<&str> = people[people.len() - left.len()..].iter().map(String::as_str).collect();
            assert_eq!(left, expected, "{kind:?}, round {round}");
            let named = found["externalId"] == format!("round-{round}");
            assert!(!named || left.is_empty(), "{kind:?}, round {round}: the last step came before the others");
            assert!(!answered || (left.is_empty() && named), "{kind:?}, round {round}: what was answered is forgotten");
            for (name, id) in NAMES.iter().zip(&people) {
                assert_eq!(holds(&machine, name).await, left.contains(id.as_str()), "{kind:?}, round {round}: {name}");
            }
        }
        serving.kill().await;
        machine.world.db.close().await;
    }
}

fn remove(group: &str, id: &str) -> Value {
    let gone = json!([{ "op": "remove", "path": "members", "value": [{ "value": id }] }]);
    json!({ "method": "PATCH", "path": group, "data": patch_of(&gone) })
}

/// Whether somebody who signs in now has the group's role.
async fn holds(machine: &Machine, name: &str) -> bool {
    !Visitor::of(&machine.shop, name).await.roles().1.is_empty()
}
