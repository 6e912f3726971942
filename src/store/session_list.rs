//! A member's live session entries in one organisation, as lists show them.

use std::collections::BTreeMap;

use super::db::{Cells, Conn, LIST, Record, Result};
use crate::kernel::id::{EntryId, MembershipId};
use crate::kernel::time::UnixMillis;

/// The most entries that a list shows.
const MOST: i64 = 200;

/// A live entry, with what its browser session says of itself.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The entry, the `sid` claim.
    pub id: EntryId,
    /// When the person proved who they are.
    pub auth_time: UnixMillis,
    /// The browser, as it named itself.
    pub user_agent: String,
    /// The address that the session began at.
    pub address: String,
    /// When the entry was made.
    pub created_at: UnixMillis,
    /// When the session was used last.
    pub last_used_at: UnixMillis,
    /// When the entry runs out at the latest.
    pub expires_at: UnixMillis,
    /// The client ids of the applications that were signed in through it.
    pub applications: Vec<String>,
}

impl Record for Listed {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: EntryId::trusted(cells.take()?),
            auth_time: UnixMillis(cells.take()?),
            user_agent: cells.take()?,
            address: cells.take()?,
            created_at: UnixMillis(cells.take()?),
            last_used_at: UnixMillis(cells.take()?),
            expires_at: UnixMillis(cells.take()?),
            applications: Vec::new(),
        })
    }
}

/// The live entries of a member, the newest first, at most two hundred. Those whose browser session is over, or stood
/// idle since `idle_since`, are none.
///
/// # Errors
/// The database's.
pub async fn of_member(
    conn: &mut Conn,
    member: &MembershipId,
    now: UnixMillis,
    idle_since: UnixMillis,
) -> Result<Vec<Listed>> {
    let mut entries: Vec<Listed> = conn
        .query(
            "SELECT e.id, s.auth_time, s.user_agent, s.address, e.created_at, s.last_used_at, e.expires_at
             FROM session_entries e JOIN sessions s ON s.id = e.session_id JOIN memberships m ON m.id = e.membership_id
             WHERE e.membership_id = $1 AND e.ended_at IS NULL AND e.expires_at > $2 AND e.epoch >= m.epoch
               AND s.ended_at IS NULL AND s.expires_at > $2 AND s.last_used_at > $3
             ORDER BY e.created_at DESC, e.id DESC LIMIT $4",
        )
        .bind(member.as_str().to_owned())
        .bind(now.0)
        .bind(idle_since.0)
        .bind(MOST)
        .all()
        .await?;
    let ids: Vec<String> = entries.iter().map(|entry| entry.id.as_str().to_owned()).collect();
    let mut used: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for chunk in ids.chunks(LIST) {
        let rows: Vec<(String, String)> = conn
            .query_in(
                "SELECT e.entry_id, a.client_id FROM entry_applications e JOIN applications a ON a.id = e.application_id
                 WHERE e.entry_id IN (@) ORDER BY a.client_id",
                chunk,
            )
            .all()
            .await?;
        for (entry, client_id) in rows {
            used.entry(entry).or_default().push(client_id);
        }
    }
    for entry in &mut entries {
        entry.applications = used.remove(entry.id.as_str()).unwrap_or_default();
    }
    Ok(entries)
}
