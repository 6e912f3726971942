//! Scopes: a set of words, separated by spaces on the wire (RFC 6749 §3.3).
//!
//! Which of them an application gets is decided by [`crate::domain::oauth::application::Application::permitted_scopes`].

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Asks for an ID token.
pub const OPENID: &str = "openid";
/// Asks for the fourteen profile claims.
pub const PROFILE: &str = "profile";
/// Asks for `email` and `email_verified`.
pub const EMAIL: &str = "email";
/// Asks for `phone_number` and `phone_number_verified`.
pub const PHONE: &str = "phone";
/// Asks for `address`.
pub const ADDRESS: &str = "address";
/// Asks for a refresh token that outlives the session.
pub const OFFLINE_ACCESS: &str = "offline_access";
/// Asks for the role claims.
pub const ROLES: &str = "roles";
/// Asks for the groups of the member.
pub const GROUPS: &str = "groups";
/// Lets the application use Muster's own API in the person's name.
pub const ADMIN: &str = "muster.admin";
/// Lets the application read its streams of security events, and take what waits in them.
pub const SSF_READ: &str = "ssf.read";
/// Lets the application make and change its streams of security events.
pub const SSF_MANAGE: &str = "ssf.manage";
/// Lets the application follow what is revoked.
pub const REVOCATIONS_READ: &str = "revocations.read";
/// What `project:<key>` begins with.
pub const PROJECT_PREFIX: &str = "project:";

/// The scopes that have a meaning here, `project:<key>` besides.
pub const KNOWN: [&str; 12] = [
    OPENID,
    PROFILE,
    EMAIL,
    PHONE,
    ADDRESS,
    OFFLINE_ACCESS,
    ROLES,
    GROUPS,
    ADMIN,
    SSF_READ,
    SSF_MANAGE,
    REVOCATIONS_READ,
];
/// Those that an application has for itself (`client_credentials`), and no person's sign-in brings.
pub const OF_APPLICATIONS: [&str; 3] = [SSF_READ, SSF_MANAGE, REVOCATIONS_READ];
/// The scopes of an application whose registration names none: [`ADMIN`] and [`OF_APPLICATIONS`] have to be named.
pub const ORDINARY: [&str; 8] = [OPENID, PROFILE, EMAIL, PHONE, ADDRESS, OFFLINE_ACCESS, ROLES, GROUPS];

const MAX_WORDS: usize = 64;
const MAX_WORD: usize = 128;

/// That a text is no list of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the scope is malformed")]
pub struct MalformedScope;

/// A set of scopes, kept in one order so that two equal sets are one text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Scopes(BTreeSet<String>);

impl Scopes {
    /// Reads a list of scopes; an empty text is the empty set.
    ///
    /// # Errors
    /// [`MalformedScope`] for characters outside RFC 6749 §3.3 and for lists beyond our bounds.
    pub fn parse(text: &str) -> Result<Self, MalformedScope> {
        let words: BTreeSet<String> = text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        if words.len() > MAX_WORDS || !words.iter().all(|word| is_scope_token(word)) {
            return Err(MalformedScope);
        }
        Ok(Self(words))
    }

    /// Whether a scope is in the set.
    #[must_use]
    pub fn contains(&self, word: &str) -> bool {
        self.0.contains(word)
    }

    /// What is in both sets.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// What is in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// What a person's sign-in may bring of it: nothing that is the application's alone.
    #[must_use]
    pub fn of_people(&self) -> Self {
        Self(self.0.iter().filter(|word| !OF_APPLICATIONS.contains(&word.as_str())).cloned().collect())
    }

    /// Whether everything in this set is in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The keys of the `project:<key>` scopes in the set.
    pub fn projects(&self) -> impl Iterator<Item = &str> {
        self.iter().filter_map(project_key)
    }
}

/// Whether only a person's sign-in can bring a scope.
#[must_use]
pub fn is_personal(word: &str) -> bool {
    project_key(word).is_some() || (KNOWN.contains(&word) && !OF_APPLICATIONS.contains(&word))
}

