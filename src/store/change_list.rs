//! Changes as an organisation reads them: the list, and whom each one was told to.

use super::db::{Cells, Conn, Record, Result};
use crate::kernel::id::{ChangeId, OrgId, OutboxId};
use crate::kernel::time::UnixMillis;

/// A change as lists show it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its id.
    pub id: ChangeId,
    /// The label of whoever made it.
    pub actor: String,
    /// What was done, in one line.
    pub summary: String,
    /// When.
    pub at: UnixMillis,
}

impl Record for Listed {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: ChangeId::trusted(cells.take()?),
            actor: cells.take()?,
            summary: cells.take()?,
            at: UnixMillis(cells.take()?),
        })
    }
}

/// The changes of an organisation, the newest first, from below the one `before` on.
///
/// # Errors
/// The database's.
pub async fn of_org(conn: &mut Conn, org: &OrgId, before: Option<&ChangeId>, limit: i64) -> Result<Vec<Listed>> {
    conn.query(
        "SELECT c.id, c.actor, c.summary, c.created_at FROM change_orgs o JOIN changes c ON c.id = o.change_id
         WHERE o.org_id = $1 AND o.change_id < $2 ORDER BY o.change_id DESC LIMIT $3",
    )
    .bind(org.as_str().to_owned())
    .bind(before.cloned().unwrap_or_else(|| ChangeId::from_u128(u128::MAX)).into_string())
    .bind(limit)
    .all()
    .await
}

/// How many organisations a change concerned, this one among them; `None` when it did not concern this one.
///
/// # Errors
/// The database's.
pub async fn width(conn: &mut Conn, org: &OrgId, id: &ChangeId) -> Result<Option<i64>> {
    let own: Option<(String,)> = conn
        .query("SELECT change_id FROM change_orgs WHERE org_id = $1 AND change_id = $2")
        .bind(org.as_str().to_owned())
        .bind(id.as_str().to_owned())
        .optional()
        .await?;
    if own.is_none() {
        return Ok(None);
    }
    let (count,): (i64,) =
        conn.query("SELECT COUNT(*) FROM change_orgs WHERE change_id = $1").bind(id.as_str().to_owned()).one().await?;
    Ok(Some(count))
}

/// What is or was told to somebody because of a change.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its id.
    pub id: OutboxId,
    /// `backchannel_logout`, `security_event`, `webhook` or `mail`.
    pub kind: String,
    /// Who is told: an application's id, a stream's, an alert's, or an address.
    pub receiver: String,
    /// The application's client id, when it is one, or a stream of one.
    pub client_id: Option<String>,
    /// `waiting`, `sent` or `given_up`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// What was answered last.
    pub last_answer: Option<String>,
    /// When it is tried next, while it waits; the end of time for what its receiver fetches.
    pub next_at: UnixMillis,
    /// When it was written.
    pub created_at: UnixMillis,
    /// When it was tried first.
    pub first_sent_at: Option<UnixMillis>,
    /// When its last attempt ended.
    pub answered_at: Option<UnixMillis>,
    /// When it was sent or given up.
    pub done_at: Option<UnixMillis>,
}

impl Record for Delivery {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: OutboxId::trusted(cells.take()?),
            kind: cells.take()?,
            receiver: cells.take()?,
            client_id: cells.take()?,
            state: cells.take()?,
            attempts: cells.take()?,
            last_answer: cells.take()?,
            next_at: UnixMillis(cells.take()?),
            created_at: UnixMillis(cells.take()?),
            first_sent_at: cells.take::<Option<i64>>()?.map(UnixMillis),
            answered_at: cells.take::<Option<i64>>()?.map(UnixMillis),
            done_at: cells.take::<Option<i64>>()?.map(UnixMillis),
        })
    }
}

/// A change, as one organisation may see it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The organisation.
    pub org: &'a OrgId,
    /// The change.
    pub change: &'a ChangeId,
    /// Whether it concerned this organisation alone. If not, only what its own applications and alerts were told is
    /// seen: what an application of the instance was told may be about others.
    pub alone: bool,
}

/// A statement over the deliveries of a change: what it begins with, and what comes behind the conditions ($1 to $3).
macro_rules! deliveries {
    ($select:literal, $rest:literal) => {
        concat!(
            $select,
            " FROM outbox b LEFT JOIN streams s ON s.id = b.receiver
               LEFT JOIN applications a ON a.id = COALESCE(s.application_id, b.receiver)
             WHERE b.change_id = $1
               AND (a.org_id = $2
                    OR (b.kind IN ('backchannel_logout', 'security_event') AND a.org_id IS NULL AND $3)
                    OR (b.kind NOT IN ('backchannel_logout', 'security_event')
                        AND REPLACE(b.payload, '\"org\":\"' || $2 || '\"', '') <> b.payload))",
            $rest
        )
    };
}

/// The deliveries of a change that come after one, the oldest first.
///
/// # Errors
/// The database's.
pub async fn deliveries(
    conn: &mut Conn,
    seen: Seen<'_>,
    after: Option<&OutboxId>,
    limit: i64,
) -> Result<Vec<Delivery>> {
    conn.query(deliveries!(
        "SELECT b.id, b.kind, b.receiver, a.client_id, b.state, b.attempts, b.last_answer, b.next_at, b.created_at,
           b.first_sent_at, b.answered_at, b.done_at",
        " AND b.id > $4 ORDER BY b.id LIMIT $5"
    ))
    .bind(seen.change.as_str().to_owned())
    .bind(seen.org.as_str().to_owned())
    .bind(seen.alone)
    .bind(after.map(|id| id.as_str().to_owned()).unwrap_or_default())
    .bind(limit)
    .all()
    .await
}

