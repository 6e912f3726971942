//! Why a token is refused.

use std::fmt;

/// The kinds of refusal. Their words are the same in every language that this library is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Not a signed JWT, or a claim that every access token has is missing or of another type.
    Malformed,
    /// A signed JWT of another kind, such as an ID token.
    WrongType,
    /// Signed by an algorithm that is not allowed, or not the key's.
    WrongAlgorithm,
    /// Signed by a key that Muster does not publish.
    UnknownKey,
    /// The signature does not hold.
    BadSignature,
    /// Somebody else's token.
    WrongIssuer,
    /// Not for this service.
    WrongAudience,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It was issued for longer than the feed remembers.
    TooLongLived,
    /// What it stood for was taken away.
    Revoked,
    /// Whether it was revoked can't be said: the feed has not been read to its end, or is silent.
    StaleFeed,
}

impl Kind {
    /// The word for logs and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::WrongType => "wrong_type",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::TooLongLived => "too_long_lived",
            Self::Revoked => "revoked",
            Self::StaleFeed => "stale_feed",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// That a token is not honoured, and why. It holds nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is refused: {kind}")]
pub struct Refusal {
    /// Why.
    pub kind: Kind,
}

impl Refusal {
    /// Whether the same token may be honoured a moment later: answer 503 with `Retry-After`, not 401.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind == Kind::StaleFeed
    }
}

impl From<Kind> for Refusal {
    fn from(kind: Kind) -> Self {
        Self { kind }
    }
}
