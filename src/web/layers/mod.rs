//! What every request passes on its way in and every answer on its way out, in one layer around each route.
//!
//! In: its name, its size, whose it is, what it may cost. Out: headers, counters, and an id on what went wrong.
//!
//! # Why
//! One layer and not ten: each costs an allocation and an indirection a request, and the order of the checks can be
//! read here, in [`AtEdge::call`](tower::Service::call), instead of being pieced together.

mod headers;
mod host;
mod limits;
mod peer;
mod refusal;
mod trace;

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use tower::{Layer, Service};
use tracing::Instrument as _;

pub use self::headers::{FormAction, Frames};
use self::host::Hosts;
use self::limits::Bounds;
pub use self::peer::ClientIp;
use self::refusal::Tongue;
pub use self::trace::RequestId;
use self::trace::{RequestIds, RouteMetrics};
use crate::config::Config;
use crate::config::network::Network;
#[cfg(feature = "otel")]
use crate::outside::traces;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts the edge around every route of `router`, its fallbacks included.
pub fn wrap(router: Router, config: &Config) -> Router {
    router.layer(Edge(Arc::new(Rules {
        hosts: Hosts::new(config),
        proxies: config.http.trusted_proxies.clone(),
        bounds: Bounds::from(&config.http),
        https: config.is_https(),
        ids: RequestIds::start(),
    })))
}

/// What is known of a request when it arrives; [`ClientIp`] and [`RequestId`] read it.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    client: IpAddr,
    id: RequestId,
}

#[derive(Debug)]
struct Rules {
    hosts: Hosts,
    proxies: Vec<Network>,
    bounds: Bounds,
    https: bool,
    ids: RequestIds,
}

impl Rules {
    /// The status to refuse a request with before anything is done for it.
    fn refuse(&self, request: &Request) -> Option<StatusCode> {
        if !self.hosts.accept(request.uri(), request.headers()) {
            Some(StatusCode::MISDIRECTED_REQUEST)
        } else if limits::is_too_long(request.uri()) {
            Some(StatusCode::URI_TOO_LONG)
        } else {
            None
        }
    }
}

/// The layer.
#[derive(Clone)]
struct Edge(Arc<Rules>);

impl<S> Layer<S> for Edge {
    type Service = AtEdge<S>;

    fn layer(&self, inner: S) -> AtEdge<S> {
        AtEdge { inner, route: Arc::new(AtRoute { rules: self.0.clone(), metrics: OnceLock::new() }) }
    }
}

/// The rules and, once its first request has told which it is, the counters of one route.
struct AtRoute {
    rules: Arc<Rules>,
    metrics: OnceLock<RouteMetrics>,
}

/// One route inside the edge.
#[derive(Clone)]
struct AtEdge<S> {
    inner: S,
    route: Arc<AtRoute>,
}

/// What is to be done about a request.
enum Work<S, F> {
    Refused(StatusCode),
    /// Nothing more comes from the client, or whoever answers reads it.
    Whole(F),
    /// The body is still to be read.
    Partial(Box<(S, Request)>),
}

impl<S> Service<Request> for AtEdge<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let begun = Instant::now();
        let route = self.route.clone();
        let rules = &route.rules;
        let metrics = route.metrics.get_or_init(|| RouteMetrics::of(&request));
        let arrival = Arrival { client: peer::client(&request, &rules.proxies), id: rules.ids.next() };
        let span = metrics.span(request.method(), arrival.id);
        // Anybody may send the header; whoever may decide what is traced stands in the settings.
        #[cfg(feature = "otel")]
        if !span.is_disabled() && peer::came_by_proxy(&request, &rules.proxies) {
            traces::continue_from(&span, request.headers());
        }
        let (tongue, refused) = (Tongue::of(&request), rules.refuse(&request));
        request.extensions_mut().insert(arrival);
        let work = if let Some(status) = refused {
            Work::Refused(status)
        } else if !tongue.reads_first() || request.body().is_end_stream() {
            Work::Whole(self.inner.call(request))
        } else {
            // The service that was polled ready is the one to call; its clone takes its place.
            let fresh = self.inner.clone();
            Work::Partial(Box::new((std::mem::replace(&mut self.inner, fresh), request)))
        };
        Box::pin(async move {
            let response = route.answer(arrival.id, begun, tongue, work).instrument(span.clone()).await;
            trace::answered(&span, response.status());
            Ok(response)
        })
    }
}

