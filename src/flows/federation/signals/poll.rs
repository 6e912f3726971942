//! Security events that are fetched (RFC 8936): one node at a time asks a connection's transmitter, and acknowledges what
//! was taken with its next question.
//!
//! # Why
//! What was carried out and not acknowledged, because a node went away in between, comes again and is known by its `jti`.
//! What can't be taken now is neither acknowledged nor refused, so that it comes again too.

use super::events::{NotTaken, take};
use super::{Listening, NotHeard};
use crate::app::App;
use crate::domain::change::Origin;
use crate::domain::federation::security_event::EventError;
use crate::flows::federation::{POLL_TOKEN, health};
use crate::flows::links;
use crate::kernel::id::ConnectionId;
use crate::kernel::secret::Secret;
use crate::kernel::time::{MINUTE, SECOND, UnixMillis};
use crate::store::federation::{polls, upstreams};

/// A lease, in milliseconds; nothing is asked in its second half.
const LEASE: i64 = 2 * MINUTE;
/// So long a connection rests after a round that went well, in milliseconds: a little less than the job's own pause.
const REST: i64 = 14 * SECOND;
/// After failures it rests longer and longer, up to this.
const LONGEST_REST: i64 = 15 * MINUTE;
/// So many times a transmitter is asked in one round, while it has more.
const MOST_QUESTIONS: usize = 20;

/// The connections that may be asked now.
///
/// # Errors
/// The database's.
pub async fn due(app: &App) -> Result<Vec<ConnectionId>, sqlx::Error> {
    let now = app.now();
    let mut conn = app.db.read().await?;
    let mut due = Vec::new();
    for connection in upstreams::polled(&mut conn).await? {
        if !polls::rests(&mut conn, &connection, now).await? {
            due.push(connection);
        }
    }
    Ok(due)
}

/// Fetches a connection's events, unless another node does, and notes how it went.
///
/// # Errors
/// The database's.
pub async fn fetch(app: &App, connection: &ConnectionId) -> Result<(), sqlx::Error> {
    let now = app.now();
    let until = now.plus(LEASE);
    let id = connection.clone();
    let leased: Result<Option<i64>, sqlx::Error> =
        app.db.write(move |tx| Box::pin(async move { polls::lease(tx, &id, now, until).await })).await;
    let Some(failures) = leased? else { return Ok(()) };
    let outcome = converse(app, connection, now.plus(LEASE / 2)).await;
    let (id, now) = (connection.clone(), app.now());
    match outcome {
        Ok(()) => {
            let next = now.plus(REST);
            app.db.write(move |tx| Box::pin(async move { polls::settle(tx, &id, until, next).await })).await
        }
        Err(why) => put_off(app, id, (until, now.plus(rest_after(failures))), why).await,
    }
}

/// Twice as long as before, up to a quarter of an hour.
fn rest_after(failures: i64) -> i64 {
    let doublings = u32::try_from(failures.clamp(0, 20)).unwrap_or(0);
    REST.saturating_mul(1_i64 << doublings).min(LONGEST_REST)
}

/// Notes that a round failed, and tells of it where that lasts: nobody else would notice.
async fn put_off(
    app: &App,
    connection: ConnectionId,
    (leased, next): (UnixMillis, UnixMillis),
    why: String,
) -> Result<(), sqlx::Error> {
    tracing::warn!(connection.id = %connection, error = %why, "a connection's events can't be fetched");
    let (now, fallback) = (app.now(), links::fallback(app));
    let told: Result<bool, sqlx::Error> = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let failing = polls::put_off(tx, &connection, leased, next, now).await?;
                let Some(failing) = failing.filter(|failing| health::is_to_be_told(failing, now)) else {
                    return Ok(false);
                };
                polls::note_told(tx, &connection, now).await?;
                health::tell(tx, &connection, (&failing, &why), fallback, now).await?;
                Ok(true)
            })
        })
        .await;
    if told? {
        app.outbox_bell.notify_one();
    }
    Ok(())
}

/// What the next question says of the events that came before.
#[derive(Default)]
struct Answers {
    taken: Vec<String>,
    refused: Vec<(String, EventError)>,
}

/// Asks until there is nothing more, or for as long as one may; the error is a sentence.
async fn converse(app: &App, connection: &ConnectionId, until: UnixMillis) -> Result<(), String> {
    let origin = Origin::default();
    let listening = match Listening::at(app, connection.as_str(), &origin).await {
        Ok(listening) => listening,
        Err(NotHeard::Unknown) => return Ok(()), // it was closed meanwhile
        Err(other) => return Err(other.to_string()),
    };
    let Some(url) = listening.sign_in.settings.signals.poll_url.as_deref() else { return Ok(()) };
    let bearer = token(app, connection).await?;
    let (mut answers, mut missed) = (Answers::default(), None);
    for _ in 0..MOST_QUESTIONS {
        let said = std::mem::take(&mut answers);
        let sets = app.upstream.poll(url, &bearer, &said.taken, &said.refused).await;
        let sets = sets.map_err(|error| format!("its events can't be fetched: {error}"))?;
        if sets.is_empty() || missed.is_some() {
            break;
        }
        for (jti, set) in sets {
            if app.now() >= until {
                return Ok(()); // what was taken comes again, and is known
            }
            match take(&listening, &set).await {
                Ok(()) => answers.taken.push(jti),
                Err(NotTaken::Refused(error)) => answers.refused.push((jti, error)),
                Err(later) => {
                    missed = Some(later.to_string());
                    break;
                }
            }
        }
    }
    missed.map_or(Ok(()), Err)
}

/// What Muster shows the transmitter.
async fn token(app: &App, connection: &ConnectionId) -> Result<Secret, String> {
    let sealed = {
        let mut conn = app.db.read().await.map_err(|_| "the database failed".to_owned())?;
        upstreams::secrets(&mut conn, connection).await.map_err(|_| "the database failed".to_owned())?
    };
    let sealed = sealed.and_then(|sealed| sealed.poll_token).ok_or("there is no token to fetch its events with")?;
    let opened = app.sealer.open(POLL_TOKEN, connection.as_str(), &sealed).map_err(|error| error.to_string())?;
    String::from_utf8(opened).map(Secret::presented).map_err(|_| "its token is no text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transmitter_that_fails_is_asked_ever_more_rarely_and_never_given_up() {
        assert_eq!(rest_after(0), REST);
        assert_eq!(rest_after(1), 2 * REST);
        assert_eq!(rest_after(6), 64 * REST);
        assert_eq!(rest_after(7), LONGEST_REST);
        assert_eq!(rest_after(i64::MAX), LONGEST_REST);
    }
}
