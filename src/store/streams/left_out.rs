//! Whom a receiver leaves out of its stream, and whom it can know at all.

use std::collections::BTreeSet;

use crate::kernel::fold;
use crate::kernel::id::{OrgId, StreamId, UserId};
use crate::store::db::{Conn, LIST, Result, Tx};

/// So many people an address names at most.
const MOST_NAMED: i64 = 16;

/// Whether a stream leaves a person out.
///
/// # Errors
/// The database's.
pub async fn excludes(conn: &mut Conn, stream: &StreamId, user: &UserId) -> Result<bool> {
    let row: Option<(String,)> = conn
        .query("SELECT user_id FROM stream_exclusions WHERE stream_id = $1 AND user_id = $2")
        .bind(stream.as_str().to_owned())
        .bind(user.as_str().to_owned())
        .optional()
        .await?;
    Ok(row.is_some())
}

/// Whom some streams leave out.
///
/// # Errors
/// The database's.
pub async fn excluded(conn: &mut Conn, streams: &[StreamId]) -> Result<BTreeSet<(StreamId, UserId)>> {
    let ids: Vec<String> = streams.iter().map(|id| id.as_str().to_owned()).collect();
    let mut found = BTreeSet::new();
    for some in ids.chunks(LIST) {
        let rows: Vec<(String, String)> = conn
            .query_in("SELECT stream_id, user_id FROM stream_exclusions WHERE stream_id IN (@)", some)
            .all()
            .await?;
        found.extend(rows.into_iter().map(|(stream, user)| (StreamId::trusted(stream), UserId::trusted(user))));
    }
    Ok(found)
}

/// Leaves people out of a stream, as long as it leaves out no more than `most`; whether it was so.
///
/// # Errors
/// The database's.
pub async fn exclude(tx: &mut Tx, stream: &StreamId, users: &[UserId], most: i64) -> Result<bool> {
    let (count,): (i64,) = tx
        .query("SELECT COUNT(*) FROM stream_exclusions WHERE stream_id = $1")
        .bind(stream.as_str().to_owned())
        .one()
        .await?;
    if count >= most {
        return Ok(false);
    }
    for user in users {
        tx.query("INSERT INTO stream_exclusions (stream_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(stream.as_str().to_owned())
            .bind(user.as_str().to_owned())
            .execute()
            .await?;
    }
    Ok(true)
}

/// Takes people into a stream again.
///
/// # Errors
/// The database's.
pub async fn include(tx: &mut Tx, stream: &StreamId, users: &[UserId]) -> Result<()> {
    for user in users {
        tx.query("DELETE FROM stream_exclusions WHERE stream_id = $1 AND user_id = $2")
            .bind(stream.as_str().to_owned())
            .bind(user.as_str().to_owned())
            .execute()
            .await?;
    }
    Ok(())
}

/// Whether an application can know a person: a member of its organisation, or, where it belongs to none, anybody.
///
/// # Errors
/// The database's.
pub async fn may_know(conn: &mut Conn, org: Option<&OrgId>, user: &UserId) -> Result<bool> {
    let query = match org {
        Some(org) => conn
            .query("SELECT user_id FROM memberships WHERE user_id = $1 AND org_id = $2")
            .bind(user.as_str().to_owned())
            .bind(org.as_str().to_owned()),
        None => conn.query("SELECT id FROM users WHERE id = $1").bind(user.as_str().to_owned()),
    };
    let row: Option<(String,)> = query.optional().await?;
    Ok(row.is_some())
}

/// Those whom an application can know by an e-mail address.
///
/// # Errors
/// The database's.
pub async fn known_by_email(conn: &mut Conn, org: Option<&OrgId>, email: &str) -> Result<Vec<UserId>> {
    let key = fold::key(email);
    let query = match org {
        Some(org) => conn
            .query(
                "SELECT u.id, u.email FROM identifiers i JOIN users u ON u.id = i.user_id
                 JOIN memberships m ON m.user_id = u.id AND m.org_id = $3
                 WHERE i.name_key = $1 ORDER BY u.id LIMIT $2",
            )
            .bind(key.clone())
            .bind(MOST_NAMED)
            .bind(org.as_str().to_owned()),
        None => conn
            .query(
                "SELECT u.id, u.email FROM identifiers i JOIN users u ON u.id = i.user_id
                 WHERE i.name_key = $1 ORDER BY u.id LIMIT $2",
            )
            .bind(key.clone())
            .bind(MOST_NAMED),
    };
    let rows: Vec<(String, Option<String>)> = query.all().await?;
    // A user name may look like somebody else's address.
    let named = rows.into_iter().filter(|(_, own)| own.as_deref().is_some_and(|own| fold::key(own) == key));
    Ok(named.map(|(id, _)| UserId::trusted(id)).collect())
}
