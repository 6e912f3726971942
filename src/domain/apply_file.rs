//! The apply file: organisations and applications as an operator declares them, in TOML.
//!
//! Here stand its tables, what an absent key means, the checks that need no database (`checks`), and how a file is
//! written (`write`). What has to change so that the database says the same is decided in `flows::apply_file`; what the
//! database says is read by `flows::export`.

mod application;
mod checks;
mod invitation;
mod notices;
mod role_word;
mod service_account;
mod settings;
#[cfg(test)]
mod tests;
mod write;

use serde::{Deserialize, Deserializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::domain::access::{Policy, Window};
use crate::domain::oidc::claims::{Address, Profile};
use crate::domain::people::user::AccessType;
use crate::kernel::secret::Secret;
use crate::kernel::time::UnixMillis;

pub use application::ApplicationTable;
pub use invitation::InvitationTable;
pub use notices::{AlertTable, BundleTable};
pub use role_word::{Place, RoleWord};
pub use service_account::ServiceAccountTable;
pub use settings::SettingsTable;

/// In the list of a person's applications: any.
pub const ANY_APPLICATION: &str = "*";

/// Something in the file that can't be meant so: in which table, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{table}: {reason}")]
pub struct FileFault {
    /// The table, by its kind and name.
    pub table: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It isn't TOML, or a key is unknown, missing or of another type; the message names the line.
    #[error(transparent)]
    Syntax(#[from] toml::de::Error),
    /// All that the checks found.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Faults(Vec<FileFault>),
}

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyFile {
    /// `[[organisation]]`.
    #[serde(default, rename = "organisation")]
    pub organisations: Vec<OrganisationTable>,
    /// `[[application]]`.
    #[serde(default, rename = "application")]
    pub applications: Vec<ApplicationTable>,
}

impl ApplyFile {
    /// Reads a file and checks all that can be checked without a database.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn parse(text: &str) -> Result<Self, FileError> {
        let file: Self = toml::from_str(text)?;
        let faults = checks::all(&file);
        if faults.is_empty() { Ok(file) } else { Err(FileError::Faults(faults)) }
    }

    /// The variables that the file names, each with the table that needs it.
    #[must_use]
    pub fn variables(&self) -> Vec<(&str, String)> {
        let mut named = Vec::new();
        for table in &self.organisations {
            for person in &table.people {
                let label = || table.label_of("person", &person.user_name);
                named.extend(person.password_env.as_deref().map(|name| (name, label())));
            }
        }
        for table in &self.applications {
            named.extend(table.secret_env.as_deref().map(|name| (name, table.label())));
        }
        named
    }
}

/// `[[organisation]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganisationTable {
    /// What it is found by.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Its rule for losses; an absent one is `strict` for a new organisation, and not touched later.
    pub policy: Option<Policy>,
    /// How long a browser session may stand idle here, in seconds; an absent one is not touched.
    pub session_idle_secs: Option<i64>,
    /// How long a browser session lives here at most, in seconds; an absent one is not touched.
    pub session_absolute_secs: Option<i64>,
    /// The user name of the one person who owns it; a new organisation needs one, and an absent one is not touched
    /// later.
    pub owner: Option<String>,
    /// Whether what the file does not name goes.
    #[serde(default)]
    pub prune: bool,
    /// `[organisation.settings]`; an absent table is not touched.
    pub settings: Option<SettingsTable>,
    /// `[[organisation.project]]`.
    #[serde(default, rename = "project")]
    pub projects: Vec<ProjectTable>,
    /// `[[organisation.person]]`.
    #[serde(default, rename = "person")]
    pub people: Vec<PersonTable>,
    /// `[[organisation.group]]`.
    #[serde(default, rename = "group")]
    pub groups: Vec<GroupTable>,
    /// `[[organisation.role]]`.
    #[serde(default, rename = "role")]
    pub roles: Vec<RoleTable>,
    /// `[[organisation.binding]]`.
    #[serde(default, rename = "binding")]
    pub bindings: Vec<BindingTable>,
    /// `[[organisation.service_account]]`.
    #[serde(default, rename = "service_account")]
    pub service_accounts: Vec<ServiceAccountTable>,
    /// `[[organisation.bundle]]`.
    #[serde(default, rename = "bundle")]
    pub bundles: Vec<BundleTable>,
    /// `[[organisation.invitation]]`.
    #[serde(default, rename = "invitation")]
    pub invitations: Vec<InvitationTable>,
    /// `[[organisation.alert]]`.
    #[serde(default, rename = "alert")]
    pub alerts: Vec<AlertTable>,
}

impl OrganisationTable {
    /// The table, as messages name it.
    #[must_use]
    pub fn label(&self) -> String {
        format!("organisation \"{}\"", self.slug)
    }

    /// A table within this one, as messages name it.
    #[must_use]
    pub fn label_of(&self, kind: &str, name: &str) -> String {
        format!("{}, {kind} \"{name}\"", self.label())
    }
}

/// `[[organisation.project]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectTable {
    /// What it is found by; it never changes.
    pub key: String,
    /// Its name.
    pub name: String,
}

/// `[[organisation.role]]`: a role of the organisation's own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleTable {
    /// What it is found by; it never changes.
    pub key: String,
    /// Its name.
    pub name: String,
    /// What it is made of.
    #[serde(default)]
    pub permissions: Vec<String>,
}

/// `[[organisation.group]]`. Its lists are exact: an absent one is empty.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupTable {
    /// What it is found by, without regard to case.
    pub name: String,
    /// What it is for; an absent one is not touched.
    pub description: Option<String>,
    /// User names.
    #[serde(default)]
    pub members: Vec<String>,
    /// Words of [`RoleWord`].
    #[serde(default)]
    pub roles: Vec<String>,
}

