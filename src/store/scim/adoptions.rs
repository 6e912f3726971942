//! Accounts that stand in the way of one that a connection pushes: the queue in which administrators decide. How they
//! do is written by an access edit alone.

use std::fmt;
use std::str::FromStr;

use crate::kernel::id::{AdoptionId, ConnectionId, OrgId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::db::{Cells, Conn, Record, Result, Tx};

/// What was decided of an account in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing yet.
    Waiting,
    /// The connection took it over.
    Adopted,
    /// It stays as it is, and is not asked for again.
    KeptApart,
    /// It stays as it is; the next push asks again.
    Rejected,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Adopted, Self::KeptApart, Self::Rejected];

    /// The word in the database and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Adopted => "adopted",
            Self::KeptApart => "kept_apart",
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

/// An account in the way of a connection.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// Its id.
    pub id: AdoptionId,
    /// Whose account.
    pub org: OrgId,
    /// Which connection.
    pub connection: ConnectionId,
    /// The account.
    pub user: UserId,
    /// What was decided.
    pub state: State,
    /// What was pushed last: the attributes in canonical form, as JSON.
    pub resource: String,
    /// When it was asked for first.
    pub created_at: UnixMillis,
    /// When it was asked for last.
    pub asked_at: UnixMillis,
    /// When it was decided.
    pub decided_at: Option<UnixMillis>,
    /// The label of whoever decided.
    pub decided_by: Option<String>,
}

impl Record for Adoption {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: AdoptionId::trusted(cells.take()?),
            org: OrgId::trusted(cells.take()?),
            connection: ConnectionId::trusted(cells.take()?),
            user: UserId::trusted(cells.take()?),
            state: cells.parse()?,
            resource: cells.take()?,
            created_at: UnixMillis(cells.take()?),
            asked_at: UnixMillis(cells.take()?),
            decided_at: cells.take::<Option<i64>>()?.map(UnixMillis),
            decided_by: cells.take()?,
        })
    }
}

/// An account in the way, by the id of its row, in its organisation only.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, org: &OrgId, id: &AdoptionId) -> Result<Option<Adoption>> {
    conn.query(
        "SELECT id, org_id, connection_id, user_id, state, resource, created_at, asked_at, decided_at, decided_by
         FROM scim_adoptions WHERE org_id = $1 AND id = $2",
    )
    .bind(org.as_str().to_owned())
    .bind(id.as_str().to_owned())
    .optional()
    .await
}

/// So many accounts in the way behind one of them, in the order of their rows' making; all, or those of one state.
///
/// # Errors
/// The database's.
pub async fn page(
    conn: &mut Conn,
    org: &OrgId,
    state: Option<State>,
    after: Option<&AdoptionId>,
    limit: i64,
) -> Result<Vec<Adoption>> {
    let after = after.map(|id| id.as_str().to_owned()).unwrap_or_default();
    let sql = if state.is_some() {
        "SELECT id, org_id, connection_id, user_id, state, resource, created_at, asked_at, decided_at, decided_by
         FROM scim_adoptions WHERE org_id = $1 AND id > $2 AND state = $4 ORDER BY id LIMIT $3"
    } else {
        "SELECT id, org_id, connection_id, user_id, state, resource, created_at, asked_at, decided_at, decided_by
         FROM scim_adoptions WHERE org_id = $1 AND id > $2 ORDER BY id LIMIT $3"
    };
    let mut query = conn.query(sql).bind(org.as_str().to_owned()).bind(after).bind(limit.max(0));
    if let Some(state) = state {
        query = query.bind(state.as_str());
    }
    query.all().await
}

/// Whether an administrator has decided that an account is no business of a connection.
///
/// # Errors
/// The database's.
pub async fn is_kept_apart(conn: &mut Conn, connection: &ConnectionId, user: &UserId) -> Result<bool> {
    let row: Option<(String,)> = conn
        .query("SELECT id FROM scim_adoptions WHERE connection_id = $1 AND user_id = $2 AND state = 'kept_apart'")
        .bind(connection.as_str().to_owned())
        .bind(user.as_str().to_owned())
        .optional()
        .await?;
    Ok(row.is_some())
}

/// An account in the way, as a push finds it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The id of its row, if it has none yet.
    pub id: &'a AdoptionId,
    /// Whose account.
    pub org: &'a OrgId,
    /// Which connection.
    pub connection: &'a ConnectionId,
    /// The account.
    pub user: &'a UserId,
    /// What was pushed: the attributes in canonical form, as JSON.
    pub resource: &'a str,
}

/// Has an account wait for a decision, also if there was another one; false when it is kept apart, and then nothing is
/// written.
///
/// # Errors
/// The database's.
pub async fn put(tx: &mut Tx, asked: &Asked<'_>, at: UnixMillis) -> Result<bool> {
    let rows = tx
        .query(
            "INSERT INTO scim_adoptions (id, org_id, connection_id, user_id, state, resource, created_at, asked_at)
             VALUES ($1, $2, $3, $4, 'waiting', $5, $6, $6)
             ON CONFLICT (connection_id, user_id) DO UPDATE SET state = 'waiting', resource = excluded.resource,
               asked_at = excluded.asked_at, decided_at = NULL, decided_by = NULL
             WHERE scim_adoptions.state <> 'kept_apart'",
        )
        .bind(asked.id.as_str().to_owned())
        .bind(asked.org.as_str().to_owned())
        .bind(asked.connection.as_str().to_owned())
        .bind(asked.user.as_str().to_owned())
        .bind(asked.resource.to_owned())
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
