//! Traces: what spans of [`SPANS`] say is sent to a collector by OTLP over HTTP (OpenTelemetry), in batches, beside the
//! requests. A collector that doesn't answer costs spans, and nothing else.
//!
//! # Why
//! Only spans of one target leave the process, and each names its few fields: so no library's span, and nobody's log
//! line, can carry what must stay here.

use std::time::Duration;

use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{Link, SpanKind, TraceId, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HeaderExtractor, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SamplingResult, SdkTracerProvider, ShouldSample};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};
use tokio::runtime::Handle;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;
use url::Url;

/// The target of the spans that are sent.
pub const SPANS: &str = "muster::trace";
/// What OTLP has for traces, where the address names nothing else.
const PATH: &str = "/v1/traces";
/// For one batch on its way, and for the last one at the stop.
const PATIENCE: Duration = Duration::from_secs(5);
const LAST: Duration = Duration::from_secs(3);
/// So much of the collector's answer is read.
const MOST_BODY_BYTES: usize = 64 * 1024;

/// What is to be sent where.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The collector's address.
    pub endpoint: &'a str,
    /// How many of a thousand requests.
    pub per_mille: u32,
    /// What this installation is called.
    pub service_name: &'a str,
    /// Certificates in PEM that are trusted besides the system's.
    pub extra_ca_pem: Option<&'a [u8]>,
}

/// Why no traces can be sent.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// The address is none.
    #[error("telemetry.otlp_endpoint is no address")]
    Address,
    /// The certificates are not PEM, or there is no TLS to be had.
    #[error("the certificates for outgoing requests cannot be used")]
    Certificates,
    /// The library's own settings, which it reads from the environment, are wrong.
    #[error("OpenTelemetry can't be set up: {0}")]
    Library(String),
}

/// The sending; it goes on until [`Sending::stop`].
#[derive(Debug)]
pub struct Sending(SdkTracerProvider);

impl Sending {
    /// Begins. Nothing is connected before there is something to send.
    ///
    /// # Errors
    /// See [`NotStarted`].
    pub fn start(wanted: &Wanted<'_>) -> Result<Self, NotStarted> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new(wanted.extra_ca_pem)?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint(wanted.endpoint)?)
            .with_timeout(PATIENCE)
            .build()
            .map_err(|error| NotStarted::Library(error.to_string()))?;
        let resource = Resource::builder()
            .with_service_name(wanted.service_name.to_owned())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()))
            .build();
        let share = f64::from(wanted.per_mille) / 1000.0;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(Requests(Sampler::TraceIdRatioBased(share)))))
            .with_resource(resource)
            .build();
        Ok(Self(provider))
    }

    /// What makes traces of the spans of [`SPANS`].
    #[must_use]
    pub fn layer<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let spans = tracing_opentelemetry::layer::<S>()
            .with_tracer(self.0.tracer("muster"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false);
        spans.with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == SPANS)).boxed()
    }

    /// Sends what is left and ends.
    pub async fn stop(self) {
        // It waits for its own thread, which waits for this runtime.
        let _ = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(LAST)).await;
    }
}

/// Makes a span part of the trace that a request's headers name (W3C Trace Context), if they name one.
pub fn continue_from(span: &Span, headers: &HeaderMap) {
    if !span.is_disabled() && headers.contains_key("traceparent") {
        let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
        let _ = span.set_parent(parent);
    }
}

/// Decides about what begins a trace: a share of the requests, and nothing of what jobs do beside them.
#[derive(Clone, Debug)]
struct Requests(Sampler);

impl ShouldSample for Requests {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let sampler = if matches!(kind, SpanKind::Server) { &self.0 } else { &Sampler::AlwaysOff };
        sampler.should_sample(parent, id, name, kind, attributes, links)
    }
}

/// The address that batches are posted to.
fn endpoint(text: &str) -> Result<String, NotStarted> {
    let mut url = Url::parse(text).map_err(|_| NotStarted::Address)?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(NotStarted::Address);
    }
    if url.path() == "/" {
        url.set_path(PATH);
    }
    Ok(url.into())
}

/// The HTTP client of the exporter. The library calls it on a thread of its own, so it works on our runtime.
#[derive(Debug)]
struct Collector {
    client: Client,
    runtime: Handle,
}

impl Collector {
    fn new(extra_ca_pem: Option<&[u8]>) -> Result<Self, NotStarted> {
        let extra = match extra_ca_pem {
            None => Vec::new(),
            Some(pem) => match Certificate::from_pem_bundle(pem) {
                Ok(found) if !found.is_empty() => found,
                _ => return Err(NotStarted::Certificates),
            },
        };
        let builder = || Client::builder().redirect(Policy::none()).no_proxy().timeout(PATIENCE).user_agent("muster");
        // A machine without any certificates can still send by http, or to whom the extra ones vouch for.
        let client = builder()
            .tls_certs_merge(extra.iter().cloned())
            .build()
            .or_else(|_| builder().tls_certs_only(extra.iter().cloned()).build())
            .map_err(|_| NotStarted::Certificates)?;
        Ok(Self { client, runtime: Handle::current() })
    }
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.runtime.spawn(send(self.client.clone(), request)).await?;
        let outcome = if sent.as_ref().is_ok_and(|answer| answer.status().is_success()) { "taken" } else { "lost" };
        metrics::counter!("muster_trace_batches_total", "outcome" => outcome).increment(1);
        Ok(sent?)
    }
}

async fn send(client: Client, request: Request<Bytes>) -> Result<Response<Bytes>, reqwest::Error> {
    let (parts, body) = request.into_parts();
    let request = client.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
    let mut answer = request.send().await?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    let mut whole = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if whole.len() + chunk.len() > MOST_BODY_BYTES {
            break;
        }
        whole.extend_from_slice(&chunk);
    }
    *response.body_mut() = Bytes::from(whole);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_path_gets_the_protocols_own() {
        assert_eq!(endpoint("http://collector:4318").unwrap(), "http://collector:4318/v1/traces");
        assert_eq!(endpoint("https://otel.acme.test/in").unwrap(), "https://otel.acme.test/in");
        for bad in ["collector", "ftp://a/", "http://"] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn certificates_that_are_none_refuse_the_start() {
        let wanted = Wanted {
            endpoint: "http://127.0.0.1:1",
            per_mille: 1000,
            service_name: "muster",
            extra_ca_pem: Some(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"),
        };
        assert!(matches!(Sending::start(&wanted), Err(NotStarted::Certificates)));
    }
}
