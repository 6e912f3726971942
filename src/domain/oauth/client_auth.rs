//! Client authentication: what a request presents, and whether it proves anything (RFC 6749 §2.3, RFC 7523 §3).
//!
//! Signatures of assertions are verified by `outside::client_assertion`; here their claims are judged. That a `jti` is
//! used once is the store's part, and only after the signature held: a forged assertion must not burn it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::domain::oauth::application::{Application, AuthMethod, Profile};
use crate::domain::oauth::error::OAuthError;
use crate::domain::oauth::params::{Malformed, Params, form_decode};
use crate::kernel::secret::{Digest, Secret};
use crate::kernel::time::{MINUTE, UnixMillis};

/// The only `client_assertion_type` (RFC 7523 §2.2).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const MAX_ASSERTION: usize = 16 * 1024;
const MAX_JTI: usize = 256;
/// How far another clock may be ahead of ours.
const LEEWAY: i64 = MINUTE;
/// Our choice: an assertion lives an hour at most (what client libraries make), so that its `jti` need not be kept longer.
const MAX_LIFE: i64 = 60 * MINUTE;

/// What a request presents to say which application it comes from.
#[derive(Clone)]
pub enum Presented {
    /// A name and no proof.
    None {
        /// The name.
        client_id: String,
    },
    /// Name and secret in the Authorization header.
    Basic {
        /// The name.
        client_id: String,
        /// The secret.
        secret: Secret,
    },
    /// Name and secret in the form.
    Post {
        /// The name.
        client_id: String,
        /// The secret.
        secret: Secret,
    },
    /// A signed assertion.
    Assertion {
        /// The name, if the form says it too.
        client_id: Option<String>,
        /// The assertion.
        jwt: String,
    },
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {:?}", self.method(), self.client_id())
    }
}

impl Presented {
    /// The method this is. It must be the application's own, or a stronger one could be talked down.
    #[must_use]
    pub const fn method(&self) -> AuthMethod {
        match self {
            Self::None { .. } => AuthMethod::None,
            Self::Basic { .. } => AuthMethod::ClientSecretBasic,
            Self::Post { .. } => AuthMethod::ClientSecretPost,
            Self::Assertion { .. } => AuthMethod::PrivateKeyJwt,
        }
    }

    /// The application's name; of an assertion, what it claims to be. Nothing is proven by it.
    #[must_use]
    pub fn client_id(&self) -> Option<String> {
        match self {
            Self::None { client_id } | Self::Basic { client_id, .. } | Self::Post { client_id, .. } => {
                Some(client_id.clone())
            }
            Self::Assertion { client_id: Some(client_id), .. } => Some(client_id.clone()),
            Self::Assertion { client_id: None, jwt } => unverified_subject(jwt),
        }
    }
}

/// The `sub` that an assertion names, to find the keys that it must be verified with.
fn unverified_subject(jwt: &str) -> Option<String> {
    if jwt.len() > MAX_ASSERTION {
        return None;
    }
    let mut parts = jwt.splitn(4, '.');
    let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let claims: Map<String, Value> = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    claims.get("sub").and_then(Value::as_str).map(str::to_owned)
}

/// What a request presents, given its Authorization header and its form.
///
/// # Errors
/// `invalid_request` for more than one method or two names (RFC 6749 §2.3), `invalid_client` for none or a malformed one.
pub fn present(authorization: Option<&str>, params: &Params) -> Result<Presented, OAuthError> {
    let named = params.get("client_id");
    let assertion = params.get("client_assertion").is_some() || params.get("client_assertion_type").is_some();
    let posted = params.get("client_secret");
    if [authorization.is_some(), posted.is_some(), assertion].iter().filter(|there| **there).count() > 1 {
        return Err(OAuthError::invalid_request("more than one way of client authentication"));
    }
    let same_name = |client_id: &str| named.is_none_or(|named| named == client_id);
    let presented = if let Some(header) = authorization {
        let (client_id, secret) =
            basic(header).ok_or_else(|| OAuthError::invalid_client("the Authorization header is malformed"))?;
        Presented::Basic { client_id, secret }
    } else if assertion {
        asserted(params)?
    } else {
        let client_id = named.ok_or_else(|| OAuthError::invalid_client("client authentication is missing"))?.to_owned();
        match posted {
            Some(secret) => Presented::Post { client_id, secret: Secret::presented(secret) },
            None => Presented::None { client_id },
        }
    };
    match &presented {
        Presented::Basic { client_id, .. } if !same_name(client_id) => {
            Err(OAuthError::invalid_request("client_id is not the one that authenticates"))
        }
        _ => Ok(presented),
    }
}

