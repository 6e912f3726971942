//! Which registrations are acceptable (RFC 7591 §2, RFC 9700 §2, security checks of redirect and page URIs).
//!
//! Every way in asks here, the console, the API, the command line and the apply file: a URI that one of them let
//! through would be a `javascript:` link on the sign-in page or an open redirect.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use url::Url;

use crate::domain::keys::Alg;
use crate::domain::oauth::application::{Application, AuthMethod, GrantType, Profile};
use crate::domain::oauth::redirect_uri::{well_formed, well_formed_web};
use crate::domain::oauth::scope;
use crate::kernel::id::{AccessKeyId, ScimCredentialId, UserId};

const MAX_NAME: usize = 200;
const MAX_LIST: usize = 64;
const MAX_KEYS: usize = 16;
const MAX_JWKS: usize = 64 * 1024;
/// 2048 bits.
const MIN_RSA_BYTES: usize = 256;

/// What is wrong with one field of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field, by its name on the wire.
    pub field: &'static str,
    /// What is wrong, for the one who registers.
    pub reason: String,
}

type Check = fn(&Application, &mut Faults);

const CHECKS: &[Check] = &[names, redirects, pages, front_channel, grants, scopes, resource, keys, profile];

#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, field: &'static str, reason: impl Into<String>) {
        self.0.push(Fault { field, reason: reason.into() });
    }
}

impl Application {
    /// Checks the registration as a whole.
    ///
    /// # Errors
    /// Every fault, in the order of the checks.
    pub fn validate(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Faults::default();
        for check in CHECKS {
            check(self, &mut faults);
        }
        if faults.0.is_empty() { Ok(()) } else { Err(faults.0) }
    }
}

fn names(application: &Application, faults: &mut Faults) {
    let client_id = &application.client_id;
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    if !(1..=128).contains(&client_id.len()) || !client_id.bytes().all(plain) {
        faults.add("client_id", "must have 1 to 128 visible ASCII characters");
    }
    // RFC 9068 §5: an application's own tokens have its name as their `sub`. And tools and SCIM clients are told by theirs.
    let is_taken = client_id.parse::<UserId>().is_ok()
        || client_id.parse::<AccessKeyId>().is_ok()
        || client_id.parse::<ScimCredentialId>().is_ok();
    if is_taken {
        faults.add("client_id", "looks like the id of a person, an access key or a SCIM client");
    }
    let name = application.name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        faults.add("name", "must have 1 to 200 characters, none of them a control character");
    }
}

fn redirects(application: &Application, faults: &mut Faults) {
    for (field, uris) in [
        ("redirect_uris", &application.redirect_uris),
        ("post_logout_redirect_uris", &application.post_logout_redirect_uris),
    ] {
        if uris.len() > MAX_LIST {
            faults.add(field, "has too many entries");
        }
        for uri in uris {
            if let Err(reason) = well_formed(uri) {
                faults.add(field, format!("{} {reason}", shown(uri)));
            }
        }
    }
    if application.allows(GrantType::AuthorizationCode) && application.redirect_uris.is_empty() {
        faults.add("redirect_uris", "must name at least one for the authorization code grant");
    }
}

fn pages(application: &Application, faults: &mut Faults) {
    for (field, uri) in [
        ("logo_uri", &application.logo_uri),
        ("policy_uri", &application.policy_uri),
        ("tos_uri", &application.tos_uri),
        ("initiate_login_uri", &application.initiate_login_uri),
        ("backchannel_logout_uri", &application.backchannel_logout_uri),
    ] {
        if let Some(Err(reason)) = uri.as_deref().map(well_formed_web) {
            faults.add(field, reason);
        }
    }
}

/// Front-Channel Logout 1.0 §2: on the origin of a registered redirect URI, for a browser that signs out loads it.
fn front_channel(application: &Application, faults: &mut Faults) {
    const FIELD: &str = "frontchannel_logout_uri";
    let Some(uri) = &application.frontchannel_logout_uri else {
        return;
    };
    if let Err(reason) = well_formed_web(uri) {
        faults.add(FIELD, reason);
        return;
    }
    let origin = |uri: &str| Url::parse(uri).ok().map(|url| url.origin()).filter(url::Origin::is_tuple);
    let own = origin(uri);
    if own.is_none() || !application.redirect_uris.iter().any(|redirect| origin(redirect) == own) {
        faults.add(FIELD, "must have the scheme, host and port of one of the redirect URIs");
    }
}

fn grants(application: &Application, faults: &mut Faults) {
    if application.grant_types.is_empty() {
        faults.add("grant_types", "must name at least one");
    }
    let of_people = [GrantType::AuthorizationCode, GrantType::DeviceCode];
    if application.allows(GrantType::RefreshToken) && !of_people.iter().any(|grant| application.allows(*grant)) {
        faults.add("grant_types", "refresh_token needs authorization_code or the device code grant");
    }
    if application.allows(GrantType::ClientCredentials) && application.is_public() {
        faults.add("grant_types", "client_credentials needs an application that authenticates");
    }
}

