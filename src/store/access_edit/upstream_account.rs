//! What a provider said last of an account, as an access edit writes it.
//!
//! # Why
//! Events come late, twice, and in any order. That somebody was let in again must not undo what took them out afterwards.

use super::AccessEdit;
use crate::kernel::id::IdentityId;
use crate::kernel::time::UnixMillis;
use crate::store::db::Result;

impl AccessEdit<'_> {
    /// Notes that a provider said at `said_at` whether an account is active; `false` where a later word is known. Of two
    /// words of one moment that one stands which takes away.
    ///
    /// # Errors
    /// The database's.
    pub async fn note_account_said(
        &mut self,
        identity: &IdentityId,
        active: bool,
        said_at: UnixMillis,
    ) -> Result<bool> {
        let sql = if active {
            "UPDATE upstream_identities SET account_said_at = $2
             WHERE id = $1 AND (account_said_at IS NULL OR account_said_at < $2)"
        } else {
            "UPDATE upstream_identities SET account_said_at = $2
             WHERE id = $1 AND (account_said_at IS NULL OR account_said_at <= $2)"
        };
        let rows = self.tx.query(sql).bind(identity.as_str().to_owned()).bind(said_at.0).execute().await?;
        Ok(rows > 0)
    }
}
