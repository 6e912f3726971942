//! Many at once: nothing is lost, nothing happens twice, nothing is half done.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use muster::domain::connection::ScimProfile;
use muster::domain::people::user::UserState;
use muster::kernel::id::{GroupId, UserId};
use muster::store::{groups, users};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Answer, Push, patch_of, user};
use crate::support::server::{Site, on_both};
use crate::support::world::Kind;

/// Tells a story of one connection, with its client at one node and, where there is PostgreSQL, at two in turns.
async fn at_one_and_two_nodes(story: impl AsyncFn(&Site, &[Push])) {
    on_both(async |site| {
        let push = Push::open(site, &site.org("acme").await, ScimProfile::Auto).await;
        story(site, &[push]).await;
    })
    .await;
    let Some(one) = Site::open(Kind::Postgres, |_| {}).await else {
        return;
    };
    let other = one.second_node().await;
    let push = Push::open(&one, &one.org("acme").await, ScimProfile::Auto).await;
    let there = push.at_node(&other);
    story(&one, &[push, there]).await;
    other.close().await;
    one.close().await;
}

/// Sends as many requests at once, by the clients in turns.
async fn at_once(pushes: &[Push], requests: Vec<(Method, String, Option<Value>)>) -> Vec<Answer> {
    let sent = requests.into_iter().enumerate().map(|(number, (method, path, body))| {
        let push = pushes[number % pushes.len()].clone();
        async move { push.send(method, &path, body.as_ref(), &[]).await }
    });
    join_all(sent).await
}

fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}

async fn total(push: &Push, path: &str) -> Value {
    push.get(path).await.good().json["totalResults"].clone()
}

