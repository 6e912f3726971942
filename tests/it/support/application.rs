//! Applications as stories register them.

use std::collections::BTreeSet;

use josekit::jwk::{Jwk, alg::ec::EcCurve};
use muster::domain::change::Change;
use muster::domain::keys::Alg;
use muster::domain::oauth::application::{Application, ApplicationState, AuthMethod, GrantType, Profile};
use muster::flows::rotate_keys;
use muster::kernel::id::ApplicationId;
use muster::kernel::secret::Secret;

use super::world::World;

/// Where answers go. It is never called; https keeps it out of the rule for loopback redirects, which always ask.
pub const REDIRECT_URI: &str = "https://shop.example/callback";

/// How a registered application proves who it is.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// It can't.
    None,
    /// A secret in the Authorization header.
    Basic(String),
    /// A secret in the form.
    Post(String),
    /// A private key.
    Key(Box<Jwk>),
}

/// A registered application, with what its maker knows of it.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The registration.
    pub application: Application,
    /// How it proves who it is.
    pub credentials: Credentials,
}

/// A confidential application with the code, refresh and client credentials grants, trusted, signing with ES256.
pub fn sample(client_id: &str) -> Application {
    Application {
        id: ApplicationId::fresh(),
        client_id: client_id.to_owned(),
        org: None,
        name: format!("The {client_id}"),
        state: ApplicationState::Active,
        auth_method: AuthMethod::ClientSecretBasic,
        secrets: Vec::new(),
        jwks: None,
        redirect_uris: vec![REDIRECT_URI.to_owned()],
        post_logout_redirect_uris: vec!["https://shop.example/".to_owned()],
        grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::ClientCredentials],
        scopes: ["openid", "profile", "email", "offline_access", "roles", "groups"].map(str::to_owned).to_vec(),
        require_pkce: true,
        profile: Profile::Standard,
        id_token_alg: Alg::Es256,
        access_token_alg: Alg::Es256,
        resource: None,
        roles_in_id_token: true,
        allow_no_org: false,
        trusted: true,
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

/// Registers an application and gives it what its method of authentication needs.
pub async fn register(world: &World, client_id: &str, change: impl FnOnce(&mut Application)) -> Registered {
    let mut application = sample(client_id);
    change(&mut application);
    let credentials = credentials(world, &mut application);
    world.act(vec![Change::PutApplication(Box::new(application.clone()))]).await;
    let algs = BTreeSet::from([application.id_token_alg, application.access_token_alg]);
    rotate_keys::ensure(world, &algs).await.expect("keys can be made");
    Registered { application, credentials }
}

fn credentials(world: &World, application: &mut Application) -> Credentials {
    let secret = Secret::mint(&*world.chance, "mst_cs_");
    match application.auth_method {
        AuthMethod::None => {
            application.grant_types.retain(|grant| *grant != GrantType::ClientCredentials);
            Credentials::None
        }
        AuthMethod::ClientSecretBasic => {
            application.secrets = vec![secret.digest()];
            Credentials::Basic(secret.expose().to_owned())
        }
        AuthMethod::ClientSecretPost => {
            application.secrets = vec![secret.digest()];
            Credentials::Post(secret.expose().to_owned())
        }
        AuthMethod::PrivateKeyJwt => {
            let mut key = Jwk::generate_ec_key(EcCurve::P256).expect("a key can be made");
            key.set_key_id("one");
            let mut public = key.to_public_key().expect("it has a public half");
            public.set_key_id("one");
            application.jwks = Some(format!("{{\"keys\":[{public}]}}"));
            Credentials::Key(Box::new(key))
        }
    }
}
