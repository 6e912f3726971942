//! Keys that compare without regard to case: what unique columns hold beside the text people typed.

/// The key of a name: trimmed, lower-cased by Unicode's rules.
///
/// Two names that a person would call the same have one key; the column with the name keeps what was typed.
#[must_use]
pub fn key(text: &str) -> String {
    text.trim().to_lowercase()
}

/// The key of a phone number: `+` and its digits, nothing else. Empty when there is no digit.
#[must_use]
pub fn phone_key(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() { digits } else { format!("+{digits}") }
}

/// Whether a text typed as an identifier can only be a phone number.
#[must_use]
pub fn looks_like_phone(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('+')
        && text.chars().all(|c| c.is_ascii_digit() || "+ -().".contains(c))
        && text.chars().any(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_margins_do_not_matter() {
        assert_eq!(key("  Ana@Acme.COM "), key("ana@acme.com"));
        assert_eq!(phone_key("+82 (10) 1234-5678"), "+821012345678");
        assert!(looks_like_phone("+82 10 1234 5678") && !looks_like_phone("0101") && !looks_like_phone("+a"));
    }
}
