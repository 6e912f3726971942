//! What a provider says of itself (OpenID Connect Discovery 1.0 §3, Shared Signals Framework 1.0 §7), and whether it
//! may be believed.
//!
//! # Why
//! The document leads us and the browser somewhere: the issuer must be the one that was asked for, byte by byte (so a
//! document with `{tenantid}` in it is none), and every address must be one that may be called. Only members that are
//! used are read; the others can't make it fail.

use std::fmt;

use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode,
    CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{AdditionalProviderMetadata, IssuerUrl, ProviderMetadata};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::UpstreamError;
use super::fetch;
use crate::domain::federation::Claims;
use crate::outside::relying_party::RelyingParty;

/// The members that are read.
const MEMBERS: [&str; 9] = [
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "response_types_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
    "authorization_response_iss_parameter_supported",
];

/// What an ID token may be signed with: nothing that shares a secret, and nothing that the crate can't verify.
const SAFE: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// The members that the crate has no place for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Beside {
    #[serde(default)]
    authorization_response_iss_parameter_supported: Option<bool>,
}
impl AdditionalProviderMetadata for Beside {}

/// The crate's form of the document.
pub(super) type Provider = ProviderMetadata<
    Beside,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// A provider's discovery document that may be believed.
#[derive(Clone)]
pub struct Metadata {
    pub(super) provider: Provider,
    pub(super) algs: Vec<CoreJwsSigningAlgorithm>,
    token_endpoint: String,
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}

impl Metadata {
    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.provider.issuer().as_str()
    }

    /// Where the browser is sent.
    #[must_use]
    pub fn authorization_endpoint(&self) -> &str {
        self.provider.authorization_endpoint().as_str()
    }

    /// Where the code is exchanged.
    #[must_use]
    pub fn token_endpoint(&self) -> &str {
        &self.token_endpoint
    }

    /// Whether every answer that the browser brings back names its issuer (RFC 9207 §3).
    #[must_use]
    pub fn names_itself(&self) -> bool {
        self.provider.additional_metadata().authorization_response_iss_parameter_supported == Some(true)
    }

    pub(super) fn jwks_uri(&self) -> &str {
        self.provider.jwks_uri().as_str()
    }

    /// The document, if it is the issuer's and leads nowhere that it shouldn't.
    fn believed(document: Claims, issuer: &str, relying_party: &RelyingParty) -> Result<Self, UpstreamError> {
        let bad = UpstreamError::BadDiscovery;
        if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
            return Err(bad("it is another issuer's"));
        }
        let read = document.into_iter().filter(|(name, _)| MEMBERS.contains(&name.as_str())).collect();
        let provider: Provider = serde_json::from_value(Value::Object(read))
            .map_err(|_| bad("a member is missing or not what it should be"))?;
        let may_call = |address: &str| relying_party.may_call(address).is_ok() && !address.contains('#');
        let browser = provider.authorization_endpoint().as_str();
        // The browser goes there, not we: a provider inside the customer's own network is none of our business.
        if !may_call(browser) && !is_https(browser) {
            return Err(bad("the authorization endpoint has no https address"));
        }
        let token_endpoint = provider.token_endpoint().map(|found| found.as_str().to_owned());
        let token_endpoint = token_endpoint.ok_or(bad("it names no token endpoint"))?;
        if !may_call(&token_endpoint) {
            return Err(bad("the token endpoint is not at an address that may be called"));
        }
        if !may_call(provider.jwks_uri().as_str()) {
            return Err(bad("the keys are not at an address that may be called"));
        }
        if provider.userinfo_endpoint().is_some_and(|found| !may_call(found.as_str())) {
            return Err(bad("the userinfo endpoint is not at an address that may be called"));
        }
        let signs_with = provider.id_token_signing_alg_values_supported();
        let algs: Vec<_> = SAFE.into_iter().filter(|alg| signs_with.contains(alg)).collect();
        if algs.is_empty() {
            return Err(bad("it signs ID tokens with nothing that is accepted here"));
        }
        Ok(Self { provider, algs, token_endpoint })
    }
}

fn is_https(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| {
        url.scheme() == "https"
            && url.host().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    })
}

/// Reads an issuer's discovery document.
pub(super) async fn read(relying_party: &RelyingParty, issuer: &str) -> Result<Metadata, UpstreamError> {
    let address = IssuerUrl::new(issuer.to_owned()).and_then(|issuer| issuer.join(".well-known/openid-configuration"));
    let address = address.map_err(|_| UpstreamError::BadDiscovery("the issuer is no address"))?;
    let document = fetch::document(relying_party, address.as_str()).await?;
    Metadata::believed(document, issuer, relying_party)
}

