//! When people were here: the note of a member's last sign-in, who was not seen for long, and the sign-in before.

use super::db::{Cells, Conn, Record, Result, Tx};
use crate::kernel::id::{MembershipId, OrgId, SessionId, UserId};
use crate::kernel::time::UnixMillis;

/// Notes that a member signed in to the organisation. On PostgreSQL the row is locked from here to the commit, so that
/// two sign-ins of one member take turns.
///
/// # Errors
/// The database's.
pub async fn note_sign_in(tx: &mut Tx, member: &MembershipId, now: UnixMillis) -> Result<()> {
    tx.query("UPDATE memberships SET last_sign_in_at = $2 WHERE id = $1")
        .bind(member.as_str().to_owned())
        .bind(now.0)
        .execute()
        .await
        .map(|_| ())
}

/// Active members, in the order of their ids, whom nothing has used since a moment: no sign-in to the organisation, nor
/// to a managed account itself, nor a new or revived membership. The owner, service accounts and accounts for keys
/// alone are never among them.
///
/// # Errors
/// The database's.
pub async fn unused(
    conn: &mut Conn,
    org: &OrgId,
    since: UnixMillis,
    after: &str,
    limit: i64,
) -> Result<Vec<MembershipId>> {
    let rows: Vec<(String,)> = conn
        .query(
            "SELECT m.id FROM memberships m JOIN users u ON u.id = m.user_id JOIN orgs o ON o.id = m.org_id
             WHERE m.org_id = $1 AND m.id > $3 AND m.state = 'active' AND u.state = 'active'
               AND u.project_id IS NULL AND u.access_type = 'password' AND COALESCE(o.owner_id, '') <> m.id
               AND m.created_at < $2 AND COALESCE(m.active_from, 0) < $2 AND COALESCE(m.last_sign_in_at, 0) < $2
               AND (u.kind <> 'managed' OR COALESCE(u.last_sign_in_at, 0) < $2)
             ORDER BY m.id LIMIT $4",
        )
        .bind(org.as_str().to_owned())
        .bind(since.0)
        .bind(after.to_owned())
        .bind(limit)
        .all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| MembershipId::trusted(id)).collect())
}

/// When and from where an account was used before a session: the newest one besides.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// When the person signed in.
    pub at: UnixMillis,
    /// The browser, as it named itself.
    pub user_agent: String,
    /// The address.
    pub address: String,
}

impl Record for Earlier {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self { at: UnixMillis(cells.take()?), user_agent: cells.take()?, address: cells.take()? })
    }
}

/// The sign-in of a person before this session, as long as its row is kept.
///
/// # Errors
/// The database's.
pub async fn before(conn: &mut Conn, user: &UserId, session: &SessionId) -> Result<Option<Earlier>> {
    conn.query(
        "SELECT auth_time, user_agent, address FROM sessions WHERE user_id = $1 AND id <> $2
         ORDER BY auth_time DESC, id DESC LIMIT 1",
    )
    .bind(user.as_str().to_owned())
    .bind(session.as_str().to_owned())
    .optional()
    .await
}
