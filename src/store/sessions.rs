//! Session entries: one organisation's part of a browser session, and who is told when it ends.

use std::collections::BTreeSet;

use super::db::{Cells, Conn, LIST, Record, Result, Tx};
use crate::kernel::id::{ApplicationId, EntryId, MembershipId, OrgId, SessionId, UserId};
use crate::kernel::time::UnixMillis;

/// A session's live entry for an organisation, when the membership behind it stands.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its id, the `sid` claim.
    pub id: EntryId,
    /// The epoch that it carries.
    pub epoch: i64,
}

impl Record for Entry {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self { id: EntryId::trusted(cells.take()?), epoch: cells.take()? })
    }
}

/// What a browser session has of an organisation.
#[derive(Clone, Debug)]
pub enum Stay {
    /// A live entry.
    Live(Entry),
    /// One that was ended, and when: only a sign-in after that moment makes another.
    Ended(UnixMillis),
    /// None, or one that has run out.
    None,
}

/// What a session has of an organisation (or of none): its newest entry there, which is live unless it was ended or stands
/// below its membership's epoch.
///
/// # Errors
/// The database's.
pub async fn stay(conn: &mut Conn, session: &SessionId, org: Option<&OrgId>, now: UnixMillis) -> Result<Stay> {
    struct Newest(Entry, bool, i64, Option<i64>, i64);
    impl Record for Newest {
        fn read(cells: &mut Cells<'_>) -> Result<Self> {
            let entry = Entry::read(cells)?;
            Ok(Self(entry, cells.take::<String>()? == "fits", cells.take()?, cells.take()?, cells.take()?))
        }
    }
    let newest: Option<Newest> = conn
        .query(
            "SELECT e.id, e.epoch,
               CASE WHEN e.membership_id IS NULL OR (m.state = 'active' AND e.epoch >= m.epoch) THEN 'fits' ELSE '' END,
               e.created_at, e.ended_at, e.expires_at
             FROM session_entries e LEFT JOIN memberships m ON m.id = e.membership_id
             WHERE e.session_id = $1 AND COALESCE(e.org_id, '') = $2 ORDER BY e.created_at DESC, e.id DESC LIMIT 1",
        )
        .bind(session.as_str().to_owned())
        .bind(org.map_or("", OrgId::as_str).to_owned())
        .optional()
        .await?;
    Ok(match newest {
        None => Stay::None,
        Some(Newest(_, _, _, Some(ended_at), _)) => Stay::Ended(UnixMillis(ended_at)),
        Some(Newest(_, false, created_at, None, _)) => Stay::Ended(UnixMillis(created_at)),
        Some(Newest(entry, true, _, None, expires_at)) if now.0 < expires_at => Stay::Live(entry),
        Some(_) => Stay::None,
    })
}

/// A new entry.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// Its id.
    pub id: EntryId,
    /// The browser session.
    pub session: SessionId,
    /// The person.
    pub user: UserId,
    /// The organisation and the membership.
    pub member: Option<(OrgId, MembershipId)>,
    /// The membership's epoch, read before.
    pub epoch: i64,
    /// When it runs out at the latest.
    pub expires_at: UnixMillis,
}

/// Makes an entry, if its session was not ended meanwhile and the organisation lets it in; whether it did.
///
/// # Errors
/// The database's.
pub async fn insert_entry(tx: &mut Tx, entry: &NewEntry, now: UnixMillis) -> Result<bool> {
    let (org, member) = match &entry.member {
        Some((org, member)) => (Some(org.as_str().to_owned()), Some(member.as_str().to_owned())),
        None => (None, None),
    };
    let rows = tx
        .query(super::sessions_through::INSERT_ENTRY)
        .bind(entry.id.as_str().to_owned())
        .bind(entry.session.as_str().to_owned())
        .bind(entry.user.as_str().to_owned())
        .bind(org)
        .bind(member)
        .bind(entry.epoch)
        .bind(now.0)
        .bind(entry.expires_at.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Remembers that an application was signed in through an entry.
///
/// # Errors
/// The database's.
pub async fn note_application(
    tx: &mut Tx,
    entry: &EntryId,
    application: &ApplicationId,
    now: UnixMillis,
) -> Result<()> {
    tx.query("INSERT INTO entry_applications (entry_id, application_id, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(entry.as_str().to_owned())
        .bind(application.as_str().to_owned())
        .bind(now.0)
        .execute()
        .await
        .map(|_| ())
}

/// An entry that was ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndedEntry {
    /// Its id.
    pub id: EntryId,
    /// The browser session.
    pub session: SessionId,
}

impl Record for EndedEntry {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self { id: EntryId::trusted(cells.take()?), session: SessionId::trusted(cells.take()?) })
    }
}

