//! The other ways to what a connection keeps: a file, the command line, the console's pages, one's own pages; and what
//! becomes of it when the connection is off or gone.

use std::process::Stdio;

use muster::domain::apply_file::ApplyFile;
use muster::domain::change::{Change, Mode};
use muster::domain::mail::Purpose;
use muster::domain::people::user::UserState;
use muster::domain::settings::{OrgSettings, OwnData};
use muster::flows::apply_file::{self, PlanError};
use muster::flows::change_access::Refusal;
use muster::kernel::id::UserId;
use muster::store::{memberships, users};
use reqwest::Method;
use serde_json::json;
use tokio::process::Command;

use super::read_only_scene::{HEAD, OTHER, Scene, files};
use super::visitor::may_sign_in;
use crate::people::clerk::{Clerk, says};
use crate::support::PASSWORD;
use crate::support::admin::Admin;
use crate::support::mailbox::count_to;
use crate::support::server::{Site, on_both};

// N06 N08
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_names_what_a_connection_keeps_is_refused_whole_and_not_passed_over() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let before = scene.seen().await;
        let nothing = |_: &str| None;
        for text in files() {
            let file = ApplyFile::parse(&text).unwrap_or_else(|error| panic!("{text}\n{error}"));
            for mode in [Mode::DryRun, Mode::Act] {
                match apply_file::run(site, &file, &nothing, mode).await {
                    Err(PlanError::Refused(Refusal::ManagedByIdp { connection })) => assert_eq!(connection, scene.name),
                    other => panic!("{text}\n{other:?}"),
                }
            }
        }
        // All or nothing: what stands beside it is not carried out either.
        let text = format!("{HEAD}[[organisation.group]]\nname = \"New\"\n{}", &files()[2][HEAD.len()..]);
        assert!(apply_file::run(site, &ApplyFile::parse(&text).unwrap(), &nothing, Mode::Act).await.is_err());
        assert_eq!(scene.olga.get("/groups?search=new").await["items"], json!([]));
        assert_eq!(scene.seen().await, before);

        // A file steers by the roles of the directory's group, as the API does, and what prunes leaves it alone.
        let roles = "[[organisation.group]]\nname = \"Devs\"\nroles = [\"org.reader\"]\n";
        let people =
            "[[organisation.person]]\nuser_name = \"olga\"\nname = \"Olga Example\"\nemail = \"olga@example.test\"\n";
        let text = format!("{HEAD}owner = \"olga\"\nprune = true\n{people}{roles}");
        let file = ApplyFile::parse(&text).unwrap_or_else(|error| panic!("{error}"));
        apply_file::run(site, &file, &nothing, Mode::Act).await.unwrap();
        assert_eq!(
            scene.push.get(&format!("/Groups/{}", scene.devs)).await.json["members"][0]["value"],
            json!(scene.ana)
        );
        let role = &scene.olga.get(&format!("/users/{}/access", scene.ana)).await;
        assert!(role.to_string().contains("org.reader"), "{role}");
        let bo = users::find(&mut site.conn().await, &scene.bo.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(bo.state, UserState::Deleted, "who is the organisation's own is pruned");
    })
    .await;
}

/// What the real program prints, and its exit code.
async fn muster(site: &Site, by: &Admin, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MUSTER_") {
            command.env_remove(name);
        }
    }
    command.env("MUSTER_SERVER", &site.at.issuer).env("MUSTER_ORG", "acme").env("MUSTER_TOKEN", &by.token);
    let output = command.args(words).stdin(Stdio::null()).kill_on_drop(true).output().await.expect("it starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), format!("{out}\n{err}"))
}

// N06 N07 N08
#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_is_refused_alike_and_shows_it_all() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let before = scene.seen().await;
        let path = scene_file(site);
        let phrase = "Delete user from organization";
        let acts: [&[&str]; 15] = [
            &["user", "update", "ana", "--name", "Eve"],
            &["user", "update", "ana", "--email", "eve@evil.test"],
            &["user", "update", "ana", "--access-type", "key"],
            &["user", "update", "bo", "--group", "Devs"],
            &["user", "reset-password", "ana", "--kind", "generated"],
            &["user", "resend", "ana"],
            &["user", "set-groups", "ana", "--group", "Ours"],
            &["user", "set-roles", "ana", "--add", "org.reader"],
            &["user", "remove", "--user", "ana"],
            &["user", "delete", "ana", "--confirm", phrase],
            &["group", "update", "Devs", "--name", "Mine"],
            &["group", "add-members", "Devs", "bo"],
            &["group", "remove-members", "Devs", "ana"],
            &["group", "delete", "Devs", "--confirm", "Devs"],
            &["apply", "--server", &site.at.issuer, &path],
        ];
        for words in acts {
            let (status, told) = muster(site, &scene.olga, words).await;
            assert!(status == Some(6) && told.contains(&scene.name), "muster {words:?}: {status:?} {told}");
        }
        assert_eq!(scene.seen().await, before);
        let (status, told) = muster(site, &scene.olga, &["user", "show", "ana"]).await;
        assert!(status == Some(0) && told.contains(&scene.name) && told.contains("ana@pushed.test"), "{told}");
        let (status, told) = muster(site, &scene.olga, &["group", "members", "Devs"]).await;
        assert!(status == Some(0) && told.contains(&scene.ana), "{told}");
    })
    .await;
}

