//! What time has made worthless is deleted, a thousand rows at a time, so that no write waits long behind it.

use super::db::{Database, Result};
use super::scim::requests;
use crate::kernel::time::{DAY, HOUR, UnixMillis};

/// So long are requests of connections kept.
const REQUESTS_KEPT: i64 = 30 * DAY;

/// Tables and how long their rows stay after they ran out. Codes stay long enough that a second use is recognised.
const PRUNED: &[(&str, i64)] = &[
    (
        "DELETE FROM authorization_codes WHERE code_hash IN
           (SELECT code_hash FROM authorization_codes WHERE expires_at < $1 LIMIT 1000)",
        HOUR,
    ),
    (
        "DELETE FROM device_grants WHERE device_hash IN
           (SELECT device_hash FROM device_grants WHERE expires_at < $1 LIMIT 1000)",
        HOUR,
    ),
    ("DELETE FROM revoked_tokens WHERE jti IN (SELECT jti FROM revoked_tokens WHERE expires_at < $1 LIMIT 1000)", HOUR),
    (
        "DELETE FROM used_assertions WHERE expires_at < $1 AND jti_hash IN
           (SELECT jti_hash FROM used_assertions WHERE expires_at < $1 LIMIT 1000)",
        HOUR,
    ),
    ("DELETE FROM token_families WHERE id IN (SELECT id FROM token_families WHERE expires_at < $1 LIMIT 1000)", DAY),
    ("DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 LIMIT 1000)", DAY),
    ("DELETE FROM signing_keys WHERE verify_until < $1", DAY),
    ("DELETE FROM revocations_due WHERE id IN (SELECT id FROM revocations_due WHERE at < $1 LIMIT 1000)", DAY),
    ("DELETE FROM status_indexes WHERE idx IN (SELECT idx FROM status_indexes WHERE until < $1 LIMIT 1000)", HOUR),
    ("DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE done_at < $1 LIMIT 1000)", 30 * DAY),
    (
        "DELETE FROM repeatable_requests WHERE created_at < $1 AND request_key IN
           (SELECT request_key FROM repeatable_requests WHERE created_at < $1 LIMIT 1000)",
        DAY,
    ),
    ("DELETE FROM access_keys WHERE id IN (SELECT id FROM access_keys WHERE ended_at < $1 LIMIT 1000)", 90 * DAY),
    (
        "DELETE FROM links WHERE secret_hash IN (SELECT secret_hash FROM links WHERE expires_at < $1 LIMIT 1000)",
        90 * DAY,
    ),
    (
        "DELETE FROM known_browsers WHERE seen_at < $1 AND user_id IN
           (SELECT user_id FROM known_browsers WHERE seen_at < $1 LIMIT 1000)",
        365 * DAY,
    ),
    (
        "DELETE FROM known_devices WHERE seen_at < $1 AND user_id IN
           (SELECT user_id FROM known_devices WHERE seen_at < $1 LIMIT 1000)",
        365 * DAY,
    ),
    (
        "DELETE FROM address_limits WHERE limit_key IN
           (SELECT limit_key FROM address_limits WHERE ends_at < $1 LIMIT 1000)",
        HOUR,
    ),
    ("DELETE FROM upstream_flows WHERE id IN (SELECT id FROM upstream_flows WHERE expires_at < $1 LIMIT 1000)", 0),
    (
        "DELETE FROM webauthn_challenges WHERE id IN
           (SELECT id FROM webauthn_challenges WHERE expires_at < $1 LIMIT 1000)",
        0,
    ),
    (
        "DELETE FROM factor_codes WHERE expires_at < $1 AND user_id IN
           (SELECT user_id FROM factor_codes WHERE expires_at < $1 LIMIT 1000)",
        HOUR,
    ),
    (
        "DELETE FROM upstream_replays WHERE expires_at < $1 AND jti_hash IN
           (SELECT jti_hash FROM upstream_replays WHERE expires_at < $1 LIMIT 1000)",
        HOUR,
    ),
    ("DELETE FROM sign_in_log WHERE id IN (SELECT id FROM sign_in_log WHERE at < $1 LIMIT 1000)", 30 * DAY),
    ("DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < $1 LIMIT 1000)", 90 * DAY),
];

/// So many rows go at a time …
const AT_ONCE: u64 = 1000;
/// … and so often from one table.
const MOST_ROUNDS: usize = 200;

/// Deletes what is over from each table, a thousand rows at a time and at most two hundred thousand; how many in all.
///
/// # Errors
/// The database's.
pub async fn run(db: &Database, now: UnixMillis) -> Result<u64> {
    let mut deleted = 0;
    for (sql, keep) in PRUNED {
        let before = now.minus(*keep).0;
        for _ in 0..MOST_ROUNDS {
            let gone = db.write(move |tx| Box::pin(async move { tx.query(sql).bind(before).execute().await })).await?;
            deleted += gone;
            if gone < AT_ONCE {
                break;
            }
        }
    }
    let before = now.minus(REQUESTS_KEPT);
    deleted += db.write(move |tx| Box::pin(async move { requests::prune(tx, before).await })).await?;
    Ok(deleted)
}
