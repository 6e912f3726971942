//! What is wrong with a password: all of it, one rule after the other.

use super::{About, MOST_BYTES, Rules, Shortfall, blocklist, normalise};

/// Our own name: a word of every organisation.
const PRODUCT: &str = "muster";
/// A word of fewer letters is in too many good passwords.
const LEAST_WORD: usize = 3;
/// A number of fewer digits is nobody's phone number.
const LEAST_PHONE: usize = 7;
/// A country code has at most so many digits (ITU-T E.164).
const COUNTRY_CODE: usize = 3;
/// What lies side by side on a keyboard.
const KEYS: [&str; 4] = ["1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"];
/// So many keys in a row are a sequence.
const SEQUENCE: usize = 3;

/// Everything in which a password falls short.
#[must_use]
pub fn check(rules: &Rules, password: &str, about: &About) -> Vec<Shortfall> {
    let length = Shortfall::Length(rules.least, rules.most);
    if password.len() > MOST_BYTES {
        return vec![length];
    }
    let password = normalise(password);
    let folded = normalise(&password.to_lowercase());
    let characters = password.chars().count();
    let found = [
        (characters < rules.least || characters > rules.most).then_some(length),
        (kinds(&password) < rules.kinds).then_some(Shortfall::Kinds(rules.kinds)),
        (rules.identical_run > 0 && longest_run(&password) > rules.identical_run)
            .then_some(Shortfall::IdenticalRun(rules.identical_run)),
        (rules.no_sequences && has_sequence(&folded)).then_some(Shortfall::Sequence),
        is_user_name(&folded, &about.user_name).then_some(Shortfall::UserName),
        has_contact(&folded, about).then_some(Shortfall::Contact),
        is_made_of_words(&folded, &about.words).then_some(Shortfall::Words),
        blocklist::has(&folded).then_some(Shortfall::Common),
    ];
    found.into_iter().flatten().collect()
}

/// How many of the four kinds there are. A letter without capitals counts as a small one; what is neither letter nor
/// digit is a symbol or a space.
fn kinds(password: &str) -> usize {
    let kinds: [fn(char) -> bool; 4] = [
        char::is_uppercase,
        |c| c.is_alphabetic() && !c.is_uppercase(),
        |c| c.is_numeric() && !c.is_alphabetic(),
        |c| !c.is_alphanumeric(),
    ];
    kinds.iter().filter(|kind| password.chars().any(**kind)).count()
}

fn longest_run(password: &str) -> usize {
    let (mut before, mut run, mut longest) = (None, 0, 0);
    for c in password.chars() {
        run = if before == Some(c) { run + 1 } else { 1 };
        longest = longest.max(run);
        before = Some(c);
    }
    longest
}

/// Keys side by side, in either direction.
fn has_sequence(folded: &str) -> bool {
    let typed: Vec<char> = folded.chars().collect();
    let rows: Vec<Vec<char>> =
        KEYS.iter().flat_map(|row| [row.chars().collect::<Vec<char>>(), row.chars().rev().collect()]).collect();
    typed.windows(SEQUENCE).any(|keys| rows.iter().any(|row| row.windows(SEQUENCE).any(|side| side == keys)))
}

/// The user name forwards or backwards, in any case (H21).
fn is_user_name(folded: &str, user_name: &str) -> bool {
    let name = normalise(&user_name.trim().to_lowercase());
    !name.is_empty() && (folded == name || folded == normalise(&name.chars().rev().collect::<String>()))
}

/// The e-mail address or the phone number somewhere inside (H22). The number counts by its digits, with its country
/// code or without.
fn has_contact(folded: &str, about: &About) -> bool {
    let email = about.email.as_deref().map(|email| normalise(&email.trim().to_lowercase()));
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let phone = about.phone.as_deref().map(digits).filter(|phone| phone.len() >= LEAST_PHONE);
    let within = |phone: &String| {
        let national = phone.get(COUNTRY_CODE..).filter(|rest| rest.len() >= LEAST_PHONE);
        digits(folded).contains(national.unwrap_or(phone))
    };
    email.is_some_and(|email| !email.is_empty() && folded.contains(&email)) || phone.as_ref().is_some_and(within)
}

/// A word of the organisation or the product, once or repeated, with nothing but digits and signs around it.
fn is_made_of_words(folded: &str, words: &[String]) -> bool {
    let bare = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let typed = bare(folded);
    words.iter().map(String::as_str).chain([PRODUCT]).any(|word| {
        let word = bare(&normalise(&word.to_lowercase()));
        word.chars().count() >= LEAST_WORD
            && typed.contains(&word)
            && !typed.replace(&word, "").contains(char::is_alphabetic)
    })
}

#[cfg(test)]
mod tests {
    use super::super::Preset;
    use super::*;

    fn about() -> About {
        About {
            user_name: "A12345".to_owned(),
            email: Some("User@ex.com".to_owned()),
            phone: Some("+82 10-1234-5678".to_owned()),
            words: vec!["Acme Motors".to_owned(), "acme".to_owned(), "3M".to_owned()],
        }
    }

    fn found(rules: &Rules, password: &str) -> Vec<Shortfall> {
        check(rules, password, &about())
    }

