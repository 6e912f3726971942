//! How the edge says no, and who reads a body: in plain text and itself, but where SCIM is spoken as SCIM does.
//!
//! # Why
//! A SCIM client understands no other error than SCIM's. And its bodies are large: they are read by whoever knows first
//! whose they are (`web/scim/gate.rs`), within the same time.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use super::limits::plain;
use crate::web::scim;

/// How long a request of SCIM may take, the reading of its body and its waiting in line included: the most patient of its
/// clients closes the connection after a minute.
const SCIM_TIME: Duration = Duration::from_secs(55);
/// How long a request may take that waits for something to happen: it says for how long, half a minute at most.
const WAITING_TIME: Duration = Duration::from_secs(45);
/// Where such requests go; whatever begins with an address that ends in a slash.
const WAITING: [&str; 2] = ["/revocations", "/ssf/poll/"];

/// What is spoken at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tongue {
    /// Pages and the other protocols.
    Plain,
    /// The same, where a request may wait for something to happen.
    Waiting,
    /// SCIM.
    Scim,
}

impl Tongue {
    /// What is spoken where a request goes.
    pub(super) fn at(uri: &Uri) -> Self {
        let path = uri.path();
        if scim::is_ours(path) {
            Self::Scim
        } else if WAITING.iter().any(|own| path == *own || (own.ends_with('/') && path.starts_with(own))) {
            Self::Waiting
        } else {
            Self::Plain
        }
    }

    /// What is spoken to a request. One of the REST API that would wait (`Prefer: wait`, RFC 7240) has longer.
    pub(super) fn of(request: &Request) -> Self {
        match Self::at(request.uri()) {
            Self::Plain if request.headers().contains_key("prefer") && request.uri().path().starts_with("/api/") => {
                Self::Waiting
            }
            spoken => spoken,
        }
    }

    /// Whether the body is read before the handler runs.
    pub(super) const fn reads_first(self) -> bool {
        matches!(self, Self::Plain | Self::Waiting)
    }

    /// How long the work may take, where others may take `usual`.
    pub(super) fn work_time(self, usual: Duration) -> Duration {
        match self {
            Self::Plain => usual,
            Self::Waiting => usual.max(WAITING_TIME),
            Self::Scim => usual.max(SCIM_TIME),
        }
    }

    /// The answer to a request that is refused, or whose work never ended.
    pub(super) fn refuse(self, status: StatusCode) -> Response {
        match self {
            Self::Plain | Self::Waiting => plain(status),
            Self::Scim => scim::reply::refused(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn where_scim_is_spoken_a_refusal_is_scims_and_the_work_has_longer() {
        let tongue = |uri: &'static str| Tongue::at(&Uri::from_static(uri));
        assert_eq!(tongue("/scim/v2/Users?filter=x"), Tongue::Scim);
        assert_eq!(tongue("https://id.acme.test/scim"), Tongue::Scim);
        assert_eq!(tongue("/token"), Tongue::Plain);
        let refused = Tongue::Scim.refuse(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.headers()["content-type"], "application/scim+json");
        let second = Duration::from_secs(1);
        assert_eq!((Tongue::Plain.work_time(second), Tongue::Scim.work_time(second)), (second, SCIM_TIME));
    }

    #[test]
    fn a_request_of_the_api_that_would_wait_has_longer() {
        let tongue = |uri: &str, header: &'static str| {
            Tongue::of(&Request::builder().uri(uri).header(header, "wait=30").body(Body::empty()).unwrap())
        };
        assert_eq!(tongue("/api/v1/changes/chg_1", "prefer"), Tongue::Waiting);
        assert_eq!(tongue("/api/v1/changes/chg_1", "accept"), Tongue::Plain);
        assert_eq!(tongue("/token", "prefer"), Tongue::Plain);
        assert_eq!(tongue("/scim/v2/Users", "prefer"), Tongue::Scim);
    }

    #[test]
    fn a_request_that_waits_has_longer_and_is_read_like_any_other() {
        let tongue = |uri: &'static str| Tongue::at(&Uri::from_static(uri));
        for uri in ["/revocations?after=1&wait=30", "/ssf/poll/ssf_1"] {
            assert_eq!(tongue(uri), Tongue::Waiting, "{uri}");
        }
        assert_eq!((tongue("/revocations/x"), tongue("/ssf/polls")), (Tongue::Plain, Tongue::Plain));
        assert!(Tongue::Waiting.reads_first());
        assert_eq!(Tongue::Waiting.work_time(Duration::from_secs(1)), WAITING_TIME);
        let refused = Tongue::Waiting.refuse(StatusCode::NOT_FOUND);
        assert_ne!(refused.headers()["content-type"], "application/scim+json");
    }
}
