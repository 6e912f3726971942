//! The device authorization request (RFC 8628 §3.1): two codes, one for the device and one for people.

use crate::app::App;
use crate::domain::oauth::application::{Application, GrantType};
use crate::domain::oauth::device::{DeviceRequest, INTERVAL, LIFE, PREFIX, UserCode};
use crate::domain::oauth::error::{ErrorCode, OAuthError};
use crate::domain::oauth::params::Params;
use crate::domain::oidc::discovery;
use crate::flows::Fault;
use crate::kernel::id::FamilyId;
use crate::kernel::secret::Secret;
use crate::kernel::time::{MINUTE, SECOND};
use crate::store::device_grants::{self, NewGrant};

/// So many sign-ins may be begun from one network within a minute.
const MOST_BEGUN: u32 = 60;
/// So often another user code is tried when one is taken; there are twenty-five milliards.
const MOST_MINTED: u32 = 5;

/// The answer to a device (RFC 8628 §3.2).
#[derive(Debug)]
pub struct Started {
    /// What the device polls with.
    pub device_code: Secret,
    /// What the person types.
    pub user_code: UserCode,
    /// Where.
    pub verification_uri: String,
    /// The same with the code in it, for a picture to be scanned.
    pub verification_uri_complete: String,
    /// How long both codes are good, in seconds.
    pub expires_in: i64,
    /// How far polls must lie apart, in seconds.
    pub interval: i64,
}

/// Begins a sign-in on a device that asks from `address`.
///
/// # Errors
/// `unauthorized_client` without the grant, faults of the request, too many from there; the database's.
pub async fn start(app: &App, application: &Application, params: &Params, address: &str) -> Result<Started, Fault> {
    if !application.allows(GrantType::DeviceCode) {
        let reason = "the application may not use the device code grant";
        return Err(OAuthError::new(ErrorCode::UnauthorizedClient, reason).into());
    }
    let asked = DeviceRequest::check(params, application)?;
    if let Some(wait) = super::count(app, &format!("begin {}", super::network(address)), MOST_BEGUN, MINUTE) {
        let reason = format!("too many sign-ins were begun from this address; try again in {wait} seconds");
        return Err(OAuthError::new(ErrorCode::TemporarilyUnavailable, reason).into());
    }
    let (device_code, user_code) = keep(app, application, asked, address).await?;
    let verification_uri = app.url(discovery::DEVICE);
    Ok(Started {
        verification_uri_complete: format!("{verification_uri}?user_code={}", user_code.shown()),
        device_code,
        user_code,
        verification_uri,
        expires_in: LIFE / SECOND,
        interval: INTERVAL / SECOND,
    })
}

async fn keep(
    app: &App,
    application: &Application,
    asked: DeviceRequest,
    address: &str,
) -> Result<(Secret, UserCode), Fault> {
    let now = app.now();
    for _ in 0..MOST_MINTED {
        let (device_code, user_code) = (Secret::mint(&*app.chance, PREFIX), UserCode::mint(&*app.chance));
        let grant = NewGrant {
            device: device_code.digest(),
            user_code: super::user_code_digest(app, &user_code),
            application: application.id.clone(),
            asked: asked.clone(),
            family: FamilyId::fresh(),
            address: address.to_owned(),
            // The first poll may come at once.
            polled_at: now.minus(INTERVAL),
            interval: INTERVAL,
            created_at: now,
            expires_at: now.plus(LIFE),
        };
        let kept: Result<bool, sqlx::Error> =
            app.db.write(move |tx| Box::pin(async move { device_grants::insert(tx, &grant).await })).await;
        if kept? {
            return Ok((device_code, user_code));
        }
    }
    Err(OAuthError::new(ErrorCode::TemporarilyUnavailable, "no code is free; try again").into())
}
