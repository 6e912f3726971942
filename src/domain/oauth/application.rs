//! An application: an OAuth client, as its registration describes it (RFC 7591 §2 names most fields).
//!
//! Whether a registration is acceptable is decided in [`crate::domain::oauth::registration`]; what a request of
//! the application may ask, in [`crate::domain::oauth::authorization_request`].

use serde::{Deserialize, Serialize};

use crate::domain::keys::Alg;
use crate::domain::oauth::redirect_uri;
use crate::domain::oauth::scope::{self, Scopes};
use crate::kernel::id::{ApplicationId, OrgId};
use crate::kernel::secret::Digest;

words! {
    /// Whether an application may be used at all.
    pub enum ApplicationState {
        /// It works.
        Active = "active",
        /// Its requests are refused and its tokens are dead.
        Disabled = "disabled",
    }
}

words! {
    /// How an application proves at our endpoints who it is (OpenID Connect Core §9).
    pub enum AuthMethod {
        /// It can't: a public client.
        None = "none",
        /// A secret in the Authorization header.
        ClientSecretBasic = "client_secret_basic",
        /// A secret in the form.
        ClientSecretPost = "client_secret_post",
        /// An assertion signed with a key of its `jwks`.
        PrivateKeyJwt = "private_key_jwt",
    }
}

words! {
    /// A grant that an application may use. Implicit and password have no word here and never will.
    pub enum GrantType {
        /// RFC 6749 §4.1.
        AuthorizationCode = "authorization_code",
        /// RFC 6749 §6.
        RefreshToken = "refresh_token",
        /// RFC 6749 §4.4.
        ClientCredentials = "client_credentials",
        /// RFC 8628 §3.4.
        DeviceCode = "urn:ietf:params:oauth:grant-type:device_code",
    }
}

words! {
    /// The rules an application lives under.
    pub enum Profile {
        /// OAuth 2.0 with RFC 9700.
        Standard = "standard",
        /// FAPI 2.0: the assertion's `aud` is the issuer alone and refresh tokens aren't rotated.
        Fapi2 = "fapi2",
    }
}

/// An OAuth client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// Our id.
    pub id: ApplicationId,
    /// The `client_id` on the wire.
    pub client_id: String,
    /// The organisation it belongs to, if any.
    pub org: Option<OrgId>,
    /// What people read.
    pub name: String,
    /// Whether it may be used.
    pub state: ApplicationState,
    /// How it authenticates.
    pub auth_method: AuthMethod,
    /// Digests of its live secrets; two may overlap. They never leave the process.
    #[serde(skip)]
    pub secrets: Vec<Digest>,
    /// Its public keys, a JWK Set.
    pub jwks: Option<String>,
    /// Where answers may go.
    pub redirect_uris: Vec<String>,
    /// Where a browser may go after signing out.
    pub post_logout_redirect_uris: Vec<String>,
    /// The grants it may use.
    pub grant_types: Vec<GrantType>,
    /// The scopes it may ask for.
    pub scopes: Vec<String>,
    /// Whether it must send a PKCE challenge although it is confidential.
    pub require_pkce: bool,
    /// The rules it lives under.
    pub profile: Profile,
    /// How its ID tokens are signed.
    pub id_token_alg: Alg,
    /// How its access tokens are signed.
    pub access_token_alg: Alg,
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
    /// Where a sign-in can be begun by a third party (OpenID Connect Core §4).
    pub initiate_login_uri: Option<String>,
    /// Where logout tokens go.
    pub backchannel_logout_uri: Option<String>,
    /// Whether a logout token must carry `sid`.
    pub backchannel_logout_session_required: bool,
    /// What a browser that signs out loads in a hidden frame (OpenID Connect Front-Channel Logout 1.0 §2).
    #[serde(default)]
    pub frontchannel_logout_uri: Option<String>,
    /// Whether that address must be given `iss` and `sid`.
    #[serde(default)]
    pub frontchannel_logout_session_required: bool,
    /// Whether its access tokens say where their status is published.
    #[serde(default)]
    pub status_list: bool,
    /// How many bytes of role claims its tokens may carry.
    pub claims_budget: usize,
}

impl Application {
    /// The origins that a public application's pages come from, taken from its web redirect URIs: those that may read
    /// an answer of the token endpoint across origins. A confidential application has no business in a browser.
    #[must_use]
    pub fn page_origins(&self) -> std::collections::BTreeSet<String> {
        let uris = self.redirect_uris.iter().filter(|_| self.is_public());
        let origins = uris.filter_map(|uri| url::Url::parse(uri).ok()).map(|url| url.origin());
        origins.filter(url::Origin::is_tuple).map(|origin| origin.ascii_serialization()).collect()
    }

