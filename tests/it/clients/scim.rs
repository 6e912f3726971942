//! A customer's directory that nobody here wrote: scim2-client pushes people and groups, and takes them away again.

use muster::domain::connection::ScimProfile;
use serde_json::json;
use tokio::process::Command;

use super::{facts, scripts};
use crate::scim::client::Push;
use crate::support::server::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn scim2_client_pushes_people_and_groups_to_the_letter_and_as_it_is_meant() {
    let Some(folder) = scripts("python") else {
        return;
    };
    on_both(async |site| {
        let acme = site.org("acme").await;
        for profile in [ScimProfile::Auto, ScimProfile::RfcStrict] {
            let push = Push::open(site, &acme, profile).await;
            let mut script = Command::new(folder.join("python/venv/bin/python"));
            script.arg(folder.join("python/scim_client.py"));
            script.env("SCIM_URL", site.at.url("/scim/v2")).env("SCIM_TOKEN", &push.token);
            script.env("DOMAIN", "acme.example");
            let told = facts(script).await;
            assert_eq!(told, json!({ "client": "scim2-client", "users": 3, "groups": 2, "pages": [2, 1] }));
        }
    })
    .await;
}
