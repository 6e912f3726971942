//! Proof Key for Code Exchange: `S256` alone (RFC 7636, RFC 9700 §2.1.1).
//!
//! Whether an application must send a challenge is its own [`pkce_required`]; a challenge that was sent is
//! always enforced, and a verifier without one is refused, so that neither side can be stripped on the way.
//!
//! [`pkce_required`]: crate::domain::oauth::application::Application::pkce_required

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::kernel::secret;

/// Why a challenge or a verifier was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PkceFault {
    /// A `code_challenge_method` without a challenge.
    #[error("code_challenge_method was sent without a code_challenge")]
    MethodWithoutChallenge,
    /// RFC 7636 §4.3: an absent method means `plain`, and `plain` isn't offered.
    #[error("code_challenge_method must be S256")]
    NotS256,
    /// It is not the base64url text of 32 bytes.
    #[error("code_challenge must be 43 characters of base64url")]
    MalformedChallenge,
    /// The code was asked for with a challenge.
    #[error("code_verifier is required")]
    VerifierMissing,
    /// The code was asked for without a challenge: somebody stripped it, or the code is not this browser's.
    #[error("code_verifier was sent for a code without a code_challenge")]
    VerifierUnexpected,
    /// RFC 7636 §4.1: 43 to 128 unreserved characters.
    #[error("code_verifier is malformed")]
    MalformedVerifier,
    /// The verifier isn't the one.
    #[error("code_verifier does not match")]
    Mismatch,
}

impl PkceFault {
    /// The error's code: a bad challenge is a bad request, a bad verifier a bad grant (RFC 7636 §4.4.1, §4.6).
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::MethodWithoutChallenge | Self::NotS256 | Self::MalformedChallenge => ErrorCode::InvalidRequest,
            Self::VerifierMissing | Self::VerifierUnexpected | Self::MalformedVerifier | Self::Mismatch => {
                ErrorCode::InvalidGrant
            }
        }
    }
}

impl From<PkceFault> for OAuthError {
    fn from(fault: PkceFault) -> Self {
        Self::new(fault.code(), fault.to_string())
    }
}

/// An `S256` challenge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Challenge(String);

impl Challenge {
    /// The challenge of an authorization request, if it sent one. Pass what was sent, empty or not.
    ///
    /// # Errors
    /// [`PkceFault`] for every method but `S256`, and for a challenge that can't be a SHA-256.
    pub fn parse(challenge: Option<&str>, method: Option<&str>) -> Result<Option<Self>, PkceFault> {
        match (challenge, method) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(PkceFault::MethodWithoutChallenge),
            (Some(challenge), Some("S256")) => Self::try_from(challenge.to_owned()).map(Some),
            (Some(_), _) => Err(PkceFault::NotS256),
        }
    }

    /// The challenge's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Challenge {
    type Error = PkceFault;

    fn try_from(text: String) -> Result<Self, PkceFault> {
        let base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if text.len() == 43 && text.bytes().all(base64url) {
            Ok(Self(text))
        } else {
            Err(PkceFault::MalformedChallenge)
        }
    }
}

impl From<Challenge> for String {
    fn from(challenge: Challenge) -> Self {
        challenge.0
    }
}

/// Whether a verifier belongs to the challenge of the code. Pass what was sent, empty or not.
///
/// # Errors
/// [`PkceFault`] unless both are absent, or both are there and belong together.
pub fn verify(challenge: Option<&Challenge>, verifier: Option<&str>) -> Result<(), PkceFault> {
    let (challenge, verifier) = match (challenge, verifier) {
        (None, None) => return Ok(()),
        (None, Some(_)) => return Err(PkceFault::VerifierUnexpected),
        (Some(_), None | Some("")) => return Err(PkceFault::VerifierMissing),
        (Some(challenge), Some(verifier)) => (challenge, verifier),
    };
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
        return Err(PkceFault::MalformedVerifier);
    }
    let expected = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    if secret::same(expected.as_bytes(), challenge.0.as_bytes()) { Ok(()) } else { Err(PkceFault::Mismatch) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn challenge(text: &str) -> Challenge {
        Challenge::parse(Some(text), Some("S256")).expect("well formed").expect("sent")
    }

    #[test]
    fn the_example_of_the_rfc_matches() {
        assert_eq!(verify(Some(&challenge(CHALLENGE)), Some(VERIFIER)), Ok(()));
    }

    #[test]
    fn only_s256_in_its_exact_case_is_a_method() {
        for method in [None, Some("plain"), Some("s256"), Some("S512"), Some("S256 "), Some("")] {
            assert_eq!(Challenge::parse(Some(CHALLENGE), method), Err(PkceFault::NotS256), "{method:?}");
        }
        assert_eq!(Challenge::parse(None, Some("S256")), Err(PkceFault::MethodWithoutChallenge));
        assert_eq!(Challenge::parse(None, None), Ok(None));
    }

    #[test]
    fn a_challenge_is_43_characters_of_base64url() {
        let (short, long) = (&CHALLENGE[1..], format!("{CHALLENGE}A"));
        for bad in [
            "",
            short,
            long.as_str(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c=",
        ] {
            assert_eq!(Challenge::parse(Some(bad), Some("S256")), Err(PkceFault::MalformedChallenge), "{bad}");
        }
    }

    #[test]
    fn neither_half_can_be_stripped() {
        let sent = challenge(CHALLENGE);
        assert_eq!(verify(Some(&sent), None), Err(PkceFault::VerifierMissing));
        assert_eq!(verify(Some(&sent), Some("")), Err(PkceFault::VerifierMissing));
        assert_eq!(verify(None, Some(VERIFIER)), Err(PkceFault::VerifierUnexpected));
        assert_eq!(verify(None, Some("")), Err(PkceFault::VerifierUnexpected));
        assert_eq!(verify(None, None), Ok(()));
    }

    #[test]
    fn a_verifier_has_43_to_128_unreserved_characters() {
        for bad in ["a".repeat(42), "a".repeat(129), format!("{}+", "a".repeat(43)), format!("{}é", "a".repeat(43))] {
            assert_eq!(verify(Some(&challenge(CHALLENGE)), Some(&bad)), Err(PkceFault::MalformedVerifier), "{bad}");
        }
        for (wrong, length) in [("a", 43), ("~", 128)] {
            assert_eq!(verify(Some(&challenge(CHALLENGE)), Some(&wrong.repeat(length))), Err(PkceFault::Mismatch));
        }
        assert_eq!(verify(Some(&challenge(CHALLENGE)), Some(CHALLENGE)), Err(PkceFault::Mismatch), "plain");
    }

    #[test]
    fn a_bad_challenge_is_a_bad_request_and_a_bad_verifier_a_bad_grant() {
        assert_eq!(OAuthError::from(PkceFault::NotS256).code, ErrorCode::InvalidRequest);
        assert_eq!(OAuthError::from(PkceFault::Mismatch).code, ErrorCode::InvalidGrant);
    }
}
