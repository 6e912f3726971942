//! Okta mode: while a mapping is on, its people and their places in groups are changed upstream and by the mapping, and nowhere
//! else; everything stays to be seen, and who keeps it.

use std::collections::BTreeSet;

use muster::domain::access::{Binding, Role, Scope, Subject, Window};
use muster::domain::apply_file::ApplyFile;
use muster::domain::change::{Actor, Change, Mode};
use muster::domain::mail::Purpose;
use muster::domain::oidc::claims::Profile;
use muster::domain::people::user::{AccessType, UserState};
use muster::domain::settings::{OrgSettings, OwnData};
use muster::flows::apply_file::{self, PlanError};
use muster::flows::change_access::{Refusal, change_access};
use muster::kernel::id::{BindingId, GroupId, MembershipId, UserId};
use muster::web::api;
use reqwest::Method;
use serde_json::{Value, json};

use super::rules_scene::{DEVELOPERS, Scene, account, says, subject};
use crate::people::clerk::{Clerk, says as shows};
use crate::scim::admin_scene::id_of;
use crate::support::PASSWORD;
use crate::support::federated::verify_domain;
use crate::support::http::Answer;
use crate::support::mailbox::count_to;
use crate::support::server::{Site, on_both};

const IN_ORG: &str = "/api/v1/orgs/{org}";
const PHRASE: &str = "confirm=Delete%20user%20from%20organization";
const OTHER: &str = "Quay4-Zr8wNb3Lf";
const CONSOLE_OF_OKTA: &str = "https://acme.okta.example";

/// Acme with its mapping on: Ana is a developer, Cleo is in no group, and Bo, whom Acme registered, is in `ours`.
struct Kept {
    scene: Scene,
    ana: UserId,
    cleo: UserId,
    bo: UserId,
    devs: GroupId,
    ours: GroupId,
    bundle: String,
    newt: UserId,
}

impl Kept {
    async fn set(site: &Site) -> Self {
        let scene = Scene::set(site).await;
        verify_domain(site, &scene.acme, "acme.test").await;
        let bo = scene.acme.person("bo", PASSWORD).await;
        let ours = scene.acme.group("ours", &["bo"]).await;
        let devs = scene.acme.group_id("devs").await;
        let newt = site.own_account("newt", PASSWORD).await;
        let path = format!("/connections/{}", scene.okta.connection);
        scene.olga.patch(&path, json!({ "admin_url": CONSOLE_OF_OKTA })).await;
        let bundle = json!({ "name": "Reading", "roles": [{ "role": "org.reader" }] });
        let bundle = id_of(&scene.olga.post("/bundles", bundle).await);
        scene.enters(says("ana", json!({ "groups": [DEVELOPERS] }))).await;
        scene.enters(says("cleo", json!({}))).await;
        let known = async |name: &str| scene.okta.known_as(site, &subject(name)).await.expect("who came is known");
        let (ana, cleo) = (known("ana").await, known("cleo").await);
        Self { scene, ana, cleo, bo, devs, ours, bundle, newt }
    }

    /// Everything that must not have changed.
    async fn seen(&self) -> Vec<Value> {
        let Self { scene, ana, cleo, bo, devs, ours, .. } = self;
        let mut seen = Vec::new();
        for path in [
            format!("/users/{ana}"),
            format!("/users/{ana}/access"),
            format!("/users/{cleo}"),
            format!("/users/{bo}"),
            format!("/groups/{devs}"),
            format!("/groups/{devs}/members"),
            format!("/groups/{ours}/members"),
            "/memberships".to_owned(),
            "/bindings?limit=200".to_owned(),
        ] {
            seen.push(scene.olga.get(&path).await);
        }
        seen
    }

    /// Whether an answer says that the connection keeps what was to be changed, and by its name.
    fn refuses(&self, answer: &Answer) -> bool {
        let (told, name) = (answer.json(), self.scene.okta.name.as_str());
        answer.status == 409
            && told["code"] == "managed_by_idp"
            && told["object"] == name
            && told["detail"].as_str().is_some_and(|detail| detail.contains(name))
    }

    async fn call(&self, method: &Method, path: &str, body: &Value) -> Answer {
        self.scene.olga.call(method.clone(), path, Some(body).filter(|body| !body.is_null())).await
    }

