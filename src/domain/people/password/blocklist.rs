//! Passwords that everybody tries first: an exact list from published leaks, and what people make of its words.
//!
//! The list is text in the program, a line for each password, sorted by its bytes, and is searched where it lies. Where
//! it comes from stands in `blocklist-licences.txt`.

use std::cmp::Ordering;

/// Lower-cased passwords of six characters and more.
const LIST: &str = include_str!("blocklist.txt");
/// Words below the list's six characters that are as common; with digits and signs around they grow longer.
const SHORT: [&str; 24] = [
    "abc", "admin", "alex", "angel", "asd", "asdf", "guest", "hallo", "hello", "hi", "login", "love", "lucky", "money",
    "pass", "pw", "pwd", "qwe", "qwer", "qwert", "root", "test", "user", "zxcv",
];
/// The digits as they stand on the keyboard, a few times over.
const DIGITS: &str = "01234567890123456789012345678901";
/// A unit of so many characters, repeated, is no more than the unit.
const SHORT_UNIT: usize = 3;

/// Whether a lower-cased password is one that everybody tries: a listed one, alone, repeated, or with digits and signs
/// around it; one short piece over and over; the digits in their order.
pub(super) fn has(folded: &str) -> bool {
    if folded.is_empty() {
        return true;
    }
    let core = folded.trim_matches(|c: char| !c.is_alphabetic());
    let word = folded.trim_matches(|c: char| !c.is_alphanumeric());
    is_known(folded) || is_known(core) || is_known(word) || DIGITS.contains(folded) || is_repeated(folded)
}

fn is_known(word: &str) -> bool {
    SHORT.contains(&word) || is_listed(word)
}

/// Whether a line of the list is this word, by halves.
fn is_listed(word: &str) -> bool {
    let (list, word) = (LIST.as_bytes(), word.as_bytes());
    // Both always stand at the beginning of a line.
    let (mut low, mut high) = (0, list.len());
    while low < high {
        let middle = low.midpoint(high);
        let start = list[low..middle].iter().rposition(|byte| *byte == b'\n').map_or(low, |at| low + at + 1);
        let end = list[middle..].iter().position(|byte| *byte == b'\n').map_or(list.len(), |at| middle + at);
        match list[start..end].cmp(word) {
            Ordering::Equal => return true,
            Ordering::Less => low = end + 1,
            Ordering::Greater => high = start,
        }
    }
    false
}

/// A listed word, or a few characters, over and over.
fn is_repeated(folded: &str) -> bool {
    let characters: Vec<char> = folded.chars().collect();
    let repeats = |unit: usize| {
        characters.len().is_multiple_of(unit) && characters.chunks(unit).all(|piece| *piece == characters[..unit])
    };
    // With something between the pieces, too: "password password".
    let mut pieces = folded.split(|c: char| !c.is_alphanumeric()).filter(|piece| !piece.is_empty());
    let first = pieces.next();
    first.is_some_and(|first| is_known(first) && pieces.all(|piece| piece == first))
        || (1..=characters.len() / 2).any(|unit| {
            repeats(unit) && (unit <= SHORT_UNIT || is_known(&characters[..unit].iter().collect::<String>()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_by_bytes_and_every_line_is_fit_to_be_found() {
        let lines: Vec<&str> = LIST.lines().collect();
        assert!((20_000..50_000).contains(&lines.len()) && LIST.len() < 400 * 1024 && LIST.ends_with('\n'));
        assert!(lines.is_sorted_by(|left, right| left.as_bytes() < right.as_bytes()));
        for line in &lines {
            assert!(line.chars().count() >= 6 && line.to_lowercase() == **line, "{line:?}");
            assert_eq!(super::super::normalise(line), **line);
        }
    }

    #[test]
    fn every_line_is_found_and_what_is_none_is_not() {
        for line in LIST.lines() {
            assert!(is_listed(line), "{line}");
        }
        let lines: std::collections::BTreeSet<&str> = LIST.lines().collect();
        for line in LIST.lines().filter(|line| line.is_ascii()).step_by(7) {
            let (first, last) = (line[1..].to_owned(), line[..line.len() - 1].to_owned());
            for other in [first, last, format!("{line}\n"), format!("{line}~")] {
                assert_eq!(is_listed(&other), lines.contains(other.as_str()), "{other:?}");
            }
        }
        for other in ["", "\n", "a", "\u{10ffff}", "tide7-kq2mvx9dt", "abcde ", "correct horse"] {
            assert!(!is_listed(other), "{other:?}");
        }
    }

    #[test]
    fn the_passwords_that_everybody_tries_first_are_refused() {
        for bad in [
            "password1!",
            "p@ssw0rd",
            "qwerty123",
            "123456",
            "90123456",
            "letmein!",
            "2024summer!",
            "admin2024",
            "passwordpassword",
            "password password",
            "aaaaaaaaaaaaaaa",
            "abababab",
            "abcabcabc",
            "!!!!!!!!",
            "пароль",
        ] {
            assert!(has(bad), "{bad}");
        }
        for good in
            ["tide7-kq2mvx9dt", "muster demo ana", "correct horse battery", "password of the sea", "summer-tide"]
        {
            assert!(!has(good), "{good}");
        }
    }
}
