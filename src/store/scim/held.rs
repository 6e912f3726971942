//! Requests that would take access from very many, waiting for an administrator, and how each was decided.

use std::fmt;
use std::str::FromStr;

use super::is_storable;
use crate::kernel::id::{ConnectionId, HeldId, OrgId};
use crate::kernel::time::UnixMillis;
use crate::store::db::{Cells, Conn, Record, Result, Tx};

/// Where a held request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody decided yet.
    Held,
    /// It was carried out.
    Released,
    /// It was dropped.
    Rejected,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Held, Self::Released, Self::Rejected];

    /// The word in the database and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Released => "released",
            Self::Rejected => "rejected",
        }
    }
}

impl FromStr for State {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| format!("\"{text}\" is no state"))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A held request.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its id.
    pub id: HeldId,
    /// Whose members it is about.
    pub org: OrgId,
    /// Whose client sent it.
    pub connection: ConnectionId,
    /// Where it stands.
    pub state: State,
    /// The method.
    pub method: String,
    /// The path under `/scim/v2`.
    pub path: String,
    /// The body as it was sent.
    pub body: String,
    /// How many would lose something.
    pub losing: i64,
    /// Of how many members.
    pub of_members: i64,
    /// When it was sent.
    pub created_at: UnixMillis,
    /// When it is decided without anybody.
    pub decide_at: UnixMillis,
    /// When it was decided.
    pub decided_at: Option<UnixMillis>,
    /// The label of whoever decided.
    pub decided_by: Option<String>,
}

impl Record for Held {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: HeldId::trusted(cells.take()?),
            org: OrgId::trusted(cells.take()?),
            connection: ConnectionId::trusted(cells.take()?),
            state: cells.parse()?,
            method: cells.take()?,
            path: cells.take()?,
            body: cells.take()?,
            losing: cells.take()?,
            of_members: cells.take()?,
            created_at: UnixMillis(cells.take()?),
            decide_at: UnixMillis(cells.take()?),
            decided_at: cells.take::<Option<i64>>()?.map(UnixMillis),
            decided_by: cells.take()?,
        })
    }
}

/// A held request by its id, in its organisation only.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, org: &OrgId, id: &HeldId) -> Result<Option<Held>> {
    conn.query(
        "SELECT id, org_id, connection_id, state, method, path, body, losing, of_members, created_at, decide_at, decided_at,
           decided_by
         FROM scim_held WHERE org_id = $1 AND id = $2",
    )
    .bind(org.as_str().to_owned())
    .bind(id.as_str().to_owned())
    .optional()
    .await
}

/// So many held requests of an organisation behind one of them, in the order of their making; all, or those of one
/// state. Their bodies, which can be very long, are left out.
///
/// # Errors
/// The database's.
pub async fn page(
    conn: &mut Conn,
    org: &OrgId,
    state: Option<State>,
    after: Option<&HeldId>,
    limit: i64,
) -> Result<Vec<Held>> {
    let after = after.map(|id| id.as_str().to_owned()).unwrap_or_default();
    let sql = if state.is_some() {
        "SELECT id, org_id, connection_id, state, method, path, CAST('' AS TEXT), losing, of_members, created_at,
           decide_at, decided_at, decided_by
         FROM scim_held WHERE org_id = $1 AND id > $2 AND state = $4 ORDER BY id LIMIT $3"
    } else {
        "SELECT id, org_id, connection_id, state, method, path, CAST('' AS TEXT), losing, of_members, created_at,
           decide_at, decided_at, decided_by
         FROM scim_held WHERE org_id = $1 AND id > $2 ORDER BY id LIMIT $3"
    };
    let mut query = conn.query(sql).bind(org.as_str().to_owned()).bind(after).bind(limit.max(0));
    if let Some(state) = state {
        query = query.bind(state.as_str());
    }
    query.all().await
}

