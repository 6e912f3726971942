//! What went wrong, as problem+json (RFC 9457): a status, a word for programs, a sentence that says what to do.

use std::ops::Deref;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::people::assurance::Level;
use crate::flows::change_access::Refusal;
use crate::flows::register::RowFault;

/// A field that can't be meant so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct InvalidParameter {
    /// Its name, with dots for what lies deeper.
    pub field: String,
    /// The rule that it breaks, as a word for programs, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
    /// What to do.
    pub reason: String,
}

/// A problem, boxed: it travels in every `Result` of the API.
#[derive(Clone, Debug)]
pub struct Problem(Box<ProblemBody>);

impl Deref for Problem {
    type Target = ProblemBody;
    fn deref(&self) -> &ProblemBody {
        &self.0
    }
}

/// A problem (RFC 9457 §3), with members of our own.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// `about:blank`: the status says what kind it is, `code` which one.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// A word for programs; it never changes.
    #[schema(example = "denied")]
    pub code: &'static str,
    /// A sentence for people.
    detail: String,
    /// Each field that can't be meant so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    invalid_parameters: Vec<InvalidParameter>,
    /// The permission that is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    needs: Option<String>,
    /// The id of what is in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    /// The call that clears it.
    #[serde(skip_serializing_if = "Option::is_none")]
    clear: Option<String>,
    #[serde(skip)]
    challenge: Option<&'static str>,
    #[serde(skip)]
    retry_after: i64,
}

impl Problem {
    /// A problem with a status, a code and a sentence.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(ProblemBody {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            invalid_parameters: Vec::new(),
            needs: None,
            object: None,
            clear: None,
            challenge: None,
            retry_after: 1,
        }))
    }

    /// 400 for one field.
    #[must_use]
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", "Something in the request can't be meant so.").with(field, reason)
    }

    /// Adds a field that can't be meant so.
    #[must_use]
    pub fn with(mut self, field: impl Into<String>, reason: impl Into<String>) -> Self {
        self.0.invalid_parameters.push(InvalidParameter { field: field.into(), rule: None, reason: reason.into() });
        self
    }

    /// Adds a field that breaks a rule with a name.
    #[must_use]
    pub fn with_rule(mut self, field: impl Into<String>, rule: &'static str, reason: impl Into<String>) -> Self {
        let (field, reason) = (field.into(), reason.into());
        self.0.invalid_parameters.push(InvalidParameter { field, rule: Some(rule), reason });
        self
    }

    /// 404: it isn't there, or not for whoever asks.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("{what} was not found."))
    }

    /// 403: a permission is missing.
    #[must_use]
    pub fn denied(needs: &str) -> Self {
        let mut problem = Self::new(StatusCode::FORBIDDEN, "denied", format!("This needs {needs}."));
        problem.0.needs = Some(needs.to_owned());
        problem
    }

    /// 403: only a person may do it.
    #[must_use]
    pub fn user_required() -> Self {
        let detail = "Only a person may do this: sign in, and use that token instead of a tool's.";
        Self::new(StatusCode::FORBIDDEN, "user_required", detail)
    }

    /// 429: too much was tried or asked for; `seconds` until it may be again.
    #[must_use]
    pub fn paused(seconds: i64) -> Self {
        let detail = format!("Too much was tried from there. Try again in {seconds} seconds.");
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many", detail);
        problem.0.retry_after = seconds;
        problem
    }

    /// 401: a proof of this level is needed that is at most ten minutes old (RFC 9470).
    #[must_use]
    pub fn step_up(level: Level) -> Self {
        let detail = match level {
            Level::Password => "Sign in again: this needs a sign-in within the last ten minutes.",
            Level::TwoFactor => "Sign in again with your second factor: this needs it within the last ten minutes.",
            Level::PhishingResistant => "Sign in again with your passkey: this needs it within the last ten minutes.",
        };
        let problem = Self::new(StatusCode::UNAUTHORIZED, "insufficient_user_authentication", detail);
        problem.challenging(challenge(level))
    }

    /// As [`Self::step_up`], where the level is right and only the time is not.
    #[must_use]
    pub fn stale(level: Level) -> Self {
        let mut problem = Self::step_up(level);
        problem.0.code = "fresh_sign_in_required";
        problem
    }

    /// The same as what is wrong with a row of a list: the first field, and everything that is said.
    #[must_use]
    pub fn as_row_fault(&self) -> RowFault {
        let field = self.0.invalid_parameters.first().map(|one| one.field.clone()).unwrap_or_default();
        let said: Vec<&str> = self.0.invalid_parameters.iter().map(|one| one.reason.as_str()).collect();
        let reason = if said.is_empty() { self.0.detail.clone() } else { said.join(" ") };
        RowFault { field, reason, code: self.0.code }
    }

    /// Adds a `WWW-Authenticate` header (RFC 6750 §3, RFC 9470 §3).
    #[must_use]
    pub fn challenging(mut self, challenge: &'static str) -> Self {
        self.0.challenge = Some(challenge);
        self
    }
}

/// What a client asks the person for at the authorization endpoint (RFC 9470 §3).
const fn challenge(level: Level) -> &'static str {
    match level {
        Level::Password => "Bearer realm=\"muster\", error=\"insufficient_user_authentication\", max_age=\"600\"",
        Level::TwoFactor => {
            "Bearer realm=\"muster\", error=\"insufficient_user_authentication\", \
             acr_values=\"urn:muster:acr:mfa\", max_age=\"600\""
        }
        Level::PhishingResistant => {
            "Bearer realm=\"muster\", error=\"insufficient_user_authentication\", \
             acr_values=\"urn:muster:acr:phr\", max_age=\"600\""
        }
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        tracing::error!(%error, "the database failed");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again in a moment.")
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (code, detail) = (refusal.code(), format!("{refusal}."));
        match refusal {
            Refusal::Denied { needs, .. } => Self::denied(&needs),
            Refusal::NotFound(what) => Self::not_found(&what),
            Refusal::Conflict(_) => Self::new(StatusCode::CONFLICT, code, detail),
            Refusal::Invalid { field, reason } => Self::invalid(field, reason),
            Refusal::ManagedByIdp { connection } => {
                let mut problem = Self::new(StatusCode::CONFLICT, code, detail);
                problem.0.object = Some(connection);
                problem
            }
            Refusal::Blocked { reason, object, clear } => {
                let mut problem = Self::new(StatusCode::CONFLICT, code, reason);
                (problem.0.object, problem.0.clear) = (Some(object), Some(clear));
                problem
            }
            Refusal::UserRequired { .. } => Self::user_required(),
            Refusal::Limit(reason) => Self::new(StatusCode::CONFLICT, code, reason),
            Refusal::Stale => Self::new(StatusCode::PRECONDITION_FAILED, code, detail),
            Refusal::Store(error) => Self::from(error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&*self.0).unwrap_or_default();
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let keep = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let mut response = (status, [kind, keep], body).into_response();
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after));
        }
        response
    }
}