    /// Whether it can't keep a secret (RFC 6749 §2.1).
    #[must_use]
    pub const fn is_public(&self) -> bool {
        matches!(self.auth_method, AuthMethod::None)
    }

    /// Whether an authorization request without a PKCE challenge is refused (RFC 9700 §2.1.1).
    #[must_use]
    pub const fn pkce_required(&self) -> bool {
        self.require_pkce || self.is_public() || matches!(self.profile, Profile::Fapi2)
    }

    /// Whether it may use a grant.
    #[must_use]
    pub fn allows(&self, grant: GrantType) -> bool {
        self.grant_types.contains(&grant)
    }

    /// Whether another program could receive its answers: a loopback or private-use redirect URI.
    ///
    /// RFC 8252 §8.6: such an application is never approved silently, whatever was allowed before.
    #[must_use]
    pub fn has_unverifiable_redirect(&self) -> bool {
        self.redirect_uris.iter().any(|uri| redirect_uri::is_unverifiable(uri))
    }

    /// What remains of the scopes that were asked for: those that are registered.
    ///
    /// `offline_access` needs the refresh grant; `project:<key>` only narrows, so that it comes with `roles`.
    #[must_use]
    pub fn permitted_scopes(&self, asked: &Scopes) -> Scopes {
        asked.iter().filter(|word| self.permits_scope(word)).map(str::to_owned).collect()
    }

    fn permits_scope(&self, word: &str) -> bool {
        let registered = |name: &str| self.scopes.iter().any(|scope| scope == name);
        if word == scope::OFFLINE_ACCESS {
            return registered(word) && self.allows(GrantType::RefreshToken);
        }
        registered(word) || (scope::project_key(word).is_some() && registered(scope::ROLES))
    }
}

/// An application for the tests of this floor.
#[cfg(test)]
pub(crate) fn sample() -> Application {
    Application {
        id: ApplicationId::from_u128(1),
        client_id: "shop".to_owned(),
        org: None,
        name: "Shop".to_owned(),
        state: ApplicationState::Active,
        auth_method: AuthMethod::ClientSecretBasic,
        secrets: Vec::new(),
        jwks: None,
        redirect_uris: vec!["https://shop.example/cb".to_owned()],
        post_logout_redirect_uris: vec!["https://shop.example/".to_owned()],
        grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        scopes: ["openid", "profile", "email", "offline_access", "roles"].map(str::to_owned).to_vec(),
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_and_fapi2_applications_must_use_pkce_whatever_their_setting() {
        let mut application = sample();
        application.require_pkce = false;
        assert!(!application.pkce_required());
        application.profile = Profile::Fapi2;
        assert!(application.pkce_required());
        application.profile = Profile::Standard;
        application.auth_method = AuthMethod::None;
        assert!(application.is_public() && application.pkce_required());
    }

    #[test]
    fn a_loopback_or_private_redirect_can_not_be_verified() {
        let mut application = sample();
        assert!(!application.has_unverifiable_redirect());
        for uri in ["http://127.0.0.1/cb", "http://[::1]:80/cb", "http://localhost/cb", "com.example.app:/cb"] {
            application.redirect_uris = vec!["https://shop.example/cb".to_owned(), uri.to_owned()];
            assert!(application.has_unverifiable_redirect(), "{uri}");
        }
    }

    #[test]
    fn unregistered_scopes_are_dropped_and_offline_access_needs_the_refresh_grant() {
        let mut application = sample();
        let asked = Scopes::parse("openid offline_access phone project:web").expect("well formed");
        assert_eq!(application.permitted_scopes(&asked).to_string(), "offline_access openid project:web");
        application.grant_types = vec![GrantType::AuthorizationCode];
        application.scopes.retain(|scope| scope != "roles");
        assert_eq!(application.permitted_scopes(&asked).to_string(), "openid");
    }

    #[test]
    fn grants_that_are_not_offered_have_no_word() {
        for bad in ["password", "implicit", "", "Authorization_Code", "refresh_token ", "device_code"] {
            assert!(bad.parse::<GrantType>().is_err(), "{bad}");
        }
        for grant in GrantType::ALL {
            assert_eq!(grant.as_str().parse::<GrantType>(), Ok(*grant));
        }
    }

    #[test]
    fn secrets_do_not_leave_by_serialisation() {
        let mut application = sample();
        application.secrets = vec![Digest::of(b"x")];
        let text = serde_json::to_string(&application).expect("a plain struct");
        assert!(!text.contains("secrets"));
        let back: Application = serde_json::from_str(&text).expect("what we wrote");
        assert!(back.secrets.is_empty() && back.auth_method == AuthMethod::ClientSecretBasic);
    }
}
