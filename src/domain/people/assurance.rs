//! How somebody proved who they are, what that is worth, and how it is told: `acr` and `amr` of tokens (RFC 8176, RFC 9470).
//!
//! Both say what was really done in this session, never what a policy wanted or what an account could do.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::kernel::time::{MINUTE, UnixMillis};

/// The level that a password reaches, or a sign-in through a connection that says no more.
pub const ACR_PASSWORD: &str = "urn:muster:acr:pwd";
/// The level that a second factor reaches.
pub const ACR_TWO_FACTOR: &str = "urn:muster:acr:mfa";
/// The level that a passkey reaches whose authenticator knew the person.
pub const ACR_PHISHING_RESISTANT: &str = "urn:muster:acr:phr";
/// So old may a proof be for what is sensitive, in milliseconds.
pub const FRESH: i64 = 10 * MINUTE;

/// How strongly somebody proved who they are. The order is the order of strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// By something that can be told to somebody else.
    Password,
    /// By a second thing besides.
    TwoFactor,
    /// By a passkey with user verification, which answers to no other address.
    PhishingResistant,
}

impl Level {
    /// All of them, the weakest first.
    pub const ALL: [Self; 3] = [Self::Password, Self::TwoFactor, Self::PhishingResistant];

    /// The value of `acr`.
    #[must_use]
    pub const fn acr(self) -> &'static str {
        match self {
            Self::Password => ACR_PASSWORD,
            Self::TwoFactor => ACR_TWO_FACTOR,
            Self::PhishingResistant => ACR_PHISHING_RESISTANT,
        }
    }

    /// The level that a value of `acr` means, or asks for.
    #[must_use]
    pub fn of_acr(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.acr() == text)
    }
}

/// One thing that somebody did to prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Typed the password.
    Password,
    /// Typed a code that an app showed.
    Totp,
    /// Answered with a passkey whose authenticator verified them.
    Passkey,
    /// Typed a recovery code.
    Recovery,
    /// Typed a code that was mailed.
    #[serde(rename = "email")]
    EmailCode,
    /// Typed a code that was sent to their phone.
    #[serde(rename = "sms")]
    SmsCode,
    /// Came through a connection.
    Federated,
    /// Came through a connection that trusts what its provider says of a second factor.
    #[serde(rename = "federated_mfa")]
    FederatedFactor,
}

impl Method {
    /// Whether it is more than what a sign-in begins with.
    #[must_use]
    pub const fn is_factor(self) -> bool {
        match self {
            Self::Password | Self::Federated => false,
            Self::Totp | Self::Passkey | Self::Recovery | Self::EmailCode | Self::SmsCode | Self::FederatedFactor => {
                true
            }
        }
    }

    /// Whether a sign-in begins with it.
    const fn is_first(self) -> bool {
        matches!(self, Self::Password | Self::Federated | Self::FederatedFactor | Self::Passkey)
    }
}

/// What some methods are worth together. A factor alone, without anything before it, is worth no more than a password.
#[must_use]
pub fn of_methods(methods: &BTreeSet<Method>) -> Level {
    if methods.contains(&Method::Passkey) {
        return Level::PhishingResistant;
    }
    let factor = methods.iter().any(|method| method.is_factor());
    let first = methods.iter().any(|method| method.is_first());
    if factor && first { Level::TwoFactor } else { Level::Password }
}

/// The words of `amr` for some methods (RFC 8176 §2), each once: of a passkey that it is a key in hardware or kept like one
/// (`hwk`) and that its authenticator verified the person (`user`), of two different kinds `mfa`. What a provider said of
/// itself is not among them: whoever knows it adds it.
#[must_use]
pub fn amr(methods: &BTreeSet<Method>) -> Vec<String> {
    let has = |method: Method| methods.contains(&method);
    let mut words = Vec::new();
    let mut say = |said: bool, word: &str| {
        if said {
            words.push(word.to_owned());
        }
    };
    say(has(Method::Password), "pwd");
    say(has(Method::Totp) || has(Method::Recovery) || has(Method::EmailCode), "otp");
    say(has(Method::SmsCode), "sms");
    say(has(Method::Passkey), "hwk");
    say(has(Method::Passkey), "user");
    say(of_methods(methods) > Level::Password, "mfa");
    words
}

/// Whether a proof of `proven`, made at `at`, does for an act that needs `needs` at `now`.
#[must_use]
pub fn is_fresh(proven: Level, at: UnixMillis, needs: Level, now: UnixMillis) -> bool {
    is_as_fresh(proven, at, needs, (now, FRESH))
}

/// As [`is_fresh`], for a proof that may be older: at `now` so many milliseconds.
#[must_use]
pub fn is_as_fresh(proven: Level, at: UnixMillis, needs: Level, (now, within): (UnixMillis, i64)) -> bool {
    proven >= needs && now.since(at) <= within
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(methods: &[Method]) -> BTreeSet<Method> {
        methods.iter().copied().collect()
    }

    #[test]
    fn every_level_has_a_word_and_no_other_word_is_a_level() {
        for level in Level::ALL {
            assert_eq!(Level::of_acr(level.acr()), Some(level));
        }
        assert_eq!(Level::of_acr("urn:muster:acr:fed"), None);
        assert_eq!(Level::of_acr(""), None);
        assert!(Level::Password < Level::TwoFactor && Level::TwoFactor < Level::PhishingResistant);
    }

    // F2
    #[test]
    fn what_was_done_is_what_is_told() {
        let cases: [(&[Method], Level, &[&str]); 9] = [
            (&[], Level::Password, &[]),
            (&[Method::Password], Level::Password, &["pwd"]),
            (&[Method::Password, Method::Totp], Level::TwoFactor, &["pwd", "otp", "mfa"]),
            (&[Method::Password, Method::Recovery], Level::TwoFactor, &["pwd", "otp", "mfa"]),
            (&[Method::Password, Method::SmsCode], Level::TwoFactor, &["pwd", "sms", "mfa"]),
            (&[Method::Passkey], Level::PhishingResistant, &["hwk", "user", "mfa"]),
            (&[Method::Password, Method::Passkey], Level::PhishingResistant, &["pwd", "hwk", "user", "mfa"]),
            (&[Method::Federated], Level::Password, &[]),
            (&[Method::Federated, Method::FederatedFactor], Level::TwoFactor, &["mfa"]),
        ];
        for (methods, level, words) in cases {
            assert_eq!(of_methods(&set(methods)), level, "{methods:?}");
            assert_eq!(amr(&set(methods)), words, "{methods:?}");
        }
    }

    #[test]
    fn a_code_without_a_password_before_it_is_worth_no_more_than_one() {
        assert_eq!(of_methods(&set(&[Method::Totp])), Level::Password);
        assert_eq!(amr(&set(&[Method::Totp, Method::EmailCode])), ["otp"]);
    }

    #[test]
    fn a_proof_is_fresh_for_ten_minutes_and_never_more_than_it_was() {
        let at = UnixMillis(1_000);
        assert!(is_fresh(Level::TwoFactor, at, Level::TwoFactor, at.plus(FRESH)));
        assert!(!is_fresh(Level::TwoFactor, at, Level::TwoFactor, at.plus(FRESH + 1)));
        assert!(!is_fresh(Level::Password, at, Level::TwoFactor, at));
        assert!(is_fresh(Level::PhishingResistant, at, Level::Password, at));
    }
}
