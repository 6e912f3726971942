//! Fetches the events of providers that don't push them (RFC 8936), each connection on one node at a time.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::flows::federation::signals::poll;

/// How often it is asked which are due.
const ROUND: Duration = Duration::from_secs(15);
/// So many are asked at a time: one that answers slowly holds up few others.
const AT_ONCE: usize = 64;

/// Works until `stop`. What was taken and not acknowledged yet comes again, and counts once.
pub async fn run(app: App, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(ROUND)).await.is_some() {
        if let Some(Err(error)) = stop.run_until_cancelled(round(&app)).await {
            tracing::error!(%error, "connections whose events are fetched can't be looked for");
        }
    }
}

async fn round(app: &App) -> Result<(), sqlx::Error> {
    let due = poll::due(app).await?;
    stream::iter(due)
        .for_each_concurrent(AT_ONCE, |connection| async move {
            if let Err(error) = poll::fetch(app, &connection).await {
                tracing::error!(%connection, %error, "what became of a connection's events was not noted");
            }
        })
        .await;
    Ok(())
}
