//! People: registered by those who may, seen by some and changed by fewer, in groups that are set as a whole, read-only
//! where a connection provisions them, and deleted with a typed phrase, at once and for good.

use muster::domain::change::{Actor, Change, Mode, NewUser};
use muster::domain::people::user::{Kind, MembershipState, UserState};
use muster::domain::source::Source;
use muster::flows::change_access::change_access;
use muster::kernel::id::{GroupId, MembershipId, UserId};
use reqwest::Method;
use serde_json::{Value, json};

use super::keys::{ask, in_a_day, tool};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::application;
use crate::support::browser::Person;
use crate::support::client::{Ask, Tokens, list, names};
use crate::support::org::Org;
use crate::support::server::{Site, on_both};

/// Another password that keeps every rule.
const OTHER: &str = "another Tide7-Kq2mVx";
/// The phrase that deletes somebody.
const GONE: &str = "?confirm=Delete%20user%20from%20organization";

fn denied() -> (u16, String) {
    (403, "denied".to_owned())
}

/// One of each role that people of an organisation have, the project's on `web`: adam, rita, pia, mia and rea.
async fn staff(acme: &Org) {
    acme.project("web").await;
    for (name, role, project) in [
        ("adam", "org.admin", None),
        ("rita", "org.reader", None),
        ("pia", "project.admin", Some("web")),
        ("mia", "project.member", Some("web")),
        ("rea", "project.reader", Some("web")),
    ] {
        acme.person(name, PASSWORD).await;
        acme.give(name, role, project).await;
    }
}

/// The names of some objects, in their order.
fn named(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

// K02 H01
#[tokio::test(flavor = "multi_thread")]
async fn people_are_registered_by_those_who_may_invite_and_every_refusal_is_recorded() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        staff(&acme).await;
        let devs = acme.group("devs", &[]).await;
        acme.give_group("devs", "billing.viewer", None).await;
        let shop = site.client(&acme.application("shop").await);
        for (by, name) in [("olga", "una"), ("adam", "uri")] {
            let roles = json!([{ "role": "org.reader" }]);
            let new = json!({ "user_name": name, "password": OTHER, "must_change": false, "groups": [devs],
                              "roles": roles });
            let made = Admin::of(site, &acme, by).await.post("/users", new).await;
            let user = &made["object"];
            assert_eq!((&user["user_name"], &user["state"]), (&json!(name), &json!("active")), "{made}");
            assert_eq!((named(&user["groups"]), &user["roles"][0]["role"]), (vec!["devs"], &json!("org.reader")));
            assert!(!made.to_string().contains(OTHER) && made["receipt"]["acts"].as_array().unwrap().len() >= 3);
            let person = Person { name, password: OTHER, org: "" };
            let claims = shop.sign_in(&mut site.browser(), person).await.claims();
            assert_eq!(list(&claims["org_roles"]), ["billing.viewer", "org.reader"]);
        }
        let olga = Admin::of(site, &acme, "olga").await;
        let waits = olga.post("/users", json!({ "user_name": "wim" })).await;
        assert_eq!(waits["object"]["state"], "pending", "without a password the account waits for one");
        let una = acme.user_id("una").await;
        for name in ["rita", "pia", "mia", "rea"] {
            let them = Admin::of(site, &acme, name).await;
            assert_eq!(them.refused(Method::POST, "/users", json!({ "user_name": "eve" })).await, denied(), "{name}");
            let record = format!("/audit?outcome=denied&actor=user:{}", acme.user_id(name).await);
            let rows = olga.get(&record).await;
            assert_eq!(rows["items"].as_array().unwrap().len(), 1, "{name}: {rows}");
            assert_eq!(rows["items"][0]["kinds"], json!(["request.denied"]));
            let password = json!({ "password": OTHER });
            assert_eq!(them.refused(Method::POST, &format!("/users/{una}/password"), password).await, denied());
            let role = json!({ "add": [{ "role": "org.reader" }] });
            assert_eq!(them.refused(Method::POST, &format!("/users/{una}/roles"), role).await, denied(), "{name}");
        }
        let short = olga.refused(Method::POST, "/users", json!({ "user_name": "eve", "password": "abc" })).await;
        assert_eq!(short, (400, "invalid".into()));
        assert_eq!(olga.get("/users?search=eve").await["items"], json!([]));
    })
    .await;
}

