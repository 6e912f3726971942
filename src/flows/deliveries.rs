//! A delivery of the outbox tried again, or given up, by hand: by an organisation's administrator or on the command line.

use crate::app::App;
use crate::domain::change::{Actor, Origin};
use crate::kernel::id::{ChangeId, OrgId, OutboxId};
use crate::kernel::time::UnixMillis;
use crate::store::audit::{self, Entry};
use crate::store::db::{Result, Tx};
use crate::store::outbox;

const RETRY: &str = "delivery.retry";
const GIVE_UP: &str = "delivery.give_up";
/// What stands in the place of an answer of what was given up by hand.
pub const BY_HAND: &str = "given up by hand";

/// Who asks, and what for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who.
    pub actor: Actor,
    /// From where.
    pub origin: Origin,
    /// In which organisation's record it is written down; `None` for the instance's own.
    pub org: Option<OrgId>,
    /// The change that the delivery comes from, as far as it is known.
    pub change: Option<ChangeId>,
}

impl Asked {
    /// The command line asks.
    #[must_use]
    pub fn on_command_line() -> Self {
        Self { actor: Actor::CommandLine, origin: Origin::default(), org: None, change: None }
    }
}

/// Has a delivery tried now that was given up, or waits for its next attempt; whether there is one.
///
/// # Errors
/// The database's: then nothing was changed.
pub async fn retry(app: &App, asked: Asked, id: &OutboxId) -> Result<bool> {
    let (id, now) = (id.clone(), app.now());
    let done: Result<bool> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let found = outbox::retry(tx, &id, now).await?;
                if found {
                    record(tx, &asked, (RETRY, format!("try the delivery {id} again")), id.into_string(), now).await?;
                }
                Ok(found)
            })
        })
        .await;
    app.outbox_bell.notify_waiters();
    app.outbox_bell.notify_one();
    done
}

/// As [`retry`], whatever there is of one receiver; how many.
///
/// # Errors
/// The database's: then nothing was changed.
pub async fn retry_receiver(app: &App, asked: Asked, receiver: &str) -> Result<u64> {
    let (receiver, now) = (receiver.to_owned(), app.now());
    let done: Result<u64> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let count = outbox::retry_receiver(tx, &receiver, now).await?;
                if count > 0 {
                    let line = format!("try {count} deliveries to {receiver} again");
                    record(tx, &asked, (RETRY, line), receiver, now).await?;
                }
                Ok(count)
            })
        })
        .await;
    app.outbox_bell.notify_waiters();
    app.outbox_bell.notify_one();
    done
}

/// Gives up a delivery that waits; whether there is one.
///
/// # Errors
/// The database's: then nothing was changed.
pub async fn give_up(app: &App, asked: Asked, id: &OutboxId) -> Result<bool> {
    let (id, now) = (id.clone(), app.now());
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let found = outbox::give_up(tx, &id, BY_HAND, now).await?;
                if found {
                    record(tx, &asked, (GIVE_UP, format!("give up the delivery {id}")), id.into_string(), now).await?;
                }
                Ok(found)
            })
        })
        .await
}

async fn record(
    tx: &mut Tx,
    asked: &Asked,
    (kind, action): (&'static str, String),
    target: String,
    at: UnixMillis,
) -> Result<()> {
    let (actor, targets) = (asked.actor.label(), [target]);
    let entry = Entry {
        org: asked.org.as_ref(),
        at,
        actor: &actor,
        action: &action,
        accepted: true,
        change: asked.change.as_ref(),
        detail: "{}",
        kinds: &[kind],
        targets: &targets,
        address: &asked.origin.address,
        request_id: &asked.origin.request_id,
    };
    audit::append(tx, &entry).await.map(|_| ())
}