impl AtRoute {
    async fn answer<S, F>(&self, id: RequestId, begun: Instant, tongue: Tongue, work: Work<S, F>) -> Response
    where
        S: Service<Request, Future = F>,
        F: Future<Output = Result<Response, Infallible>>,
    {
        let metrics = self.metrics.get().expect("the counters are made before the work is");
        let bounds = &self.rules.bounds;
        let time = tongue.work_time(bounds.work_time);
        let answered = match work {
            Work::Refused(status) => Err(status),
            Work::Whole(future) => metrics.guard(id, time, future).await,
            Work::Partial(parts) => {
                let (mut inner, request) = *parts;
                match bounds.read(request).await {
                    Ok(request) => metrics.guard(id, time, inner.call(request)).await,
                    Err(status) => Err(status),
                }
            }
        };
        let mut response = answered.unwrap_or_else(|status| tongue.refuse(status));
        headers::set(&mut response, self.rules.https);
        let status = response.status();
        if status.is_client_error() || status.is_server_error() {
            name(&mut response, id);
        }
        metrics.record(id, status, begun.elapsed());
        response
    }
}

/// Lets whoever reports a failure say which one.
fn name(response: &mut Response, id: RequestId) {
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(&REQUEST_ID, value);
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::routing::{get, post};
    use tower::ServiceExt as _;

    use super::*;
    use crate::config::Overrides;

    async fn panics() {
        panic!("the password is hunter2");
    }

    fn app() -> Router {
        let env = [
            ("MUSTER_ISSUER", "https://id.acme.test"),
            ("MUSTER_HTTP__MAX_BODY_BYTES", "1024"),
            ("MUSTER_HTTP__REQUEST_TIMEOUT_MS", "100"),
        ];
        let config = Config::load(
            None,
            env.map(|(name, text)| (name.to_owned(), text.to_owned())).into_iter(),
            Overrides::default(),
        )
        .unwrap();
        let router = Router::new()
            .route("/ip", get(|ClientIp(ip): ClientIp, id: RequestId| async move { format!("{ip} {id}") }))
            .route("/panic", get(panics))
            .route("/stuck", get(std::future::pending::<()>))
            .route("/echo", post(|body: String| async move { body }));
        wrap(router, &config)
    }

    async fn ask(method: &str, target: &str, host: &str, body: Body) -> (Response, String) {
        let request = Request::builder().method(method).uri(target).header("host", host).body(body).unwrap();
        let (parts, body) = app().oneshot(request).await.unwrap().into_parts();
        let text = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        (Response::from_parts(parts, Body::empty()), text)
    }

    #[tokio::test]
    async fn an_answer_carries_the_headers_and_the_handler_knows_who_asks() {
        let (response, text) = ask("GET", "/ip", "id.acme.test", Body::empty()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert!(!response.headers().contains_key(&REQUEST_ID));
        assert!(text.starts_with("0.0.0.0 ") && text.ends_with("-1"), "{text}");
    }

    #[tokio::test]
    async fn a_foreign_name_is_misdirected_on_known_and_unknown_paths_alike() {
        for target in ["/ip", "/nothing-here"] {
            let (response, _) = ask("GET", target, "evil.test", Body::empty()).await;
            assert_eq!(response.status(), 421, "{target}");
        }
        let (response, _) = ask("GET", "/nothing-here", "id.acme.test", Body::empty()).await;
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()["cache-control"], "no-store");
    }

    #[tokio::test]
    async fn a_panic_is_a_500_that_tells_nothing_but_its_id() {
        let (response, text) = ask("GET", "/panic", "id.acme.test", Body::empty()).await;
        assert_eq!((response.status().as_u16(), text.as_str()), (500, "Internal Server Error"));
        assert!(response.headers().contains_key(&REQUEST_ID));
    }

    #[tokio::test]
    async fn a_handler_that_hangs_is_given_up() {
        let (response, _) = ask("GET", "/stuck", "id.acme.test", Body::empty()).await;
        assert_eq!(response.status(), 503);
    }

    #[tokio::test]
    async fn a_body_reaches_the_handler_up_to_the_limit() {
        let (response, text) = ask("POST", "/echo", "id.acme.test", Body::from("hello")).await;
        assert_eq!((response.status().as_u16(), text.as_str()), (200, "hello"));
        let (response, _) = ask("POST", "/echo", "id.acme.test", Body::from("x".repeat(1025))).await;
        assert_eq!(response.status(), 413);
    }

    #[tokio::test]
    async fn an_endless_target_is_refused() {
        let (response, _) = ask("GET", &format!("/ip?{}", "x".repeat(9000)), "id.acme.test", Body::empty()).await;
        assert_eq!(response.status(), 414);
    }
}
