//! `GET /.well-known/openid-configuration` (Discovery 1.0 §4, RFC 8414) and `GET /jwks`: bytes made beforehand, with
//! an `ETag`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::domain::oidc::discovery;
use crate::domain::people::assurance::Level;
use crate::kernel::secret::Digest;

/// A document whose bytes do not change while the process runs.
#[derive(Clone)]
pub struct Document(Arc<(Bytes, HeaderValue)>);

impl Document {
    /// The discovery document of an issuer.
    #[must_use]
    pub fn discovery(issuer: &str) -> Self {
        let bytes = Bytes::from(discovery::document(issuer, &Level::ALL.map(Level::acr)).to_string());
        let etag = format!("\"{}\"", &Digest::of(&bytes).base64url()[..16]);
        let etag = HeaderValue::from_str(&etag).unwrap_or(HeaderValue::from_static("\"0\""));
        Self(Arc::new((bytes, etag)))
    }
}

/// `GET /.well-known/openid-configuration`, and the same under `oauth-authorization-server`.
pub async fn document(State(document): State<Document>, headers: HeaderMap) -> Response {
    let (bytes, etag) = &*document.0;
    cached(&headers, bytes.clone(), etag.clone(), HeaderValue::from_static("public, max-age=300"))
}

/// `GET /jwks`.
pub async fn jwks(State(app): State<App>, headers: HeaderMap) -> Response {
    let jwks = app.keyring.jwks(app.now());
    let etag = HeaderValue::from_str(&jwks.etag).unwrap_or(HeaderValue::from_static("\"0\""));
    let age = HeaderValue::from_str(&format!("public, max-age={}", app.config.keys.jwks_max_age_secs))
        .unwrap_or(HeaderValue::from_static("no-cache"));
    cached(&headers, Bytes::copy_from_slice(&jwks.body), etag, age)
}

fn cached(headers: &HeaderMap, body: Bytes, etag: HeaderValue, age: HeaderValue) -> Response {
    let everybody = (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == etag);
    if known {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag), (header::CACHE_CONTROL, age), everybody])
            .into_response();
    }
    let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    ([json, (header::ETAG, etag), (header::CACHE_CONTROL, age), everybody], body).into_response()
}

/// What the router's handlers are given.
#[derive(Clone)]
pub struct Rooms {
    /// The handles.
    pub app: App,
    /// The discovery document.
    pub discovery: Document,
    /// The description of the REST API.
    pub description: crate::web::api::reference::Description,
    /// Where metrics are read.
    pub metrics: Option<metrics_exporter_prometheus::PrometheusHandle>,
    /// Cancelled once the process stops.
    pub stopping: tokio_util::sync::CancellationToken,
}

impl FromRef<Rooms> for App {
    fn from_ref(rooms: &Rooms) -> Self {
        rooms.app.clone()
    }
}
impl FromRef<Rooms> for Document {
    fn from_ref(rooms: &Rooms) -> Self {
        rooms.discovery.clone()
    }
}
