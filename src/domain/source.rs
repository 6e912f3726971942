//! Where an object or an edge comes from: only its source may change what the source owns.

use std::fmt;
use std::str::FromStr;

/// A source of truth.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Made here, by an administrator or the person.
    Local,
    /// Predefined.
    System,
    /// Pushed by a connection's SCIM client.
    Scim(String),
    /// Made at a sign-in through a connection.
    Oidc(String),
    /// Came with an invitation.
    Invitation(String),
}

/// That a text names no source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownSource;

impl FromStr for Source {
    type Err = UnknownSource;
    fn from_str(text: &str) -> Result<Self, UnknownSource> {
        match text.split_once(':') {
            None if text == "local" => Ok(Self::Local),
            None if text == "system" => Ok(Self::System),
            Some(("scim", id)) if !id.is_empty() => Ok(Self::Scim(id.to_owned())),
            Some(("oidc", id)) if !id.is_empty() => Ok(Self::Oidc(id.to_owned())),
            Some(("invitation", id)) if !id.is_empty() => Ok(Self::Invitation(id.to_owned())),
            _ => Err(UnknownSource),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::System => f.write_str("system"),
            Self::Scim(id) => write!(f, "scim:{id}"),
            Self::Oidc(id) => write!(f, "oidc:{id}"),
            Self::Invitation(id) => write!(f, "invitation:{id}"),
        }
    }
}

impl Source {
    /// The connection that owns the object, if one does.
    #[must_use]
    pub fn connection(&self) -> Option<&str> {
        match self {
            Self::Scim(id) | Self::Oidc(id) => Some(id),
            Self::Local | Self::System | Self::Invitation(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_reads_back_and_an_unknown_one_is_refused() {
        for text in ["local", "system", "scim:okta", "oidc:entra", "invitation:inv_1"] {
            assert_eq!(text.parse::<Source>().map(|s| s.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "scim", "scim:", "ldap:x", "local:x"] {
            assert_eq!(text.parse::<Source>(), Err(UnknownSource));
        }
    }
}
