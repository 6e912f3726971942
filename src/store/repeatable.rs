//! Requests that a caller may repeat (`Idempotency-Key`): what they were, and what was answered. Never a secret.

use super::db::{Result, Tx};
use crate::kernel::id::ChangeId;

/// Notes which change a request became, in that change's own transaction: a repeat finds it even after a crash.
///
/// # Errors
/// The database's.
pub async fn note_change(tx: &mut Tx, caller: &str, key: &str, change: &ChangeId) -> Result<()> {
    tx.query("UPDATE repeatable_requests SET change_id = $3 WHERE caller = $1 AND request_key = $2")
        .bind(caller.to_owned())
        .bind(key.to_owned())
        .bind(change.as_str().to_owned())
        .execute()
        .await
        .map(|_| ())
}
