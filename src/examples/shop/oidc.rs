//! The shop as a relying party, on the `openidconnect` crate: discovery, the code flow with PKCE, refresh, userinfo
//! and the way out (OpenID Connect Core 1.0 §3.1 and §12, RP-Initiated Logout 1.0).
//!
//! Every check of an ID token is the crate's. The cookie is `sessions`' business, the logout token `backchannel`'s.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse,
};
use openidconnect::{
    AccessToken, AuthorizationCode, ClaimsVerificationError, Client, ClientId, ClientSecret, ConfigurationError,
    CsrfToken, EndSessionUrl, EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, LogoutRequest, Nonce,
    OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl, ProviderMetadataWithLogout,
    RedirectUrl, RequestTokenError, Scope, SignatureVerificationError, StandardErrorResponse, SubjectIdentifier,
    TokenResponse, UserInfoError, http,
};

use crate::kernel::time::{MINUTE, UnixMillis};

use super::Shop;
use super::id_token::{Expected, check};
use super::person::{
    RoleClaims, ShopClaims, ShopIdToken, ShopProfile, ShopTokens, SignedIn, payload, roles_of, same_sign_in,
};
use super::wire::{HttpFault, asker, send, whole};

/// What the shop asks for besides `openid`. No `offline_access`: its refresh tokens shall end with the session.
const SCOPES: [&str; 3] = ["profile", "email", "roles"];
/// How long the shop trusts what it learnt of Muster (the `max-age` of Muster's JWKS).
const FRESH: i64 = 5 * MINUTE;

type ShopError = StandardErrorResponse<CoreErrorResponseType>;

/// The crate's client, as discovery leaves it, for tokens with [`RoleClaims`].
pub type ShopClient = Client<
    RoleClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    ShopError,
    ShopTokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why a conversation with Muster did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// No answer, or none that can be read.
    #[error("Muster did not answer as expected: {0}")]
    Unreachable(String),
    /// An OAuth error, by its code.
    #[error("Muster refused: {0}")]
    Refused(String),
    /// An answer that fails a check.
    #[error("the answer failed a check: {0}")]
    Untrusted(String),
}

/// A sign-in that has begun: what its answer must fit.
pub struct Pending {
    /// Ties the answer to the browser.
    pub state: CsrfToken,
    /// Ties the ID token to the request.
    pub nonce: Nonce,
    /// Ties the code to the shop.
    pub verifier: PkceCodeVerifier,
    /// When it began.
    pub started: UnixMillis,
}

/// Whether Muster still honours an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Accepted,
    /// It does not.
    Refused,
    /// Muster did not say.
    Unknown,
}

/// What the shop learnt of Muster.
struct Provider {
    client: ShopClient,
    end_session: Option<EndSessionUrl>,
    jwks_uri: String,
    learnt: UnixMillis,
}

/// The shop's side of OpenID Connect.
pub struct Oidc {
    issuer: String,
    client_id: String,
    client_secret: String,
    redirect_uri: String,
    signed_out_uri: String,
    http: OnceLock<reqwest::Client>,
    known: RwLock<Option<Arc<Provider>>>,
}

impl Oidc {
    /// Asks nothing yet: Muster may start after the shop.
    pub fn new(shop: &Shop) -> Self {
        let own_url = shop.own_url.trim_end_matches('/');
        Self {
            issuer: shop.issuer.clone(),
            client_id: shop.client_id.clone(),
            client_secret: shop.client_secret.clone(),
            redirect_uri: format!("{own_url}/callback"),
            signed_out_uri: format!("{own_url}/signed-out"),
            http: OnceLock::new(),
            known: RwLock::new(None),
        }
    }

