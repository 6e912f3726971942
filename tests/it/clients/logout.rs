//! Relying parties that nobody here wrote, and back-channel logout: whoever lost a role is out of them.

use std::process::Stdio;
use std::time::Duration;

use muster::domain::keys::Alg;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{ChildStdout, Command};

use super::scripts;
use crate::support::PASSWORD;
use crate::support::application::Credentials;
use crate::support::process::free_port;
use crate::support::server::{Site, on_both};

/// How long a script may take for a step: starting an interpreter on a busy machine is the slowest of them.
const PATIENCE: Duration = Duration::from_secs(90);
/// The most between the answer to the change and "out" at the application.
const OUT: Duration = Duration::from_secs(5);

/// The next line of facts; what went wrong stands on the script's standard error, which is the test's own.
async fn line(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("the script goes on").unwrap();
    let line = line.expect("the script tells its facts; its standard error says why it did not");
    serde_json::from_str(&line).unwrap_or_else(|_| panic!("no facts: {line}"))
}

/// Ana and Bo sign in at an application of another make, Ana loses her only role, and she alone is out.
async fn who_loses_a_role_is_out(site: &Site, client_id: &str, mut script: Command) -> Value {
    let acme = site.org("acme").await;
    let mut people = Vec::new();
    for name in ["ana", "bo"] {
        people.push(acme.person(name, PASSWORD).await);
    }
    let of_ana = acme.give("ana", "org.reader", None).await;
    acme.give("bo", "org.reader", None).await;
    let origin = format!("http://127.0.0.1:{}", free_port());
    let registered = acme
        .application_with(client_id, |application| {
            application.redirect_uris = vec![format!("{origin}/callback")];
            application.backchannel_logout_uri = Some(format!("{origin}/backchannel-logout"));
            application.id_token_alg = Alg::Rs256;
        })
        .await;
    let Credentials::Basic(secret) = &registered.credentials else { panic!("it has a secret") };
    script.env("MUSTER_ISSUER", &site.at.issuer).env("CLIENT_ID", client_id).env("CLIENT_SECRET", secret);
    script.env("REDIRECT_URI", format!("{origin}/callback")).env("PASSWORD", PASSWORD);
    script.env("USERNAME", "ana").env("OTHER_USERNAME", "bo");
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = script.spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();

    let first = line(&mut lines).await;
    assert_eq!(first["signed_in"], json!(people.iter().map(|id| id.as_str()).collect::<Vec<_>>()));
    let receipt = acme.take(&of_ana).await;
    assert_eq!((receipt.ended.sessions, receipt.told.len()), (1, 1));
    child.stdin.as_mut().unwrap().write_all(b"look\n").await.unwrap();
    let facts = line(&mut lines).await;
    let after = facts["signed_out_after_ms"].as_u64().expect("the script measures it");
    assert!(Duration::from_millis(after) < OUT, "{facts}");
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends").unwrap();
    assert!(ended.success(), "{facts}");
    facts
}

#[tokio::test(flavor = "multi_thread")]
async fn express_openid_connect_signs_out_whom_a_logout_token_names() {
    let Some(folder) = scripts("node") else {
        return;
    };
    on_both(async |site| {
        let mut script = Command::new("node");
        script.arg(folder.join("node/logout_express.mjs"));
        let facts = who_loses_a_role_is_out(site, "express", script).await;
        assert_eq!((&facts["client"], &facts["answers"]), (&json!("express-openid-connect"), &json!([204])));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idpyoidc_signs_out_whom_a_logout_token_names() {
    let Some(folder) = scripts("python") else {
        return;
    };
    on_both(async |site| {
        let mut script = Command::new(folder.join("python/venv/bin/python"));
        script.arg(folder.join("python/logout_idpyoidc.py"));
        let facts = who_loses_a_role_is_out(site, "idpyoidc", script).await;
        assert_eq!((&facts["client"], &facts["answers"]), (&json!("idpyoidc"), &json!([200])));
    })
    .await;
}
