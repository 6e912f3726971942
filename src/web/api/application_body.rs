//! An application's registration as the API shows and reads it.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::problem::Problem;
use super::words::moment;
use crate::domain::keys::Alg;
use crate::domain::oauth::application::{Application, ApplicationState, AuthMethod, GrantType, Profile};
use crate::domain::oauth::scope;
use crate::kernel::id::{ApplicationId, OrgId};
use crate::store::application_list::Listed;

/// An application: an OAuth client.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Application)]
pub struct ApplicationBody {
    /// Its id.
    pub id: String,
    /// What it calls itself at the endpoints. It never changes.
    pub client_id: String,
    /// The organisation that it belongs to; absent for one of the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org_id: Option<String>,
    /// The membership that answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What people read.
    pub name: String,
    /// `active`, or `disabled`: its requests are refused and its tokens are dead.
    pub state: &'static str,
    /// How it authenticates: `none`, `client_secret_basic`, `client_secret_post` or `private_key_jwt`.
    pub auth_method: &'static str,
    /// How many secrets it has that work: two while one follows the other.
    pub secrets: usize,
    /// Its public keys, a JWK Set.
    #[schema(value_type = Option<Object>)]
    pub jwks: Option<Value>,
    /// Where answers may go.
    pub redirect_uris: Vec<String>,
    /// Where a browser may go after signing out.
    pub post_logout_redirect_uris: Vec<String>,
    /// The grants that it may use.
    pub grant_types: Vec<&'static str>,
    /// The scopes that it may ask for.
    pub scopes: Vec<String>,
    /// Whether it must send a PKCE challenge although it is confidential.
    pub require_pkce: bool,
    /// The rules that it lives under: `standard` or `fapi2`.
    pub profile: &'static str,
    /// How its ID tokens are signed: `ES256`, `RS256` or `EdDSA`.
    pub id_token_alg: &'static str,
    /// How its access tokens are signed: `ES256`, `RS256` or `EdDSA`.
    pub access_token_alg: &'static str,
    /// The `aud` of its access tokens (RFC 8707); the issuer when none.
    pub resource: Option<String>,
    /// Whether role claims stand in its ID tokens too.
    pub roles_in_id_token: bool,
    /// Whether a person without a membership may sign in to it.
    pub allow_no_org: bool,
    /// Whether people are not asked for consent.
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
    pub backchannel_logout_session_required: bool,
    /// What a browser that signs out loads in a hidden frame.
    pub frontchannel_logout_uri: Option<String>,
    /// Whether that address must be given `iss` and `sid`; both are always given.
    pub frontchannel_logout_session_required: bool,
    /// Whether its access tokens say where their status is published (Token Status List).
    pub status_list: bool,
    /// How many bytes of role claims its tokens may carry.
    pub claims_budget: usize,
    /// When it was registered (RFC 3339).
    pub created_at: String,
    /// When its registration was last written (RFC 3339).
    pub updated_at: String,
}

impl From<Listed> for ApplicationBody {
    fn from(listed: Listed) -> Self {
        let Listed { application, owner, created_at, updated_at } = listed;
        Self {
            id: application.id.into_string(),
            client_id: application.client_id,
            org_id: application.org.map(OrgId::into_string),
            owner: owner.map(crate::kernel::id::MembershipId::into_string),
            name: application.name,
            state: application.state.as_str(),
            auth_method: application.auth_method.as_str(),
            secrets: application.secrets.len(),
            jwks: application.jwks.and_then(|jwks| serde_json::from_str(&jwks).ok()),
            redirect_uris: application.redirect_uris,
            post_logout_redirect_uris: application.post_logout_redirect_uris,
            grant_types: application.grant_types.iter().map(|grant| grant.as_str()).collect(),
            scopes: application.scopes,
            require_pkce: application.require_pkce,
            profile: application.profile.as_str(),
            id_token_alg: application.id_token_alg.name(),
            access_token_alg: application.access_token_alg.name(),
            resource: application.resource,
            roles_in_id_token: application.roles_in_id_token,
            allow_no_org: application.allow_no_org,
            trusted: application.trusted,
            logo_uri: application.logo_uri,
            policy_uri: application.policy_uri,
            tos_uri: application.tos_uri,
            initiate_login_uri: application.initiate_login_uri,
            backchannel_logout_uri: application.backchannel_logout_uri,
            backchannel_logout_session_required: application.backchannel_logout_session_required,
            frontchannel_logout_uri: application.frontchannel_logout_uri,
            frontchannel_logout_session_required: application.frontchannel_logout_session_required,
            status_list: application.status_list,
            claims_budget: application.claims_budget,
            created_at: moment(created_at),
            updated_at: moment(updated_at),
        }
    }
}

/// A field that can be cleared: absent, null, or a value.
#[derive(Clone, Debug, Default)]
pub enum Clearable<T> {
    /// It is not there, and what is there stays.
    #[default]
    Absent,
    /// A value, or none.
    Given(Option<T>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Clearable<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Option::deserialize(from).map(Self::Given)
    }
}

