//! Permissions: the printed catalogue that roles are made of.
//!
//! A permission is a noun and a verb. Those of [`ORG`] concern the organisation, those of [`PROJECT`] one project.
//! Applications have permissions of their own, which they hang on roles; these are Muster's.

use std::collections::BTreeSet;

use super::role::Role;

/// Permissions on an organisation, with what they allow.
pub const ORG: &[(&str, &str)] = &[
    ("org.read", "See the organisation and its settings"),
    ("org.write", "Change the organisation's settings and policies"),
    ("users.read", "See people and their details"),
    ("users.invite", "Register and invite people"),
    ("users.write", "Change, suspend and resume people"),
    ("users.remove", "Remove and delete people"),
    ("groups.read", "See groups, their members and roles"),
    ("groups.write", "Create, change and delete groups and their members"),
    ("roles.read", "See roles and their permissions"),
    ("roles.write", "Create, change and delete the organisation's own roles"),
    ("bindings.read", "See who holds what, and through what"),
    ("bindings.write", "Give and take roles within one's own reach"),
    ("projects.read", "See every project"),
    ("projects.write", "Create, change and delete projects"),
    ("service_accounts.read", "See the service accounts of every project"),
    ("keys.read", "See every access key, never a secret"),
    ("keys.write", "Make, disable and remove the access keys of others"),
    ("applications.read", "See applications"),
    ("applications.write", "Register, change and remove applications"),
    ("sessions.write", "End people's sessions"),
    ("connections.read", "See connections, what they ask and what waits because of them"),
    ("connections.write", "Set connections up, give them credentials, and decide what waits"),
    ("domains.read", "See the organisation's e-mail domains"),
    ("domains.write", "Name, verify and remove e-mail domains"),
    ("audit.read", "See the audit record"),
    ("alerts.write", "Register alerts on events"),
    ("billing.read", "See usage and estimates"),
    ("billing.manage", "See estimates and bills"),
    ("billing.write", "Manage payment and credits"),
];

/// Permissions on a project, with what they allow.
pub const PROJECT: &[(&str, &str)] = &[
    ("project.read", "See the project's resources"),
    ("project.write", "Manage the project's resources"),
    ("project.members.read", "See the project's members"),
    ("project.members.write", "Add, change and remove the project's members"),
    ("project.service_accounts.read", "See the project's service accounts"),
    ("project.service_accounts.write", "Manage the project's service accounts and keys"),
];

/// A set of permissions, by their words.
pub type Permissions = BTreeSet<&'static str>;

/// The catalogue's own text for a word, if it is a permission.
#[must_use]
pub fn known(word: &str) -> Option<&'static str> {
    ORG.iter().chain(PROJECT).map(|(name, _)| *name).find(|name| *name == word)
}

/// Whether the permission concerns a project rather than the organisation.
#[must_use]
pub fn on_project(word: &str) -> bool {
    PROJECT.iter().any(|(name, _)| *name == word)
}

/// What a built-in role is made of; an organisation's own role has its permissions in the database.
#[must_use]
pub fn of(role: &Role) -> Permissions {
    let words: &[&'static str] = match role {
        Role::OrgOwner | Role::OrgAdmin => {
            return ORG.iter().map(|(name, _)| *name).filter(|n| !n.starts_with("billing.")).collect();
        }
        Role::OrgReader => &[
            "org.read",
            "users.read",
            "groups.read",
            "roles.read",
            "bindings.read",
            "projects.read",
            "applications.read",
            "connections.read",
            "domains.read",
        ],
        Role::BillingAdmin => &["billing.read", "billing.manage", "billing.write"],
        Role::BillingManager => &["billing.read", "billing.manage"],
        Role::BillingViewer => &["billing.read"],
        Role::TrailViewer => &["audit.read"],
        Role::AlertAdmin => &["alerts.write"],
        Role::ProjectAdmin => return PROJECT.iter().map(|(name, _)| *name).collect(),
        Role::ProjectMember => &["project.read", "project.write", "project.service_accounts.read"],
        Role::ProjectReader => &["project.read"],
        Role::IamAdmin => &[
            "users.read",
            "users.invite",
            "users.write",
            "users.remove",
            "groups.read",
            "groups.write",
            "roles.read",
            "bindings.read",
            "bindings.write",
            "sessions.write",
            "connections.read",
            "connections.write",
            "domains.read",
            "domains.write",
        ],
        Role::IamViewer => {
            &["users.read", "groups.read", "roles.read", "bindings.read", "connections.read", "domains.read"]
        }
        Role::Own(_) => &[],
    };
    words.iter().copied().collect()
}

/// Whether a set of permissions administers something: losing it counts as losing an administrator's role.
#[must_use]
pub fn administers<'a>(permissions: impl IntoIterator<Item = &'a str>) -> bool {
    let verb = |word: &str| matches!(word.rsplit('.').next(), Some("write" | "invite" | "remove"));
    permissions.into_iter().any(|word| verb(word) && word != "project.write")
}

#[cfg(test)]
mod tests {
    use super::*;

    // K27 K28
    #[test]
    fn an_org_admin_has_no_permission_on_resources_and_a_reader_changes_nothing() {
        assert!(of(&Role::OrgAdmin).iter().all(|word| !on_project(word)));
        assert!(of(&Role::OrgReader).iter().all(|word| word.rsplit('.').next() == Some("read")));
        assert!(!administers(of(&Role::ProjectMember)) && administers(of(&Role::IamAdmin)));
    }

    #[test]
    fn every_word_of_a_built_in_role_is_in_the_catalogue() {
        for role in Role::BUILT_IN {
            assert!(of(role).iter().all(|word| known(word).is_some()), "{role}");
        }
    }
}