    /// What gives Ana and Cleo roles and places here.
    fn grants(&self) -> Vec<(Method, String, Value)> {
        let Self { ana, cleo, ours, bundle, .. } = self;
        let reader = json!({ "role": "org.reader" });
        vec![
            (Method::PUT, format!("/users/{cleo}/groups"), json!({ "groups": [ours] })),
            (Method::PATCH, format!("/users/{cleo}"), json!({ "groups": [ours] })),
            (Method::POST, format!("/groups/{ours}/members/add"), json!({ "users": [ana] })),
            (Method::POST, format!("/users/{ana}/roles"), json!({ "add": [reader] })),
            (Method::POST, "/bindings".into(), json!({ "user": ana, "role": "billing.viewer" })),
            (Method::POST, "/bindings/batch".into(), json!({ "add": [{ "user": ana, "role": "alert.admin" }] })),
            (Method::POST, "/bindings/apply-bundle".into(), json!({ "bundle": bundle, "user": cleo })),
        ]
    }

    /// What is the provider's to change, whatever the mapping is.
    fn of_the_account(&self) -> Vec<(Method, String, Value)> {
        let Self { ana, bo, newt, .. } = self;
        let user = format!("/users/{ana}");
        let patch = |body: Value| (Method::PATCH, user.clone(), body);
        let post = |path: &str, body: Value| (Method::POST, format!("{user}/{path}"), body);
        vec![
            patch(json!({ "name": "Eve" })),
            patch(json!({ "given_name": null })),
            patch(json!({ "family_name": "Eve" })),
            patch(json!({ "email": "eve@evil.test" })),
            patch(json!({ "email": null })),
            patch(json!({ "phone": "+82101234567" })),
            patch(json!({ "access_type": "key" })),
            patch(json!({ "state": "suspended", "name": "Eve" })),
            post("password", json!({ "password": OTHER })),
            post("reset-password", json!({ "kind": "link" })),
            post("reset-password", json!({ "kind": "generated" })),
            post("reset-password", json!({ "kind": "set", "password": OTHER })),
            post("resend", json!({})),
            post("replace-identity", json!({ "by": newt })),
            (Method::PUT, format!("{user}/break-glass"), Value::Null),
            (Method::DELETE, format!("{user}?{PHRASE}"), Value::Null),
            (Method::DELETE, format!("{user}?{PHRASE}&reassign_to={bo}"), Value::Null),
            (Method::DELETE, format!("/memberships?user_id={ana}"), Value::Null),
            (Method::DELETE, "/memberships?email=ana%40acme.test&realm=managed".into(), Value::Null),
        ]
    }

    /// What would take or give places in groups of people whom the mapping places.
    fn of_places(&self) -> Vec<(Method, String, Value)> {
        let Self { ana, bo, cleo, devs, ours, .. } = self;
        let both = json!({ "users": [bo, ana] });
        let mut asks = vec![
            (Method::POST, format!("/groups/{devs}/members/remove"), json!({ "users": [ana] })),
            (Method::POST, format!("/groups/{devs}/members/add"), json!({ "users": [cleo] })),
            (Method::POST, format!("/groups/{ours}/members/add"), both),
            (Method::PUT, format!("/users/{ana}/groups"), json!({ "groups": [] })),
            (Method::PUT, format!("/users/{ana}/groups"), json!({ "groups": [ours] })),
            (Method::PUT, format!("/users/{ana}/groups"), json!({ "groups": [devs, ours] })),
            (Method::PATCH, format!("/users/{ana}"), json!({ "groups": [] })),
        ];
        for route in ["/state/plan", "/state/apply"] {
            asks.extend(files().into_iter().map(|file| (Method::POST, route.to_owned(), json!({ "file": file }))));
        }
        asks
    }
}

/// Files that would change what the connection keeps.
fn files() -> Vec<String> {
    let rest = [
        "[[organisation.person]]\nuser_name = \"ana\"\nname = \"Eve\"\n",
        "[[organisation.person]]\nuser_name = \"ANA\"\nemail = \"eve@evil.test\"\naccess_type = \"key\"\n",
        "[[organisation.group]]\nname = \"ours\"\nmembers = [\"ana\", \"bo\"]\n",
        "[[organisation.binding]]\nperson = \"ana\"\nrole = \"org.reader\"\nnot_after = \"2999-01-01T00:00:00Z\"\n",
    ];
    rest.iter().map(|rest| format!("[[organisation]]\nslug = \"acme\"\nname = \"Acme\"\n{rest}")).collect()
}

