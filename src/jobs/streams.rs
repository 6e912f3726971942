//! Looks after the events of streams that are held, every minute.

use crate::app::App;
use crate::flows::streams::stale;

/// Looks after them once.
pub async fn mend(app: App) {
    match stale::mend(&app).await {
        Ok(mended) if mended == stale::Mended::default() => {}
        Ok(mended) => tracing::debug!(released = mended.released, given_up = mended.given_up, "events were held"),
        Err(error) => tracing::error!(%error, "events that are held can't be looked after"),
    }
}
