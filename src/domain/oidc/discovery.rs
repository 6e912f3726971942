//! The discovery document (OpenID Connect Discovery §3, RFC 8414 §2): what this server offers, and where.
//!
//! Only members that the specifications name: an unknown one is a warning in the conformance suite.

use serde_json::{Value, json};

use crate::domain::keys::Alg;
use crate::domain::oauth::application::{AuthMethod, GrantType};
use crate::domain::oauth::authorization_request::ResponseMode;
use crate::domain::oauth::scope;
use crate::domain::oidc::claims;
use crate::domain::oidc::prompt::Prompt;

/// Where the authorization endpoint is, under the issuer.
pub const AUTHORIZE: &str = "/authorize";
/// Where the token endpoint is, under the issuer.
pub const TOKEN: &str = "/token";
/// Where userinfo is, under the issuer.
pub const USERINFO: &str = "/userinfo";
/// Where the keys are, under the issuer.
pub const JWKS: &str = "/jwks";
/// Where introspection is, under the issuer.
pub const INTROSPECT: &str = "/introspect";
/// Where revocation is, under the issuer.
pub const REVOKE: &str = "/revoke";
/// Where devices begin a sign-in (RFC 8628), under the issuer.
pub const DEVICE_AUTHORIZATION: &str = "/device_authorization";
/// Where people type the code of a device, under the issuer.
pub const DEVICE: &str = "/device";
/// Where signing out is, under the issuer.
pub const END_SESSION: &str = "/end_session";

/// Algorithms of client assertions; `outside::client_assertion` accepts these.
pub const ASSERTION_ALGS: [&str; 4] = ["ES256", "EdDSA", "PS256", "RS256"];

/// The claims besides the standard ones.
const OWN_CLAIMS: [&str; 15] = [
    "sub",
    "iss",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "acr",
    "amr",
    "sid",
    "org_id",
    "org_slug",
    "org_roles",
    "project_roles",
    "roles",
    "groups",
];

/// The document of an issuer, given the levels (`acr`) that can be reached there.
#[must_use]
pub fn document(issuer: &str, acr_values: &[&str]) -> Value {
    let members = [places(issuer), authentication(), offers(acr_values)].into_iter().flatten();
    Value::Object(members.map(|(name, value)| (name.to_owned(), value)).collect())
}

