//! What Muster counts: everything in the manual, everything that the manual names, and nothing that is a secret.

use std::collections::BTreeSet;

use reqwest::Method;

use crate::source::{root, rust_files};
use crate::support::PASSWORD;
use crate::support::browser::Person;
use crate::support::client::Tokens;
use crate::support::http::Answer;
use crate::support::server::on_both;

/// Names of cookies.
const NO_METRICS: [&str; 2] = ["muster_browser", "muster_device"];

/// The names of metrics in a text: `muster_` and what follows of small letters and underscores.
fn names(text: &str) -> BTreeSet<String> {
    let pieces = text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
    pieces.filter(|piece| piece.starts_with("muster_") && !NO_METRICS.contains(piece)).map(str::to_owned).collect()
}

/// The part of the manual that lists metrics.
fn manual() -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("docs/operation.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `muster_"));
    rows.flat_map(|row| names(row.split('|').nth(1).unwrap_or_default())).collect()
}

#[test]
fn every_metric_of_the_program_stands_in_the_manual_and_the_other_way_round() {
    let files = rust_files(&["src"]);
    let literals = files.iter().flat_map(|file| &file.literals);
    let made: BTreeSet<String> =
        literals.filter(|(_, text)| text.starts_with("\"muster_")).flat_map(|(_, text)| names(text)).collect();
    assert!(made.contains("muster_http_requests_total"), "{made:?}");
    assert_eq!(made, manual());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_sees_requests_tokens_passwords_and_the_database() {
    on_both(async |site| {
        let acme = site.org("acme").await;
        acme.person("ana", PASSWORD).await;
        let shop = site.client(&acme.application("shop").await);
        let tokens = shop.sign_in(&mut site.browser(), Person::named("ana")).await;
        Tokens::read(&shop.own_token().await);
        shop.introspect(tokens.access()).await;
        muster::flows::record_tokens::write_tally(muster::app::App::clone(site)).await;

        let text = site.at.get("/metrics").await.body;
        for series in [
            "muster_http_requests_total{route=\"/token\",status=\"2xx\"}",
            "muster_http_request_seconds{route=\"/token\"",
            "muster_tokens_total{kind=",
            "muster_events_total{kind=\"sign_in.accepted\"}",
            "muster_password_seconds",
            "muster_passwords_in_hand",
            "muster_db_transaction_seconds",
            "muster_db_reading",
            "muster_db_writing",
            "muster_sql_statements_total",
            "muster_build_info{",
        ] {
            assert!(text.contains(series), "{series} is missing in\n{text}");
        }
        assert!(names(&text).iter().all(|name| known(name)), "{:?}", names(&text));
        for secret in [tokens.access(), tokens.refresh(), tokens.id(), PASSWORD, "ana@"] {
            assert!(!text.contains(secret), "a secret is counted");
        }
        // A proxy's request is somebody else's, wherever the proxy runs.
        let request = site.at.request(Method::GET, &site.at.url("/metrics")).header("x-forwarded-for", "203.0.113.7");
        assert_eq!(Answer::to(request).await.status, 404);
    })
    .await;
}

/// Whether the manual has a name, or the name that a histogram's series are made of.
fn known(name: &str) -> bool {
    let manual = manual();
    manual.contains(name) || ["_sum", "_count", "_bucket"].iter().any(|end| manual.contains(name.trim_end_matches(end)))
}
