//! The errors an application is told (RFC 6749 §4.1.2.1 and §5.2, OpenID Connect Core §3.1.2.6, RFC 6750 §3.1,
//! RFC 8628 §3.5, RFC 8707 §2).
//!
//! An [`OAuthError`] is public by nature: what only operators may know goes to the log, not in here.

use serde_json::{Value, json};

words! {
    /// The word that tells a machine what went wrong.
    pub enum ErrorCode {
        /// RFC 6749 §5.2.
        InvalidRequest = "invalid_request",
        /// RFC 6749 §5.2.
        UnauthorizedClient = "unauthorized_client",
        /// RFC 6749 §4.1.2.1.
        AccessDenied = "access_denied",
        /// RFC 6749 §4.1.2.1.
        UnsupportedResponseType = "unsupported_response_type",
        /// RFC 6749 §5.2.
        InvalidScope = "invalid_scope",
        /// RFC 6749 §4.1.2.1.
        ServerError = "server_error",
        /// RFC 6749 §4.1.2.1.
        TemporarilyUnavailable = "temporarily_unavailable",
        /// RFC 6749 §5.2.
        InvalidClient = "invalid_client",
        /// RFC 6749 §5.2.
        InvalidGrant = "invalid_grant",
        /// RFC 6749 §5.2.
        UnsupportedGrantType = "unsupported_grant_type",
        /// RFC 7009 §2.2.1.
        UnsupportedTokenType = "unsupported_token_type",
        /// RFC 6750 §3.1.
        InvalidToken = "invalid_token",
        /// RFC 6750 §3.1.
        InsufficientScope = "insufficient_scope",
        /// OpenID Connect Core §3.1.2.6.
        LoginRequired = "login_required",
        /// OpenID Connect Core §3.1.2.6.
        InteractionRequired = "interaction_required",
        /// OpenID Connect Core §3.1.2.6.
        ConsentRequired = "consent_required",
        /// OpenID Connect Core §3.1.2.6.
        AccountSelectionRequired = "account_selection_required",
        /// OpenID Connect Core §3.1.2.6.
        RequestNotSupported = "request_not_supported",
        /// OpenID Connect Core §3.1.2.6.
        RequestUriNotSupported = "request_uri_not_supported",
        /// OpenID Connect Core §3.1.2.6.
        RegistrationNotSupported = "registration_not_supported",
        /// OpenID Connect Core Error Code `unmet_authentication_requirements` 1.0, RFC 9470 §5.
        UnmetAuthenticationRequirements = "unmet_authentication_requirements",
        /// RFC 8707 §2.
        InvalidTarget = "invalid_target",
        /// RFC 8628 §3.5.
        AuthorizationPending = "authorization_pending",
        /// RFC 8628 §3.5.
        SlowDown = "slow_down",
        /// RFC 8628 §3.5.
        ExpiredToken = "expired_token",
    }
}

impl ErrorCode {
    /// The status of a direct answer with this code. Redirects have none.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::InvalidClient | Self::InvalidToken => 401,
            Self::InsufficientScope => 403,
            Self::ServerError => 500,
            Self::TemporarilyUnavailable => 503,
            Self::InvalidRequest
            | Self::UnauthorizedClient
            | Self::AccessDenied
            | Self::UnsupportedResponseType
            | Self::InvalidScope
            | Self::InvalidGrant
            | Self::UnsupportedGrantType
            | Self::UnsupportedTokenType
            | Self::LoginRequired
            | Self::InteractionRequired
            | Self::ConsentRequired
            | Self::AccountSelectionRequired
            | Self::RequestNotSupported
            | Self::RequestUriNotSupported
            | Self::RegistrationNotSupported
            | Self::UnmetAuthenticationRequirements
            | Self::InvalidTarget
            | Self::AuthorizationPending
            | Self::SlowDown
            | Self::ExpiredToken => 400,
        }
    }
}

const MAX_DESCRIPTION: usize = 300;

/// An error with a sentence for the application's maker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {description}")]
#[non_exhaustive]
pub struct OAuthError {
    /// The word.
    pub code: ErrorCode,
    /// The sentence; only characters that RFC 6749 §5.2 allows.
    pub description: String,
}

impl OAuthError {
    /// An error. Characters outside `%x20-21 / %x23-5B / %x5D-7E` are replaced, and long texts cut.
    #[must_use]
    pub fn new(code: ErrorCode, description: impl AsRef<str>) -> Self {
        let description = description.as_ref().chars().take(MAX_DESCRIPTION).map(allowed).collect();
        Self { code, description }
    }

    /// `invalid_request`.
    #[must_use]
    pub fn invalid_request(description: impl AsRef<str>) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    /// `invalid_client`.
    #[must_use]
    pub fn invalid_client(description: impl AsRef<str>) -> Self {
        Self::new(ErrorCode::InvalidClient, description)
    }

    /// `invalid_grant`.
    #[must_use]
    pub fn invalid_grant(description: impl AsRef<str>) -> Self {
        Self::new(ErrorCode::InvalidGrant, description)
    }

    /// The status of a direct answer.
    #[must_use]
    pub const fn http_status(&self) -> u16 {
        self.code.http_status()
    }

    /// The body of a direct answer (RFC 6749 §5.2).
    #[must_use]
    pub fn body(&self) -> Value {
        if self.description.is_empty() {
            json!({ "error": self.code.as_str() })
        } else {
            json!({ "error": self.code.as_str(), "error_description": self.description })
        }
    }
}

fn allowed(character: char) -> char {
    match character {
        '"' => '\'',
        '\\' => '/',
        ' '..='~' => character,
        _ if character.is_whitespace() => ' ',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_has_only_the_characters_that_the_rfc_allows() {
        let hostile: String = (0_u32..0x300).filter_map(char::from_u32).collect();
        for chunk in hostile.as_bytes().chunks(64) {
            let error = OAuthError::invalid_request(String::from_utf8_lossy(chunk));
            assert!(
                error.description.bytes().all(|b| (0x20..=0x7e).contains(&b) && b != b'"' && b != b'\\'),
                "{error}"
            );
        }
        assert_eq!(OAuthError::invalid_grant("say \"no\"\r\n\\ é").description, "say 'no'  / ?");
        assert_eq!(OAuthError::invalid_grant("x".repeat(9000)).description.len(), MAX_DESCRIPTION);
    }

    #[test]
    fn a_direct_answer_has_the_status_of_its_code() {
        assert_eq!(OAuthError::invalid_client("").http_status(), 401);
        assert_eq!(OAuthError::invalid_grant("").http_status(), 400);
        assert_eq!(ErrorCode::InsufficientScope.http_status(), 403);
        assert!(ErrorCode::ALL.iter().all(|code| (400..=503).contains(&code.http_status())));
    }

    #[test]
    fn an_empty_description_is_left_out() {
        assert_eq!(OAuthError::invalid_client("").body(), json!({ "error": "invalid_client" }));
        assert_eq!(OAuthError::invalid_grant("no").body()["error_description"], "no");
    }

    #[test]
    fn each_code_is_the_word_of_its_clause() {
        for code in ErrorCode::ALL {
            assert_eq!(code.as_str().parse::<ErrorCode>(), Ok(*code));
        }
    }
}
