//! `prompt` and `max_age`: whether a live session is enough for a request (OpenID Connect Core §3.1.2.1).
//!
//! # Why
//! The classic mistake is that `prompt=login` stays in the stored request and asks again after each sign-in. Here a
//! sign-in satisfies the request when it happened after the request first arrived. Both moments must be kept in
//! milliseconds: an `auth_time` cut to seconds would lie before the request that caused it.

use crate::domain::oauth::error::ErrorCode;
use crate::domain::oauth::words;
use crate::kernel::time::UnixMillis;

words! {
    /// A word of the `prompt` parameter.
    pub enum Prompt {
        /// No page may be shown.
        None = "none",
        /// The person must sign in again.
        Login = "login",
        /// The person must be asked for consent.
        Consent = "consent",
        /// The person must be able to take another account.
        SelectAccount = "select_account",
    }
}

/// What a request still needs before it may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The session is enough.
    Nothing,
    /// The sign-in page.
    SignIn,
    /// A page would be needed, and `prompt=none` forbids one.
    Refuse(ErrorCode),
}

/// What a request needs of the browser's session.
///
/// `started` is when the request first arrived, `auth_time` when the person last proved who they are.
/// Our choice: `select_account` is met by the sign-in page, once.
#[must_use]
pub fn decide(
    prompt: &[Prompt],
    max_age: Option<i64>,
    started: UnixMillis,
    auth_time: Option<UnixMillis>,
    now: UnixMillis,
) -> Need {
    let silent = prompt.contains(&Prompt::None);
    let enough = auth_time.is_some_and(|auth_time| {
        auth_time >= started
            || !(prompt.contains(&Prompt::Login)
                || prompt.contains(&Prompt::SelectAccount)
                || too_old(max_age, auth_time, now))
    });
    match (enough, silent) {
        (true, _) => Need::Nothing,
        (false, true) => Need::Refuse(ErrorCode::LoginRequired),
        (false, false) => Need::SignIn,
    }
}

/// Whether a sign-in lies further back than `max_age` whole seconds; `max_age=0` is `prompt=login` in other words.
fn too_old(max_age: Option<i64>, auth_time: UnixMillis, now: UnixMillis) -> bool {
    max_age.is_some_and(|max_age| max_age == 0 || now.seconds().saturating_sub(auth_time.seconds()) > max_age)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED_IN: UnixMillis = UnixMillis(1_000_000);

    fn later(millis: i64) -> UnixMillis {
        SIGNED_IN.plus(millis)
    }

    #[test]
    fn without_a_session_the_person_signs_in_unless_no_page_may_be_shown() {
        assert_eq!(decide(&[], None, later(0), None, later(0)), Need::SignIn);
        assert_eq!(decide(&[Prompt::None], None, later(0), None, later(0)), Need::Refuse(ErrorCode::LoginRequired));
    }

    #[test]
    fn a_live_session_is_enough() {
        assert_eq!(decide(&[], None, later(5000), Some(SIGNED_IN), later(5000)), Need::Nothing);
        assert_eq!(decide(&[Prompt::None], None, later(5000), Some(SIGNED_IN), later(5000)), Need::Nothing);
        assert_eq!(decide(&[Prompt::Consent], None, later(5000), Some(SIGNED_IN), later(5000)), Need::Nothing);
    }

    #[test]
    fn prompt_login_asks_once_and_not_again_after_the_sign_in() {
        let started = later(1000);
        for prompt in [Prompt::Login, Prompt::SelectAccount] {
            assert_eq!(decide(&[prompt], None, started, Some(SIGNED_IN), started), Need::SignIn);
            assert_eq!(decide(&[prompt], None, started, Some(started.plus(1)), started.plus(2)), Need::Nothing);
            assert_eq!(decide(&[prompt], None, started, Some(started), started), Need::Nothing);
        }
    }

    #[test]
    fn max_age_counts_whole_seconds_and_only_more_is_too_old() {
        let at = |millis| decide(&[], Some(1), later(millis), Some(SIGNED_IN), later(millis));
        assert_eq!(at(999), Need::Nothing);
        assert_eq!(at(1999), Need::Nothing);
        assert_eq!(at(2000), Need::SignIn);
        assert_eq!(decide(&[], Some(10_000), later(15_000), Some(SIGNED_IN), later(15_000)), Need::Nothing);
    }

    #[test]
    fn a_sign_in_that_answered_this_request_is_never_too_old_for_it() {
        let started = later(10_000);
        let signed_in = started.plus(1);
        assert_eq!(decide(&[], Some(1), started, Some(signed_in), started.plus(60_000)), Need::Nothing);
        assert_eq!(decide(&[], Some(0), started, Some(signed_in), started.plus(60_000)), Need::Nothing);
    }

    #[test]
    fn max_age_zero_asks_even_in_the_same_second() {
        assert_eq!(decide(&[], Some(0), later(1), Some(SIGNED_IN), later(1)), Need::SignIn);
    }

    #[test]
    fn a_silent_request_with_an_old_session_is_refused() {
        let need = decide(&[Prompt::None], Some(1), later(9000), Some(SIGNED_IN), later(9000));
        assert_eq!(need, Need::Refuse(ErrorCode::LoginRequired));
    }
}
