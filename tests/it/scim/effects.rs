//! What a push does: exactly those roles go that it took, at the next request, on every node; whoever upstream deactivates
//! is out, and back with everything when upstream says so; and what changes nothing ends nothing.

use std::time::Duration;

use muster::domain::access::{Policy, Verdict};
use muster::domain::change::Change;
use muster::domain::people::user::{MembershipState, UserState};
use muster::flows::change_access::Refusal;
use muster::kernel::id::{GroupId, UserId};
use muster::store::{audit, groups, links, memberships, orgs, users};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{patch_of, user};
use super::effects_scene::{Key, Scene, mailed_link, words};
use super::visitor::{Visitor, comes_in, may_sign_in};
use crate::support::client::claims;
use crate::support::server::{Site, on_both};
use crate::support::world::Kind;

const SOON: Duration = Duration::from_secs(10);

/// The other node is where everybody is looked at.
async fn taken_out_of_a_group(site: &Site, other: &Site) {
    let scene = Scene::set(site).await;
    let (here, there) = (site.client(&scene.shop), other.client(&scene.shop));
    let (mut ana, mut bo) = (Visitor::of(&here, "ana").await, Visitor::of(&here, "bo").await);
    let id = ana.tokens.id_claims();
    for visitor in [&mut ana, &mut bo] {
        // The other node has seen the tokens, and remembers that their signatures hold.
        visitor.is_in(&there).await;
        assert_eq!(visitor.roles(), (words(&["org.reader"]), words(&["project.member"])));
    }
    scene.take_both_out().await;
    ana.is_out(&there).await;
    bo.is_in(&there).await;
    assert_eq!(bo.roles(), (words(&["org.reader"]), words(&["project.member"])));
    assert_eq!(Visitor::of(&there, "ana").await.roles(), (words(&["org.reader"]), Vec::new()));

    let receipt = scene.newest(site).await;
    let lost: Vec<(&str, Vec<&str>, Verdict)> = receipt
        .members
        .iter()
        .map(|line| (line.user_name.as_str(), line.lost.iter().map(|held| held.role.as_str()).collect(), line.verdict))
        .collect();
    assert_eq!(lost, [("ana", vec!["project.member"], Verdict::End)]);
    assert_eq!(receipt.actor, format!("connection:{}", scene.push.connection));
    assert_eq!((receipt.ended.sessions, receipt.ended.token_families), (1, 1));
    assert_eq!((receipt.told.len(), receipt.told[0].logout_tokens), (1, 1));

    // The application hears of Ana's session, and of nobody else's.
    let (_, token) = scene.receiver.wait_for(1, SOON).await.remove(0);
    let said = claims(&token);
    assert_eq!((&said["sub"], &said["sid"]), (&json!(scene.ana), &id["sid"]), "{said}");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(scene.receiver.tokens().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_taken_out_of_a_group_loses_at_the_next_request_exactly_what_no_other_group_gives() {
    on_both(async |site| taken_out_of_a_group(site, site).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_was_told_to_take_is_refused_at_the_next_request_on_another() {
    let Some(one) = Site::open(Kind::Postgres, |_| {}).await else {
        return;
    };
    let other = one.second_node().await;
    taken_out_of_a_group(&one, &other).await;
    other.close().await;
    one.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_narrow_a_push_refuses_the_access_token_and_leaves_session_and_refresh() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        scene.acme.set_policy(Policy::Narrow).await;
        let shop = site.client(&scene.shop);
        let (mut ana, mut bo) = (Visitor::of(&shop, "ana").await, Visitor::of(&shop, "bo").await);
        scene.take_both_out().await;
        ana.is_narrowed(&shop).await;
        assert_eq!(ana.roles(), (words(&["org.reader"]), Vec::new()));
        bo.is_in(&shop).await;
        assert!(scene.receiver.tokens().is_empty(), "nobody's session ended");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_stands_in_the_audit_record_under_the_connections_name_with_the_request_that_brought_it() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        scene.take_both_out().await;
        let receipt = scene.newest(site).await;
        let mut conn = site.conn().await;
        let filter = audit::Filter { change: Some(receipt.id.clone()), ..audit::Filter::default() };
        let rows = audit::page(&mut conn, &scene.acme.id, &filter, None, 10).await.unwrap();
        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((row.actor.as_str(), row.outcome.as_str()), (receipt.actor.as_str(), "accepted"));
        assert_eq!(row.kinds, ["group.remove_members"]);
        assert!(row.targets.contains(&scene.ana) && row.targets.contains(&scene.devs), "{:?}", row.targets);
        assert!(!row.request_id.is_empty() && row.address == "127.0.0.1", "{row:?}");
        assert_eq!(audit::first_broken(&mut conn, &scene.acme.id).await.unwrap(), None);
        // What is refused is recorded too, and changes nothing.
        let taken = scene.push.post("/Groups", json!({ "displayName": "devs" })).await;
        assert_eq!(taken.error(), (409, "uniqueness"));
        let filter = audit::Filter { accepted: Some(false), ..audit::Filter::default() };
        let rows = audit::page(&mut conn, &scene.acme.id, &filter, None, 10).await.unwrap();
        assert_eq!((rows.len(), rows[0].actor.as_str()), (1, receipt.actor.as_str()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_upstream_deactivates_is_out_everywhere_at_once_and_back_as_the_same_with_the_same_access() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let (shop, key) = (site.client(&scene.shop), Key::of(site, &scene.acme, "ana").await);
        let whole = |active: bool| {
            let mut whole = user("ana");
            whole["active"] = json!(active);
            whole
        };
        let patch = |value: Value| json!([{ "op": "Replace", "path": "active", "value": value }]);
        // As Okta says it, as Entra says it, and by a PUT.
        for way in ["okta", "entra", "put"] {
            let (mut ana, mut bo) = (Visitor::of(&shop, "ana").await, Visitor::of(&shop, "bo").await);
            let (token, link) = (key.token().await, mailed_link(site, &scene.ana).await);
            ana.is_in(&shop).await;
            assert!(key.api.is_active(&token).await, "{way}");
            match way {
                "okta" => scene.set_active(false).await,
                "entra" => assert_eq!(scene.push.operate(&scene.ana(), patch(json!("False"))).await.status, 200),
                _ => assert_eq!(scene.push.put(&scene.ana(), whole(false)).await.status, 200),
            }
            ana.is_out(&shop).await;
            bo.is_in(&shop).await;
            assert!(!key.api.is_active(&token).await, "{way}: the tool's token is honoured");
            assert_eq!(key.ask().await.refusal(), (401, "invalid_client".to_owned()), "{way}");
            let found = links::find(&mut site.conn().await, link).await.unwrap().expect("the row stays");
            assert!(!found.is_live(site.now()), "{way}: the link is good");
            assert!(!comes_in(&shop, "ana").await, "{way}");
            // All of it was one change.
            let receipt = scene.newest(site).await;
            let line = receipt.members.iter().find(|line| line.user_name == "ana").expect("it concerns her");
            assert_eq!((line.verdict, line.lost.len() >= 2), (Verdict::End, true), "{line:?}");
            assert!(receipt.ended.sessions >= 1 && receipt.ended.token_families >= 1, "{:?}", receipt.ended);
            // She stays in her groups meanwhile, and holds nothing.
            let shown = scene.push.get(&scene.ana()).await;
            assert_eq!(shown.json["active"], false);
            assert_eq!(scene.groups_of_ana().await, ["Devs", "Everybody"]);

            match way {
                "okta" => scene.set_active(true).await,
                "entra" => assert_eq!(scene.push.operate(&scene.ana(), patch(json!("True"))).await.status, 200),
                _ => assert_eq!(scene.push.put(&scene.ana(), whole(true)).await.status, 200),
            }
            assert_eq!(scene.newest(site).await.ended.sessions, 0, "{way}: coming back ends nothing");
            ana.is_out(&shop).await;
            assert!(!key.api.is_active(&token).await, "{way}: what ended is not honoured again");
            assert!(key.api.is_active(&key.token().await).await, "{way}: the key is hers still");
            let again = Visitor::of(&shop, "ana").await;
            assert_eq!(again.tokens.id_claims()["sub"], json!(scene.ana), "{way}");
            assert_eq!(again.roles(), (words(&["org.reader"]), words(&["project.member"])), "{way}");
            assert_eq!(scene.groups_of_ana().await, ["Devs", "Everybody"], "{way}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_side_lifts_what_the_other_has_barred() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let shop = site.client(&scene.shop);
        let ana = UserId::trusted(scene.ana.clone());
        let (org, member) = (scene.acme.id.clone(), scene.acme.member_id("ana").await);
        let set_user = |state| vec![Change::SetUserState { user: ana.clone(), state }];
        let set_member = |state| vec![Change::SetMemberState { org: org.clone(), member: member.clone(), state }];
        let state = async || memberships::find(&mut site.conn().await, &org, &member).await.unwrap().unwrap().state;

        // Suspended here: upstream may say what it likes.
        let visitor = Visitor::of(&shop, "ana").await;
        site.act(set_user(UserState::Suspended)).await;
        visitor.is_out(&shop).await;
        assert_eq!(state().await, MembershipState::Suspended);
        for active in [true, false, true] {
            scene.set_active(active).await;
            assert!(!comes_in(&shop, "ana").await, "active: {active} lifted a suspension");
        }
        assert_eq!(state().await, MembershipState::Suspended);
        site.act(set_user(UserState::Active)).await;
        assert!(comes_in(&shop, "ana").await);

        // Deactivated upstream: here nobody makes her active.
        scene.set_active(false).await;
        match site.change(set_user(UserState::Active)).await {
            Err(Refusal::ManagedByIdp { connection }) => assert!(connection.starts_with("Directory "), "{connection}"),
            other => panic!("{other:?}"),
        }
        site.act(set_member(MembershipState::Suspended)).await;
        site.act(set_member(MembershipState::Active)).await;
        assert!(!comes_in(&shop, "ana").await, "lifting one's own suspension lifts no other");
        assert_eq!(scene.push.get(&scene.ana()).await.json["active"], false);
        let found = users::find(&mut site.conn().await, &ana).await.unwrap().unwrap();
        assert_eq!(found.state, UserState::Deactivated);
        scene.set_active(true).await;
        assert!(comes_in(&shop, "ana").await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_whom_upstream_takes_away_is_out_at_once_and_the_ownership_is_open() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let shop = site.client(&scene.shop);
        let (org, to) = (scene.acme.id.clone(), scene.acme.member_id("ana").await);
        site.act(vec![Change::TransferOwnership { org: org.clone(), to: to.clone() }]).await;
        let barred = async || {
            let mut conn = site.conn().await;
            let row: Option<(Option<i64>,)> = conn
                .query("SELECT owner_barred_at FROM orgs WHERE id = $1")
                .bind(org.as_str().to_owned())
                .optional()
                .await
                .unwrap();
            row.unwrap().0.is_some()
        };
        let ana = Visitor::of(&shop, "ana").await;
        assert!(ana.roles().0.contains(&"org.owner".to_owned()) && !barred().await);
        scene.set_active(false).await;
        ana.is_out(&shop).await;
        assert!(barred().await, "somebody has to take over");
        scene.set_active(true).await;
        assert!(!barred().await && comes_in(&shop, "ana").await);
        let owner = async || orgs::find(&mut site.conn().await, &org).await.unwrap().unwrap().owner;
        assert_eq!(owner().await, Some(to));

        let ana = Visitor::of(&shop, "ana").await;
        assert_eq!(scene.push.delete(&scene.ana()).await.status, 204);
        ana.is_out(&shop).await;
        assert!(barred().await && owner().await.is_none());
        // Whoever is left can be made the owner.
        let to = scene.acme.member_id("bo").await;
        site.act(vec![Change::TransferOwnership { org: org.clone(), to: to.clone() }]).await;
        assert_eq!(owner().await, Some(to));
        assert!(!barred().await, "somebody has taken over");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_repeats_what_is_there_raises_no_version_leaves_no_trace_and_ends_nothing() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let shop = site.client(&scene.shop);
        let mut ana = Visitor::of(&shop, "ana").await;
        let before = scene.newest(site).await.id;
        let (user, group) = (scene.push.get(&scene.ana()).await, scene.push.get(&scene.devs()).await);
        let members: Vec<Value> = [&scene.bo, &scene.ana].map(|id| json!({ "value": id })).to_vec();
        let both = json!({ "op": "add", "path": "members", "value": members });
        let requests = [
            (Method::PUT, scene.ana(), user.json.clone()),
            (Method::PUT, scene.devs(), group.json.clone()),
            (Method::PATCH, scene.ana(), patch_of(&json!([{ "op": "add", "value": { "active": true } }]))),
            (
                Method::PATCH,
                scene.ana(),
                patch_of(&json!([
                    { "op": "replace", "path": "userName", "value": "ana" },
                    { "op": "replace", "path": "emails[type eq \"work\"].value", "value": "ana@pushed.test" },
                ])),
            ),
            (Method::PATCH, scene.devs(), patch_of(&json!([both]))),
            (
                Method::PATCH,
                scene.devs(),
                patch_of(&json!([
                    { "op": "replace", "value": { "id": scene.devs, "displayName": "Devs" } },
                    { "op": "replace", "path": "members", "value": members },
                    { "op": "remove", "path": "members[value eq \"usr_00000000000000000000000000\"]" },
                ])),
            ),
        ];
        for (method, path, body) in requests {
            let answer = scene.push.send(method.clone(), &path, Some(&body), &[]).await;
            assert!([200, 204].contains(&answer.status), "{method} {path} {body}: {}", answer.json);
            let tag = if path == scene.devs() { group.header("etag") } else { user.header("etag") };
            assert_eq!(answer.header("etag"), tag, "{method} {path} {body}");
        }
        assert_eq!(scene.push.get(&scene.ana()).await.json, user.json);
        assert_eq!(scene.push.get(&scene.devs()).await.json, group.json);
        assert_eq!(scene.newest(site).await.id, before, "nothing was changed");
        ana.is_in(&shop).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_who_comes_in_gains_and_nobody_is_signed_out() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let shop = site.client(&scene.shop);
        let carl = scene.push.create_user("carl").await;
        may_sign_in(site, &carl).await;
        let mut all =
            [Visitor::of(&shop, "ana").await, Visitor::of(&shop, "bo").await, Visitor::of(&shop, "carl").await];
        assert_eq!(all[2].roles(), (Vec::new(), Vec::new()));
        let of_group = scene.push.get(&scene.devs()).await.header("etag").to_owned();
        let of_carl = scene.push.get(&format!("/Users/{carl}")).await.header("etag").to_owned();
        for group in [&scene.devs, &scene.everybody] {
            let add = json!([{ "op": "Add", "path": "members", "value": [{ "$ref": null, "value": carl }] }]);
            assert_eq!(scene.push.operate(&format!("/Groups/{group}"), add).await.status, 204);
        }
        for visitor in &mut all {
            visitor.is_in(&shop).await;
            assert_eq!(visitor.roles(), (words(&["org.reader"]), words(&["project.member"])));
        }
        let receipt = scene.newest(site).await;
        assert_eq!((receipt.members.len(), receipt.members[0].verdict), (1, Verdict::Keep));
        assert!(receipt.told.is_empty() && receipt.members[0].lost.is_empty());
        // The group is another one now, the person is not.
        assert_ne!(scene.push.get(&scene.devs()).await.header("etag"), of_group);
        assert_eq!(scene.push.get(&format!("/Users/{carl}")).await.header("etag"), of_carl);
        let group = GroupId::trusted(scene.devs.clone());
        let member = scene.acme.member_id("carl").await;
        let inside = groups::member_ids(&mut site.conn().await, &group).await.unwrap();
        assert!(inside.contains(&member) && inside.len() == 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_group_and_a_deleted_user_take_what_they_gave_and_no_more() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let shop = site.client(&scene.shop);
        let (ana, mut bo) = (Visitor::of(&shop, "ana").await, Visitor::of(&shop, "bo").await);
        assert_eq!(scene.push.delete(&scene.devs()).await.status, 204);
        ana.is_out(&shop).await;
        bo.is_in(&shop).await;
        assert_eq!(scene.groups_of_ana().await, ["Everybody"]);
        let ana = Visitor::of(&shop, "ana").await;
        let everybody = format!("/Groups/{}", scene.everybody);
        let tag = scene.push.get(&everybody).await.header("etag").to_owned();
        assert_eq!(scene.push.delete(&scene.ana()).await.status, 204);
        ana.is_out(&shop).await;
        bo.is_in(&shop).await;
        assert!(!comes_in(&shop, "ana").await);
        for path in [scene.ana(), scene.devs()] {
            assert_eq!(scene.push.get(&path).await.error(), (404, ""));
        }
        let everybody = scene.push.get(&everybody).await;
        assert_ne!(everybody.header("etag"), tag, "the group has another member list");
        let everybody = everybody.json;
        assert_eq!(everybody["members"].as_array().map(Vec::len), Some(1), "{everybody}");
        // The name is free, and whoever has it now is somebody else who is in no group.
        let again = scene.push.create_user("ana").await;
        assert_ne!(again, scene.ana);
        assert!(scene.push.get(&format!("/Users/{again}")).await.json.get("groups").is_none());
    })
    .await;
}
