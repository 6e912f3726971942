//! The check of an ID token, done by the `openidconnect` crate (OpenID Connect Core 1.0 §3.1.3.7, §3.1.3.8, §12.2).

use std::time::{Duration, UNIX_EPOCH};

use openidconnect::{AccessToken, AccessTokenHash, ClaimsVerificationError, Nonce};

use crate::kernel::secret::same;
use crate::kernel::time::UnixMillis;

use super::oidc::ShopClient;
use super::person::{ShopClaims, ShopIdToken};

/// How far the clocks of the shop and of Muster may stand apart.
const LEEWAY_SECONDS: i64 = 60;

/// What the nonce of an ID token must be.
#[derive(Clone, Copy)]
pub enum Expected<'n> {
    /// The one that was sent.
    Sent(&'n Nonce),
    /// Absent, or the one that was sent with the sign-in (OpenID Connect Core 1.0 §12.2).
    Renewed(&'n Nonce),
}

impl Expected<'_> {
    fn fits(self, given: Option<&Nonce>) -> Result<(), String> {
        let (Self::Sent(sent) | Self::Renewed(sent)) = self;
        match given {
            Some(given) if same(given.secret().as_bytes(), sent.secret().as_bytes()) => Ok(()),
            Some(_) => Err("another request's".to_owned()),
            None if matches!(self, Self::Renewed(_)) => Ok(()),
            None => Err("missing".to_owned()),
        }
    }
}

/// Every check of an ID token that the shop makes: issuer, audience, key, signature, times, nonce and `at_hash`.
pub fn check(
    client: &ShopClient,
    id_token: &ShopIdToken,
    nonce: Expected<'_>,
    access: &AccessToken,
    now: UnixMillis,
) -> Result<ShopClaims, ClaimsVerificationError> {
    let at = UNIX_EPOCH + Duration::from_secs(u64::try_from(now.seconds()).unwrap_or_default());
    let latest = now.seconds() + LEEWAY_SECONDS;
    let verifier =
        client.id_token_verifier().set_time_fn(move || at.into()).set_issue_time_verifier_fn(move |issued| {
            if issued.timestamp() > latest { Err("issued in the future".to_owned()) } else { Ok(()) }
        });
    let claims = id_token.claims(&verifier, |given: Option<&Nonce>| nonce.fits(given))?;
    if let Some(expected) = claims.access_token_hash() {
        let algorithm = id_token.signing_alg().map_err(ClaimsVerificationError::SignatureVerification)?;
        let key = id_token.signing_key(&verifier).map_err(ClaimsVerificationError::SignatureVerification)?;
        let actual = AccessTokenHash::from_token(access, algorithm, key)
            .map_err(|fault| ClaimsVerificationError::Other(fault.to_string()))?;
        if actual != *expected {
            return Err(ClaimsVerificationError::Other("at_hash belongs to another access token".to_owned()));
        }
    }
    Ok(claims.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_demands_its_nonce_and_a_renewal_only_refuses_another() {
        let (sent, other) = (Nonce::new("a".to_owned()), Nonce::new("b".to_owned()));
        assert!(Expected::Sent(&sent).fits(Some(&sent)).is_ok() && Expected::Renewed(&sent).fits(Some(&sent)).is_ok());
        assert!(
            Expected::Sent(&sent).fits(Some(&other)).is_err() && Expected::Renewed(&sent).fits(Some(&other)).is_err()
        );
        assert!(Expected::Sent(&sent).fits(None).is_err() && Expected::Renewed(&sent).fits(None).is_ok());
    }
}
