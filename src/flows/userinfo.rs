//! What userinfo says (OpenID Connect Core §5.3): the claims of the granted scopes, and the roles held at this moment.

use serde_json::{Map, Value};

use super::accept_token::{Accepted, accept};
use super::{Fault, issue};
use crate::app::App;
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::oauth::scope;
use crate::domain::oidc::claims::standard_claims;
use crate::store::{applications, users};

/// The claims of the person whose access token it is.
///
/// # Errors
/// `invalid_token`, `insufficient_scope`, or the database's.
pub async fn claims(app: &App, token: &str) -> Result<Map<String, Value>, Fault> {
    let invalid = || OAuthError::new(ErrorCode::InvalidToken, "the access token is not valid");
    let mut conn = app.db.read().await?;
    let Accepted { family, claims: token, tool } = accept(app, &mut conn, token).await?.ok_or_else(invalid)?;
    if tool.is_some() {
        // A tool never asked who somebody is, and can't.
        return Err(OAuthError::new(ErrorCode::InsufficientScope, "userinfo is about people, not tools").into());
    }
    let family = family.ok_or_else(invalid)?;
    let scopes =
        scope::Scopes::parse(super::accept_token::text(&token, "scope").unwrap_or_default()).unwrap_or_default();
    if !scopes.contains(scope::OPENID) {
        return Err(OAuthError::new(ErrorCode::InsufficientScope, "userinfo needs the scope openid").into());
    }
    let user = users::find(&mut conn, &family.holding.user).await?.ok_or_else(invalid)?;
    let mut claims = standard_claims(&user.profile, &scopes, &family.granted.claims.userinfo_names());
    if let (Some((org, _)), Some(standing)) = (&family.holding.member, &family.standing.member)
        && (scopes.contains(scope::ROLES) || scopes.contains(scope::GROUPS) || family.granted.project.is_some())
        && let Some(mut application) = applications::find(&mut conn, &family.holding.application).await?
    {
        application.claims_budget = usize::MAX; // here the whole answer has room
        let granted = crate::domain::granted::Granted { scopes, ..family.granted.clone() };
        let access = issue::access_claims(app, &mut conn, (org, &user.id, standing), &granted, &application).await?;
        claims.extend(access.roles);
    }
    claims.insert("sub".to_owned(), user.id.as_str().into());
    Ok(claims)
}
