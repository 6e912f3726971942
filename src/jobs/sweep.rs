//! Ends bindings whose windows are over, through the door, and sessions whose time is, writes down which invitations are
//! over, and prunes rows that time has made worthless.

use crate::app::App;
use crate::domain::change::{Actor, Change, Mode};
use crate::flows::change_access::change_access;
use crate::flows::expired;
use crate::store::{invitations, orgs, prune as rows};

/// Ends what is over. At Muster's own endpoints it has counted for nothing since its last millisecond; this is what
/// ends the sessions and tells the applications.
pub async fn windows(app: App) {
    let due = match app.db.read().await {
        Ok(mut conn) => orgs::with_windows_over(&mut conn, app.now()).await,
        Err(error) => Err(error),
    };
    match due {
        Ok(orgs) => {
            for org in orgs {
                let change = vec![Change::EndWindows { org: org.clone() }];
                if let Err(refusal) = change_access(&app, &Actor::System("window_over"), change, Mode::Act).await {
                    tracing::error!(org.id = %org, %refusal, "windows that are over were not ended");
                }
            }
        }
        Err(error) => tracing::error!(%error, "windows that are over can't be looked for"),
    }
}

/// Writes down which invitations are over. They have allowed nothing since the moment of their end; this is for lists.
pub async fn expired_invitations(app: App) {
    match invitations::expire(&app.db, app.now()).await {
        Ok(0) => {}
        Ok(count) => tracing::debug!(count, "invitations are over"),
        Err(error) => tracing::error!(%error, "invitations that are over can't be written down"),
    }
}

/// Ends the sessions whose time is over, and has their applications told.
pub async fn expired_sessions(app: App) {
    match expired::end(&app).await {
        Ok(0) => {}
        Ok(count) => tracing::debug!(count, "sessions are over"),
        Err(error) => tracing::error!(%error, "sessions that are over were not ended"),
    }
}

/// Prunes.
pub async fn prune(app: App) {
    match rows::run(&app.db, app.now()).await {
        Ok(0) => {}
        Ok(count) => tracing::debug!(count, "pruned"),
        Err(error) => tracing::error!(%error, "pruning failed"),
    }
}
