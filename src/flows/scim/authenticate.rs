//! Whose client a SCIM request comes from: a connection's long-lived token, or an access token of its OAuth client.
//!
//! What a credential is worth is asked of the database at every use: the credential, its connection and the
//! organisation. An access token of a connection's client opens `/scim/v2` and nothing else.

use serde_json::{Map, Value};

use super::{Asking, PATH};
use crate::app::App;
use crate::domain::change::Origin;
use crate::domain::connection::{ConnectionState, CredentialKind};
use crate::domain::keys::Alg;
use crate::domain::oauth::client_auth::Presented;
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::oauth::params::Params;
use crate::domain::oauth::scope::Scopes;
use crate::domain::oidc::access_token::{self, AccessToken};
use crate::domain::scim::error::ScimError;
use crate::flows::accept_token::{text, verified};
use crate::flows::authenticate_client::refused;
use crate::flows::issue::{Tokens, hex};
use crate::flows::{Fault, scim};
use crate::kernel::id::ScimCredentialId;
use crate::kernel::secret::Secret;
use crate::kernel::tally::Mark;
use crate::kernel::time::{HOUR, MINUTE, SECOND, UnixMillis};
use crate::store::db::Conn;
use crate::store::families;
use crate::store::scim::credentials::{self, Standing};

/// What every long-lived token begins with.
pub const TOKEN_PREFIX: &str = "mst_";
/// The one scope that a connection's client gets.
pub const SCOPE: &str = "scim";
/// How long an access token lives, in milliseconds.
const LIFE: i64 = HOUR;

