//! What identifies a person at sign-in: user name, e-mail address, phone number. They share one name space.

use crate::kernel::fold;

/// The key of something typed into the sign-in form.
#[must_use]
pub fn key(typed: &str) -> String {
    if fold::looks_like_phone(typed) { fold::phone_key(typed) } else { fold::key(typed) }
}

/// What is wrong with a user name, if anything.
///
/// 1 to 64 letters, digits, spaces and `-_.,`, not beginning with a digit or a space (H03); an e-mail address is a
/// user name too, for that is what customers' providers send.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn check_user_name(name: &str) -> Result<(), &'static str> {
    if name.contains('@') {
        return check_email(name);
    }
    if name.is_empty() || name.chars().count() > 64 {
        return Err("A user name has 1 to 64 characters.");
    }
    if name.starts_with(|c: char| c.is_ascii_digit() || c == ' ') || name.ends_with(' ') {
        return Err("A user name begins with a letter or one of - _ . , and doesn't end with a space.");
    }
    if !name.chars().all(|c| c.is_alphanumeric() || " -_.,".contains(c)) {
        return Err("A user name has letters, digits, spaces and - _ . , only.");
    }
    Ok(())
}

/// What is wrong with an e-mail address, if anything: one `@`, no spaces, quotes or control characters, a domain with
/// labels, at most 254 bytes.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn check_email(email: &str) -> Result<(), &'static str> {
    const INCOMPLETE: &str = "This is not a complete e-mail address.";
    let Some((local, domain)) = email.split_once('@') else {
        return Err(INCOMPLETE);
    };
    let bad = |c: char| c.is_control() || c.is_whitespace() || "\"<>()[]\\,;:@".contains(c);
    if local.is_empty() || email.len() > 254 || local.contains(bad) || domain.contains(bad) {
        return Err(INCOMPLETE);
    }
    let labels = domain.split('.');
    let label_ok = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && !label.contains('_')
    };
    if !labels.clone().all(label_ok) || labels.count() < 2 {
        return Err(INCOMPLETE);
    }
    Ok(())
}

/// What is wrong with a phone number, if anything: `+`, a country code and 6 to 14 more digits (E.164).
///
/// # Errors
/// A sentence for the person who typed it.
pub fn check_phone(phone: &str) -> Result<(), &'static str> {
    let digits = fold::phone_key(phone).len().saturating_sub(1);
    if !fold::looks_like_phone(phone) || !(7..=15).contains(&digits) {
        return Err("A phone number begins with + and its country code, and has 7 to 15 digits.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // H03 H24
    #[test]
    fn user_names_follow_the_rule_and_every_spelling_has_one_key() {
        for good in ["ana", "A.B-c_d,e f", "ana@acme.test", "박지민"] {
            assert_eq!(check_user_name(good), Ok(()), "{good}");
        }
        for bad in ["", "1ana", " ana", "ana ", "a/b", "a\n", "a@b", "a@@b.c", &"x".repeat(65)] {
            assert!(check_user_name(bad).is_err(), "{bad:?}");
        }
        assert_eq!(key(" +82 10-1234-5678 "), key("+821012345678"));
        assert_eq!(key("ANA@Acme.test"), key("ana@acme.test"));
    }

    #[test]
    fn addresses_that_mail_servers_read_in_two_ways_are_refused() {
        for bad in [
            "a@evil@corp.com",
            "\"a b\"@c.d",
            "a@b",
            "a@.b",
            "a@b.",
            "a@-b.c",
            "a\0@b.c",
            "a,b@c.d",
            "a@b.c\r\nBcc: x@y.z",
        ] {
            assert!(check_email(bad).is_err(), "{bad:?}");
        }
    }

    // H30
    #[test]
    fn a_phone_number_has_its_country_code() {
        assert!(check_phone("+82 10 1234 5678").is_ok());
        assert!(check_phone("010 1234 5678").is_err() && check_phone("+1").is_err());
    }
}
