//! E-mail domains of organisations: which are proven to be theirs, and when the proof was looked for.

use std::fmt;
use std::str::FromStr;

use super::db::{Cells, Conn, Record, Result, Tx};
use crate::kernel::id::{ConnectionId, DomainId, OrgId};
use crate::kernel::time::UnixMillis;

/// Whether a domain is proven to be an organisation's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its record was not found yet, or is gone.
    Pending,
    /// It is.
    Verified,
}

impl State {
    /// The word in the database and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Verified => "verified",
        }
    }
}

impl FromStr for State {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = [Self::Pending, Self::Verified].into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| format!("\"{text}\" is no state"))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A domain that an organisation says is its own.
#[derive(Clone, Debug)]
pub struct Domain {
    /// Its id.
    pub id: DomainId,
    /// Who says so.
    pub org: OrgId,
    /// The domain, in lower case, as A-labels.
    pub domain: String,
    /// Whether it is.
    pub state: State,
    /// What the record must say: no secret.
    pub token: String,
    /// When it was named.
    pub created_at: UnixMillis,
    /// When its record was looked for last.
    pub checked_at: Option<UnixMillis>,
    /// When its record was found first.
    pub verified_at: Option<UnixMillis>,
    /// Since when the record of a verified one is gone.
    pub missing_since: Option<UnixMillis>,
    /// The connection that its people sign in through; `None` leaves it to the organisation's only one.
    pub connection: Option<ConnectionId>,
}

impl Record for Domain {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: DomainId::trusted(cells.take()?),
            org: OrgId::trusted(cells.take()?),
            domain: cells.take()?,
            state: cells.parse()?,
            token: cells.take()?,
            created_at: UnixMillis(cells.take()?),
            checked_at: cells.take::<Option<i64>>()?.map(UnixMillis),
            verified_at: cells.take::<Option<i64>>()?.map(UnixMillis),
            missing_since: cells.take::<Option<i64>>()?.map(UnixMillis),
            connection: cells.take::<Option<String>>()?.map(ConnectionId::trusted),
        })
    }
}

/// A domain by its id, in its organisation only.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, org: &OrgId, id: &DomainId) -> Result<Option<Domain>> {
    conn.query(
        "SELECT id, org_id, domain, state, token, created_at, checked_at, verified_at, missing_since, connection_id
         FROM org_domains WHERE org_id = $1 AND id = $2",
    )
    .bind(org.as_str().to_owned())
    .bind(id.as_str().to_owned())
    .optional()
    .await
}

/// The domains of an organisation, by name; there are few.
///
/// # Errors
/// The database's.
pub async fn of_org(conn: &mut Conn, org: &OrgId) -> Result<Vec<Domain>> {
    conn.query(
        "SELECT id, org_id, domain, state, token, created_at, checked_at, verified_at, missing_since, connection_id
         FROM org_domains WHERE org_id = $1 ORDER BY domain",
    )
    .bind(org.as_str().to_owned())
    .all()
    .await
}

/// Whether a domain, in lower case and as A-labels, is proven to be an organisation's.
///
/// # Errors
/// The database's.
pub async fn is_verified(conn: &mut Conn, org: &OrgId, domain: &str) -> Result<bool> {
    if domain.contains('\0') {
        return Ok(false);
    }
    let found: Option<(String,)> = conn
        .query("SELECT id FROM org_domains WHERE org_id = $1 AND domain = $2 AND state = 'verified'")
        .bind(org.as_str().to_owned())
        .bind(domain.to_owned())
        .optional()
        .await?;
    Ok(found.is_some())
}

/// The domains that are proven to be an organisation's, by name.
///
/// # Errors
/// The database's.
pub async fn verified_of(conn: &mut Conn, org: &OrgId) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = conn
        .query("SELECT domain FROM org_domains WHERE org_id = $1 AND state = 'verified' ORDER BY domain")
        .bind(org.as_str().to_owned())
        .all()
        .await?;
    Ok(rows.into_iter().map(|(domain,)| domain).collect())
}

/// So many verified domains whose record was not looked for since a moment, those that wait longest first.
///
/// # Errors
/// The database's.
pub async fn due(conn: &mut Conn, before: UnixMillis, limit: i64) -> Result<Vec<Domain>> {
    conn.query(
        "SELECT id, org_id, domain, state, token, created_at, checked_at, verified_at, missing_since, connection_id
         FROM org_domains WHERE state = 'verified' AND COALESCE(checked_at, 0) <= $1
         ORDER BY COALESCE(checked_at, 0) LIMIT $2",
    )
    .bind(before.0)
    .bind(limit.max(0))
    .all()
    .await
}

/// Notes that a domain's record was looked for. It makes none verified, and none pending.
///
/// # Errors
/// The database's.
pub async fn note_check(tx: &mut Tx, id: &DomainId, found: bool, at: UnixMillis) -> Result<()> {
    let sql = if found {
        "UPDATE org_domains SET checked_at = $2, missing_since = NULL WHERE id = $1"
    } else {
        "UPDATE org_domains SET checked_at = $2,
           missing_since = CASE WHEN state = 'verified' THEN COALESCE(missing_since, $2) END
         WHERE id = $1"
    };
    tx.query(sql).bind(id.as_str().to_owned()).bind(at.0).execute().await.map(|_| ())
}

/// Notes that a domain's record was asked for and nobody answered: nothing is known by that, and others come first.
///
/// # Errors
/// The database's.
pub async fn note_asked(tx: &mut Tx, id: &DomainId, at: UnixMillis) -> Result<()> {
    let query = tx.query("UPDATE org_domains SET checked_at = $2 WHERE id = $1");
    query.bind(id.as_str().to_owned()).bind(at.0).execute().await.map(|_| ())
}

/// Makes a domain pending again, if its record is gone since a moment; whether it was this call that did.
///
/// # Errors
/// The database's.
pub async fn lapse(tx: &mut Tx, id: &DomainId, gone_since: UnixMillis) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE org_domains SET state = 'pending', verified_at = NULL, missing_since = NULL
             WHERE id = $1 AND state = 'verified' AND missing_since <= $2",
        )
        .bind(id.as_str().to_owned())
        .bind(gone_since.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_back() {
        for state in [State::Pending, State::Verified] {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("gone".parse::<State>().is_err());
    }
}
