//! The set-up of a connection's sign-in as it is kept: its secrets sealed, a key made where one is needed, and an issuer
//! read before anything of it counts. Whoever asks, by a call or on a page, sends the change through the door.

use super::{KEY, POLL_TOKEN, SECRET};
use crate::app::App;
use crate::domain::change::Change;
use crate::domain::federation::{ClientAuth, NewSignIn, SignInSettings};
use crate::kernel::id::{ConnectionId, OrgId};
use crate::kernel::secret::Secret;
use crate::outside::upstream::{UpstreamError, make_key};
use crate::store::federation::upstreams::SignIn;

/// The longest secret that a provider gives, in characters.
pub const LONGEST_SECRET: usize = 1024;

/// Whether a text can be a secret that a provider gave.
#[must_use]
pub fn is_secret(text: &str) -> bool {
    (1..=LONGEST_SECRET).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// A set-up that is to be kept.
#[derive(Clone)]
pub struct SetUp {
    org: OrgId,
    connection: ConnectionId,
    settings: SignInSettings,
    secret: Option<Vec<u8>>,
    poll_token: Option<Vec<u8>>,
    /// A key that is taken where there is none yet: sealed, and its public half.
    key: Option<(Vec<u8>, String)>,
}

impl SetUp {
    /// Seals what is secret of it: the client secret, and the token for fetching events.
    #[must_use]
    pub fn of(
        app: &App,
        (org, connection): (OrgId, ConnectionId),
        settings: SignInSettings,
        (secret, poll_token): (Option<Secret>, Option<Secret>),
    ) -> Self {
        let seal = |purpose: &str, bytes: &[u8]| app.sealer.seal(purpose, connection.as_str(), bytes);
        let key = (settings.core.client_auth == ClientAuth::PrivateKeyJwt).then(|| {
            let made = make_key();
            (seal(KEY, &made.private_pkcs8), made.public_jwk)
        });
        let secret = secret.map(|secret| seal(SECRET, secret.expose().as_bytes()));
        let poll_token = poll_token.map(|token| seal(POLL_TOKEN, token.expose().as_bytes()));
        Self { org, connection, settings, secret, poll_token, key }
    }

    /// Who the provider says that it is.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.settings.core.issuer
    }

    /// The change that keeps it, instead of the set-up before. A key that is there stays.
    #[must_use]
    pub fn change(&self, before: Option<&SignIn>) -> Change {
        let has_key = before.is_some_and(|before| before.public_key.is_some());
        let (sealed_key, public_key) = self.key.clone().filter(|_| !has_key).unzip();
        Change::PutSignIn(Box::new(NewSignIn {
            connection: self.connection.clone(),
            org: self.org.clone(),
            settings: self.settings.clone(),
            sealed_secret: self.secret.clone(),
            sealed_key,
            public_key,
            sealed_poll_token: self.poll_token.clone(),
        }))
    }
}

/// Reads what an issuer says of itself. Only whoever may set the connection up has this server call an address: the door
/// is asked before.
///
/// # Errors
/// Why it can't be used: a sentence.
pub async fn read_issuer(app: &App, issuer: &str) -> Result<(), String> {
    let place = "its address with /.well-known/openid-configuration behind it";
    match app.upstream.discover(issuer).await {
        Ok(_) => Ok(()),
        Err(UpstreamError::BadDiscovery(why)) => Err(format!("What the provider says of itself can't be used: {why}.")),
        Err(UpstreamError::NotVerified(why)) => Err(format!("What the provider says of itself does not hold: {why}.")),
        Err(UpstreamError::TooLarge) => Err(format!("What stands at {place} is larger than is read.")),
        Err(UpstreamError::Unreachable | UpstreamError::Refused(_)) => {
            Err(format!("No provider answers there: nothing that can be read stands at {place}."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_line_of_some_characters() {
        assert!(is_secret("s") && is_secret(&"ü".repeat(LONGEST_SECRET)));
        for bad in [String::new(), "a\nb".to_owned(), "x".repeat(LONGEST_SECRET + 1)] {
            assert!(!is_secret(&bad), "{bad:?}");
        }
    }
}