// N06 N08
#[tokio::test(flavor = "multi_thread")]
async fn every_local_edit_of_its_people_and_their_places_is_refused_with_the_connections_name_while_the_mapping_is_on()
{
    on_both(async |site| {
        let kept = Kept::set(site).await;
        let (before, mut faults) = (kept.seen().await, Vec::new());
        for (method, path, body) in [kept.of_the_account(), kept.of_places(), kept.grants()].concat() {
            let mark = if path.contains('?') { '&' } else { '?' };
            for path in [format!("{path}{mark}dry_run=true"), path.clone()] {
                let answer = kept.call(&method, &path, &body).await;
                if !kept.refuses(&answer) {
                    faults.push(format!("{method} {path} {body}: {} {}", answer.status, answer.body));
                }
            }
        }
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
        for text in files() {
            let file = ApplyFile::parse(&text).unwrap_or_else(|error| panic!("{text}\n{error}"));
            match apply_file::run(site, &file, &|_: &str| None, Mode::Act).await {
                Err(PlanError::Refused(Refusal::ManagedByIdp { connection })) => {
                    assert_eq!(connection, kept.scene.okta.name);
                }
                other => panic!("{text}\n{other:?}"),
            }
        }
        assert_eq!(kept.seen().await, before, "and nothing has changed");
        assert_eq!(count_to(site, "ana@acme.test", Purpose::SetPassword).await, 0);
        assert_eq!(count_to(site, "ana@acme.test", Purpose::ResetPassword).await, 0);
    })
    .await;
}

// N06 N08
#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_the_door_for_it_is_told_to_change_it_at_the_provider() {
    on_both(async |site| {
        let kept = Kept::set(site).await;
        let Kept { scene, ana, devs, ours, newt, .. } = &kept;
        let org = &scene.acme.id;
        let (member, bo) = (scene.acme.member_id("ana").await, scene.acme.member_id("bo").await);
        let subject = Subject::Member(member.clone());
        let (role, scope, window) = (Role::OrgReader, Scope::Org, Window::ALWAYS);
        let binding = Binding { id: BindingId::fresh(), role, scope, subject, window };
        let profile = Box::new(Profile { name: Some("Eve".to_owned()), ..Profile::default() });
        let groups = |groups: &[&GroupId]| groups.iter().map(|id| (*id).clone()).collect::<BTreeSet<_>>();
        let members = |members: &[&MembershipId]| members.iter().map(|id| (*id).clone()).collect::<Vec<_>>();
        let (group, only_bo) = (devs.clone(), BTreeSet::from([bo.clone()]));
        let changes = [
            Change::SetProfile { user: ana.clone(), user_name: "ana".to_owned(), profile },
            Change::SetUserState { user: ana.clone(), state: UserState::Deleted },
            Change::SetAccessType { user: ana.clone(), access: AccessType::Key },
            Change::ResetPassword { user: ana.clone(), password: "$none".to_owned(), must_change: false },
            Change::RemoveMember { org: org.clone(), member: member.clone() },
            Change::ReplaceIdentity { org: org.clone(), member: member.clone(), by: newt.clone() },
            Change::SetGroupsOf { org: org.clone(), member: member.clone(), groups: groups(&[]) },
            Change::SetGroupsOf { org: org.clone(), member: member.clone(), groups: groups(&[devs, ours]) },
            Change::AddToGroup { org: org.clone(), group: ours.clone(), members: members(&[&bo, &member]) },
            Change::RemoveFromGroup { org: org.clone(), group: devs.clone(), members: members(&[&member]) },
            Change::SetGroupMembers { org: org.clone(), group, members: only_bo },
            Change::Bind { org: org.clone(), binding },
        ];
        let before = kept.seen().await;
        let olga = scene.acme.user_id("olga").await;
        for actor in [Actor::CommandLine, Actor::User(olga.clone()), Actor::Operator(olga)] {
            for change in &changes {
                // Who is in a directory's group, no person says in this way.
                if matches!(change, Change::SetGroupMembers { .. }) && actor != Actor::CommandLine {
                    continue;
                }
                for mode in [Mode::DryRun, Mode::Act] {
                    match change_access(site, &actor, vec![change.clone()], mode).await {
                        Err(Refusal::ManagedByIdp { connection }) => assert_eq!(connection, scene.okta.name),
                        other => panic!("{actor:?} {change:?}: {other:?}"),
                    }
                }
            }
        }
        assert_eq!(kept.seen().await, before);
    })
    .await;
}

