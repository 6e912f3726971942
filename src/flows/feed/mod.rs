//! The feed of revocations: what ends is numbered and learned of ([`follow`]), and told to those who may read it.
//! [`status`] says the same as lists of bits.

pub mod follow;
pub mod status;

use std::time::Duration;

use tokio::time::Instant;

use super::{Fault, accept_token, find_application};
use crate::app::App;
use crate::domain::feed::page::{Extent, Page, Position, TYP};
use crate::domain::feed::{self, ALG};
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::oauth::scope;
use crate::kernel::id::{ApplicationId, OrgId};
use crate::kernel::time::{MINUTE, SECOND, UnixMillis};
use crate::store::feed as rows;

/// Clocks may be apart by so much, in milliseconds: entries are kept that much longer than tokens live.
const SLACK: i64 = 5 * MINUTE;
/// So many rows are looked through for a page.
const ROWS: usize = 5000;
/// A reader waits so long until this node has caught up; then it is told what is known, and that this is not the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// No access token lives longer, in seconds.
#[must_use]
pub fn max_token_life(app: &App) -> i64 {
    app.config.tokens.access_secs.max(app.config.tokens.api_secs)
}

fn terms(app: &App) -> rows::Terms {
    rows::Terms { now: app.now(), keep: max_token_life(app) * SECOND + SLACK }
}

/// Who reads the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The application.
    pub application: ApplicationId,
    /// Its client id: the `aud` of its pages.
    pub client_id: String,
    /// The organisation that it belongs to.
    pub org: Option<OrgId>,
    /// When its token runs out.
    pub until: UnixMillis,
}

/// The application whose own token it is, if the token allows to read the feed.
///
/// # Errors
/// `invalid_token`, `insufficient_scope`, or the database's.
pub async fn reader(app: &App, token: &str) -> Result<Reader, Fault> {
    let mut conn = app.db.read().await?;
    let refused = || OAuthError::new(ErrorCode::InvalidToken, "the access token is not honoured");
    let accepted = accept_token::accept(app, &mut conn, token).await?.ok_or_else(refused)?;
    let said = |name: &str| accept_token::text(&accepted.claims, name).unwrap_or_default();
    let allowed = said("scope").split(' ').any(|word| word == scope::REVOCATIONS_READ);
    if accepted.family.is_some() || accepted.tool.is_some() || !allowed {
        let text = format!("the token is not an application's own with the scope {}", scope::REVOCATIONS_READ);
        return Err(OAuthError::new(ErrorCode::InsufficientScope, text).into());
    }
    let application = find_application::active(app, &mut conn, said("client_id")).await?.ok_or_else(refused)?;
    // Its own tokens are for Muster, or for the resource that is itself.
    let audience = said("aud");
    if audience != app.issuer() && application.resource.as_deref() != Some(audience) {
        return Err(refused().into());
    }
    let expires = accepted.claims.get("exp").and_then(serde_json::Value::as_i64).unwrap_or(0);
    Ok(Reader {
        application: application.id.clone(),
        client_id: application.client_id.clone(),
        org: application.org.clone(),
        until: UnixMillis::from_seconds(expires),
    })
}

/// Has this node catch up with what is committed at this moment. Where it can't, pages say that they are not the end.
pub async fn catch_up(app: &App) {
    let now = Instant::now();
    app.feed.want();
    app.feed.catch_up(now, PATIENCE).await;
}

/// The next page for a reader who is at a position.
///
/// # Errors
/// The database's.
pub async fn page(app: &App, reader: &Reader, position: &Position) -> Result<Page, sqlx::Error> {
    // Before anything else is looked at: what is known then is as new as that, or newer.
    let fresh = app.feed.is_fresh();
    let extent = extent_for(app, position).await?;
    let beginning = extent.beginning(position);
    let found = if let Some(found) = app.feed.after(&extent, beginning.from, ROWS) {
        found
    } else {
        let limit = i64::try_from(ROWS).unwrap_or(i64::MAX);
        rows::after(&mut app.db.read().await?, beginning.from, limit).await?
    };
    // What came meanwhile is told with the next page: numbers beyond the extent would be none that this node knows.
    let within = found.partition_point(|entry| entry.seq <= extent.head);
    Ok(Page { fresh, ..Page::of(&extent, beginning, &found[..within], reader.org.as_ref()) })
}

/// How far the feed is. The database is asked where this node knows less than the reader, who may come from another one.
async fn extent_for(app: &App, position: &Position) -> Result<Extent, sqlx::Error> {
    let known = app.feed.extent().filter(|known| {
        position.after.is_none_or(|after| after <= known.head)
            && position.generation.as_ref().is_none_or(|generation| *generation == known.generation)
    });
    if let Some(known) = known {
        return Ok(known);
    }
    let standing = rows::standing(&mut app.db.read().await?, terms(app)).await?;
    Ok(Extent { generation: standing.told, floor: standing.floor, head: standing.head })
}

/// A page as it is sent: signed for its reader.
///
/// # Errors
/// No key signs.
pub fn signed(app: &App, reader: &Reader, page: Page) -> Result<String, Fault> {
    let now = app.now();
    let claims = page.claims(app.issuer(), &reader.client_id, now);
    Ok(app.keyring.sign(ALG, TYP, &claims, now)?)
}

/// What readers must know before they read.
#[must_use]
pub fn metadata(app: &App) -> serde_json::Value {
    feed::metadata(app.issuer(), max_token_life(app))
}