/// A person's state, as the file may set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonState {
    /// May sign in.
    Active,
    /// May not.
    Suspended,
    /// Waits for a password; of somebody who has one it says nothing.
    Pending,
}

/// How a person's account is used, as the file may set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonAccess {
    /// By somebody who signs in with a password.
    Password,
    /// By tools, with access keys alone.
    Key,
}

impl From<PersonAccess> for AccessType {
    fn from(access: PersonAccess) -> Self {
        match access {
            PersonAccess::Password => Self::Password,
            PersonAccess::Key => Self::Key,
        }
    }
}

/// `[[organisation.person]]`. The profile and the roles are exact: what is absent is not there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonTable {
    /// What the person is found by.
    pub user_name: String,
    /// The whole name, as shown.
    pub name: Option<String>,
    /// First name.
    pub given_name: Option<String>,
    /// Middle name.
    pub middle_name: Option<String>,
    /// Surname.
    pub family_name: Option<String>,
    /// What friends say.
    pub nickname: Option<String>,
    /// How the person wants to be referred to; the user name when absent.
    pub preferred_username: Option<String>,
    /// URL of the person's page.
    pub profile: Option<String>,
    /// URL of a picture.
    pub picture: Option<String>,
    /// URL of a page or blog.
    pub website: Option<String>,
    /// In the person's words.
    pub gender: Option<String>,
    /// `YYYY-MM-DD`, or `YYYY`.
    pub birthdate: Option<String>,
    /// A zone of the tz database.
    pub zoneinfo: Option<String>,
    /// A BCP 47 tag.
    pub locale: Option<String>,
    /// Address for mail.
    pub email: Option<String>,
    /// Whether the address is known to be theirs.
    #[serde(default)]
    pub email_verified: bool,
    /// With `+` and the country code.
    pub phone: Option<String>,
    /// Whether the number is known to be theirs.
    #[serde(default)]
    pub phone_verified: bool,
    /// Postal address.
    pub address: Option<Address>,
    /// The variable with the password.
    pub password_env: Option<String>,
    /// The password as a PHC string.
    #[serde(default, deserialize_with = "unprinted")]
    pub password_hash: Option<Secret>,
    /// An absent one is `active` for a new person, and not touched later: no file revives somebody by its silence.
    pub state: Option<PersonState>,
    /// How the account is used; an absent one is `password` for a new person, and not touched later.
    pub access_type: Option<PersonAccess>,
    /// The client ids of the applications that the person may use, `*` for any; an absent list is not touched.
    pub applications: Option<Vec<String>>,
    /// Words of [`RoleWord`].
    #[serde(default)]
    pub roles: Vec<String>,
}

/// Keeps a hash out of debug output.
fn unprinted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::presented))
}

impl PersonTable {
    /// The standard claims that the table describes.
    #[must_use]
    pub fn standard_claims(&self, updated_at: i64) -> Profile {
        Profile {
            name: filled(self.name.as_ref()),
            family_name: filled(self.family_name.as_ref()),
            given_name: filled(self.given_name.as_ref()),
            middle_name: filled(self.middle_name.as_ref()),
            nickname: filled(self.nickname.as_ref()),
            preferred_username: filled(self.preferred_username.as_ref()).or_else(|| Some(self.user_name.clone())),
            profile: filled(self.profile.as_ref()),
            picture: filled(self.picture.as_ref()),
            website: filled(self.website.as_ref()),
            gender: filled(self.gender.as_ref()),
            birthdate: filled(self.birthdate.as_ref()),
            zoneinfo: filled(self.zoneinfo.as_ref()),
            locale: filled(self.locale.as_ref()),
            updated_at,
            email: filled(self.email.as_ref()),
            email_verified: self.email_verified,
            phone_number: filled(self.phone.as_ref()),
            phone_number_verified: self.phone_verified,
            address: self.address.clone().filter(|address| *address != Address::default()),
        }
    }
}

/// An empty text says the same as none.
fn filled(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty()).cloned()
}

/// A moment, written as RFC 3339 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Moment(pub UnixMillis);

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no moment; write it like \"2026-01-01T00:00:00Z\"");
        let moment = OffsetDateTime::parse(&text, &Rfc3339).map_err(|_| wrong())?;
        let millis = i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).map_err(|_| wrong())?;
        Ok(Self(UnixMillis(millis)))
    }
}

impl Moment {
    /// The moment in words; `None` beyond what RFC 3339 can say.
    #[must_use]
    pub fn text(self) -> Option<String> {
        let nanos = i128::from(self.0.0) * 1_000_000;
        OffsetDateTime::from_unix_timestamp_nanos(nanos).ok().and_then(|at| at.format(&Rfc3339).ok())
    }
}

/// `[[organisation.binding]]`: a role with a window. One without stands in the `roles` of its person or group.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BindingTable {
    /// The group that holds it, or …
    pub group: Option<String>,
    /// … the person, or …
    pub person: Option<String>,
    /// … the service account, as `project/name`.
    pub service_account: Option<String>,
    /// A word of [`RoleWord`].
    pub role: String,
    /// From when; an absent one is the beginning of time.
    pub not_before: Option<Moment>,
    /// Until when; an absent one is the end of time.
    pub not_after: Option<Moment>,
}

impl BindingTable {
    /// When it is live.
    #[must_use]
    pub fn window(&self) -> Window {
        Window {
            not_before: self.not_before.map_or(UnixMillis::MIN, |moment| moment.0),
            not_after: self.not_after.map_or(UnixMillis::MAX, |moment| moment.0),
        }
    }
}
