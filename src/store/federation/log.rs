//! The log of sign-ins through connections: for administrators to read, without values, the newest of each connection.

use crate::domain::federation::LoggedSignIn;
use crate::kernel::id::{ConnectionId, SignInLogId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::db::{Cells, Conn, Record, Result, Tx, corrupt};
use crate::store::scim::shown;

/// So many sign-ins of a connection are kept and shown.
const KEPT: i64 = 200;
/// So many characters of an outcome are kept.
const LONGEST: usize = 100;

struct Row(SignInLogId, LoggedSignIn);

impl Record for Row {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let id = SignInLogId::trusted(cells.take()?);
        let logged = LoggedSignIn {
            at: UnixMillis(cells.take()?),
            outcome: cells.take()?,
            user: cells.take::<Option<String>>()?.map(UserId::trusted),
            claims: cells.json()?,
        };
        Ok(Self(id, logged))
    }
}

/// Keeps what a sign-in through a connection came to; the oldest beyond those that are shown go.
///
/// # Errors
/// The database's.
pub async fn put(tx: &mut Tx, connection: &ConnectionId, logged: &LoggedSignIn) -> Result<()> {
    tx.query(
        "INSERT INTO sign_in_log (id, connection_id, at, outcome, user_id, claims) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(SignInLogId::fresh().into_string())
    .bind(connection.as_str().to_owned())
    .bind(logged.at.0)
    .bind(shown(&logged.outcome, LONGEST))
    .bind(logged.user.as_ref().map(|id| id.as_str().to_owned()))
    .bind(serde_json::to_string(&logged.claims).map_err(|e| corrupt(&e.to_string()))?)
    .execute()
    .await?;
    tx.query(
        "DELETE FROM sign_in_log WHERE connection_id = $1 AND id < (SELECT newest.id FROM sign_in_log newest
           WHERE newest.connection_id = $1 ORDER BY newest.id DESC LIMIT 1 OFFSET $2)",
    )
    .bind(connection.as_str().to_owned())
    .bind(KEPT - 1)
    .execute()
    .await
    .map(|_| ())
}

/// So many sign-ins through a connection before one of them, the newest first.
///
/// # Errors
/// The database's.
pub async fn page(
    conn: &mut Conn,
    connection: &ConnectionId,
    before: Option<&SignInLogId>,
    limit: i64,
) -> Result<Vec<(SignInLogId, LoggedSignIn)>> {
    let before = before.cloned().unwrap_or_else(|| SignInLogId::from_u128(u128::MAX));
    let rows: Vec<Row> = conn
        .query(
            "SELECT id, at, outcome, user_id, claims FROM sign_in_log WHERE connection_id = $1 AND id < $2
             ORDER BY id DESC LIMIT $3",
        )
        .bind(connection.as_str().to_owned())
        .bind(before.into_string())
        .bind(limit.clamp(0, KEPT))
        .all()
        .await?;
    Ok(rows.into_iter().map(|Row(id, logged)| (id, logged)).collect())
}
