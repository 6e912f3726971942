//! Traces as a collector gets them: which request, which route, what was answered; never what was sent.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use reqwest::Method;

use crate::support::http::Answer;
use crate::support::process::Installation;
use crate::support::world::Kind;

const GRANT: &str = "client_credentials";

type Batches = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A collector that keeps what it is sent.
async fn collector() -> (String, Batches) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}", listener.local_addr().unwrap());
    let batches = Batches::default();
    let router = Router::new().route("/v1/traces", post(keep)).with_state(Arc::clone(&batches));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, batches)
}

async fn keep(State(batches): State<Batches>, headers: HeaderMap, body: Bytes) {
    let kind = headers["content-type"].to_str().unwrap().to_owned();
    batches.lock().unwrap().push((kind, body.to_vec()));
}

/// Whether some bytes stand in what was sent; texts stand in OTLP as they are.
fn has(batches: &Batches, piece: &[u8]) -> bool {
    batches.lock().unwrap().iter().any(|(_, body)| body.windows(piece.len()).any(|window| window == piece))
}

async fn comes(batches: &Batches, piece: &str) {
    let begun = Instant::now();
    while !has(batches, piece.as_bytes()) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{piece} was not sent");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_hears_which_route_was_asked_and_nothing_that_was_sent() {
    for kind in Kind::BOTH {
        let Some(mut installation) = Installation::fresh(kind).await else {
            continue;
        };
        let (url, batches) = collector().await;
        installation.set("MUSTER_TELEMETRY__OTLP_ENDPOINT", &url);
        installation.set("MUSTER_TELEMETRY__SAMPLED_PER_MILLE", "1000");
        installation.set("MUSTER_HTTP__TRUSTED_PROXIES", "127.0.0.1");
        let serving = installation.serve().await;
        let at = &installation.at;
        assert!(at.get("/reset/a-secret-of-the-path?state=a-secret-of-the-query").await.status < 500);
        let fields = [("client_id", "nobody"), ("client_secret", "a-secret-of-the-body"), ("grant_type", GRANT)];
        let refused = Answer::to(at.request(Method::POST, &at.url("/token")).form(&fields)).await;
        assert_eq!(refused.status, 401);
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let parent = format!("00-{trace}-b7ad6b7169203331-01");
        let known = at.request(Method::GET, &at.url("/jwks")).header("traceparent", parent);
        assert_eq!(Answer::to(known.header("x-forwarded-for", "203.0.113.7")).await.status, 200);

        let name = refused.header("x-request-id").to_owned();
        for piece in ["GET /reset/{secret}", "POST /token", "http.response.status_code", "request.id", name.as_str()] {
            comes(&batches, piece).await;
        }
        comes(&batches, "GET /jwks").await;
        let id: Vec<u8> = (0..16).map(|at| u8::from_str_radix(&trace[2 * at..2 * at + 2], 16).unwrap()).collect();
        assert!(has(&batches, &id), "the proxy's trace goes on");
        serving.stop().await;
        for secret in ["a-secret-of", "nobody", "203.0.113.7"] {
            assert!(!has(&batches, secret.as_bytes()), "{kind:?}: {secret} was sent");
        }
        assert!(batches.lock().unwrap().iter().all(|(kind, _)| kind == "application/x-protobuf"));
        let log = std::fs::read_to_string(installation.log()).unwrap();
        assert!(!log.contains("a-secret-of"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_nobody_anything() {
    let Some(mut installation) = Installation::fresh(Kind::Sqlite).await else { return };
    let gone = format!("http://127.0.0.1:{}", crate::support::process::free_port());
    installation.set("MUSTER_TELEMETRY__OTLP_ENDPOINT", &gone);
    installation.set("MUSTER_TELEMETRY__SAMPLED_PER_MILLE", "1000");
    let serving = installation.serve().await;
    for _ in 0..20 {
        assert_eq!(installation.at.get("/jwks").await.status, 200);
    }
    let begun = Instant::now();
    serving.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "the stop waits for nobody");
}
