//! For those who run Muster: liveness, readiness, metrics.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use metrics::gauge;

use super::layers::ClientIp;
use super::oidc::discovery::Rooms;
use crate::store::db::statements;
use crate::store::load;

/// `GET /healthz`: the process answers.
pub async fn live() -> &'static str {
    "ok"
}

/// `GET /readyz`: the database answers, and the process is not about to stop.
pub async fn ready(State(rooms): State<Rooms>) -> Response {
    if rooms.stopping.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping").into_response();
    }
    match rooms.app.db.ping().await {
        Ok(()) => "ready".into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer").into_response(),
    }
}

/// `GET /metrics`, for scrapers on this machine; elsewhere, and through a proxy on this machine, it is as if there were
/// no such page.
pub async fn metrics(State(rooms): State<Rooms>, ClientIp(ip): ClientIp, headers: HeaderMap) -> Response {
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name));
    if !ip.is_loopback() || forwarded {
        return super::pages::error::not_found().await;
    }
    note_load(&rooms);
    let mut text =
        rooms.metrics.as_ref().map(metrics_exporter_prometheus::PrometheusHandle::render).unwrap_or_default();
    text.push_str("# TYPE muster_sql_statements_total counter\n");
    let _ = writeln!(text, "muster_sql_statements_total {}", statements());
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// What is so at this moment, looked at when somebody asks.
fn note_load(rooms: &Rooms) {
    let (app, number) = (&rooms.app, |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    let load = load::of(&app.db);
    gauge!("muster_build_info", "version" => env!("CARGO_PKG_VERSION"), "database" => app.db.kind()).set(1.0);
    gauge!("muster_db_reading").set(f64::from(load.reading));
    gauge!("muster_db_writing").set(number(load.writing));
    gauge!("muster_passwords_in_hand").set(number(app.hasher.in_hand()));
}
