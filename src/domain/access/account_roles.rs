//! The four tiers of managing an account that people know from other services, in words of ours: a printed mapping.
//!
//! Two of them are built-in roles. The two between are what an organisation's own role is made of; nothing here is bound.

use super::permission::{self, Permissions};
use super::role::Role;

/// One tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRole {
    /// Its key.
    pub key: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// What it lets one do.
    pub description: &'static str,
    /// The built-in role that it begins with.
    pub begins_with: Role,
    /// The permissions that come besides; none when the tier is the built-in role itself.
    pub besides: &'static [&'static str],
}

/// The tiers; each contains the one before.
pub const ALL: &[AccountRole] = &[
    AccountRole {
        key: "viewer",
        name: "Viewer",
        description: "Sees people, groups, roles and who holds what.",
        begins_with: Role::IamViewer,
        besides: &[],
    },
    AccountRole {
        key: "operator",
        name: "Operator",
        description: "Sees what a viewer sees, and ends people's sessions.",
        begins_with: Role::IamViewer,
        besides: &["sessions.write"],
    },
    AccountRole {
        key: "editor",
        name: "Editor",
        description: "Does what an operator does, invites people, and changes people and groups.",
        begins_with: Role::IamViewer,
        besides: &["sessions.write", "users.invite", "users.write", "groups.write"],
    },
    AccountRole {
        key: "administrator",
        name: "Administrator",
        description: "Does what an editor does, removes people, and gives and takes roles within reach.",
        begins_with: Role::IamAdmin,
        besides: &[],
    },
];

impl AccountRole {
    /// What the tier is made of.
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        let mut permissions = permission::of(&self.begins_with);
        permissions.extend(self.besides);
        permissions
    }

    /// The built-in role that is the tier, if one is.
    #[must_use]
    pub fn built_in(&self) -> Option<&Role> {
        self.besides.is_empty().then_some(&self.begins_with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiers_with(word: &str) -> Vec<&'static str> {
        ALL.iter().filter(|tier| tier.permissions().contains(word)).map(|tier| tier.key).collect()
    }

    // I13
    #[test]
    fn each_tier_contains_the_one_before_and_is_made_of_the_catalogue() {
        for pair in ALL.windows(2) {
            assert!(pair[0].permissions().is_subset(&pair[1].permissions()), "{}", pair[1].key);
            assert_ne!(pair[0].permissions(), pair[1].permissions());
        }
        assert!(ALL.iter().flat_map(AccountRole::permissions).all(|word| permission::known(word).is_some()));
        assert_eq!(
            ALL.iter().filter_map(AccountRole::built_in).collect::<Vec<_>>(),
            [&Role::IamViewer, &Role::IamAdmin]
        );
    }

    // I02 I29
    #[test]
    fn inviting_needs_the_editors_tier_and_removing_the_administrators() {
        assert_eq!(tiers_with("users.invite"), ["editor", "administrator"]);
        assert_eq!(tiers_with("users.remove"), ["administrator"]);
    }
}
