//! `[[organisation.service_account]]`: an account of a project that tools use.

use serde::Deserialize;

use super::PersonState;

/// `[[organisation.service_account]]`. Its roles are exact. Its access keys stand in no file: a secret is shown once.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccountTable {
    /// The key of its project.
    pub project: String,
    /// What it is found by in its project.
    pub name: String,
    /// What it is for; an absent one is not touched.
    pub description: Option<String>,
    /// The user name of the person who answers for it; an absent one is not touched.
    pub owner: Option<String>,
    /// An absent one is `active` for a new account, and not touched later.
    pub state: Option<PersonState>,
    /// Words of [`super::RoleWord`].
    #[serde(default)]
    pub roles: Vec<String>,
}

impl ServiceAccountTable {
    /// The account as other tables name it.
    #[must_use]
    pub fn word(&self) -> String {
        Self::word_of(&self.project, &self.name)
    }

    /// A service account as tables name it: `project/name`. No project's key has a slash in it.
    #[must_use]
    pub fn word_of(project: &str, name: &str) -> String {
        format!("{project}/{}", name.trim())
    }
}