// K09
#[tokio::test(flavor = "multi_thread")]
async fn administrators_and_readers_open_everybody_readers_change_nobody_and_projects_show_nobody() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        staff(&acme).await;
        let ana = acme.person("ana", PASSWORD).await;
        let at = format!("/users/{ana}");
        for name in ["olga", "adam", "rita"] {
            let shown = Admin::of(site, &acme, name).await.get(&at).await;
            assert_eq!((&shown["email"], &shown["state"]), (&json!("ana@example.test"), &json!("active")), "{name}");
        }
        for name in ["pia", "mia", "rea"] {
            let them = Admin::of(site, &acme, name).await;
            assert_eq!(them.refused(Method::GET, &at, json!({})).await, denied(), "{name}");
            let own = them.get(&format!("/users/{}", acme.user_id(name).await)).await;
            assert_eq!(own["user_name"], name, "one's own account is one's own to see");
        }
        let rita = Admin::of(site, &acme, "rita").await;
        let acts: [(Method, &str, Value); 10] = [
            (Method::PATCH, "", json!({ "name": "Eve" })),
            (Method::POST, "/suspend", json!({})),
            (Method::POST, "/resume", json!({})),
            (Method::POST, "/password", json!({ "password": OTHER })),
            (Method::PUT, "/restriction", json!({ "applications": [] })),
            (Method::PUT, "/groups", json!({ "groups": [] })),
            (Method::POST, "/roles", json!({ "add": [{ "role": "org.reader" }] })),
            (Method::DELETE, "/sessions", json!({})),
            (Method::POST, "/access-keys", json!({ "project": "web", "name": "x", "expires_at": in_a_day(site) })),
            (Method::DELETE, GONE, json!({})),
        ];
        let before = rita.get(&at).await;
        for (method, path, body) in acts {
            assert_eq!(rita.refused(method, &format!("{at}{path}"), body).await, denied(), "{path}");
        }
        assert_eq!(rita.get(&at).await, before);
    })
    .await;
}

// K10
#[tokio::test(flavor = "multi_thread")]
async fn who_may_look_names_up_sees_names_and_addresses_and_nothing_else() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        staff(&acme).await;
        let ana = acme.person("ana", PASSWORD).await;
        acme.person("bo", PASSWORD).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let (pia, rea) = (Admin::of(site, &acme, "pia").await, Admin::of(site, &acme, "rea").await);
        let bo = Admin::of(site, &acme, "bo").await;
        let only_names = |page: &Value| {
            let rows = page["items"].as_array().unwrap();
            assert_eq!(rows.len(), 8, "{page}");
            for row in rows {
                let mut fields = names(row);
                fields.sort();
                assert_eq!(fields, ["email", "name", "user_id", "user_name"]);
            }
        };
        assert!(names(&olga.get("/users").await["items"][0]).contains(&"groups".to_owned()));
        only_names(&pia.get("/users").await);
        for them in [&rea, &bo] {
            assert_eq!(them.refused(Method::GET, "/users", json!({})).await, denied());
        }
        olga.patch("/policies", json!({ "user_visibility": "everyone" })).await;
        for them in [&pia, &rea, &bo] {
            only_names(&them.get("/users").await);
            assert_eq!(them.get("/users?search=AN").await["items"][0]["user_name"], "ana");
            for path in ["", "/access", "/sessions", "/log", "/access-keys"] {
                let path = format!("/users/{ana}{path}");
                assert_eq!(them.refused(Method::GET, &path, json!({})).await, denied(), "{path}");
            }
            for query in ["search=%2B82101234", "state=active"] {
                let path = format!("/users?{query}");
                assert_eq!(them.refused(Method::GET, &path, json!({})).await, denied(), "{query}");
            }
        }
    })
    .await;
}

