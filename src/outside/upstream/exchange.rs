//! The code flow with one provider, by the `openidconnect` crate: where the browser is sent, the code for an ID token,
//! and userinfo (OpenID Connect Core 1.0 §3.1, §5.3; PKCE as in RFC 7636).

use std::time::Duration;

use openidconnect::core::{
    CoreAuthPrompt, CoreAuthenticationFlow, CoreClient, CoreErrorResponseType, CoreGenderClaim, CoreTokenResponse,
};
use openidconnect::{
    AdditionalClaims, AuthType, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, LoginHint, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    RequestTokenError, Scope, StandardErrorResponse, SubjectIdentifier, UserInfoClaims, UserInfoError, http,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fetch::asker;
use super::metadata::Provider;
use super::verify::{Check, Unverified};
use super::{Asking, Jwks, Metadata, Party, Returned, UpstreamError, Upstreams, assertion};
use crate::domain::federation::claims::merge;
use crate::domain::federation::{Claims, ClientAuth};
use crate::kernel::secret::Secret;
use crate::kernel::time::UnixMillis;
use crate::outside::relying_party::SendError;

/// What a `client_assertion` is (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The crate's client, as discovery leaves it.
type Client =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

/// Claims beside the standard ones.
#[derive(Debug, Deserialize, Serialize)]
#[serde(transparent)]
struct Beside(Claims);
impl AdditionalClaims for Beside {}

impl Upstreams {
    /// Where the browser is sent.
    ///
    /// # Errors
    /// Where the party lacks what it authenticates with, or what is asked can't be said.
    pub fn authorization_url(
        metadata: &Metadata,
        party: &Party<'_>,
        asking: &Asking<'_>,
    ) -> Result<String, UpstreamError> {
        let client = client(metadata.provider.clone(), party)?;
        let (state, nonce) = (asking.state.expose().to_owned(), asking.nonce.to_owned());
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        // The crate adds `openid` itself.
        let scopes = asking.scopes.iter().filter(|scope| *scope != "openid").cloned().map(Scope::new);
        let mut request = client
            .authorize_url(flow, move || CsrfToken::new(state), move || Nonce::new(nonce))
            .add_scopes(scopes)
            .set_pkce_challenge(challenge(asking.pkce_challenge)?);
        if let Some(hint) = asking.login_hint {
            request = request.set_login_hint(LoginHint::new(hint.to_owned()));
        }
        if asking.prompt_login {
            request = request.add_prompt(CoreAuthPrompt::Login);
        }
        if let Some(seconds) = asking.max_age {
            request = request.set_max_age(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()));
        }
        Ok(request.url().0.into())
    }

    /// Changes the code for an ID token and gives all its claims, with those of userinfo that it lacks if `userinfo` is
    /// asked for. The tokens themselves are forgotten.
    ///
    /// # Errors
    /// [`UpstreamError::Refused`] with the provider's error code; [`UpstreamError::NotVerified`] where what came fails a
    /// check; others where nothing usable came.
    pub async fn exchange(
        &self,
        party: &Party<'_>,
        returned: Returned<'_>,
        userinfo: bool,
        now: UnixMillis,
    ) -> Result<Claims, UpstreamError> {
        let core = party.settings;
        let place = Jwks::Issuer(&core.issuer);
        let metadata = self.discover(&core.issuer).await?;
        let keys = self.keys(place).await?;
        let client = client(metadata.provider.clone().set_jwks(keys.openid.clone()), party)?;
        let tokens = self.tokens(&client, &metadata, party, returned, now).await?;
        let check = Check { metadata: &metadata, client_id: &core.client_id, nonce: returned.nonce, now };
        let mut checked = check.id_token(&keys, &tokens);
        if matches!(checked, Err(Unverified::UnknownKey))
            && let Some(newer) = self.newer_keys(place, &keys).await?
        {
            checked = check.id_token(&newer, &tokens);
        }
        let claims = checked.map_err(UpstreamError::from)?;
        if !userinfo || client.user_info_url().is_none() {
            return Ok(claims);
        }
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        let more = self.userinfo(&client, &tokens, subject).await?;
        Ok(merge(claims, more))
    }

    async fn tokens(
        &self,
        client: &Client,
        metadata: &Metadata,
        party: &Party<'_>,
        returned: Returned<'_>,
        now: UnixMillis,
    ) -> Result<CoreTokenResponse, UpstreamError> {
        let code = AuthorizationCode::new(returned.code.expose().to_owned());
        let mut request = client
            .exchange_code(code)
            .map_err(|_| UpstreamError::BadDiscovery("it names no token endpoint"))?
            .set_pkce_verifier(PkceCodeVerifier::new(returned.pkce_verifier.expose().to_owned()));
        if party.settings.client_auth == ClientAuth::PrivateKeyJwt {
            let assertion = assertion::sign(party, metadata.token_endpoint(), now)?;
            request = request
                .add_extra_param("client_assertion_type", JWT_BEARER)
                .add_extra_param("client_assertion", assertion);
        }
        let http = asker(self.relying_party.clone());
        request.request_async(&http).await.map_err(|fault| token_fault(&fault))
    }

    /// The claims of userinfo, which must be about the same subject (Core §5.3.2).
    async fn userinfo(
        &self,
        client: &Client,
        tokens: &CoreTokenResponse,
        subject: &str,
    ) -> Result<Claims, UpstreamError> {
        let access = tokens.access_token();
        // The crate puts it into a header as it is, and panics where it doesn't fit.
        if !access.secret().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UpstreamError::NotVerified("the access token is malformed"));
        }
        let request = client
            .user_info(access.clone(), Some(SubjectIdentifier::new(subject.to_owned())))
            .map_err(|_| UpstreamError::BadDiscovery("it names no userinfo endpoint"))?;
        let http = asker(self.relying_party.clone());
        let told: UserInfoClaims<Beside, CoreGenderClaim> =
            request.request_async(&http).await.map_err(|fault| userinfo_fault(&fault))?;
        match serde_json::to_value(&told) {
            Ok(Value::Object(claims)) => Ok(claims),
            Ok(_) | Err(_) => Err(UpstreamError::NotVerified("userinfo is malformed")),
        }
    }
}

