//! Rules for passwords: length, kinds of characters, nothing that others know.

use std::fmt;

/// A set of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The fewest characters.
    pub least: usize,
    /// The most characters.
    pub most: usize,
    /// Of capital letters, small letters, digits and the rest, at least so many kinds.
    pub kinds: usize,
}

impl Rules {
    /// The preset `cloud-iam`: H19 and H20 of the requirements.
    pub const CLOUD_IAM: Self = Self { least: 6, most: 32, kinds: 2 };
    /// What the instance's operators need: no kinds, but 15 characters, for theirs is the only factor.
    pub const OPERATOR: Self = Self { least: 15, most: 128, kinds: 1 };
}

/// In what a password falls short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortfall {
    /// Too short or too long: the fewest and the most characters.
    Length(usize, usize),
    /// Too few kinds of characters.
    Kinds(usize),
    /// The user name, forwards or backwards.
    UserName,
    /// It contains the phone number or the e-mail address.
    Contact,
    /// One of the passwords that everybody tries first.
    Common,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(least, most) => write!(f, "Use {least} to {most} characters."),
            Self::Kinds(kinds) => {
                write!(f, "Use at least {kinds} of: capital letters, small letters, digits, symbols or spaces.")
            }
            Self::UserName => f.write_str("Don't use your username, forwards or backwards."),
            Self::Contact => f.write_str("Don't include your phone number or e-mail address."),
            Self::Common => f.write_str("This password is too common; choose another."),
        }
    }
}

/// Everything in which a password falls short; `about` is the user name and then the contacts.
#[must_use]
pub fn check(rules: &Rules, password: &str, about: &[&str]) -> Vec<Shortfall> {
    let mut found = Vec::new();
    let length = password.chars().count();
    if length < rules.least || length > rules.most {
        found.push(Shortfall::Length(rules.least, rules.most));
    }
    let kinds: [fn(char) -> bool; 4] =
        [|c| c.is_uppercase(), |c| c.is_lowercase(), |c| c.is_numeric(), |c| !c.is_alphanumeric()];
    if kinds.iter().filter(|kind| password.chars().any(**kind)).count() < rules.kinds {
        found.push(Shortfall::Kinds(rules.kinds));
    }
    let folded = password.to_lowercase();
    let (name, contacts) = about.split_first().map_or(("", about), |(name, rest)| (*name, rest));
    let name = name.trim().to_lowercase();
    if !name.is_empty() && (folded == name || folded == name.chars().rev().collect::<String>()) {
        found.push(Shortfall::UserName);
    }
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let contains = |contact: &&str| {
        let contact = contact.trim().to_lowercase();
        let phone = contact.starts_with('+').then(|| digits(&contact)).filter(|d| d.len() >= 7);
        (!contact.is_empty() && folded.contains(&contact)) || phone.is_some_and(|d| digits(&folded).contains(&d))
    };
    if contacts.iter().any(contains) {
        found.push(Shortfall::Contact);
    }
    if is_common(&folded) {
        found.push(Shortfall::Common);
    }
    found
}

/// A word from the top of every leaked list, alone, repeated, or with digits and signs around it; or one character.
fn is_common(folded: &str) -> bool {
    const WORDS: [&str; 24] = [
        "password",
        "passw0rd",
        "p@ssw0rd",
        "qwerty",
        "qwertyuiop",
        "letmein",
        "welcome",
        "admin",
        "administrator",
        "iloveyou",
        "monkey",
        "dragon",
        "football",
        "baseball",
        "master",
        "sunshine",
        "princess",
        "changeme",
        "secret",
        "trustno1",
        "abc",
        "asdfgh",
        "zxcvbn",
        "login",
    ];
    let first = folded.chars().next();
    if folded.chars().all(|c| Some(c) == first) || "01234567890123456789012345678901".contains(folded) {
        return true;
    }
    let core = folded.trim_matches(|c: char| !c.is_alphabetic());
    WORDS.iter().any(|word| {
        let bare = core == *word || folded.trim_end_matches(|c: char| !c.is_alphanumeric()) == *word;
        let times = folded.len() / word.len();
        bare || (times > 0 && word.repeat(times) == folded)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(password: &str) -> bool {
        check(&Rules::CLOUD_IAM, password, &["A12345", "+82 10 1234 5678", "user@ex.com"]).is_empty()
    }

    // H19 H20
    #[test]
    fn six_to_thirty_two_characters_of_two_kinds() {
        assert!(!ok("abcd1") && ok("abcde1") && ok("abcde ") && !ok("abcdef"));
        assert!(ok(&format!("{}1", "ab".repeat(15))) && !ok(&format!("{}1x", "ab".repeat(16))));
    }

    // H21 H22
    #[test]
    fn not_the_user_name_either_way_round_nor_a_contact_within() {
        for bad in ["A12345", "a12345", "54321A", "54321a", "x+user@ex.com1", "x821012345678"] {
            assert!(!ok(bad), "{bad}");
        }
        assert!(ok("A123456"));
    }

    #[test]
    fn the_passwords_that_everybody_tries_first_are_refused() {
        for bad in ["Password1!", "qwerty123", "123456", "letmein!", "abcabcabc1", "passwordpassword"] {
            let found = check(&Rules { least: 1, most: 64, kinds: 1 }, bad, &[]);
            assert_eq!(found.contains(&Shortfall::Common), bad != "abcabcabc1", "{bad}");
        }
    }
}
