//! What a connection keeps is read-only here: each route of the REST API that writes is refused, or stands on a list of
//! those that may; whoever asks the door itself is refused alike; and all of it can be read.

use muster::domain::access::{Binding, Role, Scope, Subject, Window};
use muster::domain::change::{Actor, Change, Mode};
use muster::domain::oidc::claims::Profile;
use muster::domain::people::user::{AccessType, UserState};
use muster::flows::change_access::{Refusal, change_access};
use muster::kernel::id::{BindingId, GroupId, MembershipId, UserId};
use muster::kernel::time::DAY;
use muster::store::memberships;
use muster::web::api;
use reqwest::Method;
use serde_json::{Value, json};

use super::admin_scene::{id_of, moment};
use super::read_only_scene::{ALLOWED, IN_ORG, OTHERS, OWN, Scene};
use crate::support::server::on_both;

// N06 N08
#[tokio::test(flavor = "multi_thread")]
async fn every_route_that_writes_refuses_what_a_connection_keeps_or_is_known_to_be_allowed() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let before = scene.seen().await;
        let (mut faults, mut known) = (Vec::new(), Vec::new());
        let routes = api::build(site).2;
        for route in routes.iter().filter(|route| route.method != "GET") {
            let path = route.path.strip_prefix(IN_ORG).unwrap_or(&route.path);
            let word = format!("{} {path}", route.method);
            let asks = scene.forbidden(route.method, path);
            let listed = [OWN, ALLOWED, OTHERS].iter().filter(|list| list.contains(&word.as_str())).count();
            if listed + usize::from(!asks.is_empty()) != 1 {
                faults.push(format!("{word} is to be asked here, or to stand on one of the lists"));
            }
            known.push(word);
            for (path, body) in asks {
                let mark = if path.contains('?') { '&' } else { '?' };
                for path in [format!("{path}{mark}dry_run=true"), path.clone()] {
                    let answer = scene.call(route.method, &path, &body).await;
                    if !scene.refuses(&answer) {
                        faults.push(format!("{} {path} {body}: {} {}", route.method, answer.status, answer.body));
                    }
                }
            }
        }
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
        let listed = [OWN, ALLOWED, OTHERS].concat();
        let stale: Vec<&str> = listed.into_iter().filter(|word| !known.iter().any(|one| one == word)).collect();
        assert!(stale.is_empty(), "no such routes: {stale:?}");
        assert_eq!(scene.seen().await, before, "and nothing has changed");
    })
    .await;
}

// N07
#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_see_it_sees_all_that_a_connection_keeps_and_who_keeps_it() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let Scene { olga, ana, devs, name, .. } = &scene;
        let mut read = 0;
        let routes = api::build(site).2;
        for route in routes.iter().filter(|route| route.method == "GET") {
            let Some(path) = route.path.strip_prefix(IN_ORG) else { continue };
            let mut path = path.replace("{user}", ana).replace("{group}", devs);
            if path.contains('{') {
                continue;
            }
            if path.ends_with("/explain") {
                path.push_str("?role=org.reader");
            }
            let answer = olga.call(Method::GET, &path, None).await;
            assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
            read += 1;
        }
        assert!(read > 25, "only {read} routes were read");

        let keeper = |of: &Value| of["managed_by"]["name"].as_str().unwrap_or_default().to_owned();
        let person = olga.get(&format!("/users/{ana}")).await;
        assert_eq!((keeper(&person), &person["upstream_active"]), (name.clone(), &json!(true)));
        assert_eq!((&person["name"], &person["email"]), (&json!("ana Pushed"), &json!("ana@pushed.test")));
        assert_eq!(person["groups"][0]["name"], "Devs");
        let listed = olga.get("/users?search=ana").await;
        assert_eq!((keeper(&listed["items"][0]), &listed["items"][0]["user_id"]), (name.clone(), &json!(ana)));
        let group = olga.get(&format!("/groups/{devs}")).await;
        assert_eq!((keeper(&group), &group["members"]), (name.clone(), &json!(1)));
        assert_eq!(olga.get(&format!("/groups/{devs}/members")).await["items"][0]["user_id"], json!(ana));
        let members = olga.get("/memberships?limit=200").await;
        let kept = members["items"].as_array().unwrap().iter().filter(|row| keeper(row) == *name).count();
        assert_eq!(kept, 2, "{members}");
    })
    .await;
}

