//! How much of our time and memory one request may have: its target, its body, its work.
//!
//! # Why
//! A body is read whole before the handler runs: then no handler can forget the limit, and the clock of the work
//! starts only when the client has done its part.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::timeout;

use crate::config::http::Http;

/// How long a request's target may be.
const TARGET: usize = 8192;

/// What one request may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    body_bytes: usize,
    body_time: Duration,
    /// How long the work may take once the body is here.
    pub(super) work_time: Duration,
}

impl From<&Http> for Bounds {
    fn from(http: &Http) -> Self {
        Self {
            body_bytes: http.max_body_bytes,
            body_time: Duration::from_millis(http.body_timeout_ms),
            work_time: Duration::from_millis(http.request_timeout_ms),
        }
    }
}

impl Bounds {
    /// Reads the body to its end; the error is the status to refuse with.
    pub(super) async fn read(&self, request: Request) -> Result<Request, StatusCode> {
        let (parts, body) = request.into_parts();
        if body.size_hint().lower() > self.body_bytes as u64 {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        match timeout(self.body_time, Limited::new(body, self.body_bytes).collect()).await {
            Ok(Ok(whole)) => Ok(Request::from_parts(parts, Body::from(whole.to_bytes()))),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
            Ok(Err(_)) => Err(StatusCode::BAD_REQUEST),
            Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
        }
    }
}

/// Whether a request's target is longer than we read.
pub(super) fn is_too_long(uri: &Uri) -> bool {
    uri.path_and_query().is_some_and(|target| target.as_str().len() > TARGET)
}

/// An answer that says its status and nothing else. Busy ones say when to come back.
pub(super) fn plain(status: StatusCode) -> Response {
    let mut response = (status, status.canonical_reason().unwrap_or("error")).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use futures_util::stream;

    use super::*;

    fn bounds() -> Bounds {
        Bounds { body_bytes: 8, body_time: Duration::from_millis(20), work_time: Duration::from_secs(1) }
    }

    fn in_parts(parts: &'static [&'static str]) -> Body {
        Body::from_stream(stream::iter(
            parts.iter().map(|part| Ok::<_, std::io::Error>(Bytes::from_static(part.as_bytes()))),
        ))
    }

    #[tokio::test]
    async fn a_body_within_the_limit_arrives_whole() {
        let request = bounds().read(Request::new(in_parts(&["1234", "5678"]))).await.unwrap();
        assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "12345678");
    }

    #[tokio::test]
    async fn a_longer_body_is_refused_whether_or_not_it_says_so() {
        for body in [Body::from("123456789"), in_parts(&["1234", "5678", "9"])] {
            assert_eq!(bounds().read(Request::new(body)).await.unwrap_err(), StatusCode::PAYLOAD_TOO_LARGE);
        }
    }

    #[tokio::test]
    async fn a_body_that_never_ends_times_out_and_a_broken_one_is_bad() {
        let endless = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(bounds().read(Request::new(endless)).await.unwrap_err(), StatusCode::REQUEST_TIMEOUT);
        let broken = Body::from_stream(stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]));
        assert_eq!(bounds().read(Request::new(broken)).await.unwrap_err(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn a_busy_answer_says_when_to_come_back() {
        assert_eq!(plain(StatusCode::SERVICE_UNAVAILABLE).headers()[RETRY_AFTER], "1");
        assert!(!plain(StatusCode::NOT_FOUND).headers().contains_key(RETRY_AFTER));
    }

    #[test]
    fn a_target_of_more_than_eight_kibibytes_is_too_long() {
        assert!(!is_too_long(&format!("/a?{}", "x".repeat(TARGET - 3)).parse().unwrap()));
        assert!(is_too_long(&format!("/a?{}", "x".repeat(TARGET - 2)).parse().unwrap()));
    }
}
