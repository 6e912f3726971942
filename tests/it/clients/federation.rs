//! The pages of a sign-in through a customer's own provider as a visitor without scripts meets them, in a browser that
//! nobody here wrote.

use muster::domain::change::Change;
use muster::domain::federation::Stage;
use muster::domain::federation::mapping::{GroupRule, Mapping};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{facts, scripts};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::client::Ask;
use crate::support::federated::{Federated, verify_domain};
use crate::support::org::Org;
use crate::support::provider::{Provider, Spoil};
use crate::support::server::{Site, on_both};

/// What Acme's provider calls its developers.
const DEVELOPERS: &str = "0f6a-developers";

/// Acme with Ana and two optional providers: one that Nora comes through, whose address and groups it may say; one that
/// makes no accounts, for links. And what trials of both come to.
async fn acme(site: &Site) -> Value {
    let (acme, _) = owned(site, "acme").await;
    acme.project("web").await;
    acme.person("ana", PASSWORD).await;
    let group = acme.group("Web team", &[]).await;
    acme.give_group("Web team", "project.member", Some("web")).await;
    verify_domain(site, &acme, "acme.test").await;
    let (hers, other) = (Provider::open().await, Provider::open().await);
    hers.says(json!({
        "sub": "00u-nora", "preferred_username": "nora", "name": "Nora Kim", "email": "nora@acme.test",
        "email_verified": true, "groups": [DEVELOPERS],
    }));
    other.says(json!({ "sub": "00u-ana" }));
    let optional = Federated::open(site, &acme, &hers).await;
    let rule = GroupRule { external_id: DEVELOPERS.to_owned(), label: "Developers".to_owned(), group };
    optional.map(site, Mapping { on: true, groups: vec![rule], ..Mapping::default() }).await;
    let link = Federated::with(site, &acme, &other, |settings| settings.provision = false).await;
    let shop = site.client(&acme.application("shop").await);
    json!({
        "optional": told(&optional), "link": told(&link), "application": Ask::of(&shop).url(&site.at),
        "trials": { "works": trial(site, &acme, &optional).await, "problems": trial(site, &acme, &link).await },
    })
}

/// Globex, whose provider is enforced: Gil comes from it, and Olga can come in past it.
async fn globex(site: &Site) -> Value {
    let (globex, _) = owned(site, "globex").await;
    verify_domain(site, &globex, "globex.test").await;
    let provider = Provider::open().await;
    provider.says(json!({ "sub": "00u-gil", "preferred_username": "gil" }));
    let enforced = Federated::open(site, &globex, &provider).await;
    let (org, member) = (globex.id.clone(), globex.member_id("olga").await);
    site.act(vec![Change::SetBreakGlass { org, member, on: true }]).await;
    enforced.stage(site, Stage::Enforced).await;
    let mut told = told(&enforced);
    told["address"] = json!("gil@globex.test");
    told
}

/// Initech, through none of whose providers anybody comes; what its pages say.
async fn initech(site: &Site) -> Value {
    let initech = site.org("initech").await;
    initech.person("ian", PASSWORD).await;
    let mut refusals = Vec::new();
    for (word, spoil) in [
        ("refused_upstream", Spoil::Error("server_error")),
        ("not_verified", Spoil::WrongKey),
        ("unreachable", Spoil::Down),
        ("account_unknown", Spoil::Nothing),
        ("account_exists", Spoil::Nothing),
    ] {
        let provider = Provider::open().await;
        provider.says(json!({ "sub": "00u-ian", "preferred_username": "ian" }));
        let makes = word != "account_unknown";
        if !makes {
            provider.says(json!({ "sub": "00u-eve" }));
        }
        let connection = Federated::with(site, &initech, &provider, |settings| settings.provision = makes).await;
        provider.spoil(spoil);
        let mut line = told(&connection);
        line["word"] = json!(word);
        refusals.push(line);
    }
    json!(refusals)
}

/// What the script has to know of a connection.
fn told(connection: &Federated) -> Value {
    json!({ "slug": connection.org.slug, "connection": connection.connection.as_str(), "name": connection.name })
}

/// The address of a trial that Olga may begin.
async fn trial(site: &Site, org: &Org, connection: &Federated) -> Value {
    let olga = Admin::of(site, org, "olga").await;
    olga.post(&format!("/connections/{}/sign-in/test", connection.connection), json!({})).await["url"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_browser_comes_through_providers_by_keyboard_without_scripts_and_finds_no_fault_with_the_pages() {
    let Some(folder) = scripts("chromium") else {
        return;
    };
    on_both(async |site| {
        let mut there = acme(site).await;
        there["enforced"] = globex(site).await;
        there["refusals"] = initech(site).await;
        let mut script = Command::new("node");
        script.arg(folder.join("node/federation.mjs")).arg(site.place.folder().join("pictures"));
        script.env("MUSTER_ISSUER", &site.at.issuer).env("FEDERATION", there.to_string());
        script.env("USERNAME", "ana").env("PASSWORD", PASSWORD).env("ADMIN_USERNAME", "olga");
        let facts = facts(script).await;
        let refused = [
            "refused_upstream",
            "not_verified",
            "unreachable",
            "account_unknown",
            "account_exists",
            "unknown_flow",
            "closed",
        ];
        assert_eq!(facts["refused"], json!(refused), "{facts}");
        let pages = facts["pages"].as_array().expect("the pages that were looked at").len();
        assert_eq!(facts["pictures"], json!(pages * 4), "two schemes, two widths: {facts}");
        assert_eq!(pages, 29, "{facts}");
    })
    .await;
}
