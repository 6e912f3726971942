//! `[[application]]`: a registration, and what its absent keys mean.

use serde::Deserialize;

use super::filled;
use crate::domain::keys::Alg;
use crate::domain::oauth::application::{Application, ApplicationState, AuthMethod, GrantType, Profile};
use crate::domain::oauth::scope;
use crate::kernel::id::{ApplicationId, OrgId};
use crate::kernel::secret::Digest;

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
    /// The user name of the person who answers for it, one of its organisation's; an absent one is not touched.
    pub owner: Option<String>,
    /// An absent one is `active` for a new application, and not touched later.
    pub state: Option<ApplicationState>,
    /// How it authenticates.
    #[serde(default = "defaults::auth_method")]
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
    #[serde(default = "defaults::yes")]
    pub require_pkce: bool,
    /// The rules that it lives under.
    #[serde(default = "defaults::profile")]
    pub profile: Profile,
    /// How its ID tokens are signed.
    #[serde(default = "defaults::id_token_alg")]
    pub id_token_alg: Alg,
    /// How its access tokens are signed.
    #[serde(default = "defaults::access_token_alg")]
    pub access_token_alg: Alg,
    /// The `aud` of its access tokens.
    pub resource: Option<String>,
    /// Whether role claims stand in its ID tokens too.
    #[serde(default = "defaults::yes")]
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
    /// What a browser that signs out loads in a hidden frame.
    pub frontchannel_logout_uri: Option<String>,
    /// Whether that address must be given `iss` and `sid`.
    #[serde(default)]
    pub frontchannel_logout_session_required: bool,
    /// Whether its access tokens say where their status is published.
    #[serde(default)]
    pub status_list: bool,
    /// How many bytes of role claims its tokens may carry.
    #[serde(default = "defaults::claims_budget")]
    pub claims_budget: usize,
}

pub(super) mod defaults {
    use super::{Alg, AuthMethod, Profile};

    pub const fn yes() -> bool {
        true
    }
    pub const fn auth_method() -> AuthMethod {
        AuthMethod::ClientSecretBasic
    }
    pub const fn profile() -> Profile {
        Profile::Standard
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

    /// The table that describes a registration, in an organisation with this slug. Its secrets are not told.
    #[must_use]
    pub fn of(application: Application, organisation: Option<String>, owner: Option<String>) -> Self {
        Self {
            client_id: application.client_id,
            name: application.name,
            organisation,
            owner,
            state: Some(application.state),
            auth_method: application.auth_method,
            secret_env: None,
            jwks: application.jwks,
            redirect_uris: application.redirect_uris,
            post_logout_redirect_uris: application.post_logout_redirect_uris,
            grant_types: Some(application.grant_types),
            scopes: Some(application.scopes),
            require_pkce: application.require_pkce,
            profile: application.profile,
            id_token_alg: application.id_token_alg,
            access_token_alg: application.access_token_alg,
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
        }
    }

    /// The registration that the table describes.
    #[must_use]
    pub fn registration(
        &self,
        id: ApplicationId,
        org: Option<OrgId>,
        state: ApplicationState,
        secrets: Vec<Digest>,
    ) -> Application {
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
            scopes: self.scopes.clone().unwrap_or_else(|| scope::ORDINARY.map(str::to_owned).to_vec()),
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
            frontchannel_logout_uri: filled(self.frontchannel_logout_uri.as_ref()),
            frontchannel_logout_session_required: self.frontchannel_logout_session_required,
            status_list: self.status_list,
            claims_budget: self.claims_budget,
        }
    }
}
