//! The demo as a visitor meets it: the real `muster dev`, its shop, and a browser that nobody here wrote.

use std::time::Duration;

use serde_json::json;
use tokio::process::Command;

use super::{facts, scripts};
use crate::support::process::dev;

/// The most between the administrator's answer and "signed out" at the shop, a reload by Chromium included.
const SIGNED_OUT: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn in_the_demo_ana_reloads_the_shop_and_is_out_once_adam_has_taken_her_role() {
    let Some(scripts) = scripts("chromium") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let demo = dev(folder.path()).await;
    // It takes whatever ports are free, so only what it prints says where it is.
    let issuer = demo.said("listening on ").await;
    let shop = demo.said("  1. Open ").await;
    let shop = shop.split_whitespace().next().expect("the guide names the shop's address");
    assert_ne!(shop, issuer);
    let mut script = Command::new("node");
    script.arg(scripts.join("node/browser.mjs")).arg(folder.path().join("pictures"));
    script.env("MUSTER_ISSUER", &issuer).env("SHOP_URL", shop);
    script.env("USERNAME", "ana").env("PASSWORD", "muster demo ana");
    script.env("ADMIN_USERNAME", "adam").env("ADMIN_PASSWORD", "muster demo adam");
    script.env("TAKE_ROLE", "project.admin").env("TAKE_FROM", "Web team");
    script.env("EXPECT_ORG_ROLES", json!(["org.reader"]).to_string());
    script.env("EXPECT_PROJECT_ROLES", json!({ "web": ["project.admin"] }).to_string());
    script.env("CONSOLE_ORG", "acme");
    let facts = facts(script).await;
    let shown = &facts["shop"];
    assert_eq!(shown["org_roles"], json!(["org.reader"]), "{facts}");
    assert_eq!(shown["project_roles"], json!({ "web": ["project.admin"] }), "{facts}");
    assert_eq!(facts["console"]["pages"], 18, "{facts}");
    let after = shown["signed_out_after_ms"].as_u64().expect("the script measures it");
    assert!(Duration::from_millis(after) < SIGNED_OUT, "{facts}");
    demo.kill().await;
}
