//! Looks after the feed of revocations while somebody reads it, and forgets what concerns no token any more.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::flows::feed::follow;

/// So long after a look that saw the end the next one comes, while somebody reads.
const LOOK: Duration = Duration::from_millis(100);
/// Between two looks there is at least so much, however many ask.
const PAUSE: Duration = Duration::from_millis(10);
/// After a look that failed the next comes so much later.
const FAILED: Duration = Duration::from_secs(1);

/// Works until `stop`. The feed has its name before anybody reads, and after a restore its first entry.
pub async fn run(app: App, stop: CancellationToken) {
    if let Some(Err(error)) = stop.run_until_cancelled(follow::begin(&app)).await {
        tracing::error!(%error, "the feed of revocations can't be begun");
    }
    stop.run_until_cancelled(look_after(&app)).await;
}

async fn look_after(app: &App) {
    loop {
        app.feed.be_wanted().await;
        let found = follow::look(app).await;
        tokio::time::sleep(PAUSE).await;
        match found {
            Ok(true) => tokio::select! {
                () = app.feed.be_wanted_anew() => {}
                () = tokio::time::sleep(LOOK) => {}
            },
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, "the feed of revocations can't be looked after");
                tokio::time::sleep(FAILED).await;
            }
        }
    }
}

/// Forgets entries whose time is over.
pub async fn prune(app: App) {
    match follow::prune(&app).await {
        Ok(0) => {}
        Ok(count) => tracing::debug!(count, "revocations concern no token any more"),
        Err(error) => tracing::error!(%error, "the feed of revocations can't be pruned"),
    }
}