    /// Whether one rule of a preset is kept, whatever the others say.
    fn keeps(preset: Preset, password: &str, rule: &str) -> bool {
        found(&preset.rules(), password).iter().all(|shortfall| shortfall.rule() != rule)
    }

    // H19
    #[test]
    fn six_to_thirty_two_characters() {
        let keeps = |password: &str| keeps(Preset::CloudIam, password, "length");
        assert!(!keeps("ab1cd") && keeps("ab1cde"));
        assert!(keeps(&"ab".repeat(16)) && !keeps(&format!("{}x", "ab".repeat(16))));
        assert!(keeps(&"가".repeat(32)) && !keeps(&"가".repeat(33)), "each character counts once, whatever its bytes");
        assert!(keeps(&"e\u{301}".repeat(32)), "an accent counts with its letter");
    }

    // H20
    #[test]
    fn two_of_four_kinds_of_characters() {
        let keeps = |password: &str| keeps(Preset::CloudIam, password, "kinds");
        assert!(!keeps("abcdef") && keeps("abcde1") && keeps("abcde "));
        for special in "!\"#$%&'()*+,-./:;<=>?@[]^`{_|}~ \\".chars() {
            assert!(keeps(&format!("abcde{special}")), "{special:?}");
            assert!(!keeps(&special.to_string().repeat(6)), "{special:?}");
        }
        assert!(!keeps("ABCDEF") && keeps("ABCDEf") && !keeps("123456"));
        assert!(!keeps("비밀번호입니다") && keeps("비밀번호입니다1"));
        let every = Preset::Konnect.rules();
        assert_eq!(found(&every, "Kq2mVx9dTide7"), [Shortfall::Kinds(4)]);
        assert!(found(&every, "Kq2mVx9d-Tide7").is_empty());
    }

    // H21
    #[test]
    fn not_the_user_name_forwards_or_backwards_in_any_case() {
        let keeps = |password: &str| keeps(Preset::CloudIam, password, "user_name");
        for bad in ["A12345", "a12345", "54321A", "54321a"] {
            assert!(!keeps(bad), "{bad}");
        }
        assert!(keeps("A123456") && keeps("12345A"));
        let nobody = About::default();
        assert!(check(&Rules::CLOUD_IAM, "Kq2mVx9d", &nobody).is_empty());
    }

    // H22
    #[test]
    fn no_phone_number_and_no_address_inside() {
        let keeps = |password: &str| keeps(Preset::CloudIam, password, "contact");
        for bad in ["x+user@ex.com1", "USER@EX.COM", "x821012345678", "82-10-1234-5678!", "010-1234-5678"] {
            assert!(!keeps(bad), "{bad}");
        }
        assert!(keeps("user@ex.co") && keeps("user-4821") && keeps("x12345678"));
        let short = About { phone: Some("+1 234".to_owned()), ..About::default() };
        assert!(check(&Rules::CLOUD_IAM, "Kq2mVx1234", &short).is_empty(), "four digits are nobody's number");
    }

    #[test]
    fn the_organisations_words_and_ours_are_no_password_by_themselves() {
        let keeps = |password: &str| keeps(Preset::CloudIam, password, "words");
        for bad in ["Acme2024!", "acme-motors", "!!ACME MOTORS!!", "acmeacme1", "muster2025", "Muster!"] {
            assert!(!keeps(bad), "{bad}");
        }
        assert!(keeps("acme-tide-7") && keeps("mustering-7") && keeps("3m-4711"), "a part of it may be such a word");
    }

    #[test]
    fn kakaoclouds_runs_and_sequences_are_refused() {
        let rules = Preset::KakaoCloud.rules();
        assert!(found(&rules, "Tide7-Kq2mVx").is_empty());
        for bad in ["Tide7-QWEmx", "Tide7-lkjmx", "Tide321-Kqmx", "Tide890-Kqmx"] {
            assert_eq!(found(&rules, bad), [Shortfall::Sequence], "{bad}");
        }
        assert!(found(&rules, "Tide7--Kq2mVx").is_empty());
        assert_eq!(found(&rules, "Tide7---Kq2mVx"), [Shortfall::IdenticalRun(2)]);
        assert_eq!(found(&Preset::Konnect.rules(), "Tide777-Kq2mVx"), [Shortfall::IdenticalRun(2)]);
    }

    #[test]
    fn every_broken_rule_is_told_and_the_blocklist_is_one_of_them() {
        let rules: Vec<&str> = found(&Preset::KakaoCloud.rules(), "12345").iter().map(Shortfall::rule).collect();
        assert_eq!(rules, ["length", "kinds", "sequence", "common"]);
        assert_eq!(found(&Rules::CLOUD_IAM, "abcde1"), [Shortfall::Common]);
        assert_eq!(found(&Preset::Nist.rules(), "password password"), [Shortfall::Common]);
    }

    #[test]
    fn what_is_longer_than_any_password_is_refused_without_a_look() {
        let long = "é".repeat(300);
        assert_eq!(found(&Rules::OPERATOR, &long), [Shortfall::Length(15, 128)]);
        assert_eq!("😀".repeat(128).len(), MOST_BYTES, "the longest that a policy can allow is read");
        assert!(keeps(Preset::Nist, &"😀✓".repeat(64), "length"));
    }
}
