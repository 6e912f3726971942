//! Sign-in through a connection: how it is set up, what a customer's provider says of somebody, and what follows.
//!
//! Upstream means the customer's own OpenID provider; here Muster is its relying party.

pub mod claims;
pub mod logout_token;
pub mod mapping;
pub mod preset;
pub mod revocation;
pub mod security_event;
pub mod settings;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::oidc::claims::Profile;
use crate::kernel::id::{ConnectionId, IdentityId, MembershipId, OrgId, UserId};
use crate::kernel::time::UnixMillis;
pub use mapping::Mapping;
pub use preset::Preset;
pub use settings::SignInSettings;

/// What a provider said of somebody: the claims of the ID token, with those of userinfo that it lacks.
pub type Claims = serde_json::Map<String, serde_json::Value>;

/// A word that names none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWord;

macro_rules! words {
    ($($(#[$doc:meta])* $kind:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $kind { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)+ }

        impl $kind {
            /// Every one, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),+];
            /// The word in the database and in the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
        impl FromStr for $kind {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text).ok_or(UnknownWord)
            }
        }
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        }
    )+};
}
pub(crate) use words;

words! {
    /// How far a connection's sign-in is set up.
    Stage {
        /// Nobody can use it yet.
        Draft = "draft",
        /// Somebody has come through in a trial; still nobody can use it.
        Tested = "tested",
        /// People may choose it.
        Optional = "optional",
        /// People of the organisation can't sign in otherwise, but for break-glass owners.
        Enforced = "enforced",
    }

    /// How Muster proves to the provider's token endpoint who it is (OIDC Core §9).
    ClientAuth {
        /// The secret in the `Authorization` header.
        SecretBasic = "client_secret_basic",
        /// The secret in the body.
        SecretPost = "client_secret_post",
        /// A JWT signed with the connection's own key, which Muster makes and keeps.
        PrivateKeyJwt = "private_key_jwt",
        /// Not at all: a public client, with PKCE alone.
        None = "none",
    }
}

impl Stage {
    /// Whether people can sign in through it.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Optional | Self::Enforced)
    }
}

/// A connection's sign-in, new or instead of the one before.
#[derive(Clone, Debug)]
pub struct NewSignIn {
    /// The connection; it has at most one.
    pub connection: ConnectionId,
    /// Whose it is.
    pub org: OrgId,
    /// How it is set up.
    pub settings: SignInSettings,
    /// The client secret, sealed and bound to the connection; `None` keeps the one that is there.
    pub sealed_secret: Option<Vec<u8>>,
    /// The private key for `private_key_jwt`, sealed and bound to the connection; `None` keeps the one that is there.
    pub sealed_key: Option<Vec<u8>>,
    /// Its public half, a JWK as JSON.
    pub public_key: Option<String>,
    /// The bearer token for polling the provider's events, sealed; `None` keeps the one that is there.
    pub sealed_poll_token: Option<Vec<u8>>,
}

/// Who somebody is upstream: never an e-mail address. Compared byte by byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Upstream {
    /// `iss`.
    pub issuer: String,
    /// `sub`: 1 to 255 bytes.
    pub subject: String,
}

/// How a person who came through a connection is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// By the identity that was linked before.
    Linked(IdentityId),
    /// The same connection pushed the account by SCIM, and its immutable id is the same; the identity is linked now.
    Pushed,
    /// An account of the organisation has the address, whose domain is the organisation's: the connection takes it over.
    Adopted,
    /// Not at all: the account is made.
    Made,
}

/// Somebody came through a connection's sign-in. The rules (whether the connection still works, what the mapping gives)
/// are judged at the door once more, from what is there then.
#[derive(Clone, Debug)]
pub struct CameThrough {
    /// The organisation.
    pub org: OrgId,
    /// The connection.
    pub connection: ConnectionId,
    /// The revision of the sign-in's set-up that it began with; another one refuses.
    pub revision: i64,
    /// Who, upstream.
    pub upstream: Upstream,
    /// How the person is known here.
    pub known: Known,
    /// The account; minted where it is made.
    pub user: UserId,
    /// The membership; minted where it is made.
    pub member: MembershipId,
    /// The identity; minted where it is not linked yet.
    pub identity: IdentityId,
    /// The user name that follows from the claims.
    pub user_name: String,
    /// The standard claims that follow.
    pub profile: Profile,
    /// What the provider said, cut down to what is kept (see [`claims::kept`]).
    pub claims: Claims,
}

/// Which upstream sessions are over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Those with this `sid`, of this subject if one is named.
    Session {
        /// The provider's `sid`.
        sid: String,
        /// Whose.
        upstream: Option<Upstream>,
    },
    /// All of somebody.
    Person(Upstream),
}

/// Through which connection a browser session came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Through {
    /// The connection.
    pub connection: ConnectionId,
    /// Its organisation: the session is good there, and nowhere else.
    pub org: OrgId,
    /// As whom.
    pub identity: IdentityId,
    /// The provider's `sid`, if it said one.
    pub sid: Option<String>,
}

/// What a sign-in through a connection came to, for its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedSignIn {
    /// When.
    pub at: UnixMillis,
    /// `accepted`, `tested`, or why not: the word that the page shows.
    pub outcome: String,
    /// Whose account, where it is known.
    pub user: Option<UserId>,
    /// What was said, without values that are nobody's business (see [`claims::redacted`]); empty where nothing was.
    pub claims: Claims,
}

/// Names for people: the groups that a mapping names, by id.
pub type GroupNames = BTreeMap<crate::kernel::id::GroupId, String>;
