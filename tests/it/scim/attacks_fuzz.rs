//! Bodies of any shape never break anything; and of what is sent on purpose, a PATCH of a group moves those whom it
//! names, and nobody else.

use std::collections::BTreeSet;

use muster::domain::connection::ScimProfile;
use muster::domain::scim::schema::ResourceType;
use muster::kernel::time::SECOND;
use reqwest::Method;
use serde_json::{Value, json};

use super::attacks_dice::{BREATH, Dice, acme, is_scim};
use super::attacks_scene::{BULK, group, members_of};
use super::client::{Push, user};
use crate::support::server::{Site, on_both};

async fn storm(site: &Site, push: &Push, seed: u64, rounds: usize) {
    let mut dice = Dice(seed);
    let mut ids = vec![push.create_user(&format!("seed{seed}")).await, "usr_00000000000000000000000000".to_owned()];
    let mut groups = vec![push.create_group(&format!("seed {seed}"), &[&ids[0]]).await];
    let mut told = [0_usize; 2];
    for round in 0..rounds {
        if round % BREATH == 0 {
            site.advance(5 * SECOND);
        }
        let kind = *dice.pick(&ResourceType::ALL);
        let known = if kind == ResourceType::User { ids.clone() } else { groups.clone() };
        let place = format!("/{}/{}", kind.endpoint(), dice.pick(&known));
        let (method, path, body) = match dice.roll(10) {
            0..=2 => (Method::POST, format!("/{}", kind.endpoint()), dice.resource(kind, &ids)),
            3..=4 => (Method::PUT, place, dice.resource(kind, &ids)),
            5..=7 => (Method::PATCH, place, dice.patch(kind, &ids)),
            8 => {
                let data = dice.resource(kind, &ids);
                let mut operation = json!({ "method": "POST", "path": format!("/{}", kind.endpoint()),
                                            "bulkId": "b", "data": data });
                if dice.roll(3) == 0 {
                    operation[*dice.pick(&["method", "path", "bulkId", "data", "version"])] = dice.value(2);
                }
                (Method::POST, "/Bulk".to_owned(), json!({ "schemas": [BULK], "Operations": [operation] }))
            }
            _ => {
                let name = *dice.pick(&["filter", "sortBy", "count", "startIndex", "cursor", "attributes", "schemas"]);
                (Method::POST, "/.search".to_owned(), json!({ name: dice.value(2) }))
            }
        };
        let answer = push.send(method.clone(), &path, Some(&body), &[]).await;
        is_scim(&format!("seed {seed}, round {round}: {method} {path} {body}"), &answer);
        told[usize::from(answer.status >= 400)] += 1;
        if answer.status == 201 {
            let list = if kind == ResourceType::User { &mut ids } else { &mut groups };
            list.push(answer.id());
            let read = push.get(&format!("/{}/{}", kind.endpoint(), answer.id())).await;
            assert_eq!(read.json["id"], answer.json["id"], "what was made is there: {body}");
        }
        if path == "/Bulk" && answer.status == 200 {
            for one in answer.json["Operations"].as_array().unwrap() {
                let status: u16 = one["status"].as_str().unwrap().parse().unwrap();
                assert!(status < 500, "seed {seed}, round {round}: {body} {one}");
            }
        }
    }
    assert!(told.iter().all(|count| *count > rounds / 20), "nothing much was tried: {told:?} good and bad");
    // What is left is in order: every list can be read, and counts are right.
    for path in ["/Users", "/Groups"] {
        let list = push.get(&format!("{path}?count=1000")).await.good();
        assert_eq!(list.json["totalResults"].as_u64(), list.json["Resources"].as_array().map(|all| all.len() as u64));
    }
}

// 400 requests each; another seed by MUSTER_TEST_SEED.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_any_shape_and_patches_of_any_kind_are_answered_in_scim_and_never_break_anything() {
    on_both(async |site| {
        let seed = std::env::var("MUSTER_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_267);
        storm(site, &acme(site).await, seed, 400).await;
        let org = site.org("globex").await;
        storm(site, &Push::open(site, &org, ScimProfile::RfcStrict).await, seed + 1, 400).await;
    })
    .await;
}

