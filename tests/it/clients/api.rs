//! schemathesis against the REST API: whatever it makes up from the OpenAPI document, no answer is a 500 and none is
//! undocumented.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::process::Command;

use super::scripts;
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::server::on_both;

const PATIENCE: Duration = Duration::from_secs(420);
const CHECKS: &str =
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth";

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_500_and_no_answer_that_is_not_documented() {
    let Some(folder) = scripts("python") else {
        return;
    };
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.project("web").await;
        let ana = acme.person("ana", PASSWORD).await;
        acme.group("devs", &["ana"]).await;
        acme.give_group("devs", "project.admin", Some("web")).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let settings = site.place.folder().join("schemathesis.toml");
        let lines = json!({ "path.org": "acme", "path.project": "web", "path.user": ana.as_str() });
        let lines: Vec<String> =
            lines.as_object().unwrap().iter().map(|(name, value)| format!("\"{name}\" = {value}")).collect();
        std::fs::write(&settings, format!("[parameters]\n{}\n", lines.join("\n"))).unwrap();
        let mut run = Command::new(folder.join("python/venv/bin/schemathesis"));
        run.arg("--config-file").arg(&settings).arg("run").arg(site.at.url("/api/v1/openapi.json"));
        run.args(["--url", &site.at.issuer, "--checks", CHECKS, "--phases", "examples,coverage,fuzzing"]);
        run.args(["--max-examples", "6", "--seed", "7", "--no-shrink", "--warnings", "off"]);
        run.args(["--suppress-health-check", "all", "--header", &format!("Authorization: Bearer {}", olga.token)]);
        run.current_dir(site.place.folder()).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, run.output()).await.expect("it ends").expect("it starts");
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    })
    .await;
}
