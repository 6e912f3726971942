//! What the transmitter offers, and where (SSF 1.0 §7.1).

use serde_json::{Value, json};

use super::stream::Delivery;
use crate::domain::oidc::discovery;

/// Where this document is, under the issuer.
pub const CONFIGURATION: &str = "/.well-known/ssf-configuration";
/// Where streams are kept, under the issuer.
pub const STREAMS: &str = "/ssf/streams";
/// Where a stream's status is, under the issuer.
pub const STATUS: &str = "/ssf/status";
/// Where a person comes into a stream again, under the issuer.
pub const ADD_SUBJECT: &str = "/ssf/subjects:add";
/// Where a person is left out of a stream, under the issuer.
pub const REMOVE_SUBJECT: &str = "/ssf/subjects:remove";
/// Where a stream is tried, under the issuer.
pub const VERIFY: &str = "/ssf/verify";
/// What the address begins with at which a stream's events are fetched; its id follows.
pub const POLL: &str = "/ssf/poll/";

/// The document of an issuer.
#[must_use]
pub fn document(issuer: &str) -> Value {
    let at = |path: &str| format!("{issuer}{path}");
    json!({
        "spec_version": "1_0",
        "issuer": issuer,
        "jwks_uri": at(discovery::JWKS),
        "delivery_methods_supported": [Delivery::Push.urn(), Delivery::Poll.urn()],
        "configuration_endpoint": at(STREAMS),
        "status_endpoint": at(STATUS),
        "add_subject_endpoint": at(ADD_SUBJECT),
        "remove_subject_endpoint": at(REMOVE_SUBJECT),
        "verification_endpoint": at(VERIFY),
        // OAuth 2.0 (RFC 6749): a token of the application's own.
        "authorization_schemes": [{ "spec_urn": "urn:ietf:rfc:6749" }],
        "default_subjects": "ALL",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_the_issuers_and_no_list_is_empty() {
        let document = document("https://id.example");
        let members = document.as_object().unwrap();
        for (name, value) in members {
            if name.ends_with("_endpoint") || name.ends_with("_uri") {
                assert!(value.as_str().unwrap().starts_with("https://id.example/"), "{name}");
            }
            assert!(value.as_array().is_none_or(|list| !list.is_empty()), "{name}");
        }
        assert_eq!(document["default_subjects"], "ALL");
        assert!(!document["spec_version"].as_str().unwrap().contains('.'));
    }
}