// N06 N08
#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_the_door_is_told_to_change_it_where_it_is_kept() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let org = &scene.org.id;
        let (ana, devs): (UserId, GroupId) = (scene.ana.parse().unwrap(), scene.devs.parse().unwrap());
        let (member, bo) = (scene.org.member_id("ana").await, scene.org.member_id("bo").await);
        let ours: GroupId = scene.ours.parse().unwrap();
        let subject = Subject::Member(member.clone());
        let (role, scope, window) = (Role::OrgReader, Scope::Org, Window::ALWAYS);
        let binding = Binding { id: BindingId::fresh(), role, scope, subject, window };
        let profile = Box::new(Profile { name: Some("Eve".to_owned()), ..Profile::default() });
        let (name, description) = ("Mine".to_owned(), String::new());
        let by: UserId = scene.newt.parse().unwrap();
        let all = |members: &[&MembershipId]| members.iter().map(|id| (*id).clone()).collect::<Vec<_>>();
        let changes = [
            Change::SetProfile { user: ana.clone(), user_name: "ana".to_owned(), profile },
            Change::SetUserState { user: ana.clone(), state: UserState::Deleted },
            Change::SetAccessType { user: ana.clone(), access: AccessType::Key },
            Change::ResetPassword { user: ana.clone(), password: "$none".to_owned(), must_change: false },
            Change::RemoveMember { org: org.clone(), member: member.clone() },
            Change::ReplaceIdentity { org: org.clone(), member: member.clone(), by },
            Change::SetGroupsOf { org: org.clone(), member: member.clone(), groups: [].into() },
            Change::SetGroupsOf { org: org.clone(), member: bo.clone(), groups: [devs.clone()].into() },
            Change::RenameGroup { org: org.clone(), group: devs.clone(), name, description },
            Change::DeleteGroup { org: org.clone(), group: devs.clone() },
            Change::AddToGroup { org: org.clone(), group: devs.clone(), members: all(&[&bo]) },
            Change::AddToGroup { org: org.clone(), group: ours, members: all(&[&member]) },
            Change::RemoveFromGroup { org: org.clone(), group: devs, members: all(&[&member]) },
            Change::Bind { org: org.clone(), binding },
        ];
        let before = scene.seen().await;
        let olga = scene.org.user_id("olga").await;
        for actor in
            [Actor::CommandLine, Actor::User(olga.clone()), Actor::Operator(olga), Actor::System("window_over")]
        {
            for change in &changes {
                for mode in [Mode::DryRun, Mode::Act] {
                    match change_access(site, &actor, vec![change.clone()], mode).await {
                        Err(Refusal::ManagedByIdp { connection }) => assert_eq!(connection, scene.name),
                        other => panic!("{actor:?} {change:?}: {other:?}"),
                    }
                }
            }
        }
        assert_eq!(scene.seen().await, before);
    })
    .await;
}

// N08
#[tokio::test(flavor = "multi_thread")]
async fn what_steers_access_bars_or_ends_stays_the_organisations_to_do() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let Scene { olga, ana, devs, bo, push, .. } = &scene;
        scene.org.application("shop").await;
        let user = format!("/users/{ana}");
        let on_web = json!({ "kind": "project", "project_id": scene.org.project_id("web").await.as_str() });
        let role = json!({ "group": devs, "role": "project.member", "scope": on_web });
        let binding = id_of(&olga.post("/bindings", role.clone()).await);
        olga.post("/bindings/apply-bundle", json!({ "bundle": scene.bundle, "group": devs })).await;
        olga.post("/bindings/batch", json!({ "add": [{ "group": devs, "role": "trail.viewer" }] })).await;
        let key = json!({ "project": "web", "name": "laptop", "expires_at": moment(site.now().plus(DAY)) });
        let key = id_of(&olga.post(&format!("{user}/access-keys"), key).await);
        olga.patch(&format!("/access-keys/{key}"), json!({ "state": "disabled" })).await;
        olga.delete(&format!("/access-keys/{key}")).await;
        olga.delete(&format!("/bindings/{binding}")).await;

        // A suspension of one's own stands beside what upstream says, and neither lifts the other's.
        for (way, body) in [("/suspend", json!({})), ("", json!({ "state": "suspended" }))] {
            let path = format!("{user}{way}");
            let done = if way.is_empty() { olga.patch(&path, body).await } else { olga.post(&path, body).await };
            assert_eq!(done["object"]["state"], "suspended", "{path}");
            let said = push.get(&format!("/Users/{ana}")).await;
            assert_eq!(said.json["active"], true, "upstream goes on saying what it said");
            let again = json!([{ "op": "replace", "path": "active", "value": true }]);
            push.operate(&format!("/Users/{ana}"), again).await.good();
            assert_eq!(olga.get(&user).await["state"], "suspended", "and lifts nothing by it");
            assert_eq!(olga.post(&format!("{user}/resume"), json!({})).await["object"]["state"], "active");
        }
        olga.put(&format!("{user}/restriction"), json!({ "applications": ["shop"] })).await;
        olga.put(&format!("{user}/restriction"), json!({ "applications": null })).await;
        olga.delete(&format!("{user}/sessions")).await;
        olga.delete(&format!("/memberships?user_id={bo}&reassign_to={ana}")).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deactivated_upstream_is_not_revived_here_and_can_be_barred_here_besides() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let Scene { olga, ana, push, .. } = &scene;
        let (user, pushed) = (format!("/users/{ana}"), format!("/Users/{ana}"));
        let set = |active: bool| json!([{ "op": "replace", "path": "active", "value": active }]);
        push.operate(&pushed, set(false)).await.good();
        let person = olga.get(&user).await;
        assert_eq!((&person["state"], &person["upstream_active"]), (&json!("deactivated"), &json!(false)), "{person}");
        for (method, path, body) in
            [("POST", format!("{user}/resume"), json!({})), ("PATCH", user.clone(), json!({ "state": "active" }))]
        {
            let answer = scene.call(method, &path, &body).await;
            assert!(scene.refuses(&answer), "{method} {path}: {} {}", answer.status, answer.body);
        }
        let member = scene.org.member_id("ana").await;
        let changes = vec![Change::SetUserState { user: ana.parse().unwrap(), state: UserState::Active }];
        let refused = change_access(site, &Actor::CommandLine, changes, Mode::Act).await;
        assert!(matches!(refused, Err(Refusal::ManagedByIdp { .. })), "{refused:?}");
        // The organisation's own bar holds when upstream lets the person in again.
        olga.post(&format!("{user}/suspend"), json!({})).await;
        push.operate(&pushed, set(true)).await.good();
        assert_eq!(olga.get(&user).await["state"], "suspended");
        let found = memberships::find(&mut site.conn().await, &scene.org.id, &member).await.unwrap().unwrap();
        assert_eq!(found.state.as_str(), "suspended");
        assert_eq!(olga.post(&format!("{user}/resume"), json!({})).await["object"]["state"], "active");
    })
    .await;
}

