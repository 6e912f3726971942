//! The client credentials grant (RFC 6749 §4.4): the application itself, no organisation and no roles.

use serde_json::Map;

use super::{Fault, issue};
use crate::app::App;
use crate::domain::oauth::application::Application;
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::oauth::params::Params;
use crate::domain::oauth::scope::{self, Scopes};
use crate::domain::oidc::access_token::{self, AccessToken};
use crate::kernel::tally::Mark;
use crate::kernel::time::SECOND;

/// An access token for the application itself: `sub` is its client id. Nothing is written.
///
/// # Errors
/// `invalid_scope` for a malformed one, `invalid_target` for another resource than its own; no key signs.
pub fn issue(app: &App, application: &Application, params: &Params) -> Result<issue::Tokens, Fault> {
    let asked = Scopes::parse(params.get("scope").unwrap_or_default())
        .map_err(|_| OAuthError::new(ErrorCode::InvalidScope, "scope is malformed"))?;
    let granted: Scopes = application
        .permitted_scopes(&asked)
        .iter()
        .filter(|word| !scope::is_personal(word))
        .map(str::to_owned)
        .collect();
    if params.get("resource").is_some_and(|asked| application.resource.as_deref() != Some(asked)) {
        return Err(OAuthError::new(ErrorCode::InvalidTarget, "resource is not one of this application's").into());
    }
    let now = app.now();
    let expires_at = now.plus(app.config.tokens.access_secs * SECOND);
    // Names the registration: a later one with the same client id does not inherit the tokens.
    let jti = format!("{}.{}", application.id, issue::hex(&app.chance.bytes32()[..12]));
    let token = AccessToken {
        issuer: app.issuer(),
        subject: &application.client_id,
        audience: application.resource.as_deref().unwrap_or(app.issuer()),
        client_id: &application.client_id,
        scope: &granted,
        jti: &jti,
        issued_at: now,
        expires_at,
        auth_time: None,
        acr: None,
        amr: &[],
        sid: None,
        access: Map::new(),
    };
    let access_token = app.keyring.sign(application.access_token_alg, access_token::TYP, &token.claims(), now)?;
    app.tally.add(Mark {
        kind: "token.issued",
        org: None,
        user: None,
        application: application.id.as_str().to_owned(),
    });
    Ok(issue::Tokens {
        access_token,
        expires_in: app.config.tokens.access_secs,
        scope: granted.to_string(),
        refresh_token: None,
        id_token: None,
    })
}
