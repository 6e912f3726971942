//! How much a connection's client may ask: how large a body, how many requests; and that its storm is nobody else's.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use muster::config::Config;
use muster::config::scim::Scim;
use muster::domain::connection::ScimProfile;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::{Answer, Push, SCIM_JSON, user};
use crate::support::http;
use crate::support::server::{on_both, on_both_with};

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_many_mebibytes_is_read_and_one_beyond_the_limit_is_told_the_limit() {
    on_both(async |site| {
        let push = Push::open(site, &site.org("acme").await, ScimProfile::Auto).await;
        let with_title = |bytes: usize| {
            let mut body = user("ana");
            body["x-unknown"] = json!("x".repeat(bytes));
            body.to_string()
        };
        let post = |body: String| push.request(Method::POST, "/Users").header("content-type", SCIM_JSON).body(body);
        let large: Answer = http::Answer::to(post(with_title(8 << 20))).await.into();
        assert_ne!(large.status, 413, "{}", large.json);
        let too_large: Answer = http::Answer::to(post(with_title(17 << 20))).await.into();
        assert_eq!(too_large.error(), (413, ""));
        assert!(too_large.json["detail"].as_str().unwrap().contains("16777216"), "{}", too_large.json);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_answered_before_the_body_has_come() {
    on_both(async |site| {
        let host = site.at.node.trim_start_matches("http://");
        let mut wire = TcpStream::connect(host).await.unwrap();
        let head = format!(
            "POST /scim/v2/Users HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 16000000\r\n\r\n"
        );
        wire.write_all(head.as_bytes()).await.unwrap();
        // A stranger's body is thrown away up to 64 KiB, and no further.
        let begun = Instant::now();
        let _ = wire.write_all(&[b' '; 200_000]).await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), wire.read_to_end(&mut answer)).await;
        assert!(begun.elapsed() < Duration::from_secs(10), "the stranger was waited for");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 401"), "{answer}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_one_connection_is_told_when_to_come_again_and_another_does_not_notice() {
    // Few enough that a busy machine sends more than that.
    let narrow = |config: &mut Config| config.scim = Scim { requests_per_second: 10, burst: 60, ..Scim::default() };
    on_both_with(narrow, async |site| {
        let org = site.org("acme").await;
        let (stormy, calm) =
            (Push::open(site, &org, ScimProfile::Auto).await, Push::open(site, &org, ScimProfile::Auto).await);
        let mut refused = None;
        for _ in 0..20 {
            let answers = join_all((0..60).map(|_| stormy.get("/Me"))).await;
            refused = answers.into_iter().find(|answer| answer.status == 429);
            if refused.is_some() {
                break;
            }
        }
        let refused = refused.expect("1200 requests in a row are a storm");
        assert_eq!(refused.error(), (429, ""));
        let wait: u64 = refused.header("retry-after").parse().expect("whole seconds");
        assert!((1..=10).contains(&wait), "{wait}");
        assert_eq!(calm.get("/Users").await.status, 200);
        tokio::time::sleep(Duration::from_secs(wait)).await;
        assert_eq!(stormy.get("/Users").await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_wait_in_line_and_all_are_carried_out() {
    on_both(async |site| {
        let push = Push::open(site, &site.org("acme").await, ScimProfile::Auto).await;
        let names: Vec<String> = (0..64).map(|number| format!("person{number}")).collect();
        let answers = join_all(names.iter().map(|name| push.post("/Users", user(name)))).await;
        for answer in answers {
            assert_eq!(answer.status, 201, "{}", answer.json);
        }
        assert_eq!(push.get("/Users?count=0").await.json["totalResults"], 64);
    })
    .await;
}
