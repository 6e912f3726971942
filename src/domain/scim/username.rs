//! User names, prepared for comparing: RFC 8265's `UsernameCaseMapped`.
//!
//! # Why
//! RFC 7643 §4.1.1 compares user names without regard to case; RFC 8265 says what that means outside ASCII: width,
//! case, composition, direction, and which code points have no place in a name. Directories do hold names with a space
//! between words, which that profile refuses: where the connection isn't strict, each word is prepared on its own.

use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::PrecisFastInvocation as _;

use super::error::ScimError;
use crate::kernel::fold;

/// As long as a user name may be, in characters.
const LONGEST: usize = 256;

/// The key of a user name: two names with one key are one name.
///
/// # Errors
/// `invalidValue` for an empty or overlong name, and for one with code points that user names can't have.
pub fn prepare(name: &str, strict: bool) -> Result<String, ScimError> {
    if name.chars().count() > LONGEST {
        return Err(ScimError::value(format!("userName has at most {LONGEST} characters.")));
    }
    let prepared = if strict { enforce(name) } else { words(name) };
    prepared
        .ok_or_else(|| ScimError::value("userName is empty, or has characters that user names can't have (RFC 8265)."))
}

/// The key that a filter's literal is compared by; of a text that can't be a user name, a key that no user name has.
#[must_use]
pub fn key(name: &str) -> String {
    words(name).unwrap_or_else(|| fold::key(name))
}

fn enforce(name: &str) -> Option<String> {
    UsernameCaseMapped::enforce(name).ok().map(std::borrow::Cow::into_owned)
}

fn words(name: &str) -> Option<String> {
    let words: Option<Vec<String>> = name.split(' ').filter(|word| !word.is_empty()).map(enforce).collect();
    words.map(|words| words.join(" ")).filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::scim::filter::tests::config;

    #[test]
    fn case_width_and_composition_do_not_matter() {
        let same =
            [("Ana@Acme.COM", "ana@acme.com"), ("ＡＮＡ", "ana"), ("e\u{301}va", "\u{e9}VA"), ("박지민", "박지민")];
        for (one, other) in same {
            assert_eq!(prepare(one, true).unwrap(), prepare(other, true).unwrap(), "{one} {other}");
            assert_eq!(key(one), prepare(other, false).unwrap());
        }
        assert_eq!(prepare(" Test_User_00aa ", false).unwrap(), "test_user_00aa");
        assert!(prepare("ACME\\ana", true).is_ok());
    }

    #[test]
    fn a_space_between_words_is_refused_in_the_strict_profile_alone() {
        assert_eq!(prepare("Ana  Kim", false).unwrap(), "ana kim");
        assert!(prepare("Ana Kim", true).is_err());
    }

    #[test]
    fn what_has_no_place_in_a_name_is_refused_everywhere() {
        for bad in ["", " ", "a\u{0}b", "a\nb", "a\u{200b}b", "a\u{202e}b", "\u{fb01}n", &"x".repeat(257)] {
            assert!(prepare(bad, false).is_err(), "{bad:?}");
            assert!(prepare(bad, true).is_err(), "{bad:?}");
            let _ = key(bad);
        }
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn a_key_is_its_own_key(name in "[a-zA-Z0-9@._ äÖßñé박지-]{1,40}") {
            if let Ok(once) = prepare(&name, false) {
                prop_assert_eq!(prepare(&once, false).unwrap(), once.clone());
                prop_assert_eq!(key(&name), once);
            }
        }

        #[test]
        fn a_name_that_the_strict_profile_takes_has_the_same_key_in_all(name in "\\PC{1,20}") {
            if let Ok(strict) = prepare(&name, true) {
                prop_assert_eq!(prepare(&name, false), Ok(strict));
            }
        }
    }
}