/// An operation on members, and what it makes of them.
fn edit(dice: &mut Dice, people: &[String], members: &mut BTreeSet<String>) -> Value {
    let some: BTreeSet<String> = (0..=dice.roll(2)).map(|_| dice.pick(people).clone()).collect();
    let list: Vec<Value> = some.iter().map(|id| json!({ "value": id })).collect();
    let one = some.first().cloned().unwrap_or_default();
    let mut took = |ids: &BTreeSet<String>| members.retain(|id| !ids.contains(id));
    match dice.roll(14) {
        0 => {
            members.extend(some);
            json!({ "op": "add", "path": "members", "value": list })
        }
        1 => {
            members.extend(some);
            json!({ "op": "Add", "value": { "members": list } })
        }
        2 => {
            members.insert(one.clone());
            json!({ "op": "add", "path": "Members", "value": one })
        }
        3 => {
            *members = some;
            json!({ "op": "replace", "path": "members", "value": list })
        }
        4 => {
            *members = some;
            json!({ "op": "Replace", "value": { "members": list } })
        }
        5 => {
            took(&some);
            json!({ "op": "Remove", "path": "members", "value": list })
        }
        6 => {
            took(&BTreeSet::from([one.clone()]));
            json!({ "op": "remove", "path": format!("members[value eq \"{one}\"]") })
        }
        7 => {
            took(&some);
            let terms: Vec<String> = some.iter().map(|id| format!("value eq \"{id}\"")).collect();
            json!({ "op": "remove", "path": format!("members[{}]", terms.join(" or ")) })
        }
        8 => {
            members.retain(|id| *id == one);
            json!({ "op": "remove", "path": format!("members[not (value eq \"{one}\")]") })
        }
        9 => {
            members.clear();
            json!({ "op": "remove", "path": "members" })
        }
        // These name no member.
        10 => json!({ "op": "remove", "path": "members", "value": [] }),
        11 => json!({ "op": "replace", "path": "externalId", "value": format!("x{}", dice.roll(9)) }),
        12 => json!({ "op": "replace", "value": { "displayName": format!("Team {}", dice.roll(9)) } }),
        _ => json!({ "op": "add", "value": { "externalId": one } }),
    }
}

// Kanidm GHSA-xxwr-vvr3-2g9f: of all the ways to say it, one was forgotten. Each moves whom it names, and nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_said_of_members_moves_those_who_are_named_and_nobody_else() {
    on_both(async |site| {
        let push = acme(site).await;
        let mut people = Vec::new();
        for name in ["ana", "ben", "cleo", "dan", "eva"] {
            people.push(push.create_user(name).await);
        }
        let team = push.create_group("Team 0", &[]).await;
        let other = push.create_group("Other", &[&people[0], &people[4]]).await;
        let untouched = push.get(&format!("/Groups/{other}")).await.json;
        let path = format!("/Groups/{team}");
        let mut members = BTreeSet::new();
        let mut dice = Dice(20_268);
        for round in 0..160 {
            if round % 60 == 0 {
                site.advance(5 * SECOND);
            }
            let mut wanted = members.clone();
            let operations: Vec<Value> = (0..=dice.roll(3)).map(|_| edit(&mut dice, &people, &mut wanted)).collect();
            if dice.roll(5) == 0 {
                // One of them can't be: then none is.
                let mut broken = operations.clone();
                broken.push(json!({ "op": "add", "path": "members", "value": [{ "value": "usr_nobody" }] }));
                assert_eq!(push.operate(&path, Value::Array(broken)).await.status, 400);
                let read = members_of(&push, &team).await;
                assert_eq!(read, members.iter().cloned().collect::<Vec<_>>(), "round {round}: all of it or nothing");
            }
            let answer = push.operate(&path, Value::Array(operations.clone())).await;
            assert_eq!(answer.status, 204, "round {round}: {operations:?} {}", answer.json);
            members = wanted;
            let read = members_of(&push, &team).await;
            assert_eq!(read, members.iter().cloned().collect::<Vec<_>>(), "round {round}: {operations:?}");
        }
        assert_eq!(push.get(&format!("/Groups/{other}")).await.json, untouched, "the other group is as it was");
        for person in &people {
            assert_eq!(push.get(&format!("/Users/{person}")).await.json["active"], true);
        }
        // A PUT that says nothing of members keeps them, one that names them means exactly them.
        let kept: Vec<String> = members.into_iter().collect();
        let mut silent = group("Team 1", &[]);
        silent.as_object_mut().unwrap().remove("members");
        push.put(&path, silent).await.good();
        assert_eq!(members_of(&push, &team).await, kept);
        push.put(&path, group("Team 1", &[&people[2]])).await.good();
        assert_eq!(members_of(&push, &team).await, [people[2].clone()]);
        push.put(&format!("/Users/{}", people[2]), user("cleo")).await.good();
        assert_eq!(members_of(&push, &team).await, [people[2].clone()], "an edit of a person moves nobody");
    })
    .await;
}
