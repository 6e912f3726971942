//! Makes, shows, changes and deletes the streams of an application (SSF 1.0 §8.1.1).

use serde_json::Value;

use super::{NotDone, Receiver, held, is_pushed, named, poll_address, settle_waiting};
use crate::app::App;
use crate::domain::ssf::Malformed;
use crate::domain::ssf::stream::{Given, MOST, Settings, Status, Wanted};
use crate::kernel::id::StreamId;
use crate::outside::relying_party::SendError;
use crate::store::outbox;
use crate::store::streams::{self, Stream};

/// What the header of a stream's pushes is sealed for.
pub(super) const HEADER: &str = "stream_authorization";

/// How much of a stream a request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What it doesn't say stays.
    Part,
    /// What it doesn't say is as in a new stream.
    Whole,
}

/// The streams of an application, as they are shown.
///
/// # Errors
/// The database's.
pub async fn list(app: &App, receiver: &Receiver) -> Result<Vec<Value>, NotDone> {
    let found = streams::of_application(&mut app.db.read().await?, &receiver.id).await?;
    Ok(found.iter().map(|stream| shown(app, receiver, stream)).collect())
}

/// One stream, as it is shown.
///
/// # Errors
/// [`NotDone::Unknown`], or the database's.
pub async fn show(app: &App, receiver: &Receiver, id: &str) -> Result<Value, NotDone> {
    let found = streams::find(&mut app.db.read().await?, &receiver.id, &named(id)?).await?;
    Ok(shown(app, receiver, &found.ok_or(NotDone::Unknown)?))
}

/// Makes a stream, which tells at once; as it is shown.
///
/// # Errors
/// [`NotDone::Malformed`], [`NotDone::TooMany`], or the database's.
pub async fn create(app: &App, receiver: &Receiver, wanted: Wanted) -> Result<Value, NotDone> {
    let mut stream = Stream {
        id: StreamId::fresh(),
        application: receiver.id.clone(),
        status: Status::Enabled,
        reason: None,
        settings: Settings::usual(),
        sealed: None,
        failures: 0,
        last_sent_at: None,
    };
    put_over(app, &mut stream, wanted)?;
    let (view, now) = (shown(app, receiver, &stream), app.now());
    let made: Result<(), NotDone> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                if !streams::take_turns(tx, &stream.application).await? {
                    return Err(NotDone::Unauthorized);
                }
                if streams::of_application(tx, &stream.application).await?.len() >= MOST {
                    return Err(NotDone::TooMany);
                }
                Ok(streams::put(tx, &stream, now).await?)
            })
        })
        .await;
    made.map(|()| view)
}

/// Changes a stream; as it is shown then. What waits for it follows where it is told to go.
///
/// # Errors
/// [`NotDone::Unknown`], [`NotDone::Malformed`], or the database's.
pub async fn change(
    app: &App,
    receiver: &Receiver,
    id: &str,
    (extent, wanted): (Extent, Wanted),
) -> Result<Value, NotDone> {
    let id = named(id)?;
    let (owned, by, now) = (app.clone(), receiver.clone(), app.now());
    let changed: Result<Value, NotDone> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let mut stream = held(tx, &by.id, &id).await?;
                let before = stream.settings.delivery;
                if extent == Extent::Whole {
                    if wanted.delivery.is_none() {
                        return Err(Malformed("delivery is missing.".to_owned()).into());
                    }
                    stream.settings.description = None;
                    stream.settings.requested = Settings::usual().requested;
                }
                put_over(&owned, &mut stream, wanted)?;
                streams::put(tx, &stream, now).await?;
                if stream.settings.delivery != before {
                    let sends = is_pushed(&stream) && stream.status == Status::Enabled;
                    settle_waiting(tx, &stream.id, sends, now).await?;
                }
                Ok(shown(&owned, &by, &stream))
            })
        })
        .await;
    app.outbox_bell.notify_one();
    changed
}

/// Deletes a stream; what waits for it is given up.
///
/// # Errors
/// [`NotDone::Unknown`], or the database's.
pub async fn delete(app: &App, receiver: &Receiver, id: &str) -> Result<(), NotDone> {
    let (id, application, now) = (named(id)?, receiver.id.clone(), app.now());
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let stream = held(tx, &application, &id).await?;
                outbox::give_up_waiting(tx, stream.id.as_str(), "the stream was deleted", now).await?;
                Ok(streams::remove(tx, &stream.id).await?)
            })
        })
        .await
}

fn shown(app: &App, receiver: &Receiver, stream: &Stream) -> Value {
    let ours = (app.issuer(), receiver.client_id.as_str());
    stream.settings.shown(&stream.id, ours, &poll_address(app, &stream.id))
}

/// Puts what a receiver says over its stream, and seals the header of its pushes.
fn put_over(app: &App, stream: &mut Stream, wanted: Wanted) -> Result<(), NotDone> {
    let (settings, header) = stream.settings.clone().with(wanted);
    if let Some(endpoint) = &settings.endpoint {
        check_address(app, endpoint)?;
    }
    stream.settings = settings;
    match header {
        Given::Absent => {}
        Given::Taken => stream.sealed = None,
        Given::Text(text) => stream.sealed = Some(app.sealer.seal(HEADER, stream.id.as_str(), text.as_bytes())),
    }
    Ok(())
}

/// Refuses an address that may not be called. No name is looked up here: that is done at each call.
fn check_address(app: &App, endpoint: &str) -> Result<(), Malformed> {
    let reason = match app.relying_party.may_call(endpoint) {
        Ok(()) if endpoint.contains('#') => "has no fragment.",
        Ok(()) => return Ok(()),
        Err(SendError::Refused) => "is an https address on the public internet; the operator can list others.",
        Err(_) => "is an https address without a user name in it.",
    };
    Err(Malformed(format!("delivery.endpoint_url {reason}")))
}
