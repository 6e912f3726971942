//! The feed of revocations: what no longer counts, for services that check tokens without asking. Numbered entries
//! ([`entry`]), signed pages of them ([`page`]), and the same as lists of bits ([`status_list`]).
//!
//! # Why
//! Entries only ever take away, and each says all that it means: a reader who has heard some of them twice, or out of
//! order, knows no less for it. The numbers are there so that nobody misses one.

pub mod entry;
pub mod page;
pub mod status_list;

use serde_json::{Value, json};

use crate::domain::keys::Alg;
use crate::domain::oauth::scope;
use crate::domain::oidc::discovery;

/// Where the feed is, under the issuer.
pub const REVOCATIONS: &str = "/revocations";
/// Where it is described, under the issuer.
pub const METADATA: &str = "/.well-known/muster-revocations";
/// What the addresses of status lists begin with, under the issuer.
pub const STATUS: &str = "/status";
/// How pages and lists are signed.
pub const ALG: Alg = Alg::Es256;
/// The most entries of a page.
pub const MOST_ENTRIES: usize = 1000;
/// A stream is never silent for longer, in seconds.
pub const HEARTBEAT_SECS: u64 = 5;
/// The longest that an answer may wait, in seconds.
pub const LONGEST_WAIT_SECS: u64 = 30;

/// What readers must know before they read; no access token lives longer than `max_token_life` seconds.
#[must_use]
pub fn metadata(issuer: &str, max_token_life: i64) -> Value {
    let at = |path: &str| format!("{issuer}{path}");
    json!({
        "issuer": issuer,
        "revocations_endpoint": at(REVOCATIONS),
        "jwks_uri": at(discovery::JWKS),
        "revocations_signing_alg_values_supported": [ALG],
        "scope": scope::REVOCATIONS_READ,
        "max_token_life": max_token_life,
        "heartbeat": HEARTBEAT_SECS,
        "max_entries": MOST_ENTRIES,
        "status_list_endpoint": at(STATUS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_told_where_everything_is() {
        let told = metadata("https://id.example", 3600);
        assert_eq!(told["revocations_endpoint"], "https://id.example/revocations");
        assert_eq!(told["status_list_endpoint"], "https://id.example/status");
        assert_eq!(told["revocations_signing_alg_values_supported"], json!(["ES256"]));
        assert_eq!((&told["max_token_life"], &told["heartbeat"]), (&json!(3600), &json!(5)));
    }
}
