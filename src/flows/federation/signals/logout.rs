//! Back-channel logout: the provider says that a session of its own is over, or all of somebody
//! (OpenID Connect Back-Channel Logout 1.0 §2.6, §2.7).

use super::{Listening, NotHeard};
use crate::app::App;
use crate::domain::change::Origin;
use crate::domain::federation::Ended;
use crate::domain::federation::logout_token::{self, Expected};
use crate::outside::upstream::Jwks;

/// What logout tokens are remembered as.
const KIND: &str = "logout";
/// How a logout token may call itself (§2.4); before the specification named a type there was none.
const TYPES: [&str; 3] = ["logout+jwt", "JWT", ""];

/// Hears a logout token: what came through the sessions that it names is over when this answers.
///
/// # Errors
/// See [`NotHeard`]. Sessions of which nothing is known here are none: that is success (§2.7).
pub async fn hear(app: &App, connection: &str, token: &str, origin: &Origin) -> Result<(), NotHeard> {
    let listening = Listening::at(app, connection, origin).await?;
    if token.is_empty() {
        return Err(NotHeard::Malformed("logout_token is missing".to_owned()));
    }
    let core = &listening.sign_in.settings.core;
    let claims = app.upstream.verify_jwt(Jwks::Issuer(&core.issuer), token, &TYPES).await?;
    let expected = Expected { issuer: &core.issuer, client_id: &core.client_id, now: app.now() };
    let said = logout_token::check(&claims, &expected).map_err(NotHeard::NotVerified)?;
    if listening.has_heard(KIND, &said.jti).await? {
        return Err(NotHeard::Used);
    }
    match &said.ended {
        Ended::Person(upstream) | Ended::Session { upstream: Some(upstream), .. } => {
            if listening.known(upstream).await?.is_some() {
                listening.end(said.ended.clone()).await?;
            }
        }
        Ended::Session { upstream: None, .. } => listening.end(said.ended.clone()).await?,
    }
    listening.remember(KIND, &said.jti, said.expires).await?;
    Ok(())
}
