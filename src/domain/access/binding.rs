//! Bindings: which role, on what, to whom, from when to when.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::role::{Level, Role};
use crate::kernel::id::{BindingId, GroupId, MembershipId, ProjectId, UserId};
use crate::kernel::time::UnixMillis;

/// What a role is held on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "project", rename_all = "snake_case")]
pub enum Scope {
    /// The organisation.
    Org,
    /// One project.
    Project(ProjectId),
    /// Every project, later ones included.
    AllProjects,
}

impl Scope {
    /// Whether a role may be bound on it.
    #[must_use]
    pub const fn fits(&self, role: &Role) -> bool {
        matches!(
            (role.level(), self),
            (Level::Org, Self::Org) | (Level::Project, Self::Project(_) | Self::AllProjects) | (Level::Either, _)
        )
    }
}

/// Whom a binding gives its role to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Subject {
    /// One member.
    Member(MembershipId),
    /// Every member of a group.
    Group(GroupId),
}

/// When a binding is live: in `[not_before, not_after)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// The first millisecond.
    pub not_before: UnixMillis,
    /// The millisecond after the last.
    pub not_after: UnixMillis,
}

impl Window {
    /// Always.
    pub const ALWAYS: Self = Self { not_before: UnixMillis::MIN, not_after: UnixMillis::MAX };

    /// Whether `at` lies in it.
    #[must_use]
    pub fn contains(&self, at: UnixMillis) -> bool {
        self.not_before <= at && at < self.not_after
    }
}

/// A role given to somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Its id.
    pub id: BindingId,
    /// The role.
    pub role: Role,
    /// On what.
    pub scope: Scope,
    /// To whom.
    pub subject: Subject,
    /// When.
    pub window: Window,
}

/// A member as access sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The membership.
    pub id: MembershipId,
    /// Whose it is.
    pub user: UserId,
    /// Whether the member may sign in: membership, account and organisation are all active.
    pub active: bool,
    /// Whether the member owns the organisation.
    pub owner: bool,
    /// The groups it is in.
    pub groups: BTreeSet<GroupId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    // K32 I33
    #[test]
    fn a_project_role_needs_a_project_and_a_window_is_half_open() {
        assert!(!Scope::Org.fits(&Role::ProjectAdmin));
        assert!(!Scope::AllProjects.fits(&Role::OrgReader));
        assert!(Scope::Project(ProjectId::from_u128(1)).fits(&Role::ProjectReader));
        let window = Window { not_before: UnixMillis(10), not_after: UnixMillis(20) };
        assert_eq!([9, 10, 19, 20].map(|at| window.contains(UnixMillis(at))), [false, true, true, false]);
    }
}
