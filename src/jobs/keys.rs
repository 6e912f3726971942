//! Keeps the keyring in step with the database: often enough that a new key is known here before it signs anywhere.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::flows::rotate_keys;

/// Reloads at a third of the JWKS cache time (between a second and a minute), and when an unknown key was met.
pub async fn run(app: App, stop: CancellationToken) {
    let third = u64::try_from(app.config.keys.jwks_max_age_secs / 3).unwrap_or(1).clamp(1, 60);
    loop {
        let wait = async {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(third)) => {}
                // At most once a second, whatever is sent.
                () = async { app.keys_bell.notified().await; tokio::time::sleep(Duration::from_secs(1)).await; } => {}
            }
        };
        if stop.run_until_cancelled(wait).await.is_none() {
            return;
        }
        if let Err(fault) = work(&app).await {
            tracing::error!(%fault, "the signing keys can't be read");
        }
    }
}

async fn work(app: &App) -> Result<(), crate::flows::Fault> {
    rotate_keys::rotate_if_due(app).await?;
    let wanted = rotate_keys::wanted(app).await?;
    rotate_keys::ensure(app, &wanted).await
}
