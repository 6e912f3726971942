//! What authorization requests are accepted and refused; the sentences of `authorization_request`.

use super::*;
use crate::domain::oauth::application::{AuthMethod, Profile, sample};

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const GOOD: &[(&str, &str)] = &[
    ("client_id", "shop"),
    ("redirect_uri", "https://shop.example/cb"),
    ("response_type", "code"),
    ("scope", "openid"),
    ("code_challenge", CHALLENGE),
    ("code_challenge_method", "S256"),
];

/// A good request with some parameters replaced or added; an empty value takes one away.
fn with(changes: &[(&str, &str)]) -> Params {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in GOOD.iter().filter(|(name, _)| !changes.iter().any(|(other, _)| other == name)) {
        query.append_pair(name, value);
    }
    for (name, value) in changes.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    Params::from_query(&query.finish()).expect("well formed")
}

fn accepted(changes: &[(&str, &str)]) -> AuthorizationRequest {
    check(&with(changes), Some(&sample())).expect("accepted")
}

fn told(application: &Application, changes: &[(&str, &str)]) -> (ErrorCode, ResponseMode, Option<String>) {
    match *check(&with(changes), Some(application)).expect_err("refused") {
        Refusal::Redirect { error, response_mode, state, redirect } => {
            assert_eq!(redirect.as_str(), "https://shop.example/cb");
            (error.code, response_mode, state)
        }
        Refusal::Page(reason) => panic!("a page: {reason}"),
    }
}

fn refused(changes: &[(&str, &str)]) -> ErrorCode {
    told(&sample(), changes).0
}

fn is_page(params: &Params, application: Option<&Application>) -> bool {
    matches!(check(params, application).map_err(|refusal| *refusal), Err(Refusal::Page(_)))
}

#[test]
fn a_plain_request_passes_and_comes_back_from_its_seal_unchanged() {
    let request = accepted(&[("state", "s"), ("nonce", "n"), ("prompt", "login consent"), ("max_age", "10000")]);
    assert_eq!(
        (request.state.as_deref(), request.nonce.as_deref(), request.max_age),
        (Some("s"), Some("n"), Some(10_000))
    );
    assert_eq!(request.prompt, [Prompt::Login, Prompt::Consent]);
    assert!(request.is_openid() && !request.is_silent() && request.challenge.is_some());
    let sealed = serde_json::to_string(&request).expect("plain data");
    assert_eq!(serde_json::from_str::<AuthorizationRequest>(&sealed).expect("what we wrote"), request);
}

#[test]
fn an_unknown_a_missing_and_a_disabled_application_get_a_page() {
    assert!(is_page(&with(&[]), None));
    assert!(is_page(&with(&[("client_id", "")]), Some(&sample())));
    assert!(is_page(&with(&[("client_id", "other")]), Some(&sample())));
    let mut disabled = sample();
    disabled.state = ApplicationState::Disabled;
    assert!(is_page(&with(&[]), Some(&disabled)));
}

#[test]
fn no_error_is_ever_sent_to_a_redirect_uri_that_is_not_registered() {
    for uri in
        ["", "https://evil.example/cb", "https://shop.example/cb?x=1", "https://shop.example@evil/cb", "javascript:x"]
    {
        for fault in [
            ("prompt", "none"),
            ("scope", "a\"b"),
            ("response_type", "token"),
            ("response_type", ""),
            ("claims", "{"),
            ("request", "x"),
            ("response_mode", "form_post"),
            ("code_challenge", ""),
        ] {
            assert!(is_page(&with(&[("redirect_uri", uri), fault]), Some(&sample())), "{uri} {fault:?}");
        }
    }
    let mut none = sample();
    none.redirect_uris.clear();
    assert!(is_page(&with(&[]), Some(&none)));
}

#[test]
fn a_missing_redirect_uri_is_a_page_even_when_only_one_is_registered() {
    assert!(is_page(&with(&[("redirect_uri", "")]), Some(&sample())));
}

#[test]
fn only_code_is_a_response_type() {
    for bad in ["token", "id_token", "code id_token", "code token", "id_token token", "none", "Code", "code code"] {
        assert_eq!(refused(&[("response_type", bad)]), ErrorCode::UnsupportedResponseType, "{bad}");
    }
    assert_eq!(refused(&[("response_type", "")]), ErrorCode::InvalidRequest);
}

#[test]
fn errors_honour_the_response_mode_and_give_the_state_back() {
    let state = "odd &=?#%+ \u{e9} state";
    let answer = told(&sample(), &[("response_type", ""), ("response_mode", "form_post"), ("state", state)]);
    assert_eq!(answer, (ErrorCode::InvalidRequest, ResponseMode::FormPost, Some(state.to_owned())));
    let answer = told(&sample(), &[("response_mode", "fragment"), ("state", "s")]);
    assert_eq!(answer, (ErrorCode::InvalidRequest, ResponseMode::Query, Some("s".to_owned())));
}

#[test]
fn a_state_that_can_not_be_sent_back_is_refused_without_it() {
    for bad in ["a\nb".to_owned(), "x".repeat(MAX_STATE + 1)] {
        assert_eq!(told(&sample(), &[("state", bad.as_str())]), (ErrorCode::InvalidRequest, ResponseMode::Query, None));
    }
    assert_eq!(accepted(&[("state", "x".repeat(MAX_STATE).as_str())]).state.map(|s| s.len()), Some(MAX_STATE));
}

#[test]
fn request_objects_are_refused_and_never_ignored() {
    assert_eq!(refused(&[("request", "eyJ.e30.")]), ErrorCode::RequestNotSupported);
    assert_eq!(refused(&[("request_uri", "https://shop.example/r#f")]), ErrorCode::RequestUriNotSupported);
    assert_eq!(refused(&[("registration", "{}")]), ErrorCode::RegistrationNotSupported);
    assert_eq!(refused(&[("request", "x"), ("response_type", "")]), ErrorCode::RequestNotSupported);
}