/// Whose logout an application is to be told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Farewell {
    /// The application.
    pub application: ApplicationId,
    /// The person.
    pub user: UserId,
    /// The entry.
    pub sid: EntryId,
}

impl Record for Farewell {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            application: ApplicationId::trusted(cells.take()?),
            user: UserId::trusted(cells.take()?),
            sid: EntryId::trusted(cells.take()?),
        })
    }
}

/// An entry of a member, and whether it is live.
///
/// # Errors
/// The database's.
pub async fn entry_of_member(
    conn: &mut Conn,
    org: &OrgId,
    member: &MembershipId,
    entry: &EntryId,
) -> Result<Option<(EndedEntry, bool)>> {
    struct Row(EndedEntry, bool);
    impl Record for Row {
        fn read(cells: &mut Cells<'_>) -> Result<Self> {
            Ok(Self(EndedEntry::read(cells)?, cells.take::<Option<i64>>()?.is_none()))
        }
    }
    let row: Option<Row> = conn
        .query(
            "SELECT id, session_id, ended_at FROM session_entries
             WHERE id = $1 AND org_id = $2 AND membership_id = $3",
        )
        .bind(entry.as_str().to_owned())
        .bind(org.as_str().to_owned())
        .bind(member.as_str().to_owned())
        .optional()
        .await?;
    Ok(row.map(|Row(entry, live)| (entry, live)))
}

/// Ends some entries, those among them that are live; which.
///
/// # Errors
/// The database's.
pub async fn end_entries(tx: &mut Tx, entries: &[EndedEntry], now: UnixMillis) -> Result<Vec<EndedEntry>> {
    let mut ended = Vec::new();
    for chunk in entries.chunks(LIST) {
        let rows: Vec<EndedEntry> = tx
            .query_in(
                "UPDATE session_entries SET ended_at = $$1 WHERE id IN (@) AND ended_at IS NULL RETURNING id, session_id",
                &texts(chunk, |entry| entry.id.as_str()),
            )
            .bind(now.0)
            .all()
            .await?;
        ended.extend(rows);
    }
    Ok(ended)
}

/// The live entries of a member beyond the newest `most`. Those whose browser session is over, or stood idle since
/// `idle_since`, count as none.
///
/// # Errors
/// The database's.
pub async fn surplus(
    conn: &mut Conn,
    member: &MembershipId,
    most: u32,
    now: UnixMillis,
    idle_since: UnixMillis,
) -> Result<Vec<EndedEntry>> {
    let live: Vec<EndedEntry> = conn
        .query(
            "SELECT e.id, e.session_id FROM session_entries e JOIN sessions s ON s.id = e.session_id
             JOIN memberships m ON m.id = e.membership_id
             WHERE e.membership_id = $1 AND e.ended_at IS NULL AND e.expires_at > $2 AND e.epoch >= m.epoch
               AND s.ended_at IS NULL AND s.expires_at > $2 AND s.last_used_at > $3
             ORDER BY e.created_at DESC, e.id DESC",
        )
        .bind(member.as_str().to_owned())
        .bind(now.0)
        .bind(idle_since.0)
        .all()
        .await?;
    Ok(live.into_iter().skip(most as usize).collect())
}

fn texts<T>(ids: &[T], text: impl Fn(&T) -> &str) -> Vec<String> {
    ids.iter().map(|id| text(id).to_owned()).collect()
}

