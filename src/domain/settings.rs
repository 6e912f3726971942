//! What an organisation may set besides its rule for losses and its sessions' lengths.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::language::Language;
use super::people::identifier::check_email;
use super::people::password::PasswordPolicy;
use super::people::second_factor::SecondFactor;
use super::people::{invitation, lockout};
use crate::config::network::Network;
use crate::kernel::id::ProjectId;

/// The most blocks of addresses.
pub const MOST_NETWORKS: usize = 200;

/// Who sees the people of an organisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserVisibility {
    /// Whoever has `users.read`; administrators of a project may look up names.
    #[default]
    Admins,
    /// Every member sees names and e-mail addresses, and nothing else.
    Everyone,
}

/// What people may change of their own accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnData {
    /// Names and other standard claims.
    Profile,
    /// The password.
    Password,
    /// The e-mail address.
    Email,
    /// The phone number.
    Phone,
}

impl OwnData {
    /// All there is: the default.
    pub const ALL: [Self; 4] = [Self::Profile, Self::Password, Self::Email, Self::Phone];
}

/// An organisation's settings. An absent key is its default, so that older rows stay readable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrgSettings {
    /// Who sees the people.
    pub user_visibility: UserVisibility,
    /// Whether only administrators make access keys.
    pub keys_by_admins_only: bool,
    /// Whether `org.reader` sees the organisation's access keys (never a secret).
    pub readers_see_keys: bool,
    /// How many sessions a member may have here at once; the oldest ends when there is one more. `None` is any number.
    pub max_sessions: Option<u32>,
    /// After how many days without a sign-in a member is suspended; `None` is never.
    pub disable_unused_days: Option<u32>,
    /// From where members may sign in and use tokens at Muster; empty is from anywhere.
    pub allowed_networks: Vec<String>,
    /// What people may change of their own accounts.
    pub own_data: BTreeSet<OwnData>,
    /// Whether people are shown when and from where their account was used last.
    pub show_last_sign_in: bool,
    /// Shown to members after the sign-in; empty is nothing.
    pub welcome_text: String,
    /// The project that members begin with, if one is set.
    pub default_project: Option<ProjectId>,
    /// What passwords of its people must be like.
    pub passwords: PasswordPolicy,
    /// Who must have a second factor, and of which kinds.
    pub second_factor: SecondFactor,
    /// When guessing at its managed accounts is stopped, and how that ends.
    pub lock: lockout::Settings,
    /// Who may be invited, and how long invitations live.
    pub invitations: invitation::Rules,
    /// The language of mails to people whose own isn't known; `None` is the instance's.
    pub language: Option<Language>,
    /// The colour of buttons in its mails and on its pages, as `#rrggbb`; empty is Muster's own.
    pub colour: String,
    /// Whom its people write to for help: an e-mail address; empty is nobody.
    pub support_email: String,
}

impl Default for OrgSettings {
    fn default() -> Self {
        Self {
            user_visibility: UserVisibility::default(),
            keys_by_admins_only: false,
            readers_see_keys: false,
            max_sessions: None,
            disable_unused_days: None,
            allowed_networks: Vec::new(),
            own_data: OwnData::ALL.into(),
            show_last_sign_in: false,
            welcome_text: String::new(),
            default_project: None,
            passwords: PasswordPolicy::default(),
            second_factor: SecondFactor::default(),
            lock: lockout::Settings::default(),
            invitations: invitation::Rules::default(),
            language: None,
            colour: String::new(),
            support_email: String::new(),
        }
    }
}

impl OrgSettings {
    /// What can't be meant so: the field, and what to do. All of it, not only the first.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if self.max_sessions.is_some_and(|most| !(1..=100).contains(&most)) {
            faults.push(("max_sessions", "Use 1 to 100, or none for any number.".to_owned()));
        }
        if self.disable_unused_days.is_some_and(|days| !(1..=240).contains(&days)) {
            faults.push(("disable_unused_days", "Use 1 to 240 days, or none for never.".to_owned()));
        }
        if self.allowed_networks.len() > MOST_NETWORKS {
            faults.push(("allowed_networks", format!("List at most {MOST_NETWORKS} blocks.")));
        }
        if let Some(bad) = self.allowed_networks.iter().find(|text| text.parse::<Network>().is_err()) {
            let text = format!("\"{bad}\" is no address and no block; write 203.0.113.7 or 203.0.113.0/24.");
            faults.push(("allowed_networks", text));
        }
        if self.welcome_text.chars().count() > 500 || self.welcome_text.chars().any(|c| c.is_control() && c != '\n') {
            faults.push(("welcome_text", "Use at most 500 characters, no control characters.".to_owned()));
        }
        if !(1..=30).contains(&self.invitations.days) {
            faults.push(("invitations.days", "Use 1 to 30 days.".to_owned()));
        }
        if !(1..=7).contains(&self.invitations.link_days) {
            faults.push(("invitations.link_days", "Use 1 to 7 days.".to_owned()));
        }
        let domains = &self.invitations.domains;
        if domains.len() > 200 || domains.iter().any(|text| text.is_empty() || text.len() > 254) {
            faults.push(("invitations.domains", "List at most 200 patterns of 1 to 254 characters.".to_owned()));
        }
        let hex = |text: &str| {
            text.strip_prefix('#').is_some_and(|h| h.len() == 6 && h.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        if !self.colour.is_empty() && !hex(&self.colour) {
            faults.push(("colour", "Write a colour as #rrggbb, or nothing.".to_owned()));
        }
        if !self.support_email.is_empty() && check_email(&self.support_email).is_err() {
            faults.push(("support_email", "This is not a complete e-mail address.".to_owned()));
        }
        faults.extend(self.passwords.faults());
        faults.extend(self.second_factor.faults());
        faults.extend(self.lock.faults());
        faults
    }

    /// Whether a member may come from this address. A block that can't be read admits nobody.
    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        self.allowed_networks.is_empty()
            || self.allowed_networks.iter().filter_map(|text| text.parse::<Network>().ok()).any(|n| n.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_row_is_the_default_and_every_limit_is_checked() {
        assert_eq!(serde_json::from_str::<OrgSettings>("{}").unwrap(), OrgSettings::default());
        let bad = OrgSettings {
            max_sessions: Some(0),
            disable_unused_days: Some(241),
            allowed_networks: vec!["300.0.0.1".to_owned()],
            welcome_text: "x".repeat(501),
            ..OrgSettings::default()
        };
        let fields: Vec<&str> = bad.faults().into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["max_sessions", "disable_unused_days", "allowed_networks", "welcome_text"]);
        assert!(OrgSettings::default().faults().is_empty());
    }

    #[test]
    fn an_address_outside_of_every_block_is_not_admitted() {
        let inside = OrgSettings { allowed_networks: vec!["10.1.0.0/16".to_owned()], ..OrgSettings::default() };
        assert!(inside.admits("10.1.2.3".parse().unwrap()) && !inside.admits("10.2.0.1".parse().unwrap()));
        assert!(OrgSettings::default().admits("10.2.0.1".parse().unwrap()));
        let unreadable = OrgSettings { allowed_networks: vec!["x".to_owned()], ..OrgSettings::default() };
        assert!(!unreadable.admits("10.2.0.1".parse().unwrap()));
    }
}
