//! The applications that a member has signed in to, as far as sessions tell that are still on record.

use super::db::{Conn, Result};
use crate::kernel::id::{ApplicationId, MembershipId};
use crate::kernel::time::UnixMillis;

/// The most applications that a list shows.
const MOST: i64 = 200;

/// The applications that a member signed in to, and when that was last; the latest first, at most two hundred.
///
/// # Errors
/// The database's.
pub async fn of_member(conn: &mut Conn, member: &MembershipId) -> Result<Vec<(ApplicationId, UnixMillis)>> {
    let rows: Vec<(String, i64)> = conn
        .query(
            "SELECT a.application_id, MAX(a.created_at) FROM session_entries e
             JOIN entry_applications a ON a.entry_id = e.id
             WHERE e.membership_id = $1 GROUP BY a.application_id
             ORDER BY MAX(a.created_at) DESC, a.application_id LIMIT $2",
        )
        .bind(member.as_str().to_owned())
        .bind(MOST)
        .all()
        .await?;
    Ok(rows.into_iter().map(|(id, at)| (ApplicationId::trusted(id), UnixMillis(at))).collect())
}
