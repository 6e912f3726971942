//! The outbox as an operator sees it: which rows there are, and a row tried again or given up by hand.

use std::fmt;
use std::str::FromStr;

use crate::kernel::id::{ChangeId, OutboxId};
use crate::kernel::time::UnixMillis;
use crate::store::db::{Cells, Conn, Record, Result, Tx};

/// The state of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// To be sent, or to be tried again.
    Waiting,
    /// Its receiver took it.
    Sent,
    /// It is not tried again.
    GivenUp,
}

impl State {
    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::GivenUp => "given_up",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// That a word is no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use waiting, sent or given_up")]
pub struct NoState;

impl FromStr for State {
    type Err = NoState;

    fn from_str(word: &str) -> std::result::Result<Self, NoState> {
        match word {
            "waiting" => Ok(Self::Waiting),
            "sent" => Ok(Self::Sent),
            "given_up" => Ok(Self::GivenUp),
            _ => Err(NoState),
        }
    }
}

/// A row, without what it says.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its id.
    pub id: OutboxId,
    /// `backchannel_logout`, `security_event`, `webhook` or `mail`.
    pub kind: String,
    /// Who is told: an application's id, a stream's, an alert's, or an address.
    pub receiver: String,
    /// The change that it comes from.
    pub change: Option<ChangeId>,
    /// Its state.
    pub state: State,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried next, while it waits; the end of time for what waits to be fetched.
    pub next_at: UnixMillis,
    /// What was answered last.
    pub last_answer: Option<String>,
    /// When it was written.
    pub created_at: UnixMillis,
    /// When it was tried first.
    pub first_sent_at: Option<UnixMillis>,
    /// When its last attempt ended.
    pub answered_at: Option<UnixMillis>,
    /// When it was sent or given up.
    pub done_at: Option<UnixMillis>,
}

impl Record for Row {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: OutboxId::trusted(cells.take()?),
            kind: cells.take()?,
            receiver: cells.take()?,
            change: cells.take::<Option<String>>()?.map(ChangeId::trusted),
            state: cells.parse()?,
            attempts: cells.take()?,
            next_at: UnixMillis(cells.take()?),
            last_answer: cells.take()?,
            created_at: UnixMillis(cells.take()?),
            first_sent_at: cells.take::<Option<i64>>()?.map(UnixMillis),
            answered_at: cells.take::<Option<i64>>()?.map(UnixMillis),
            done_at: cells.take::<Option<i64>>()?.map(UnixMillis),
        })
    }
}

/// Which rows are asked for; an empty text is any.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The state.
    pub state: Option<State>,
    /// The kind.
    pub kind: String,
    /// The receiver.
    pub receiver: String,
    /// The change.
    pub change: String,
}

/// The rows that fit, the newest first.
///
/// # Errors
/// The database's.
pub async fn list(conn: &mut Conn, asked: &Asked, limit: i64) -> Result<Vec<Row>> {
    conn.query(
        "SELECT id, kind, receiver, change_id, state, attempts, next_at, last_answer, created_at, first_sent_at,
           answered_at, done_at
         FROM outbox WHERE ($1 = '' OR state = $1) AND ($2 = '' OR kind = $2) AND ($3 = '' OR receiver = $3)
           AND ($4 = '' OR change_id = $4) ORDER BY id DESC LIMIT $5",
    )
    .bind(asked.state.map_or("", State::as_str))
    .bind(asked.kind.clone())
    .bind(asked.receiver.clone())
    .bind(asked.change.clone())
    .bind(limit)
    .all()
    .await
}

/// A row by its id.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, id: &OutboxId) -> Result<Option<Row>> {
    conn.query(
        "SELECT id, kind, receiver, change_id, state, attempts, next_at, last_answer, created_at, first_sent_at,
           answered_at, done_at
         FROM outbox WHERE id = $1",
    )
    .bind(id.as_str().to_owned())
    .optional()
    .await
}

/// Has a row tried now that was given up or waits for its next attempt; whether there is one. What its receiver fetches
/// is nobody's to send, what is under way is tried already, and of a mail that was given up nothing is left to send.
///
/// # Errors
/// The database's.
pub async fn retry(tx: &mut Tx, id: &OutboxId, now: UnixMillis) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE outbox SET state = 'waiting', next_at = $2, leased_until = 0, done_at = NULL
             WHERE id = $1 AND ((state = 'waiting' AND next_at < $3 AND leased_until <= $2)
                                OR (state = 'given_up' AND kind <> 'mail'))",
        )
        .bind(id.as_str().to_owned())
        .bind(now.0)
        .bind(UnixMillis::MAX.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// As [`retry`], whatever there is of one receiver; how many.
///
/// # Errors
/// The database's.
pub async fn retry_receiver(tx: &mut Tx, receiver: &str, now: UnixMillis) -> Result<u64> {
    tx.query(
        "UPDATE outbox SET state = 'waiting', next_at = $2, leased_until = 0, done_at = NULL
         WHERE receiver = $1 AND ((state = 'waiting' AND next_at < $3 AND leased_until <= $2)
                                  OR (state = 'given_up' AND kind <> 'mail'))",
    )
    .bind(receiver.to_owned())
    .bind(now.0)
    .bind(UnixMillis::MAX.0)
    .execute()
    .await
}

/// Gives up a row that waits; whether there is one.
///
/// # Errors
/// The database's.
pub async fn give_up(tx: &mut Tx, id: &OutboxId, why: &str, now: UnixMillis) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE outbox SET state = 'given_up', next_at = $3, last_answer = $2, done_at = $3, leased_until = 0
             WHERE id = $1 AND state = 'waiting'",
        )
        .bind(id.as_str().to_owned())
        .bind(why.to_owned())
        .bind(now.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// How much of a kind waits.
#[derive(Clone, Debug)]
pub struct Weight {
    /// The kind.
    pub kind: String,
    /// How many rows.
    pub waiting: i64,
    /// When the oldest was written that is ours to send: what is held its receiver fetches when it likes.
    pub oldest: Option<UnixMillis>,
}

impl Record for Weight {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let (kind, waiting) = (cells.take()?, cells.take()?);
        Ok(Self { kind, waiting, oldest: cells.take::<Option<i64>>()?.map(UnixMillis) })
    }
}

/// How much waits, of each kind of which anything does.
///
/// # Errors
/// The database's.
pub async fn weigh(conn: &mut Conn) -> Result<Vec<Weight>> {
    conn.query(
        "SELECT kind, COUNT(*), MIN(CASE WHEN next_at < 9223372036854775807 THEN created_at END) FROM outbox
         WHERE state = 'waiting' GROUP BY kind",
    )
    .all()
    .await
}
