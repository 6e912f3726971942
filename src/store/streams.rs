//! Streams of security events: whose they are, how their events reach the receiver, and whom they leave out
//! ([`left_out`]).

mod left_out;

use std::collections::BTreeSet;

pub use self::left_out::{exclude, excluded, excludes, include, known_by_email, may_know};
use super::db::{Cells, Conn, LIST, Record, Result, Tx, corrupt};
use super::outbox::{self, Outcome};
use crate::domain::ssf::event::{EventType, delivered};
use crate::domain::ssf::stream::{Delivery, Settings, Status};
use crate::kernel::id::{ApplicationId, OrgId, OutboxId, StreamId};
use crate::kernel::time::{MINUTE, UnixMillis};

/// So many rows are given up at once.
const STALE_AT_ONCE: i64 = 1_000;

/// A stream.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Its id.
    pub id: StreamId,
    /// Whose it is.
    pub application: ApplicationId,
    /// Whether it tells.
    pub status: Status,
    /// Why it doesn't, in the words of whoever said so.
    pub reason: Option<String>,
    /// What its receiver asked for.
    pub settings: Settings,
    /// The header that goes with each push, sealed and bound to the stream's id.
    pub sealed: Option<Vec<u8>>,
    /// Pushes that were given up, in a row.
    pub failures: i64,
    /// When an event was taken last, to the minute.
    pub last_sent_at: Option<UnixMillis>,
}

impl Record for Stream {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: StreamId::trusted(cells.take()?),
            application: ApplicationId::trusted(cells.take()?),
            status: cells.parse()?,
            reason: cells.take()?,
            settings: Settings {
                description: cells.take()?,
                requested: cells.json()?,
                delivery: cells.parse()?,
                endpoint: cells.take()?,
            },
            sealed: cells.take()?,
            failures: cells.take()?,
            last_sent_at: cells.take::<Option<i64>>()?.map(UnixMillis),
        })
    }
}

/// A stream of an application.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, application: &ApplicationId, id: &StreamId) -> Result<Option<Stream>> {
    conn.query(
        "SELECT id, application_id, status, reason, description, requested, delivery, endpoint, sealed_authorization,
           failures, last_sent_at
         FROM streams WHERE id = $1 AND application_id = $2",
    )
    .bind(id.as_str().to_owned())
    .bind(application.as_str().to_owned())
    .optional()
    .await
}

/// The streams of an application, the oldest first; there are few.
///
/// # Errors
/// The database's.
pub async fn of_application(conn: &mut Conn, application: &ApplicationId) -> Result<Vec<Stream>> {
    conn.query(
        "SELECT id, application_id, status, reason, description, requested, delivery, endpoint, sealed_authorization,
           failures, last_sent_at
         FROM streams WHERE application_id = $1 ORDER BY id",
    )
    .bind(application.as_str().to_owned())
    .all()
    .await
}

/// A stream as whoever pushes its events needs it.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The stream.
    pub stream: Stream,
    /// The `aud` of its tokens.
    pub client_id: String,
    /// Whether the application, and the organisation that it belongs to, are active.
    pub active: bool,
}

impl Record for Pushed {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let stream = Stream::read(cells)?;
        let client_id = cells.take()?;
        let (own, orgs): (String, Option<String>) = (cells.take()?, cells.take()?);
        Ok(Self { stream, client_id, active: own == "active" && orgs.is_none_or(|state| state == "active") })
    }
}

/// A stream by its id alone.
///
/// # Errors
/// The database's.
pub async fn pushed(conn: &mut Conn, id: &StreamId) -> Result<Option<Pushed>> {
    conn.query(
        "SELECT s.id, s.application_id, s.status, s.reason, s.description, s.requested, s.delivery, s.endpoint,
           s.sealed_authorization, s.failures, s.last_sent_at, a.client_id, a.state, o.state
         FROM streams s JOIN applications a ON a.id = s.application_id LEFT JOIN orgs o ON o.id = a.org_id
         WHERE s.id = $1",
    )
    .bind(id.as_str().to_owned())
    .optional()
    .await
}

/// Whether there is any stream that tells or will: mostly there is none, and then nothing else need be asked.
///
/// # Errors
/// The database's.
pub async fn any(conn: &mut Conn) -> Result<bool> {
    let row: Option<(String,)> =
        conn.query("SELECT id FROM streams WHERE status <> 'disabled' LIMIT 1").optional().await?;
    Ok(row.is_some())
}

/// A stream, for whoever has something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiving {
    /// The stream: the receiver of its rows of the outbox.
    pub stream: StreamId,
    /// Whose it is.
    pub application: ApplicationId,
    /// The application's client id.
    pub client_id: String,
    /// What is told.
    pub events: BTreeSet<EventType>,
    /// How it reaches the receiver.
    pub delivery: Delivery,
    /// Whether it tells now: enabled or paused.
    pub status: Status,
}