/// How many deliveries of a change wait, were sent, and were given up.
///
/// # Errors
/// The database's.
pub async fn counts(conn: &mut Conn, seen: Seen<'_>) -> Result<(i64, i64, i64)> {
    let rows: Vec<(String, i64)> = conn
        .query(deliveries!("SELECT b.state, COUNT(*)", " GROUP BY b.state"))
        .bind(seen.change.as_str().to_owned())
        .bind(seen.org.as_str().to_owned())
        .bind(seen.alone)
        .all()
        .await?;
    let of = |state: &str| rows.iter().find(|(found, _)| found == state).map_or(0, |(_, count)| *count);
    Ok((of("waiting"), of("sent"), of("given_up")))
}

/// One delivery of a change.
///
/// # Errors
/// The database's.
pub async fn delivery(conn: &mut Conn, seen: Seen<'_>, id: &OutboxId) -> Result<Option<Delivery>> {
    conn.query(deliveries!(
        "SELECT b.id, b.kind, b.receiver, a.client_id, b.state, b.attempts, b.last_answer, b.next_at, b.created_at,
           b.first_sent_at, b.answered_at, b.done_at",
        " AND b.id = $4"
    ))
    .bind(seen.change.as_str().to_owned())
    .bind(seen.org.as_str().to_owned())
    .bind(seen.alone)
    .bind(id.as_str().to_owned())
    .optional()
    .await
}

/// How far an application has been told of a change, by logout tokens and by events of its streams.
#[derive(Clone, Debug)]
pub struct OfApplication {
    /// Its client id.
    pub client_id: String,
    /// How many went out, once or more often.
    pub sent: i64,
    /// How many it took.
    pub answered: i64,
    /// How many went out, were not taken, and are tried again.
    pub retrying: i64,
    /// How many are not tried again.
    pub given_up: i64,
    /// How many have not gone out yet.
    pub waiting: i64,
    /// When the first went out.
    pub first_sent_at: Option<UnixMillis>,
    /// When an attempt ended last.
    pub last_answered_at: Option<UnixMillis>,
    /// How that one ended.
    pub last_answer: Option<String>,
}

impl Record for OfApplication {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let client_id = cells.take()?;
        let (sent, answered, retrying) = (cells.take()?, cells.take()?, cells.take()?);
        let (given_up, waiting) = (cells.take()?, cells.take()?);
        let first_sent_at = cells.take::<Option<i64>>()?.map(UnixMillis);
        let last: Option<String> = cells.take()?;
        let (last_answered_at, last_answer) = parted(last.as_deref());
        Ok(Self {
            client_id,
            sent,
            answered,
            retrying,
            given_up,
            waiting,
            first_sent_at,
            last_answered_at,
            last_answer,
        })
    }
}

/// The last answer, with its moment before it.
fn parted(last: Option<&str>) -> (Option<UnixMillis>, Option<String>) {
    let Some((at, answer)) = last.and_then(|text| text.split_once(' ')) else { return (None, None) };
    (at.parse().ok().map(UnixMillis), (!answer.is_empty()).then(|| answer.to_owned()))
}

/// So many applications of a change are told apart.
const MOST_APPLICATIONS: i64 = 1_000;

/// How far each application has been told of a change, by client id.
///
/// # Errors
/// The database's.
pub async fn applications(conn: &mut Conn, seen: Seen<'_>) -> Result<Vec<OfApplication>> {
    // The moments have thirteen digits until the year 2286, so that the greatest text is the latest.
    conn.query(deliveries!(
        "SELECT a.client_id, COUNT(CASE WHEN b.first_sent_at IS NOT NULL OR b.state = 'sent' THEN 1 END),
           COUNT(CASE WHEN b.state = 'sent' THEN 1 END),
           COUNT(CASE WHEN b.state = 'waiting' AND b.first_sent_at IS NOT NULL THEN 1 END),
           COUNT(CASE WHEN b.state = 'given_up' THEN 1 END),
           COUNT(CASE WHEN b.state = 'waiting' AND b.first_sent_at IS NULL THEN 1 END),
           MIN(b.first_sent_at), MAX(CAST(b.answered_at AS TEXT) || ' ' || COALESCE(b.last_answer, ''))",
        " AND a.id IS NOT NULL AND b.kind IN ('backchannel_logout', 'security_event')
         GROUP BY a.client_id ORDER BY a.client_id LIMIT $4"
    ))
    .bind(seen.change.as_str().to_owned())
    .bind(seen.org.as_str().to_owned())
    .bind(seen.alone)
    .bind(MOST_APPLICATIONS)
    .all()
    .await
}

/// Some organisation that a change concerned.
///
/// # Errors
/// The database's.
pub async fn any_org(conn: &mut Conn, change: &ChangeId) -> Result<Option<OrgId>> {
    let row: Option<(String,)> = conn
        .query("SELECT org_id FROM change_orgs WHERE change_id = $1 ORDER BY org_id LIMIT 1")
        .bind(change.as_str().to_owned())
        .optional()
        .await?;
    Ok(row.map(|(id,)| OrgId::trusted(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_and_its_moment_come_apart() {
        assert_eq!(
            parted(Some("1746280800000 no answer in time")),
            (Some(UnixMillis(1_746_280_800_000)), Some("no answer in time".to_owned()))
        );
        assert_eq!(parted(Some("1746280800000 ")), (Some(UnixMillis(1_746_280_800_000)), None));
        assert_eq!(parted(None), (None, None));
    }
}