/// Why a request was not let in.
#[derive(Debug, thiserror::Error)]
pub enum NotAuthenticated {
    /// The token is none, is over, or what it hangs on does not work. Which of these is not told.
    #[error("the bearer token is not valid")]
    Refused,
    /// The database failed: nothing is known of the token.
    #[error("the database failed")]
    Store(#[from] sqlx::Error),
}

impl NotAuthenticated {
    /// The answer: 401, or 503 when nothing can be said.
    #[must_use]
    pub fn into_error(self) -> ScimError {
        match self {
            Self::Refused => ScimError::status(401, "The bearer token is missing or not valid."),
            Self::Store(error) => scim::refused::unavailable(error),
        }
    }
}

/// The connection whose client shows this token. Its use is noted, at most once a minute.
///
/// # Errors
/// [`NotAuthenticated`].
pub async fn by_token(app: &App, bearer: &Secret) -> Result<Asking, NotAuthenticated> {
    let mut conn = app.db.read().await?;
    let standing = if bearer.expose().starts_with(TOKEN_PREFIX) {
        let found = credentials::standing_by_secret(&mut conn, bearer.digest()).await?;
        found.filter(|found| found.credential.kind == CredentialKind::Token)
    } else {
        of_client(app, &mut conn, bearer.expose()).await?
    };
    drop(conn);
    let standing = standing.filter(|found| stands(found, app.now())).ok_or(NotAuthenticated::Refused)?;
    note_use(app, &standing);
    let Standing { credential, connection, .. } = standing;
    Ok(Asking { connection, credential: credential.id, origin: Origin::default() })
}

/// Whether the credential that a request was let in by is honoured still: for requests that take long.
///
/// # Errors
/// The database's.
pub async fn is_honoured(app: &App, asking: &Asking) -> Result<bool, sqlx::Error> {
    let mut conn = app.db.read().await?;
    let found = credentials::standing_by_id(&mut conn, &asking.credential).await?;
    Ok(found.is_some_and(|found| stands(&found, app.now())))
}

/// Whether a credential gives access at `now`, and everything that it hangs on works.
fn stands(standing: &Standing, now: UnixMillis) -> bool {
    now < standing.credential.expires_at && standing.connection.state == ConnectionState::Active && standing.org_active
}

/// The client whose access token this is; `None` for every reason not to honour it.
async fn of_client(app: &App, conn: &mut Conn, token: &str) -> Result<Option<Standing>, sqlx::Error> {
    let now = app.now();
    let Some(claims) = verified(app, token, now).await else {
        return Ok(None);
    };
    let Some((id, jti)) = named(&claims, app.issuer(), &app.url(PATH), now) else {
        return Ok(None);
    };
    let found = credentials::standing_by_id(conn, &id).await?;
    let Some(standing) = found.filter(|found| found.credential.kind == CredentialKind::Client) else {
        return Ok(None);
    };
    let revoked = families::is_revoked(conn, &jti).await?;
    Ok((!revoked).then_some(standing))
}

/// The credential that the claims of a token of ours name, and the token's own id, if it is one for SCIM and in time.
fn named(claims: &Map<String, Value>, issuer: &str, base: &str, now: UnixMillis) -> Option<(ScimCredentialId, String)> {
    let live = claims.get("exp").and_then(Value::as_i64).is_some_and(|exp| now < UnixMillis::from_seconds(exp));
    let ours = text(claims, "iss") == Some(issuer) && text(claims, "aud") == Some(base);
    let scope = text(claims, "scope").is_some_and(|scope| scope.split(' ').any(|word| word == SCOPE));
    let jti = text(claims, "jti")?;
    let (named, _) = jti.split_once('.')?;
    let id: ScimCredentialId = named.parse().ok()?;
    let same = text(claims, "sub") == Some(id.as_str()) && text(claims, "client_id") == Some(id.as_str());
    (live && ours && scope && same).then(|| (id, jti.to_owned()))
}

/// The OAuth client, if the secret is its own and it gives tokens now. Whatever is wrong, the answer is one.
///
/// # Errors
/// `invalid_client`, or the database's.
pub async fn client(
    app: &App,
    conn: &mut Conn,
    id: &ScimCredentialId,
    presented: &Presented,
) -> Result<Standing, Fault> {
    let (Presented::Basic { secret, .. } | Presented::Post { secret, .. }) = presented else {
        return Err(refused());
    };
    let known = credentials::secret_of_client(conn, id).await?;
    if known.is_none_or(|known| known != secret.digest()) {
        return Err(refused());
    }
    let found = credentials::standing_by_id(conn, id).await?;
    let client = |found: &Standing| found.credential.kind == CredentialKind::Client && stands(found, app.now());
    found.filter(client).ok_or_else(refused)
}

/// An access token for a connection's client that was authenticated a moment ago. Nothing is written.
///
/// # Errors
/// `invalid_scope` for a malformed one, `invalid_target` for anything but `/scim/v2`; no key signs.
pub fn issue_client_token(app: &App, standing: &Standing, params: &Params) -> Result<Tokens, Fault> {
    Scopes::parse(params.get("scope").unwrap_or_default())
        .map_err(|_| OAuthError::new(ErrorCode::InvalidScope, "scope is malformed"))?;
    let audience = app.url(PATH);
    if params.get("resource").is_some_and(|asked| asked.trim_end_matches('/') != audience) {
        let text = "resource is not this connection's SCIM address";
        return Err(OAuthError::new(ErrorCode::InvalidTarget, text).into());
    }
    let now = app.now();
    let id = &standing.credential.id;
    let expires_at = now.plus(LIFE).min(standing.credential.expires_at);
    let scope: Scopes = std::iter::once(SCOPE.to_owned()).collect();
    let jti = format!("{id}.{}", hex(&app.chance.bytes32()[..12]));
    let token = AccessToken {
        issuer: app.issuer(),
        subject: id.as_str(),
        audience: &audience,
        client_id: id.as_str(),
        scope: &scope,
        jti: &jti,
        issued_at: now,
        expires_at,
        auth_time: None,
        acr: None,
        amr: &[],
        sid: None,
        access: Map::new(),
    };
    let access_token = app.keyring.sign(Alg::Es256, access_token::TYP, &token.claims(), now)?;
    app.tally.add(Mark {
        kind: "token.issued",
        org: Some(standing.credential.org.as_str().to_owned()),
        user: None,
        application: id.as_str().to_owned(),
    });
    let expires_in = expires_at.since(now) / SECOND;
    Ok(Tokens { access_token, expires_in, scope: scope.to_string(), refresh_token: None, id_token: None })
}

/// Notes that a credential was used, at most once a minute; nobody waits for it, and a note that is lost costs a minute.
fn note_use(app: &App, standing: &Standing) {
    let now = app.now();
    if standing.credential.last_used_at.is_some_and(|last| now.since(last) < MINUTE) {
        return;
    }
    let (app, id) = (app.clone(), standing.credential.id.clone());
    tokio::spawn(async move {
        let noted: Result<(), sqlx::Error> =
            app.db.write(move |tx| Box::pin(async move { credentials::note_use(tx, &id, now).await })).await;
        if let Err(error) = noted {
            tracing::debug!(%error, "the last use of a connection's credential was not noted");
        }
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://id.example";
    const BASE: &str = "https://id.example/scim/v2";
    const NOW: UnixMillis = UnixMillis(50_000);

    fn claims(changed: &Value) -> Map<String, Value> {
        let id = ScimCredentialId::from_u128(1);
        let mut claims = json!({
            "iss": ISSUER, "aud": BASE, "sub": id.as_str(), "client_id": id.as_str(), "scope": "scim", "exp": 51,
            "jti": format!("{id}.00ff"),
        });
        for (name, value) in changed.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        claims.as_object().expect("an object").clone()
    }

    #[test]
    fn an_access_token_names_its_client_and_is_for_scim_alone() {
        let id = ScimCredentialId::from_u128(1);
        let jti = format!("{id}.00ff");
        assert_eq!(named(&claims(&json!({})), ISSUER, BASE, NOW), Some((id, jti)));
        for changed in [
            json!({ "iss": "https://evil.example" }),
            json!({ "aud": ISSUER }),
            json!({ "aud": [BASE] }),
            json!({ "sub": "usr_1" }),
            json!({ "client_id": "shop" }),
            json!({ "scope": "roles" }),
            json!({ "scope": null }),
            json!({ "exp": 50 }),
            json!({ "exp": null }),
            json!({ "jti": "fam_1.00ff" }),
            json!({ "jti": ScimCredentialId::from_u128(2).as_str() }),
            json!({ "jti": format!("{}.00ff", ScimCredentialId::from_u128(2)) }),
        ] {
            assert_eq!(named(&claims(&changed), ISSUER, BASE, NOW), None, "{changed}");
        }
    }
}