/// What a connection's client asked by a method, a path and a body, if nobody decided of it yet. The database compares:
/// bodies can be very long.
///
/// # Errors
/// The database's.
pub async fn open_of(
    conn: &mut Conn,
    connection: &ConnectionId,
    (method, path, body): (&str, &str, &str),
) -> Result<Option<HeldId>> {
    if ![method, path, body].into_iter().all(is_storable) {
        return Ok(None);
    }
    let row: Option<(String,)> = conn
        .query(
            "SELECT id FROM scim_held
             WHERE connection_id = $1 AND path = $2 AND state = 'held' AND method = $3 AND body = $4
             LIMIT 1",
        )
        .bind(connection.as_str().to_owned())
        .bind(path.to_owned())
        .bind(method.to_owned())
        .bind(body.to_owned())
        .optional()
        .await?;
    Ok(row.map(|(id,)| HeldId::trusted(id)))
}

/// What waits for a resource of a connection, without the bodies.
///
/// # Errors
/// The database's.
pub async fn waiting_at(conn: &mut Conn, connection: &ConnectionId, path: &str) -> Result<Vec<Held>> {
    conn.query(
        "SELECT id, org_id, connection_id, state, method, path, CAST('' AS TEXT), losing, of_members, created_at,
           decide_at, decided_at, decided_by
         FROM scim_held WHERE connection_id = $1 AND path = $2 AND state = 'held'",
    )
    .bind(connection.as_str().to_owned())
    .bind(path.to_owned())
    .all()
    .await
}

/// So many held requests that nobody decided in time, the longest over first, without their bodies.
///
/// # Errors
/// The database's.
pub async fn due(conn: &mut Conn, now: UnixMillis, limit: i64) -> Result<Vec<Held>> {
    conn.query(
        "SELECT id, org_id, connection_id, state, method, path, CAST('' AS TEXT), losing, of_members, created_at,
           decide_at, decided_at, decided_by
         FROM scim_held WHERE state = 'held' AND decide_at <= $1 ORDER BY decide_at LIMIT $2",
    )
    .bind(now.0)
    .bind(limit.max(0))
    .all()
    .await
}

/// Keeps a request, whatever it says of its being decided: it is held.
///
/// # Errors
/// The database's.
pub async fn put(tx: &mut Tx, held: &Held) -> Result<()> {
    tx.query(
        "INSERT INTO scim_held (id, org_id, connection_id, state, method, path, body, losing, of_members, created_at,
           decide_at)
         VALUES ($1, $2, $3, 'held', $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(held.id.as_str().to_owned())
    .bind(held.org.as_str().to_owned())
    .bind(held.connection.as_str().to_owned())
    .bind(held.method.clone())
    .bind(held.path.clone())
    .bind(held.body.clone())
    .bind(held.losing)
    .bind(held.of_members)
    .bind(held.created_at.0)
    .bind(held.decide_at.0)
    .execute()
    .await
    .map(|_| ())
}

/// Puts off when a request is decided without anybody: true for one of those who saw it due at `seen`, who decides now.
/// Whoever dies over it leaves it to others at `until`.
///
/// # Errors
/// The database's.
pub async fn claim(tx: &mut Tx, id: &HeldId, seen: UnixMillis, until: UnixMillis) -> Result<bool> {
    let rows = tx
        .query("UPDATE scim_held SET decide_at = $3 WHERE id = $1 AND decide_at = $2 AND state = 'held'")
        .bind(id.as_str().to_owned())
        .bind(seen.0)
        .bind(until.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Writes down how a held request is decided; true for exactly one caller. What it said is needed no more.
///
/// # Errors
/// The database's.
pub async fn decide(tx: &mut Tx, id: &HeldId, state: State, by: &str, at: UnixMillis) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE scim_held SET state = $2, decided_by = $3, decided_at = $4, body = ''
             WHERE id = $1 AND state = 'held'",
        )
        .bind(id.as_str().to_owned())
        .bind(state.as_str())
        .bind(by.to_owned())
        .bind(at.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_back() {
        for state in State::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("gone".parse::<State>().is_err());
    }
}