impl<T: Clone> Clearable<T> {
    fn put(&self, into: &mut Option<T>) {
        if let Self::Given(value) = self {
            into.clone_from(value);
        }
    }
}

/// The fields of a registration. What is absent takes its default in a new one, and stays in a change; null clears.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationFields {
    /// 1 to 128 visible characters, for a new one only; one is made if none is given.
    pub client_id: Option<String>,
    /// 1 to 200 characters; a new one must have it.
    pub name: Option<String>,
    /// `active` or `disabled`.
    pub state: Option<String>,
    /// `none`, `client_secret_basic`, `client_secret_post` or `private_key_jwt`.
    pub auth_method: Option<String>,
    /// Its public keys, a JWK Set.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub jwks: Clearable<Value>,
    /// Where answers may go.
    pub redirect_uris: Option<Vec<String>>,
    /// Where a browser may go after signing out.
    pub post_logout_redirect_uris: Option<Vec<String>>,
    /// The grants that it may use; a new one gets those that its redirect URIs suggest.
    pub grant_types: Option<Vec<String>>,
    /// The scopes that it may ask for; a new one gets all ordinary ones.
    pub scopes: Option<Vec<String>>,
    /// Whether it must send a PKCE challenge although it is confidential; yes unless said otherwise.
    pub require_pkce: Option<bool>,
    /// `standard` or `fapi2`.
    pub profile: Option<String>,
    /// `ES256`, `RS256` or `EdDSA`.
    pub id_token_alg: Option<String>,
    /// `ES256`, `RS256` or `EdDSA`.
    pub access_token_alg: Option<String>,
    /// The `aud` of its access tokens (RFC 8707).
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub resource: Clearable<String>,
    /// Whether role claims stand in its ID tokens too; yes unless said otherwise.
    pub roles_in_id_token: Option<bool>,
    /// Whether a person without a membership may sign in to it.
    pub allow_no_org: Option<bool>,
    /// Whether people are not asked for consent.
    pub trusted: Option<bool>,
    /// Shown on the sign-in page.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub logo_uri: Clearable<String>,
    /// Linked from the sign-in page.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub policy_uri: Clearable<String>,
    /// Linked from the sign-in page.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub tos_uri: Clearable<String>,
    /// Where a sign-in can be begun by a third party.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub initiate_login_uri: Clearable<String>,
    /// Where logout tokens go.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub backchannel_logout_uri: Clearable<String>,
    /// Whether a logout token must carry `sid`.
    pub backchannel_logout_session_required: Option<bool>,
    /// What a browser that signs out loads in a hidden frame, on the origin of a redirect URI.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub frontchannel_logout_uri: Clearable<String>,
    /// Whether that address must be given `iss` and `sid`.
    pub frontchannel_logout_session_required: Option<bool>,
    /// Whether its access tokens say where their status is published; no unless said otherwise.
    pub status_list: Option<bool>,
    /// How many bytes of role claims its tokens may carry; 4,096 unless said otherwise.
    pub claims_budget: Option<usize>,
}

fn set<T: Clone>(into: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        *into = value.clone();
    }
}

/// Reads one of the words that stand for a value.
fn set_word<T: FromStr>(into: &mut T, field: &str, word: Option<&String>) -> Result<(), Problem>
where
    T::Err: Display,
{
    if let Some(word) = word {
        *into = read_word(field, word)?;
    }
    Ok(())
}

fn read_word<T: FromStr>(field: &str, word: &str) -> Result<T, Problem>
where
    T::Err: Display,
{
    word.parse()
        .map_err(|error: T::Err| Problem::invalid(field, format!("\"{word}\" is {}.", error.to_string().trim_end())))
}

/// Whether an application authenticates with a secret.
pub const fn has_secret(method: AuthMethod) -> bool {
    matches!(method, AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost)
}

impl ApplicationFields {
    /// A new registration, without its secret.
    ///
    /// # Errors
    /// It has no name, or a word is none of those that there are.
    pub fn new_registration(&self, org: Option<OrgId>) -> Result<Application, Problem> {
        let Some(name) = self.name.clone() else {
            return Err(Problem::invalid("name", "Say what people call the application."));
        };
        let id = ApplicationId::fresh();
        let client_id = self.client_id.clone().unwrap_or_else(|| id.to_string());
        let grant_types = match &self.redirect_uris {
            Some(uris) if !uris.is_empty() => vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            _ => vec![GrantType::ClientCredentials],
        };
        self.onto(Application {
            id,
            client_id,
            org,
            name,
            state: ApplicationState::Active,
            auth_method: AuthMethod::ClientSecretBasic,
            secrets: Vec::new(),
            jwks: None,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            grant_types,
            scopes: scope::ORDINARY.map(str::to_owned).to_vec(),
            require_pkce: true,
            profile: Profile::Standard,
            id_token_alg: Alg::Rs256,
            access_token_alg: Alg::Es256,
            resource: None,
            roles_in_id_token: true,
            allow_no_org: false,
            trusted: false,
            logo_uri: None,
            policy_uri: None,
            tos_uri: None,
            initiate_login_uri: None,
            backchannel_logout_uri: None,
            backchannel_logout_session_required: false,
            frontchannel_logout_uri: None,
            frontchannel_logout_session_required: false,
            status_list: false,
            claims_budget: 4096,
        })
    }

