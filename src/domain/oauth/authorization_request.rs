//! The authorization request: a list of checks, read from top to bottom (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1).
//!
//! # Why
//! The order is the security. Until application and redirect URI are known to belong together there is only
//! [`Refusal::Page`]; only then can a [`Refusal::Redirect`] be built, because it holds a [`VerifiedRedirect`].
//! Whether the person must sign in, choose or consent is decided by flows, from the request that comes out of here.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::domain::oauth::application::{Application, ApplicationState, GrantType};
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::oauth::params::Params;
use crate::domain::oauth::pkce::Challenge;
use crate::domain::oauth::redirect_uri::{self, VerifiedRedirect};
use crate::domain::oauth::scope::{self, Scopes};
use crate::domain::oidc::claims::ClaimsRequest;
pub use crate::domain::oidc::prompt::Prompt;

words! {
    /// How the answer reaches the application.
    pub enum ResponseMode {
        /// In the query of a redirect.
        Query = "query",
        /// In a form that the browser posts.
        FormPost = "form_post",
    }
}

/// A request that passed every check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// Who asks.
    pub client_id: String,
    /// Where the answer goes.
    pub redirect: VerifiedRedirect,
    /// How it gets there.
    pub response_mode: ResponseMode,
    /// Given back byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What the application gets of what it asked for.
    pub scope: Scopes,
    /// Given back in the ID token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// What the verifier must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Challenge>,
    /// What must or must not be shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompt: Vec<Prompt>,
    /// How many seconds a sign-in may lie back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<i64>,
    /// What to write into the identifier field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_hint: Option<String>,
    /// The connection that the application would have the person sign in through: its id, or its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idp_hint: Option<String>,
    /// An earlier ID token, not verified yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_hint: Option<String>,
    /// Levels the application would like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acr_values: Vec<String>,
    /// Single claims the application would like.
    #[serde(default, skip_serializing_if = "ClaimsRequest::is_empty")]
    pub claims: ClaimsRequest,
    /// The organisation to sign in to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// The key of the only project the token is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The resource the token is for (RFC 8707).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Languages the person reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ui_locales: Option<String>,
}

impl AuthorizationRequest {
    /// Whether an ID token is asked for; without it this is plain OAuth.
    #[must_use]
    pub fn is_openid(&self) -> bool {
        self.scope.contains(scope::OPENID)
    }

    /// Whether no page may be shown.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.prompt.contains(&Prompt::None)
    }
}

/// A request that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Only the person may be told: nobody knows where an answer should go.
    Page(&'static str),
    /// The application is told.
    Redirect {
        /// Where.
        redirect: VerifiedRedirect,
        /// How.
        response_mode: ResponseMode,
        /// What it sent, if that can be sent back.
        state: Option<String>,
        /// What.
        error: OAuthError,
    },
}

type Check = fn(&Params, &Application, &mut AuthorizationRequest) -> Result<(), OAuthError>;

/// Every check of a request whose application and redirect URI are known, in order.
const CHECKS: &[Check] = &[
    no_request_object,
    response_mode,
    state,
    response_type,
    granted,
    scopes,
    proof_key,
    nonce,
    prompt,
    max_age,
    claims,
    organization,
    project,
    resource,
    hints,
    fits,
];

const MAX_STATE: usize = 2048;
const MAX_NONCE: usize = 1024;
const MAX_NAME: usize = 256;
const MAX_ACR_VALUES: usize = 16;
/// What still fits into 8 KiB once it is sealed and written in base64url.
const MAX_SEALED: usize = 5900;

/// Checks a request of `application`, which is whoever the `client_id` names.
///
/// # Errors
/// [`Refusal::Page`] for an unknown application and for every fault of the redirect URI, else [`Refusal::Redirect`].
pub fn check(params: &Params, application: Option<&Application>) -> Result<AuthorizationRequest, Box<Refusal>> {
    let page = |reason| Box::new(Refusal::Page(reason));
    let application = known(params, application).map_err(page)?;
    let redirect = redirect_uri::verify(&application.redirect_uris, params.get("redirect_uri"))
        .map_err(|fault| page(fault.reason()))?;
    let mut request = blank(application, redirect);
    request.state = params.get("state").filter(|state| sendable(state, MAX_STATE)).map(str::to_owned);
    if params.get("response_mode") == Some(ResponseMode::FormPost.as_str()) {
        request.response_mode = ResponseMode::FormPost;
    }
    for check in CHECKS {
        if let Err(error) = check(params, application, &mut request) {
            let AuthorizationRequest { redirect, response_mode, state, .. } = request;
            return Err(Box::new(Refusal::Redirect { redirect, response_mode, state, error }));
        }
    }
    Ok(request)
}

