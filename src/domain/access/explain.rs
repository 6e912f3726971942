//! Why somebody holds a role: every path, and the smallest change that removes it.

use std::collections::BTreeSet;

use serde::Serialize;

use super::binding::Scope;
use super::effective::{Grants, Via};
use super::role::Role;
use crate::kernel::id::{BindingId, GroupId};

/// One act that would cut one or more paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// Take the member out of this group.
    LeaveGroup(GroupId),
    /// Remove this direct binding.
    RemoveBinding(BindingId),
    /// Transfer the organisation's ownership.
    TransferOwnership,
}

/// Why a member holds a role on a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Every way; empty when the role is not held.
    pub ways: Vec<Via>,
    /// The fewest acts on this member that take the role away: all of them are needed.
    pub cuts: BTreeSet<Cut>,
}

/// Explains a grant.
///
/// The cuts are the fewest: each group that gives the role must be left (one act, however many of its bindings give
/// it), and each direct binding removed; no act cuts two of them.
#[must_use]
pub fn explain(grants: &Grants, role: &Role, scope: &Scope) -> Explanation {
    let ways: Vec<Via> = grants.ways(role, scope).cloned().collect();
    let cuts = ways.iter().map(|via| match (&via.group, &via.binding) {
        (Some(group), _) => Cut::LeaveGroup(group.clone()),
        (None, Some(binding)) => Cut::RemoveBinding(binding.clone()),
        (None, None) => Cut::TransferOwnership,
    });
    Explanation { cuts: cuts.collect(), ways }
}
