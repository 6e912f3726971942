//! The audit record, changes with their receipts, and the events of sign-in and tokens.

use super::db::{Conn, Result, Tx, corrupt};
use crate::domain::audit::chain;
use crate::domain::change::Receipt;
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
    /// The machine's words for what was asked; the first one is the row's own.
    pub kinds: &'a [&'static str],
    /// Whom and what it concerned.
    pub targets: &'a [String],
    /// Where it was asked from; empty for what begins here.
    pub address: &'a str,
    /// The request's id; empty for what begins here.
    pub request_id: &'a str,
}

/// Appends a row, to its organisation's chain if it has one. The caller holds the organisation's lock, or this takes it.
///
/// # Errors
/// The database's.
pub async fn append(tx: &mut Tx, entry: &Entry<'_>) -> Result<()> {
    let id = AuditId::fresh();
    let outcome = if entry.accepted { "accepted" } else { "denied" };
    let mut link = (None, None);
    if let Some(org) = entry.org {
        let row: Option<(i64, Vec<u8>)> = tx
            .query("UPDATE orgs SET audit_seq = audit_seq + 1 WHERE id = $1 RETURNING audit_seq, audit_hash")
            .bind(org.as_str().to_owned())
            .optional()
            .await?;
        let Some((seq, previous)) = row else {
            return Ok(());
        };
        let at = entry.at.to_string();
        let fields = [id.as_str(), org.as_str(), &at, entry.actor, entry.action, outcome, entry.detail];
        let hash = chain(&previous, &fields).to_vec();
        tx.query("UPDATE orgs SET audit_hash = $2 WHERE id = $1")
            .bind(org.as_str().to_owned())
            .bind(hash.clone())
            .execute()
            .await?;
        link = (Some(seq), Some(hash));
    }
    tx.query(
        "INSERT INTO audit (id, org_id, seq, at, actor, action, outcome, change_id, detail, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(id.into_string())
    .bind(entry.org.map(|org| org.as_str().to_owned()))
    .bind(link.0)
    .bind(entry.at.0)
    .bind(entry.actor.to_owned())
    .bind(entry.action.to_owned())
    .bind(outcome)
    .bind(entry.change.map(|change| change.as_str().to_owned()))
    .bind(entry.detail.to_owned())
    .bind(link.1)
    .execute()
    .await
    .map(|_| ())
}

/// The first row of an organisation's chain that does not fit the one before it; `None` when the chain is whole.
///
/// # Errors
/// The database's.
pub async fn first_broken(conn: &mut Conn, org: &OrgId) -> Result<Option<i64>> {
    let mut previous: Vec<u8> = Vec::new();
    let mut after = 0_i64;
    loop {
        let rows: Vec<(i64, String, i64, String, String, String)> = conn
            .query(
                "SELECT seq, id, at, actor, action, outcome FROM audit WHERE org_id = $1 AND seq > $2 ORDER BY seq LIMIT 500",
            )
            .bind(org.as_str().to_owned())
            .bind(after)
            .all()
            .await?;
        if rows.is_empty() {
            return Ok(None);
        }
        for (seq, id, at, actor, action, outcome) in rows {
            let (detail, hash): (String, Vec<u8>) =
                conn.query("SELECT detail, hash FROM audit WHERE id = $1").bind(id.clone()).one().await?;
            let at = at.to_string();
            let expected = chain(&previous, &[&id, org.as_str(), &at, &actor, &action, &outcome, &detail]).to_vec();
            if seq != after + 1 || hash != expected {
                return Ok(Some(seq));
            }
            (after, previous) = (seq, hash);
        }
    }
}

/// Keeps a change's receipt.
///
/// # Errors
/// The database's.
pub async fn keep_receipt(tx: &mut Tx, receipt: &Receipt, orgs: &[OrgId]) -> Result<()> {
    tx.query("INSERT INTO changes (id, actor, summary, receipt, created_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(receipt.id.as_str().to_owned())
        .bind(receipt.actor.clone())
        .bind(receipt.acts.join("; "))
        .bind(serde_json::to_string(receipt).map_err(|e| corrupt(&e.to_string()))?)
        .bind(receipt.at.0)
        .execute()
        .await?;
    for org in orgs {
        tx.query("INSERT INTO change_orgs (change_id, org_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(receipt.id.as_str().to_owned())
            .bind(org.as_str().to_owned())
            .execute()
            .await?;
    }
    Ok(())
}

/// A change's receipt.
///
/// # Errors
/// The database's.
pub async fn receipt(conn: &mut Conn, id: &ChangeId) -> Result<Option<Receipt>> {
    let row: Option<(String,)> =
        conn.query("SELECT receipt FROM changes WHERE id = $1").bind(id.as_str().to_owned()).optional().await?;
    row.map(|(text,)| serde_json::from_str(&text).map_err(|e| corrupt(&e.to_string()))).transpose()
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
