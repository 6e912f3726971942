//! Reminds people once a minute of what ends soon: links for a first password, invitations, access keys.

use crate::app::App;
use crate::flows::notices;

/// One round.
pub async fn send(app: App) {
    if let Err(error) = notices::remind(&app).await {
        tracing::error!(%error, "reminders were not sent");
    }
}
