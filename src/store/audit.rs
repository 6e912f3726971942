//! The audit record, changes with their receipts, and the events of sign-in and tokens.
//!
//! Rows are only ever appended. [`page`], [`events_of_user`] and their like read them, [`verify`] looks whether an
//! organisation's chain is whole.

mod chain;
mod read;
mod receipt;

pub use chain::{Chain, Fault, first_broken, organisations, verify};
pub use read::{EventRow, Filter, Row, acts_on, events_of_oneself, events_of_user, page, page_of_instance};
pub use receipt::{keep_receipt, receipt};

use std::collections::BTreeSet;

use super::db::{Result, Tx, corrupt};
use crate::domain::audit::{Covered, NO_KIND};
use crate::kernel::id::{AuditId, ChangeId, OrgId};
use crate::kernel::time::UnixMillis;

/// A row of the audit record.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// The organisation whose chain it belongs to; `None` for the instance's own acts.
    pub org: Option<&'a OrgId>,
    /// When.
    pub at: UnixMillis,
    /// Who.
    pub actor: &'a str,
    /// What.
    pub action: &'a str,
    /// Whether it was accepted.
    pub accepted: bool,
    /// The change, when it was accepted.
    pub change: Option<&'a ChangeId>,
    /// More, as JSON.
    pub detail: &'a str,
    /// The machine's words for what was asked.
    pub kinds: &'a [&'static str],
    /// Whom and what it concerned.
    pub targets: &'a [String],
    /// Where it was asked from; empty for what begins here.
    pub address: &'a str,
    /// The request's id; empty for what begins here.
    pub request_id: &'a str,
}

impl Entry<'_> {
    /// The word of the outcome.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        if self.accepted { "accepted" } else { "denied" }
    }
}

/// Appends a row, to its organisation's chain if it has one; its id, or `None` when the organisation is not there. The
/// caller holds the organisation's lock, or this takes it.
///
/// # Errors
/// The database's.
pub async fn append(tx: &mut Tx, entry: &Entry<'_>) -> Result<Option<AuditId>> {
    let mut before = None;
    if let Some(org) = entry.org {
        before = tx
            .query("UPDATE orgs SET audit_seq = audit_seq + 1 WHERE id = $1 RETURNING audit_seq, audit_hash")
            .bind(org.as_str().to_owned())
            .optional::<(i64, Vec<u8>)>()
            .await?;
        if before.is_none() {
            return Ok(None);
        }
    }
    // Minted under the lock, so that ids and places in the chain have one order.
    let id = AuditId::fresh();
    let kinds = if entry.kinds.is_empty() { NO_KIND.to_owned() } else { entry.kinds.join(" ") };
    let targets = each_once(entry.targets);
    let list = serde_json::to_string(&targets).map_err(|e| corrupt(&e.to_string()))?;
    let covered = Covered {
        id: id.as_str(),
        org: entry.org.map_or("", OrgId::as_str),
        at: entry.at,
        actor: entry.actor,
        action: entry.action,
        outcome: entry.outcome(),
        detail: entry.detail,
        kinds: &kinds,
        change: entry.change.map_or("", ChangeId::as_str),
        address: entry.address,
        request_id: entry.request_id,
        targets: &list,
    };
    let link = before.map(|(seq, previous)| (seq, covered.hash(&previous).to_vec()));
    if let (Some(org), Some((_, hash))) = (entry.org, &link) {
        tx.query("UPDATE orgs SET audit_hash = $2 WHERE id = $1")
            .bind(org.as_str().to_owned())
            .bind(hash.clone())
            .execute()
            .await?;
    }
    insert(tx, entry.org, &covered, link).await?;
    for chunk in targets.chunks(AT_ONCE) {
        index(tx, &id, chunk).await?;
    }
    Ok(Some(id))
}

async fn insert(tx: &mut Tx, org: Option<&OrgId>, row: &Covered<'_>, link: Option<(i64, Vec<u8>)>) -> Result<()> {
    let (seq, hash) = link.unzip();
    tx.query(
        "INSERT INTO audit (id, org_id, seq, at, actor, action, outcome, change_id, detail, hash, kind, address,
           request_id, targets)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(row.id.to_owned())
    .bind(org.map(|org| org.as_str().to_owned()))
    .bind(seq)
    .bind(row.at.0)
    .bind(row.actor.to_owned())
    .bind(row.action.to_owned())
    .bind(row.outcome.to_owned())
    .bind((!row.change.is_empty()).then(|| row.change.to_owned()))
    .bind(row.detail.to_owned())
    .bind(hash)
    .bind(row.kinds.to_owned())
    .bind(row.address.to_owned())
    .bind(row.request_id.to_owned())
    .bind(row.targets.to_owned())
    .execute()
    .await
    .map(|_| ())
}

fn each_once(targets: &[String]) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    targets.iter().map(String::as_str).filter(|target| seen.insert(*target)).collect()
}

/// So many targets are written by one statement.
const AT_ONCE: usize = 8;

/// Writes what a row is found by: at most [`AT_ONCE`] at a time, the last one repeated where there are fewer.
async fn index(tx: &mut Tx, id: &AuditId, targets: &[&str]) -> Result<()> {
    let Some(last) = targets.last() else { return Ok(()) };
    let mut query = tx
        .query(
            "INSERT INTO audit_targets (audit_id, target)
             VALUES ($1, $2), ($1, $3), ($1, $4), ($1, $5), ($1, $6), ($1, $7), ($1, $8), ($1, $9)
             ON CONFLICT DO NOTHING",
        )
        .bind(id.as_str().to_owned());
    for place in 0..AT_ONCE {
        query = query.bind((*targets.get(place).unwrap_or(last)).to_owned());
    }
    query.execute().await.map(|_| ())
}

/// An event of sign-in or tokens.
#[derive(Clone, Debug)]
pub struct Event {
    /// When.
    pub at: UnixMillis,
    /// What: `sign_in.accepted`, `sign_in.refused`, `code.reused`, `refresh_token.reused` …
    pub kind: &'static str,
    /// The organisation, if one is concerned.
    pub org: Option<String>,
    /// The account, if one is known.
    pub user: Option<String>,
    /// The application, if one is concerned.
    pub application: Option<String>,
    /// More; never a secret, and nothing that somebody typed in full.
    pub detail: String,
}

/// Writes an event.
///
/// # Errors
/// The database's.
pub async fn note(tx: &mut Tx, event: &Event) -> Result<()> {
    metrics::counter!("muster_events_total", "kind" => event.kind).increment(1);
    tx.query("INSERT INTO events (id, at, kind, org_id, user_id, application_id, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(AuditId::fresh().into_string())
        .bind(event.at.0)
        .bind(event.kind)
        .bind(event.org.clone())
        .bind(event.user.clone())
        .bind(event.application.clone())
        .bind(event.detail.clone())
        .execute()
        .await
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_named_twice_is_kept_once() {
        let targets = ["usr_1", "grp_1", "usr_1"].map(str::to_owned);
        assert_eq!(each_once(&targets), ["usr_1", "grp_1"]);
    }
}
