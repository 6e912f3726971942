//! Two organisations, and two connections of one of them: none sees, counts, names or reaches what another keeps.

use muster::domain::change::Change;
use muster::domain::people::user::UserState;
use muster::kernel::id::{MembershipId, UserId};
use muster::kernel::time::SECOND;
use reqwest::Method;
use serde_json::{Value, json};

use super::attacks_scene::{MARKS, Neighbours, account, bulk, group, members_of, with};
use super::client::{Answer, patch_of, user};
use crate::support::server::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_another_connection_or_organisation_is_not_there_for_any_verb() {
    on_both(async |site| {
        let scene = Neighbours::set(site).await;
        let (own, before) = (&scene.own, scene.elsewhere().await);
        let rename = json!([{ "op": "replace", "path": "displayName", "value": "Mine" }]);
        let off = json!([{ "op": "replace", "path": "active", "value": false }]);
        for id in &scene.foreign {
            for (endpoint, body) in [("Users", user("mine")), ("Groups", group("Mine", &[]))] {
                let path = format!("/{endpoint}/{id}");
                let tag = [("if-none-match", "*"), ("if-match", "*")];
                for answer in [
                    own.get(&path).await,
                    own.get(&format!("{path}?attributes=id")).await,
                    own.send(Method::GET, &path, None, &tag).await,
                    own.put(&path, &body).await,
                    own.operate(&path, &rename).await,
                    own.operate(&path, &off).await,
                    own.send(Method::DELETE, &path, None, &tag).await,
                    own.delete(&path).await,
                ] {
                    assert_eq!(answer.error(), (404, ""), "{path}: {}", answer.json);
                }
                let data = |body: &Value, method: &str| json!({ "method": method, "path": path, "data": body });
                let operations = vec![data(&body, "PUT"), data(&patch_of(&off), "PATCH"), data(&Value::Null, "DELETE")];
                for answer in bulk(own, operations).await {
                    assert_eq!(answer["status"], "404", "{path}: {answer}");
                }
            }
        }
        assert_eq!(scene.elsewhere().await, before);
        let yolanda = scene.acme.user_id("yolanda").await;
        assert_eq!(account(site, yolanda.as_str()).await.state, UserState::Active);
        // And the endpoint of the other kind knows no id of one's own.
        assert_eq!(own.get(&format!("/Groups/{}", scene.users[0])).await.error(), (404, ""));
        assert_eq!(own.delete(&format!("/Users/{}", scene.groups[0])).await.error(), (404, ""));
    })
    .await;
}

/// Filters that somebody else's resources would match.
fn curious(scene: &Neighbours) -> Vec<String> {
    let mut filters: Vec<String> = [
        "id pr",
        "schemas pr",
        "userName co \"e\"",
        "displayName pr",
        "not (userName eq \"x\")",
        "not (displayName eq \"x\")",
        "meta.lastModified gt \"2000-01-01T00:00:00Z\"",
        "meta.created le \"2999-01-01T00:00:00Z\"",
        "groups pr",
        "members pr",
        "members.display co \"e\"",
        "groups.display co \"team\"",
        "emails.value ew \"test\"",
        "userName pr or displayName pr",
    ]
    .map(str::to_owned)
    .into();
    for mark in MARKS {
        for filter in [
            format!("userName eq \"{mark}\""),
            format!("userName sw \"{mark}\""),
            format!("externalId eq \"ext-{mark}\""),
            format!("emails eq \"{mark}@pushed.test\""),
            format!("emails[type eq \"work\"].value eq \"{mark}@pushed.test\""),
            format!("displayName eq \"{mark} team\""),
            format!("displayName eq \"{mark}s\""),
            format!("members.display co \"{mark}\""),
            format!("groups.display co \"{mark}\""),
        ] {
            filters.push(filter);
        }
    }
    for id in &scene.foreign {
        for name in ["id", "members", "members.value", "groups.value", "manager", "manager.value"] {
            filters.push(format!("{name} eq \"{id}\""));
        }
        filters.push(format!("members[value eq \"{id}\"]"));
        filters.push(format!("id eq \"{id}\" or userName pr"));
    }
    filters
}

