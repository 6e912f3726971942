//! Refresh tokens: their text, and what a presented one means for its family (RFC 9700 §4.14.2).
//!
//! # Why
//! A token is used once; a second use means that two parties hold it, and nobody knows which is the thief: the
//! family ends. One exception: an answer that was lost on the way may be repeated for ten seconds, and the repeat
//! yields the very same successor, so that there are never two live tokens.

use crate::kernel::id::FamilyId;
use crate::kernel::secret::{Digest, Secret};
use crate::kernel::time::{SECOND, UnixMillis};

/// What every refresh token begins with.
pub const PREFIX: &str = "mst_rt_";
/// For how long a lost answer may be repeated, in milliseconds.
pub const REPEAT: i64 = 10 * SECOND;

const SECRET_LENGTH: usize = 43;

/// The token's text: prefix, family, a dot, the secret's 43 characters.
#[must_use]
pub fn text(family: &FamilyId, secret: &Secret) -> Secret {
    Secret::presented(format!("{PREFIX}{family}.{}", secret.expose()))
}

/// The family and the secret of a presented token; `None` for anything else.
#[must_use]
pub fn parse(token: &str) -> Option<(FamilyId, Secret)> {
    let (family, secret) = token.strip_prefix(PREFIX)?.split_once('.')?;
    let base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if secret.len() != SECRET_LENGTH || !secret.bytes().all(base64url) {
        return None;
    }
    Some((family.parse().ok()?, Secret::presented(secret)))
}

/// What the database knows of a live family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyState {
    /// How often it was rotated.
    pub generation: i64,
    /// The digest of the secret that is good now.
    pub current: Digest,
    /// The digest of the one before.
    pub previous: Option<Digest>,
    /// When `current` took the place of `previous`.
    pub rotated_at: UnixMillis,
    /// Whether its tokens are used once; false under the profile `fapi2`.
    pub rotates: bool,
}

/// What to do about a presented token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is the current one: give out its successor.
    Rotate,
    /// It is the one before, and its answer may have been lost: give out the same successor again.
    Repeat,
    /// It was used before, or never was one of the family: end the family.
    Reuse,
    /// It is the one, and stays it.
    Keep,
}

/// Judges the digest of a presented secret. Both digests are compared, whichever matches.
#[must_use]
pub fn decide(family: &FamilyState, presented: &Digest, now: UnixMillis) -> Decision {
    let is_current = family.current == *presented;
    let is_previous = family.previous.is_some_and(|previous| previous == *presented);
    let in_time = now.since(family.rotated_at) <= REPEAT;
    match (is_current, is_previous && in_time) {
        (true, _) if family.rotates => Decision::Rotate,
        (true, _) => Decision::Keep,
        (false, true) if family.rotates => Decision::Repeat,
        (false, _) => Decision::Reuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(letter: &str) -> Secret {
        Secret::presented(letter.repeat(SECRET_LENGTH))
    }

    fn family(rotates: bool) -> FamilyState {
        FamilyState {
            generation: 2,
            current: secret("b").digest(),
            previous: Some(secret("a").digest()),
            rotated_at: UnixMillis(100_000),
            rotates,
        }
    }

    fn after(millis: i64) -> UnixMillis {
        UnixMillis(100_000 + millis)
    }

    #[test]
    fn a_token_is_read_back_as_it_was_written() {
        let id = FamilyId::from_u128(7);
        let token = text(&id, &secret("x"));
        let (family, found) = parse(token.expose()).expect("our own text");
        assert_eq!((family, found.expose()), (id, secret("x").expose()));
    }

    #[test]
    fn a_token_that_is_cut_or_lengthened_or_of_another_kind_is_none() {
        let token = text(&FamilyId::from_u128(7), &secret("x"));
        let token = token.expose();
        for size in 0..token.len() {
            assert!(parse(&token[..size]).is_none(), "{size}");
        }
        for bad in [
            format!("{token}x"),
            format!("{token}="),
            format!(" {token}"),
            token.to_uppercase(),
            token.replace("mst_rt_", "mst_ac_"),
            token.replace("fam_", "usr_"),
        ] {
            assert!(parse(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_current_token_is_rotated() {
        assert_eq!(decide(&family(true), &secret("b").digest(), after(0)), Decision::Rotate);
        assert_eq!(decide(&family(true), &secret("b").digest(), after(1 << 40)), Decision::Rotate);
    }

    #[test]
    fn a_lost_answer_may_be_repeated_for_ten_seconds_and_no_longer() {
        assert_eq!(decide(&family(true), &secret("a").digest(), after(0)), Decision::Repeat);
        assert_eq!(decide(&family(true), &secret("a").digest(), after(REPEAT)), Decision::Repeat);
        assert_eq!(decide(&family(true), &secret("a").digest(), after(REPEAT + 1)), Decision::Reuse);
    }

    #[test]
    fn a_replayed_or_unknown_token_ends_its_family() {
        assert_eq!(decide(&family(true), &secret("0").digest(), after(1)), Decision::Reuse);
        let young = FamilyState { previous: None, ..family(true) };
        assert_eq!(decide(&young, &secret("a").digest(), after(1)), Decision::Reuse);
    }

    #[test]
    fn once_the_successor_was_used_the_token_before_can_not_be_repeated() {
        let next = FamilyState {
            generation: 3,
            current: secret("c").digest(),
            previous: Some(secret("b").digest()),
            ..family(true)
        };
        assert_eq!(decide(&next, &secret("a").digest(), after(1)), Decision::Reuse);
    }

    #[test]
    fn a_fapi2_token_stays_what_it_is() {
        assert_eq!(decide(&family(false), &secret("b").digest(), after(1)), Decision::Keep);
        assert_eq!(decide(&family(false), &secret("a").digest(), after(1)), Decision::Reuse);
    }
}
