//! What a database that was brought back from a backup must forget before it serves: everything that was open, for what
//! was ended after the backup is open in it again.
//!
//! # Why
//! Nobody knows what happened between the backup and the restore. So versions rise by more than they can have risen
//! meanwhile: an access token from that time has a version that this database has not seen, and is refused too.

use serde_json::Value;

use super::db::{Conn, Database, Result, Tx, corrupt};
use crate::kernel::time::UnixMillis;

/// So far versions rise: no membership changes so often between a backup and its restore.
const LEAP: i64 = 1_000_000;
/// So many places in status lists are left out: more than can have been given out meanwhile.
const PLACES: i64 = 10_000_000;
/// So many mails are stripped at a time.
const TOGETHER: i64 = 500;
/// What stands on the receipts of what was not delivered.
pub const NOT_SENT: &str = "from before a restore";
/// The instance's fact that names the feed of revocations: readers of another one begin anew.
pub const FEED_GENERATION: &str = "feed_generation";
/// The instance's fact since when tokens count at all, in seconds: whoever follows the feed refuses older ones.
pub const FEED_ALL_BEFORE: &str = "feed_all_before";

/// What was still open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Browser sessions.
    pub sessions: u64,
    /// Token families.
    pub families: u64,
    /// Memberships whose older tokens are refused from now on.
    pub members: u64,
    /// Codes, sign-ins on devices and at connections' providers that were under way.
    pub under_way: u64,
    /// Mailed links.
    pub links: u64,
    /// Invitations.
    pub invitations: u64,
    /// Messages that waited and are not sent.
    pub messages: u64,
    /// Access keys.
    pub keys: u64,
    /// Tokens and clients of SCIM connections.
    pub credentials: u64,
}

/// Ends every browser session with its entries; how many sessions.
///
/// # Errors
/// The database's.
pub async fn end_sessions(tx: &mut Tx, now: UnixMillis) -> Result<u64> {
    // A browser may have been forgotten after the backup.
    tx.query("DELETE FROM known_devices").execute().await?;
    tx.query("UPDATE session_entries SET ended_at = $1 WHERE ended_at IS NULL").bind(now.0).execute().await?;
    tx.query("UPDATE sessions SET ended_at = $1 WHERE ended_at IS NULL").bind(now.0).execute().await
}

/// Ends every token family; how many.
///
/// # Errors
/// The database's.
pub async fn end_families(tx: &mut Tx, now: UnixMillis) -> Result<u64> {
    tx.query("UPDATE token_families SET ended_at = $1, end_reason = 'restored', fed = TRUE WHERE ended_at IS NULL")
        .bind(now.0)
        .execute()
        .await
}

/// Has everything refused that was made for a member, an application or from an access key before; how many members.
/// The feed of revocations needs no entry for each: its new generation begins with one for all ([`begin_feed`]).
///
/// # Errors
/// The database's.
pub async fn refuse_older(tx: &mut Tx, now: UnixMillis) -> Result<u64> {
    for text in [
        "UPDATE applications SET tokens_from = $1, fed_from = $1 WHERE tokens_from < $1",
        "UPDATE access_keys SET tokens_from = $1, fed_from = $1 WHERE tokens_from < $1 AND state <> 'ended'",
    ] {
        tx.query(text).bind(now.0).execute().await?;
    }
    // What stands on the right is what the row held before.
    tx.query("UPDATE memberships SET acv = acv + $1, acv_least = acv + $1, fed_least = acv + $1, epoch = epoch + $1")
        .bind(LEAP)
        .execute()
        .await
}

/// Deletes what was under way: codes, sign-ins on devices and at connections' providers, the first operator's link; how
/// many in all.
///
/// # Errors
/// The database's.
pub async fn drop_under_way(tx: &mut Tx) -> Result<u64> {
    let mut dropped = 0;
    for text in [
        "DELETE FROM authorization_codes",
        "DELETE FROM device_grants",
        "DELETE FROM upstream_flows",
        "DELETE FROM webauthn_challenges",
        "DELETE FROM factor_codes",
        "DELETE FROM setup_links",
    ] {
        dropped += tx.query(text).execute().await?;
    }
    Ok(dropped)
}

/// Withdraws every mailed link; how many.
///
/// # Errors
/// The database's.
pub async fn withdraw_links(tx: &mut Tx, now: UnixMillis) -> Result<u64> {
    tx.query("UPDATE links SET ended_at = $1, end_reason = 'withdrawn' WHERE ended_at IS NULL")
        .bind(now.0)
        .execute()
        .await
}