// The list, the count and the page are made of one's own rows alone (ory, Keycloak #50985, vouch #317).
#[tokio::test(flavor = "multi_thread")]
async fn no_list_filter_count_or_page_tells_of_anybody_elses_resources() {
    on_both(async |site| {
        let scene = Neighbours::set(site).await;
        let own = &scene.own;
        let mine: Vec<&String> = scene.users.iter().chain(&scene.groups).collect();
        let check = |what: &str, answer: &Answer| {
            assert_eq!(answer.status, 200, "{what}: {}", answer.json);
            let found = answer.json["Resources"].as_array().cloned().unwrap_or_default();
            let ids: Vec<&str> = found.iter().filter_map(|one| one["id"].as_str()).collect();
            assert!(ids.iter().all(|id| mine.iter().any(|own| own == id)), "{what}: {}", answer.json);
            let total = answer.json["totalResults"].as_i64().unwrap();
            assert!(total <= 3 && total >= ids.len() as i64, "{what}: {}", answer.json);
            let text = answer.json.to_string().to_lowercase();
            for mark in MARKS {
                assert!(!text.contains(mark), "{what} tells of {mark}: {}", answer.json);
            }
            total
        };
        for (number, filter) in curious(&scene).iter().enumerate() {
            if number % 40 == 0 {
                site.advance(5 * SECOND);
            }
            for (path, search) in [("/Users", "/Users/.search"), ("/Groups", "/Groups/.search"), ("/", "/.search")] {
                let asked = own.post(search, json!({ "filter": filter, "count": 1000 })).await;
                let total = check(filter, &asked);
                let query: String = form_urlencoded::byte_serialize(filter.as_bytes()).collect();
                let counted = own.get(&format!("{path}?filter={query}&count=0")).await;
                assert_eq!(check(filter, &counted), total, "{filter}");
                let paged = own.get(&format!("{path}?filter={query}&cursor=&count=1&sortBy=id")).await;
                check(filter, &paged);
            }
        }
        for (path, owned) in [("/Users", 2), ("/Groups", 1), ("/", 3)] {
            for query in ["", "?startIndex=1&count=1000", "?cursor=&count=1000", "?sortBy=userName", "?startIndex=3"] {
                let answer = own.get(&format!("{path}{query}")).await;
                assert_eq!(check(query, &answer), owned, "{path}{query}");
            }
        }
        // A page's end is good for the connection that it came from.
        let page = own.get("/Users?cursor=&count=1").await.good();
        let cursor = page.json["nextCursor"].as_str().expect("there is a second page").to_owned();
        for (other, ..) in &scene.others {
            let stolen = other.get(&format!("/Users?cursor={cursor}&count=1")).await;
            assert_eq!(stolen.error(), (400, "invalidCursor"));
        }
        assert_eq!(own.get(&format!("/Groups?cursor={cursor}&count=1")).await.error(), (400, "invalidCursor"));
        assert_eq!(own.get(&format!("/Users?cursor={cursor}&count=1")).await.status, 200);
        // Nothing can be asked of what nobody may read, whether it would be found or not.
        for filter in
            ["password eq \"x\"", "password pr", "not (password sw \"P\")", "userName pr and password co \"a\""]
        {
            let refused = own.post("/Users/.search", json!({ "filter": filter })).await;
            assert_eq!(refused.error(), (400, "invalidFilter"), "{filter}");
        }
    })
    .await;
}

/// Every way in which a client can ask for members.
fn ways_in(id: &str) -> Vec<Value> {
    let one = json!([{ "value": id }]);
    let place = format!("https://x.test/scim/v2/Users/{id}");
    vec![
        json!([{ "op": "add", "path": "members", "value": one }]),
        json!([{ "op": "Add", "path": "Members", "value": id }]),
        json!([{ "op": "add", "path": "members", "value": { "value": id, "type": "User" } }]),
        json!([{ "op": "replace", "path": "members", "value": one }]),
        json!([{ "op": "add", "value": { "members": one } }]),
        json!([{ "op": "replace", "value": { "members": one } }]),
        json!([{ "op": "replace", "value": { "displayName": "Team", "members": one } }]),
        json!([{ "op": "add", "path": "urn:ietf:params:scim:schemas:core:2.0:Group:members", "value": one }]),
        json!([{ "op": "add", "path": "members.value", "value": id }]),
        json!([{ "op": "add", "path": format!("members[value eq \"{id}\"]"), "value": { "value": id } }]),
        json!([{ "op": "replace", "path": format!("members[value eq \"{id}\"].value"), "value": id }]),
        json!([{ "op": "add", "path": "members", "value": [{ "$ref": place }] }]),
    ]
}

