//! What the worker of the outbox needs to post an event (RFC 8935), and what a stream learns from how it went.

use super::{Of, signed};
use crate::app::App;
use crate::domain::ssf::event::{EventType, SecurityEvent};
use crate::domain::ssf::stream::{Delivery, MOST_GIVEN_UP, Status};
use crate::kernel::id::{OutboxId, StreamId};
use crate::kernel::secret::Secret;
use crate::kernel::time::MINUTE;
use crate::store::outbox::{self, Leased, Message, NewRow};
use crate::store::streams::{self, Pushed};

/// What its receiver, and its organisation's administrators, read when we pause a stream.
const PAUSED: &str = "ten events in a row could not be delivered";

/// What is to be done with an event.
#[derive(Debug)]
pub enum Ready {
    /// It is posted.
    Post(Post),
    /// It waits until the stream tells again, or its receiver fetches it.
    Held,
    /// Nobody wants it any more; why.
    Never(&'static str),
    /// It can't be signed now.
    NoKey,
}

/// A post.
#[derive(Debug)]
pub struct Post {
    /// Where to.
    pub endpoint: String,
    /// The `Authorization` header, exactly as the receiver gave it.
    pub authorization: Option<Secret>,
    /// The token.
    pub token: String,
    /// Whether it is news to the stream that an event was taken.
    pub is_news: bool,
}

/// Prepares an event for its way out.
///
/// # Errors
/// The database's.
pub async fn ready(app: &App, row: &Leased, event: &SecurityEvent) -> Result<Ready, sqlx::Error> {
    let id = StreamId::trusted(row.receiver.clone());
    let Some(Pushed { stream, client_id, active }) = streams::pushed(&mut app.db.read().await?, &id).await? else {
        return Ok(Ready::Never("the stream is gone"));
    };
    if !active {
        return Ok(Ready::Never("the application is gone or disabled"));
    }
    // That it is paused is the one thing that a paused stream tells.
    let holds = stream.status == Status::Paused && event.kind != EventType::StreamUpdated;
    match (stream.status, stream.settings.endpoint) {
        (Status::Disabled, _) => Ok(Ready::Never("the stream is disabled")),
        (Status::Enabled | Status::Paused, None) => Ok(Ready::Held),
        (Status::Enabled | Status::Paused, Some(_)) if holds => Ok(Ready::Held),
        (Status::Enabled | Status::Paused, Some(endpoint)) => {
            let opened = stream.sealed.map(|sealed| app.sealer.open(super::manage::HEADER, id.as_str(), &sealed));
            let Ok(opened) = opened.transpose() else {
                return Ok(Ready::Never("the Authorization header can't be opened"));
            };
            let authorization = opened.and_then(|bytes| String::from_utf8(bytes).ok()).map(Secret::presented);
            let Some(token) = signed_apart(app, client_id, row, event).await else {
                return Ok(Ready::NoKey);
            };
            let fresh = |at| app.now().since(at) < MINUTE;
            let is_news = stream.failures > 0 || !stream.last_sent_at.is_some_and(fresh);
            Ok(Ready::Post(Post { endpoint, authorization, token, is_news }))
        }
    }
}

/// The token of an event, signed on a thread on which nobody else waits for their turn.
async fn signed_apart(app: &App, audience: String, row: &Leased, event: &SecurityEvent) -> Option<String> {
    let (app, event, at) = (app.clone(), event.clone(), row.created_at);
    let (id, change) = (row.id.clone(), row.change.clone());
    let signing = tokio::task::spawn_blocking(move || {
        signed(&app, &audience, Of { id: &id, at, change: change.as_ref() }, &event).ok()
    });
    signing.await.ok().flatten()
}

/// An event was taken.
///
/// # Errors
/// The database's.
pub async fn note_taken(app: &App, stream: &StreamId) -> Result<(), sqlx::Error> {
    let (stream, now) = (stream.clone(), app.now());
    app.db.write(move |tx| Box::pin(async move { streams::note_taken(tx, &stream, now).await })).await
}

/// An event was given up. After ten in a row the stream is paused, and its receiver told: it may go on once it is
/// mended.
///
/// # Errors
/// The database's.
pub async fn note_given_up(app: &App, stream: &StreamId) -> Result<(), sqlx::Error> {
    let (id, now) = (stream.clone(), app.now());
    let paused: Result<bool, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let Some(stream) = streams::note_given_up(tx, &id).await? else {
                    return Ok(false);
                };
                let tells = stream.status == Status::Enabled && stream.settings.delivery == Delivery::Push;
                if !tells || stream.failures < MOST_GIVEN_UP {
                    return Ok(false);
                }
                streams::set_status(tx, &id, (Status::Paused, Some(PAUSED)), now).await?;
                outbox::hold(tx, id.as_str()).await?;
                let event = SecurityEvent::stream_updated(&id, Status::Paused.as_str(), PAUSED);
                let message = Message::SecurityEvent(Box::new(event));
                let row = NewRow { id: OutboxId::fresh(), receiver: id.into_string(), change: None, message };
                outbox::put(tx, &row, now).await?;
                Ok(true)
            })
        })
        .await;
    if paused? {
        tracing::warn!(stream.id = %stream, "a stream of security events was paused: {PAUSED}");
        app.outbox_bell.notify_one();
    }
    Ok(())
}
