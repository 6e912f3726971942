//! An account: whose it is, in which realm, in which state.

use std::fmt;
use std::str::FromStr;

use crate::kernel::id::{OrgId, ProjectId};

/// Whose account it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It belongs to one organisation, which may disable and delete it.
    Managed(OrgId),
    /// A service account: it belongs to one project of an organisation, is for tools alone, and never signs in.
    Service(OrgId, ProjectId),
    /// It belongs to the person; an organisation can only end its membership.
    Own,
    /// The instance's operator, outside every organisation.
    Operator,
}

impl Kind {
    /// The realm in which its identifiers are unique: each organisation is the realm of its managed users, own
    /// accounts share one, and operators another. A service account has no identifier and takes its project's place.
    #[must_use]
    pub fn realm(&self) -> &str {
        match self {
            Self::Managed(org) => org.as_str(),
            Self::Service(_, project) => project.as_str(),
            Self::Own => "own",
            Self::Operator => "operator",
        }
    }

    /// The word in the database.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Managed(_) | Self::Service(..) => "managed",
            Self::Own => "own",
            Self::Operator => "operator",
        }
    }

    /// The organisation that it belongs to, if it belongs to one.
    #[must_use]
    pub const fn org(&self) -> Option<&OrgId> {
        match self {
            Self::Managed(org) | Self::Service(org, _) => Some(org),
            Self::Own | Self::Operator => None,
        }
    }

    /// The project that a service account belongs to.
    #[must_use]
    pub const fn project(&self) -> Option<&ProjectId> {
        match self {
            Self::Service(_, project) => Some(project),
            Self::Managed(_) | Self::Own | Self::Operator => None,
        }
    }
}

macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// The word in the database and the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text { $($word => Ok(Self::$variant),)* _ => Err(format!("\"{text}\" is no state")) }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        }
    };
}

states! {
    /// The state of an account.
    UserState {
        /// Made, but its password is not set yet.
        Pending = "pending",
        /// May sign in.
        Active = "active",
        /// Suspended by an administrator here.
        Suspended = "suspended",
        /// Deactivated by the connection that owns it.
        Deactivated = "deactivated",
        /// Gone; the row stays so that the id is never reused.
        Deleted = "deleted",
    }
}

states! {
    /// The state of a membership.
    MembershipState {
        /// Invited or registered, not accepted yet.
        Pending = "pending",
        /// Holds what the bindings say.
        Active = "active",
        /// Suspended by an administrator of the organisation.
        Suspended = "suspended",
        /// Deactivated by the connection that owns it.
        Deactivated = "deactivated",
    }
}

states! {
    /// The state of an organisation.
    OrgState {
        /// In use.
        Active = "active",
        /// Suspended by the operator.
        Suspended = "suspended",
        /// Deleted; can be undone for thirty days.
        Deleted = "deleted",
    }
}

states! {
    /// How an account is used: people sign in with a password, tools with access keys alone.
    AccessType {
        /// May sign in.
        Password = "password",
        /// Holds access keys and is refused at the sign-in like somebody unknown.
        Key = "key",
    }
}
