//! What waits for an administrator because of connections, domains that are shown by their records, and all of it from the
//! command line.

use std::process::Stdio;

use muster::domain::change::Change;
use muster::domain::scim::derive;
use muster::kernel::id::{ConnectionId, GroupId};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use super::admin_scene::{Dns, code, hold, in_the_way, okta, push};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::server::{Site, on_both, on_both_with};

#[tokio::test(flavor = "multi_thread")]
async fn a_held_request_is_carried_out_or_dropped_once() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let okta = okta(&olga).await;
        let group = GroupId::fresh();
        let object = json!({ "displayName": "Engineering" });
        let new = derive::group(object.as_object().unwrap()).unwrap();
        push(site, &acme, &okta, |org, connection| Change::ProvisionGroup {
            org,
            connection,
            group: group.clone(),
            new: Box::new(new),
        })
        .await;
        let (first, second) = (hold(site, &acme, &okta, &group).await, hold(site, &acme, &okta, &group).await);
        let listed = olga.get("/held?state=held").await;
        assert_eq!(listed["items"].as_array().unwrap().len(), 2, "{listed}");
        let row = olga.get(&format!("/held/{first}")).await;
        assert_eq!((&row["connection"]["name"], &row["group"]["name"]), (&json!("Okta"), &json!("Engineering")));
        assert_eq!(
            (&row["losing"], &row["of_members"], &row["on_timeout"]),
            (&json!(12), &json!(20), &json!("release"))
        );
        assert_eq!(olga.refused(Method::GET, "/held?state=open", json!({})).await, code(400, "invalid"));

        let reject = format!("/held/{first}/reject");
        assert_eq!(olga.post(&format!("{reject}?dry_run=true"), json!({})).await["object"]["state"], "held");
        let rejected = olga.post(&reject, json!({})).await;
        assert_eq!((&rejected["object"]["state"], &rejected["receipt"]), (&json!("rejected"), &Value::Null));
        assert_eq!(olga.refused(Method::POST, &reject, json!({})).await, code(409, "conflict"));
        assert_eq!(olga.get(&format!("/groups/{group}")).await["name"], "Engineering", "nothing changed");

        let released = olga.post(&format!("/held/{second}/release"), json!({})).await;
        assert_eq!(
            (&released["object"]["state"], &released["status"]),
            (&json!("released"), &json!(204)),
            "{released}"
        );
        assert_eq!(released["receipt"]["acts"].as_array().unwrap().len(), 1, "{released}");
        assert_eq!(olga.refused(Method::GET, &format!("/groups/{group}"), json!({})).await, code(404, "not_found"));
        let late = olga.refused(Method::POST, &format!("/held/{second}/reject"), json!({})).await;
        assert_eq!(late, code(409, "conflict"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_in_the_way_is_kept_apart_rejected_or_handed_over() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let okta = okta(&olga).await;
        let ana = acme.person("ana", PASSWORD).await;
        let adoption = in_the_way(site, &acme, &okta, &ana).await;
        let path = format!("/adoptions/{adoption}");
        let row = olga.get(&path).await;
        assert_eq!((&row["state"], &row["connection"]["name"]), (&json!("waiting"), &json!("Okta")));
        assert_eq!((&row["user"]["user_name"], &row["pushed"]["external_id"]), (&json!("ana"), &json!("00u1")));
        assert_eq!(olga.get("/adoptions?state=waiting").await["items"][0]["id"], adoption.as_str());
        let decide = format!("{path}/decide");
        assert_eq!(olga.refused(Method::POST, &decide, json!({ "decision": "maybe" })).await, code(400, "invalid"));
        for (word, state) in [("reject", "rejected"), ("keep_apart", "kept_apart")] {
            let decided = olga.post(&decide, json!({ "decision": word })).await;
            assert_eq!(decided["object"]["state"], state, "{decided}");
        }
        let dry = olga.post(&format!("{decide}?dry_run=true"), json!({ "decision": "adopt" })).await;
        assert_eq!((&dry["object"]["state"], &dry["receipt"]["dry_run"]), (&json!("kept_apart"), &json!(true)));
        let adopted = olga.post(&decide, json!({ "decision": "adopt" })).await;
        assert_eq!(adopted["object"]["state"], "adopted", "{adopted}");
        let detail = olga.get(&format!("/users/{ana}")).await;
        assert_eq!((&detail["managed_by"]["name"], &detail["upstream_active"]), (&json!("Okta"), &json!(true)));
        assert_eq!(olga.get("/adoptions?state=waiting").await["items"], json!([]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_is_named_shown_by_its_record_and_removed() {
    let dns = Dns::start().await;
    let servers = vec![dns.address.clone()];
    on_both_with(
        |config| config.dns.servers.clone_from(&servers),
        async |site| {
            let (acme, _) = owned(site, "acme").await;
            let olga = Admin::of(site, &acme, "olga").await;
            assert_eq!(olga.refused(Method::POST, "/domains", json!({ "domain": "acme" })).await, code(400, "invalid"));
            let made = olga.post("/domains", json!({ "domain": "ACME.example." })).await["object"].clone();
            let record = &made["record"];
            assert_eq!((&made["domain"], &made["state"]), (&json!("acme.example"), &json!("pending")));
            assert_eq!((&record["type"], &record["name"]), (&json!("TXT"), &json!("_muster-challenge.acme.example")));
            let text = record["value"].as_str().unwrap().to_owned();
            assert!(text.starts_with("muster-domain-verification="), "{text}");
            assert_eq!(
                olga.refused(Method::POST, "/domains", json!({ "domain": "acme.example" })).await,
                code(409, "conflict")
            );

            let verify = "/domains/acme.example/verify";
            dns.says(None);
            let missing = olga.post(verify, json!({})).await;
            assert_eq!(
                (&missing["found"], &missing["object"]["state"]),
                (&json!("missing"), &json!("pending")),
                "{missing}"
            );
            let dry = olga.post(&format!("{verify}?dry_run=true"), json!({})).await;
            assert_eq!((&dry["found"], &dry["receipt"]["dry_run"]), (&Value::Null, &json!(true)));
            dns.says(Some(text));
            let found = olga.post(verify, json!({})).await;
            assert_eq!((&found["found"], &found["object"]["state"]), (&json!("shown"), &json!("verified")), "{found}");
            assert_eq!(found["receipt"]["acts"].as_array().unwrap().len(), 1);
            let by_id = format!("/domains/{}", made["id"].as_str().unwrap());
            assert_eq!(olga.get(&by_id).await["state"], "verified");

            let (globex, _) = owned(site, "globex").await;
            let stranger = Admin::of(site, &globex, "olga").await;
            assert_eq!(stranger.refused(Method::GET, &by_id, json!({})).await, code(404, "not_found"));
            stranger.post("/domains", json!({ "domain": "acme.example" })).await;
            let taken = stranger.refused(Method::POST, &format!("{verify}?dry_run=true"), json!({})).await;
            assert_eq!(taken, code(409, "conflict"), "one organisation has it");
            olga.delete("/domains/acme.example").await;
            assert_eq!(olga.get("/domains").await["items"], json!([]));
        },
    )
    .await;
}

/// What the real program prints, as somebody with this token; it must succeed.
async fn muster(site: &Site, by: &Admin, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MUSTER_") {
            command.env_remove(name);
        }
    }
    command.env("MUSTER_SERVER", &site.at.issuer).env("MUSTER_ORG", "acme").env("MUSTER_TOKEN", &by.token);
    let output = command.args(words).stdin(Stdio::null()).kill_on_drop(true).output().await.expect("it starts");
    assert_eq!(output.status.code(), Some(0), "muster {words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_set_up_and_looked_after_from_the_command_line() {
    on_both(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let olga = Admin::of(site, &acme, "olga").await;
        let run = async |words: &str| muster(site, &olga, &words.split(' ').collect::<Vec<_>>()).await;
        run("connection create --name Okta --profile okta --guard-hold true --guard-least 20").await;
        let shown = run("connection show Okta").await;
        assert!(shown.lines().any(|line| line.starts_with("guard.hold") && line.ends_with("yes")), "{shown}");
        let told = run("connection token add Okta --name first").await;
        assert!(told.contains("secret: mst_"), "{told}");
        run("connection client add Okta --name oauth").await;
        let table = run("connection token list okta").await;
        assert!(table.contains("first") && table.contains("client") && !table.contains("mst_"), "{table}");
        let listed: Value = serde_json::from_str(&run("connection token list Okta -o json").await).unwrap();
        let id = listed["items"][0]["id"].as_str().unwrap();
        run(&format!("connection token remove Okta {id}")).await;
        run("connection set Okta --guard-share 30").await;
        run("connection disable Okta").await;
        let health: Value = serde_json::from_str(&run("connection health Okta -o json").await).unwrap();
        assert_eq!((&health["state"], &health["live_credentials"]), (&json!("disabled"), &json!(1)));
        run("connection enable Okta").await;
        assert_eq!(run("connection log Okta --errors true").await.trim(), "Nothing.");
        assert_eq!(run("connection held list").await.trim(), "Nothing.");
        let okta: ConnectionId = olga.get("/connections").await["items"][0]["id"].as_str().unwrap().parse().unwrap();
        let held = hold(site, &acme, &okta, &GroupId::fresh()).await;
        run(&format!("connection held reject {held}")).await;
        let mia = acme.person("mia", PASSWORD).await;
        let adoption = in_the_way(site, &acme, &okta, &mia).await;
        let told = run(&format!("connection adoption decide {adoption} keep_apart")).await;
        assert!(told.contains("kept_apart"), "{told}");
        let told = run("domain add acme.example").await;
        assert!(told.contains("_muster-challenge.acme.example"), "{told}");
        run("domain remove acme.example").await;
        run("connection delete Okta --confirm Okta").await;
        assert_eq!(run("connection list").await.trim(), "Nothing.");
    })
    .await;
}