// H28 H30
#[tokio::test(flavor = "multi_thread")]
async fn status_address_number_and_groups_change_in_one_call_and_the_log_tells_of_it() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let devs = acme.group("devs", &[]).await;
        acme.person("bo", PASSWORD).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let new = json!({ "user_name": "ana", "password": PASSWORD, "must_change": false });
        let made = olga.post("/users", new).await;
        assert_eq!((&made["object"]["email"], &made["object"]["phone"]), (&Value::Null, &Value::Null));
        let at = format!("/users/{}", made["object"]["user_id"].as_str().unwrap());
        assert!(!site.browser().sign_in(Person::named("ana")).await.page().has("login-submit"), "by user name alone");

        let all = json!({ "name": "Ana B", "email": "ana@acme.test", "phone": "+82 10 1234 5678", "state": "suspended",
                          "groups": [devs] });
        let changed = olga.patch(&at, all).await;
        let user = &changed["object"];
        assert_eq!((&user["name"], &user["email"]), (&json!("Ana B"), &json!("ana@acme.test")), "{user}");
        assert_eq!((&user["phone"], &user["state"]), (&json!("+82 10 1234 5678"), &json!("suspended")), "{user}");
        assert_eq!(named(&user["groups"]), ["devs"]);
        let change = changed["receipt"]["change_id"].as_str().unwrap();
        assert_eq!(olga.get(&format!("/audit?change={change}")).await["items"].as_array().unwrap().len(), 1);
        assert!(site.browser().sign_in(Person::named("ana")).await.page().has("login-submit"));
        olga.patch(&at, json!({ "state": "active" })).await;
        assert!(!site.browser().sign_in(Person::named("ana@acme.test")).await.page().has("login-submit"));

        let cleared = olga.patch(&at, json!({ "email": null, "phone": null })).await;
        assert_eq!((&cleared["object"]["email"], &cleared["object"]["name"]), (&Value::Null, &json!("Ana B")));
        for (body, status, code) in [
            (json!({ "user_name": "eve" }), 400, "invalid"),
            (json!({ "email": "no address" }), 400, "invalid"),
            (json!({ "phone": "12" }), 400, "invalid"),
            (json!({ "state": "deleted" }), 400, "invalid"),
            (json!({ "email": "bo@example.test" }), 409, "conflict"),
            (json!({ "groups": [GroupId::fresh()] }), 404, "not_found"),
        ] {
            assert_eq!(olga.refused(Method::PATCH, &at, body.clone()).await, (status, code.into()), "{body}");
        }
        let log = olga.get(&format!("{at}/log?limit=200")).await.to_string();
        for kind in ["user.create", "user.set_profile", "user.set_state", "member.set_groups", "sign_in.accepted"] {
            assert!(log.contains(kind), "{kind}: {log}");
        }
        acme.person("rita", PASSWORD).await;
        acme.give("rita", "org.reader", None).await;
        let rita = Admin::of(site, &acme, "rita").await;
        assert!(!rita.get(&format!("{at}/log?limit=1")).await["next"].is_null());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_persons_own_account_the_organisation_suspends_the_membership_and_changes_nothing() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let (globex, _) = owned(site, "globex").await;
        let nora = site.own_account("nora", PASSWORD).await;
        acme.admit(&nora).await;
        globex.admit(&nora).await;
        let (olga, at) = (Admin::of(site, &acme, "olga").await, format!("/users/{nora}"));
        let own = || (409, "own_account".to_owned());
        assert_eq!(olga.refused(Method::PATCH, &at, json!({ "name": "Eve" })).await, own());
        assert_eq!(olga.refused(Method::PATCH, &at, json!({ "access_type": "key" })).await, own());
        let password = json!({ "password": OTHER });
        assert_eq!(olga.refused(Method::POST, &format!("{at}/password"), password).await, own());
        let suspended = olga.patch(&at, json!({ "state": "suspended" })).await;
        let states = (&suspended["object"]["user_state"], &suspended["object"]["membership_state"]);
        assert_eq!(states, (&json!("active"), &json!("suspended")));
        let elsewhere = Admin::of(site, &globex, "olga").await.get(&at).await;
        assert_eq!(elsewhere["state"], "active", "there nothing happens");
        let resumed = olga.post(&format!("{at}/resume"), json!({})).await;
        assert_eq!(resumed["object"]["state"], "active");
    })
    .await;
}

// N02 N04
#[tokio::test(flavor = "multi_thread")]
async fn the_list_tells_groups_from_direct_roles_and_a_direct_role_goes_alone() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        for name in ["devs", "ops"] {
            acme.group(name, &["ana"]).await;
        }
        acme.give_group("devs", "org.reader", None).await;
        let direct = acme.give("ana", "trail.viewer", None).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let row = olga.get("/users?search=ana").await["items"][0].clone();
        assert_eq!((&row["name"], &row["email"]), (&json!("Ana Example"), &json!("ana@example.test")));
        assert_eq!(named(&row["groups"]), ["devs", "ops"]);
        let roles = row["roles"].as_array().unwrap();
        assert_eq!((roles.len(), &roles[0]["role"]), (1, &json!("trail.viewer")), "a group's is not among them");
        assert_eq!(roles[0]["binding_id"], direct.as_str());
        let detail = olga.get(&format!("/users/{ana}")).await;
        assert_eq!((&detail["groups"], &detail["roles"]), (&row["groups"], &row["roles"]));
        let taken = olga.post(&format!("/users/{ana}/roles"), json!({ "remove": [direct] })).await;
        assert_eq!(taken["receipt"]["members"][0]["lost"].as_array().unwrap().len(), 1);
        let held = olga.get(&format!("/users/{ana}/access")).await;
        assert_eq!((held["grants"].as_array().unwrap().len(), &held["grants"][0]["role"]), (1, &json!("org.reader")));
    })
    .await;
}

