//! The log of what connections' clients asked and what became of it: for administrators to read, without values, for
//! thirty days.

use super::shown;
use crate::kernel::id::{ChangeId, ConnectionId, ScimRequestId};
use crate::kernel::time::UnixMillis;
use crate::store::db::{Cells, Conn, Record, Result, Tx};

/// So many characters of a path and of an error's words are kept.
const LONGEST: usize = 500;
/// So many of a body's shape.
const LONGEST_BODY: usize = 2000;
/// So many rows are pruned at a time.
const TOGETHER: i64 = 1000;

/// A request.
#[derive(Clone, Debug)]
pub struct Logged {
    /// Its id: in the order of the requests.
    pub id: ScimRequestId,
    /// Whose client sent it.
    pub connection: ConnectionId,
    /// When.
    pub at: UnixMillis,
    /// The method.
    pub method: String,
    /// The path, and no values of its query.
    pub path: String,
    /// The HTTP status of the answer.
    pub status: i64,
    /// The SCIM error's words; empty when it went well.
    pub detail: String,
    /// The shape of the body: names and operations, no values.
    pub body: String,
    /// What it changed, if it did.
    pub change: Option<ChangeId>,
    /// How long it took, in microseconds.
    pub took_us: i64,
}

impl Record for Logged {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: ScimRequestId::trusted(cells.take()?),
            connection: ConnectionId::trusted(cells.take()?),
            at: UnixMillis(cells.take()?),
            method: cells.take()?,
            path: cells.take()?,
            status: cells.take()?,
            detail: cells.take()?,
            body: cells.take()?,
            change: cells.take::<Option<String>>()?.map(ChangeId::trusted),
            took_us: cells.take()?,
        })
    }
}

/// Keeps some requests, each text cut where it is too long.
///
/// # Errors
/// The database's.
pub async fn put_all(tx: &mut Tx, requests: &[Logged]) -> Result<()> {
    for one in requests {
        tx.query(
            "INSERT INTO scim_requests (id, connection_id, at, method, path, status, detail, body, change_id, took_us)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
        )
        .bind(one.id.as_str().to_owned())
        .bind(one.connection.as_str().to_owned())
        .bind(one.at.0)
        .bind(shown(&one.method, LONGEST))
        .bind(shown(&one.path, LONGEST))
        .bind(one.status)
        .bind(shown(&one.detail, LONGEST))
        .bind(shown(&one.body, LONGEST_BODY))
        .bind(one.change.as_ref().map(|id| id.as_str().to_owned()))
        .bind(one.took_us)
        .execute()
        .await?;
    }
    Ok(())
}

/// So many requests of a connection before one of them, the newest first; all, or those that were not carried out.
///
/// # Errors
/// The database's.
pub async fn page(
    conn: &mut Conn,
    connection: &ConnectionId,
    before: Option<&ScimRequestId>,
    only_errors: bool,
    limit: i64,
) -> Result<Vec<Logged>> {
    let before = before.cloned().unwrap_or_else(|| ScimRequestId::from_u128(u128::MAX));
    let sql = if only_errors {
        "SELECT id, connection_id, at, method, path, status, detail, body, change_id, took_us
         FROM scim_requests WHERE connection_id = $1 AND id < $2 AND status >= 400 ORDER BY id DESC LIMIT $3"
    } else {
        "SELECT id, connection_id, at, method, path, status, detail, body, change_id, took_us
         FROM scim_requests WHERE connection_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
    };
    conn.query(sql).bind(connection.as_str().to_owned()).bind(before.into_string()).bind(limit.max(0)).all().await
}

/// Deletes requests from before a moment, at most a thousand; how many.
///
/// # Why
/// Ids begin with the time of their making, so the oldest rows are the first of the primary key, and the busiest table
/// of all needs no index by time.
///
/// # Errors
/// The database's.
pub async fn prune(tx: &mut Tx, before: UnixMillis) -> Result<u64> {
    tx.query(
        "DELETE FROM scim_requests WHERE id IN
           (SELECT id FROM scim_requests WHERE id < $1 AND at < $2 ORDER BY id LIMIT $3)",
    )
    .bind(first_id_at(before).into_string())
    .bind(before.0)
    .bind(TOGETHER)
    .execute()
    .await
}

/// The least id that can be made at a moment: the first 48 of its bits are milliseconds (RFC 9562 §5.7).
pub(super) fn first_id_at(at: UnixMillis) -> ScimRequestId {
    ScimRequestId::from_u128(u128::try_from(at.0).unwrap_or(0) << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lie_behind_the_first_of_their_moment() {
        let uuid = uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 1_700_000_000, 0));
        let id = ScimRequestId::from_u128(uuid.as_u128());
        assert!(first_id_at(UnixMillis(1_700_000_000_000)) < id);
        assert!(id < first_id_at(UnixMillis(1_700_000_000_001)));
        assert_eq!(first_id_at(UnixMillis(-1)), ScimRequestId::from_u128(0));
    }
}
