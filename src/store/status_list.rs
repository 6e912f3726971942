//! Status lists: which index a token carries, and which indexes are valid, read from what stands behind them.

use super::db::{Conn, Result, Tx};
use crate::domain::feed::status_list::INDEXES;
use crate::kernel::time::UnixMillis;

/// What an index stands for: tokens of one holder that die together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The token family or access key.
    pub holder: String,
    /// The member's least version; 0 without a membership.
    pub least_acv: i64,
    /// The moment before which the key's tokens don't count; 0 for a family.
    pub since: i64,
}

/// The index of a place, if one was given out.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, place: &Place) -> Result<Option<i64>> {
    let row: Option<(i64,)> = conn
        .query("SELECT idx FROM status_indexes WHERE holder = $1 AND least_acv = $2 AND since = $3 AND cut = FALSE")
        .bind(place.holder.clone())
        .bind(place.least_acv)
        .bind(place.since)
        .optional()
        .await?;
    Ok(row.map(|(index,)| index))
}

/// The index of a place, given out if there is none yet; until then tokens that carry it can be alive.
///
/// # Errors
/// The database's.
pub async fn give(tx: &mut Tx, place: &Place, until: UnixMillis) -> Result<i64> {
    let (next,): (i64,) =
        tx.query("UPDATE status_counter SET next_idx = next_idx + 1 WHERE one = 1 RETURNING next_idx").one().await?;
    // Somebody may have been quicker. Asked behind the counter, which they took before.
    if let Some(known) = find(tx, place).await? {
        return Ok(known);
    }
    let index = next - 1;
    tx.query(
        "INSERT INTO status_indexes (idx, holder, least_acv, since, cut, until) VALUES ($1, $2, $3, $4, FALSE, $5)",
    )
    .bind(index)
    .bind(place.holder.clone())
    .bind(place.least_acv)
    .bind(place.since)
    .bind(until.0)
    .execute()
    .await?;
    Ok(index)
}

/// Makes the indexes of a holder invalid, because one token that carries them was revoked; the next one gets another.
///
/// # Errors
/// The database's.
pub async fn cut(tx: &mut Tx, holder: &str) -> Result<()> {
    tx.query("UPDATE status_indexes SET cut = TRUE WHERE holder = $1 AND cut = FALSE")
        .bind(holder.to_owned())
        .execute()
        .await
        .map(|_| ())
}

/// How many indexes were given out.
///
/// # Errors
/// The database's.
pub async fn given(conn: &mut Conn) -> Result<i64> {
    let (next,): (i64,) = conn.query("SELECT next_idx FROM status_counter WHERE one = 1").one().await?;
    Ok(next)
}

/// The valid indexes of the list with this number, by one statement: those whose tokens would be honoured now. It asks what
/// [`crate::domain::standing::Standing`] judges at our own endpoints, of all at once.
///
/// # Errors
/// The database's.
pub async fn valid(conn: &mut Conn, number: i64, now: UnixMillis) -> Result<Vec<i64>> {
    let rows: Vec<(i64,)> = conn
        .query(
            "SELECT x.idx FROM status_indexes x
             JOIN token_families f ON f.id = x.holder
             JOIN users u ON u.id = f.user_id
             JOIN applications a ON a.id = f.application_id
             LEFT JOIN orgs ao ON ao.id = a.org_id
             LEFT JOIN memberships m ON m.id = f.membership_id
             LEFT JOIN orgs o ON o.id = f.org_id
             LEFT JOIN session_entries e ON e.id = f.entry_id
             LEFT JOIN sessions s ON s.id = e.session_id
             LEFT JOIN connections fc ON fc.id = f.connection_id
             LEFT JOIN upstream_identities fi ON fi.id = f.identity_id
             WHERE x.idx >= $1 AND x.idx < $2 AND x.cut = FALSE AND f.ended_at IS NULL AND f.expires_at > $3
               AND u.state = 'active' AND a.state = 'active' AND (ao.id IS NULL OR ao.state = 'active')
               AND (f.org_id IS NULL OR (m.state = 'active' AND o.state = 'active' AND f.epoch >= m.epoch
                 AND m.acv_least <= x.least_acv))
               AND (f.entry_id IS NULL OR (e.ended_at IS NULL AND s.ended_at IS NULL AND e.expires_at > $3
                 AND s.expires_at > $3))
               AND (f.connection_id IS NULL OR (fc.state = 'active' AND fi.id IS NOT NULL
                 AND COALESCE(fi.ended_at, 0) <= f.created_at))
             UNION ALL
             SELECT x.idx FROM status_indexes x
             JOIN access_keys k ON k.id = x.holder
             JOIN users u ON u.id = k.user_id
             JOIN orgs o ON o.id = k.org_id
             JOIN memberships m ON m.id = k.membership_id AND m.user_id = k.user_id AND m.org_id = k.org_id
             WHERE x.idx >= $1 AND x.idx < $2 AND x.cut = FALSE AND k.state = 'active' AND k.expires_at > $3
               AND k.tokens_from = x.since AND u.state = 'active' AND m.state = 'active' AND o.state = 'active'
               AND m.acv_least <= x.least_acv",
        )
        .bind(number.saturating_mul(INDEXES))
        .bind(number.saturating_add(1).saturating_mul(INDEXES))
        .bind(now.0)
        .all()
        .await?;
    Ok(rows.into_iter().map(|(index,)| index).collect())
}
