//! Clients that nobody here wrote, against a server of ours: the scripts of `tests/clients`, which say what must hold.

mod api;
mod demo;
mod federation;
mod logout;
mod passkeys;
mod scim;
mod totp;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use muster::domain::keys::Alg;
use muster::domain::oauth::application::{AuthMethod, GrantType};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::application::{Credentials, Registered};
use crate::support::org::Org;
use crate::support::process::free_port;
use crate::support::server::{Site, on_both};
use crate::support::{PASSWORD, skip};

const PATIENCE: Duration = Duration::from_secs(300);

/// The folder with the scripts and what they need, or `None` where there is none and `what` isn't required.
fn scripts(what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("MUSTER_TEST_CLIENTS").map(PathBuf::from).filter(|folder| folder.is_dir());
    if folder.is_none() {
        skip(what, "MUSTER_TEST_CLIENTS names no folder");
    }
    folder
}

/// Acme as the scripts expect it, and its one person.
async fn acme(site: &Site) -> Org {
    let acme = site.org("acme").await;
    acme.project("web").await;
    acme.person("ana", PASSWORD).await;
    acme.group("Web team", &["ana"]).await;
    acme.give("ana", "org.reader", None).await;
    acme.give_group("Web team", "project.admin", Some("web")).await;
    acme
}

/// Runs a script with the settings that all of them take; its facts.
async fn tells(site: &Site, registered: &Registered, mut script: Command, settings: &[(&str, &str)]) -> Value {
    let application = &registered.application;
    script.env("MUSTER_ISSUER", &site.at.issuer).env("CLIENT_ID", &application.client_id);
    script.env("REDIRECT_URI", &application.redirect_uris[0]).env("USERNAME", "ana").env("PASSWORD", PASSWORD);
    script.env("EXPECT_ORG_ROLES", json!(["org.reader"]).to_string());
    script.env("EXPECT_PROJECT_ROLES", json!({ "web": ["project.admin"] }).to_string());
    if let Credentials::Basic(secret) | Credentials::Post(secret) = &registered.credentials {
        script.env("CLIENT_SECRET", secret);
    }
    script.envs(settings.iter().copied());
    facts(script).await
}

/// Runs a script that must succeed; its facts.
async fn facts(mut script: Command) -> Value {
    script.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, script.output()).await.expect("it ends").expect("it starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "it failed:\n{err}\n{out}");
    serde_json::from_str(out.trim()).unwrap_or_else(|_| panic!("no facts: {out}\n{err}"))
}

fn python(folder: &Path) -> Command {
    let mut command = Command::new(folder.join("python/venv/bin/python"));
    command.arg(folder.join("python/authlib_client.py"));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn openid_client_tells_its_whole_story() {
    let Some(folder) = scripts("node") else {
        return;
    };
    on_both(async |site| {
        let acme = acme(site).await;
        let registered = acme
            .application_with("openid-client", |application| {
                (application.id_token_alg, application.trusted) = (Alg::Rs256, false);
            })
            .await;
        let mut script = Command::new("node");
        script.arg(folder.join("node/openid_client.mjs"));
        let settings = [("POST_LOGOUT_REDIRECT_URI", "https://shop.example/"), ("ORGANIZATION", "acme")];
        let facts = tells(site, &registered, script, &settings).await;
        assert_eq!((&facts["client"], &facts["org_slug"]), (&json!("openid-client"), &json!("acme")));
        assert_eq!((&facts["id_token_alg"], &facts["access_token_alg"]), (&json!("RS256"), &json!("ES256")));
        assert_eq!(facts["sub"], acme.user_id("ana").await.as_str());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openid_client_signs_in_as_a_device_without_a_browser() {
    let Some(folder) = scripts("node") else {
        return;
    };
    on_both(async |site| {
        let acme = acme(site).await;
        let registered = acme
            .application_with("device", |application| {
                application.id_token_alg = Alg::Rs256;
                application.grant_types.push(GrantType::DeviceCode);
            })
            .await;
        let mut script = Command::new("node");
        script.arg(folder.join("node/device.mjs"));
        let facts = tells(site, &registered, script, &[]).await;
        assert_eq!((&facts["org_slug"], &facts["pages"]), (&json!("acme"), &json!(["code", "sign-in", "confirm"])));
        assert_eq!(facts["sub"], acme.user_id("ana").await.as_str());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authlib_tells_its_whole_story_with_a_secret_and_with_a_key() {
    let Some(folder) = scripts("python") else {
        return;
    };
    on_both(async |site| {
        let acme = acme(site).await;
        let with_secret = acme
            .application_with("authlib", |application| {
                (application.auth_method, application.id_token_alg) = (AuthMethod::ClientSecretPost, Alg::Rs256);
            })
            .await;
        let facts = tells(site, &with_secret, python(&folder), &[]).await;
        assert_eq!(facts["auth_method"], "client_secret_post");

        let key = site.place.folder().join("authlib.jwk");
        let made = python(&folder).arg("--new-key").arg(&key).output().await.expect("it starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let jwks = String::from_utf8(made.stdout).unwrap();
        let mut with_key = acme
            .application_with("authlib-key", |application| application.auth_method = AuthMethod::PrivateKeyJwt)
            .await;
        with_key.application.jwks = Some(jwks.trim().to_owned());
        let put = muster::domain::change::Change::PutApplication(Box::new(with_key.application.clone()));
        site.act(vec![put]).await;
        let facts = tells(site, &with_key, python(&folder), &[("PRIVATE_KEY_FILE", key.to_str().unwrap())]).await;
        assert_eq!(facts["auth_method"], "private_key_jwt");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_browser_finds_no_fault_with_the_pages() {
    let Some(folder) = scripts("chromium") else {
        return;
    };
    on_both(async |site| {
        let acme = acme(site).await;
        let redirect_uri = format!("http://127.0.0.1:{}/callback", free_port());
        let registered = acme
            .application_with("form-post", |application| {
                application.redirect_uris = vec![redirect_uri.clone()];
                application.grant_types = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
                application.trusted = false;
            })
            .await;
        let pictures = site.place.folder().join("pictures");
        std::fs::create_dir_all(&pictures).unwrap();
        let mut script = Command::new("node");
        script.arg(folder.join("node/browser.mjs")).arg(&pictures);
        let facts = tells(site, &registered, script, &[]).await;
        assert_eq!(facts["form_post"], json!(["with scripts", "without scripts"]));
    })
    .await;
}
