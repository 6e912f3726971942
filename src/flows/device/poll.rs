//! The device code grant (RFC 8628 §3.4): "not yet" at the right pace, and tokens once.

use std::net::IpAddr;

use crate::app::App;
use crate::domain::oauth::application::Application;
use crate::domain::oauth::device::{Decision, Issued, Pace, decide, pace};
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::oauth::params::Params;
use crate::flows::exchange_code::{self, Once};
use crate::flows::{Fault, invalid_grant, issue};
use crate::kernel::secret::{Digest, Secret};
use crate::kernel::time::UnixMillis;
use crate::store::db::Conn;
use crate::store::device_grants::{self, DeviceGrant};
use crate::store::memberships;

/// Exchanges a device code for tokens, once somebody has allowed it; the device asks from `address`, which the
/// person's organisation must allow like any other of its members'.
///
/// # Errors
/// `authorization_pending`, `slow_down`, `expired_token`, `access_denied`; else `invalid_grant`, and a second use ends
/// what the first one made.
pub async fn exchange(
    app: &App,
    conn: &mut Conn,
    application: &Application,
    params: &Params,
    address: IpAddr,
) -> Result<issue::Tokens, Fault> {
    let text = params.get("device_code").ok_or_else(|| OAuthError::invalid_request("device_code is missing"))?;
    let digest = Secret::presented(text).digest();
    let grant = device_grants::find(conn, digest).await?.ok_or_else(invalid_grant)?;
    let (now, once) = (app.now(), Once::DeviceCode(digest));
    let issued = Issued { application: grant.application.as_str(), state: grant.state, expires_at: grant.expires_at };
    match decide(&issued, application.id.as_str(), now) {
        Decision::Exchange => {}
        Decision::Wait => return Err(wait(app, digest, &grant, now).await?.into()),
        Decision::Replay(error) => {
            exchange_code::end_what_it_made(app, once, &grant.family, application, now).await?;
            return Err(error.into());
        }
        Decision::Refuse(error) => return Err(error.into()),
    }
    let content = grant.granted.ok_or_else(invalid_grant)?;
    if let Some((_, member)) = &content.holding.member {
        let conditions = memberships::conditions(conn, member).await?.ok_or_else(invalid_grant)?;
        let refused = |reason| OAuthError::new(ErrorCode::AccessDenied, reason);
        conditions.admit(&application.id, Some(address)).map_err(refused)?;
    }
    exchange_code::redeem(app, conn, application, (once, grant.family, content), now).await
}

/// What a device hears while nobody has decided; a poll that another one overtook came too soon.
async fn wait(app: &App, digest: Digest, grant: &DeviceGrant, now: UnixMillis) -> Result<OAuthError, Fault> {
    let pace = pace(grant.polled_at, grant.interval, now);
    let interval = match pace {
        Pace::OnTime => grant.interval,
        Pace::TooSoon { interval } => interval,
    };
    let before = grant.polled_at;
    let noted: Result<bool, sqlx::Error> = app
        .db
        .write(move |tx| Box::pin(async move { device_grants::note_poll(tx, digest, before, now, interval).await }))
        .await;
    Ok(if noted? && pace == Pace::OnTime {
        OAuthError::new(ErrorCode::AuthorizationPending, "nobody has decided yet")
    } else {
        OAuthError::new(ErrorCode::SlowDown, "wait five seconds longer between two polls")
    })
}