    /// A registration with these fields instead of its own. One that authenticates with no secret any more keeps none.
    ///
    /// # Errors
    /// Another client id, or a word is none of those that there are.
    pub fn onto(&self, mut to: Application) -> Result<Application, Problem> {
        if self.client_id.as_ref().is_some_and(|id| *id != to.client_id) {
            return Err(Problem::invalid("client_id", "It never changes: register another application instead."));
        }
        set(&mut to.name, self.name.as_ref());
        set_word(&mut to.state, "state", self.state.as_ref())?;
        set_word(&mut to.auth_method, "auth_method", self.auth_method.as_ref())?;
        if let Clearable::Given(jwks) = &self.jwks {
            to.jwks = jwks.as_ref().map(ToString::to_string);
        }
        set(&mut to.redirect_uris, self.redirect_uris.as_ref());
        set(&mut to.post_logout_redirect_uris, self.post_logout_redirect_uris.as_ref());
        if let Some(words) = &self.grant_types {
            to.grant_types = words.iter().map(|word| read_word("grant_types", word)).collect::<Result<_, _>>()?;
        }
        set(&mut to.scopes, self.scopes.as_ref());
        set(&mut to.require_pkce, self.require_pkce.as_ref());
        set_word(&mut to.profile, "profile", self.profile.as_ref())?;
        set_word(&mut to.id_token_alg, "id_token_alg", self.id_token_alg.as_ref())?;
        set_word(&mut to.access_token_alg, "access_token_alg", self.access_token_alg.as_ref())?;
        self.resource.put(&mut to.resource);
        set(&mut to.roles_in_id_token, self.roles_in_id_token.as_ref());
        set(&mut to.allow_no_org, self.allow_no_org.as_ref());
        set(&mut to.trusted, self.trusted.as_ref());
        self.logo_uri.put(&mut to.logo_uri);
        self.policy_uri.put(&mut to.policy_uri);
        self.tos_uri.put(&mut to.tos_uri);
        self.initiate_login_uri.put(&mut to.initiate_login_uri);
        self.backchannel_logout_uri.put(&mut to.backchannel_logout_uri);
        set(&mut to.backchannel_logout_session_required, self.backchannel_logout_session_required.as_ref());
        self.frontchannel_logout_uri.put(&mut to.frontchannel_logout_uri);
        set(&mut to.frontchannel_logout_session_required, self.frontchannel_logout_session_required.as_ref());
        set(&mut to.status_list, self.status_list.as_ref());
        set(&mut to.claims_budget, self.claims_budget.as_ref());
        if !has_secret(to.auth_method) {
            to.secrets.clear();
        }
        Ok(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::oauth::application::sample;
    use crate::kernel::secret::Digest;
    use crate::kernel::time::UnixMillis;

    fn fields(text: &str) -> ApplicationFields {
        serde_json::from_str(text).expect("fields")
    }

    #[test]
    fn what_is_absent_stays_and_null_clears() {
        let mut before = sample();
        before.logo_uri = Some("https://shop.example/logo".to_owned());
        before.tos_uri = Some("https://shop.example/tos".to_owned());
        let after = fields(r#"{ "logo_uri": null, "name": "Store" }"#).onto(before.clone()).expect("fits");
        assert_eq!((after.logo_uri, after.name.as_str()), (None, "Store"));
        assert_eq!((after.tos_uri, after.redirect_uris), (before.tos_uri, before.redirect_uris));
    }

    #[test]
    fn a_client_id_never_changes_and_words_must_be_known() {
        for bad in [r#"{ "client_id": "other" }"#, r#"{ "grant_types": ["password"] }"#, r#"{ "state": "gone" }"#] {
            assert!(fields(bad).onto(sample()).is_err(), "{bad}");
        }
        assert!(fields("{}").new_registration(None).is_err(), "a name is needed");
        assert!(serde_json::from_str::<ApplicationFields>(r#"{ "secrets": [] }"#).is_err());
    }

    #[test]
    fn an_application_that_becomes_public_has_no_secret_left() {
        let mut before = sample();
        before.secrets = vec![Digest::of(b"x")];
        assert_eq!(fields(r#"{ "name": "x" }"#).onto(before.clone()).expect("fits").secrets.len(), 1);
        assert!(fields(r#"{ "auth_method": "none" }"#).onto(before).expect("fits").secrets.is_empty());
    }

    // H10
    #[test]
    fn a_registration_is_shown_without_its_secrets() {
        let mut application = sample();
        application.secrets = vec![Digest::of(b"x")];
        let digest = application.secrets[0].base64url();
        let listed = Listed { application, owner: None, created_at: UnixMillis(0), updated_at: UnixMillis(0) };
        let shown = serde_json::to_value(ApplicationBody::from(listed)).expect("a plain struct");
        assert_eq!(shown["secrets"], 1);
        assert!(!shown.to_string().contains(&digest));
    }
}
