//! Global token revocation: everything of a person that came through the connection ends
//! (`draft-parecki-oauth-global-token-revocation`).

use super::{Listening, NotHeard};
use crate::app::App;
use crate::domain::change::Origin;
use crate::domain::federation::revocation::{self, Expected, TYP};
use crate::kernel::secret::Secret;
use crate::outside::upstream::Jwks;

/// What bearer tokens are remembered as.
const KIND: &str = "revocation";

/// Ends what came through the identity that a request names; `asked` is the bearer token, if one was shown, and the body.
///
/// # Errors
/// See [`NotHeard`].
pub async fn hear(
    app: &App,
    connection: &str,
    asked: (Option<&Secret>, &[u8]),
    origin: &Origin,
) -> Result<(), NotHeard> {
    let listening = Listening::at(app, connection, origin).await?;
    let settings = &listening.sign_in.settings;
    if !settings.signals.global_token_revocation {
        return Err(NotHeard::Unknown);
    }
    let (token, body) = asked;
    let token = token.ok_or(NotHeard::NotVerified("a bearer token is needed"))?;
    let (core, endpoint) = (&settings.core, listening.address("revocation"));
    let claims = app.upstream.verify_jwt(Jwks::Issuer(&core.issuer), token.expose(), &[TYP]).await?;
    let expected = Expected { issuer: &core.issuer, client_id: &core.client_id, audience: &endpoint, now: app.now() };
    let bearer = revocation::check(&claims, &expected).map_err(NotHeard::NotVerified)?;
    let body = serde_json::from_slice(body).map_err(|_| NotHeard::Malformed("the body is no JSON".to_owned()))?;
    let subject = revocation::subject(&body).map_err(NotHeard::Malformed)?;
    // The token says who asks and not about whom: it is used up first, though it name nobody, or copies of it would each
    // end somebody else.
    if !listening.remember(KIND, &bearer.jti, bearer.expires).await? {
        return Err(NotHeard::Used);
    }
    let found = listening.found(&subject).await?;
    if let Some(found) = &found {
        listening.end(found.ended()).await?;
    }
    found.map(|_| ()).ok_or(NotHeard::NobodyThere)
}