// N08
#[tokio::test(flavor = "multi_thread")]
async fn people_of_a_connection_get_roles_and_local_groups_only_while_it_lets_them() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let Scene { olga, ana, bo, cleo, devs, ours, .. } = &scene;
        let on_web = json!({ "kind": "project", "project_id": scene.org.project_id("web").await.as_str() });
        let asks = [
            ("POST", "/bindings".to_owned(), json!({ "user": ana, "role": "trail.viewer" })),
            ("POST", format!("/users/{ana}/roles"), json!({ "add": [{ "role": "project.reader", "scope": on_web }] })),
            ("POST", "/bindings/apply-bundle".to_owned(), json!({ "bundle": scene.bundle, "user": ana })),
            ("POST", format!("/groups/{ours}/members/add"), json!({ "users": [ana] })),
            ("PUT", format!("/users/{cleo}/groups"), json!({ "groups": [ours] })),
        ];
        for (method, path, body) in &asks {
            assert!(scene.refuses(&scene.call(method, path, body).await), "{method} {path}");
        }
        scene.set_local_grants(true).await;
        for (method, path, body) in &asks {
            let answer = scene.call(method, path, body).await;
            assert!((200..300).contains(&answer.status), "{method} {path}: {}", answer.body);
        }
        // That is all it lets: what it keeps stays its own.
        for (method, path, body) in [
            ("POST", format!("/groups/{devs}/members/add"), json!({ "users": [bo] })),
            ("POST", format!("/groups/{devs}/members/add"), json!({ "users": [cleo] })),
            ("POST", format!("/groups/{devs}/members/remove"), json!({ "users": [ana] })),
            ("PUT", format!("/users/{ana}/groups"), json!({ "groups": [ours] })),
            ("PATCH", format!("/users/{ana}"), json!({ "name": "Eve" })),
            ("DELETE", format!("/groups/{devs}?confirm=Devs"), Value::Null),
        ] {
            assert!(scene.refuses(&scene.call(method, &path, &body).await), "{method} {path}");
        }
        let members = scene.push.get(&format!("/Groups/{devs}")).await.json["members"].clone();
        assert_eq!(members.as_array().map(Vec::len), Some(1), "the directory's group is as it was: {members}");
        assert!(scene.push.get(&format!("/Groups/{ours}")).await.status == 404, "and it sees none of ours");
        let groups = scene.push.get(&format!("/Users/{ana}")).await.json["groups"].clone();
        assert!(!groups.to_string().contains("Ours"), "{groups}");

        // What was given while it let them is taken back at any time, and nothing new is given.
        scene.set_local_grants(false).await;
        olga.delete(&format!("/projects/web/members/{ana}")).await;
        olga.post(&format!("/groups/{ours}/members/remove"), json!({ "users": [ana, cleo] })).await;
        let held = olga.get("/bindings?limit=200").await;
        let own = |row: &&Value| row["subject"]["id"] == json!(ana);
        for row in held["items"].as_array().unwrap().iter().filter(own) {
            olga.delete(&format!("/bindings/{}", row["id"].as_str().unwrap())).await;
        }
        for (method, path, body) in &asks {
            assert!(scene.refuses(&scene.call(method, path, body).await), "{method} {path}");
        }
    })
    .await;
}
