//! A person's browser sessions as they see them: where, since when, and which applications were used in each.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::cookies::Facts;
use super::db::{Cells, Conn, LIST, Record, Result};
use crate::domain::oauth::application::Application;
use crate::kernel::id::{ApplicationId, EntryId, SessionId, UserId};
use crate::kernel::time::UnixMillis;

/// The most sessions that a list shows.
const MOST: i64 = 100;

/// A live browser session.
#[derive(Clone, Debug)]
pub struct Mine {
    /// Its id; never the cookie.
    pub id: SessionId,
    /// The browser, as it named itself.
    pub user_agent: String,
    /// The address that it began at.
    pub address: String,
    /// When it began.
    pub created_at: UnixMillis,
    /// When the person proved last who they are.
    pub auth_time: UnixMillis,
    /// The level that was reached.
    pub acr: String,
    /// When it was used last.
    pub last_used_at: UnixMillis,
    /// When it runs out at the latest.
    pub expires_at: UnixMillis,
    /// The name of the connection that it came through, if it came through one.
    pub connection: Option<String>,
    /// The applications that were used in it, and are not signed out.
    pub applications: Vec<ApplicationId>,
}

impl Record for Mine {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: SessionId::trusted(cells.take()?),
            user_agent: cells.take()?,
            address: cells.take()?,
            created_at: UnixMillis(cells.take()?),
            auth_time: UnixMillis(cells.take()?),
            acr: cells.take()?,
            last_used_at: UnixMillis(cells.take()?),
            expires_at: UnixMillis(cells.take()?),
            connection: cells.take()?,
            applications: Vec::new(),
        })
    }
}

/// The live browser sessions of a person, the one that was used last first, at most a hundred. Those that stood idle since
/// `idle_since` are none.
///
/// # Errors
/// The database's.
pub async fn all(conn: &mut Conn, user: &UserId, now: UnixMillis, idle_since: UnixMillis) -> Result<Vec<Mine>> {
    let mut sessions: Vec<Mine> = conn
        .query(
            "SELECT s.id, s.user_agent, s.address, s.created_at, s.auth_time, s.acr, s.last_used_at, s.expires_at, c.name
             FROM sessions s LEFT JOIN connections c ON c.id = s.connection_id
             WHERE s.user_id = $1 AND s.ended_at IS NULL AND s.expires_at > $2 AND s.last_used_at > $3
             ORDER BY s.last_used_at DESC, s.id DESC LIMIT $4",
        )
        .bind(user.as_str().to_owned())
        .bind(now.0)
        .bind(idle_since.0)
        .bind(MOST)
        .all()
        .await?;
    let ids: Vec<String> = sessions.iter().map(|session| session.id.as_str().to_owned()).collect();
    let mut used: BTreeMap<String, Vec<ApplicationId>> = BTreeMap::new();
    for chunk in ids.chunks(LIST) {
        let rows: Vec<(String, String)> = conn
            .query_in(
                "SELECT DISTINCT e.session_id, a.application_id FROM session_entries e
                 JOIN entry_applications a ON a.entry_id = e.id
                 WHERE e.session_id IN (@) AND e.ended_at IS NULL AND e.expires_at > $$1
                 ORDER BY e.session_id, a.application_id",
                chunk,
            )
            .bind(now.0)
            .all()
            .await?;
        for (session, application) in rows {
            used.entry(session).or_default().push(ApplicationId::trusted(application));
        }
    }
    for session in &mut sessions {
        session.applications = used.remove(session.id.as_str()).unwrap_or_default();
    }
    Ok(sessions)
}

/// The live sessions of a person but for one, idle ones too; at most a hundred.
///
/// # Errors
/// The database's.
pub async fn others(
    conn: &mut Conn,
    user: &UserId,
    but: Option<&SessionId>,
    now: UnixMillis,
) -> Result<Vec<SessionId>> {
    let rows: Vec<(String,)> = conn
        .query(
            "SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 AND id <> $3
             ORDER BY id LIMIT $4",
        )
        .bind(user.as_str().to_owned())
        .bind(now.0)
        .bind(but.map(|id| id.as_str().to_owned()).unwrap_or_default())
        .bind(MOST)
        .all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| SessionId::trusted(id)).collect())
}

/// The browser session that an entry of a person belongs to, whatever became of either.
///
/// # Errors
/// The database's.
pub async fn of_entry(conn: &mut Conn, user: &UserId, entry: &EntryId) -> Result<Option<SessionId>> {
    let row: Option<(String,)> = conn
        .query("SELECT session_id FROM session_entries WHERE id = $1 AND user_id = $2")
        .bind(entry.as_str().to_owned())
        .bind(user.as_str().to_owned())
        .optional()
        .await?;
    Ok(row.map(|(id,)| SessionId::trusted(id)))
}

/// Whether a live session is this person's.
///
/// # Errors
/// The database's.
pub async fn is_of(conn: &mut Conn, user: &UserId, session: &SessionId, now: UnixMillis) -> Result<bool> {
    let row: Option<(String,)> = conn
        .query("SELECT id FROM sessions WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $3")
        .bind(session.as_str().to_owned())
        .bind(user.as_str().to_owned())
        .bind(now.0)
        .optional()
        .await?;
    Ok(row.is_some())
}

/// What a living session of a person is: how they proved who they are, and when.
///
/// # Errors
/// The database's.
pub async fn facts(conn: &mut Conn, user: &UserId, session: &SessionId, now: UnixMillis) -> Result<Option<Facts>> {
    #[derive(Deserialize)]
    struct Kept {
        facts: Facts,
    }
    impl Record for Kept {
        fn read(cells: &mut Cells<'_>) -> Result<Self> {
            cells.json()
        }
    }
    let kept: Option<Kept> = conn
        .query("SELECT data FROM sessions WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $3")
        .bind(session.as_str().to_owned())
        .bind(user.as_str().to_owned())
        .bind(now.0)
        .optional()
        .await?;
    Ok(kept.map(|kept| kept.facts))
}

/// The registrations of some applications.
///
/// # Errors
/// The database's.
pub async fn applications(
    conn: &mut Conn,
    ids: &BTreeSet<ApplicationId>,
) -> Result<BTreeMap<ApplicationId, Application>> {
    struct Registered(ApplicationId, Application);
    impl Record for Registered {
        fn read(cells: &mut Cells<'_>) -> Result<Self> {
            Ok(Self(ApplicationId::trusted(cells.take()?), cells.json()?))
        }
    }
    let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
    let mut found = BTreeMap::new();
    for chunk in ids.chunks(LIST) {
        let rows: Vec<Registered> =
            conn.query_in("SELECT id, registration FROM applications WHERE id IN (@)", chunk).all().await?;
        found.extend(rows.into_iter().map(|Registered(id, application)| (id, application)));
    }
    Ok(found)
}
