//! What somebody has, and may have, for the pages that show it.

use super::{codes, passkey};
use crate::app::App;
use crate::domain::people::assurance::Level;
use crate::domain::people::factor::{FactorKind, Held, why_no_codes};
use crate::domain::people::user::AccessType;
use crate::flows::links::masked;
use crate::kernel::id::UserId;
use crate::kernel::time::UnixMillis;
use crate::store::db::Conn;
use crate::store::factors::Stored;
use crate::store::passkeys::Listed;
use crate::store::{factors, passkeys, recovery_codes, users};

/// What somebody has, and may have.
#[derive(Clone, Debug)]
pub struct Standing {
    /// In short, as it counts now.
    pub held: Held,
    /// The app.
    pub totp: Option<Stored>,
    /// Codes by mail.
    pub email: Option<Stored>,
    /// Codes to the phone.
    pub sms: Option<Stored>,
    /// The passkeys, the oldest first.
    pub passkeys: Vec<Listed>,
    /// How many recovery codes were not used.
    pub recovery_left: i64,
    /// When they were made.
    pub recovery_made: Option<UnixMillis>,
    /// Where codes by mail go, masked; or why there can be none.
    pub may_email: Result<String, String>,
    /// Where codes to the phone go, masked; or why there can be none.
    pub may_sms: Result<String, String>,
    /// Why there can't be one more passkey.
    pub may_passkey: Result<(), String>,
    /// Why nothing can be added here at all.
    pub locked: Option<String>,
}

/// What somebody has, and may have. Somebody who is not there has nothing, and may have nothing.
///
/// # Errors
/// The database's.
pub async fn standing(app: &App, conn: &mut Conn, user: &UserId) -> Result<Standing, sqlx::Error> {
    let held = factors::held(conn, user).await?;
    let (mut totp, mut email, mut sms) = (None, None, None);
    for stored in factors::of_user(conn, user).await? {
        match stored.kind {
            FactorKind::Totp => totp = Some(stored),
            FactorKind::Email => email = Some(stored),
            FactorKind::Sms => sms = Some(stored),
            FactorKind::Passkey => {}
        }
    }
    let passkeys = passkeys::of_user(conn, user).await?;
    let (recovery_left, recovery_made) =
        (recovery_codes::left(conn, user).await?, recovery_codes::made_at(conn, user).await?);
    let found = users::find(conn, user).await?;
    let for_keys = users::access_type(conn, user).await? == Some(AccessType::Key);
    let person = found.as_ref().filter(|found| found.kind.project().is_none() && !for_keys);
    let locked = person.is_none().then(|| "This account does not sign in.".to_owned());
    let codes_to = |kind: FactorKind| {
        let Some(found) = person else { return Err("This account does not sign in.".to_owned()) };
        if let Some(reason) = why_no_codes(&found.profile) {
            return Err(reason.to_owned());
        }
        let to = codes::address(&found.profile, kind);
        Ok(to.map(|to| masked(to.as_str())).unwrap_or_default())
    };
    Ok(Standing {
        may_email: codes_to(FactorKind::Email),
        may_sms: codes_to(FactorKind::Sms),
        may_passkey: passkey::why_none(app, passkeys.len()).map_or(Ok(()), Err),
        held,
        totp,
        email,
        sms,
        passkeys,
        recovery_left,
        recovery_made,
        locked,
    })
}

/// The level that something sensitive asks of somebody: the strongest that they can reach.
///
/// # Errors
/// The database's.
pub async fn needs(conn: &mut Conn, user: &UserId) -> Result<Level, sqlx::Error> {
    Ok(factors::held(conn, user).await?.best())
}
