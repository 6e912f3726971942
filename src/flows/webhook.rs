//! The signing secrets of webhooks: made and sealed with a rule of alerts, opened when a message is sent.

use crate::app::App;
use crate::kernel::id::{AlertId, OutboxId};
use crate::kernel::secret::Secret;
use crate::outside::webhook;

const PURPOSE: &str = "alert_webhook";

/// A new signing secret for a rule: to be shown once, and sealed, bound to the rule.
#[must_use]
pub fn mint(app: &App, alert: &AlertId) -> (Secret, Vec<u8>) {
    let secret = webhook::secret(app.chance.as_ref());
    let sealed = app.sealer.seal(PURPOSE, alert.as_str(), secret.expose().as_bytes());
    (secret, sealed)
}

/// The headers with which a message goes out now; `None` when the secret can't be opened.
#[must_use]
pub fn headers(
    app: &App,
    alert: &AlertId,
    sealed: &[u8],
    message: &OutboxId,
    body: &str,
) -> Option<[(&'static str, String); 3]> {
    let opened = app.sealer.open(PURPOSE, alert.as_str(), sealed).ok()?;
    let secret = Secret::presented(String::from_utf8(opened).ok()?);
    let seconds = app.now().seconds();
    let signature = webhook::signature(&secret, message.as_str(), seconds, body)?;
    Some([
        ("webhook-id", message.as_str().to_owned()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signature),
    ])
}
