//! `[organisation.settings]`: what an organisation sets besides its rule for losses and its sessions' lengths.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::domain::language::Language;
use crate::domain::people::password::PasswordPolicy;
use crate::domain::people::second_factor::SecondFactor;
use crate::domain::people::{invitation, lockout};
use crate::domain::settings::{OrgSettings, OwnData, UserVisibility};
use crate::kernel::id::ProjectId;

/// `[organisation.settings]`. The table is exact: an absent key means its default.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsTable {
    /// Who sees the people.
    pub user_visibility: UserVisibility,
    /// Whether only administrators make access keys.
    pub keys_by_admins_only: bool,
    /// Whether `org.reader` sees the organisation's access keys.
    pub readers_see_keys: bool,
    /// How many sessions a member may have at once; any number when absent.
    pub max_sessions: Option<u32>,
    /// After how many days without a sign-in a member is suspended; never when absent.
    pub disable_unused_days: Option<u32>,
    /// From where members may come; from anywhere when empty.
    pub allowed_networks: Vec<String>,
    /// What people may change of their own accounts; all of it when absent.
    pub own_data: BTreeSet<OwnData>,
    /// Whether people are shown when and from where their account was used last.
    pub show_last_sign_in: bool,
    /// Shown to members after the sign-in.
    pub welcome_text: String,
    /// The key of the project that members begin with.
    pub default_project: Option<String>,
    /// What passwords of its people must be like.
    pub passwords: PasswordPolicy,
    /// Who must have a second factor, and of which kinds.
    pub second_factor: SecondFactor,
    /// When guessing at its managed accounts is stopped, and how that ends; what is absent in it is the instance's.
    pub lock: lockout::Settings,
    /// Who may be invited, and how long invitations live.
    pub invitations: invitation::Rules,
    /// The language of mails to people whose own isn't known; the instance's when absent.
    pub language: Option<Language>,
    /// The colour of buttons in its mails and on its pages, as `#rrggbb`; Muster's own when empty.
    pub colour: String,
    /// Whom its people write to for help: an e-mail address; nobody when empty.
    pub support_email: String,
}

impl Default for SettingsTable {
    fn default() -> Self {
        Self::of(OrgSettings::default(), None)
    }
}

impl SettingsTable {
    /// The table that describes some settings, whose default project has this key.
    #[must_use]
    pub fn of(settings: OrgSettings, default_project: Option<String>) -> Self {
        Self {
            user_visibility: settings.user_visibility,
            keys_by_admins_only: settings.keys_by_admins_only,
            readers_see_keys: settings.readers_see_keys,
            max_sessions: settings.max_sessions,
            disable_unused_days: settings.disable_unused_days,
            allowed_networks: settings.allowed_networks,
            own_data: settings.own_data,
            show_last_sign_in: settings.show_last_sign_in,
            welcome_text: settings.welcome_text,
            default_project,
            passwords: settings.passwords,
            second_factor: settings.second_factor,
            lock: settings.lock,
            invitations: settings.invitations,
            language: settings.language,
            colour: settings.colour,
            support_email: settings.support_email,
        }
    }

    /// The settings that the table describes, with its default project found.
    #[must_use]
    pub fn settings(&self, default_project: Option<ProjectId>) -> OrgSettings {
        OrgSettings {
            user_visibility: self.user_visibility,
            keys_by_admins_only: self.keys_by_admins_only,
            readers_see_keys: self.readers_see_keys,
            max_sessions: self.max_sessions,
            disable_unused_days: self.disable_unused_days,
            allowed_networks: self.allowed_networks.clone(),
            own_data: self.own_data.clone(),
            show_last_sign_in: self.show_last_sign_in,
            welcome_text: self.welcome_text.clone(),
            default_project,
            passwords: self.passwords.clone(),
            second_factor: self.second_factor.clone(),
            lock: self.lock,
            invitations: self.invitations.clone(),
            language: self.language,
            colour: self.colour.clone(),
            support_email: self.support_email.clone(),
        }
    }
}