fn known<'a>(params: &Params, application: Option<&'a Application>) -> Result<&'a Application, &'static str> {
    match application {
        _ if params.get("client_id").is_none() => Err("The request names no client_id."),
        Some(application) if params.get("client_id") != Some(application.client_id.as_str()) => {
            Err("The request names an unknown application.")
        }
        None => Err("The request names an unknown application."),
        Some(application) => match application.state {
            ApplicationState::Active => Ok(application),
            ApplicationState::Disabled => Err("This application is switched off."),
        },
    }
}

fn blank(application: &Application, redirect: VerifiedRedirect) -> AuthorizationRequest {
    AuthorizationRequest {
        client_id: application.client_id.clone(),
        redirect,
        response_mode: ResponseMode::Query,
        state: None,
        scope: Scopes::default(),
        nonce: None,
        challenge: None,
        prompt: Vec::new(),
        max_age: None,
        login_hint: None,
        idp_hint: None,
        id_token_hint: None,
        acr_values: Vec::new(),
        claims: ClaimsRequest::default(),
        organization: None,
        project: None,
        resource: None,
        ui_locales: None,
    }
}

/// Whether a value can be kept and sent back: bounded, without control characters.
fn sendable(value: &str, most: usize) -> bool {
    value.len() <= most && !value.chars().any(char::is_control)
}

/// A value that is kept as it is, or refused.
fn kept(params: &Params, name: &str, most: usize) -> Result<Option<String>, OAuthError> {
    match params.get(name) {
        Some(value) if !sendable(value, most) => {
            Err(OAuthError::invalid_request(format!("{name} is too long or has control characters")))
        }
        value => Ok(value.map(str::to_owned)),
    }
}

/// Request objects aren't offered, and ignoring one silently would drop what it demands (OpenID Connect Core §6.1).
fn no_request_object(params: &Params, _: &Application, _: &mut AuthorizationRequest) -> Result<(), OAuthError> {
    for (name, code) in [
        ("request", ErrorCode::RequestNotSupported),
        ("request_uri", ErrorCode::RequestUriNotSupported),
        ("registration", ErrorCode::RegistrationNotSupported),
    ] {
        if params.get(name).is_some() {
            return Err(OAuthError::new(code, format!("the parameter {name} is not supported")));
        }
    }
    Ok(())
}

fn response_mode(params: &Params, _: &Application, _: &mut AuthorizationRequest) -> Result<(), OAuthError> {
    match params.get("response_mode").map(str::parse::<ResponseMode>) {
        None | Some(Ok(_)) => Ok(()),
        Some(Err(_)) => Err(OAuthError::invalid_request("response_mode must be query or form_post")),
    }
}

fn state(params: &Params, _: &Application, _: &mut AuthorizationRequest) -> Result<(), OAuthError> {
    kept(params, "state", MAX_STATE).map(drop)
}

/// `code` alone: a token never travels in a URL (RFC 9700 §2.1.2).
fn response_type(params: &Params, _: &Application, _: &mut AuthorizationRequest) -> Result<(), OAuthError> {
    match params.get("response_type") {
        Some("code") => Ok(()),
        Some(_) => Err(OAuthError::new(ErrorCode::UnsupportedResponseType, "response_type must be code")),
        None => Err(OAuthError::invalid_request("response_type is missing")),
    }
}

fn granted(_: &Params, application: &Application, _: &mut AuthorizationRequest) -> Result<(), OAuthError> {
    if application.allows(GrantType::AuthorizationCode) {
        Ok(())
    } else {
        Err(OAuthError::new(ErrorCode::UnauthorizedClient, "the application may not use the authorization code grant"))
    }
}

fn scopes(params: &Params, application: &Application, request: &mut AuthorizationRequest) -> Result<(), OAuthError> {
    let asked = Scopes::parse(params.get("scope").unwrap_or_default())
        .map_err(|fault| OAuthError::new(ErrorCode::InvalidScope, fault.to_string()))?;
    request.scope = application.permitted_scopes(&asked.of_people());
    Ok(())
}

