//! Signing out: the browser's session ends with everything within it, and every application is told.

use super::end_sessions;
use crate::app::App;
use crate::domain::change::Ended;
use crate::kernel::id::SessionId;

/// Ends a browser session.
///
/// # Errors
/// The database's: then nothing ended, and the caller must hear it.
pub async fn sign_out(app: &App, session: &SessionId) -> Result<Ended, sqlx::Error> {
    let (session, now) = (session.clone(), app.now());
    let ended: Result<Ended, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let (ended, _) = end_sessions::of_browser(tx, &session, now).await?;
                Ok(ended)
            })
        })
        .await;
    app.outbox_bell.notify_one();
    ended
}
