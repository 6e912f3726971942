//! Counters of wrong guesses: an account's, and those of accounts that never were.

use super::db::{Result, Tx};
use crate::domain::people::lockout::{Counter, Rule, Stop};
use crate::kernel::id::UserId;
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// Whose counter a failure counts at.
#[derive(Clone, Copy, Debug)]
pub enum Counted<'a> {
    /// An account's.
    Account(&'a UserId),
    /// Nobody's: one of the accounts that never were, always the same one for what was typed.
    Nobody(Digest),
}

/// The accounts that never were, as the migration made them: enough that guesses at names that nobody has seldom wait for each
/// other.
const NOBODIES: u8 = 64;
/// What their ids begin with; no account's that is or was does.
const NOBODY: &str = "usr_nobody";

/// The account that never was of what was typed.
pub(super) fn nobody(typed: Digest) -> UserId {
    UserId::trusted(format!("{NOBODY}{:02}", typed.to_vec()[0] % NOBODIES))
}

/// Whether an account never was.
pub(super) fn is_nobody(id: &UserId) -> bool {
    id.as_str().starts_with(NOBODY)
}

/// Counts a failure, under the row's lock so that 500 at once are 500. Nobody's costs as much: the same statements write to a
/// row like the account's. What this one has stopped.
///
/// # Errors
/// The database's.
pub async fn count_failure(tx: &mut Tx, whose: Counted<'_>, rule: Rule, now: UnixMillis) -> Result<Stop> {
    let id = match whose {
        Counted::Account(id) => id.clone(),
        Counted::Nobody(typed) => nobody(typed),
    };
    // Written to be locked: PostgreSQL holds the row from here to the commit, SQLite has one writer.
    let before: Option<(i64, i64, i64, i64)> = tx
        .query(
            "UPDATE users SET failures = failures WHERE id = $1
             RETURNING failures, failures_since, locked_until, in_a_row",
        )
        .bind(id.as_str().to_owned())
        .optional()
        .await?;
    let (failures, since, locked_until, in_a_row) = before.unwrap_or_default();
    let (since, locked_until) = (UnixMillis(since), UnixMillis(locked_until));
    let (after, stop) = Counter { failures, since, locked_until, in_a_row }.failed(rule, now);
    // Written even when nothing changes, and for nobody too: what a refusal costs must not tell who exists.
    tx.query("UPDATE users SET failures = $2, failures_since = $3, locked_until = $4, in_a_row = $5 WHERE id = $1")
        .bind(id.as_str().to_owned())
        .bind(after.failures)
        .bind(after.since.0)
        .bind(after.locked_until.0)
        .bind(after.in_a_row)
        .execute()
        .await?;
    Ok(stop)
}
