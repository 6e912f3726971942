//! The first token of an installation: made on its machine by the real program, good at the real server at once.

use reqwest::Method;
use serde_json::json;

use super::client::USER;
use crate::operating::apply_file::{FILE, SHOP_SECRET};
use crate::support::PASSWORD;
use crate::support::http::Answer;
use crate::support::process::Installation;
use crate::support::world::Kind;

/// What a line of the output says.
fn said(out: &str, name: &str) -> String {
    let line = out.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {out}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_makes_a_connection_and_its_token_without_anybody_who_signs_in() {
    for kind in Kind::BOTH {
        let Some(mut here) = Installation::fresh(kind).await else {
            continue;
        };
        here.set("PERSON_PASSWORD", PASSWORD);
        here.set("SHOP_SECRET", SHOP_SECRET);
        let file = here.write("world.toml", FILE);
        here.succeeds(&["apply", file.to_str().unwrap()]).await;
        let of = ["scim", "token", "--org", "acme", "--connection"];
        let ask = |more: &[&'static str]| -> Vec<&'static str> { of.iter().chain(more).copied().collect() };

        let unknown = here.run(&ask(&["Okta"])).await;
        assert!(!unknown.status.success());
        assert!(String::from_utf8_lossy(&unknown.stderr).contains("--new"), "{unknown:?}");

        let first = here.succeeds(&ask(&["Okta", "--new", "--profile", "okta"])).await;
        let second = here.succeeds(&ask(&["okta", "--name", "second"])).await;
        assert_eq!(said(&first, "connection"), said(&second, "connection"));
        assert_ne!(said(&first, "token"), said(&second, "token"));
        let third = here.run(&ask(&["Okta"])).await;
        assert!(!third.status.success(), "a connection has two tokens at a time");
        let taken = here.run(&ask(&["OKTA", "--new"])).await;
        assert!(!taken.status.success(), "names are unique");

        let serving = here.serve().await;
        let users = format!("{}/Users", said(&first, "scim_url"));
        let mina = json!({ "schemas": [USER], "userName": "mina@acme.test" });
        let push = here.at.request(Method::POST, &users).bearer_auth(said(&first, "token")).json(&mina);
        assert_eq!(Answer::to(push).await.status, 201);
        let look = here.at.request(Method::GET, &users).bearer_auth(said(&second, "token"));
        assert_eq!(Answer::to(look).await.json()["Resources"][0]["userName"], "mina@acme.test");
        serving.kill().await;
    }
}