/// An empty challenge is a malformed one, not an absent one: an absent one might pass.
fn proof_key(params: &Params, application: &Application, request: &mut AuthorizationRequest) -> Result<(), OAuthError> {
    request.challenge = Challenge::parse(params.sent("code_challenge"), params.sent("code_challenge_method"))?;
    if request.challenge.is_none() && application.pkce_required() {
        return Err(OAuthError::invalid_request("code_challenge is required"));
    }
    Ok(())
}

fn nonce(params: &Params, _: &Application, request: &mut AuthorizationRequest) -> Result<(), OAuthError> {
    request.nonce = kept(params, "nonce", MAX_NONCE)?;
    Ok(())
}

fn prompt(params: &Params, _: &Application, request: &mut AuthorizationRequest) -> Result<(), OAuthError> {
    for word in params.get("prompt").unwrap_or_default().split_ascii_whitespace() {
        let prompt = word.parse::<Prompt>().map_err(|_| OAuthError::invalid_request("prompt has an unknown value"))?;
        if !request.prompt.contains(&prompt) {
            request.prompt.push(prompt);
        }
    }
    if request.is_silent() && request.prompt.len() > 1 {
        return Err(OAuthError::invalid_request("prompt=none can not be combined"));
    }
    Ok(())
}

fn max_age(params: &Params, _: &Application, request: &mut AuthorizationRequest) -> Result<(), OAuthError> {
    let Some(text) = params.get("max_age") else {
        return Ok(());
    };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse::<i64>().ok().filter(|_| digits);
    request.max_age =
        Some(seconds.ok_or_else(|| OAuthError::invalid_request("max_age must be a whole number of seconds"))?);
    Ok(())
}

fn claims(params: &Params, _: &Application, request: &mut AuthorizationRequest) -> Result<(), OAuthError> {
    if let Some(text) = params.get("claims") {
        request.claims = ClaimsRequest::parse(text).map_err(|fault| OAuthError::invalid_request(fault.to_string()))?;
    }
    Ok(())
}

fn organization(params: &Params, _: &Application, request: &mut AuthorizationRequest) -> Result<(), OAuthError> {
    request.organization = kept(params, "organization", MAX_NAME)?;
    Ok(())
}

/// One project at most: the parameter, or the scope `project:<key>`.
fn project(params: &Params, _: &Application, request: &mut AuthorizationRequest) -> Result<(), OAuthError> {
    let given = kept(params, "project", MAX_NAME)?;
    let keys: BTreeSet<String> = request.scope.projects().map(str::to_owned).chain(given).collect();
    if keys.len() > 1 {
        return Err(OAuthError::invalid_request("a token is for one project at most"));
    }
    request.project = keys.into_iter().next();
    Ok(())
}

fn resource(params: &Params, application: &Application, request: &mut AuthorizationRequest) -> Result<(), OAuthError> {
    request.resource = params.get("resource").map(str::to_owned);
    if request.resource.is_some() && request.resource != application.resource {
        return Err(OAuthError::new(ErrorCode::InvalidTarget, "the resource is not the one of this application"));
    }
    Ok(())
}

/// What only advises never fails a request: what can't be kept is forgotten.
#[expect(clippy::unnecessary_wraps, reason = "it stands in the table of checks")]
fn hints(params: &Params, _: &Application, request: &mut AuthorizationRequest) -> Result<(), OAuthError> {
    let advice = |name: &str, most: usize| params.get(name).filter(|value| sendable(value, most)).map(str::to_owned);
    request.login_hint = advice("login_hint", MAX_NAME);
    request.idp_hint = advice("idp_hint", MAX_NAME);
    request.ui_locales = advice("ui_locales", MAX_NAME);
    let levels = params.get("acr_values").unwrap_or_default().split_ascii_whitespace();
    request.acr_values = levels.filter(|level| sendable(level, 128)).take(MAX_ACR_VALUES).map(str::to_owned).collect();
    request.id_token_hint = params.get("id_token_hint").map(str::to_owned);
    Ok(())
}

/// The request is carried in a sealed field of the pages, which is bounded.
fn fits(_: &Params, _: &Application, request: &mut AuthorizationRequest) -> Result<(), OAuthError> {
    let size = serde_json::to_string(request).map_or(usize::MAX, |text| text.len());
    if size > MAX_SEALED { Err(OAuthError::invalid_request("the request is too large")) } else { Ok(()) }
}

#[cfg(test)]
#[path = "authorization_request_tests.rs"]
mod tests;