// One matrix for all ways into a group (Keycloak SCIM #50473, #47536, #52675).
#[tokio::test(flavor = "multi_thread")]
async fn only_people_whom_a_connection_owns_come_into_its_groups_whichever_way_it_asks() {
    on_both(async |site| {
        let scene = Neighbours::set(site).await;
        let (own, team) = (&scene.own, &scene.groups[0]);
        let (robot, member) = (UserId::fresh(), MembershipId::fresh());
        let create = Change::CreateServiceAccount {
            org: scene.acme.id.clone(),
            project: scene.acme.project("web").await,
            user: robot.clone(),
            member,
            name: "robot".to_owned(),
            description: String::new(),
            owner: None,
        };
        site.act(vec![create]).await;
        let tool = robot.into_string();
        let path = format!("/Groups/{team}");
        let before = members_of(own, team).await;
        for (number, id) in scene.foreign.iter().chain([&tool]).enumerate() {
            if number % 3 == 0 {
                site.advance(5 * SECOND);
            }
            let outright = own.operate(&path, &ways_in(id)[0]).await;
            assert_eq!(outright.error(), (400, "invalidValue"), "{id}");
            for operations in ways_in(id) {
                let answer = own.operate(&path, &operations).await;
                assert!([204, 400].contains(&answer.status), "{operations}: {} {}", answer.status, answer.json);
                let data = patch_of(&operations);
                let told = bulk(own, vec![json!({ "method": "PATCH", "path": path, "data": data })]).await;
                assert_eq!(told[0]["status"] == "400", answer.status == 400, "{operations}: {told:?}");
                assert_eq!(members_of(own, team).await, before, "{operations}");
            }
            assert_eq!(own.put(&path, group("Team", &[id])).await.error(), (400, "invalidValue"), "{id}");
            assert_eq!(own.post("/Groups", group("Other", &[id])).await.error(), (400, "invalidValue"), "{id}");
            // Taking somebody out who is in it is nothing, and says nothing.
            let gone = json!([{ "op": "remove", "path": "members", "value": [{ "value": id }] }]);
            assert_eq!(own.operate(&path, &gone).await.status, 204);
        }
        assert_eq!(members_of(own, team).await, before);
        assert_eq!(own.get("/Groups").await.json["totalResults"], 1, "a group that was refused was not made");

        // A person's own groups are read, never written.
        let mine = format!("/Users/{}", scene.users[1]);
        let said = [json!([{ "value": team }]), json!([{ "value": scene.foreign[2] }]), json!([])];
        for (number, groups) in said.into_iter().enumerate() {
            let put = own.put(&mine, with(user("ben"), "groups", groups.clone())).await;
            assert!(put.status == 200 && put.json.get("groups").is_none(), "{}", put.json);
            for op in ["add", "replace", "remove"] {
                let answer = own.operate(&mine, json!([{ "op": op, "path": "groups", "value": groups }])).await;
                assert_eq!(answer.error().0, 400, "{op}");
            }
            let made = with(user(&format!("c{number}")), "groups", groups);
            assert!(own.post("/Users", made).await.good().json.get("groups").is_none());
        }
        assert_eq!(members_of(own, team).await, before);
        // A manager is a name that the client gave: nobody is looked up by it.
        for id in &scene.foreign {
            let set = json!([{ "op": "add", "path": "manager", "value": { "value": id } }]);
            let told = own.operate(&mine, set).await.json.to_string().to_lowercase();
            assert!(!MARKS.iter().any(|mark| told.contains(mark)), "{told}");
        }
    })
    .await;
}