/// Ends every live entry of some members.
///
/// # Errors
/// The database's.
pub async fn end_entries_of_members(tx: &mut Tx, members: &[MembershipId], now: UnixMillis) -> Result<Vec<EndedEntry>> {
    let mut ended = Vec::new();
    for chunk in members.chunks(LIST) {
        let rows: Vec<EndedEntry> = tx
            .query_in(
                "UPDATE session_entries SET ended_at = $$1 WHERE membership_id IN (@) AND ended_at IS NULL
                 RETURNING id, session_id",
                &texts(chunk, MembershipId::as_str),
            )
            .bind(now.0)
            .all()
            .await?;
        ended.extend(rows);
    }
    Ok(ended)
}

/// Ends every live entry of a person: in every organisation, and those of none.
///
/// # Errors
/// The database's.
pub async fn end_entries_of_user(tx: &mut Tx, user: &UserId, now: UnixMillis) -> Result<Vec<EndedEntry>> {
    tx.query(
        "UPDATE session_entries SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL RETURNING id, session_id",
    )
    .bind(user.as_str().to_owned())
    .bind(now.0)
    .all()
    .await
}

/// Ends every live entry of a browser session.
///
/// # Errors
/// The database's.
pub async fn end_entries_of_session(tx: &mut Tx, session: &SessionId, now: UnixMillis) -> Result<Vec<EndedEntry>> {
    tx.query(
        "UPDATE session_entries SET ended_at = $2 WHERE session_id = $1 AND ended_at IS NULL RETURNING id, session_id",
    )
    .bind(session.as_str().to_owned())
    .bind(now.0)
    .all()
    .await
}

/// Ends the families of some members; those of offline access too. Answers whom to tell.
///
/// # Errors
/// The database's.
pub async fn end_families_of_members(
    tx: &mut Tx,
    members: &[MembershipId],
    reason: &'static str,
    now: UnixMillis,
) -> Result<Vec<Farewell>> {
    let mut ended = Vec::new();
    for chunk in members.chunks(LIST) {
        let rows: Vec<Farewell> = tx
            .query_in(
                "UPDATE token_families SET ended_at = $$1, end_reason = $$2 WHERE membership_id IN (@) AND ended_at IS NULL
                 RETURNING application_id, user_id, sid",
                &texts(chunk, MembershipId::as_str),
            )
            .bind(now.0)
            .bind(reason)
            .all()
            .await?;
        ended.extend(rows);
    }
    Ok(ended)
}

/// Ends every family of a person. Answers whom to tell.
///
/// # Errors
/// The database's.
pub async fn end_families_of_user(
    tx: &mut Tx,
    user: &UserId,
    reason: &'static str,
    now: UnixMillis,
) -> Result<Vec<Farewell>> {
    tx.query(
        "UPDATE token_families SET ended_at = $2, end_reason = $3 WHERE user_id = $1 AND ended_at IS NULL
         RETURNING application_id, user_id, sid",
    )
    .bind(user.as_str().to_owned())
    .bind(now.0)
    .bind(reason)
    .all()
    .await
}

/// Ends the families that live within some entries; offline access outlives them.
///
/// # Errors
/// The database's.
pub async fn end_families_of_entries(
    tx: &mut Tx,
    entries: &[EndedEntry],
    reason: &'static str,
    now: UnixMillis,
) -> Result<Vec<Farewell>> {
    let mut ended = Vec::new();
    for chunk in entries.chunks(LIST) {
        let rows: Vec<Farewell> = tx
            .query_in(
                "UPDATE token_families SET ended_at = $$1, end_reason = $$2 WHERE entry_id IN (@) AND ended_at IS NULL
                 RETURNING application_id, user_id, sid",
                &texts(chunk, |entry| entry.id.as_str()),
            )
            .bind(now.0)
            .bind(reason)
            .all()
            .await?;
        ended.extend(rows);
    }
    Ok(ended)
}

