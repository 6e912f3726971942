//! The outbox: what must still be told to somebody outside. Rows are leased, so that several nodes can share the work.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::db::{Cells, Conn, Database, Record, Result, Tx, corrupt};
use crate::kernel::id::{ChangeId, EntryId, OutboxId, UserId};
use crate::kernel::time::UnixMillis;

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Message {
    /// A logout token (OpenID Connect Back-Channel Logout 1.0 §2.4) for one entry of one person.
    BackchannelLogout {
        /// The `sub`.
        user: UserId,
        /// The `sid`.
        sid: EntryId,
    },
    /// An event that a rule of alerts tells of by a signed POST.
    Webhook {
        /// What is posted.
        event: Value,
    },
    /// An event that a rule of alerts tells of by mail. It waits: nothing here delivers mail.
    Mail {
        /// The rule's name.
        rule: String,
        /// What the mail tells.
        event: Value,
    },
}

impl Message {
    /// The word in the database.
    const fn kind(&self) -> &'static str {
        match self {
            Self::BackchannelLogout { .. } => "backchannel_logout",
            Self::Webhook { .. } => "webhook",
            Self::Mail { .. } => "mail",
        }
    }
}

/// A row to be written.
#[derive(Clone, Debug)]
pub struct NewRow {
    /// Its id; the logout token's `jti` is made of it and the attempt.
    pub id: OutboxId,
    /// Who is told: an application's id, an alert's id, or an address.
    pub receiver: String,
    /// The change that it comes from, if one.
    pub change: Option<ChangeId>,
    /// What is told.
    pub message: Message,
}

/// Writes a row, due at once.
///
/// # Errors
/// The database's.
pub async fn put(tx: &mut Tx, row: &NewRow, now: UnixMillis) -> Result<()> {
    tx.query(
        "INSERT INTO outbox (id, kind, receiver, change_id, payload, state, attempts, next_at, leased_until, created_at)
         VALUES ($1, $2, $3, $4, $5, 'waiting', 0, $6, 0, $6)",
    )
    .bind(row.id.as_str().to_owned())
    .bind(row.message.kind())
    .bind(row.receiver.clone())
    .bind(row.change.as_ref().map(|id| id.as_str().to_owned()))
    .bind(serde_json::to_string(&row.message).map_err(|e| corrupt(&e.to_string()))?)
    .bind(now.0)
    .execute()
    .await
    .map(|_| ())
}

/// How many mails wait for an address.
///
/// # Errors
/// The database's.
pub async fn waiting_mail(conn: &mut Conn, address: &str) -> Result<i64> {
    let (count,): (i64,) = conn
        .query("SELECT COUNT(*) FROM outbox WHERE receiver = $1 AND state = 'waiting' AND kind = 'mail'")
        .bind(address.to_owned())
        .one()
        .await?;
    Ok(count)
}

/// A leased row.
#[derive(Clone, Debug)]
pub struct Leased {
    /// Its id.
    pub id: OutboxId,
    /// Who is told: an application's id, an alert's id, or an address.
    pub receiver: String,
    /// What is told.
    pub message: Message,
    /// How often it was tried, this time included.
    pub attempts: i64,
    /// When it was written.
    pub created_at: UnixMillis,
}

impl Record for Leased {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: OutboxId::trusted(cells.take()?),
            receiver: cells.take()?,
            message: cells.json()?,
            attempts: cells.take()?,
            created_at: UnixMillis(cells.take()?),
        })
    }
}

/// Leases at most `count` due rows until `until`; nobody else gets them before. Mail is not among them.
///
/// # Errors
/// The database's.
pub async fn lease(db: &Database, count: i64, now: UnixMillis, until: UnixMillis) -> Result<Vec<Leased>> {
    db.write(move |tx| {
        Box::pin(async move {
            // The guard stands outside the sub-select too: on PostgreSQL a second worker waits for the row, then sees
            // that it was leased meanwhile.
            tx.query(
                "UPDATE outbox SET leased_until = $3, attempts = attempts + 1
                 WHERE id IN (SELECT id FROM outbox WHERE state = 'waiting' AND kind <> 'mail' AND next_at <= $1
                                AND leased_until <= $1 ORDER BY next_at LIMIT $2)
                   AND state = 'waiting' AND leased_until <= $1
                 RETURNING id, receiver, payload, attempts, created_at",
            )
            .bind(now.0)
            .bind(count)
            .bind(until.0)
            .all()
            .await
        })
    })
    .await
}

/// What came of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it.
    Sent(String),
    /// It is tried again at this moment.
    Later(UnixMillis, String),
    /// It is not tried again.
    GivenUp(String),
}

/// Notes what came of some deliveries.
///
/// # Errors
/// The database's.
pub async fn settle(db: &Database, outcomes: Vec<(OutboxId, Outcome)>, now: UnixMillis) -> Result<()> {
    db.write(move |tx| {
        Box::pin(async move {
            for (id, outcome) in outcomes {
                let (state, next_at, answer, done) = match outcome {
                    Outcome::Sent(answer) => ("sent", now, answer, Some(now.0)),
                    Outcome::Later(at, answer) => ("waiting", at, answer, None),
                    Outcome::GivenUp(answer) => ("given_up", now, answer, Some(now.0)),
                };
                tx.query(
                    "UPDATE outbox SET state = $2, next_at = $3, last_answer = $4, done_at = $5, leased_until = 0
                     WHERE id = $1 AND state = 'waiting'",
                )
                .bind(id.into_string())
                .bind(state)
                .bind(next_at.0)
                .bind(answer)
                .bind(done)
                .execute()
                .await?;
            }
            Ok(())
        })
    })
    .await
}

/// How many rows wait, were sent, and were given up, mail left out.
///
/// # Errors
/// The database's.
pub async fn counts(conn: &mut Conn) -> Result<(i64, i64, i64)> {
    let rows: Vec<(String, i64)> =
        conn.query("SELECT state, COUNT(*) FROM outbox WHERE kind <> 'mail' GROUP BY state").all().await?;
    let of = |state: &str| rows.iter().find(|(s, _)| s == state).map_or(0, |(_, n)| *n);
    Ok((of("waiting"), of("sent"), of("given_up")))
}

/// When the next row is due that nobody has leased, if one waits; mail is left out.
///
/// # Errors
/// The database's.
pub async fn next_due(conn: &mut Conn) -> Result<Option<UnixMillis>> {
    let row: Option<(Option<i64>,)> = conn
        .query(
            "SELECT MIN(CASE WHEN leased_until > next_at THEN leased_until ELSE next_at END) FROM outbox
             WHERE state = 'waiting' AND kind <> 'mail'",
        )
        .optional()
        .await?;
    Ok(row.and_then(|(at,)| at).map(UnixMillis))
}
