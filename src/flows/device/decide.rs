//! What a person does about a device: types its code, then allows it or doesn't.

use super::{network, user_code_digest};
use crate::app::App;
use crate::domain::granted::CodeContent;
use crate::domain::oauth::application::{Application, ApplicationState, GrantType};
use crate::domain::oauth::device::{UserCode, Waiting};
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::oauth::redirect_uri::{self, VerifiedRedirect};
use crate::flows::Fault;
use crate::flows::authorize::Pending;
use crate::flows::guard;
use crate::kernel::id::UserId;
use crate::kernel::secret::Digest;
use crate::kernel::time::{MINUTE, UnixMillis};
use crate::store::address_limits::Limit;
use crate::store::audit::{Event, note};
use crate::store::db::Tx;
use crate::store::{applications, device_grants};

/// Where a person is sent who gives up on the way.
pub const END: &str = "/device/done";

/// So many wrong codes may come from one browser within the life of a code …
const MOST_OF_BROWSER: i64 = 5;
const BROWSER_WINDOW: i64 = 10 * MINUTE;
/// … and so many from one network within a minute.
const MOST_OF_NETWORK: i64 = 10;
const NETWORK_WINDOW: i64 = MINUTE;

/// What came of a code that somebody typed.
#[derive(Debug)]
pub enum Typed {
    /// It is a device's that waits.
    Found(Box<Pending>),
    /// It isn't, or no more.
    Wrong,
    /// Too many were wrong.
    Paused {
        /// When to come back.
        seconds: i64,
    },
}

/// Looks for the device with the code that somebody typed; `browser` is a text that stands for their browser.
///
/// # Errors
/// The database's.
pub async fn find(app: &App, typed: &str, browser: &str, address: &str) -> Result<Typed, Fault> {
    let Some(code) = UserCode::parse(typed) else {
        return Ok(Typed::Wrong); // no guess: it can't be anybody's
    };
    let of_browser = format!("type {}", Digest::of(browser.as_bytes()).base64url());
    // The network's comes first: once that is full, browsers that are made up leave no rows.
    let limits = vec![
        Limit { key: format!("type {}", network(address)), most: MOST_OF_NETWORK, window: NETWORK_WINDOW },
        Limit { key: of_browser, most: MOST_OF_BROWSER, window: BROWSER_WINDOW },
    ];
    let ticket = match guard::take(app, limits).await? {
        Ok(ticket) => ticket,
        Err(seconds) => return Ok(Typed::Paused { seconds }),
    };
    let Some(pending) = pending(app, code).await? else {
        return Ok(Typed::Wrong);
    };
    guard::return_ticket(app, ticket).await?;
    Ok(Typed::Found(Box::new(pending)))
}

async fn pending(app: &App, code: UserCode) -> Result<Option<Pending>, Fault> {
    let now = app.now();
    let mut conn = app.db.read().await?;
    let Some(grant) = device_grants::waiting(&mut conn, user_code_digest(app, &code), now).await? else {
        return Ok(None);
    };
    let application = applications::find(&mut conn, &grant.application).await?;
    let usable = |application: &Application| {
        application.state == ApplicationState::Active && application.allows(GrantType::DeviceCode)
    };
    let Some(application) = application.filter(usable) else {
        return Ok(None);
    };
    let request = grant.asked.into_request(&application, end(app)?);
    let device = Some(Waiting::new(code, grant.address, grant.created_at));
    Ok(Some(Pending { request, started: now, org: None, consented: false, device }))
}

/// The page of ours that a device's request ends on, as the redirect that every request has.
fn end(app: &App) -> Result<VerifiedRedirect, OAuthError> {
    let own = app.url(END);
    redirect_uri::verify(std::slice::from_ref(&own), Some(&own))
        .map_err(|fault| OAuthError::new(ErrorCode::ServerError, fault.reason()))
}

/// Gives the device what the person allowed, within the transaction that made their session's entry; false when it was
/// decided before, or is dead.
pub(in crate::flows) async fn allow(
    tx: &mut Tx,
    user_code: Digest,
    content: &CodeContent,
    now: UnixMillis,
) -> Result<bool, sqlx::Error> {
    let allowed = device_grants::allow(tx, user_code, content, now).await?;
    if allowed {
        let holding = &content.holding;
        let event = Event {
            at: now,
            kind: "device.allowed",
            org: holding.member.as_ref().map(|(org, _)| org.as_str().to_owned()),
            user: Some(holding.user.as_str().to_owned()),
            application: Some(holding.application.as_str().to_owned()),
            detail: "{}".to_owned(),
        };
        note(tx, &event).await?;
    }
    Ok(allowed)
}

/// Refuses the device; false when it was decided before, or is dead.
///
/// # Errors
/// The database's.
pub async fn deny(app: &App, waiting: &Waiting, by: Option<&UserId>) -> Result<bool, Fault> {
    let (code, now) = (user_code_digest(app, &waiting.code), app.now());
    let user = by.map(|id| id.as_str().to_owned());
    let denied: Result<bool, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let denied = device_grants::deny(tx, code, now).await?;
                if denied {
                    let (kind, detail) = ("device.denied", "{}".to_owned());
                    note(tx, &Event { at: now, kind, org: None, user, application: None, detail }).await?;
                }
                Ok(denied)
            })
        })
        .await;
    Ok(denied?)
}