pub(super) fn members_of(group: &Value) -> BTreeSet<&str> {
    let members = group["members"].as_array().into_iter().flatten();
    members.map(|member| member["value"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixty_four_edits_of_one_group_at_once_none_is_lost() {
    at_one_and_two_nodes(async |_, pushes| {
        let push = &pushes[0];
        let mut people = Vec::new();
        for number in 0..64 {
            people.push(push.create_user(&format!("person-{number}")).await);
        }
        let (inside, outside) = people.split_at(32);
        let first: Vec<&str> = inside.iter().map(String::as_str).collect();
        let path = format!("/Groups/{}", push.create_group("Devs", &first).await);
        let before = push.get(&path).await;
        assert_eq!(members_of(&before.json), first.iter().copied().collect::<BTreeSet<_>>());
        // Who goes and who comes are mixed, and each says it in one of the ways there are.
        let edits = inside.iter().zip(outside).enumerate().flat_map(|(number, (goes, comes))| {
            let remove = if number % 2 == 0 {
                json!({ "op": "remove", "path": format!("members[value eq \"{goes}\"]") })
            } else {
                json!({ "op": "Remove", "path": "members", "value": [{ "value": goes }] })
            };
            let add = if number % 2 == 0 {
                json!({ "op": "add", "path": "members", "value": [{ "value": comes, "display": "x" }] })
            } else {
                json!({ "op": "add", "value": { "members": [{ "value": comes }] } })
            };
            [remove, add]
        });
        let edits = edits.map(|edit| (Method::PATCH, path.clone(), Some(patch_of(&json!([edit])))));
        let answers = at_once(pushes, edits.collect()).await;
        assert!(answers.iter().all(|answer| answer.status == 204), "{:?}", statuses(&answers));
        let after = push.get(&path).await;
        assert_eq!(members_of(&after.json), outside.iter().map(String::as_str).collect::<BTreeSet<_>>());
        let tags: BTreeSet<&str> = answers.iter().map(|answer| answer.header("etag")).collect();
        assert!(!tags.contains(before.header("etag")), "each edit raises the version");
        for (numbers, name) in [(inside, Value::Null), (outside, json!("Devs"))] {
            let shown = push.get(&format!("/Users/{}", numbers[7])).await.json;
            assert_eq!(shown["groups"][0]["display"], name);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attribute_and_the_members_of_a_group_are_edited_at_once_and_all_of_it_stays() {
    at_one_and_two_nodes(async |_, pushes| {
        let push = &pushes[0];
        let mut people = Vec::new();
        for number in 0..8 {
            people.push(push.create_user(&format!("person-{number}")).await);
        }
        let path = format!("/Groups/{}", push.create_group("Devs", &[]).await);
        let patch = |operation: Value| (Method::PATCH, path.clone(), Some(patch_of(&json!([operation]))));
        let mut edits: Vec<_> = people
            .iter()
            .map(|id| patch(json!({ "op": "add", "path": "members", "value": [{ "value": id }] })))
            .collect();
        edits.insert(2, patch(json!({ "op": "replace", "path": "displayName", "value": "Developers" })));
        edits.insert(5, patch(json!({ "op": "replace", "path": "externalId", "value": "dev-1" })));
        let answers = at_once(pushes, edits).await;
        assert!(answers.iter().all(|answer| answer.status == 204), "{:?}", statuses(&answers));
        let group = push.get(&path).await.json;
        assert_eq!((&group["displayName"], &group["externalId"]), (&json!("Developers"), &json!("dev-1")));
        assert_eq!(members_of(&group), people.iter().map(String::as_str).collect::<BTreeSet<_>>());
        // Of a person, too: each changes another attribute.
        let path = format!("/Users/{}", people[0]);
        let names = ["title", "nickName", "userType", "displayName", "locale", "externalId"];
        let edits = names.map(|name| {
            let operation = json!({ "op": "replace", "path": name, "value": format!("new-{name}") });
            (Method::PATCH, path.clone(), Some(patch_of(&json!([operation]))))
        });
        let answers = at_once(pushes, edits.to_vec()).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{:?}", statuses(&answers));
        let user = push.get(&path).await.json;
        for name in names {
            assert_eq!(user[name], format!("new-{name}"), "{user}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_that_push_the_same_at_once_one_makes_it_and_the_others_hear_that_it_is_there() {
    at_one_and_two_nodes(async |_, pushes| {
        let push = &pushes[0];
        for (path, body) in [("/Users", user("ana")), ("/Groups", json!({ "displayName": "Devs" }))] {
            let requests = (0..100).map(|_| (Method::POST, path.to_owned(), Some(body.clone()))).collect();
            let answers = at_once(pushes, requests).await;
            let made = answers.iter().filter(|answer| answer.status == 201).count();
            assert_eq!(made, 1, "{path}: {:?}", statuses(&answers));
            for answer in answers.iter().filter(|answer| answer.status != 201) {
                assert_eq!(answer.error(), (409, "uniqueness"), "{path}");
            }
            assert_eq!(total(push, path).await, 1, "{path}");
            assert_eq!(push.get(path).await.json["Resources"].as_array().map(Vec::len), Some(1), "{path}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_and_edits_at_once_come_out_as_if_one_had_been_first() {
    at_one_and_two_nodes(async |site, pushes| {
        let push = &pushes[0];
        let acme = site.org("acme").await;
        let group = push.create_group("Devs", &[]).await;
        for round in 0..12 {
            let name = format!("ana-{round}");
            let ana = push.create_user(&name).await;
            let member = acme.member_id(&name).await;
            let (user_path, group_path) = (format!("/Users/{ana}"), format!("/Groups/{group}"));
            let rename = json!([{ "op": "replace", "path": "displayName", "value": "Ana" }]);
            let off = json!([{ "op": "replace", "value": { "active": false } }]);
            let add = json!([{ "op": "add", "path": "members", "value": [{ "value": ana }] }]);
            let requests = vec![
                (Method::PATCH, user_path.clone(), Some(patch_of(&rename))),
                (Method::DELETE, user_path.clone(), None),
                (Method::PATCH, group_path, Some(patch_of(&add))),
                (Method::PATCH, user_path.clone(), Some(patch_of(&off))),
                (Method::DELETE, user_path.clone(), None),
                (Method::PUT, user_path.clone(), Some(user(&name))),
            ];
            let answers = at_once(pushes, requests).await;
            let [renamed, gone, added, barred, again, put] = statuses(&answers)[..] else { panic!() };
            // One of the two deletes it; whoever comes later finds nobody.
            assert_eq!([gone, again].iter().filter(|status| **status == 204).count(), 1, "{:?}", statuses(&answers));
            assert!([gone, again].iter().all(|status| [204, 404].contains(status)), "{:?}", statuses(&answers));
            for edit in [renamed, barred, put] {
                assert!([200, 404].contains(&edit), "{:?}", statuses(&answers));
            }
            assert!([204, 400, 404].contains(&added), "{:?}", statuses(&answers));
            assert_eq!(push.get(&user_path).await.error(), (404, ""), "round {round}");
            let mut conn = site.conn().await;
            let id = UserId::trusted(ana);
            assert_eq!(users::find(&mut conn, &id).await.unwrap().unwrap().state, UserState::Deleted);
            let inside = groups::member_ids(&mut conn, &GroupId::trusted(group.clone())).await.unwrap();
            assert!(!inside.contains(&member), "round {round}: a place in a group is left over");
            let left: Vec<(String,)> = conn
                .query("SELECT user_id FROM scim_users WHERE user_id = $1")
                .bind(id.into_string())
                .all()
                .await
                .unwrap();
            assert!(left.is_empty(), "round {round}: a row is left over");
        }
        assert_eq!(total(push, "/Users").await, 0);
    })
    .await;
}