/// Reads where a transmitter of security events publishes its keys.
pub(super) async fn read_transmitter(relying_party: &RelyingParty, issuer: &str) -> Result<String, UpstreamError> {
    let bad = UpstreamError::BadDiscovery;
    let address = transmitter_address(issuer).ok_or(bad("the issuer is no address"))?;
    let document = fetch::document(relying_party, &address).await?;
    if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(bad("it is another issuer's"));
    }
    let keys = document.get("jwks_uri").and_then(Value::as_str).ok_or(bad("it names no keys"))?;
    relying_party.may_call(keys).map_err(|_| bad("the keys are not at an address that may be called"))?;
    Ok(keys.to_owned())
}

/// The well-known part stands between the host and the issuer's path (Shared Signals Framework 1.0 §7.2).
fn transmitter_address(issuer: &str) -> Option<String> {
    let mut url = Url::parse(issuer).ok().filter(|url| !url.cannot_be_a_base())?;
    let path = format!("/.well-known/ssf-configuration{}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fake_tests::relying_party;
    use super::*;

    const ISSUER: &str = "https://idp.acme.test";

    fn document() -> Claims {
        let at = |path: &str| format!("{ISSUER}{path}");
        json!({
            "issuer": ISSUER, "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
            "jwks_uri": at("/jwks"), "userinfo_endpoint": at("/userinfo"), "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["HS256", "none", "ES256K", "RS256", "ES512"], "op_policy_uri": "",
        })
        .as_object()
        .unwrap()
        .clone()
    }

    fn believed(change: impl FnOnce(&mut Claims)) -> Result<Metadata, UpstreamError> {
        let mut document = document();
        change(&mut document);
        Metadata::believed(document, ISSUER, &relying_party())
    }

    #[test]
    fn a_document_is_read_for_what_is_used_and_nothing_unsafe_signs() {
        let found = believed(|_| ()).unwrap();
        assert_eq!((found.issuer(), found.token_endpoint()), (ISSUER, "https://idp.acme.test/token"));
        assert_eq!(found.algs, [CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256]);
        assert!(!found.names_itself());
        let named = "authorization_response_iss_parameter_supported";
        assert!(believed(|document| drop(document.insert(named.to_owned(), json!(true)))).unwrap().names_itself());
    }

    #[test]
    fn an_issuer_that_is_not_exactly_the_one_asked_for_is_refused() {
        for issuer in [
            "https://idp.acme.test/",
            "https://IDP.acme.test",
            "https://idp.acme.test/{tenantid}/v2.0",
            "http://idp.acme.test",
            "",
        ] {
            let refused = believed(|document| drop(document.insert("issuer".to_owned(), json!(issuer))));
            assert_eq!(refused.err(), Some(UpstreamError::BadDiscovery("it is another issuer's")), "{issuer}");
        }
    }

    #[test]
    fn an_address_that_may_not_be_called_makes_the_document_unusable() {
        for (name, address) in [
            ("token_endpoint", "http://idp.acme.test/token"),
            ("token_endpoint", "https://169.254.169.254/token"),
            ("jwks_uri", "https://localhost/jwks"),
            ("jwks_uri", "https://u:p@idp.acme.test/jwks"),
            ("userinfo_endpoint", "https://10.0.0.1/"),
            ("authorization_endpoint", "http://idp.acme.test/authorize"),
            ("authorization_endpoint", "javascript:alert(1)"),
            ("authorization_endpoint", "https://idp.acme.test/authorize#x"),
        ] {
            let refused = believed(|document| drop(document.insert(name.to_owned(), json!(address))));
            assert!(matches!(refused, Err(UpstreamError::BadDiscovery(_))), "{name} {address}");
        }
        for name in ["token_endpoint", "jwks_uri", "authorization_endpoint", "id_token_signing_alg_values_supported"] {
            let refused = believed(|document| drop(document.remove(name)));
            assert!(matches!(refused, Err(UpstreamError::BadDiscovery(_))), "{name}");
        }
        // The browser may be sent into the customer's own network.
        let inside = "https://10.0.0.1/authorize";
        assert!(believed(|document| drop(document.insert("authorization_endpoint".to_owned(), json!(inside)))).is_ok());
    }

    #[test]
    fn a_provider_that_signs_with_a_shared_secret_alone_is_refused() {
        let algs = "id_token_signing_alg_values_supported";
        let refused = believed(|document| drop(document.insert(algs.to_owned(), json!(["HS256", "none"]))));
        assert!(matches!(refused, Err(UpstreamError::BadDiscovery(_))));
    }

    #[test]
    fn a_transmitters_document_stands_between_its_host_and_its_path() {
        for (issuer, wanted) in [
            ("https://tr.test", "https://tr.test/.well-known/ssf-configuration"),
            ("https://tr.test/", "https://tr.test/.well-known/ssf-configuration"),
            ("https://tr.test/a/b", "https://tr.test/.well-known/ssf-configuration/a/b"),
        ] {
            assert_eq!(transmitter_address(issuer).as_deref(), Some(wanted));
        }
        assert_eq!(transmitter_address("urn:x"), None);
    }
}
