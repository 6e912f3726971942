//! Passwords: the rules that one keeps, in what one falls short, and how one is made up.
//!
//! An organisation's rules are a [`PasswordPolicy`] (`policy`); `check` finds all that is wrong with a password, by a
//! list of everybody's first ideas (`blocklist`) among the rest; `generate` draws one from chance; [`imported`] reads
//! the hashes that other systems made. What needs the passwords of before is asked in `flows::new_password`.

mod blocklist;
mod check;
mod generate;
pub mod imported;
mod policy;

use std::fmt;

use unicode_normalization::UnicodeNormalization;

pub use self::check::check;
pub use self::generate::{GENERATED_LENGTH, generate};
pub use self::policy::{PasswordPolicy, Preset};
use crate::kernel::time::{DAY, MINUTE};

/// The longest password that anything is done with, in bytes: more is refused before any work.
pub const MOST_BYTES: usize = 512;

/// A set of rules. Those about the user name, the contacts, the organisation's words and the blocklist always hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The fewest characters.
    pub least: usize,
    /// The fewest characters where a second factor is always asked for besides.
    pub least_with_second_factor: usize,
    /// The most characters.
    pub most: usize,
    /// Of capital letters, small letters, digits and the rest, at least so many kinds.
    pub kinds: usize,
    /// So many passwords of before, today's included, can't be used again.
    pub history: usize,
    /// How long a password is good, in milliseconds; `None` is for ever.
    pub expiry: Option<i64>,
    /// How long a password is kept before its holder may change it again, in milliseconds.
    pub least_age: i64,
    /// The same character stands at most so often in a row; 0 is any number.
    pub identical_run: usize,
    /// Whether three keys that lie side by side on the keyboard are refused.
    pub no_sequences: bool,
}

impl Rules {
    /// The preset `cloud-iam`: H19 and H20 of the requirements.
    pub const CLOUD_IAM: Self = Self {
        least: 6,
        least_with_second_factor: 6,
        most: 32,
        kinds: 2,
        history: 0,
        expiry: None,
        least_age: 0,
        identical_run: 0,
        no_sequences: false,
    };
    /// What the instance's operators need: no kinds, but 15 characters, for theirs is the only factor.
    pub const OPERATOR: Self = Self { least: 15, least_with_second_factor: 15, most: 128, kinds: 1, ..Self::CLOUD_IAM };

    /// The same rules for an account that is always asked for a second factor besides.
    #[must_use]
    pub fn with_second_factor(self) -> Self {
        Self { least: self.least_with_second_factor.min(self.least), ..self }
    }

    /// The rules that can be told before anything is typed, a sentence each, as the page with the form shows them.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let mut told = vec![Shortfall::Length(self.least, self.most)];
        if self.kinds > 1 {
            told.push(Shortfall::Kinds(self.kinds));
        }
        if self.identical_run > 0 {
            told.push(Shortfall::IdenticalRun(self.identical_run));
        }
        if self.no_sequences {
            told.push(Shortfall::Sequence);
        }
        told.extend([Shortfall::UserName, Shortfall::Contact]);
        let mut sentences: Vec<String> = told.iter().map(ToString::to_string).collect();
        if self.history > 0 {
            sentences.push(match self.history {
                1 => "Don't use your last password again.".to_owned(),
                many => format!("Don't use one of your last {many} passwords again."),
            });
        }
        sentences
    }
}

/// Whose password it is: what others know, or guess first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The user name.
    pub user_name: String,
    /// The e-mail address.
    pub email: Option<String>,
    /// The phone number.
    pub phone: Option<String>,
    /// The organisation's name and slug. Our own product's name is always one of the words.
    pub words: Vec<String>,
}

/// In what a password falls short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortfall {
    /// Too short or too long: the fewest and the most characters.
    Length(usize, usize),
    /// Too few kinds of characters.
    Kinds(usize),
    /// The same character too often in a row: how often it may stand.
    IdenticalRun(usize),
    /// Three keys side by side.
    Sequence,
    /// The user name, forwards or backwards.
    UserName,
    /// It contains the phone number or the e-mail address.
    Contact,
    /// The organisation's name with nothing but digits and signs around it.
    Words,
    /// One of the passwords that everybody tries first.
    Common,
    /// One of the passwords that the account had before.
    Reused,
    /// The one of today is too young to be changed: how long it is kept, in milliseconds.
    TooSoon(i64),
}

