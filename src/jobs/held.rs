//! Decides of held requests that nobody decided in time, as their connections say.

use crate::app::App;
use crate::flows::scim::held;

/// One round.
pub async fn decide(app: App) {
    if let Err(error) = held::decide_due(&app).await {
        tracing::error!(%error, "held requests whose time is over can't be looked for");
    }
}
