//! What a token says of a member's grants.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::binding::Scope;
use super::effective::Grants;
use crate::kernel::id::ProjectId;

/// A project as tokens name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Its key, which never changes.
    pub key: String,
}

/// The role claims: `org_roles` and `project_roles`, the latter keyed by the immutable project keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleClaims {
    /// Roles on the organisation, sorted.
    pub org_roles: BTreeSet<String>,
    /// Roles by project, sorted; projects without a role are not named.
    pub project_roles: BTreeMap<String, BTreeSet<String>>,
}

/// Renders grants as claims.
#[must_use]
pub fn role_claims(grants: &Grants, projects: &[Project]) -> RoleClaims {
    let mut claims = RoleClaims::default();
    for ((role, scope), _) in grants.iter() {
        match scope {
            Scope::Org => {
                claims.org_roles.insert(role.as_str().to_owned());
            }
            Scope::Project(id) => {
                if let Some(project) = projects.iter().find(|project| project.id == *id) {
                    claims.project_roles.entry(project.key.clone()).or_default().insert(role.as_str().to_owned());
                }
            }
            // Held on each project besides; see `effective`.
            Scope::AllProjects => {}
        }
    }
    claims
}
