//! Passkeys in a browser that nobody here wrote, with a virtual authenticator: made, used without a name and as a second
//! factor, refused, removed, and made on the way in.

use muster::domain::change::Change;
use muster::domain::people::factor::FactorKind;
use muster::domain::people::second_factor::{Require, SecondFactor};
use muster::domain::settings::OrgSettings;
use muster::store::factors::held;
use serde_json::json;
use tokio::process::Command;

use super::{facts, scripts};
use crate::support::PASSWORD;
use crate::support::server::on_both_named;

#[tokio::test(flavor = "multi_thread")]
async fn a_real_browser_makes_passkeys_and_signs_in_with_them() {
    let Some(folder) = scripts("chromium") else {
        return;
    };
    on_both_named(async |site| {
        let (acme, globex) = (site.org("acme").await, site.org("globex").await);
        let ana = acme.person("ana", PASSWORD).await;
        let gil = globex.person("gil", PASSWORD).await;
        let second_factor = SecondFactor { require: Require::Everyone, ..SecondFactor::default() };
        let settings = Box::new(OrgSettings { second_factor, ..OrgSettings::default() });
        site.act(vec![Change::SetOrgSettings { org: globex.id.clone(), settings }]).await;
        let mut script = Command::new("node");
        script.arg(folder.join("node/passkeys.mjs")).arg(site.place.folder().join("pictures"));
        script.env("MUSTER_ISSUER", &site.at.issuer).env("PASSWORD", PASSWORD);
        script.env("USERNAME", "ana").env("OTHER_USERNAME", "gil");
        let told = facts(script).await;
        assert_eq!(told["rp_id"], "localhost", "{told}");
        assert!(told["sign_ins"].as_u64().is_some_and(|count| count >= 3), "{told}");
        assert_eq!(told["pictures"], json!(told["pages"].as_u64().unwrap_or_default() * 4), "{told}");
        assert_eq!(told["pages"], 13, "{told}");
        let mut conn = site.conn().await;
        assert!(!held(&mut conn, &ana).await.unwrap().any(), "she removed hers at the end");
        let his = held(&mut conn, &gil).await.unwrap();
        assert_eq!((his.passkeys, his.kinds.contains(&FactorKind::Passkey), his.recovery_left), (1, true, 10));
    })
    .await;
}
