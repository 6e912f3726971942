//! What waits for its receiver: events of a stream that is paused, or that fetches them itself (RFC 8936).

use std::collections::BTreeMap;

use super::settling::{self, Fate};
use super::{Leased, Message, NewRow, Outcome, insert, insert_many, message_of};
use crate::domain::ssf::event::SecurityEvent;
use crate::kernel::id::{ChangeId, OutboxId};
use crate::kernel::time::UnixMillis;
use crate::store::db::{Cells, Conn, LIST, Record, Result, Tx};

/// Writes a row that no worker takes: it waits until its receiver fetches it, or [`release`] makes it due.
///
/// # Errors
/// The database's.
pub async fn put_held(tx: &mut Tx, row: &NewRow, now: UnixMillis) -> Result<()> {
    insert(tx, row, None, UnixMillis::MAX, now).await
}

/// As [`put_held`], however many with a few statements.
///
/// # Errors
/// The database's; a receiver that is no id of ours.
pub async fn put_many_held(tx: &mut Tx, rows: &[NewRow], now: UnixMillis) -> Result<()> {
    insert_many(tx, rows, UnixMillis::MAX, now).await
}

/// Has a stream's events wait, those too that are being tried: they are not tried again.
///
/// # Errors
/// The database's.
pub async fn hold(tx: &mut Tx, receiver: &str) -> Result<()> {
    tx.query(
        "UPDATE outbox SET next_at = $2 WHERE receiver = $1 AND state = 'waiting' AND kind = 'security_event'
           AND next_at < $2",
    )
    .bind(receiver.to_owned())
    .bind(UnixMillis::MAX.0)
    .execute()
    .await
    .map(|_| ())
}

/// Makes a stream's events due that were held, or put off. One that is being tried is its worker's until the lease ends: the
/// others wait for it, so that they go in their order.
///
/// # Errors
/// The database's.
pub async fn release(tx: &mut Tx, receiver: &str, now: UnixMillis) -> Result<()> {
    tx.query(
        "UPDATE outbox SET next_at = CASE WHEN leased_until > $2 THEN leased_until ELSE $2 END
         WHERE receiver = $1 AND state = 'waiting' AND kind = 'security_event' AND next_at > $2",
    )
    .bind(receiver.to_owned())
    .bind(now.0)
    .execute()
    .await
    .map(|_| ())
}

/// Gives up whatever waits for a stream, held or not; how many events.
///
/// # Errors
/// The database's.
pub async fn give_up_waiting(tx: &mut Tx, receiver: &str, why: &str, now: UnixMillis) -> Result<u64> {
    tx.query(
        "UPDATE outbox SET state = 'given_up', next_at = $3, last_answer = $2, done_at = $3, leased_until = 0
         WHERE receiver = $1 AND state = 'waiting' AND kind = 'security_event'",
    )
    .bind(receiver.to_owned())
    .bind(why.to_owned())
    .bind(now.0)
    .execute()
    .await
}

/// An event that waits for its receiver.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its row: the `jti` of its token.
    pub id: OutboxId,
    /// The event.
    pub event: SecurityEvent,
    /// The change that it comes from.
    pub change: Option<ChangeId>,
    /// When it was written.
    pub created_at: UnixMillis,
}

/// The events that wait for a stream, the oldest first.
///
/// # Errors
/// The database's.
pub async fn waiting_of(conn: &mut Conn, receiver: &str, limit: i64) -> Result<Vec<Waiting>> {
    struct Found(OutboxId, String, Option<ChangeId>, UnixMillis);
    impl Record for Found {
        fn read(cells: &mut Cells<'_>) -> Result<Self> {
            let (id, payload) = (OutboxId::trusted(cells.take()?), cells.take()?);
            let change = cells.take::<Option<String>>()?.map(ChangeId::trusted);
            Ok(Self(id, payload, change, UnixMillis(cells.take()?)))
        }
    }
    let rows: Vec<Found> = conn
        .query(
            "SELECT id, payload, change_id, created_at FROM outbox
             WHERE receiver = $1 AND state = 'waiting' AND kind = 'security_event' ORDER BY id LIMIT $2",
        )
        .bind(receiver.to_owned())
        .bind(limit)
        .all()
        .await?;
    let event = |Found(id, payload, change, created_at)| match message_of(receiver, &payload) {
        Message::SecurityEvent(event) => Some(Waiting { id, event: *event, change, created_at }),
        Message::BackchannelLogout { .. } | Message::Webhook { .. } | Message::Mail(_) | Message::Unknown => None,
    };
    Ok(rows.into_iter().filter_map(event).collect())
}

/// How many events wait for a stream.
///
/// # Errors
/// The database's.
pub async fn count_waiting(conn: &mut Conn, receiver: &str) -> Result<i64> {
    let (count,): (i64,) = conn
        .query("SELECT COUNT(*) FROM outbox WHERE receiver = $1 AND state = 'waiting' AND kind = 'security_event'")
        .bind(receiver.to_owned())
        .one()
        .await?;
    Ok(count)
}

/// Notes what a receiver said of events that it fetched: of its own rows alone, and of those that wait. How many.
///
/// # Errors
/// The database's.
pub async fn answered(tx: &mut Tx, receiver: &str, said: &[(OutboxId, Outcome)], now: UnixMillis) -> Result<u64> {
    let outcomes: BTreeMap<&str, &Outcome> = said.iter().map(|(id, outcome)| (id.as_str(), outcome)).collect();
    let ids: Vec<String> = outcomes.keys().map(|id| (*id).to_owned()).collect();
    let mut fates = Vec::new();
    for chunk in ids.chunks(LIST) {
        let own: Vec<Leased> = tx
            .query_in(
                "SELECT id, receiver, payload, attempts, created_at, invitation_id, change_id, first_sent_at FROM outbox
                 WHERE id IN (@) AND receiver = $$1 AND state = 'waiting' AND kind = 'security_event'",
                chunk,
            )
            .bind(receiver.to_owned())
            .all()
            .await?;
        for row in own {
            if let Some(outcome) = outcomes.get(row.id.as_str()) {
                fates.push(Fate::of(&row, outcome, Some(now), now)?);
            }
        }
    }
    let count = fates.len() as u64;
    settling::write(tx, fates, now).await?;
    Ok(count)
}
