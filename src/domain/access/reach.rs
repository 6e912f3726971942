//! Who may do what, and how far they may give: nobody grants beyond their own reach.

use std::collections::{BTreeMap, BTreeSet};

use super::binding::Scope;
use super::effective::Grants;
use super::permission;
use super::role::Role;
use crate::kernel::id::ProjectId;

/// What an organisation's own roles are made of, by their keys.
pub type OwnRoles = BTreeMap<String, BTreeSet<String>>;

/// What an actor may do in one organisation.
#[derive(Clone, Debug)]
pub enum Reach {
    /// Everything: the instance itself (the command line on its machine, a sweep) or its operator.
    Whole,
    /// What a member's grants allow.
    Member {
        /// What the member holds.
        grants: Grants,
        /// The organisation's own roles.
        own: OwnRoles,
    },
}

impl Reach {
    /// This reach, cut down to what is held on one project: that of a tool with a person's key.
    #[must_use]
    pub fn within(self, project: &ProjectId) -> Self {
        match self {
            Self::Whole => Self::Whole,
            Self::Member { mut grants, own } => {
                grants.retain(|(_, scope)| matches!(scope, Scope::Project(id) if id == project));
                Self::Member { grants, own }
            }
        }
    }

    /// Whether the actor has a permission on the organisation.
    #[must_use]
    pub fn allows(&self, word: &str) -> bool {
        match self {
            Self::Whole => true,
            Self::Member { grants, own } => {
                grants.iter().any(|((role, scope), _)| *scope == Scope::Org && made_of(role, own, word))
            }
        }
    }

    /// Whether the actor holds a role that administers something, wherever; the owner does.
    #[must_use]
    pub fn administers(&self) -> bool {
        match self {
            Self::Whole => true,
            Self::Member { grants, own } => {
                grants.iter().any(|((role, _), _)| *role == Role::OrgOwner || permission::administers(words(role, own)))
            }
        }
    }

    /// Whether the actor has a permission on a project: by a role there.
    #[must_use]
    pub fn allows_on(&self, project: &ProjectId, word: &str) -> bool {
        match self {
            Self::Whole => true,
            Self::Member { grants, own } => grants.iter().any(|((role, scope), _)| {
                matches!(scope, Scope::Project(id) if id == project) && made_of(role, own, word)
            }),
        }
    }

    /// Whether the actor may give or take a role on a scope.
    ///
    /// An administrator of the organisation may give every role but the owner's, on every scope. A project's
    /// administrator may give that project's roles. Anybody else with `bindings.write` may give what is made of
    /// their own permissions only. Taking needs the same reach as giving.
    #[must_use]
    pub fn may_bind(&self, role: &Role, scope: &Scope) -> bool {
        if *role == Role::OrgOwner || !scope.fits(role) {
            return false;
        }
        let Self::Member { grants, own } = self else {
            return true;
        };
        if grants.holds(&Role::OrgAdmin, &Scope::Org) {
            return true;
        }
        // A role without a word of ours says something to applications alone: there is nothing to measure it by but itself.
        // On a project its administrator decides.
        let measured = !words(role, own).is_empty()
            || grants.holds(role, scope)
            || (matches!(scope, Scope::Project(_)) && grants.holds(&Role::ProjectAdmin, scope));
        if !measured {
            return false;
        }
        match scope {
            Scope::Project(project) if self.allows_on(project, "project.members.write") => {
                words(role, own).iter().all(|word| self.allows_on(project, word))
            }
            Scope::Org => self.allows("bindings.write") && words(role, own).iter().all(|word| self.allows(word)),
            Scope::Project(_) | Scope::AllProjects => false,
        }
    }
}

/// What a role is made of.
#[must_use]
pub fn words<'a>(role: &Role, own: &'a OwnRoles) -> BTreeSet<&'a str> {
    match role {
        Role::Own(key) => own.get(key).into_iter().flatten().map(String::as_str).collect(),
        built_in => permission::of(built_in).into_iter().collect(),
    }
}

fn made_of(role: &Role, own: &OwnRoles, word: &str) -> bool {
    words(role, own).contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::{Binding, Bindings, Holder, Subject, Window, effective};
    use crate::kernel::id::{BindingId, MembershipId, UserId};
    use crate::kernel::time::UnixMillis;

    fn reach(role: Role, scope: Scope, own: OwnRoles) -> Reach {
        let id = MembershipId::from_u128(1);
        let subject = Subject::Member(id.clone());
        let binding = Binding { id: BindingId::from_u128(1), role, scope, subject, window: Window::ALWAYS };
        let user = UserId::from_u128(1);
        let holder = Holder { id, user, active: true, owner: false, groups: BTreeSet::new() };
        let grants = effective(&holder, &Bindings::new([binding]), &[ProjectId::from_u128(1)], UnixMillis(1));
        Reach::Member { grants, own }
    }

    // K26 K33 I04
    #[test]
    fn nobody_gives_beyond_their_own_reach() {
        let web = Scope::Project(ProjectId::from_u128(1));
        let other = Scope::Project(ProjectId::from_u128(2));
        let admin = reach(Role::OrgAdmin, Scope::Org, OwnRoles::new());
        assert!(admin.may_bind(&Role::BillingAdmin, &Scope::Org) && admin.may_bind(&Role::ProjectAdmin, &other));
        assert!(!admin.may_bind(&Role::OrgOwner, &Scope::Org));
        let project_admin = reach(Role::ProjectAdmin, web.clone(), OwnRoles::new());
        assert!(
            project_admin.may_bind(&Role::ProjectAdmin, &web) && !project_admin.may_bind(&Role::ProjectReader, &other)
        );
        assert!(!project_admin.may_bind(&Role::OrgReader, &Scope::Org));
        let iam = reach(Role::IamAdmin, Scope::Org, OwnRoles::new());
        assert!(iam.may_bind(&Role::IamViewer, &Scope::Org) && !iam.may_bind(&Role::OrgAdmin, &Scope::Org));
        assert!(!iam.may_bind(&Role::ProjectReader, &web));
        let reader = reach(Role::OrgReader, Scope::Org, OwnRoles::new());
        assert!(Role::BUILT_IN.iter().all(|role| !reader.may_bind(role, &Scope::Org) && !reader.may_bind(role, &web)));
    }

    // I10
    #[test]
    fn an_own_role_gives_what_it_is_made_of() {
        let own = OwnRoles::from([("clerk".to_owned(), BTreeSet::from(["users.read".to_owned()]))]);
        let clerk = reach(Role::Own("clerk".to_owned()), Scope::Org, own);
        assert!(clerk.allows("users.read") && !clerk.allows("users.write"));
    }
}
