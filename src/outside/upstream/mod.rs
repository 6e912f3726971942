//! Sign-in through a customer's own OpenID provider, as its relying party (OpenID Connect Core 1.0 §3.1, Discovery).
//!
//! The `openidconnect` crate speaks the protocol and checks ID tokens; its HTTP goes through [`RelyingParty`]. Whatever
//! else a provider signs (logout tokens, security events) is verified by josekit with the same keys. What a provider
//! publishes of itself is kept for ten minutes; keys that a token's `kid` is missing from are read again, once a minute
//! at most.
//!
//! # Why
//! The provider belongs to somebody else: every answer has a largest size and a latest moment, and no error holds what
//! the other side said but a short OAuth error code.

mod assertion;
mod exchange;
mod fetch;
mod metadata;
mod poll;
mod shelf;
mod verify;

#[cfg(test)]
mod fake_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

pub use self::assertion::{NewKey, make_key};
pub use self::metadata::Metadata;
use self::shelf::Shelf;
use self::verify::{Keys, Unverified};
use crate::domain::federation::Claims;
use crate::domain::federation::settings::{Core, LONGEST_ISSUER};
use crate::kernel::secret::Secret;
use crate::outside::relying_party::{RelyingParty, SendError};

/// How long a discovery document and the keys are believed.
const FRESH: Duration = Duration::from_mins(10);
/// How long after keys were read again for an unknown `kid` they are not read again for another.
const PAUSE: Duration = Duration::from_mins(1);
/// So many providers are remembered at most.
const MOST_KNOWN: u64 = 1_000;
/// A token that isn't an ID token is never longer.
const MOST_TOKEN_BYTES: usize = 64 * 1024;
/// The longest error code that is passed on.
const LONGEST_CODE: usize = 60;

/// Why a conversation with a provider did not end well. Nothing in it is the other side's but a short error code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// No answer in time, or none that the protocol knows.
    #[error("the provider could not be reached, or its answer is none")]
    Unreachable,
    /// An OAuth error, by its code: up to 60 letters a to z and underscores.
    #[error("the provider refused: {0}")]
    Refused(String),
    /// An answer that fails a check.
    #[error("what the provider said does not hold: {0}")]
    NotVerified(&'static str),
    /// What the provider publishes of itself cannot be used.
    #[error("what the provider publishes of itself cannot be used: {0}")]
    BadDiscovery(&'static str),
    /// An answer larger than is read.
    #[error("the provider's answer is larger than is read")]
    TooLarge,
}

impl UpstreamError {
    /// Whether it says that the provider, or how the connection is set up there, is out of order: not that one answer
    /// about one person did not hold.
    #[must_use]
    pub fn is_providers_fault(&self) -> bool {
        match self {
            Self::Unreachable | Self::BadDiscovery(_) | Self::TooLarge => true,
            Self::Refused(code) => matches!(
                code.as_str(),
                "invalid_client" | "unauthorized_client" | "server_error" | "temporarily_unavailable"
            ),
            Self::NotVerified(_) => false,
        }
    }

    /// A refusal with this code, if it is one; what is no code is none of the other side's words either.
    fn refused(code: &str) -> Self {
        let is_code = !code.is_empty()
            && code.len() <= LONGEST_CODE
            && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        Self::Refused(if is_code { code } else { "unknown_error" }.to_owned())
    }
}

impl From<SendError> for UpstreamError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::BadUrl | SendError::Refused => {
                Self::BadDiscovery("an address is not one that may be called; an operator can list the host")
            }
            SendError::TooLarge => Self::TooLarge,
            SendError::TimedOut | SendError::Unreachable | SendError::Certificates => Self::Unreachable,
        }
    }
}

/// Muster as one provider knows it.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// The provider, and who Muster is to it.
    pub settings: &'a Core,
    /// The client secret.
    pub secret: Option<&'a Secret>,
    /// The key for `private_key_jwt`: P-256 as PKCS#8.
    pub private_key: Option<&'a [u8]>,
    /// That key's `kid`.
    pub key_id: Option<&'a str>,
    /// Where the provider sends the browser back to.
    pub redirect_uri: &'a str,
}

/// What a sign-in asks of the provider.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// Ties the answer to the browser.
    pub state: &'a Secret,
    /// Ties the ID token to the request.
    pub nonce: &'a str,
    /// Ties the code to us: the S256 challenge (RFC 7636 §4.2).
    pub pkce_challenge: &'a str,
    /// The scopes; `openid` is asked for in any case.
    pub scopes: &'a BTreeSet<String>,
    /// Whom the provider may expect.
    pub login_hint: Option<&'a str>,
    /// Whether the person shall prove once more who they are.
    pub prompt_login: bool,
    /// How many seconds ago the person may have done so; with it, `auth_time` comes back.
    pub max_age: Option<i64>,
}