/// Ends the families of an application. Answers whom to tell.
///
/// # Errors
/// The database's.
pub async fn end_families_of_application(
    tx: &mut Tx,
    application: &ApplicationId,
    now: UnixMillis,
) -> Result<Vec<Farewell>> {
    tx.query(
        "UPDATE token_families SET ended_at = $2, end_reason = 'application_disabled'
         WHERE application_id = $1 AND ended_at IS NULL RETURNING application_id, user_id, sid",
    )
    .bind(application.as_str().to_owned())
    .bind(now.0)
    .all()
    .await
}

/// The applications that were signed in through some entries.
///
/// # Errors
/// The database's.
pub async fn farewells(conn: &mut Conn, entries: &[EndedEntry]) -> Result<Vec<Farewell>> {
    let mut found = Vec::new();
    for chunk in entries.chunks(LIST) {
        let rows: Vec<Farewell> = conn
            .query_in(
                "SELECT a.application_id, e.user_id, e.id FROM entry_applications a JOIN session_entries e ON e.id = a.entry_id
                 WHERE a.entry_id IN (@)",
                &texts(chunk, |entry| entry.id.as_str()),
            )
            .all()
            .await?;
        found.extend(rows);
    }
    Ok(found)
}

/// Ends the browser sessions among these that have no live entry left.
///
/// # Errors
/// The database's.
pub async fn end_emptied(tx: &mut Tx, sessions: &BTreeSet<SessionId>, now: UnixMillis) -> Result<()> {
    let ids: Vec<String> = sessions.iter().map(|id| id.as_str().to_owned()).collect();
    for chunk in ids.chunks(LIST) {
        tx.query_in(
            "UPDATE sessions SET ended_at = $$1 WHERE id IN (@) AND ended_at IS NULL AND NOT EXISTS
               (SELECT 1 FROM session_entries e WHERE e.session_id = sessions.id AND e.ended_at IS NULL)",
            chunk,
        )
        .bind(now.0)
        .execute()
        .await?;
    }
    Ok(())
}

/// Ends a browser session itself.
///
/// # Errors
/// The database's.
pub async fn end_session(tx: &mut Tx, session: &SessionId, now: UnixMillis) -> Result<()> {
    tx.query("UPDATE sessions SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL")
        .bind(session.as_str().to_owned())
        .bind(now.0)
        .execute()
        .await
        .map(|_| ())
}

/// Ends every browser session of a person.
///
/// # Errors
/// The database's.
pub async fn end_sessions_of_user(tx: &mut Tx, user: &UserId, now: UnixMillis) -> Result<()> {
    tx.query("UPDATE sessions SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL")
        .bind(user.as_str().to_owned())
        .bind(now.0)
        .execute()
        .await
        .map(|_| ())
}

/// Notes that a session was used.
///
/// # Errors
/// The database's.
pub async fn note_use(tx: &mut Tx, session: &SessionId, now: UnixMillis) -> Result<()> {
    tx.query("UPDATE sessions SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2")
        .bind(session.as_str().to_owned())
        .bind(now.0)
        .execute()
        .await
        .map(|_| ())
}

/// A browser session as its owner sees it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its id.
    pub id: SessionId,
    /// The browser, as it named itself.
    pub user_agent: String,
    /// When it began.
    pub created_at: UnixMillis,
    /// When it was used last.
    pub last_used_at: UnixMillis,
}

impl Record for Listed {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: SessionId::trusted(cells.take()?),
            user_agent: cells.take()?,
            created_at: UnixMillis(cells.take()?),
            last_used_at: UnixMillis(cells.take()?),
        })
    }
}

/// The live browser sessions of a person, the newest first, at most 50.
///
/// # Errors
/// The database's.
pub async fn of_user(conn: &mut Conn, user: &UserId, now: UnixMillis) -> Result<Vec<Listed>> {
    conn.query(
        "SELECT id, user_agent, created_at, last_used_at FROM sessions
         WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 ORDER BY created_at DESC LIMIT 50",
    )
    .bind(user.as_str().to_owned())
    .bind(now.0)
    .all()
    .await
}
