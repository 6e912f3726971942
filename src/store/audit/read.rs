//! Reading the record: pages of rows, newest first, and what a person's account did.

use serde_json::Value;

use crate::domain::audit::hex;
use crate::kernel::id::{AuditId, ChangeId, OrgId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::db::{Cells, Conn, Query, Record, Result};

/// Which rows: those that fit every part that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// A word such as `group.delete`, among all of a row's; `group.*` stands for all that begin so.
    pub kind: Option<String>,
    /// Whether it was accepted.
    pub accepted: Option<bool>,
    /// The actor's label, such as `user:usr_…`.
    pub actor: Option<String>,
    /// An id that the act concerned, or one of two: a person's account and their membership.
    pub targets: Vec<String>,
    /// From this moment on …
    pub from: Option<UnixMillis>,
    /// … up to this one, not including it.
    pub to: Option<UnixMillis>,
    /// The change that it became.
    pub change: Option<ChangeId>,
}

/// A row as it is read: never a secret, for none is written.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its id.
    pub id: AuditId,
    /// The organisation; `None` for the instance's own acts.
    pub org: Option<OrgId>,
    /// Its place in the organisation's chain.
    pub seq: Option<i64>,
    /// When.
    pub at: UnixMillis,
    /// Who.
    pub actor: String,
    /// What, for people.
    pub action: String,
    /// `accepted` or `denied`.
    pub outcome: String,
    /// The change that it became.
    pub change: Option<ChangeId>,
    /// More.
    pub detail: Value,
    /// The machine's words for what was asked; none in rows from before there were any.
    pub kinds: Vec<String>,
    /// Where it was asked from.
    pub address: String,
    /// The request's id.
    pub request_id: String,
    /// Whom and what it concerned.
    pub targets: Vec<String>,
    /// Its link in the chain, in hexadecimal.
    pub hash: Option<String>,
}

impl Record for Row {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let id = AuditId::trusted(cells.take()?);
        let org: Option<String> = cells.take()?;
        let (seq, at) = (cells.take()?, UnixMillis(cells.take()?));
        let (actor, action, outcome) = (cells.take()?, cells.take()?, cells.take()?);
        let change: Option<String> = cells.take()?;
        let (detail, kinds): (String, String) = (cells.take()?, cells.take()?);
        let (address, request_id) = (cells.take()?, cells.take()?);
        let targets: String = cells.take()?;
        let hash: Option<Vec<u8>> = cells.take()?;
        Ok(Self {
            id,
            org: org.map(OrgId::trusted),
            seq,
            at,
            actor,
            action,
            outcome,
            change: change.map(ChangeId::trusted),
            // Whoever tampered with a row must not keep it from being read.
            detail: serde_json::from_str(&detail).unwrap_or(Value::String(detail)),
            kinds: kinds.split_whitespace().map(str::to_owned).collect(),
            address,
            request_id,
            targets: serde_json::from_str(&targets).unwrap_or_default(),
            hash: hash.as_deref().map(hex),
        })
    }
}

/// A statement for rows: where it begins looking, then what every filter asks ($3 to $7), the order and the limit ($8).
macro_rules! rows {
    ($begin:literal, $order:literal) => {
        concat!(
            "SELECT a.id, a.org_id, a.seq, a.at, a.actor, a.action, a.outcome, a.change_id, a.detail, a.kind, a.address,
               a.request_id, a.targets, a.hash
             FROM audit a WHERE ",
            $begin,
            " AND ($3 = '' OR REPLACE(' ' || a.kind || ' ', $3, '') <> (' ' || a.kind || ' '))
              AND ($4 = '' OR a.outcome = $4) AND ($5 = '' OR a.actor = $5) AND a.at >= $6 AND a.at < $7
             ORDER BY ",
            $order,
            " DESC LIMIT $8"
        )
    };
}

