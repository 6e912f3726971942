//! HTTP for the conversation with providers: the crate's client as a closure over [`RelyingParty::fetch`], and the JSON
//! documents that we read ourselves.

use std::pin::Pin;
use std::time::Duration;

use openidconnect::http::header::ACCEPT;
use openidconnect::{HttpRequest, HttpResponse, http};

use super::UpstreamError;
use crate::domain::federation::Claims;
use crate::outside::relying_party::{RelyingParty, SendError};

/// The largest document that a provider publishes of itself: discovery, keys.
const MOST_DOCUMENT_BYTES: usize = 256 * 1024;
/// The largest answer to a code, to userinfo or to polling; somebody may be in 50,000 groups.
pub(super) const MOST_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// For one exchange.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The answer to one request of the crate's.
pub(super) type Answering = Pin<Box<dyn Future<Output = Result<HttpResponse, SendError>> + Send>>;

/// The crate's HTTP client.
pub(super) fn asker(relying_party: RelyingParty) -> impl Fn(HttpRequest) -> Answering + Send + Sync {
    move |request: HttpRequest| -> Answering {
        let relying_party = relying_party.clone();
        Box::pin(async move { relying_party.fetch(request, MOST_ANSWER_BYTES, PATIENCE).await })
    }
}

/// A document that the provider publishes of itself: a JSON object.
pub(super) async fn document(relying_party: &RelyingParty, address: &str) -> Result<Claims, UpstreamError> {
    let request = http::Request::get(address).header(ACCEPT, "application/json").body(Vec::new());
    let request = request.map_err(|_| UpstreamError::BadDiscovery("an address is none"))?;
    let answer = relying_party.fetch(request, MOST_DOCUMENT_BYTES, PATIENCE).await?;
    match answer.status().as_u16() {
        200 => serde_json::from_slice(answer.body())
            .map_err(|_| UpstreamError::BadDiscovery("a document is no JSON object")),
        429 | 500.. => Err(UpstreamError::Unreachable),
        _ => Err(UpstreamError::BadDiscovery("a document is not where it should be")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake_tests::{Fake, relying_party};
    use super::*;

    #[tokio::test]
    async fn a_document_is_read_up_to_its_largest_size_and_no_further() {
        let fake = Fake::start().await;
        let address = format!("{}/doc", fake.issuer);
        let fits = format!("{{\"a\":\"{}\"}}", "x".repeat(MOST_DOCUMENT_BYTES - 8));
        fake.answer("/doc", 200, &fits);
        assert_eq!(document(&relying_party(), &address).await.map(|found| found.len()), Ok(1));
        fake.answer("/doc", 200, &format!("{fits} "));
        assert_eq!(document(&relying_party(), &address).await, Err(UpstreamError::TooLarge));
        fake.endless("/doc", &fits.repeat(2));
        assert_eq!(document(&relying_party(), &address).await, Err(UpstreamError::TooLarge));
    }

    #[tokio::test]
    async fn what_is_no_document_is_told_from_a_provider_that_is_down() {
        let fake = Fake::start().await;
        let address = format!("{}/doc", fake.issuer);
        for (status, body, wanted) in [
            (404, "{}", UpstreamError::BadDiscovery("a document is not where it should be")),
            (200, "[]", UpstreamError::BadDiscovery("a document is no JSON object")),
            (200, "<html>", UpstreamError::BadDiscovery("a document is no JSON object")),
            (503, "{}", UpstreamError::Unreachable),
            (429, "{}", UpstreamError::Unreachable),
        ] {
            fake.answer("/doc", status, body);
            assert_eq!(document(&relying_party(), &address).await, Err(wanted), "{status} {body}");
        }
        let refused = document(&relying_party(), "https://10.0.0.1/").await;
        assert!(matches!(refused, Err(UpstreamError::BadDiscovery(_))), "{refused:?}");
    }
}