fn scene_file(site: &Site) -> String {
    let path = site.place.folder().join("kept.toml");
    std::fs::write(&path, &files()[0]).expect("the folder can be written");
    path.to_str().unwrap().to_owned()
}

/// The fields of a form, with this browser's token.
async fn fields(clerk: &mut Clerk, typed: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut fields = vec![("csrf".to_owned(), clerk.csrf().await)];
    fields.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    fields
}

// N06 N07 N08
#[tokio::test(flavor = "multi_thread")]
async fn the_console_shows_who_keeps_whom_and_its_forms_put_nobody_into_a_group_of_a_connection() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let before = scene.seen().await;
        let members = async || memberships::of_org(&mut site.conn().await, &scene.org.id).await.unwrap().len();
        let count = members().await;
        let mut olga = Clerk::at(site, &scene.org, "olga").await;
        let list = olga.open("people").await;
        says(&list, &["ana Pushed", "ana@pushed.test", "Devs", "SCIM", &format!("Managed by {}", scene.name)]);
        let member = scene.org.member_id("ana").await;
        assert!(!list.html.contains(&format!("people/{member}/link")), "no link is offered: {list:?}");
        for path in ["people/register", "people/bulk", "people/invite"] {
            let page = olga.open(path).await;
            assert!(page.html.contains(&scene.ours) && !page.html.contains(&scene.devs), "{path}: {page:?}");
        }

        // Forms that name the group nevertheless.
        let nora = [("username", "nora"), ("credential", "generated"), ("group", scene.devs.as_str())];
        let sent = fields(&mut olga, &nora).await;
        let refused = olga.post("people/register", &sent).await;
        assert!([400, 409].contains(&refused.answer.status), "{:?}", refused.page);
        let nora = [("people", "Nora Kim <nora@acme.example>"), ("group", scene.devs.as_str())];
        let sent = fields(&mut olga, &nora).await;
        let refused = olga.post("people/invite", &sent).await;
        assert!([400, 409].contains(&refused.answer.status), "{:?}", refused.page);
        let list = "Nora Kim, nora@acme.example, Devs\nMax Lee, max@acme.example";
        let sent = fields(&mut olga, &[("people", list), ("credential", "link"), ("act", "preview")]).await;
        let checked = olga.post("people/bulk", &sent).await.page;
        says(&checked, &["Managed elsewhere", &scene.name, "1 can be registered, 1 can't"]);
        let done = olga.submit(&checked, "go-on", &[]).await.page;
        says(&done, &["1 registered, 1 skipped", "Managed elsewhere"]);
        let sent = fields(&mut olga, &[]).await;
        let refused = olga.post(&format!("people/{member}/link"), &sent).await;
        assert_eq!(refused.answer.status, 409, "{:?}", refused.page);
        says(&refused.page, &[&scene.name]);
        assert_eq!(count_to(site, "ana@pushed.test", Purpose::SetPassword).await, 0);
        assert_eq!(members().await, count + 1, "Max came, and nobody else");
        let after = scene.seen().await;
        assert_eq!(after[..7], before[..7], "and of what was there nothing changed");
    })
    .await;
}