// N20
#[tokio::test(flavor = "multi_thread")]
async fn a_whole_new_set_of_groups_is_one_change_and_the_record_says_what_came_and_went() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let ana = acme.person("ana", PASSWORD).await;
        let bo = acme.person("bo", PASSWORD).await;
        let mut groups = Vec::new();
        for (name, role) in [("devs", "org.reader"), ("ops", "trail.viewer"), ("leads", "billing.viewer")] {
            groups.push(acme.group(name, &[]).await);
            acme.give_group(name, role, None).await;
        }
        acme.put_in("devs", &["ana", "bo"]).await;
        acme.put_in("ops", &["ana", "bo"]).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let wanted = json!({ "groups": [groups[1], groups[2]] });
        let done = olga.put(&format!("/users/{ana}/groups"), wanted.clone()).await;
        assert_eq!(named(&done["object"]["groups"]), ["leads", "ops"]);
        let line = &done["receipt"]["members"][0];
        assert_eq!(line["lost"][0]["role"], "org.reader");
        assert_eq!(line["gained"][0]["role"], "billing.viewer");
        let rows = olga.get(&format!("/audit?kind=member.set_groups&target={ana}")).await;
        let changed = &rows["items"][0]["detail"]["changed"][0];
        let mut before = list(&changed["before"]["groups"]);
        before.sort();
        let mut expected = vec![groups[0].to_string(), groups[1].to_string()];
        expected.sort();
        assert_eq!(before, expected, "{rows}");
        assert!(list(&changed["after"]["groups"]).contains(&groups[2].to_string()), "{rows}");

        // All of it or nothing; and the same by way of the detail.
        let broken = json!({ "groups": [groups[0], GroupId::fresh()] });
        let refused = olga.refused(Method::PUT, &format!("/users/{bo}/groups"), broken).await;
        assert_eq!(refused, (404, "not_found".into()));
        assert_eq!(named(&olga.get(&format!("/users/{bo}")).await["groups"]), ["devs", "ops"]);
        let patched = olga.patch(&format!("/users/{bo}"), wanted).await;
        assert_eq!(named(&patched["object"]["groups"]), ["leads", "ops"]);
        assert_eq!(patched["receipt"]["members"][0]["lost"], line["lost"]);
        assert_eq!(patched["receipt"]["members"][0]["gained"], line["gained"]);
    })
    .await;
}

/// Somebody whom a connection has provisioned.
async fn from_okta(org: &Org, user_name: &str) -> UserId {
    let source = Source::Scim("okta".to_owned());
    let user = org.world.new_user(Kind::Managed(org.id.clone()), user_name, PASSWORD).await;
    let user = NewUser { source: source.clone(), ..user };
    let (id, org_id, member) = (user.id.clone(), org.id.clone(), MembershipId::fresh());
    let state = MembershipState::Active;
    let join = Change::AddMember { org: org_id, member, user: id.clone(), state, source };
    org.world.act(vec![Change::CreateUser(Box::new(user)), join]).await;
    id
}

/// Makes a group one that a connection has provisioned, with somebody in it.
async fn hand_to_okta(site: &Site, group: &GroupId, user: &UserId) {
    let (id, user) = (group.to_string(), user.to_string());
    let done: Result<u64, sqlx::Error> = site
        .db
        .write(move |tx| {
            Box::pin(async move {
                let join = "INSERT INTO group_members (group_id, membership_id, source, created_at, created_by)
                            SELECT $1, m.id, 'scim:okta', 0, 'system:test' FROM memberships m WHERE m.user_id = $2";
                let joined = tx.query(join).bind(id.clone()).bind(user).execute().await?;
                let sql = "UPDATE groups SET source = 'scim:okta' WHERE id = $1";
                Ok(joined + tx.query(sql).bind(id).execute().await?)
            })
        })
        .await;
    assert_eq!(done.unwrap(), 2);
}

