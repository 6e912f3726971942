//! What came into being through a connection's sign-in, or past it, and how it ends; and the conditions under which it
//! may come into being.
//!
//! # Why
//! Whoever ends what came through a connection changes the connection's row, or locks it, first. A session that is kept
//! at the same moment locks it too: so it is either there to be ended, or finds that it may not begin.

use super::db::{Conn, Result, Tx};
use super::sessions::{EndedEntry, Farewell};
use crate::domain::federation::Through;
use crate::kernel::id::{ConnectionId, IdentityId, MembershipId, OrgId};
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// Which of a connection's sessions are meant.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// All.
    All,
    /// Those of one identity.
    Identity(&'a IdentityId),
    /// Those of one session of the provider, whoever's.
    Sid(&'a str),
    /// Those of one session of the provider, if they are this identity's.
    SidOf(&'a str, &'a IdentityId),
}

/// A provider's `sid` as it is kept: its digest, for it may be of any length.
pub(super) fn sid_digest(sid: &str) -> Vec<u8> {
    Digest::of(sid.as_bytes()).to_vec()
}

/// Makes an entry, unless its session was ended, or its organisation by now lets in nobody who did not come through
/// another connection: members who may come past it aside.
pub(super) const INSERT_ENTRY: &str =
    "INSERT INTO session_entries (id, session_id, user_id, org_id, membership_id, epoch, created_at, expires_at)
     SELECT $1, s.id, $3, $4, $5, $6, $7, $8 FROM sessions s WHERE s.id = $2 AND s.ended_at IS NULL
       AND NOT EXISTS (SELECT 1 FROM sign_ins_upstream x JOIN connections c ON c.id = x.connection_id
         WHERE x.org_id = $4 AND x.stage = 'enforced' AND c.state = 'active'
           AND x.connection_id <> COALESCE(s.connection_id, '')
           AND NOT EXISTS (SELECT 1 FROM memberships m JOIN users u ON u.id = m.user_id
             WHERE m.id = $5 AND m.break_glass = TRUE AND u.password IS NOT NULL AND u.access_type = 'password'
               AND SUBSTR(u.source, 1, 5) NOT IN ('scim:', 'oidc:')))";

/// Whether a session may begin that comes through a connection: it works, its sign-in is open, the identity is still
/// known, and nobody has ended what came through it since `began`. The connection's row is locked from here on.
pub(super) async fn may_begin(tx: &mut Tx, through: &Through, began: UnixMillis) -> Result<bool> {
    if lock(tx, &through.connection).await? == 0 {
        return Ok(false);
    }
    // Asked behind the lock, by a statement of its own: it sees what whoever held the lock before has written.
    let known: Option<(String,)> = tx
        .query(
            "SELECT i.id FROM upstream_identities i JOIN connections c ON c.id = i.connection_id
             JOIN sign_ins_upstream s ON s.connection_id = i.connection_id
             JOIN users u ON u.id = i.user_id AND u.state = 'active'
             WHERE i.id = $2 AND i.connection_id = $1 AND c.state = 'active' AND s.stage IN ('optional', 'enforced')
               AND COALESCE(i.ended_at, 0) <= $3",
        )
        .bind(through.connection.as_str().to_owned())
        .bind(through.identity.as_str().to_owned())
        .bind(began.0)
        .optional()
        .await?;
    Ok(known.is_some())
}

/// Locks a connection's row until the transaction ends: PostgreSQL holds it from here to the commit, SQLite has one
/// writer. How many rows there are: one or none.
pub(super) async fn lock(tx: &mut Tx, connection: &ConnectionId) -> Result<u64> {
    tx.query("UPDATE connections SET state = state WHERE id = $1").bind(connection.as_str().to_owned()).execute().await
}

const ENTRIES_OF_ALL: &str = "UPDATE session_entries SET ended_at = $1 WHERE ended_at IS NULL AND session_id IN
       (SELECT s.id FROM sessions s WHERE s.connection_id = $2)
     RETURNING id, session_id";
const ENTRIES_OF_IDENTITY: &str = "UPDATE session_entries SET ended_at = $1 WHERE ended_at IS NULL AND session_id IN
       (SELECT s.id FROM sessions s WHERE s.identity_id = $3 AND s.connection_id = $2)
     RETURNING id, session_id";
const ENTRIES_OF_SID: &str = "UPDATE session_entries SET ended_at = $1 WHERE ended_at IS NULL AND session_id IN
       (SELECT s.id FROM sessions s WHERE s.connection_id = $2 AND s.upstream_sid = $3)
     RETURNING id, session_id";
const ENTRIES_OF_SID_OF: &str = "UPDATE session_entries SET ended_at = $1 WHERE ended_at IS NULL AND session_id IN
       (SELECT s.id FROM sessions s WHERE s.connection_id = $2 AND s.upstream_sid = $3 AND s.identity_id = $4)
     RETURNING id, session_id";

/// Ends the live entries of what came through a connection.
///
/// # Errors
/// The database's.
pub async fn end_entries_through(
    tx: &mut Tx,
    connection: &ConnectionId,
    which: Which<'_>,
    now: UnixMillis,
) -> Result<Vec<EndedEntry>> {
    lock(tx, connection).await?;
    let sql = match which {
        Which::All => ENTRIES_OF_ALL,
        Which::Identity(_) => ENTRIES_OF_IDENTITY,
        Which::Sid(_) => ENTRIES_OF_SID,
        Which::SidOf(..) => ENTRIES_OF_SID_OF,
    };
    let query = tx.query(sql).bind(now.0).bind(connection.as_str().to_owned());
    let query = match which {
        Which::All => query,
        Which::Identity(identity) => query.bind(identity.as_str().to_owned()),
        Which::Sid(sid) => query.bind(sid_digest(sid)),
        Which::SidOf(sid, identity) => query.bind(sid_digest(sid)).bind(identity.as_str().to_owned()),
    };
    query.all().await
}

const FAMILIES_OF_ALL: &str = "UPDATE token_families SET ended_at = $1, end_reason = $2
     WHERE ended_at IS NULL AND connection_id = $3 RETURNING application_id, user_id, sid";
const FAMILIES_OF_IDENTITY: &str = "UPDATE token_families SET ended_at = $1, end_reason = $2
     WHERE ended_at IS NULL AND connection_id = $3 AND identity_id = $4 RETURNING application_id, user_id, sid";
const FAMILIES_OF_SID: &str = "UPDATE token_families SET ended_at = $1, end_reason = $2
     WHERE ended_at IS NULL AND connection_id = $3 AND upstream_sid = $4 RETURNING application_id, user_id, sid";
const FAMILIES_OF_SID_OF: &str = "UPDATE token_families SET ended_at = $1, end_reason = $2
     WHERE ended_at IS NULL AND connection_id = $3 AND upstream_sid = $4 AND identity_id = $5
     RETURNING application_id, user_id, sid";

/// Ends the families of what came through a connection, those of offline access too. Answers whom to tell.
///
/// # Errors
/// The database's.
pub async fn end_families_through(
    tx: &mut Tx,
    connection: &ConnectionId,
    which: Which<'_>,
    reason: &'static str,
    now: UnixMillis,
) -> Result<Vec<Farewell>> {
    let sql = match which {
        Which::All => FAMILIES_OF_ALL,
        Which::Identity(_) => FAMILIES_OF_IDENTITY,
        Which::Sid(_) => FAMILIES_OF_SID,
        Which::SidOf(..) => FAMILIES_OF_SID_OF,
    };
    let query = tx.query(sql).bind(now.0).bind(reason).bind(connection.as_str().to_owned());
    let query = match which {
        Which::All => query,
        Which::Identity(identity) => query.bind(identity.as_str().to_owned()),
        Which::Sid(sid) => query.bind(sid_digest(sid)),
        Which::SidOf(sid, identity) => query.bind(sid_digest(sid)).bind(identity.as_str().to_owned()),
    };
    query.all().await
}

const SESSIONS_OF_ALL: &str = "UPDATE sessions SET ended_at = $1 WHERE ended_at IS NULL AND connection_id = $2";
const SESSIONS_OF_IDENTITY: &str =
    "UPDATE sessions SET ended_at = $1 WHERE ended_at IS NULL AND connection_id = $2 AND identity_id = $3";
const SESSIONS_OF_SID: &str =
    "UPDATE sessions SET ended_at = $1 WHERE ended_at IS NULL AND connection_id = $2 AND upstream_sid = $3";
const SESSIONS_OF_SID_OF: &str = "UPDATE sessions SET ended_at = $1
     WHERE ended_at IS NULL AND connection_id = $2 AND upstream_sid = $3 AND identity_id = $4";

/// Ends the browser sessions that came through a connection, those without an entry too. Of a whole identity nothing
/// counts any more that began before, wherever it is on its way.
///
/// # Errors
/// The database's.
pub async fn end_sessions_through(
    tx: &mut Tx,
    connection: &ConnectionId,
    which: Which<'_>,
    now: UnixMillis,
) -> Result<()> {
    lock(tx, connection).await?;
    let sql = match which {
        Which::All => SESSIONS_OF_ALL,
        Which::Identity(_) => SESSIONS_OF_IDENTITY,
        Which::Sid(_) => SESSIONS_OF_SID,
        Which::SidOf(..) => SESSIONS_OF_SID_OF,
    };
    let query = tx.query(sql).bind(now.0).bind(connection.as_str().to_owned());
    let query = match which {
        Which::All => query,
        Which::Identity(identity) => query.bind(identity.as_str().to_owned()),
        Which::Sid(sid) => query.bind(sid_digest(sid)),
        Which::SidOf(sid, identity) => query.bind(sid_digest(sid)).bind(identity.as_str().to_owned()),
    };
    query.execute().await?;
    if let Which::Identity(identity) = which {
        tx.query("UPDATE upstream_identities SET ended_at = $2 WHERE id = $1 AND connection_id = $3")
            .bind(identity.as_str().to_owned())
            .bind(now.0)
            .bind(connection.as_str().to_owned())
            .execute()
            .await?;
    }
    Ok(())
}

fn texts(members: &[MembershipId]) -> Vec<String> {
    members.iter().map(|id| id.as_str().to_owned()).collect()
}

/// Ends the live entries in an organisation of those who did not come through a connection, but for some members.
///
/// # Errors
/// The database's.
pub async fn end_entries_not_through(
    tx: &mut Tx,
    org: &OrgId,
    connection: &ConnectionId,
    spare: &[MembershipId],
    now: UnixMillis,
) -> Result<Vec<EndedEntry>> {
    tx.query_in(
        "UPDATE session_entries SET ended_at = $$1 WHERE ended_at IS NULL
           AND membership_id IN (SELECT m.id FROM memberships m WHERE m.org_id = $$2) AND membership_id NOT IN (@)
           AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.id = session_entries.session_id AND s.connection_id = $$3)
         RETURNING id, session_id",
        &texts(spare),
    )
    .bind(now.0)
    .bind(org.as_str().to_owned())
    .bind(connection.as_str().to_owned())
    .all()
    .await
}