impl Receiving {
    /// Whether its rows wait until the receiver fetches them or goes on, rather than being sent.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.delivery == Delivery::Poll || self.status == Status::Paused
    }
}

impl Record for Receiving {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let (stream, application) = (StreamId::trusted(cells.take()?), ApplicationId::trusted(cells.take()?));
        let client_id = cells.take()?;
        let requested: Vec<String> = cells.json()?;
        let events = delivered(&requested).into_iter().collect();
        Ok(Self { stream, application, client_id, events, delivery: cells.parse()?, status: cells.parse()? })
    }
}

/// The streams of some active applications that aren't disabled.
///
/// # Errors
/// The database's.
pub async fn of_applications(conn: &mut Conn, applications: &BTreeSet<ApplicationId>) -> Result<Vec<Receiving>> {
    let ids: Vec<String> = applications.iter().map(|id| id.as_str().to_owned()).collect();
    let mut found = Vec::new();
    for some in ids.chunks(LIST) {
        let rows: Vec<Receiving> = conn
            .query_in(
                "SELECT s.id, s.application_id, a.client_id, s.requested, s.delivery, s.status
                 FROM streams s JOIN applications a ON a.id = s.application_id
                 WHERE s.application_id IN (@) AND s.status <> 'disabled' AND a.state = 'active' ORDER BY s.id",
                some,
            )
            .all()
            .await?;
        found.extend(rows);
    }
    Ok(found)
}

/// Has whoever changes an application's streams take turns; whether the application is there.
///
/// # Errors
/// The database's.
pub async fn take_turns(tx: &mut Tx, application: &ApplicationId) -> Result<bool> {
    let rows = tx
        .query("UPDATE applications SET client_id = client_id WHERE id = $1")
        .bind(application.as_str().to_owned())
        .execute()
        .await?;
    Ok(rows > 0)
}

/// Writes a stream: a new one whole, of one that is there the settings and the header.
///
/// # Errors
/// The database's.
pub async fn put(tx: &mut Tx, stream: &Stream, now: UnixMillis) -> Result<()> {
    let settings = &stream.settings;
    tx.query(
        "INSERT INTO streams (id, application_id, status, reason, description, requested, delivery, endpoint,
           sealed_authorization, failures, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
         ON CONFLICT (id) DO UPDATE SET description = excluded.description, requested = excluded.requested,
           delivery = excluded.delivery, endpoint = excluded.endpoint,
           sealed_authorization = excluded.sealed_authorization, updated_at = excluded.updated_at",
    )
    .bind(stream.id.as_str().to_owned())
    .bind(stream.application.as_str().to_owned())
    .bind(stream.status.as_str())
    .bind(stream.reason.clone())
    .bind(settings.description.clone())
    .bind(serde_json::to_string(&settings.requested).map_err(|e| corrupt(&e.to_string()))?)
    .bind(settings.delivery.as_str())
    .bind(settings.endpoint.clone())
    .bind(stream.sealed.clone())
    .bind(stream.failures)
    .bind(now.0)
    .execute()
    .await
    .map(|_| ())
}

/// Sets a stream's status and why; pushes that were given up before count no more.
///
/// # Errors
/// The database's.
pub async fn set_status(
    tx: &mut Tx,
    id: &StreamId,
    (status, reason): (Status, Option<&str>),
    now: UnixMillis,
) -> Result<()> {
    tx.query("UPDATE streams SET status = $2, reason = $3, failures = 0, updated_at = $4 WHERE id = $1")
        .bind(id.as_str().to_owned())
        .bind(status.as_str())
        .bind(reason.map(str::to_owned))
        .bind(now.0)
        .execute()
        .await
        .map(|_| ())
}

/// Deletes a stream, and whom it left out.
///
/// # Errors
/// The database's.
pub async fn remove(tx: &mut Tx, id: &StreamId) -> Result<()> {
    for sql in ["DELETE FROM stream_exclusions WHERE stream_id = $1", "DELETE FROM streams WHERE id = $1"] {
        tx.query(sql).bind(id.as_str().to_owned()).execute().await?;
    }
    Ok(())
}

/// Notes that the receiver tries its stream, if the last time is no later than `before`; whether it is so.
///
/// # Errors
/// The database's.
pub async fn note_verification(tx: &mut Tx, id: &StreamId, now: UnixMillis, before: UnixMillis) -> Result<bool> {
    let rows = tx
        .query("UPDATE streams SET verified_at = $2 WHERE id = $1 AND (verified_at IS NULL OR verified_at <= $3)")
        .bind(id.as_str().to_owned())
        .bind(now.0)
        .bind(before.0)
        .execute()
        .await?;
    Ok(rows > 0)
}

/// Notes that an event was taken, at most once a minute, and that pushes are not given up one after the other any more.
///
/// # Errors
/// The database's.
pub async fn note_taken(tx: &mut Tx, id: &StreamId, now: UnixMillis) -> Result<()> {
    tx.query(
        "UPDATE streams SET failures = 0, last_sent_at = $2
         WHERE id = $1 AND (failures > 0 OR last_sent_at IS NULL OR last_sent_at <= $3)",
    )
    .bind(id.as_str().to_owned())
    .bind(now.0)
    .bind(now.minus(MINUTE).0)
    .execute()
    .await
    .map(|_| ())
}

