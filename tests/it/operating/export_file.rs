//! `export`: what there is as a file. A plan of it is empty, and applied elsewhere it makes the same state.

use std::collections::BTreeMap;

use muster::domain::apply_file::ApplyFile;
use muster::domain::change::Mode;
use muster::flows::apply_file::{plan, run};
use muster::flows::export;
use reqwest::Method;
use serde_json::{Value, json};

use crate::operating::apply_file::{FILE, SHOP_SECRET};
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::process::Installation;
use crate::support::server::on_both as on_both_served;
use crate::support::world::{Kind, World, on_both};

/// Everything that a file can say, spelled as an export spells it.
const WHOLE: &str = include_str!("whole.toml");

fn no_variables(_: &str) -> Option<String> {
    None
}

fn file(text: &str) -> ApplyFile {
    ApplyFile::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

async fn exported(world: &World) -> String {
    export::instance(world).await.unwrap().to_text()
}

async fn apply(world: &World, text: &str) -> Vec<String> {
    let done = run(world, &file(text), &no_variables, Mode::Act).await;
    let (receipt, printed) = done.unwrap_or_else(|error| panic!("{error}"));
    assert!(!receipt.is_empty());
    printed.into_iter().map(|(label, _)| label).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_applied_is_exported_alike_and_planned_as_nothing() {
    on_both(async |world| {
        let mut printed = apply(&world, WHOLE).await;
        printed.sort();
        let expected = [
            "password of ana",
            "password of bo",
            "password of olivia",
            "secret of shop",
            "signing secret of alert \"groups\" of acme",
        ];
        assert_eq!(printed, expected, "tools and those who wait have no password");
        let planned = plan(&world, &file(WHOLE), &no_variables).await.unwrap();
        assert!(planned.changes.is_empty() && planned.printed.is_empty(), "{:?}", planned.changes);
        let text = exported(&world).await;
        assert_eq!(text, WHOLE);
        for secret in ["$argon2", "mst_cs_", "whsec_", "mks_"] {
            assert!(!text.contains(secret), "{secret}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_makes_the_same_state_on_an_empty_instance() {
    for kind in Kind::BOTH {
        let (Some(here), Some(there)) = (World::fresh(kind).await, World::fresh(kind).await) else {
            continue;
        };
        apply(&here, WHOLE).await;
        let acme = here.org("acme").await;
        acme.group("Later \"ones\"", &["ana"]).await;
        acme.give("bo", "project.reader", Some("*")).await;
        // A person's own account becomes one of the organisation there: whose it is stands in no file.
        let own = here.own_account("zoe", PASSWORD).await;
        acme.admit(&own).await;
        let text = exported(&here).await;
        assert!(text.contains("Later \\\"ones\\\"") && text.contains("user_name = \"zoe\""), "{text}");
        let planned = plan(&here, &file(&text), &no_variables).await.unwrap();
        assert!(planned.changes.is_empty(), "{:?}", planned.changes);
        apply(&there, &text).await;
        assert_eq!(exported(&there).await, text);
        for world in [here, there] {
            world.db.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_planned_and_what_a_pruning_file_does_not_name_goes() {
    on_both(async |world| {
        apply(&world, WHOLE).await;
        let changed = WHOLE
            .replace("max_sessions = 5", "max_sessions = 6")
            .replace("description = \"Builds\"\n  owner = \"ana\"", "description = \"Builds all\"\n  owner = \"bo\"")
            .replace("applications = [\"board\", \"shop\"]", "applications = [\"*\"]")
            .replace("kinds = [\"group.*\"]", "kinds = [\"role.*\"]")
            .replace("organisation = \"acme\"\nowner = \"ana\"", "organisation = \"acme\"\nowner = \"olivia\"");
        apply(&world, &changed).await;
        assert!(plan(&world, &file(&changed), &no_variables).await.unwrap().changes.is_empty());
        let lifted = changed.replace("  applications = [\"*\"]\n", "");
        assert_eq!(exported(&world).await, lifted);

        let at = |text: &str, mark: &str| text.find(mark).unwrap_or_else(|| panic!("{mark}"));
        let from = at(&lifted, "  [[organisation.service_account]]");
        let to = at(&lifted, "[[application]]");
        let smaller = format!("{}{}", &lifted[..from], &lifted[to..]);
        let smaller = smaller.replace("owner = \"olivia\"\n\n  [org", "owner = \"olivia\"\nprune = true\n\n  [org");
        let kept = smaller.replace("prune = true\n", "");
        assert!(plan(&world, &file(&kept), &no_variables).await.unwrap().changes.is_empty());
        apply(&world, &smaller).await;
        let after = exported(&world).await;
        assert!(!after.contains("service_account") && !after.contains("organisation.alert"), "{after}");
        assert!(plan(&world, &file(&smaller), &no_variables).await.unwrap().changes.is_empty());
    })
    .await;
}

fn with_new_person(text: &str) -> String {
    let group = "  [[organisation.group]]";
    let person = "  [[organisation.person]]\n  user_name = \"nina\"\n  password_env = \"NINA\"\n\n";
    text.replacen(group, &format!("{person}{group}"), 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_exports_plans_and_applies_as_whoever_asks() {
    on_both_served(async |site| {
        let (acme, _) = owned(site, "acme").await;
        acme.project("web").await;
        acme.person("rita", PASSWORD).await;
        acme.give("rita", "org.reader", None).await;
        let olga = Admin::of(site, &acme, "olga").await;
        let text = olga.get("/state").await["file"].as_str().unwrap().to_owned();
        let same = olga.post("/state/plan", json!({ "file": text })).await;
        assert_eq!((&same["receipt"]["acts"], &same["secrets"]), (&json!([]), &json!([])), "{same}");

        let more = with_new_person(&text);
        let (status, code) = olga.refused(Method::POST, "/state/plan", json!({ "file": more })).await;
        assert_eq!((status, code.as_str()), (400, "invalid"), "the variable has no value");
        let wanted = json!({ "file": more, "variables": { "NINA": PASSWORD } });
        let planned = olga.post("/state/plan", wanted.clone()).await;
        assert_eq!(planned["receipt"]["dry_run"], true);
        assert_eq!(olga.get("/state").await["file"], text, "a plan changes nothing");
        let done = olga.post("/state/apply", wanted.clone()).await;
        let acts = |answer: &serde_json::Value| answer["receipt"]["acts"].as_array().map(Vec::len);
        assert_eq!((acts(&done), acts(&planned)), (Some(2), Some(2)), "each made ids of its own: {done}");
        let other = json!({ "file": more, "variables": { "NINA": "Another-Passw0rd" } });
        let again = olga.post("/state/plan", other).await;
        assert_eq!(again["receipt"]["acts"], json!([]), "nobody's password is tried out by a file");
        Admin::of(site, &acme, "nina").await;

        let rita = Admin::of(site, &acme, "rita").await;
        for (method, path) in [(Method::GET, "/state"), (Method::POST, "/state/plan"), (Method::POST, "/state/apply")] {
            let body = (method == Method::POST).then(|| wanted.clone());
            assert_eq!(rita.call(method, path, body.as_ref()).await.status, 403, "{path}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_reaches_no_further_through_the_api_than_its_organisation_and_its_caller() {
    on_both_served(async |site| {
        let (acme, _) = owned(site, "acme").await;
        let (beta, _) = owned(site, "beta").await;
        beta.application("theirs").await;
        acme.person("adam", PASSWORD).await;
        acme.give("adam", "org.admin", None).await;
        let adam = Admin::of(site, &acme, "adam").await;
        let text = adam.get("/state").await["file"].as_str().unwrap().to_owned();
        let app = |client_id: &str, more: &str| {
            format!("{text}\n[[application]]\nclient_id = \"{client_id}\"\nname = \"N\"\n{more}\n")
        };
        let of_acme = "organisation = \"acme\"\nredirect_uris = [\"https://a.example/\"]";
        let bad: BTreeMap<&str, String> = BTreeMap::from([
            ("another organisation", text.replace("slug = \"acme\"", "slug = \"beta\"")),
            ("two organisations", format!("{text}\n[[organisation]]\nslug = \"gamma\"\nname = \"G\"\n")),
            ("another owner", text.replacen("owner = \"olga\"", "owner = \"adam\"", 1)),
            ("an application of nobody", app("mine", "")),
            ("another's application", app("theirs", of_acme)),
        ]);
        for (what, file) in bad {
            let (status, code) = adam.refused(Method::POST, "/state/apply", json!({ "file": file })).await;
            assert_eq!((status, code.as_str()), (400, "invalid"), "{what}");
        }
        let trusted = json!({ "file": app("mine", &format!("{of_acme}\ntrusted = true")) });
        assert_eq!(adam.refused(Method::POST, "/state/apply", trusted).await, (403, "denied".to_owned()));
        let made = adam.post("/state/apply", json!({ "file": app("mine", of_acme) })).await;
        let secrets: Vec<&Value> = made["secrets"].as_array().unwrap().iter().collect();
        assert_eq!(secrets.len(), 1);
        assert!(secrets[0]["secret"].as_str().unwrap().starts_with("mst_cs_"), "{made}");
        let file = adam.get("/state").await["file"].as_str().unwrap().to_owned();
        assert!(file.contains("client_id = \"mine\"") && !file.contains("mst_cs_"), "{file}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_exports_what_it_was_given_and_plans_it_as_nothing() {
    for kind in Kind::BOTH {
        let Some(mut installation) = Installation::fresh(kind).await else {
            continue;
        };
        installation.set("PERSON_PASSWORD", PASSWORD);
        installation.set("SHOP_SECRET", SHOP_SECRET);
        let path = installation.write("world.toml", FILE);
        installation.succeeds(&["apply", path.to_str().unwrap()]).await;
        let text = installation.succeeds(&["export"]).await;
        assert!(text.contains("slug = \"acme\"") && !text.contains(SHOP_SECRET) && !text.contains("argon2"), "{text}");
        assert_eq!(installation.succeeds(&["export", "--org", "acme"]).await, text);
        let path = installation.write("exported.toml", &text);
        let nothing = installation.succeeds(&["plan", path.to_str().unwrap()]).await;
        assert!(nothing.starts_with("Nothing would change"), "{nothing}");
    }
}