#[test]
fn pkce_is_enforced_as_the_application_must_and_whenever_it_is_used() {
    let none = &[("code_challenge", ""), ("code_challenge_method", "")][..];
    assert_eq!(refused(none), ErrorCode::InvalidRequest);
    let mut lenient = sample();
    lenient.require_pkce = false;
    assert!(check(&with(none), Some(&lenient)).expect("accepted").challenge.is_none());
    for bad in [
        ("code_challenge_method", "plain"),
        ("code_challenge_method", ""),
        ("code_challenge_method", "s256"),
        ("code_challenge", "short"),
    ] {
        assert_eq!(told(&lenient, &[bad]).0, ErrorCode::InvalidRequest, "{bad:?}");
    }
    lenient.auth_method = AuthMethod::None;
    assert_eq!(told(&lenient, none).0, ErrorCode::InvalidRequest);
    lenient.auth_method = AuthMethod::PrivateKeyJwt;
    lenient.profile = Profile::Fapi2;
    assert_eq!(told(&lenient, none).0, ErrorCode::InvalidRequest);
}

#[test]
fn an_empty_challenge_does_not_pass_for_none() {
    let mut lenient = sample();
    lenient.require_pkce = false;
    for tail in [
        "code_challenge=",
        "code_challenge=&code_challenge_method=S256",
        "code_challenge_method=S256",
        "code_challenge_method=",
    ] {
        let query = format!("client_id=shop&redirect_uri=https://shop.example/cb&response_type=code&{tail}");
        let params = Params::from_query(&query).expect("well formed");
        assert!(matches!(*check(&params, Some(&lenient)).expect_err("refused"), Refusal::Redirect { .. }), "{tail}");
    }
}

#[test]
fn prompt_none_stands_alone_and_unknown_prompts_are_refused() {
    assert_eq!(refused(&[("prompt", "none login")]), ErrorCode::InvalidRequest);
    assert_eq!(refused(&[("prompt", "dance")]), ErrorCode::InvalidRequest);
    assert!(accepted(&[("prompt", "none none")]).is_silent());
}

#[test]
fn max_age_is_a_whole_number_of_seconds() {
    for bad in ["-1", "+1", "1.5", "abc", " 1", "99999999999999999999"] {
        assert_eq!(refused(&[("max_age", bad)]), ErrorCode::InvalidRequest, "{bad}");
    }
    assert_eq!(accepted(&[("max_age", "0")]).max_age, Some(0));
}

#[test]
fn scopes_are_cut_to_what_is_registered_and_malformed_ones_refused() {
    assert_eq!(accepted(&[("scope", "openid phone email unknown")]).scope.to_string(), "email openid");
    assert_eq!(refused(&[("scope", "open\"id")]), ErrorCode::InvalidScope);
    assert!(!accepted(&[("scope", "")]).is_openid());
}

#[test]
fn a_token_is_for_one_project_at_most() {
    assert_eq!(accepted(&[("scope", "openid project:web")]).project.as_deref(), Some("web"));
    assert_eq!(accepted(&[("project", "web"), ("scope", "project:web")]).project.as_deref(), Some("web"));
    assert_eq!(refused(&[("scope", "project:web project:data")]), ErrorCode::InvalidRequest);
    assert_eq!(refused(&[("scope", "project:web"), ("project", "data")]), ErrorCode::InvalidRequest);
}

#[test]
fn only_the_registered_resource_is_a_target() {
    let mut application = sample();
    assert_eq!(told(&application, &[("resource", "https://api.example")]).0, ErrorCode::InvalidTarget);
    application.resource = Some("https://api.example".to_owned());
    assert!(check(&with(&[("resource", "https://api.example")]), Some(&application)).is_ok());
    assert_eq!(told(&application, &[("resource", "https://api.example/")]).0, ErrorCode::InvalidTarget);
}

#[test]
fn an_application_without_the_grant_may_not_ask() {
    let mut machine = sample();
    machine.grant_types = vec![GrantType::ClientCredentials];
    assert_eq!(told(&machine, &[]).0, ErrorCode::UnauthorizedClient);
}

#[test]
fn what_only_advises_never_fails_a_request() {
    let long = "x".repeat(4000);
    let request = accepted(&[
        ("login_hint", "buffy@issuer.example"),
        ("ui_locales", "se"),
        ("claims_locales", "se"),
        ("acr_values", "1 2"),
        ("display", "popup"),
        ("extra", "foobar"),
    ]);
    assert_eq!(request.login_hint.as_deref(), Some("buffy@issuer.example"));
    assert_eq!(request.acr_values, ["1", "2"]);
    assert_eq!(
        accepted(&[("login_hint", long.as_str()), ("ui_locales", long.as_str()), ("acr_values", long.as_str())])
            .login_hint,
        None
    );
}

#[test]
fn long_nonces_pass_and_what_can_not_be_carried_is_refused() {
    assert!(accepted(&[("nonce", "n".repeat(384).as_str())]).nonce.is_some());
    assert_eq!(refused(&[("nonce", "n".repeat(MAX_NONCE + 1).as_str())]), ErrorCode::InvalidRequest);
    assert_eq!(refused(&[("id_token_hint", "h".repeat(8000).as_str())]), ErrorCode::InvalidRequest);
}

#[test]
fn the_claims_parameter_is_read_or_refused() {
    let request = accepted(&[("claims", r#"{"userinfo":{"name":{"essential":true}}}"#)]);
    assert!(request.claims.userinfo_names().contains("name"));
    assert_eq!(refused(&[("claims", "not json")]), ErrorCode::InvalidRequest);
}