/// An organisation's rows, the newest first, from below the place `before` on.
///
/// # Errors
/// The database's.
pub async fn page(
    conn: &mut Conn,
    org: &OrgId,
    filter: &Filter,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<Row>> {
    let (targets, change) = (two(&filter.targets), filter.change.as_ref());
    let sql = match (&targets, change) {
        (_, Some(_)) => rows!("a.org_id = $1 AND a.seq < $2 AND a.change_id = $9", "a.seq"),
        (Some(_), None) => rows!(
            "a.org_id = $1 AND a.seq < $2
             AND a.id IN (SELECT t.audit_id FROM audit_targets t WHERE t.target IN ($9, $10))",
            "a.seq"
        ),
        (None, None) => rows!("a.org_id = $1 AND a.seq < $2", "a.seq"),
    };
    let mut query = conn.query(sql).bind(org.as_str().to_owned()).bind(before.unwrap_or(i64::MAX));
    query = filter.bind(query, limit);
    if let Some(change) = change {
        query = query.bind(change.as_str().to_owned());
    } else if let Some((one, other)) = &targets {
        query = query.bind(one.clone()).bind(other.clone());
    }
    let mut rows: Vec<Row> = query.all().await?;
    if change.is_some() && !filter.targets.is_empty() {
        rows.retain(|row| filter.targets.iter().any(|target| row.targets.contains(target)));
    }
    Ok(rows)
}

/// The instance's own rows, the newest first, from below the id `before` on.
///
/// # Errors
/// The database's.
pub async fn page_of_instance(
    conn: &mut Conn,
    filter: &Filter,
    before: Option<&AuditId>,
    limit: usize,
) -> Result<Vec<Row>> {
    let (one, other) = two(&filter.targets).unwrap_or_default();
    let query = conn
        .query(rows!(
            "a.org_id IS NULL AND a.id < $1 AND ($2 = '' OR a.change_id = $2)
             AND ($9 = '' OR a.id IN (SELECT t.audit_id FROM audit_targets t WHERE t.target IN ($9, $10)))",
            "a.id"
        ))
        .bind(before.cloned().unwrap_or_else(|| AuditId::from_u128(u128::MAX)).into_string())
        .bind(filter.change.as_ref().map(|change| change.as_str().to_owned()).unwrap_or_default());
    filter.bind(query, limit).bind(one).bind(other).all().await
}

/// The first two of the targets; one stands for both where there is one.
fn two(targets: &[String]) -> Option<(String, String)> {
    let one = targets.first()?;
    Some((one.clone(), targets.get(1).unwrap_or(one).clone()))
}

impl Filter {
    /// Binds what is asked of every row, and the limit.
    fn bind<'t>(&self, query: Query<'t>, limit: usize) -> Query<'t> {
        let outcome = match self.accepted {
            None => "",
            Some(true) => "accepted",
            Some(false) => "denied",
        };
        query
            .bind(self.kind.as_deref().map(mark).unwrap_or_default())
            .bind(outcome)
            .bind(self.actor.clone().unwrap_or_default())
            .bind(self.from.unwrap_or(UnixMillis::MIN).0)
            .bind(self.to.unwrap_or(UnixMillis::MAX).0)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    }
}

/// What a row's words, with a space before and behind each, contain when the pattern names one of them.
fn mark(pattern: &str) -> String {
    match pattern.strip_suffix('*') {
        Some(noun) => format!(" {noun}"),
        None => format!(" {pattern} "),
    }
}

/// An event of sign-in or tokens, as it is read.
#[derive(Clone, Debug)]
pub struct EventRow {
    /// Its id.
    pub id: String,
    /// When.
    pub at: UnixMillis,
    /// What.
    pub kind: String,
    /// The organisation, if one was concerned.
    pub org: Option<OrgId>,
    /// The application, if one was concerned.
    pub application: Option<String>,
    /// More.
    pub detail: Value,
}