impl Shortfall {
    /// The rule's word for programs; it never changes.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Length(..) => "length",
            Self::Kinds(_) => "kinds",
            Self::IdenticalRun(_) => "identical_run",
            Self::Sequence => "sequence",
            Self::UserName => "user_name",
            Self::Contact => "contact",
            Self::Words => "words",
            Self::Common => "common",
            Self::Reused => "history",
            Self::TooSoon(_) => "least_age",
        }
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(least, most) => write!(f, "Use {least} to {most} characters."),
            Self::Kinds(4) => f.write_str("Use capital letters, small letters, digits, and symbols or spaces."),
            Self::Kinds(kinds) => {
                let kinds = match kinds {
                    1 => "one",
                    2 => "two",
                    _ => "three",
                };
                write!(f, "Use at least {kinds} of: capital letters, small letters, digits, symbols or spaces.")
            }
            Self::IdenticalRun(1) => f.write_str("Don't use the same character twice in a row."),
            Self::IdenticalRun(most) => write!(f, "Don't use the same character more than {most} times in a row."),
            Self::Sequence => {
                f.write_str("Don't use three keys that lie side by side on the keyboard, such as qwe or 321.")
            }
            Self::UserName => f.write_str("Don't use your username, forwards or backwards."),
            Self::Contact => f.write_str("Don't include your phone number or e-mail address."),
            Self::Words => f.write_str("Don't make it of your organisation's name, or ours, alone."),
            Self::Common => f.write_str("This password is too common; choose another."),
            Self::Reused => f.write_str("You used this one recently."),
            Self::TooSoon(age) if *age >= DAY => f.write_str("A new password is kept for a day before it is changed."),
            Self::TooSoon(age) => {
                write!(f, "A new password is kept for {} minutes before it is changed.", age / MINUTE)
            }
        }
    }
}

/// The one spelling of a password that is checked and hashed (NFC): the same keys make it on every machine.
#[must_use]
pub fn normalise(password: &str) -> String {
    password.nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_sentence_and_a_word_of_its_own() {
        let all = [
            Shortfall::Length(6, 32),
            Shortfall::Kinds(2),
            Shortfall::IdenticalRun(2),
            Shortfall::Sequence,
            Shortfall::UserName,
            Shortfall::Contact,
            Shortfall::Words,
            Shortfall::Common,
            Shortfall::Reused,
            Shortfall::TooSoon(5 * MINUTE),
        ];
        let words: std::collections::BTreeSet<&str> = all.iter().map(Shortfall::rule).collect();
        let sentences: std::collections::BTreeSet<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!((words.len(), sentences.len()), (all.len(), all.len()));
        assert!(sentences.contains("Use 6 to 32 characters."));
        let kinds = "Use at least two of: capital letters, small letters, digits, symbols or spaces.";
        assert!(sentences.contains(kinds));
        assert_eq!(Shortfall::TooSoon(DAY).to_string(), "A new password is kept for a day before it is changed.");
        assert!(sentences.contains("A new password is kept for 5 minutes before it is changed."));
    }

    #[test]
    fn the_rules_are_told_before_anything_is_typed() {
        let told = Preset::Konnect.rules().sentences();
        assert_eq!(told[0], "Use 12 to 128 characters.");
        assert!(told.contains(&"Use capital letters, small letters, digits, and symbols or spaces.".to_owned()));
        assert!(told.contains(&"Don't use one of your last 13 passwords again.".to_owned()));
        assert_eq!(Rules::OPERATOR.sentences().len(), 3, "the length, the user name, the contacts");
    }

    #[test]
    fn the_same_keys_make_the_same_password_on_every_machine() {
        assert_eq!(normalise("e\u{301}"), "é");
        assert_eq!(normalise("\u{1100}\u{1161}"), "가");
        assert_eq!(normalise("ﬁ ½"), "ﬁ ½", "what only looks alike stays apart");
    }
}
