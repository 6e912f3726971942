//! `[[organisation.invitation]]`: somebody who is to be invited, with what they become by accepting.

use serde::Deserialize;

use crate::domain::language::Language;
use crate::domain::people::identifier::check_email;

/// `[[organisation.invitation]]`. Whoever is invited or a member already is left alone, whatever the table says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvitationTable {
    /// The address that the mail goes to, which whoever accepts must have; what it is found by, without regard to case.
    pub email: String,
    /// The whole name.
    pub name: String,
    /// First name.
    pub given_name: Option<String>,
    /// Surname.
    pub family_name: Option<String>,
    /// The language of its mails; an absent one is the organisation's.
    pub language: Option<Language>,
    /// The names of the groups to be in.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Words of [`super::RoleWord`], to hold directly.
    #[serde(default)]
    pub roles: Vec<String>,
}

impl InvitationTable {
    /// What is wrong with the address and the name.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let Err(reason) = check_email(&self.email) {
            faults.push(format!("email: {reason}"));
        }
        if self.name.trim().is_empty() || self.name.chars().any(char::is_control) {
            faults.push("name: give one, without control characters".to_owned());
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_has_an_address_and_a_name() {
        let table = |email: &str, name: &str| InvitationTable {
            email: email.to_owned(),
            name: name.to_owned(),
            ..InvitationTable::default()
        };
        assert!(table("a@b.c", "Ana").faults().is_empty());
        assert_eq!(table("a@b", " ").faults().len(), 2);
        assert!(toml::from_str::<InvitationTable>("email = \"a@b.c\"").is_err());
    }
}
