//! Counts what only the database knows, for whoever watches: once at the start, then every minute.

use metrics::gauge;

use crate::app::App;
use crate::store::load;

/// Counts.
pub async fn sessions(app: App) {
    let found = match app.db.read().await {
        Ok(mut conn) => load::sessions(&mut conn, app.now()).await,
        Err(error) => Err(error),
    };
    match found {
        Ok(count) => gauge!("muster_sessions").set(f64::from(u32::try_from(count).unwrap_or(u32::MAX))),
        Err(error) => tracing::warn!(%error, "sessions can't be counted"),
    }
}
