//! How a verifier is set up.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use url::{Host, Url};

/// What a token provider fails with.
pub type ProviderError = Box<dyn std::error::Error + Send + Sync>;
/// What a token provider answers with.
pub type ProviderFuture = Pin<Box<dyn Future<Output = Result<String, ProviderError>> + Send>>;

type Provider = Arc<dyn Fn() -> ProviderFuture + Send + Sync>;

/// How this service proves to Muster who it is, to be let at the feed.
#[derive(Clone)]
pub struct Credentials {
    pub(crate) client_id: String,
    pub(crate) proof: Proof,
}

#[derive(Clone)]
pub(crate) enum Proof {
    /// By its secret (`client_secret_basic`).
    Secret(String),
    /// By access tokens that the service gets itself.
    Provider(Provider),
}

impl Credentials {
    /// By the application's secret, at the token endpoint (`client_secret_basic`).
    #[must_use]
    pub fn secret(client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { client_id: client_id.into(), proof: Proof::Secret(secret.into()) }
    }

    /// By access tokens with the scope `revocations.read` that the service gets itself, by `private_key_jwt` for instance.
    /// It is asked at each new connection, so it should keep a token that is still good.
    #[must_use]
    pub fn provider(
        client_id: impl Into<String>,
        provider: impl Fn() -> ProviderFuture + Send + Sync + 'static,
    ) -> Self {
        Self { client_id: client_id.into(), proof: Proof::Provider(Arc::new(provider)) }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// The settings of a verifier.
#[derive(Clone, Debug)]
pub struct Options {
    /// Muster's issuer, exactly as in the tokens.
    pub issuer: String,
    /// The `aud` that this service's tokens have: its registered resource, or the issuer where it has none.
    pub audience: String,
    /// How the feed is reached.
    pub credentials: Credentials,
    /// How long the feed may be silent before every token is refused. 15 seconds; 2 seconds to 10 minutes.
    pub max_silence: Duration,
    /// How far this machine's clock and Muster's may be apart. 5 seconds; a minute at most.
    pub leeway: Duration,
}

/// That a setting makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The issuer.
    #[error("the issuer is no https URL; http is for loopback addresses only")]
    Issuer,
    /// The audience.
    #[error("the audience is empty")]
    Audience,
    /// The client id.
    #[error("the client id is empty")]
    ClientId,
    /// The silence.
    #[error("max_silence is not between 2 seconds and 10 minutes")]
    MaxSilence,
    /// The leeway.
    #[error("leeway is more than a minute")]
    Leeway,
    /// The HTTP client.
    #[error("no HTTP client can be made")]
    Http,
}

impl Options {
    /// The settings that have no default.
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            credentials,
            max_silence: Duration::from_secs(15),
            leeway: Duration::from_secs(5),
        }
    }

    /// How long the feed may be silent.
    #[must_use]
    pub fn max_silence(mut self, max_silence: Duration) -> Self {
        self.max_silence = max_silence;
        self
    }

    /// How far the clocks may be apart.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// The issuer's address, once the settings make sense.
    pub(crate) fn check(&self) -> Result<Url, OptionsError> {
        let issuer = Url::parse(&self.issuer).map_err(|_| OptionsError::Issuer)?;
        let plain = issuer.query().is_none() && issuer.fragment().is_none() && issuer.username().is_empty();
        if !is_safe(&issuer) || !plain {
            return Err(OptionsError::Issuer);
        }
        if self.audience.is_empty() {
            return Err(OptionsError::Audience);
        }
        if self.credentials.client_id.is_empty() {
            return Err(OptionsError::ClientId);
        }
        if !(Duration::from_secs(2)..=Duration::from_mins(10)).contains(&self.max_silence) {
            return Err(OptionsError::MaxSilence);
        }
        if self.leeway > Duration::from_mins(1) {
            return Err(OptionsError::Leeway);
        }
        Ok(issuer)
    }
}

/// https, or http on this machine.
fn is_safe(url: &Url) -> bool {
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
        ("http", Some(Host::Ipv6(address))) => address.is_loopback(),
        ("http", Some(Host::Domain(name))) => name == "localhost",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let of = |issuer: &str| Options::new(issuer, "a", Credentials::secret("c", "s"));
        for good in ["https://id.example.com", "http://127.0.0.1:8080", "http://[::1]:1", "http://localhost"] {
            assert!(of(good).check().is_ok(), "{good}");
        }
        for bad in ["", "id.example.com", "http://id.example.com", "ftp://id.example.com", "https://id.example.com?a=b"]
        {
            assert_eq!(of(bad).check(), Err(OptionsError::Issuer), "{bad}");
        }
        let good = of("https://id.example.com");
        assert_eq!(good.clone().max_silence(Duration::from_secs(1)).check(), Err(OptionsError::MaxSilence));
        assert_eq!(good.clone().leeway(Duration::from_secs(61)).check(), Err(OptionsError::Leeway));
        assert_eq!(Options { audience: String::new(), ..good.clone() }.check(), Err(OptionsError::Audience));
        let nobody = Options { credentials: Credentials::secret("", "s"), ..good };
        assert_eq!(nobody.check(), Err(OptionsError::ClientId));
    }

    #[test]
    fn credentials_are_not_shown() {
        assert!(!format!("{:?}", Credentials::secret("orders", "hush")).contains("hush"));
    }
}