type Members = Vec<(&'static str, Value)>;

fn places(issuer: &str) -> Members {
    let at = |path: &str| Value::from(format!("{issuer}{path}"));
    vec![
        ("issuer", issuer.into()),
        ("authorization_endpoint", at(AUTHORIZE)),
        ("token_endpoint", at(TOKEN)),
        ("userinfo_endpoint", at(USERINFO)),
        ("jwks_uri", at(JWKS)),
        ("introspection_endpoint", at(INTROSPECT)),
        ("revocation_endpoint", at(REVOKE)),
        ("device_authorization_endpoint", at(DEVICE_AUTHORIZATION)),
        ("end_session_endpoint", at(END_SESSION)),
    ]
}

/// An introspection without authentication would answer anybody (RFC 7662 §2.1): `none` isn't offered there.
fn authentication() -> Members {
    let methods = json!(AuthMethod::ALL);
    let proven: Vec<AuthMethod> =
        AuthMethod::ALL.iter().copied().filter(|method| *method != AuthMethod::None).collect();
    vec![
        ("token_endpoint_auth_methods_supported", methods.clone()),
        ("token_endpoint_auth_signing_alg_values_supported", json!(ASSERTION_ALGS)),
        ("introspection_endpoint_auth_methods_supported", json!(proven)),
        ("introspection_endpoint_auth_signing_alg_values_supported", json!(ASSERTION_ALGS)),
        ("revocation_endpoint_auth_methods_supported", methods),
        ("revocation_endpoint_auth_signing_alg_values_supported", json!(ASSERTION_ALGS)),
    ]
}

fn offers(acr_values: &[&str]) -> Members {
    let claims: Vec<&str> = OWN_CLAIMS.into_iter().chain(claims::STANDARD.map(|(name, _)| name)).collect();
    vec![
        ("scopes_supported", json!(scope::KNOWN)),
        ("response_types_supported", json!(["code"])),
        ("response_modes_supported", json!(ResponseMode::ALL)),
        ("grant_types_supported", json!(GrantType::ALL)),
        ("subject_types_supported", json!(["public"])),
        ("id_token_signing_alg_values_supported", json!([Alg::Rs256, Alg::Es256, Alg::EdDsa])),
        ("code_challenge_methods_supported", json!(["S256"])),
        ("acr_values_supported", json!(acr_values)),
        ("prompt_values_supported", json!(Prompt::ALL)),
        ("display_values_supported", json!(["page", "popup"])),
        ("ui_locales_supported", json!(["en"])),
        ("claim_types_supported", json!(["normal"])),
        ("claims_supported", json!(claims)),
        ("claims_parameter_supported", true.into()),
        ("request_parameter_supported", false.into()),
        ("request_uri_parameter_supported", false.into()),
        ("authorization_response_iss_parameter_supported", true.into()),
        ("backchannel_logout_supported", true.into()),
        ("backchannel_logout_session_supported", true.into()),
        ("frontchannel_logout_supported", true.into()),
        ("frontchannel_logout_session_supported", true.into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Value {
        document("https://id.example", &["urn:muster:acr:pwd"])
    }

    #[test]
    fn every_endpoint_stands_under_the_issuer() {
        let document = found();
        assert_eq!(document["issuer"], "https://id.example");
        for (name, value) in document.as_object().expect("an object") {
            if name.ends_with("_endpoint") || name == "jwks_uri" {
                assert!(value.as_str().is_some_and(|uri| uri.starts_with("https://id.example/")), "{name}");
            }
        }
    }

    #[test]
    fn what_the_suite_demands_is_offered() {
        let document = found();
        let offers =
            |name: &str, value: &str| document[name].as_array().is_some_and(|all| all.iter().any(|one| one == value));
        for (name, value) in [
            ("scopes_supported", "openid"),
            ("response_types_supported", "code"),
            ("response_modes_supported", "form_post"),
            ("subject_types_supported", "public"),
            ("id_token_signing_alg_values_supported", "RS256"),
            ("id_token_signing_alg_values_supported", "ES256"),
            ("token_endpoint_auth_methods_supported", "private_key_jwt"),
            ("token_endpoint_auth_methods_supported", "client_secret_basic"),
            ("token_endpoint_auth_signing_alg_values_supported", "ES256"),
            ("code_challenge_methods_supported", "S256"),
            ("grant_types_supported", "authorization_code"),
            ("grant_types_supported", "refresh_token"),
            ("grant_types_supported", "urn:ietf:params:oauth:grant-type:device_code"),
            ("claims_supported", "phone_number_verified"),
            ("acr_values_supported", "urn:muster:acr:pwd"),
            ("prompt_values_supported", "select_account"),
        ] {
            assert!(offers(name, value), "{name} {value}");
        }
        assert_eq!(document["authorization_response_iss_parameter_supported"], true);
        assert_eq!(document["backchannel_logout_session_supported"], true);
        assert_eq!(document["frontchannel_logout_session_supported"], true);
        assert_eq!(document["request_parameter_supported"], false);
    }

    #[test]
    fn nothing_is_offered_that_is_refused() {
        let text = found().to_string();
        for word in [
            "plain\"",
            "implicit",
            "\"password\"",
            "id_token token",
            "fragment",
            "HS256",
            "\"none\",\"client_secret_jwt\"",
        ] {
            assert!(!text.contains(word), "{word}");
        }
        assert!(!found()["introspection_endpoint_auth_methods_supported"].to_string().contains("none"));
    }
}