// N07 N09 K11
#[tokio::test(flavor = "multi_thread")]
async fn everything_is_shown_as_before_and_of_each_person_who_manages_them_and_where() {
    on_both(async |site| {
        let kept = Kept::set(site).await;
        let Kept { scene, ana, bo, devs, .. } = &kept;
        let olga = &scene.olga;
        let mut read = 0;
        let routes = api::build(site).2;
        for route in routes.iter().filter(|route| route.method == "GET") {
            let Some(path) = route.path.strip_prefix(IN_ORG) else { continue };
            let path = path.replace("{user}", ana.as_str()).replace("{group}", devs.as_str());
            let mut path = path.replace("{connection}", scene.okta.connection.as_str());
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

        let mapping = format!("/api/v1/orgs/{}/connections/{}/mapping", scene.acme.id, scene.okta.connection);
        let keeper = json!({ "connection_id": scene.okta.connection.as_str(), "name": "Acme Okta",
                             "admin_url": CONSOLE_OF_OKTA, "mapping": mapping });
        let person = olga.get(&format!("/users/{ana}")).await;
        assert_eq!((&person["managed_by"], &person["upstream_active"]), (&keeper, &json!(true)), "{person}");
        assert_eq!(person["source"], format!("oidc:{}", scene.okta.connection));
        assert_eq!((&person["name"], &person["email"]), (&json!("ana Kim"), &json!("ana@acme.test")));
        assert_eq!((&person["groups"][0]["name"], &person["state"]), (&json!("devs"), &json!("active")));
        assert!(olga.get(&mapping).await["groups"].to_string().contains(DEVELOPERS), "there it leads");
        let listed = olga.get("/users?search=ana").await;
        assert_eq!(listed["items"][0]["managed_by"], keeper, "{listed}");
        let members = olga.get("/memberships?limit=200").await;
        let kept_ones = members["items"].as_array().unwrap().iter().filter(|row| row["managed_by"] == keeper).count();
        assert_eq!(kept_ones, 2, "{members}");
        assert_eq!(olga.get(&format!("/groups/{devs}/members")).await["items"][0]["user_id"], json!(ana));
        assert!(olga.get(&format!("/groups/{devs}")).await["managed_by"].is_null(), "the group is the organisation's");
        assert!(olga.get(&format!("/users/{bo}")).await["managed_by"].is_null());

        // A suspension of one's own stands beside what upstream says.
        olga.post(&format!("/users/{ana}/suspend"), json!({})).await;
        let person = olga.get(&format!("/users/{ana}")).await;
        assert_eq!((&person["state"], &person["upstream_active"]), (&json!("suspended"), &json!(true)), "{person}");
        assert_eq!(person["managed_by"], keeper);
        olga.post(&format!("/users/{ana}/resume"), json!({})).await;
        assert_eq!(olga.get(&format!("/users/{ana}")).await["state"], "active");
    })
    .await;
}

/// The fields of a form, with a browser's token.
async fn fields(clerk: &mut Clerk, typed: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut fields = vec![("csrf".to_owned(), clerk.csrf().await)];
    fields.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    fields
}

// N06 N07 K11
#[tokio::test(flavor = "multi_thread")]
async fn the_pages_show_who_is_managed_by_whom_and_change_nothing_of_them() {
    on_both(async |site| {
        let kept = Kept::set(site).await;
        let Kept { scene, ana, .. } = &kept;
        let name = scene.okta.name.as_str();
        // Whatever the organisation leaves to its people.
        let settings = Box::new(OrgSettings { own_data: OwnData::ALL.into(), ..OrgSettings::default() });
        site.act(vec![Change::SetOrgSettings { org: scene.acme.id.clone(), settings }]).await;
        let before = account(site, ana).await;

        let mut olga = Clerk::at(site, &scene.acme, "olga").await;
        let list = olga.open("people").await;
        let member = scene.acme.member_id("ana").await;
        let row = list.html.split(&format!("id=\"{member}\"")).nth(1).unwrap().split("</tr>").next().unwrap();
        for word in ["ana Kim", "ana@acme.test", "Managed by", name, "Active", "Identity provider", "devs"] {
            assert!(row.contains(word), "{word}: {row}");
        }
        assert!(!row.contains("password") && !row.contains(&format!("people/{member}/link")), "{row}");
        let sent = fields(&mut olga, &[]).await;
        let refused = olga.post(&format!("people/{member}/link"), &sent).await;
        assert_eq!(refused.answer.status, 409, "{:?}", refused.page);
        shows(&refused.page, &[name]);

        let mut browser = site.browser();
        scene.provider.says(says("ana", json!({ "groups": [DEVELOPERS] })));
        scene.okta.comes(site, &mut browser).await;
        let mut of_ana = Clerk { browser, base: olga.base.clone() };
        for (path, button) in [("/me/profile", "profile-submit"), ("/me/password", "password-submit")] {
            let page = of_ana.browser.open(&site.at.url(path)).await.page();
            shows(&page, &[name]);
            assert!(!page.has(button), "{path}: {page:?}");
        }
        let forms: [(&str, &[(&str, &str)]); 4] = [
            ("/me/profile", &[("act", "profile"), ("name", "Eve"), ("given_name", "Eve")]),
            ("/me/profile", &[("act", "email"), ("email", "eve@evil.test"), ("password", PASSWORD)]),
            ("/me/profile", &[("act", "phone"), ("phone", "+82 10 1234 5678"), ("password", PASSWORD)]),
            ("/me/password", &[("old", PASSWORD), ("password", OTHER), ("password_again", OTHER)]),
        ];
        for (path, typed) in forms {
            let sent = fields(&mut of_ana, typed).await;
            let answer = of_ana.browser.send(Method::POST, &site.at.url(path), Some(&sent)).await;
            assert!([400, 403, 409].contains(&answer.status), "{path} {typed:?}: {}", answer.status);
            assert!(answer.body.contains(name), "{path} says where to change it: {}", answer.body);
        }
        let after = account(site, ana).await;
        assert_eq!((after.name, after.profile), (before.name, before.profile));
    })
    .await;
}

// N08 N09
#[tokio::test(flavor = "multi_thread")]
async fn off_the_mapping_leaves_groups_and_roles_to_administrators_and_on_again_it_takes_nothing_that_they_gave() {
    on_both(async |site| {
        let kept = Kept::set(site).await;
        let Kept { scene, ana, cleo, devs, ours, .. } = &kept;
        let olga = &scene.olga;
        let path = format!("/connections/{}/mapping", scene.okta.connection);
        let mapping = olga.get(&path).await;
        let set = async |on: bool| {
            let mut mapping = mapping.clone();
            mapping["on"] = json!(on);
            olga.put(&path, mapping).await
        };
        let groups = async |user: &UserId| {
            let person = olga.get(&format!("/users/{user}")).await;
            let all = person["groups"].as_array().unwrap().iter();
            all.map(|group| group["name"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
        };
        assert_eq!(groups(ana).await, BTreeSet::from(["devs".to_owned()]));
        set(false).await;
        assert!(groups(ana).await.is_empty(), "what it gave goes with it");
        for (method, path, body) in kept.grants() {
            let answer = kept.call(&method, &path, &body).await;
            assert!((200..300).contains(&answer.status), "{method} {path} {body}: {} {}", answer.status, answer.body);
        }
        olga.post(&format!("/groups/{devs}/members/add"), json!({ "users": [ana] })).await;
        let given = BTreeSet::from(["devs", "ours"].map(str::to_owned));
        assert_eq!(groups(ana).await, given);
        for (method, path, body) in kept.of_the_account() {
            let answer = kept.call(&method, &path, &body).await;
            assert!(kept.refuses(&answer), "their names stay the provider's: {method} {path} {body}: {}", answer.body);
        }

        // On again: who was put somewhere by hand stays there, and nobody is put anywhere by hand any more.
        set(true).await;
        scene.enters(says("ana", json!({}))).await;
        assert_eq!(groups(ana).await, given);
        for (method, path, body) in [
            (Method::POST, format!("/groups/{devs}/members/add"), json!({ "users": [cleo] })),
            (Method::POST, "/bindings".into(), json!({ "user": cleo, "role": "trail.viewer" })),
        ] {
            assert!(kept.refuses(&kept.call(&method, &path, &body).await), "{method} {path}");
        }
        // What was given by hand is taken by hand, and what the mapping gives is steered by the group's roles.
        olga.post(&format!("/groups/{ours}/members/remove"), json!({ "users": [ana] })).await;
        olga.post("/bindings", json!({ "group": devs, "role": "billing.viewer" })).await;

        // Where the connection lets people be steered here, they are; their mapped places stay the mapping's.
        scene.enters(says("cleo", json!({ "groups": [DEVELOPERS] }))).await;
        olga.patch(&format!("/connections/{}", scene.okta.connection), json!({ "local_grants": true })).await;
        olga.post("/bindings", json!({ "user": cleo, "role": "trail.viewer" })).await;
        let take = json!({ "users": [cleo] });
        let answer = kept.call(&Method::POST, &format!("/groups/{devs}/members/remove"), &take).await;
        assert!(kept.refuses(&answer), "{}", answer.body);
    })
    .await;
}
