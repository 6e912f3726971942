//! Whether an organisation's chain is whole: no row altered, none missing, none hidden from the search.
//!
//! The last place and the last hash stand with the organisation, and so a tail that was cut off shows. Rows that are
//! appended while this looks are left for the next time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::domain::audit::{Covered, hex};
use crate::kernel::id::OrgId;
use crate::kernel::time::UnixMillis;
use crate::store::db::{Cells, Conn, Record, Result};

/// So many rows are looked at together.
const TOGETHER: i64 = 500;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// How many rows there are to be, by the organisation's own count.
    pub rows: i64,
    /// The hash of the last one, in hexadecimal.
    pub head: String,
    /// The first thing that is wrong.
    pub fault: Option<Fault>,
}

/// What is wrong with a chain, and at which place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The row is not there.
    Missing(i64),
    /// The row does not say what its hash was made of, or does not follow the one before.
    Altered(i64),
    /// The row is not found by what it concerned.
    Hidden(i64),
    /// The row is the last one, and the organisation knows of another.
    Head(i64),
    /// The row lies behind the last one that the organisation knows of.
    Beyond(i64),
}

impl Fault {
    /// The place.
    #[must_use]
    pub const fn seq(self) -> i64 {
        match self {
            Self::Missing(seq) | Self::Altered(seq) | Self::Hidden(seq) | Self::Head(seq) | Self::Beyond(seq) => seq,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(seq) => write!(f, "row {seq} is missing"),
            Self::Altered(seq) => write!(f, "row {seq} was altered"),
            Self::Hidden(seq) => write!(f, "row {seq} was hidden from the search"),
            Self::Head(seq) => write!(f, "row {seq} is not the last one that was written"),
            Self::Beyond(seq) => write!(f, "row {seq} lies behind the end of the chain"),
        }
    }
}

struct Link {
    seq: i64,
    id: String,
    at: UnixMillis,
    actor: String,
    action: String,
    outcome: String,
    detail: String,
    kinds: String,
    change: Option<String>,
    address: String,
    request_id: String,
    targets: String,
    hash: Option<Vec<u8>>,
}

impl Record for Link {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            seq: cells.take()?,
            id: cells.take()?,
            at: UnixMillis(cells.take()?),
            actor: cells.take()?,
            action: cells.take()?,
            outcome: cells.take()?,
            detail: cells.take()?,
            kinds: cells.take()?,
            change: cells.take()?,
            address: cells.take()?,
            request_id: cells.take()?,
            targets: cells.take()?,
            hash: cells.take()?,
        })
    }
}

impl Link {
    /// The hash that follows from the row before and from what this one says.
    fn expected(&self, org: &OrgId, previous: &[u8]) -> Vec<u8> {
        let covered = Covered {
            id: &self.id,
            org: org.as_str(),
            at: self.at,
            actor: &self.actor,
            action: &self.action,
            outcome: &self.outcome,
            detail: &self.detail,
            kinds: &self.kinds,
            change: self.change.as_deref().unwrap_or_default(),
            address: &self.address,
            request_id: &self.request_id,
            targets: &self.targets,
        };
        covered.hash(previous).to_vec()
    }
}

/// Looks at a whole chain, two queries for each five hundred rows.
///
/// # Errors
/// The database's.
pub async fn verify(conn: &mut Conn, org: &OrgId) -> Result<Chain> {
    let Some((rows, last)) = head(conn, org).await? else {
        return Ok(Chain { rows: 0, head: String::new(), fault: None });
    };
    let fault = match walk(conn, org, rows, &last).await? {
        Some(fault) => Some(fault),
        None => beyond(conn, org).await?,
    };
    Ok(Chain { rows, head: hex(&last), fault })
}

/// The first place of a chain at which something is wrong; `None` when it is whole.
///
/// # Errors
/// The database's.
pub async fn first_broken(conn: &mut Conn, org: &OrgId) -> Result<Option<i64>> {
    Ok(verify(conn, org).await?.fault.map(Fault::seq))
}

