//! How the edge says no, and who reads a body: in plain text and itself, but where SCIM is spoken as SCIM does.
//!
//! # Why
//! A SCIM client understands no other error than SCIM's. And its bodies are large: they are read by whoever knows first
//! whose they are (`web/scim/gate.rs`), within the same time.

use std::time::Duration;

use axum::http::{StatusCode, Uri};
use axum::response::Response;

use super::limits::plain;
use crate::web::scim;

/// How long a request of SCIM may take, the reading of its body and its waiting in line included: the most patient of its
/// clients closes the connection after a minute.
const SCIM_TIME: Duration = Duration::from_secs(55);

/// What is spoken at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tongue {
    /// Pages and the other protocols.
    Plain,
    /// SCIM.
    Scim,
}

impl Tongue {
    /// What is spoken where a request goes.
    pub(super) fn at(uri: &Uri) -> Self {
        if scim::is_ours(uri.path()) { Self::Scim } else { Self::Plain }
    }

    /// Whether the body is read before the handler runs.
    pub(super) const fn reads_first(self) -> bool {
        matches!(self, Self::Plain)
    }

    /// How long the work may take, where others may take `usual`.
    pub(super) fn work_time(self, usual: Duration) -> Duration {
        match self {
            Self::Plain => usual,
            Self::Scim => usual.max(SCIM_TIME),
        }
    }

    /// The answer to a request that is refused, or whose work never ended.
    pub(super) fn refuse(self, status: StatusCode) -> Response {
        match self {
            Self::Plain => plain(status),
            Self::Scim => scim::reply::refused(status),
        }
    }
}

#[cfg(test)]
mod tests {
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
}