/// What the browser brought back, and what was kept for it.
#[derive(Clone, Copy, Debug)]
pub struct Returned<'a> {
    /// The code.
    pub code: &'a Secret,
    /// The nonce that was sent.
    pub nonce: &'a str,
    /// The PKCE verifier whose challenge was sent.
    pub pkce_verifier: &'a Secret,
}

/// Whose keys a token must be signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jwks<'a> {
    /// An OpenID provider's, by its issuer (Discovery 1.0 §4).
    Issuer(&'a str),
    /// A transmitter's of security events, by its issuer (Shared Signals Framework 1.0 §7).
    Transmitter(&'a str),
}

impl<'a> Jwks<'a> {
    const fn issuer(self) -> &'a str {
        match self {
            Self::Issuer(issuer) | Self::Transmitter(issuer) => issuer,
        }
    }

    /// The name among what is known. An issuer that is both has keys of its own as each.
    fn name(self) -> String {
        match self {
            Self::Issuer(issuer) => format!("oidc {issuer}"),
            Self::Transmitter(issuer) => format!("ssf {issuer}"),
        }
    }
}

/// The providers of all connections; clones share what is known of them.
#[derive(Clone, Debug)]
pub struct Upstreams {
    relying_party: RelyingParty,
    known: Cache<String, Arc<Known>>,
}

/// What is known of one provider.
#[derive(Debug, Default)]
struct Known {
    metadata: Shelf<Metadata>,
    transmitter: Shelf<String>,
    keys: Shelf<Keys>,
}

impl Upstreams {
    /// Knows nobody yet.
    #[must_use]
    pub fn new(relying_party: RelyingParty) -> Self {
        Self::keeping(relying_party, MOST_KNOWN, FRESH)
    }

    fn keeping(relying_party: RelyingParty, most: u64, life: Duration) -> Self {
        Self { relying_party, known: Cache::builder().max_capacity(most).time_to_live(life).build() }
    }

    /// What a provider says of itself. Those who ask meanwhile wait for the same answer.
    ///
    /// # Errors
    /// [`UpstreamError::BadDiscovery`] where it is not the issuer's own, or leads where nobody may be sent.
    pub async fn discover(&self, issuer: &str) -> Result<Arc<Metadata>, UpstreamError> {
        let known = self.known(Jwks::Issuer(issuer))?;
        known.metadata.get(metadata::read(&self.relying_party, issuer)).await
    }

    /// The claims of a token that the provider signed and whose `typ` is one of these; an empty one stands for none at
    /// all. The claims themselves are not checked.
    ///
    /// # Errors
    /// [`UpstreamError::NotVerified`] where it isn't signed as it must be; others where there are no keys to be had.
    pub async fn verify_jwt(&self, jwks: Jwks<'_>, token: &str, typ: &[&str]) -> Result<Claims, UpstreamError> {
        if token.len() > MOST_TOKEN_BYTES {
            return Err(UpstreamError::TooLarge);
        }
        let keys = self.keys(jwks).await?;
        let mut outcome = keys.verify(token, typ);
        if matches!(outcome, Err(Unverified::UnknownKey))
            && let Some(newer) = self.newer_keys(jwks, &keys).await?
        {
            outcome = newer.verify(token, typ);
        }
        outcome.map_err(UpstreamError::from)
    }

    fn known(&self, jwks: Jwks<'_>) -> Result<Arc<Known>, UpstreamError> {
        if jwks.issuer().len() > LONGEST_ISSUER {
            return Err(UpstreamError::BadDiscovery("the issuer is too long"));
        }
        Ok(self.known.get_with(jwks.name(), Arc::default))
    }

    async fn keys(&self, jwks: Jwks<'_>) -> Result<Arc<Keys>, UpstreamError> {
        self.known(jwks)?.keys.get(self.read_keys(jwks)).await
    }

    /// Keys that were read after these; `None` where it is too early to ask again.
    async fn newer_keys(&self, jwks: Jwks<'_>, seen: &Arc<Keys>) -> Result<Option<Arc<Keys>>, UpstreamError> {
        self.known(jwks)?.keys.newer(seen, PAUSE, self.read_keys(jwks)).await
    }

    async fn read_keys(&self, jwks: Jwks<'_>) -> Result<Keys, UpstreamError> {
        let address = match jwks {
            Jwks::Issuer(issuer) => self.discover(issuer).await?.jwks_uri().to_owned(),
            Jwks::Transmitter(issuer) => {
                let read = metadata::read_transmitter(&self.relying_party, issuer);
                self.known(jwks)?.transmitter.get(read).await?.as_ref().clone()
            }
        };
        Keys::read(fetch::document(&self.relying_party, &address).await?)
    }
}