/// Organisations with their slugs, deleted ones too, from behind the id `after` on: at most five hundred.
///
/// # Errors
/// The database's.
pub async fn organisations(conn: &mut Conn, after: &str) -> Result<Vec<(OrgId, String)>> {
    let rows: Vec<(String, String)> = conn
        .query("SELECT id, slug FROM orgs WHERE id > $1 ORDER BY id LIMIT 500")
        .bind(after.to_owned())
        .all()
        .await?;
    Ok(rows.into_iter().map(|(id, slug)| (OrgId::trusted(id), slug)).collect())
}

async fn head(conn: &mut Conn, org: &OrgId) -> Result<Option<(i64, Vec<u8>)>> {
    conn.query("SELECT audit_seq, audit_hash FROM orgs WHERE id = $1").bind(org.as_str().to_owned()).optional().await
}

async fn walk(conn: &mut Conn, org: &OrgId, length: i64, last: &[u8]) -> Result<Option<Fault>> {
    let (mut after, mut previous) = (0, Vec::new());
    while after < length {
        let links = links(conn, org, after, length).await?;
        let Some(until) = links.last().map(|link| link.seq) else {
            return Ok(Some(Fault::Missing(after + 1)));
        };
        let mut found = found_by(conn, org, after, until).await?;
        for link in links {
            if link.seq != after + 1 {
                return Ok(Some(Fault::Missing(after + 1)));
            }
            let expected = link.expected(org, &previous);
            if link.hash.as_ref() != Some(&expected) {
                return Ok(Some(Fault::Altered(link.seq)));
            }
            let targets: BTreeSet<String> = serde_json::from_str(&link.targets).unwrap_or_default();
            if found.remove(&link.id).unwrap_or_default() != targets {
                return Ok(Some(Fault::Hidden(link.seq)));
            }
            (after, previous) = (link.seq, expected);
        }
    }
    Ok((previous != last).then_some(Fault::Head(after)))
}

async fn links(conn: &mut Conn, org: &OrgId, after: i64, length: i64) -> Result<Vec<Link>> {
    conn.query(
        "SELECT seq, id, at, actor, action, outcome, detail, kind, change_id, address, request_id, targets, hash
         FROM audit WHERE org_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4",
    )
    .bind(org.as_str().to_owned())
    .bind(after)
    .bind(length)
    .bind(TOGETHER)
    .all()
    .await
}

/// What the rows between two places are found by.
async fn found_by(conn: &mut Conn, org: &OrgId, after: i64, until: i64) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let rows: Vec<(String, String)> = conn
        .query(
            "SELECT t.audit_id, t.target FROM audit a JOIN audit_targets t ON t.audit_id = a.id
             WHERE a.org_id = $1 AND a.seq > $2 AND a.seq <= $3",
        )
        .bind(org.as_str().to_owned())
        .bind(after)
        .bind(until)
        .all()
        .await?;
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (id, target) in rows {
        found.entry(id).or_default().insert(target);
    }
    Ok(found)
}

/// The organisation's count only ever rises, with the rows: read after the newest row, it is never below it.
async fn beyond(conn: &mut Conn, org: &OrgId) -> Result<Option<Fault>> {
    let newest: Option<(i64,)> = conn
        .query("SELECT seq FROM audit WHERE org_id = $1 AND seq IS NOT NULL ORDER BY seq DESC LIMIT 1")
        .bind(org.as_str().to_owned())
        .optional()
        .await?;
    let Some((newest,)) = newest else { return Ok(None) };
    let counted = head(conn, org).await?.map_or(newest, |(rows, _)| rows);
    Ok((newest > counted).then_some(Fault::Beyond(counted + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_what_and_where() {
        assert_eq!(Fault::Missing(3).to_string(), "row 3 is missing");
        assert_eq!([Fault::Altered(7), Fault::Head(7), Fault::Hidden(7), Fault::Beyond(7)].map(Fault::seq), [7; 4]);
    }
}