/// The project's key in a `project:<key>` scope.
#[must_use]
pub fn project_key(word: &str) -> Option<&str> {
    word.strip_prefix(PROJECT_PREFIX).filter(|key| !key.is_empty())
}

/// Whether a text is one scope: `1*( %x21 / %x23-5B / %x5D-7E )`.
#[must_use]
pub fn is_scope_token(word: &str) -> bool {
    (1..=MAX_WORD).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

impl FromStr for Scopes {
    type Err = MalformedScope;

    fn from_str(text: &str) -> Result<Self, MalformedScope> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Scopes {
    type Error = MalformedScope;

    fn try_from(text: String) -> Result<Self, MalformedScope> {
        Self::parse(&text)
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> Self {
        scopes.to_string()
    }
}

impl FromIterator<String> for Scopes {
    fn from_iter<I: IntoIterator<Item = String>>(words: I) -> Self {
        Self(words.into_iter().filter(|word| is_scope_token(word)).collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, word) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            f.write_str(word)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> Scopes {
        Scopes::parse(text).expect("well formed")
    }

    #[test]
    fn the_order_and_repetition_of_scopes_do_not_matter() {
        assert_eq!(scopes("openid email"), scopes("email  openid email"));
        assert_eq!(scopes("openid email").to_string(), "email openid");
        assert!(scopes("").is_empty());
    }

    #[test]
    fn characters_outside_the_grammar_are_refused() {
        for bad in ["a\"b", "a\\b", "a\tb", "a\nb", "é", "a\u{7f}"] {
            assert_eq!(Scopes::parse(bad), Err(MalformedScope), "{bad:?}");
        }
        let many: Vec<String> = (0..=MAX_WORDS).map(|n| format!("s{n}")).collect();
        assert!(Scopes::parse(&many.join(" ")).is_err());
        assert!(Scopes::parse(&"x".repeat(MAX_WORD + 1)).is_err());
    }

    #[test]
    fn sets_compare_as_sets() {
        let (wide, narrow) = (scopes("openid email roles"), scopes("roles openid"));
        assert!(narrow.is_subset(&wide) && !wide.is_subset(&narrow));
        assert_eq!(wide.intersect(&scopes("roles phone")), scopes("roles"));
        assert_eq!(narrow.union(&scopes("email")), wide);
        assert!(wide.contains("email") && !wide.contains("mail"));
    }

    #[test]
    fn project_scopes_name_their_key() {
        assert_eq!(scopes("project:web openid project:").projects().collect::<Vec<_>>(), ["web"]);
    }

    #[test]
    fn nobody_gets_the_scopes_of_our_own_api_by_default() {
        let besides: Vec<&str> = KNOWN.into_iter().filter(|word| !ORDINARY.contains(word)).collect();
        assert_eq!(besides, [ADMIN, SSF_READ, SSF_MANAGE, REVOCATIONS_READ]);
        assert!(ORDINARY.iter().all(|word| KNOWN.contains(word)));
    }

    #[test]
    fn what_is_the_applications_alone_no_person_brings_and_the_other_way_round() {
        let all = scopes("openid ssf.read ssf.manage revocations.read orders.write project:web");
        assert_eq!(all.of_people(), scopes("openid orders.write project:web"));
        let own: Vec<&str> = all.iter().filter(|word| !is_personal(word)).collect();
        assert_eq!(own, ["orders.write", "revocations.read", "ssf.manage", "ssf.read"]);
    }

    #[test]
    fn a_set_travels_as_one_text() {
        let text = serde_json::to_string(&scopes("openid email")).expect("a text");
        assert_eq!(text, r#""email openid""#);
        assert_eq!(serde_json::from_str::<Scopes>(&text).expect("what we wrote"), scopes("openid email"));
        assert!(serde_json::from_str::<Scopes>(r#""a\"b""#).is_err());
    }
}
