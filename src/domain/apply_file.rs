//! The apply file: organisations and applications as an operator declares them, in TOML.
//!
//! Here stand its tables, what an absent key means, and the checks that need no database ([`checks`]). What has to
//! change so that the database says the same is decided in `flows::apply_file`.

mod checks;
mod role_word;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::domain::access::{Policy, Window};
use crate::domain::keys::Alg;
use crate::domain::oauth::application::{self, Application, ApplicationState, AuthMethod, GrantType};
use crate::domain::oauth::scope;
use crate::domain::oidc::claims::{Address, Profile};
use crate::kernel::id::{ApplicationId, OrgId};
use crate::kernel::secret::{Digest, Secret};
use crate::kernel::time::UnixMillis;

pub use role_word::{Place, RoleWord};

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
}

/// `[[organisation]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganisationTable {
    /// What it is found by.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Its rule for losses; an absent one is `strict` for a new organisation, and not touched later.
    pub policy: Option<Policy>,
    /// The user name of the one person who owns it.
    pub owner: String,
    /// Whether what the file does not name goes.
    #[serde(default)]
    pub prune: bool,
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
}

/// `[[organisation.person]]`. The profile and the roles are exact: what is absent is not there.
#[derive(Clone, Debug, Deserialize)]
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

/// `[[organisation.binding]]`: a role with a window. One without stands in the `roles` of its person or group.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BindingTable {
    /// The group that holds it, or …
    pub group: Option<String>,
    /// … the person.
    pub person: Option<String>,
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

/// `[[application]]`. The whole registration is exact: an absent key means its default, but for `state`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationTable {
    /// What it is found by.
    pub client_id: String,
    /// What people read.
    pub name: String,
    /// The slug of the organisation that it belongs to.
    pub organisation: Option<String>,
    /// An absent one is `active` for a new application, and not touched later.
    pub state: Option<ApplicationState>,
    /// How it authenticates.
    #[serde(default = "default::auth_method")]
    pub auth_method: AuthMethod,
    /// The variable with its secret.
    pub secret_env: Option<String>,
    /// Its public keys, a JWK Set.
    pub jwks: Option<String>,
    /// Where answers may go.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Where a browser may go after signing out.
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    /// The grants that it may use; see [`ApplicationTable::grants`].
    pub grant_types: Option<Vec<GrantType>>,
    /// The scopes that it may ask for; all that are known when absent.
    pub scopes: Option<Vec<String>>,
    /// Whether it must send a PKCE challenge although it is confidential.
    #[serde(default = "default::yes")]
    pub require_pkce: bool,
    /// The rules that it lives under.
    #[serde(default = "default::profile")]
    pub profile: application::Profile,
    /// How its ID tokens are signed.
    #[serde(default = "default::id_token_alg")]
    pub id_token_alg: Alg,
    /// How its access tokens are signed.
    #[serde(default = "default::access_token_alg")]
    pub access_token_alg: Alg,
    /// The `aud` of its access tokens.
    pub resource: Option<String>,
    /// Whether role claims stand in its ID tokens too.
    #[serde(default = "default::yes")]
    pub roles_in_id_token: bool,
    /// Whether a person without a membership may sign in to it.
    #[serde(default)]
    pub allow_no_org: bool,
    /// Whether people are not asked for consent.
    #[serde(default)]
    pub trusted: bool,
    /// Shown on the sign-in page.
    pub logo_uri: Option<String>,
    /// Linked from the sign-in page.
    pub policy_uri: Option<String>,
    /// Linked from the sign-in page.
    pub tos_uri: Option<String>,
    /// Where a sign-in can be begun by a third party.
    pub initiate_login_uri: Option<String>,
    /// Where logout tokens go.
    pub backchannel_logout_uri: Option<String>,
    /// Whether a logout token must carry `sid`.
    #[serde(default)]
    pub backchannel_logout_session_required: bool,
    /// How many bytes of role claims its tokens may carry.
    #[serde(default = "default::claims_budget")]
    pub claims_budget: usize,
}

mod default {
    use super::{Alg, AuthMethod, application};

    pub const fn yes() -> bool {
        true
    }
    pub const fn auth_method() -> AuthMethod {
        AuthMethod::ClientSecretBasic
    }
    pub const fn profile() -> application::Profile {
        application::Profile::Standard
    }
    pub const fn id_token_alg() -> Alg {
        Alg::Rs256
    }
    pub const fn access_token_alg() -> Alg {
        Alg::Es256
    }
    pub const fn claims_budget() -> usize {
        4096
    }
}

impl ApplicationTable {
    /// The table, as messages name it.
    #[must_use]
    pub fn label(&self) -> String {
        format!("application \"{}\"", self.client_id)
    }

    /// Whether it authenticates with a secret.
    #[must_use]
    pub const fn has_secret(&self) -> bool {
        matches!(self.auth_method, AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost)
    }

    /// The grants that it may use: those listed, else what its redirect URIs suggest.
    #[must_use]
    pub fn grants(&self) -> Vec<GrantType> {
        match &self.grant_types {
            Some(listed) => listed.clone(),
            None if self.redirect_uris.is_empty() => vec![GrantType::ClientCredentials],
            None => vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        }
    }

    /// The registration that the table describes.
    #[must_use]
    pub fn registration(&self, id: ApplicationId, org: Option<OrgId>, state: ApplicationState, secrets: Vec<Digest>) -> Application {
        Application {
            id,
            client_id: self.client_id.clone(),
            org,
            name: self.name.clone(),
            state,
            auth_method: self.auth_method,
            secrets,
            jwks: filled(self.jwks.as_ref()),
            redirect_uris: self.redirect_uris.clone(),
            post_logout_redirect_uris: self.post_logout_redirect_uris.clone(),
            grant_types: self.grants(),
            scopes: self.scopes.clone().unwrap_or_else(|| scope::KNOWN.map(str::to_owned).to_vec()),
            require_pkce: self.require_pkce,
            profile: self.profile,
            id_token_alg: self.id_token_alg,
            access_token_alg: self.access_token_alg,
            resource: filled(self.resource.as_ref()),
            roles_in_id_token: self.roles_in_id_token,
            allow_no_org: self.allow_no_org,
            trusted: self.trusted,
            logo_uri: filled(self.logo_uri.as_ref()),
            policy_uri: filled(self.policy_uri.as_ref()),
            tos_uri: filled(self.tos_uri.as_ref()),
            initiate_login_uri: filled(self.initiate_login_uri.as_ref()),
            backchannel_logout_uri: filled(self.backchannel_logout_uri.as_ref()),
            backchannel_logout_session_required: self.backchannel_logout_session_required,
            claims_budget: self.claims_budget,
        }
    }
}
