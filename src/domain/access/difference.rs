//! What was lost and what was gained between two pictures of a member's grants.

use serde::{Deserialize, Serialize};

use super::binding::Scope;
use super::effective::Grants;
use super::role::Role;

/// A role on a scope, as lists of losses and gains name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Held {
    /// The role.
    pub role: Role,
    /// On what.
    pub scope: Scope,
}

/// What changed for one member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Held before and not after.
    pub lost: Vec<Held>,
    /// Held after and not before.
    pub gained: Vec<Held>,
}

impl Difference {
    /// Whether nothing changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lost.is_empty() && self.gained.is_empty()
    }
}

/// The difference of two pictures. A grant is kept when anything still gives the same role on the same scope.
#[must_use]
pub fn diff(before: &Grants, after: &Grants) -> Difference {
    Difference { lost: missing(before, after), gained: missing(after, before) }
}

fn missing(from: &Grants, to: &Grants) -> Vec<Held> {
    let gone = from.iter().filter(|((role, scope), _)| !to.holds(role, scope));
    gone.map(|((role, scope), _)| Held { role: role.clone(), scope: scope.clone() }).collect()
}
