//! The discovery document and the keys (OpenID Connect Discovery §3, RFC 8414, RFC 7517), as they are served.

use serde_json::Value;

use crate::support::client::{list, names};
use crate::support::server::on_both;

/// The members that may stand in the document; each is one that a specification names.
const MEMBERS: &[&str] = &[
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "introspection_endpoint",
    "revocation_endpoint",
    "device_authorization_endpoint",
    "end_session_endpoint",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "introspection_endpoint_auth_methods_supported",
    "introspection_endpoint_auth_signing_alg_values_supported",
    "revocation_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_signing_alg_values_supported",
    "scopes_supported",
    "response_types_supported",
    "response_modes_supported",
    "grant_types_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
    "code_challenge_methods_supported",
    "acr_values_supported",
    "prompt_values_supported",
    "display_values_supported",
    "ui_locales_supported",
    "claim_types_supported",
    "claims_supported",
    "claims_parameter_supported",
    "request_parameter_supported",
    "request_uri_parameter_supported",
    "authorization_response_iss_parameter_supported",
    "backchannel_logout_supported",
    "backchannel_logout_session_supported",
    "frontchannel_logout_supported",
    "frontchannel_logout_session_supported",
    "service_documentation",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_discovery_document_says_what_there_is_and_nothing_else() {
    on_both(async |site| {
        let answer = site.at.get("/.well-known/openid-configuration").await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").starts_with("application/json"));
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        let document = answer.json();
        assert_eq!(document, site.at.get("/.well-known/oauth-authorization-server").await.json());
        assert_eq!(document["issuer"], site.at.issuer);
        for name in names(&document) {
            assert!(MEMBERS.contains(&name.as_str()), "no specification names {name}");
            if name.ends_with("_endpoint") || name == "jwks_uri" {
                assert!(site.at.owns(document[&name].as_str().unwrap()), "{name}");
            }
        }
        assert_eq!(list(&document["response_types_supported"]), ["code"]);
        assert_eq!(list(&document["code_challenge_methods_supported"]), ["S256"]);
        let device = "urn:ietf:params:oauth:grant-type:device_code";
        assert_eq!(
            list(&document["grant_types_supported"]),
            ["authorization_code", "client_credentials", "refresh_token", device]
        );
        assert_eq!(list(&document["id_token_signing_alg_values_supported"]), ["ES256", "EdDSA", "RS256"]);
        let methods = ["client_secret_basic", "client_secret_post", "none", "private_key_jwt"];
        assert_eq!(list(&document["token_endpoint_auth_methods_supported"]), methods);
        for name in [
            "authorization_response_iss_parameter_supported",
            "backchannel_logout_supported",
            "backchannel_logout_session_supported",
            "frontchannel_logout_supported",
            "frontchannel_logout_session_supported",
        ] {
            assert_eq!(document[name], true, "{name}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_are_public_named_and_may_be_kept_as_long_as_a_new_one_waits() {
    on_both(async |site| {
        let answer = site.at.get("/jwks").await;
        assert!(answer.header("cache-control").contains("max-age=300"), "{}", answer.header("cache-control"));
        let set = answer.json();
        let keys = set["keys"].as_array().unwrap();
        assert!(keys.len() >= 2);
        for key in keys {
            let has = |name: &str| key[name].is_string();
            assert!(has("kid") && has("alg") && has("kty") && key["use"] == "sig", "{key}");
            for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                assert_eq!(key[private], Value::Null, "a private part is published");
            }
        }
        let again =
            site.at.request(reqwest::Method::GET, &site.at.url("/jwks")).header("if-none-match", answer.header("etag"));
        assert_eq!(crate::support::http::Answer::to(again).await.status, 304);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_host_name_is_misdirected() {
    on_both(async |site| {
        let request = reqwest::Client::builder().no_proxy().build().unwrap().get(format!("{}/jwks", site.at.node));
        let answer = crate::support::http::Answer::to(request.header("host", "evil.example")).await;
        assert_eq!(answer.status, 421);
    })
    .await;
}
