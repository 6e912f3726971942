//! Tries a stream: an event that says nothing but that it came (SSF 1.0 §8.1.4).

use super::{NotDone, Receiver, held, is_pushed, named};
use crate::app::App;
use crate::domain::ssf::event::SecurityEvent;
use crate::domain::ssf::stream::{Status, VERIFICATION_INTERVAL};
use crate::kernel::id::OutboxId;
use crate::store::outbox::{self, Message, NewRow};
use crate::store::streams;

/// Puts a verification into a stream. One that is paused holds it like any other event.
///
/// # Errors
/// [`NotDone::Unknown`], [`NotDone::Disabled`], [`NotDone::TooSoon`], or the database's.
pub async fn ask(app: &App, receiver: &Receiver, id: &str, state: Option<String>) -> Result<(), NotDone> {
    let (id, application, now) = (named(id)?, receiver.id.clone(), app.now());
    let asked: Result<(), NotDone> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let stream = held(tx, &application, &id).await?;
                if stream.status == Status::Disabled {
                    return Err(NotDone::Disabled);
                }
                if !streams::note_verification(tx, &id, now, now.minus(VERIFICATION_INTERVAL)).await? {
                    return Err(NotDone::TooSoon);
                }
                let event = SecurityEvent::verification(&id, state.as_deref());
                let message = Message::SecurityEvent(Box::new(event));
                let row = NewRow { id: OutboxId::fresh(), receiver: id.into_string(), change: None, message };
                if is_pushed(&stream) && stream.status == Status::Enabled {
                    outbox::put(tx, &row, now).await?;
                } else {
                    outbox::put_held(tx, &row, now).await?;
                }
                Ok(())
            })
        })
        .await;
    app.outbox_bell.notify_one();
    asked
}
