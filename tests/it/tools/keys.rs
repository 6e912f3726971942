//! Access keys: what their tokens say and to whom, how many there may be, for how long, and what is kept of them.

use std::time::Duration;

use muster::domain::access::{Binding, Role, Scope, Subject, Window};
use muster::domain::change::Change;
use muster::domain::people::user::AccessType;
use muster::flows::change_access::Refusal;
use muster::kernel::id::BindingId;
use muster::kernel::secret::Digest;
use muster::kernel::time::{DAY, MINUTE, SECOND};
use muster::store::access_keys::{self, Page};
use reqwest::Method;
use serde_json::Value;

use super::{RESOURCE, Tool, acme};
use crate::support::application::sample;
use crate::support::browser::Person;
use crate::support::client::{Tokens, claims, list, part};
use crate::support::http::Answer;
use crate::support::server::on_both;

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

#[tokio::test(flavor = "multi_thread")]
async fn a_key_becomes_a_token_with_the_roles_on_its_project_and_nothing_else() {
    on_both(async |site| {
        let (acme, api) = acme(site).await;
        acme.give("ana", "project.admin", Some("web")).await;
        acme.give("ana", "project.reader", Some("data")).await;
        acme.give("ana", "org.reader", None).await;
        let tool = Tool::of_person(site, &acme, "ana", "web").await;
        let tokens = Tokens::read(&tool.ask().await);
        assert_eq!((&tokens.answer["expires_in"], &tokens.answer["scope"]), (&3600.into(), &"roles".into()));
        assert!(tokens.refresh().is_empty() && tokens.id().is_empty());
        let told = tokens.claims();
        let texts = [
            ("sub", acme.user_id("ana").await.to_string()),
            ("client_id", tool.key.to_string()),
            ("aud", RESOURCE.to_owned()),
            ("org_id", acme.id.to_string()),
            ("org_slug", "acme".to_owned()),
            ("project", "web".to_owned()),
        ];
        for (name, text) in texts {
            assert_eq!(told[name], text.as_str(), "{name}");
        }
        assert!(told["jti"].as_str().unwrap().starts_with(&format!("{}.", tool.key)));
        assert_eq!(list(&told["roles"]), ["project.admin", "project.member"]);
        for name in ["org_roles", "project_roles", "groups", "sid", "auth_time", "email"] {
            assert_eq!(told[name], Value::Null, "{name}");
        }
        let header = part(tokens.access(), 0);
        assert_eq!((&header["typ"], &header["alg"]), (&"at+jwt".into(), &"ES256".into()));

        assert_eq!(list(&api.introspect(tokens.access()).await["roles"]), ["project.admin", "project.member"]);
        let other = site.client(&acme.application("other").await);
        assert!(!other.is_active(tokens.access()).await, "it is none of its business");
        let refused = api.userinfo(tokens.access()).await;
        assert_eq!(refused.status, 403, "userinfo is about people");
        assert!(refused.header("www-authenticate").contains("insufficient_scope"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_asks_for_its_own_grant_and_for_known_resources_only() {
    on_both(async |site| {
        let (acme, _) = acme(site).await;
        site.org("globex")
            .await
            .application_with("theirs", |application| application.resource = Some("https://theirs.example".to_owned()))
            .await;
        let tool = Tool::of_person(site, &acme, "ana", "web").await;
        let plain = Tokens::read(&tool.post("/token", &[GRANT]).await);
        assert_eq!(
            (&plain.claims()["aud"], &plain.answer["scope"]),
            (&site.at.issuer.as_str().into(), &"roles".into())
        );
        let asked = [GRANT, ("scope", "openid muster.admin email project:data")];
        let admin = Tokens::read(&tool.post("/token", &asked).await);
        assert_eq!(admin.answer["scope"], "muster.admin roles");

        let cases: [(&[(&str, &str)], u16, &str); 6] = [
            (&[GRANT, ("resource", "https://theirs.example")], 400, "invalid_target"),
            (&[GRANT, ("resource", "https://nobody.example")], 400, "invalid_target"),
            (&[GRANT, ("resource", RESOURCE), ("scope", "muster.admin")], 400, "invalid_target"),
            (&[GRANT, ("scope", "a\"b")], 400, "invalid_scope"),
            (&[("grant_type", "refresh_token"), ("refresh_token", "x")], 400, "unauthorized_client"),
            (&[("grant_type", "password")], 400, "unsupported_grant_type"),
        ];
        for (fields, status, error) in cases {
            assert_eq!(tool.post("/token", fields).await.refusal(), (status, error.to_owned()), "{fields:?}");
        }
        // In the form as well as in the header.
        let form = [GRANT, ("client_id", tool.key.as_str()), ("client_secret", tool.secret.as_str())];
        let posted = Answer::to(site.at.request(Method::POST, &site.at.url("/token")).form(&form)).await;
        assert_eq!(Tokens::read(&posted).claims()["client_id"], tool.key.as_str());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_a_wrong_secret_and_a_key_without_one_are_answered_alike() {
    on_both(async |site| {
        let (acme, _) = acme(site).await;
        let tool = Tool::of_person(site, &acme, "ana", "web").await;
        let others = Tool::of_person(site, &acme, "bo", "web").await;
        let nobody = "ack_00000000000000000000000000";
        let ask = async |id: &str, secret: Option<&str>| {
            let mut form = vec![GRANT, ("client_id", id)];
            form.extend(secret.map(|secret| ("client_secret", secret)));
            Answer::to(site.at.request(Method::POST, &site.at.url("/token")).form(&form)).await
        };
        let expected = ask(nobody, Some(tool.secret.as_str())).await;
        assert_eq!(expected.refusal(), (401, "invalid_client".to_owned()));
        let cases = [
            (tool.key.as_str(), Some("mks_wrong")),
            (tool.key.as_str(), Some(others.secret.as_str())),
            (tool.key.as_str(), None),
            (nobody, None),
        ];
        for (id, secret) in cases {
            let answer = ask(id, secret).await;
            assert_eq!((answer.status, answer.body), (expected.status, expected.body.clone()), "{id} {secret:?}");
        }
        tool.token().await;
        // An application can't take a key's name, and so can't see its tokens.
        let mut squatter = sample(others.key.as_str());
        squatter.org = Some(acme.id.clone());
        let refusal = site.change(vec![Change::PutApplication(Box::new(squatter))]).await.err().unwrap();
        assert!(matches!(refusal, Refusal::Invalid { field: "client_id", .. }), "{refusal}");
    })
    .await;
}

// K15
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_member_has_two_keys_on_a_project_however_many_are_asked_for_at_once() {
    on_both(async |site| {
        let (acme, _) = acme(site).await;
        acme.give("ana", "project.reader", Some("data")).await;
        let (ana, until) = (acme.member_id("ana").await, site.now().plus(DAY));
        let ask = |project: &'static str| Tool::until(site, &acme, (&ana, project), until);
        let asked = tokio::join!(ask("web"), ask("web"), ask("web"), ask("web"));
        let (made, refused): (Vec<_>, Vec<_>) =
            [asked.0, asked.1, asked.2, asked.3].into_iter().partition(Result::is_ok);
        assert_eq!(made.len(), 2);
        assert!(refused.iter().all(|refusal| matches!(refusal, Err(Refusal::Limit(_)))));
        let first = made.into_iter().next().unwrap().ok().unwrap();
        assert!(ask("data").await.is_ok(), "another project has its own two");
        Tool::of_person(site, &acme, "bo", "web").await;

        // A disabled one counts, a removed one doesn't.
        site.act(vec![first.set(&acme, false)]).await;
        assert!(matches!(ask("web").await, Err(Refusal::Limit(_))));
        let remove = Change::RemoveAccessKey { org: acme.id.clone(), key: first.key.clone() };
        assert_eq!(site.act(vec![remove]).await.ended.access_keys, 1);
        assert!(ask("web").await.is_ok());
        let all = access_keys::of_member(&mut site.conn().await, &acme.id, &ana).await.unwrap();
        assert_eq!(all.len(), 3);
    })
    .await;
}

// K52
#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_a_name_and_an_end_and_is_refused_from_then_on() {
    on_both(async |site| {
        let (acme, api) = acme(site).await;
        let (ana, now) = (acme.member_id("ana").await, site.now());
        for (until, field) in [(now.minus(SECOND), "expires_at"), (now.plus(366 * DAY), "expires_at")] {
            let refusal = Tool::until(site, &acme, (&ana, "web"), until).await.err().unwrap();
            assert!(matches!(&refusal, Refusal::Invalid { field: named, .. } if *named == field), "{refusal}");
        }
        let until = now.plus(30 * MINUTE);
        let tool = Tool::until(site, &acme, (&ana, "web"), until).await.ok().unwrap();
        let unnamed =
            Change::SetAccessKey { org: acme.id.clone(), key: tool.key.clone(), name: " ".to_owned(), active: true };
        assert!(matches!(site.change(vec![unnamed]).await, Err(Refusal::Invalid { field: "name", .. })));
        let token = tool.token().await;
        assert!(api.is_active(&token).await);
        assert_eq!(claims(&token)["exp"].as_i64(), Some(until.seconds()), "no token outlives its key");
        let expired = async || {
            let page = Page { expired_at: Some(site.now()), after: None, limit: 10 };
            access_keys::of_org(&mut site.conn().await, &acme.id, &page).await.unwrap().len()
        };
        assert_eq!(expired().await, 0);
        site.advance(31 * MINUTE);
        tool.is_refused().await;
        assert!(!api.is_active(&token).await);
        assert_eq!(expired().await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_needs_a_role_on_its_project_and_a_member_of_the_organisation() {
    on_both(async |site| {
        let (acme, _) = acme(site).await;
        let globex = site.org("globex").await;
        globex.project("web").await;
        globex.person("gus", crate::support::PASSWORD).await;
        let (ana, gus, until) = (acme.member_id("ana").await, globex.member_id("gus").await, site.now().plus(DAY));
        let refusal = Tool::until(site, &acme, (&ana, "data"), until).await.err().unwrap();
        assert!(matches!(refusal, Refusal::Invalid { field: "project", .. }), "{refusal}");
        let refusal = Tool::until(site, &acme, (&gus, "web"), until).await.err().unwrap();
        assert!(matches!(refusal, Refusal::NotFound(_)), "{refusal}");
        acme.give("ana", "project.reader", Some("*")).await;
        assert!(Tool::until(site, &acme, (&ana, "data"), until).await.is_ok(), "a role on all projects is one there");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_with_the_window_that_its_roles_come_from_and_the_key_with_the_last_of_them() {
    on_both(async |site| {
        let (acme, api) = acme(site).await;
        let (ana, data) = (acme.member_id("ana").await, acme.project_id("data").await);
        let over = site.now().plus(10 * MINUTE);
        let binding = Binding {
            id: BindingId::fresh(),
            role: Role::ProjectReader,
            scope: Scope::Project(data),
            subject: Subject::Member(ana.clone()),
            window: Window { not_after: over, ..Window::ALWAYS },
        };
        site.act(vec![Change::Bind { org: acme.id.clone(), binding }]).await;
        let tool = Tool::of(site, &acme, &ana, "data").await;
        let token = tool.token().await;
        assert!(claims(&token)["exp"].as_i64().unwrap() <= over.seconds());
        assert!(api.is_active(&token).await);
        site.advance(11 * MINUTE);
        assert!(!api.is_active(&token).await);
        site.act(vec![Change::EndWindows { org: acme.id.clone() }]).await;
        tool.is_refused().await;
        let listed = tool.listed(site, &acme).await.unwrap();
        assert_eq!((listed.state.as_str(), listed.end_reason.as_deref()), ("ended", Some("access_lost")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_key_takes_its_tokens_with_it_and_enabling_brings_none_back() {
    on_both(async |site| {
        let (acme, api) = acme(site).await;
        let (tool, other) =
            (Tool::of_person(site, &acme, "ana", "web").await, Tool::of_person(site, &acme, "ana", "web").await);
        let (before, kept) = (tool.token().await, other.token().await);
        site.act(vec![tool.set(&acme, false)]).await;
        tool.is_refused().await;
        assert!(!api.is_active(&before).await && api.is_active(&kept).await);
        site.act(vec![tool.set(&acme, true)]).await;
        assert!(!api.is_active(&before).await, "disabled once, dead for good");
        site.advance(2 * SECOND);
        let after = tool.token().await;
        assert!(api.is_active(&after).await && !api.is_active(&before).await && api.is_active(&kept).await);
        assert!(site.act(vec![tool.set(&acme, true)]).await.is_empty(), "it is so already");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_revokes_its_own_tokens_and_nobody_elses() {
    on_both(async |site| {
        let (acme, api) = acme(site).await;
        let (hers, his) =
            (Tool::of_person(site, &acme, "ana", "web").await, Tool::of_person(site, &acme, "bo", "web").await);
        let (one, two) = (hers.token().await, hers.token().await);
        assert_eq!(his.post("/revoke", &[("token", one.as_str())]).await.status, 200);
        assert_eq!(api.revoke(&one).await.status, 200);
        assert!(api.is_active(&one).await, "neither a stranger's key nor who it was made for may");
        assert_eq!(hers.post("/revoke", &[("token", one.as_str())]).await.status, 200);
        assert!(!api.is_active(&one).await && api.is_active(&two).await);
    })
    .await;
}

// H10
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_kept_as_a_digest_and_stands_nowhere_in_clear() {
    on_both(async |site| {
        let (acme, _) = acme(site).await;
        let tool = Tool::of_person(site, &acme, "ana", "web").await;
        tool.token().await;
        let mut conn = site.conn().await;
        let (kept,): (Vec<u8>,) = conn
            .query("SELECT secret_hash FROM access_keys WHERE id = $1")
            .bind(tool.key.to_string())
            .one()
            .await
            .unwrap();
        assert_eq!(kept, Digest::of(tool.secret.as_bytes()).to_vec());
        let texts = ["SELECT receipt FROM changes", "SELECT detail FROM audit", "SELECT action FROM audit"];
        for sql in texts {
            let rows: Vec<(String,)> = conn.query(sql).all().await.unwrap();
            assert!(rows.iter().all(|(text,)| !text.contains(&tool.secret)), "{sql}");
        }
        // The embedded database's own files, its log of writes among them.
        for file in std::fs::read_dir(site.place.folder()).unwrap().map(|file| file.unwrap().path()) {
            let bytes = std::fs::read(&file).unwrap_or_default();
            let found = bytes.windows(tool.secret.len()).any(|window| window == tool.secret.as_bytes());
            assert!(!found, "{} has the secret", file.display());
        }
    })
    .await;
}

// H02 H06
#[tokio::test(flavor = "multi_thread")]
async fn an_account_for_keys_can_not_sign_in_and_its_key_works() {
    on_both(async |site| {
        let (acme, api) = acme(site).await;
        let tool = Tool::of_person(site, &acme, "ana", "web").await;
        let before = tool.token().await;
        let user = acme.user_id("ana").await;
        site.act(vec![Change::SetAccessType { user, access: AccessType::Key }]).await;
        assert!(!api.is_active(&before).await, "what it had open ended");
        assert!(api.is_active(&tool.token().await).await);
        let refused = site.browser().sign_in(Person::named("ana")).await.page();
        assert!(refused.has("login-submit"), "{refused:?}");
        let welcome = site.browser().sign_in(Person::named("bo")).await.page();
        assert!(!welcome.has("login-submit"), "{welcome:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_of_a_key_is_noted() {
    on_both(async |site| {
        let (acme, _) = acme(site).await;
        let tool = Tool::of_person(site, &acme, "ana", "web").await;
        assert!(tool.listed(site, &acme).await.unwrap().last_used_at.is_none());
        tool.token().await;
        for _ in 0..100 {
            if tool.listed(site, &acme).await.unwrap().last_used_at.is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nobody noted it");
    })
    .await;
}