/// Cancels every open invitation: one that was cancelled after the backup could be accepted without its link. How many.
///
/// # Errors
/// The database's.
pub async fn cancel_invitations(tx: &mut Tx, now: UnixMillis) -> Result<u64> {
    tx.query(
        "UPDATE invitations SET state = 'cancelled', reason = 'the database was restored from a backup', decided_at = $1
         WHERE state IN ('processing', 'pending')",
    )
    .bind(now.0)
    .execute()
    .await
}

/// Gives up what waits in the outbox, and forgets what mails said; how many messages. What is no mail can be sent all
/// the same by whoever asks for it.
///
/// # Errors
/// The database's.
pub async fn give_up_messages(tx: &mut Tx, now: UnixMillis) -> Result<u64> {
    let mut given_up = tx
        .query(
            "UPDATE outbox SET state = 'given_up', last_answer = $1, done_at = $2, leased_until = 0
             WHERE state = 'waiting' AND kind <> 'mail'",
        )
        .bind(NOT_SENT)
        .bind(now.0)
        .execute()
        .await?;
    loop {
        let waiting: Vec<(String, String)> = tx
            .query("SELECT id, payload FROM outbox WHERE state = 'waiting' ORDER BY id LIMIT $1")
            .bind(TOGETHER)
            .all()
            .await?;
        if waiting.is_empty() {
            return Ok(given_up);
        }
        for (id, payload) in waiting {
            let text = "UPDATE outbox SET state = 'given_up', last_answer = $2, done_at = $3, leased_until = 0,
                          payload = $4 WHERE id = $1";
            let left = stripped(&payload)?;
            given_up += tx.query(text).bind(id).bind(NOT_SENT).bind(now.0).bind(left).execute().await?;
        }
    }
}

/// A mail without its words and its link.
fn stripped(payload: &str) -> Result<String> {
    let mut mail: Value = serde_json::from_str(payload).map_err(|error| corrupt(&error.to_string()))?;
    for (name, nothing) in [("values", Value::Object(serde_json::Map::new())), ("sealed", Value::Null)] {
        if let Some(part) = mail.get_mut(name) {
            *part = nothing;
        }
    }
    Ok(mail.to_string())
}

/// Ends every access key; how many.
///
/// # Errors
/// The database's.
pub async fn end_keys(tx: &mut Tx, now: UnixMillis) -> Result<u64> {
    tx.query(
        "UPDATE access_keys SET state = 'ended', end_reason = 'restored', ended_at = $1, fed = TRUE
         WHERE state <> 'ended'",
    )
    .bind(now.0)
    .execute()
    .await
}

/// Removes every token and client of SCIM connections; how many.
///
/// # Errors
/// The database's.
pub async fn remove_credentials(tx: &mut Tx) -> Result<u64> {
    tx.query("DELETE FROM scim_credentials").execute().await
}

/// Gives the feed of revocations another name, and says that tokens from before this moment are over. Places in status
/// lists that were given out after the backup stay nobody's: what has no holder is invalid.
///
/// # Errors
/// The database's.
pub async fn begin_feed(tx: &mut Tx, generation: &str, now: UnixMillis) -> Result<()> {
    for (name, value) in [(FEED_GENERATION, generation.to_owned()), (FEED_ALL_BEFORE, now.seconds().to_string())] {
        let text = "INSERT INTO instance (name, value) VALUES ($1, $2)
                    ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        tx.query(text).bind(name).bind(value).execute().await?;
    }
    tx.query("UPDATE status_counter SET next_idx = next_idx + $1 WHERE one = 1").bind(PLACES).execute().await?;
    Ok(())
}

/// How many connections other processes of Muster hold to a server's database; of the embedded one nobody knows.
///
/// # Errors
/// The database's.
pub async fn others(db: &Database) -> Result<i64> {
    let mut conn = db.read().await?;
    if matches!(conn, Conn::Sqlite(_)) {
        return Ok(0);
    }
    // Our own connections were all begun within the last moments.
    let (count,): (i64,) = conn
        .query(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'muster'
               AND pid <> pg_backend_pid() AND backend_start < now() - interval '5 seconds'",
        )
        .one()
        .await?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_mail_said_is_gone_and_what_receipts_show_stays() {
        let mail = r#"{"kind":"mail","org":"org_1","template":"invitation","values":{"name":"Ana"},"sealed":"s"}"#;
        let left: Value = serde_json::from_str(&stripped(mail).unwrap()).unwrap();
        assert_eq!((&left["values"], &left["sealed"]), (&serde_json::json!({}), &Value::Null));
        assert_eq!((&left["kind"], &left["org"]), (&"mail".into(), &"org_1".into()));
        assert!(stripped("no json").is_err());
    }
}