fn asserted(params: &Params) -> Result<Presented, OAuthError> {
    if params.get("client_assertion_type") != Some(JWT_BEARER) {
        return Err(OAuthError::invalid_client("client_assertion_type is not supported"));
    }
    let jwt =
        params.get("client_assertion").ok_or_else(|| OAuthError::invalid_client("client_assertion is missing"))?;
    let client_id = params.get("client_id").map(str::to_owned);
    Ok(Presented::Assertion { client_id, jwt: jwt.to_owned() })
}

/// RFC 6749 §2.3.1: name and secret are form-encoded, then joined by a colon. Anything loose is refused.
fn basic(header: &str) -> Option<(String, Secret)> {
    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let decoded = STANDARD.decode(credentials.trim_matches(' ')).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let client_id = form_decode(&decoded[..colon], Malformed::Refused).filter(|client_id| !client_id.is_empty())?;
    let secret = form_decode(&decoded[colon + 1..], Malformed::Refused)?;
    Some((client_id, Secret::presented(secret)))
}

/// Whether a secret is one of the application's. Every digest is compared, whichever matches.
#[must_use]
pub fn check_secret(application: &Application, secret: &Secret) -> bool {
    let by_secret = matches!(application.auth_method, AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost);
    let presented = secret.digest();
    let matching = application.secrets.iter().filter(|digest| **digest == presented).count();
    by_secret && matching > 0 && !secret.expose().is_empty()
}

/// Who an assertion may be addressed to.
#[derive(Clone, Copy, Debug)]
pub struct AcceptedAudiences<'a> {
    /// Us.
    pub issuer: &'a str,
    /// The token endpoint's URL.
    pub token_endpoint: &'a str,
    /// The URL of the endpoint that was called.
    pub this_endpoint: &'a str,
}

/// What must be remembered of an assertion, so that it works once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jti {
    /// A digest of application and `jti`: two applications may use the same one.
    pub key: String,
    /// When it may be forgotten.
    pub expires: UnixMillis,
}

/// Judges the claims of an assertion whose signature held.
///
/// # Errors
/// `invalid_client` with the claim that is wrong.
pub fn check_assertion(
    claims: &Map<String, Value>,
    application: &Application,
    endpoints: &AcceptedAudiences<'_>,
    now: UnixMillis,
) -> Result<Jti, OAuthError> {
    let wrong = |claim: &str| OAuthError::invalid_client(format!("the assertion's {claim} is not acceptable"));
    for claim in ["iss", "sub"] {
        if claims.get(claim).and_then(Value::as_str) != Some(application.client_id.as_str()) {
            return Err(wrong(claim));
        }
    }
    if !is_addressed(claims.get("aud"), application.profile, endpoints) {
        return Err(wrong("aud"));
    }
    let expires = claims.get("exp").and_then(moment).ok_or_else(|| wrong("exp"))?;
    if expires <= now || expires > now.plus(MAX_LIFE + LEEWAY) {
        return Err(wrong("exp"));
    }
    for claim in ["iat", "nbf"] {
        let begun = |value: &Value| moment(value).is_some_and(|begins| begins <= now.plus(LEEWAY));
        if claims.get(claim).is_some_and(|value| !begun(value)) {
            return Err(wrong(claim));
        }
    }
    let jti = claims
        .get("jti")
        .and_then(Value::as_str)
        .filter(|jti| (1..=MAX_JTI).contains(&jti.len()))
        .ok_or_else(|| wrong("jti"))?;
    // The length keeps ("ab", "c") and ("a", "bc") apart.
    let key =
        Digest::of(format!("{}:{}{jti}", application.client_id.len(), application.client_id).as_bytes()).base64url();
    Ok(Jti { key, expires })
}

/// Whether an assertion is meant for us alone: one made for another server must not be replayed here.
///
/// FAPI 2.0 §5.3.2.1: the issuer as a string. Otherwise our choice: one or more of our own names and no other.
fn is_addressed(aud: Option<&Value>, profile: Profile, endpoints: &AcceptedAudiences<'_>) -> bool {
    let ours = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| [endpoints.issuer, endpoints.token_endpoint, endpoints.this_endpoint].contains(&text))
    };
    match (profile, aud) {
        (Profile::Fapi2, Some(Value::String(aud))) => aud == endpoints.issuer,
        (Profile::Standard, Some(Value::Array(members))) => !members.is_empty() && members.iter().all(ours),
        (Profile::Standard, Some(aud)) => ours(aud),
        (Profile::Fapi2 | Profile::Standard, _) => false,
    }
}

/// A `NumericDate`, cut to the second (RFC 7519 §2 allows fractions).
fn moment(value: &Value) -> Option<UnixMillis> {
    let Value::Number(number) = value else {
        return None;
    };
    let text = number.to_string();
    text.split('.').next()?.parse().ok().map(UnixMillis::from_seconds)
}

#[cfg(test)]
#[path = "client_auth_tests.rs"]
mod tests;
