//! Hands out what waits in a stream that is fetched, and hears what became of it (RFC 8936).
//!
//! # Why
//! Whoever waits asks the database again and again, ever more rarely: events are written on any node, and nothing that
//! matters may hang on a node being told. Only so many wait at a time; the others are answered at once, and come again.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::{NotDone, Of, Receiver, is_pushed, named, signed};
use crate::app::App;
use crate::domain::ssf::poll::Poll;
use crate::domain::ssf::stream::Status;
use crate::kernel::id::{OutboxId, StreamId};
use crate::outside::keyring::KeyError;
use crate::store::outbox::{self, Outcome, Waiting};
use crate::store::streams;

/// So long a request waits for events.
const PATIENCE: Duration = Duration::from_secs(30);
/// The first look after nothing was there comes so soon, each later one twice as late …
const FIRST_LOOK: Duration = Duration::from_millis(100);
/// … but no later than this.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// So many requests wait on one node.
static WAITING: Semaphore = Semaphore::const_new(256);

/// What is handed out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The tokens, by their `jti`.
    pub sets: BTreeMap<String, String>,
    /// Whether there are more.
    pub more: bool,
}

/// Hears what became of earlier events, and hands out the next, the oldest first.
///
/// # Errors
/// [`NotDone::Unknown`], also for a stream that is pushed; no key signs; the database's.
pub async fn fetch(app: &App, receiver: &Receiver, id: &str, poll: Poll) -> Result<Fetched, NotDone> {
    let id = named(id)?;
    let found = streams::find(&mut app.db.read().await?, &receiver.id, &id).await?;
    if found.is_none_or(|stream| is_pushed(&stream)) {
        return Err(NotDone::Unknown);
    }
    if !poll.told.is_empty() {
        hear(app, &id, poll.told).await?;
    }
    if poll.most == 0 {
        return Ok(Fetched::default());
    }
    let mut rows = look(app, receiver, &id, poll.most).await?;
    if rows.is_empty()
        && !poll.at_once
        && let Ok(_place) = WAITING.try_acquire()
    {
        rows = wait(app, receiver, &id, poll.most).await?;
    }
    hand_out(app, receiver, rows, poll.most).await
}

async fn wait(app: &App, receiver: &Receiver, id: &StreamId, most: i64) -> Result<Vec<Waiting>, NotDone> {
    let (until, mut pause) = (Instant::now() + PATIENCE, FIRST_LOOK);
    loop {
        sleep(pause).await;
        let rows = look(app, receiver, id, most).await?;
        if !rows.is_empty() || Instant::now() >= until {
            return Ok(rows);
        }
        pause = (pause * 2).min(LAST_LOOK);
    }
}

/// What waits, and one more than is wanted; nothing where the stream doesn't tell now, or is gone.
async fn look(app: &App, receiver: &Receiver, id: &StreamId, most: i64) -> Result<Vec<Waiting>, NotDone> {
    let mut conn = app.db.read().await?;
    let tells = streams::find(&mut conn, &receiver.id, id).await?.is_some_and(|s| s.status == Status::Enabled);
    if !tells {
        return Ok(Vec::new());
    }
    Ok(outbox::waiting_of(&mut conn, id.as_str(), most + 1).await?)
}

async fn hear(app: &App, id: &StreamId, told: BTreeMap<OutboxId, Option<String>>) -> Result<(), NotDone> {
    let (id, now) = (id.clone(), app.now());
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let taken = told.values().any(Option::is_none);
                let outcome = |error: Option<String>| match error {
                    None => Outcome::Sent("acknowledged".to_owned()),
                    Some(word) => Outcome::GivenUp(word),
                };
                let outcomes: Vec<_> = told.into_iter().map(|(row, error)| (row, outcome(error))).collect();
                outbox::answered(tx, id.as_str(), &outcomes, now).await?;
                if taken {
                    streams::note_taken(tx, &id, now).await?;
                }
                Ok(())
            })
        })
        .await
}

/// Signs what was found. A hundred signatures with RSA take a tenth of a second: not where others wait for their turn.
async fn hand_out(app: &App, receiver: &Receiver, mut rows: Vec<Waiting>, most: i64) -> Result<Fetched, NotDone> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let more = rows.len() > most;
    rows.truncate(most);
    if rows.is_empty() {
        return Ok(Fetched::default());
    }
    let (owned, audience) = (app.clone(), receiver.client_id.clone());
    let signing = tokio::task::spawn_blocking(move || -> Result<BTreeMap<String, String>, KeyError> {
        let mut sets = BTreeMap::new();
        for row in rows {
            let of = Of { id: &row.id, at: row.created_at, change: row.change.as_ref() };
            sets.insert(row.id.to_string(), signed(&owned, &audience, of, &row.event)?);
        }
        Ok(sets)
    });
    let sets = signing.await.unwrap_or(Err(KeyError::NotSigned))?;
    Ok(Fetched { sets, more })
}