/// Ends the families in an organisation of those who did not come through a connection, but for some members; those of
/// offline access too. Answers whom to tell.
///
/// # Errors
/// The database's.
pub async fn end_families_not_through(
    tx: &mut Tx,
    (org, connection): (&OrgId, &ConnectionId),
    spare: &[MembershipId],
    reason: &'static str,
    now: UnixMillis,
) -> Result<Vec<Farewell>> {
    tx.query_in(
        "UPDATE token_families SET ended_at = $$1, end_reason = $$4 WHERE ended_at IS NULL
           AND membership_id IN (SELECT m.id FROM memberships m WHERE m.org_id = $$2) AND membership_id NOT IN (@)
           AND COALESCE(connection_id, '') <> $$3
         RETURNING application_id, user_id, sid",
        &texts(spare),
    )
    .bind(now.0)
    .bind(org.as_str().to_owned())
    .bind(connection.as_str().to_owned())
    .bind(reason)
    .all()
    .await
}

/// How many browser sessions came through a connection and are live.
///
/// # Errors
/// The database's.
pub async fn count_live(conn: &mut Conn, connection: &ConnectionId, now: UnixMillis) -> Result<i64> {
    let (count,): (i64,) = conn
        .query("SELECT COUNT(*) FROM sessions WHERE connection_id = $1 AND ended_at IS NULL AND expires_at > $2")
        .bind(connection.as_str().to_owned())
        .bind(now.0)
        .one()
        .await?;
    Ok(count)
}
