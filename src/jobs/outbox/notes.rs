//! What came of attempts, gathered and written many at a time, and counted.

use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge, histogram};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::lines::Lines;
use crate::app::App;
use crate::store::outbox::{self, Message, Note, Outcome};

/// So many are written at once.
const TOGETHER: usize = 512;
/// What can't be written is tried so often …
const TRIES: u32 = 4;
/// … with so much time in between: to deliver it once more would cost its receiver more.
const AGAIN: Duration = Duration::from_millis(250);
/// How often it is counted what waits.
const COUNTED: Duration = Duration::from_secs(10);
/// The kinds of which it is said how many wait, none as well.
const KINDS: [&str; 4] = ["backchannel_logout", "security_event", "webhook", "mail"];

/// Where attempts are noted. They are never more than are in hand.
#[derive(Clone, Debug)]
pub(super) struct Notes(UnboundedSender<Note>);

impl Notes {
    /// Notes an attempt; it is written soon.
    pub fn put(&self, note: Note) {
        measure(&note);
        if self.0.send(note).is_err() {
            tracing::error!("a delivery was not noted; it will be made again");
        }
    }
}

/// Starts to write; `freed` is rung when the next events of a stream may go. The task ends when nobody can note anything
/// any more and everything is written.
pub(super) fn start(app: &App, freed: Arc<Notify>) -> (Notes, JoinHandle<()>) {
    let (sender, receiver) = unbounded_channel();
    (Notes(sender), tokio::spawn(write(app.clone(), freed, receiver)))
}

/// While some are written others gather: the busier it is, the more go together.
async fn write(app: App, freed: Arc<Notify>, mut notes: UnboundedReceiver<Note>) {
    let mut some = Vec::new();
    while notes.recv_many(&mut some, TOGETHER).await > 0 {
        keep(&app, &some).await;
        // To the database an event is under way until this moment, and keeps the later ones of its stream back.
        if some.iter().any(|note| matches!(note.row.message, Message::SecurityEvent(_))) {
            freed.notify_one();
        }
        some.clear();
    }
}

async fn keep(app: &App, some: &[Note]) {
    for tries in 1..=TRIES {
        let Err(error) = outbox::settle(&app.db, some, app.now()).await else { return };
        if tries == TRIES {
            tracing::error!(%error, count = some.len(), "deliveries were not noted; they will be made again");
        } else {
            tokio::time::sleep(AGAIN).await;
        }
    }
}

fn measure(note: &Note) {
    let outcome = match &note.outcome {
        Outcome::Sent(_) => "sent",
        Outcome::Later(..) => "later",
        Outcome::GivenUp(_) => "given_up",
        Outcome::Untried(_) => return,
    };
    let kind = note.row.message.kind();
    counter!("muster_outbox_attempts_total", "kind" => kind, "outcome" => outcome).increment(1);
    if outcome == "sent" {
        // From the change to the answer.
        let took = Duration::from_millis(u64::try_from(note.ended.since(note.row.created_at)).unwrap_or(0));
        histogram!("muster_outbox_delivery_seconds", "kind" => kind).record(took.as_secs_f64());
    }
}

/// Counts what waits, and who is left alone, until `stop`.
pub(super) async fn count(app: App, lines: Lines, stop: CancellationToken) {
    loop {
        gauge!("muster_outbox_breaker_open").set(small(i64::try_from(lines.open_breakers()).unwrap_or(i64::MAX)));
        let weights = match app.db.read().await {
            Ok(mut conn) => outbox::weigh(&mut conn).await,
            Err(error) => Err(error),
        };
        match weights {
            Ok(weights) => {
                for kind in KINDS {
                    let waiting = weights.iter().find(|weight| weight.kind == kind).map_or(0, |weight| weight.waiting);
                    gauge!("muster_outbox_waiting", "kind" => kind).set(small(waiting));
                }
                let oldest = weights.iter().filter_map(|weight| weight.oldest).min();
                let age = oldest.map_or(0, |oldest| app.now().since(oldest).max(0) / 1000);
                gauge!("muster_outbox_oldest_seconds").set(small(age));
            }
            Err(error) => tracing::debug!(%error, "what waits in the outbox can't be counted"),
        }
        if stop.run_until_cancelled(tokio::time::sleep(COUNTED)).await.is_none() {
            return;
        }
    }
}

fn small(number: i64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
