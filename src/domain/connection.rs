//! A connection: a customer's own identity provider, how its client speaks, and how far it is trusted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::kernel::id::{ConnectionId, OrgId, ScimCredentialId};
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// Whether a connection works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// It does.
    Active,
    /// Its requests are refused; what it owns stays, read-only.
    Disabled,
    /// It is gone; what it owns stays, read-only, until it is released.
    Deleted,
}

impl ConnectionState {
    /// The word in the database and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
        }
    }
}

/// How a connection's client speaks where RFC 7644 and real clients differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScimProfile {
    /// Does what the client means.
    #[default]
    Auto,
    /// As Microsoft Entra ID speaks.
    Entra,
    /// As Okta speaks.
    Okta,
    /// To the letter of RFC 7643 and 7644.
    RfcStrict,
}

impl ScimProfile {
    /// The word in the database and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Entra => "entra",
            Self::Okta => "okta",
            Self::RfcStrict => "rfc-strict",
        }
    }

    /// Whether what the RFC forbids is refused even where its meaning is plain.
    #[must_use]
    pub const fn is_strict(self) -> bool {
        matches!(self, Self::RfcStrict)
    }
}

/// A word that names none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWord;

macro_rules! words {
    ($($kind:ident: $($variant:ident),+;)+) => {$(
        impl FromStr for $kind {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                [$(Self::$variant),+].into_iter().find(|one| one.as_str() == text).ok_or(UnknownWord)
            }
        }
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        }
    )+};
}
words! {
    ConnectionState: Active, Disabled, Deleted;
    ScimProfile: Auto, Entra, Okta, RfcStrict;
    CredentialKind: Token, Client;
    OnTimeout: Release, Reject;
}

/// What becomes of a held request that nobody decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    /// It is carried out.
    #[default]
    Release,
    /// It is dropped.
    Reject,
}

impl OnTimeout {
    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Reject => "reject",
        }
    }
}

/// When a change that takes access from very many people raises an alert, and whether it waits for an administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guard {
    /// Per cent of the organisation's members, 1 to 100.
    pub share: u8,
    /// But no fewer people than this, 1 to 100,000.
    pub least: u32,
    /// Whether such a change waits.
    pub hold: bool,
    /// How long, in minutes: 5 to 10,080 (a week).
    pub hold_minutes: u32,
    /// What happens then.
    pub on_timeout: OnTimeout,
}

impl Default for Guard {
    fn default() -> Self {
        Self { share: 50, least: 10, hold: false, hold_minutes: 24 * 60, on_timeout: OnTimeout::Release }
    }
}

impl Guard {
    /// Whether losing access concerns so many of so many that somebody must hear of it.
    #[must_use]
    pub fn is_mass(&self, losing: i64, members: i64) -> bool {
        losing >= i64::from(self.least) && losing.saturating_mul(100) > members.saturating_mul(i64::from(self.share))
    }
}

/// What an organisation sets for a connection besides its name and profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionSettings {
    /// The guard against mass changes.
    pub guard: Guard,
    /// Whether a PATCH answers with the resource (`true`) or 204 (`false`); `None`: 200 for users, 204 for groups.
    pub patch_answers_body: Option<bool>,
    /// Where its administrators change things upstream: an https address.
    pub admin_url: Option<String>,
}

/// A new connection, or new settings for one.
#[derive(Clone, Debug)]
pub struct NewConnection {
    /// Its id, minted by the caller.
    pub id: ConnectionId,
    /// Whose it is.
    pub org: OrgId,
    /// What people call it: 1 to 100 characters, unique in the organisation without regard to case.
    pub name: String,
    /// How its client speaks.
    pub profile: ScimProfile,
    /// Whether its people may be put into local groups and be given roles directly.
    pub local_grants: bool,
    /// The rest.
    pub settings: ConnectionSettings,
}

/// What a connection's client shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A long-lived bearer token.
    Token,
    /// The secret of an OAuth client: `client_credentials` at the token endpoint.
    Client,
}

impl CredentialKind {
    /// The word in the database and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Client => "client",
        }
    }
}

/// A new credential of a connection's client. Its secret is shown to whoever asked for it, once.
#[derive(Clone, Debug)]
pub struct NewScimCredential {
    /// Its id, minted by the caller.
    pub id: ScimCredentialId,
    /// Whose.
    pub connection: ConnectionId,
    /// Which kind.
    pub kind: CredentialKind,
    /// What people call it.
    pub name: String,
    /// The secret's digest.
    pub secret: Digest,
    /// When it ends; at most 365 days ahead.
    pub expires_at: UnixMillis,
}

/// So many credentials of one kind a connection may have at a time.
pub const MOST_CREDENTIALS: i64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for profile in [ScimProfile::Auto, ScimProfile::Entra, ScimProfile::Okta, ScimProfile::RfcStrict] {
            assert_eq!(profile.as_str().parse(), Ok(profile));
            assert_eq!(serde_json::to_value(profile).unwrap(), profile.as_str());
        }
        assert_eq!("gone".parse::<ConnectionState>(), Err(UnknownWord));
    }

    #[test]
    fn a_mass_is_more_than_the_share_and_at_least_ten_people() {
        let guard = Guard::default();
        assert!(guard.is_mass(10, 19) && guard.is_mass(51, 100));
        assert!(!guard.is_mass(10, 20) && !guard.is_mass(9, 9) && !guard.is_mass(0, 0));
        let settings: ConnectionSettings = serde_json::from_str("{}").unwrap();
        assert_eq!(settings.guard, guard);
    }
}