// N06 N07 N08
#[tokio::test(flavor = "multi_thread")]
async fn what_a_connection_provisions_is_seen_whole_and_can_be_changed_by_no_path() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let (ana, bo) = (from_okta(&acme, "ana").await, acme.person("bo", PASSWORD).await);
        let devs = acme.group("devs", &[]).await;
        acme.give_group("devs", "org.reader", None).await;
        hand_to_okta(site, &devs, &ana).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let detail = olga.get(&format!("/users/{ana}")).await;
        assert_eq!((&detail["source"], &detail["name"]), (&json!("scim:okta"), &json!("Ana Example")));
        assert_eq!((named(&detail["groups"]), &detail["state"]), (vec!["devs"], &json!("active")));
        assert_eq!(olga.get("/users?search=ana").await["items"][0]["source"], "scim:okta");
        let group = olga.get(&format!("/groups/{devs}")).await;
        assert_eq!((&group["source"], &group["members"]), (&json!("scim:okta"), &json!(1)));

        let (user, other, group) = (format!("/users/{ana}"), format!("/users/{bo}"), format!("/groups/{devs}"));
        let acts = [
            (Method::PATCH, user.clone(), json!({ "name": "Eve" })),
            (Method::PATCH, user.clone(), json!({ "email": "eve@example.test" })),
            (Method::PATCH, user.clone(), json!({ "phone": "+82101234567" })),
            (Method::PATCH, user.clone(), json!({ "access_type": "key" })),
            (Method::PATCH, user.clone(), json!({ "groups": [] })),
            (Method::POST, format!("{user}/password"), json!({ "password": OTHER })),
            (Method::PUT, format!("{user}/groups"), json!({ "groups": [] })),
            (Method::PUT, format!("{other}/groups"), json!({ "groups": [devs] })),
            (Method::PATCH, other, json!({ "groups": [devs] })),
            (Method::PATCH, group.clone(), json!({ "name": "Ours" })),
            (Method::POST, format!("{group}/members/add"), json!({ "users": [bo] })),
            (Method::POST, format!("{group}/members/remove"), json!({ "users": [ana] })),
            (Method::DELETE, format!("{group}?confirm=devs"), json!({})),
        ];
        for (method, path, body) in acts {
            let answer = olga.call(method.clone(), &path, Some(&body)).await;
            let problem = answer.json();
            assert_eq!(answer.status, 409, "{method} {path}: {problem}");
            assert_eq!(problem["code"], "managed_by_idp", "{method} {path}");
            assert_eq!(problem["object"], "okta", "it says where to change it");
        }
        assert_eq!(olga.get(&user).await, detail);

        // What steers access stays the organisation's: the roles of the group, and a suspension of its own.
        olga.post("/bindings", json!({ "group": devs, "role": "trail.viewer" })).await;
        assert_eq!(olga.post(&format!("{user}/suspend"), json!({})).await["object"]["state"], "suspended");
        assert_eq!(olga.post(&format!("{user}/resume"), json!({})).await["object"]["state"], "active");
        let upstream = Actor::System("deprovisioned");
        let deactivate = Change::SetUserState { user: ana, state: UserState::Deactivated };
        change_access(site, &upstream, vec![deactivate], Mode::Act).await.expect("upstream always wins");
        let revived = olga.refused(Method::POST, &format!("{user}/resume"), json!({})).await;
        assert_eq!(revived, (409, "managed_by_idp".into()), "what was deactivated there is not revived here");
    })
    .await;
}

