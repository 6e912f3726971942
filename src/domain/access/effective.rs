//! What a member holds, and through what.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::binding::{Binding, Holder, Scope, Subject};
use super::role::Role;
use crate::kernel::id::{BindingId, GroupId, MembershipId, ProjectId};
use crate::kernel::time::UnixMillis;

/// The way by which a grant comes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Via {
    /// The binding; `None` for what the owner holds by owning.
    pub binding: Option<BindingId>,
    /// The group through which it comes; `None` when it is direct.
    pub group: Option<GroupId>,
    /// The role that implies it; `None` when it is bound itself.
    pub implied_by: Option<Role>,
    /// The wider scope that covers it; `None` when it is bound on the scope itself.
    pub covered_by: Option<Scope>,
}

/// A role on a scope.
pub type Grant = (Role, Scope);

/// Everything that a member holds, each grant with the ways by which it comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants(BTreeMap<Grant, BTreeSet<Via>>);

impl Grants {
    /// Whether the role is held on exactly this scope.
    #[must_use]
    pub fn holds(&self, role: &Role, scope: &Scope) -> bool {
        self.0.contains_key(&(role.clone(), scope.clone()))
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps those grants for which `keep` says so.
    pub fn retain(&mut self, keep: impl Fn(&Grant) -> bool) {
        self.0.retain(|grant, _| keep(grant));
    }

    /// Every grant, in the order of roles and scopes.
    pub fn iter(&self) -> impl Iterator<Item = (&Grant, &BTreeSet<Via>)> {
        self.0.iter()
    }

    /// The ways by which a grant comes; empty when it is not held.
    pub fn ways(&self, role: &Role, scope: &Scope) -> impl Iterator<Item = &Via> {
        self.0.get(&(role.clone(), scope.clone())).into_iter().flatten()
    }

    /// Whether any grant comes through a group.
    #[must_use]
    pub fn any_through_a_group(&self) -> bool {
        self.0.values().flatten().any(|via| via.group.is_some())
    }

    fn add(&mut self, role: Role, scope: Scope, via: Via) {
        self.0.entry((role, scope)).or_default().insert(via);
    }
}

/// The bindings of one organisation (or those that concern some of its members), ready to be looked up by subject.
#[derive(Clone, Debug, Default)]
pub struct Bindings {
    by_member: BTreeMap<MembershipId, Vec<Binding>>,
    by_group: BTreeMap<GroupId, Vec<Binding>>,
}

impl Bindings {
    /// Sorts bindings by whom they give their role to.
    #[must_use]
    pub fn new(all: impl IntoIterator<Item = Binding>) -> Self {
        let mut sorted = Self::default();
        for binding in all {
            match &binding.subject {
                Subject::Member(id) => sorted.by_member.entry(id.clone()).or_default().push(binding),
                Subject::Group(id) => sorted.by_group.entry(id.clone()).or_default().push(binding),
            }
        }
        sorted
    }

    /// The bindings that reach a member: its own, and those of its groups.
    pub fn of<'a>(&'a self, holder: &'a Holder) -> impl Iterator<Item = &'a Binding> {
        let direct = self.by_member.get(&holder.id).into_iter().flatten();
        direct.chain(holder.groups.iter().filter_map(|group| self.by_group.get(group)).flatten())
    }
}

/// What `holder` holds at a moment.
///
/// Roles add up; there is no deny. A member who may not sign in holds nothing, whatever the bindings say. A grant on
/// all projects is held on each of `projects` and, for later ones, as itself.
#[must_use]
pub fn effective(holder: &Holder, bindings: &Bindings, projects: &[ProjectId], at: UnixMillis) -> Grants {
    let mut grants = Grants::default();
    if !holder.active {
        return grants;
    }
    if holder.owner {
        let via = Via { binding: None, group: None, implied_by: None, covered_by: None };
        give(&mut grants, &Role::OrgOwner, &Scope::Org, &[], &via);
    }
    for binding in bindings.of(holder).filter(|binding| binding.window.contains(at)) {
        let group = match &binding.subject {
            Subject::Member(_) => None,
            Subject::Group(group) => Some(group.clone()),
        };
        let via = Via { binding: Some(binding.id.clone()), group, implied_by: None, covered_by: None };
        give(&mut grants, &binding.role, &binding.scope, projects, &via);
    }
    grants
}

/// Adds a role, what it implies, and what its scope covers.
fn give(grants: &mut Grants, role: &Role, scope: &Scope, projects: &[ProjectId], via: &Via) {
    let roles = std::iter::once((role, None)).chain(role.implies().iter().map(|implied| (implied, Some(role.clone()))));
    for (held, implied_by) in roles {
        let via = Via { implied_by, ..via.clone() };
        grants.add(held.clone(), scope.clone(), via.clone());
        if *scope == Scope::AllProjects {
            for project in projects {
                let covered = Via { covered_by: Some(Scope::AllProjects), ..via.clone() };
                grants.add(held.clone(), Scope::Project(project.clone()), covered);
            }
        }
    }
}

/// The earliest end of a window among the live bindings that reach a member: no token outlives it.
#[must_use]
pub fn earliest_end(holder: &Holder, bindings: &Bindings, at: UnixMillis) -> Option<UnixMillis> {
    let live = bindings.of(holder).filter(|binding| binding.window.contains(at));
    live.map(|binding| binding.window.not_after).filter(|end| *end != UnixMillis::MAX).min()
}
