//! What people allowed applications: remembered per person, application and scopes.

use super::db::{Conn, Result, Tx};
use crate::domain::oauth::scope::Scopes;
use crate::kernel::id::{ApplicationId, UserId};
use crate::kernel::time::UnixMillis;

/// The scopes that a person allowed an application so far.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, user: &UserId, application: &ApplicationId) -> Result<Option<Scopes>> {
    let row: Option<(String,)> = conn
        .query("SELECT scopes FROM consents WHERE user_id = $1 AND application_id = $2")
        .bind(user.as_str().to_owned())
        .bind(application.as_str().to_owned())
        .optional()
        .await?;
    Ok(row.and_then(|(text,)| Scopes::parse(&text).ok()))
}

/// Forgets what everybody allowed an application: each is asked again.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &mut Tx, application: &ApplicationId) -> Result<()> {
    tx.query("DELETE FROM consents WHERE application_id = $1")
        .bind(application.as_str().to_owned())
        .execute()
        .await
        .map(|_| ())
}

/// Remembers what a person allows from now on.
///
/// # Errors
/// The database's.
pub async fn put(
    tx: &mut Tx,
    user: &UserId,
    application: &ApplicationId,
    scopes: &Scopes,
    now: UnixMillis,
) -> Result<()> {
    tx.query(
        "INSERT INTO consents (user_id, application_id, scopes, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (user_id, application_id) DO UPDATE SET scopes = excluded.scopes, created_at = excluded.created_at",
    )
    .bind(user.as_str().to_owned())
    .bind(application.as_str().to_owned())
    .bind(scopes.to_string())
    .bind(now.0)
    .execute()
    .await
    .map(|_| ())
}
