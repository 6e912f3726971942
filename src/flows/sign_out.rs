//! Signing out: the browser's session ends with everything within it, and every application is told.

use super::end_sessions;
use super::tell::By;
use crate::app::App;
use crate::domain::change::Ended;
use crate::domain::oidc::frontchannel_logout;
use crate::domain::ssf::caep::Initiator;
use crate::kernel::id::SessionId;
use crate::store::cookies::Facts;
use crate::store::leaving::{self, FrontChannel};
use crate::store::sessions;

/// So many applications are told by the browser itself, at most.
const MOST_FRAMES: i64 = 50;

/// What came of signing out.
#[derive(Clone, Debug)]
pub struct SignedOut {
    /// What ended.
    pub ended: Ended,
    /// What the browser still has to load, each in a frame (Front-Channel Logout 1.0).
    pub frames: Vec<String>,
}

/// Ends a browser session.
///
/// # Errors
/// The database's: then nothing ended, and the caller must hear it.
pub async fn sign_out(app: &App, session: &SessionId) -> Result<Ended, sqlx::Error> {
    here(app, session).await.map(|done| done.ended)
}

/// As [`sign_out`], for the browser that asks for it: what it has to load is read before the session's entries end.
///
/// # Errors
/// As [`sign_out`].
pub async fn here(app: &App, session: &SessionId) -> Result<SignedOut, sqlx::Error> {
    let (session, now) = (session.clone(), app.now());
    let by = By::new(app, Initiator::User, "the person signed out");
    let done: Result<(Ended, Vec<FrontChannel>), sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let front = leaving::front_channel(tx, &session, MOST_FRAMES).await?;
                let (ended, _) = end_sessions::of_browser(tx, &by, &session, now).await?;
                Ok((ended, front))
            })
        })
        .await;
    app.outbox_bell.notify_waiters();
    app.outbox_bell.notify_one();
    let (ended, front) = done?;
    let frame = |FrontChannel { application, sid }: FrontChannel| {
        let uri = application.frontchannel_logout_uri?;
        Some(frontchannel_logout::address(&uri, app.issuer(), sid.as_str()))
    };
    Ok(SignedOut { ended, frames: front.into_iter().filter_map(frame).collect() })
}

/// Whether a browser session is there still: what somebody's own sign-in changed may have ended it a moment ago.
///
/// # Errors
/// The database's.
pub async fn is_live(app: &App, facts: &Facts) -> Result<bool, sqlx::Error> {
    let mine = sessions::of_user(&mut app.db.read().await?, &facts.user, app.now()).await?;
    Ok(mine.iter().any(|listed| listed.id == facts.id))
}