fn scopes(application: &Application, faults: &mut Faults) {
    if application.scopes.len() > MAX_LIST {
        faults.add("scopes", "has too many entries");
    }
    for word in application.scopes.iter().filter(|word| !scope::is_scope_token(word)) {
        faults.add("scopes", format!("{} is no scope", shown(word)));
    }
}

/// RFC 8707 §2: an absolute URI without a fragment.
fn resource(application: &Application, faults: &mut Faults) {
    let Some(resource) = &application.resource else {
        return;
    };
    let plain = resource.len() <= 2048 && resource.bytes().all(|byte| byte.is_ascii_graphic());
    if !plain || resource.contains(['#', '\\', '"']) || Url::parse(resource).is_err() {
        faults.add("resource", "must be an absolute URI without a fragment");
    }
}

fn keys(application: &Application, faults: &mut Faults) {
    match &application.jwks {
        Some(jwks) => {
            if let Err(reason) = check_jwks(jwks) {
                faults.add("jwks", reason);
            }
        }
        None if application.auth_method == AuthMethod::PrivateKeyJwt => {
            faults.add("jwks", "is needed for private_key_jwt");
        }
        None => {}
    }
}

/// FAPI 2.0 Security Profile §5.3.2.1: confidential, by key, and never RS256.
fn profile(application: &Application, faults: &mut Faults) {
    if application.profile != Profile::Fapi2 {
        return;
    }
    if application.auth_method != AuthMethod::PrivateKeyJwt {
        faults.add("auth_method", "must be private_key_jwt under the profile fapi2");
    }
    for (field, alg) in [("id_token_alg", application.id_token_alg), ("access_token_alg", application.access_token_alg)]
    {
        if alg == Alg::Rs256 {
            faults.add(field, "must not be RS256 under the profile fapi2");
        }
    }
}

/// Whether a JWK Set has public keys only, at least one of which could verify an assertion.
fn check_jwks(text: &str) -> Result<(), &'static str> {
    if text.len() > MAX_JWKS {
        return Err("is too large");
    }
    let set: Map<String, Value> = serde_json::from_str(text).map_err(|_| "must be a JWK Set")?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or("must be a JWK Set")?;
    if !(1..=MAX_KEYS).contains(&keys.len()) {
        return Err("must have 1 to 16 keys");
    }
    let mut kids = BTreeSet::new();
    let mut usable = false;
    for key in keys {
        let key = key.as_object().ok_or("must be a JWK Set")?;
        if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|member| key.contains_key(*member))
            || word(key, "kty") == Some("oct")
        {
            return Err("must hold public keys only");
        }
        if word(key, "kid").is_some_and(|kid| !kids.insert(kid)) {
            return Err("must not name a kid twice");
        }
        usable |= is_usable(key);
    }
    if usable { Ok(()) } else { Err("must hold a key for ES256, EdDSA, PS256 or RS256; RSA from 2048 bits") }
}

fn word<'a>(key: &'a Map<String, Value>, member: &str) -> Option<&'a str> {
    key.get(member).and_then(Value::as_str)
}

fn is_usable(key: &Map<String, Value>) -> bool {
    let bytes = |member: &str| {
        word(key, member).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).map_or(0, |bytes| bytes.len())
    };
    let signs = word(key, "use").is_none_or(|purpose| purpose == "sig");
    signs
        && match (word(key, "kty"), word(key, "crv")) {
            (Some("RSA"), _) => bytes("n") >= MIN_RSA_BYTES && bytes("e") > 0,
            (Some("EC"), Some("P-256")) => bytes("x") == 32 && bytes("y") == 32,
            (Some("OKP"), Some("Ed25519")) => bytes("x") == 32,
            _ => false,
        }
}

