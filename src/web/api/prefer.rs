//! `Prefer: wait=N` (RFC 7240 §4.3): an answer that is held until nothing that the change has to tell waits any more, or
//! N seconds are over.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::problem::Problem;
use crate::app::App;
use crate::kernel::id::ChangeId;
use crate::store::outbox;

/// Nobody waits longer than so many seconds, whatever they would like.
const LONGEST: u64 = 30;
/// The first look whether something waits still comes so soon, each later one twice as late …
const LOOK: Duration = Duration::from_millis(50);
/// … but no later than this.
const LAST_LOOK: Duration = Duration::from_millis(400);
/// So many answers are held on one node; the others are given at once.
static HELD: Semaphore = Semaphore::const_new(256);
/// The longest answer whose receipt is looked for.
const MOST: usize = 64 * 1024 * 1024;

/// How long a caller would wait, in seconds; not at all, mostly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preference(Option<u64>);

impl Preference {
    /// What a request says. A preference that can't be understood is none (RFC 7240 §2).
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let all = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        let mut waits = all.flat_map(|value| value.split(',')).filter_map(seconds);
        Self(waits.next().map(|seconds| seconds.min(LONGEST)))
    }

    /// Waits, as far as it is wanted and there is a place; whether it did.
    ///
    /// # Errors
    /// The database's.
    pub async fn hold(self, app: &App, change: &ChangeId) -> Result<bool, sqlx::Error> {
        let Some(seconds) = self.0 else { return Ok(false) };
        let Ok(_place) = HELD.try_acquire() else { return Ok(false) };
        let (end, mut look) = (Instant::now() + Duration::from_secs(seconds), LOOK);
        loop {
            let waits = outbox::waits(&mut app.db.read().await?, change).await?;
            let now = Instant::now();
            if !waits || now >= end {
                return Ok(true);
            }
            sleep(look.min(end - now)).await;
            look = (look * 2).min(LAST_LOOK);
        }
    }

    /// Says in an answer what was made of the preference.
    #[must_use]
    pub fn applied(self, mut response: Response) -> Response {
        let value = self.0.and_then(|seconds| HeaderValue::from_str(&format!("wait={seconds}")).ok());
        if let Some(value) = value {
            let headers = response.headers_mut();
            headers.insert(HeaderName::from_static("preference-applied"), value);
            headers.append(header::VARY, HeaderValue::from_static("Prefer"));
        }
        response
    }

    /// Holds the answer of a write that has a receipt, until everybody has heard of it.
    pub async fn hold_written(self, app: &App, response: Response) -> Response {
        if self.0.is_none() || !response.status().is_success() {
            return response;
        }
        let (parts, body) = response.into_parts();
        let Ok(bytes) = to_bytes(body, MOST).await else {
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again in a moment.")
                .into_response();
        };
        let change = change_of(&bytes);
        let response = Response::from_parts(parts, Body::from(bytes));
        let Some(change) = change else { return response };
        // It is written; that it can't be seen how far it was told is no reason to say otherwise.
        match self.hold(app, &change).await {
            Ok(true) => self.applied(response),
            Ok(false) => response,
            Err(error) => {
                tracing::warn!(%error, "an answer was not held");
                response
            }
        }
    }
}

/// The seconds of one preference: `wait=10`, with or without quotes and parameters.
fn seconds(preference: &str) -> Option<u64> {
    let (name, value) = preference.split(';').next()?.split_once('=')?;
    let value = value.trim().trim_matches('"');
    if !name.trim().eq_ignore_ascii_case("wait") || value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(value.parse().unwrap_or(u64::MAX))
}

/// The change of a written answer's receipt. A dry run has none.
fn change_of(answer: &[u8]) -> Option<ChangeId> {
    #[derive(Deserialize)]
    struct Answer {
        receipt: Receipt,
    }
    #[derive(Deserialize)]
    struct Receipt {
        change_id: String,
        dry_run: bool,
    }
    let Answer { receipt } = serde_json::from_slice(answer).ok()?;
    if receipt.dry_run { None } else { receipt.change_id.parse().ok() }
}

impl<S: Send + Sync> FromRequestParts<S> for Preference {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&'static str]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("prefer", HeaderValue::from_static(value));
        }
        Preference::of(&headers).0
    }

    #[test]
    fn a_wait_is_found_among_other_preferences_and_never_long() {
        assert_eq!(of(&["wait=5"]), Some(5));
        assert_eq!(of(&["respond-async, Wait=\"10\"; x=y"]), Some(10));
        assert_eq!(of(&["return=minimal", "wait=2"]), Some(2));
        assert_eq!(of(&["wait=31"]), Some(30));
        assert_eq!(of(&["wait=99999999999999999999999999"]), Some(30));
    }

    #[test]
    fn what_is_no_wait_is_not_understood() {
        for bad in ["wait", "wait=", "wait=-1", "wait=1.5", "wait=+1", "await=1", "wait=ten", ""] {
            assert_eq!(of(&[bad]), None, "{bad:?}");
        }
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn the_change_is_read_from_a_receipt_and_from_nothing_else() {
        let id = ChangeId::from_u128(1);
        let answer = |dry_run: bool| {
            format!(r#"{{"object":{{"a":1}},"receipt":{{"change_id":"{id}","dry_run":{dry_run},"told":[]}}}}"#)
        };
        assert_eq!(change_of(answer(false).as_bytes()), Some(id.clone()));
        assert_eq!(change_of(answer(true).as_bytes()), None);
        for other in
            ["{}", "[]", "null", r#"{"receipt":null}"#, r#"{"receipt":{"change_id":"x","dry_run":false}}"#, "%"]
        {
            assert_eq!(change_of(other.as_bytes()), None, "{other}");
        }
    }
}
