//! Authorization codes: what a presented one means (RFC 6749 §4.1.2 and §4.1.3, RFC 9700 §2.1.1).
//!
//! # Why
//! A code is bound to application, redirect URI and PKCE challenge; codes that were bound to less have been redeemed by
//! strangers. Whoever presents it wrongly once has burnt it: a stolen code isn't left to be tried again. Taking a code
//! out of the database so that two requests can't both have it is the store's part.

use crate::domain::oauth::error::OAuthError;
use crate::domain::oauth::pkce::{self, Challenge};
use crate::kernel::secret;
use crate::kernel::time::UnixMillis;

/// What every code begins with.
pub const PREFIX: &str = "mst_ac_";

/// What a code was made for.
#[derive(Clone, Copy, Debug)]
pub struct Issued<'a> {
    /// For whom.
    pub client_id: &'a str,
    /// Where it was sent.
    pub redirect_uri: &'a str,
    /// What the verifier must match.
    pub challenge: Option<&'a Challenge>,
    /// When it dies.
    pub expires_at: UnixMillis,
    /// Whether it was presented before.
    pub used: bool,
}

/// What came with it to the token endpoint. The application is authenticated already.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// By whom.
    pub client_id: &'a str,
    /// The `redirect_uri` parameter.
    pub redirect_uri: Option<&'a str>,
    /// The `code_verifier` parameter, as it was sent, empty or not.
    pub verifier: Option<&'a str>,
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Mark it used and give out tokens.
    Exchange,
    /// It was used before: end everything that came of it (RFC 6749 §4.1.2), then refuse.
    Replay(OAuthError),
    /// Mark it used and refuse.
    Burn(OAuthError),
}

/// Judges a presented code.
#[must_use]
pub fn decide(issued: &Issued<'_>, presented: &Presented<'_>, now: UnixMillis) -> Decision {
    let refusal = |reason: &str| OAuthError::invalid_grant(reason);
    if issued.used {
        return Decision::Replay(refusal("the code was used before"));
    }
    // One sentence for what a stranger could learn from: whose code it is and where it went.
    let same = |left: &str, right: &str| secret::same(left.as_bytes(), right.as_bytes());
    if !same(issued.client_id, presented.client_id) {
        return Decision::Burn(refusal("the code is not valid"));
    }
    if now >= issued.expires_at {
        return Decision::Burn(refusal("the code has expired"));
    }
    if !presented.redirect_uri.is_some_and(|uri| same(uri, issued.redirect_uri)) {
        return Decision::Burn(refusal("redirect_uri is not the one of the authorization request"));
    }
    match pkce::verify(issued.challenge, presented.verifier) {
        Ok(()) => Decision::Exchange,
        Err(fault) => Decision::Burn(fault.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::oauth::error::ErrorCode;

    // The example of RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    const URI: &str = "https://shop.example/%2Fcb";
    const EXPIRES: UnixMillis = UnixMillis(60_000);
    const GOOD: Presented<'static> = Presented { client_id: "shop", redirect_uri: Some(URI), verifier: Some(VERIFIER) };

    fn judge(used: bool, presented: Presented<'_>, now: i64) -> Decision {
        let challenge = Challenge::try_from(CHALLENGE.to_owned()).expect("well formed");
        let issued =
            Issued { client_id: "shop", redirect_uri: URI, challenge: Some(&challenge), expires_at: EXPIRES, used };
        decide(&issued, &presented, UnixMillis(now))
    }

    fn is_burnt(decision: &Decision) -> bool {
        matches!(decision, Decision::Burn(error) if error.code == ErrorCode::InvalidGrant)
    }

    #[test]
    fn a_code_is_exchanged_by_the_one_it_was_made_for() {
        assert_eq!(judge(false, GOOD, 59_999), Decision::Exchange);
    }

    #[test]
    fn a_code_dies_at_its_sixtieth_second() {
        assert!(is_burnt(&judge(false, GOOD, 60_000)));
    }

    #[test]
    fn a_second_use_ends_what_the_first_one_made_whoever_comes() {
        assert!(matches!(judge(true, GOOD, 1), Decision::Replay(_)));
        assert!(matches!(judge(true, Presented { client_id: "other", ..GOOD }, 90_000), Decision::Replay(_)));
    }

    #[test]
    fn a_code_presented_by_another_application_is_burnt() {
        assert!(is_burnt(&judge(false, Presented { client_id: "other", ..GOOD }, 1)));
    }

    #[test]
    fn the_redirect_uri_is_compared_as_bytes() {
        for uri in [
            None,
            Some(""),
            Some("https://shop.example//cb"),
            Some("https://shop.example/%252Fcb"),
            Some("https://shop.example/%2fcb"),
        ] {
            assert!(is_burnt(&judge(false, Presented { redirect_uri: uri, ..GOOD }, 1)), "{uri:?}");
        }
    }

    #[test]
    fn a_wrong_or_missing_verifier_burns_the_code() {
        for verifier in [None, Some(""), Some(CHALLENGE), Some("short")] {
            assert!(is_burnt(&judge(false, Presented { verifier, ..GOOD }, 1)), "{verifier:?}");
        }
    }
}
