//! What is known of a request afterwards: its id, its counters, one line for those who debug; and what a panic becomes.
//!
//! # Why
//! Nothing is written a request by default, and counters are keyed by the route's pattern, never by the path: a path
//! may hold a token, and a million paths would be a million series.

use std::convert::Infallible;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use futures_util::FutureExt as _;
use metrics::{Counter, Histogram, counter, histogram};
use tracing::Span;
use tracing::field::Empty;

use super::Arrival;

/// The name of a request: tells the log's lines of one request from others', and stands on the error page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestId {
    run: u32,
    number: u64,
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:x}", self.run, self.number)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Arrival>().map(|arrival| arrival.id).unwrap_or_default())
    }
}

/// Where request ids come from: a number drawn at the start, and a count.
#[derive(Debug)]
pub(super) struct RequestIds {
    run: u32,
    next: AtomicU64,
}

impl RequestIds {
    pub(super) fn start() -> Self {
        Self { run: uuid::Uuid::new_v4().as_fields().0, next: AtomicU64::new(1) }
    }

    pub(super) fn next(&self) -> RequestId {
        RequestId { run: self.run, number: self.next.fetch_add(1, Ordering::Relaxed) }
    }
}

/// The counters of one route, registered once.
#[derive(Debug)]
pub(super) struct RouteMetrics {
    route: String,
    answered: [Counter; 5],
    seconds: Histogram,
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl RouteMetrics {
    /// Registers the counters of the route that a request matched.
    pub(super) fn of(request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
        Self {
            answered: CLASSES
                .map(|class| counter!("muster_http_requests_total", "route" => route.clone(), "status" => class)),
            seconds: histogram!("muster_http_request_seconds", "route" => route.clone()),
            route,
        }
    }

    /// The span of a request, for whoever collects traces: the route's pattern, never the path or a query, for those
    /// may hold a token.
    pub(super) fn span(&self, method: &Method, id: RequestId) -> Span {
        let method = known(method);
        tracing::info_span!(
            target: "muster::trace",
            "request",
            otel.kind = "server",
            otel.name = %format_args!("{method} {}", self.route),
            otel.status_code = Empty,
            http.request.method = method,
            http.route = %self.route,
            http.response.status_code = Empty,
            request.id = %id,
        )
    }

    /// Counts an answer.
    pub(super) fn record(&self, id: RequestId, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        self.answered[class].increment(1);
        self.seconds.record(took.as_secs_f64());
        tracing::debug!(request.id = %id, http.route = %self.route, http.status = status.as_u16(), took_us = took.as_micros(), "answered");
    }

    /// The answer of a handler, or the status that stands for it when it takes too long or panics.
    pub(super) async fn guard<F>(&self, id: RequestId, limit: Duration, work: F) -> Result<Response, StatusCode>
    where
        F: Future<Output = Result<Response, Infallible>>,
    {
        match tokio::time::timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
            Ok(Ok(Ok(response))) => Ok(response),
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_panic)) => Err(self.panicked(id)),
            Err(_) => {
                tracing::warn!(request.id = %id, http.route = %self.route, "a request took longer than http.request_timeout_ms");
                Err(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }

    /// The client learns nothing; the panic's message went to stderr by the panic hook.
    fn panicked(&self, id: RequestId) -> StatusCode {
        counter!("muster_http_panics_total").increment(1);
        tracing::error!(request.id = %id, http.route = %self.route, "a handler panicked");
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

/// A method by its name; whatever a client makes up has one name in all.
fn known(method: &Method) -> &'static str {
    const ALL: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    ALL.into_iter().find(|name| *name == method.as_str()).unwrap_or("_OTHER")
}

/// Notes in a request's span what was answered.
pub(super) fn answered(span: &Span, status: StatusCode) {
    if span.is_disabled() {
        return;
    }
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "error");
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn no_two_requests_have_one_id() {
        let ids = RequestIds::start();
        let (first, second) = (ids.next(), ids.next());
        assert_ne!(first.to_string(), second.to_string());
        assert!(first.to_string().ends_with("-1") && first.to_string().len() == 10);
    }

    #[test]
    fn a_status_of_any_number_is_counted_in_some_class() {
        let metrics = RouteMetrics::of(&Request::new(Body::empty()));
        assert_eq!(metrics.route, "unmatched");
        for status in [100, 200, 303, 404, 599, 999] {
            metrics.record(RequestId::default(), StatusCode::from_u16(status).unwrap(), Duration::ZERO);
        }
    }

    #[test]
    fn a_method_that_a_client_makes_up_has_no_name_of_its_own() {
        assert_eq!(known(&Method::PATCH), "PATCH");
        assert_eq!(known(&Method::from_bytes(b"SECRET").unwrap()), "_OTHER");
    }

    #[tokio::test]
    async fn work_that_never_ends_is_given_up() {
        let metrics = RouteMetrics::of(&Request::new(Body::empty()));
        let answer = metrics.guard(RequestId::default(), Duration::from_millis(10), std::future::pending()).await;
        assert_eq!(answer.err(), Some(StatusCode::SERVICE_UNAVAILABLE));
    }
}