/// Notes that a push was given up; the stream as it stands then.
///
/// # Errors
/// The database's.
pub async fn note_given_up(tx: &mut Tx, id: &StreamId) -> Result<Option<Stream>> {
    tx.query(
        "UPDATE streams SET failures = failures + 1 WHERE id = $1
         RETURNING id, application_id, status, reason, description, requested, delivery, endpoint, sealed_authorization,
           failures, last_sent_at",
    )
    .bind(id.as_str().to_owned())
    .optional()
    .await
}

/// A stream, as administrators see it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The stream.
    pub stream: Stream,
    /// The application's client id.
    pub client_id: String,
    /// How many of its events wait.
    pub waiting: i64,
}

impl Record for Listed {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self { stream: Stream::read(cells)?, client_id: cells.take()?, waiting: cells.take()? })
    }
}

/// The streams of an organisation's applications, those after an id, by their ids.
///
/// # Errors
/// The database's.
pub async fn of_org(conn: &mut Conn, org: &OrgId, after: &str, most: i64) -> Result<Vec<Listed>> {
    conn.query(
        "SELECT s.id, s.application_id, s.status, s.reason, s.description, s.requested, s.delivery, s.endpoint,
           s.sealed_authorization, s.failures, s.last_sent_at, a.client_id,
           (SELECT COUNT(*) FROM outbox w WHERE w.receiver = s.id AND w.state = 'waiting' AND w.kind = 'security_event')
         FROM streams s JOIN applications a ON a.id = s.application_id
         WHERE a.org_id = $1 AND s.id > $2 ORDER BY s.id LIMIT $3",
    )
    .bind(org.as_str().to_owned())
    .bind(after.to_owned())
    .bind(most)
    .all()
    .await
}

/// Whether any event is held at all.
///
/// # Errors
/// The database's.
pub async fn any_held(conn: &mut Conn) -> Result<bool> {
    let row: Option<(String,)> = conn
        .query("SELECT id FROM outbox WHERE state = 'waiting' AND kind = 'security_event' AND next_at = $1 LIMIT 1")
        .bind(i64::MAX)
        .optional()
        .await?;
    Ok(row.is_some())
}

/// Whether any event is held though its stream posts them now.
///
/// # Errors
/// The database's.
pub async fn any_straggler(conn: &mut Conn) -> Result<bool> {
    let row: Option<(String,)> = conn
        .query(
            "SELECT s.id FROM streams s WHERE s.status = 'enabled' AND s.delivery = 'push' AND EXISTS
               (SELECT 1 FROM outbox w WHERE w.receiver = s.id AND w.state = 'waiting' AND w.kind = 'security_event'
                  AND w.next_at = $1) LIMIT 1",
        )
        .bind(i64::MAX)
        .optional()
        .await?;
    Ok(row.is_some())
}

/// Has events sent that are held though their stream posts them now: they were written while it began to; how many.
///
/// # Errors
/// The database's.
pub async fn release_stragglers(tx: &mut Tx, now: UnixMillis) -> Result<u64> {
    tx.query(
        "UPDATE outbox SET next_at = CASE WHEN leased_until > $1 THEN leased_until ELSE $1 END
         WHERE state = 'waiting' AND kind = 'security_event' AND next_at = $2 AND receiver IN
           (SELECT id FROM streams WHERE status = 'enabled' AND delivery = 'push')",
    )
    .bind(now.0)
    .bind(i64::MAX)
    .execute()
    .await
}

/// Events that have been held since before `before`, at most a thousand, each with its stream.
///
/// # Errors
/// The database's.
pub async fn stale(conn: &mut Conn, before: UnixMillis) -> Result<Vec<(String, String)>> {
    conn.query(
        "SELECT receiver, id FROM outbox
         WHERE state = 'waiting' AND kind = 'security_event' AND next_at = $1 AND created_at < $2
         ORDER BY receiver, id LIMIT $3",
    )
    .bind(i64::MAX)
    .bind(before.0)
    .bind(STALE_AT_ONCE)
    .all()
    .await
}

/// Gives up events that [`stale`] has found, those among them that wait still.
///
/// # Errors
/// The database's.
pub async fn give_up_stale(tx: &mut Tx, found: &[(String, String)], why: &str, now: UnixMillis) -> Result<()> {
    let given_up = || Outcome::GivenUp(why.to_owned());
    for of_one in found.chunk_by(|left, right| left.0 == right.0) {
        let ids: Vec<(OutboxId, Outcome)> =
            of_one.iter().map(|(_, id)| (OutboxId::trusted(id.clone()), given_up())).collect();
        outbox::answered(tx, &of_one[0].0, &ids, now).await?;
    }
    Ok(())
}