/// A value as a message may repeat it.
fn shown(text: &str) -> String {
    text.chars().take(100).map(|character| if character.is_control() { '?' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::oauth::application::sample;

    fn fields(application: &Application) -> Vec<&'static str> {
        application.validate().err().unwrap_or_default().into_iter().map(|fault| fault.field).collect()
    }

    #[expect(clippy::unnecessary_wraps, reason = "the fields are optional")]
    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn ec_key(extra: &str) -> String {
        let point = URL_SAFE_NO_PAD.encode([7_u8; 32]);
        format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","x":"{point}","y":"{point}"{extra}}}]}}"#)
    }

    #[test]
    fn an_ordinary_registration_is_accepted() {
        assert_eq!(sample().validate(), Ok(()));
    }

    #[test]
    fn script_and_other_schemes_are_refused_in_every_uri() {
        for uri in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java\tscript:x",
            "data:text/html,x",
            "vbscript:x",
            "blob:https://a/x",
            "http://a.example/",
        ] {
            let mut application = sample();
            application.redirect_uris = vec![uri.to_owned()];
            application.post_logout_redirect_uris = vec![uri.to_owned()];
            for page in [
                &mut application.logo_uri,
                &mut application.policy_uri,
                &mut application.tos_uri,
                &mut application.initiate_login_uri,
                &mut application.backchannel_logout_uri,
            ] {
                *page = text(uri);
            }
            let expected = [
                "redirect_uris",
                "post_logout_redirect_uris",
                "logo_uri",
                "policy_uri",
                "tos_uri",
                "initiate_login_uri",
                "backchannel_logout_uri",
            ];
            assert_eq!(fields(&application), expected, "{uri}");
        }
    }

    #[test]
    fn what_a_leaving_browser_loads_is_on_the_origin_of_a_redirect_uri() {
        let fields_with = |uri: &str| fields(&Application { frontchannel_logout_uri: text(uri), ..sample() });
        assert_eq!(fields_with("https://shop.example/logout?from=muster"), [""; 0]);
        for bad in [
            "https://shop.example:8443/logout",
            "http://shop.example/logout",
            "https://other.example/logout",
            "https://shop.example/logout#x",
            "javascript:alert(1)",
            "com.example.app:/logout",
            "",
        ] {
            assert_eq!(fields_with(bad), ["frontchannel_logout_uri"], "{bad}");
        }
        let mut application = sample();
        application.redirect_uris = vec!["http://127.0.0.1:9000/cb".to_owned()];
        application.frontchannel_logout_uri = text("http://127.0.0.1:9000/logout");
        assert_eq!(fields(&application), [""; 0]);
    }

    #[test]
    fn a_private_scheme_may_be_redirected_to_but_not_shown() {
        let mut application = sample();
        application.redirect_uris = vec!["com.example.app:/cb".to_owned()];
        application.logo_uri = text("com.example.app:/logo");
        assert_eq!(fields(&application), ["logo_uri"]);
    }

    #[test]
    fn wildcards_user_information_and_fragments_can_not_be_registered() {
        for uri in [
            "https://app.example.com*",
            "https://*.example.com/cb",
            "https://u@app.example/cb",
            "https://app.example/cb#x",
            "https://a.example\\@b/",
        ] {
            let mut application = sample();
            application.redirect_uris.push(uri.to_owned());
            assert_eq!(fields(&application), ["redirect_uris"], "{uri}");
        }
    }

    #[test]
    fn grants_must_fit_the_application() {
        let mut application = sample();
        application.auth_method = AuthMethod::None;
        application.grant_types.push(GrantType::ClientCredentials);
        assert_eq!(fields(&application), ["grant_types"]);
        application.grant_types = vec![GrantType::RefreshToken];
        assert_eq!(fields(&application), ["grant_types"]);
        application.grant_types.clear();
        assert_eq!(fields(&application), ["grant_types"]);
        application.grant_types = vec![GrantType::AuthorizationCode];
        application.redirect_uris.clear();
        assert_eq!(fields(&application), ["redirect_uris"]);
        application.grant_types = vec![GrantType::DeviceCode, GrantType::RefreshToken];
        assert_eq!(fields(&application), [""; 0], "a device has nowhere to be redirected to");
    }

    #[test]
    fn private_key_jwt_needs_public_keys_and_only_public_ones() {
        let mut application = sample();
        application.auth_method = AuthMethod::PrivateKeyJwt;
        assert_eq!(fields(&application), ["jwks"]);
        application.jwks = Some(ec_key(""));
        assert_eq!(fields(&application), [""; 0]);
        for bad in [
            ec_key(r#","d":"AA""#),
            ec_key(r#","k":"AA""#),
            ec_key(r#","use":"enc""#),
            r#"{"keys":[{"kty":"oct","k":"AA"}]}"#.to_owned(),
            r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#.to_owned(),
            r#"{"keys":[]}"#.to_owned(),
            r#"{"kty":"EC"}"#.to_owned(),
            "[]".to_owned(),
            String::new(),
        ] {
            application.jwks = Some(bad.clone());
            assert_eq!(fields(&application), ["jwks"], "{bad}");
        }
    }

    #[test]
    fn a_fapi2_application_has_keys_and_never_rs256() {
        let mut application = sample();
        application.profile = Profile::Fapi2;
        assert_eq!(fields(&application), ["auth_method", "id_token_alg"]);
        application.auth_method = AuthMethod::PrivateKeyJwt;
        application.jwks = Some(ec_key(""));
        application.id_token_alg = Alg::Es256;
        assert_eq!(fields(&application), [""; 0]);
    }

    #[test]
    fn names_scopes_and_resources_are_well_formed() {
        let mut application = sample();
        application.client_id = "a b".to_owned();
        application.name = " \u{7}".to_owned();
        application.scopes.push("a\"b".to_owned());
        application.resource = text("https://api.example/#x");
        assert_eq!(fields(&application), ["client_id", "name", "scopes", "resource"]);
        for id in [UserId::from_u128(1).into_string(), AccessKeyId::from_u128(1).into_string()] {
            assert_eq!(fields(&Application { client_id: id, ..sample() }), ["client_id"]);
        }
        application = sample();
        application.resource = text("urn:acme:api");
        assert_eq!(fields(&application), [""; 0]);
    }
}