    /// The issuer that every answer must name.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The audience that every token for the shop must name.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Begins a sign-in: where to send the browser, and what to remember of it.
    pub async fn begin(&self, now: UnixMillis) -> Result<(String, Pending), Trouble> {
        let provider = self.provider(now).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = provider
            .client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                || CsrfToken::new_random_len(32),
                || Nonce::new_random_len(32),
            )
            .add_scopes(SCOPES.iter().map(|scope| Scope::new((*scope).to_owned())))
            .set_pkce_challenge(challenge)
            .url();
        Ok((url.to_string(), Pending { state, nonce, verifier, started: now }))
    }

    /// Finishes a sign-in: changes the code for tokens and checks them.
    pub async fn finish(&self, code: String, pending: Pending, now: UnixMillis) -> Result<SignedIn, Trouble> {
        let provider = self.provider(now).await?;
        let http = asker(self.http()?);
        let request = provider.client.exchange_code(AuthorizationCode::new(code)).map_err(not_configured)?;
        let tokens: ShopTokens =
            request.set_pkce_verifier(pending.verifier).request_async(&http).await.map_err(token_trouble)?;
        let id_token = tokens.id_token().ok_or_else(|| Trouble::Untrusted("there is no ID token".to_owned()))?.clone();
        let claims = self.verified(&id_token, Expected::Sent(&pending.nonce), tokens.access_token(), now).await?;
        let profile = self.userinfo(tokens.access_token(), claims.subject(), now).await?;
        Ok(SignedIn {
            roles: roles_of(&claims, &profile),
            raw: payload(&id_token),
            since: now,
            renewed: now,
            nonce: pending.nonce,
            access: tokens.access_token().clone(),
            refresh: tokens.refresh_token().cloned(),
            claims,
            profile,
            id_token,
        })
    }

    /// Changes the refresh token for new tokens. A new ID token must be about the same sign-in (Core §12.2).
    pub async fn renew(&self, person: &SignedIn, now: UnixMillis) -> Result<SignedIn, Trouble> {
        let Some(refresh) = &person.refresh else {
            return Err(Trouble::Unreachable("there is no refresh token".to_owned()));
        };
        let provider = self.provider(now).await?;
        let http = asker(self.http()?);
        let request = provider.client.exchange_refresh_token(refresh).map_err(not_configured)?;
        let tokens: ShopTokens = request.request_async(&http).await.map_err(token_trouble)?;
        // The old refresh token is spent: what follows must not lose the new one over a missing profile.
        let profile = self
            .userinfo(tokens.access_token(), person.claims.subject(), now)
            .await
            .unwrap_or_else(|_| person.profile.clone());
        let mut renewed = person.clone();
        if let Some(id_token) = tokens.id_token() {
            let claims = self.verified(id_token, Expected::Renewed(&person.nonce), tokens.access_token(), now).await?;
            if !same_sign_in(&person.claims, &claims) {
                return Err(Trouble::Untrusted("the new ID token is about another sign-in".to_owned()));
            }
            renewed.roles = roles_of(&claims, &profile);
            renewed.raw = payload(id_token);
            renewed.id_token = id_token.clone();
            renewed.claims = claims;
        } else {
            renewed.roles = profile.additional_claims().clone();
        }
        renewed.profile = profile;
        renewed.renewed = now;
        renewed.access = tokens.access_token().clone();
        renewed.refresh = tokens.refresh_token().cloned().or(renewed.refresh);
        Ok(renewed)
    }

    /// Asks Muster whether it still honours the person's access token.
    pub async fn standing(&self, person: &SignedIn, now: UnixMillis) -> Standing {
        match self.userinfo(&person.access, person.claims.subject(), now).await {
            Ok(_) => Standing::Accepted,
            Err(Trouble::Refused(_)) => Standing::Refused,
            Err(Trouble::Unreachable(_) | Trouble::Untrusted(_)) => Standing::Unknown,
        }
    }

    /// Where to send the browser so that the person is signed out of Muster too.
    pub async fn farewell(&self, person: &SignedIn, state: String, now: UnixMillis) -> Result<String, Trouble> {
        let provider = self.provider(now).await?;
        let Some(end_session) = provider.end_session.clone() else {
            return Err(Trouble::Unreachable("it names no end_session_endpoint".to_owned()));
        };
        let back = PostLogoutRedirectUrl::new(self.signed_out_uri.clone())
            .map_err(|fault| Trouble::Unreachable(fault.to_string()))?;
        let request = LogoutRequest::from(end_session)
            .set_id_token_hint(&person.id_token)
            .set_client_id(ClientId::new(self.client_id.clone()))
            .set_post_logout_redirect_uri(back)
            .set_state(CsrfToken::new(state));
        Ok(request.http_get_url().to_string())
    }

    /// Muster's key set as it stands now, for the check of logout tokens.
    pub async fn key_set(&self, now: UnixMillis) -> Result<Vec<u8>, Trouble> {
        let provider = self.provider(now).await?;
        let request = http::Request::builder().uri(provider.jwks_uri.as_str()).body(Vec::new());
        let request = request.map_err(|fault| Trouble::Unreachable(whole(&fault)))?;
        let answer = send(self.http()?, request).await.map_err(|fault| Trouble::Unreachable(whole(&fault)))?;
        if answer.status() == http::StatusCode::OK {
            Ok(answer.into_body())
        } else {
            Err(Trouble::Unreachable(format!("the key set came with status {}", answer.status())))
        }
    }

    async fn userinfo(
        &self,
        access: &AccessToken,
        subject: &SubjectIdentifier,
        now: UnixMillis,
    ) -> Result<ShopProfile, Trouble> {
        let provider = self.provider(now).await?;
        let http = asker(self.http()?);
        // Core §5.3.2: the sub of userinfo must be the ID token's; the crate compares them.
        let request = provider.client.user_info(access.clone(), Some(subject.clone())).map_err(not_configured)?;
        let profile: ShopProfile = request.request_async(&http).await.map_err(userinfo_trouble)?;
        Ok(profile)
    }

    /// Checks an ID token; when its key is unknown, once more with the keys that Muster publishes now.
    async fn verified(
        &self,
        id_token: &ShopIdToken,
        nonce: Expected<'_>,
        access: &AccessToken,
        now: UnixMillis,
    ) -> Result<ShopClaims, Trouble> {
        let provider = self.provider(now).await?;
        let mut checked = check(&provider.client, id_token, nonce, access, now);
        let no_such_key = ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey);
        if checked.as_ref().err() == Some(&no_such_key) {
            let provider = self.learn(now).await?;
            checked = check(&provider.client, id_token, nonce, access, now);
        }
        checked.map_err(|fault| Trouble::Untrusted(whole(&fault)))
    }

    async fn provider(&self, now: UnixMillis) -> Result<Arc<Provider>, Trouble> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(provider) if now.since(provider.learnt) < FRESH => Ok(provider),
            Some(_) | None => self.learn(now).await,
        }
    }

    /// Reads Muster's discovery document and its keys.
    async fn learn(&self, now: UnixMillis) -> Result<Arc<Provider>, Trouble> {
        let unusable =
            |fault: url::ParseError| Trouble::Unreachable(format!("an address of the shop is no URL: {fault}"));
        let issuer = IssuerUrl::new(self.issuer.clone()).map_err(unusable)?;
        let redirect_uri = RedirectUrl::new(self.redirect_uri.clone()).map_err(unusable)?;
        let http = asker(self.http()?);
        let metadata = ProviderMetadataWithLogout::discover_async(issuer, &http)
            .await
            .map_err(|fault| Trouble::Unreachable(whole(&fault)))?;
        let provider = Arc::new(Provider {
            end_session: metadata.additional_metadata().end_session_endpoint.clone(),
            jwks_uri: metadata.jwks_uri().to_string(),
            client: ShopClient::from_provider_metadata(
                metadata,
                ClientId::new(self.client_id.clone()),
                Some(ClientSecret::new(self.client_secret.clone())),
            )
            .set_redirect_uri(redirect_uri),
            learnt: now,
        });
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&provider));
        Ok(provider)
    }

    /// The HTTP client, made when it is first needed.
    fn http(&self) -> Result<reqwest::Client, Trouble> {
        if let Some(client) = self.http.get() {
            return Ok(client.clone());
        }
        // No redirects and no proxy: what the shop asks of Muster goes to Muster.
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(2))
            .timeout(Duration::from_secs(5));
        if self.issuer.starts_with("http://") {
            // A Muster on this machine without TLS: start even where there are no certificate authorities.
            builder = builder.tls_certs_only(Vec::new());
        }
        let client = builder.build().map_err(|fault| Trouble::Unreachable(whole(&fault)))?;
        Ok(self.http.get_or_init(|| client).clone())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err gives")]
fn not_configured(fault: ConfigurationError) -> Trouble {
    Trouble::Unreachable(whole(&fault))
}

fn token_trouble(error: RequestTokenError<HttpFault, ShopError>) -> Trouble {
    match error {
        RequestTokenError::ServerResponse(answer) => Trouble::Refused(answer.error().to_string()),
        other => Trouble::Unreachable(whole(&other)),
    }
}

fn userinfo_trouble(error: UserInfoError<HttpFault>) -> Trouble {
    match error {
        UserInfoError::Response(http::StatusCode::UNAUTHORIZED | http::StatusCode::FORBIDDEN, ..) => {
            Trouble::Refused("invalid_token".to_owned())
        }
        UserInfoError::ClaimsVerification(fault) => Trouble::Untrusted(whole(&fault)),
        other => Trouble::Unreachable(whole(&other)),
    }
}