/// The crate's client for a party.
fn client(provider: Provider, party: &Party<'_>) -> Result<Client, UpstreamError> {
    let secret = || -> Result<ClientSecret, UpstreamError> {
        let text = party.secret.map(Secret::expose).ok_or_else(|| UpstreamError::refused("invalid_client"))?;
        Ok(ClientSecret::new(text.to_owned()))
    };
    let (secret, auth) = match party.settings.client_auth {
        ClientAuth::SecretBasic => (Some(secret()?), AuthType::BasicAuth),
        ClientAuth::SecretPost => (Some(secret()?), AuthType::RequestBody),
        ClientAuth::PrivateKeyJwt | ClientAuth::None => (None, AuthType::RequestBody),
    };
    let back = RedirectUrl::new(party.redirect_uri.to_owned())
        .map_err(|_| UpstreamError::NotVerified("the address to come back to is none"))?;
    let client_id = ClientId::new(party.settings.client_id.clone());
    Ok(Client::from_provider_metadata(provider, client_id, secret).set_auth_type(auth).set_redirect_uri(back))
}

/// The crate makes challenges from verifiers alone; ours is made already.
fn challenge(text: &str) -> Result<PkceCodeChallenge, UpstreamError> {
    serde_json::from_value(json!({ "code_challenge": text, "code_challenge_method": "S256" }))
        .map_err(|_| UpstreamError::NotVerified("the PKCE challenge is none"))
}

fn token_fault(fault: &RequestTokenError<SendError, StandardErrorResponse<CoreErrorResponseType>>) -> UpstreamError {
    match fault {
        RequestTokenError::ServerResponse(answer) => UpstreamError::refused(answer.error().as_ref()),
        RequestTokenError::Request(fault) => (*fault).into(),
        RequestTokenError::Parse(_, body) => unread(body),
        RequestTokenError::Other(_) => UpstreamError::Unreachable,
    }
}

/// What an answer is that the crate can't read: an ID token that lacks what every one has makes the whole unreadable.
fn unread(body: &[u8]) -> UpstreamError {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    if answer.get("id_token").is_some() {
        return UpstreamError::NotVerified("the ID token is malformed");
    }
    match answer.get("error").and_then(Value::as_str) {
        Some(code) => UpstreamError::refused(code),
        None => UpstreamError::Unreachable,
    }
}

fn userinfo_fault(fault: &UserInfoError<SendError>) -> UpstreamError {
    match fault {
        UserInfoError::Request(fault) => (*fault).into(),
        UserInfoError::Response(http::StatusCode::UNAUTHORIZED | http::StatusCode::FORBIDDEN, ..) => {
            UpstreamError::refused("invalid_token")
        }
        UserInfoError::ClaimsVerification(_) => {
            UpstreamError::NotVerified("userinfo is about somebody else, or not signed as it must be")
        }
        UserInfoError::Parse(_) => UpstreamError::NotVerified("userinfo is malformed"),
        _ => UpstreamError::Unreachable,
    }
}
