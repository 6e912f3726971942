//! Roles: the built-in ones and an organisation's own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! built_in {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// A role. Its text is what tokens and bindings carry.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum Role {
            $($(#[$doc])* $name,)*
            /// An organisation's own role, by its key; the key has no dot and never changes.
            Own(String),
        }

        impl Role {
            /// Every built-in role, in the order in which they are shown.
            pub const BUILT_IN: &'static [Role] = &[$(Role::$name,)*];

            /// The role's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self { $(Self::$name => $word,)* Self::Own(key) => key }
            }
        }

        impl FromStr for Role {
            type Err = UnknownRole;
            fn from_str(text: &str) -> Result<Self, UnknownRole> {
                match text {
                    $($word => Ok(Self::$name),)*
                    own if is_own_key(own) => Ok(Self::Own(own.to_owned())),
                    _ => Err(UnknownRole(text.to_owned())),
                }
            }
        }
    };
}

built_in! {
    /// The organisation's one owner. It can't be bound; it is transferred.
    OrgOwner = "org.owner";
    /// Manages the organisation and its projects; holds no project role by that.
    OrgAdmin = "org.admin";
    /// Sees the organisation and its projects.
    OrgReader = "org.reader";
    /// Payment and credits.
    BillingAdmin = "billing.admin";
    /// Estimates and bills.
    BillingManager = "billing.manager";
    /// Usage and estimates.
    BillingViewer = "billing.viewer";
    /// Sees the audit record.
    TrailViewer = "trail.viewer";
    /// Registers and sees alerts on events.
    AlertAdmin = "alert.admin";
    /// All of a project: its resources and its members.
    ProjectAdmin = "project.admin";
    /// Manages a project's resources.
    ProjectMember = "project.member";
    /// Sees a project's resources.
    ProjectReader = "project.reader";
    /// Manages identities, and nothing else.
    IamAdmin = "iam.admin";
    /// Sees identities, and nothing else.
    IamViewer = "iam.viewer";
}

/// That a text names no role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownRole(pub String);
impl fmt::Display for UnknownRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is no role", self.0)
    }
}
impl std::error::Error for UnknownRole {}

/// Whether a text may be the key of an organisation's own role: 1 to 64 of `a-z0-9-_`, beginning with a letter.
#[must_use]
pub fn is_own_key(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

/// Where a role can be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// On the organisation only.
    Org,
    /// On one project, or all of them.
    Project,
    /// On either: an organisation's own role.
    Either,
}

impl Role {
    /// Where the role can be bound.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::OrgOwner | Self::OrgAdmin | Self::OrgReader => Level::Org,
            Self::BillingAdmin | Self::BillingManager | Self::BillingViewer => Level::Org,
            Self::TrailViewer | Self::AlertAdmin | Self::IamAdmin | Self::IamViewer => Level::Org,
            Self::ProjectAdmin | Self::ProjectMember | Self::ProjectReader => Level::Project,
            Self::Own(_) => Level::Either,
        }
    }

    /// What people call it. An organisation's own role has a name in the database.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        match self {
            Self::OrgOwner => "Organization Owner",
            Self::OrgAdmin => "Organization Admin",
            Self::OrgReader => "Organization Reader",
            Self::BillingAdmin => "Billing Admin",
            Self::BillingManager => "Billing Manager",
            Self::BillingViewer => "Billing Viewer",
            Self::TrailViewer => "Trail Viewer",
            Self::AlertAdmin => "Alert Center Admin",
            Self::ProjectAdmin => "Project Admin",
            Self::ProjectMember => "Project Member",
            Self::ProjectReader => "Project Reader",
            Self::IamAdmin => "IAM Admin",
            Self::IamViewer => "IAM Viewer",
            Self::Own(_) => "Own role",
        }
    }

    /// The roles that this one implies, directly or not, itself left out.
    #[must_use]
    pub const fn implies(&self) -> &'static [Self] {
        match self {
            Self::OrgOwner => &[Self::OrgAdmin, Self::BillingAdmin, Self::BillingManager, Self::BillingViewer],
            Self::BillingAdmin => &[Self::BillingManager, Self::BillingViewer],
            Self::BillingManager => &[Self::BillingViewer],
            Self::OrgAdmin | Self::OrgReader | Self::BillingViewer | Self::TrailViewer | Self::AlertAdmin => &[],
            Self::ProjectAdmin | Self::ProjectMember | Self::ProjectReader => &[],
            Self::IamAdmin | Self::IamViewer | Self::Own(_) => &[],
        }
    }

    /// Whether losing it always ends the session under the policies that otherwise narrow.
    ///
    /// Our choice: every role whose holder administers something. An organisation's own role counts by its
    /// permissions, which the caller knows; see [`super::permission::administers`].
    #[must_use]
    pub const fn is_admin(&self) -> bool {
        match self {
            Self::OrgOwner | Self::OrgAdmin | Self::BillingAdmin | Self::AlertAdmin => true,
            Self::ProjectAdmin | Self::IamAdmin => true,
            Self::OrgReader | Self::BillingManager | Self::BillingViewer | Self::TrailViewer => false,
            Self::ProjectMember | Self::ProjectReader | Self::IamViewer | Self::Own(_) => false,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl TryFrom<String> for Role {
    type Error = UnknownRole;
    fn try_from(text: String) -> Result<Self, UnknownRole> {
        text.parse()
    }
}
impl From<Role> for String {
    fn from(role: Role) -> Self {
        role.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // K26 K29
    #[test]
    fn every_built_in_role_reads_back_and_billing_roles_imply_the_smaller_ones() {
        for role in Role::BUILT_IN {
            assert_eq!(role.as_str().parse::<Role>(), Ok(role.clone()));
        }
        assert_eq!(Role::BillingAdmin.implies(), [Role::BillingManager, Role::BillingViewer]);
        assert_eq!(Role::BillingManager.implies(), [Role::BillingViewer]);
    }

    #[test]
    fn an_own_role_can_not_look_like_a_built_in_one() {
        assert!("org.superadmin".parse::<Role>().is_err());
        assert!("".parse::<Role>().is_err());
        assert!("Org".parse::<Role>().is_err());
        assert_eq!("release-manager".parse(), Ok(Role::Own("release-manager".to_owned())));
    }
}
