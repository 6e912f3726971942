//! An authenticator app that nobody here wrote: its codes bind it and sign in, each once.

use muster::domain::people::factor::FactorKind;
use muster::store::factors::held;
use serde_json::json;
use tokio::process::Command;

use super::{facts, scripts};
use crate::support::PASSWORD;
use crate::support::server::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn the_codes_of_pyotp_bind_an_app_and_sign_in() {
    let Some(folder) = scripts("python") else {
        return;
    };
    on_both(async |site| {
        let ana = site.org("acme").await.person("ana", PASSWORD).await;
        let mut script = Command::new(folder.join("python/venv/bin/python"));
        script.arg(folder.join("python/totp.py"));
        script.env("MUSTER_ISSUER", &site.at.issuer).env("USERNAME", "ana").env("PASSWORD", PASSWORD);
        let told = facts(script).await;
        assert_eq!(told, json!({ "client": "pyotp", "digits": 6, "interval": 30, "bits": 160 }));
        let held = held(&mut site.conn().await, &ana).await.unwrap();
        assert!(held.kinds.contains(&FactorKind::Totp) && held.recovery_left == 10);
    })
    .await;
}