// K16 K17 K18 N24 H29
#[tokio::test(flavor = "multi_thread")]
async fn deleting_somebody_takes_the_phrase_cuts_at_once_and_is_for_good() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        staff(&acme).await;
        let ana = acme.person("ana", PASSWORD).await;
        acme.give("ana", "project.member", Some("web")).await;
        let shop = site.client(&acme.application("shop").await);
        let mut browser = site.browser();
        let tokens = shop.sign_in(&mut browser, Person::named("ana")).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let at = format!("/users/{ana}");
        let key = json!({ "project": "web", "name": "ci", "expires_at": in_a_day(site) });
        let key = olga.post(&format!("{at}/access-keys"), key).await;
        let (id, secret) = (key["object"]["id"].as_str().unwrap(), key["secret"].as_str().unwrap());
        let by_key = tool(site, &acme, id, secret).await;
        by_key.get("/api/v1/me").await;

        for name in ["rita", "pia", "mia", "rea"] {
            let them = Admin::of(site, &acme, name).await;
            assert_eq!(them.refused(Method::DELETE, &format!("{at}{GONE}"), json!({})).await, denied(), "{name}");
        }
        let wrong = ["", "?confirm=", "?confirm=Delete%20user", "?confirm=delete%20user%20from%20organization"];
        for wrong in wrong {
            let refused = olga.refused(Method::DELETE, &format!("{at}{wrong}"), json!({})).await;
            assert_eq!(refused, (400, "invalid".into()), "{wrong}");
        }
        let told = olga.delete(&format!("{at}{GONE}&dry_run=true")).await;
        assert_eq!((&told["receipt"]["dry_run"], &told["receipt"]["ended"]["access_keys"]), (&json!(true), &json!(1)));
        assert!(shop.is_active(tokens.access()).await && shop.is_signed_in(&mut browser).await);
        by_key.get("/api/v1/me").await;

        let gone = olga.delete(&format!("{at}{GONE}")).await;
        assert_eq!((&gone["object"], &gone["receipt"]["ended"]["access_keys"]), (&Value::Null, &json!(1)));
        assert!(gone["receipt"]["ended"]["sessions"].as_u64().unwrap() >= 1, "{gone}");
        assert!(!shop.is_active(tokens.access()).await && !shop.is_signed_in(&mut browser).await);
        assert_eq!(shop.refresh(tokens.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
        assert_eq!(browser.send(Method::GET, &site.at.url("/me"), None).await.status, 303);
        assert_eq!(ask(site, id, secret, "muster.admin").await.refusal(), (401, "invalid_client".to_owned()));
        assert_eq!(by_key.call(Method::GET, "/api/v1/me", None).await.status, 401);
        assert_eq!(olga.refused(Method::GET, &at, json!({})).await, (404, "not_found".into()));
        assert_eq!(olga.refused(Method::DELETE, &format!("{at}{GONE}"), json!({})).await, (404, "not_found".into()));

        let again = ("ana", "ana@example.test");
        let new = json!({ "user_name": again.0, "email": again.1, "password": PASSWORD, "must_change": false });
        let again = olga.post("/users", new).await["object"]["user_id"].clone();
        assert_ne!(again, ana.as_str());
        let claims = shop.sign_in(&mut site.browser(), Person::named("ana@example.test")).await.claims();
        assert_eq!(claims["sub"], again, "a new subject, which holds nothing of the one before");
        assert!(list(&claims["org_roles"]).is_empty() && claims["project_roles"]["web"].is_null(), "{claims}");
        assert!(!olga.get(&format!("/audit?target={ana}")).await["items"].as_array().unwrap().is_empty());
    })
    .await;
}

// N25 I28
#[tokio::test(flavor = "multi_thread")]
async fn somebody_with_an_account_of_their_own_leaves_this_organisation_and_no_other() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let nora = site.own_account("nora", PASSWORD).await;
        acme.admit(&nora).await;
        let mut others = Vec::new();
        for slug in ["globex", "initech"] {
            let (org, _) = owned(site, slug).await;
            org.admit(&nora).await;
            others.push(org);
        }
        let shop = site.client(&acme.application("shop").await);
        let desk = site.client(&others[0].application("desk").await);
        let portal = site.client(&application::register(site, "portal", |_| {}).await);
        let (here, there) = (
            shop.sign_in(&mut site.browser(), Person::named("nora")).await,
            desk.sign_in(&mut site.browser(), Person::named("nora")).await,
        );
        let olga = Admin::of(site, &acme, "olga").await;
        olga.delete(&format!("/users/{nora}{GONE}")).await;
        assert!(!shop.is_active(here.access()).await && desk.is_active(there.access()).await);
        Tokens::read(&desk.refresh(there.refresh()).await);
        let mut browser = site.browser();
        let page = browser.sign_in(Person::named("nora")).await.page();
        assert!(page.text().contains("Globex") && !page.text().contains("Acme"), "{page:?}");
        assert!(!shop.is_signed_in(&mut browser).await);
        let page = browser.open(&Ask::of(&portal).url(&site.at)).await.page();
        assert!(page.has("org-globex") && page.has("org-initech") && !page.has("org-acme"), "{page:?}");
        let elsewhere = Admin::of(site, &others[0], "olga").await.get(&format!("/users/{nora}")).await;
        assert_eq!((&elsewhere["state"], &elsewhere["kind"]), (&json!("active"), &json!("own")));
        assert_eq!(olga.refused(Method::GET, &format!("/users/{nora}"), json!({})).await.0, 404);
    })
    .await;
}