impl Record for EventRow {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: cells.take()?,
            at: UnixMillis(cells.take()?),
            kind: cells.take()?,
            org: cells.take::<Option<String>>()?.map(OrgId::trusted),
            application: cells.take()?,
            detail: cells.json()?,
        })
    }
}

/// The sign-ins and tokens of an account as one organisation may see them, the newest first, from below `before` on:
/// what concerned it, and of an account of its own also what concerned none.
///
/// # Errors
/// The database's.
pub async fn events_of_user(
    conn: &mut Conn,
    org: &OrgId,
    user: &UserId,
    before: Option<(UnixMillis, &str)>,
    limit: usize,
) -> Result<Vec<EventRow>> {
    let (at, id) = before.unwrap_or((UnixMillis::MAX, ""));
    conn.query(
        "SELECT e.id, e.at, e.kind, e.org_id, e.application_id, e.detail FROM events e
         WHERE e.user_id = $1 AND (e.at < $2 OR (e.at = $2 AND e.id < $3))
           AND (e.org_id = $4 OR (e.org_id IS NULL
                AND EXISTS (SELECT u.id FROM users u WHERE u.id = $1 AND u.org_id = $4)))
         ORDER BY e.at DESC, e.id DESC LIMIT $5",
    )
    .bind(user.as_str().to_owned())
    .bind(at.0)
    .bind(id.to_owned())
    .bind(org.as_str().to_owned())
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .all()
    .await
}

/// The sign-ins and tokens of an account as its person sees them, in every organisation, the newest first, from below
/// `before` on.
///
/// # Errors
/// The database's.
pub async fn events_of_oneself(
    conn: &mut Conn,
    user: &UserId,
    before: Option<(UnixMillis, &str)>,
    limit: usize,
) -> Result<Vec<EventRow>> {
    let (at, id) = before.unwrap_or((UnixMillis::MAX, ""));
    conn.query(
        "SELECT e.id, e.at, e.kind, e.org_id, e.application_id, e.detail FROM events e
         WHERE e.user_id = $1 AND (e.at < $2 OR (e.at = $2 AND e.id < $3)) ORDER BY e.at DESC, e.id DESC LIMIT $4",
    )
    .bind(user.as_str().to_owned())
    .bind(at.0)
    .bind(id.to_owned())
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .all()
    .await
}

/// What was done that concerned one of some ids, in every organisation and outside, the newest first, from below the row
/// `before` on. Acts that were refused are left out.
///
/// # Errors
/// The database's.
pub async fn acts_on(conn: &mut Conn, targets: &[String], before: Option<&AuditId>, limit: usize) -> Result<Vec<Row>> {
    conn.query_in(
        "SELECT a.id, a.org_id, a.seq, a.at, a.actor, a.action, a.outcome, a.change_id, a.detail, a.kind, a.address,
           a.request_id, a.targets, a.hash
         FROM audit a WHERE a.id IN (SELECT t.audit_id FROM audit_targets t WHERE t.target IN (@) AND t.audit_id < $$1)
           AND a.outcome = 'accepted' ORDER BY a.id DESC LIMIT $$2",
        targets,
    )
    .bind(before.cloned().unwrap_or_else(|| AuditId::from_u128(u128::MAX)).into_string())
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .all()
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_finds_a_word_among_others_and_no_part_of_one() {
        let found = |kinds: &str, pattern: &str| format!(" {kinds} ").contains(&mark(pattern));
        assert!(found("group.create binding.create", "binding.create") && found("group.create", "group.*"));
        assert!(!found("group.create", "group.cre") && !found("group.create", "roup.*"));
        assert!(!found("subgroup.create", "group.create"));
    }

    #[test]
    fn one_target_stands_for_both() {
        assert_eq!(two(&[]), None);
        assert_eq!(two(&["a".to_owned()]), Some(("a".to_owned(), "a".to_owned())));
        assert_eq!(two(&["a".to_owned(), "b".to_owned()]), Some(("a".to_owned(), "b".to_owned())));
    }
}