// N06 N08
#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_of_themselves_what_a_connection_says_of_them() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        // Whatever the organisation leaves to its people.
        let settings = Box::new(OrgSettings { own_data: OwnData::ALL.into(), ..OrgSettings::default() });
        site.act(vec![Change::SetOrgSettings { org: scene.org.id.clone(), settings }]).await;
        may_sign_in(site, &scene.ana).await;
        let id: UserId = scene.ana.parse().unwrap();
        let account = async || users::find(&mut site.conn().await, &id).await.unwrap().unwrap();
        let hash =
            async || users::password_facts(&mut site.conn().await, &id).await.unwrap().and_then(|it| it.password);
        let (before, secret, seen) = (account().await, hash().await, scene.seen().await);

        let mut ana = Clerk::at(site, &scene.org, "ana").await;
        for (path, button) in [("/me/profile", "profile-submit"), ("/me/password", "password-submit")] {
            let page = ana.browser.open(&site.at.url(path)).await.page();
            says(&page, &[&scene.name]);
            assert!(!page.has(button), "{path}: {page:?}");
        }
        let forms: [(&str, &[(&str, &str)]); 4] = [
            ("/me/profile", &[("act", "profile"), ("name", "Eve"), ("given_name", "Eve")]),
            ("/me/profile", &[("act", "email"), ("email", "eve@evil.test"), ("password", PASSWORD)]),
            ("/me/profile", &[("act", "phone"), ("phone", "+82 10 1234 5678"), ("password", PASSWORD)]),
            ("/me/password", &[("old", PASSWORD), ("password", OTHER), ("password_again", OTHER)]),
        ];
        for (path, typed) in forms {
            let sent = fields(&mut ana, typed).await;
            let answer = ana.browser.send(Method::POST, &site.at.url(path), Some(&sent)).await;
            assert!([400, 403, 409].contains(&answer.status), "{path} {typed:?}: {}", answer.status);
            assert!(answer.body.contains(&scene.name), "{path} says where to change it: {}", answer.body);
        }

        let api = Admin::of(site, &scene.org, "ana").await;
        for (method, path, body) in [
            (Method::PATCH, "/api/v1/me", json!({ "name": "Eve" })),
            (Method::PATCH, "/api/v1/me", json!({ "locale": "ko" })),
            (Method::PATCH, "/api/v1/me", json!({ "email": "eve@evil.test", "password": PASSWORD })),
            (Method::PATCH, "/api/v1/me", json!({ "phone": "+82101234567", "password": PASSWORD })),
            (Method::POST, "/api/v1/me/password", json!({ "old": PASSWORD, "new": OTHER })),
        ] {
            let answer = api.call(method.clone(), path, Some(&body)).await;
            assert!(scene.refuses(&answer), "{method} {path} {body}: {} {}", answer.status, answer.body);
        }
        // A password that is said to be forgotten is none of Muster's.
        for name in ["ana", "ana@pushed.test", "cleo"] {
            let mut browser = site.browser();
            let page = browser.open(&site.at.url("/forgot")).await.page();
            let done = browser.press(&page, "forgot-submit", &[("username", name)]).await.page();
            assert_eq!(done.status, 200, "{name} is answered like everybody");
        }
        for (to, purpose) in [
            ("ana@pushed.test", Purpose::ResetPassword),
            ("cleo@pushed.test", Purpose::ResetPassword),
            ("eve@evil.test", Purpose::ConfirmEmail),
        ] {
            assert_eq!(count_to(site, to, purpose).await, 0, "{to}");
        }
        let after = account().await;
        assert_eq!((after.name, after.profile), (before.name, before.profile));
        assert_eq!(hash().await, secret);
        let still = scene.seen().await;
        assert_eq!(still[3..7], seen[3..7]);
    })
    .await;
}

// N06
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_off_or_gone_keeps_what_it_kept_until_it_is_released() {
    on_both(async |site| {
        let scene = Scene::set(site).await;
        let Scene { olga, ana, devs, push, .. } = &scene;
        let path = format!("/connections/{}", push.connection);
        let rename = json!({ "name": "Ana Anew" });
        let still = async |when: &str| {
            for (method, path, body) in [
                ("PATCH", format!("/users/{ana}"), rename.clone()),
                ("POST", format!("/groups/{devs}/members/remove"), json!({ "users": [ana] })),
                ("POST", format!("/users/{ana}/password"), json!({ "password": OTHER })),
            ] {
                let answer = scene.call(method, &path, &body).await;
                assert!(scene.refuses(&answer), "{when}: {method} {path}: {}", answer.body);
            }
        };
        let release = format!("{path}/release");
        let refused = olga.refused(Method::POST, &release, json!({})).await;
        assert_eq!(refused.0, 409, "one that works is not released: {refused:?}");
        olga.patch(&path, json!({ "state": "disabled" })).await;
        still("while it is off").await;
        let name = scene.name.replace(' ', "%20");
        olga.delete(&format!("{path}?confirm={name}")).await;
        still("when it is gone").await;
        olga.post(&release, json!({})).await;
        assert_eq!(olga.patch(&format!("/users/{ana}"), rename).await["object"]["name"], "Ana Anew");
        olga.post(&format!("/groups/{devs}/members/remove"), json!({ "users": [ana] })).await;
        olga.post(&format!("/users/{ana}/password"), json!({ "password": OTHER })).await;
        assert_eq!(push.get(&format!("/Users/{ana}")).await.error(), (401, ""));
    })
    .await;
}
