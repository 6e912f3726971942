//! What somebody must hear of though no change tells it: a row of the audit record that rules of alerts fit, and a
//! mail to those who answer for alerts.

use serde_json::Value;

use super::change_access::append_alarm;
use crate::app::App;
use crate::domain::change::{Actor, Origin};
use crate::kernel::id::OrgId;
use crate::kernel::time::UnixMillis;
use crate::store::audit::Entry;
use crate::store::db::Tx;

/// Something that somebody must hear of.
#[derive(Clone, Debug)]
pub struct Alarm {
    /// In which organisation.
    pub org: OrgId,
    /// The machine's word: one of [`ALARMS`](crate::domain::audit::ALARMS).
    pub kind: &'static str,
    /// Who did it.
    pub actor: Actor,
    /// Where it was asked from.
    pub origin: Origin,
    /// What, for people.
    pub action: String,
    /// More.
    pub detail: Value,
    /// The ids that it concerns.
    pub targets: Vec<String>,
}

/// Writes it, with the messages, into a transaction that does more besides. Whoever commits rings the bell.
///
/// # Errors
/// The database's.
pub async fn put(tx: &mut Tx, alarm: &Alarm, at: UnixMillis) -> Result<(), sqlx::Error> {
    let (actor, detail) = (alarm.actor.label(), alarm.detail.to_string());
    let entry = Entry {
        org: Some(&alarm.org),
        at,
        actor: &actor,
        action: &alarm.action,
        accepted: true,
        change: None,
        detail: &detail,
        kinds: &[alarm.kind],
        targets: &alarm.targets,
        address: &alarm.origin.address,
        request_id: &alarm.origin.request_id,
    };
    append_alarm(tx, &entry).await
}

/// Writes it in a transaction of its own.
///
/// # Errors
/// The database's.
pub async fn raise(app: &App, alarm: Alarm) -> Result<(), sqlx::Error> {
    let at = app.now();
    app.db.write(move |tx| Box::pin(async move { put(tx, &alarm, at).await })).await?;
    app.outbox_bell.notify_one();
    Ok(())
}
