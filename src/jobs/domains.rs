//! Looks for the records of verified e-mail domains, each once a day, and stops in the middle of it when Muster does.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::flows::domains;

/// How often it is asked which are due.
const ROUND: Duration = Duration::from_mins(10);

/// Works until `stop`.
pub async fn run(app: App, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(ROUND)).await.is_some() {
        if let Some(Err(error)) = stop.run_until_cancelled(domains::recheck(&app)).await {
            tracing::error!(%error, "domains that are due can't be looked for");
        }
    }
}
