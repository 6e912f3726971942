//! Tells those who manage an organisation's identities that a token of a connection ends soon.

use crate::app::App;
use crate::flows::scim::expiring;

/// One round.
pub async fn warn(app: App) {
    if let Err(error) = expiring::warn(&app).await {
        tracing::error!(%error, "of tokens that end soon nobody was told");
    }
}
