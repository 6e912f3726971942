//! How the apply file writes a role with its place: `role`, `role:project-key`, `role:*`.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::domain::access::role::Level;
use crate::domain::access::{Role, Scope};
use crate::kernel::id::ProjectId;

/// Where a role is held, projects by their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the organisation.
    Org,
    /// On one project.
    Project(String),
    /// On every project.
    AllProjects,
}

/// A role and where it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleWord {
    /// The role.
    pub role: Role,
    /// Where.
    pub place: Place,
}

impl FromStr for RoleWord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (role, place) = match text.split_once(':') {
            None => (text, Place::Org),
            Some((role, "*")) => (role, Place::AllProjects),
            Some((role, key)) => (role, Place::Project(key.to_owned())),
        };
        let role: Role =
            role.parse().map_err(|unknown: crate::domain::access::role::UnknownRole| unknown.to_string())?;
        if role == Role::OrgOwner {
            return Err(
                "org.owner can't be given: an organisation has one owner, the one that `owner` names".to_owned()
            );
        }
        match (role.level(), &place) {
            (Level::Project, Place::Org) => {
                Err(format!("\"{role}\" needs a project: \"{role}:<key>\", or \"{role}:*\" for all"))
            }
            (Level::Org, Place::Project(_) | Place::AllProjects) => {
                Err(format!("\"{role}\" is held on the organisation, not on a project: write \"{role}\""))
            }
            (Level::Org | Level::Either, Place::Org) | (Level::Project | Level::Either, _) => Ok(Self { role, place }),
        }
    }
}

impl RoleWord {
    /// How a grant is written; `None` when its project is none of these.
    #[must_use]
    pub fn of(role: &Role, scope: &Scope, keys: &BTreeMap<ProjectId, String>) -> Option<String> {
        match scope {
            Scope::Org => Some(role.to_string()),
            Scope::AllProjects => Some(format!("{role}:*")),
            Scope::Project(id) => keys.get(id).map(|key| format!("{role}:{key}")),
        }
    }

    /// The scope, among these projects.
    ///
    /// # Errors
    /// The organisation has no such project.
    pub fn scope(&self, projects: &BTreeMap<String, ProjectId>) -> Result<Scope, String> {
        match &self.place {
            Place::Org => Ok(Scope::Org),
            Place::AllProjects => Ok(Scope::AllProjects),
            Place::Project(key) => match projects.get(key) {
                Some(id) => Ok(Scope::Project(id.clone())),
                None => Err(format!("\"{}:{key}\": there is no project \"{key}\"", self.role)),
            },
        }
    }
}
