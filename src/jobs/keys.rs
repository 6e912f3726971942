//! Keeps the keyring in step with the database: a key that another process made is published here within a second.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::flows::{Fault, rotate_keys};

/// Looks every second whether the keys changed, which costs one small read; makes what is missing once a minute.
pub async fn run(app: App, stop: CancellationToken) {
    let mut round = 0_u64;
    while stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await.is_some() {
        round += 1;
        if let Err(fault) = work(&app, round.is_multiple_of(60)).await {
            tracing::error!(%fault, "the signing keys can't be read");
        }
    }
}

async fn work(app: &App, thoroughly: bool) -> Result<(), Fault> {
    if thoroughly {
        rotate_keys::rotate_if_due(app).await?;
        rotate_keys::ensure(app, &rotate_keys::wanted(app).await?).await?;
    }
    rotate_keys::reload_if_changed(app).await
}
