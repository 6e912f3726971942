//! Whom a change concerns: the applications at which people have something live, and what their tokens there may say.

use std::collections::{BTreeMap, BTreeSet};

use super::db::{Cells, Conn, LIST, Record, Result};
use super::sessions::Farewell;
use crate::domain::granted::Granted;
use crate::kernel::id::{ApplicationId, EntryId, FamilyId, MembershipId, OrgId, UserId};
use crate::kernel::time::UnixMillis;

fn texts<'i, T: 'i>(ids: impl IntoIterator<Item = &'i T>, text: impl Fn(&T) -> &str) -> Vec<String> {
    ids.into_iter().map(|id| text(id).to_owned()).collect()
}

/// The applications of which some members have live tokens.
///
/// # Errors
/// The database's.
pub async fn applications_of_members(
    conn: &mut Conn,
    members: &[MembershipId],
    now: UnixMillis,
) -> Result<BTreeSet<ApplicationId>> {
    let mut found = BTreeSet::new();
    for chunk in members.chunks(LIST) {
        let rows: Vec<(String,)> = conn
            .query_in(
                "SELECT DISTINCT application_id FROM token_families
                 WHERE membership_id IN (@) AND ended_at IS NULL AND expires_at > $$1",
                &texts(chunk, MembershipId::as_str),
            )
            .bind(now.0)
            .all()
            .await?;
        found.extend(rows.into_iter().map(|(id,)| ApplicationId::trusted(id)));
    }
    Ok(found)
}

/// What a member gave an application that holds live tokens of it.
#[derive(Clone, Debug)]
pub struct Given {
    /// The member.
    pub member: MembershipId,
    /// The application.
    pub application: ApplicationId,
    /// What.
    pub granted: Granted,
}

impl Record for Given {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            member: MembershipId::trusted(cells.take()?),
            application: ApplicationId::trusted(cells.take()?),
            granted: cells.json()?,
        })
    }
}

/// What some members gave some applications, family by family, where tokens are live: for at most [`LIST`] members.
///
/// # Errors
/// The database's.
pub async fn given_by_members(
    conn: &mut Conn,
    members: &[MembershipId],
    applications: &BTreeSet<ApplicationId>,
    now: UnixMillis,
) -> Result<Vec<Given>> {
    // One list travels as a list, the other one, which is short, as a text: an id is no piece of another.
    let wanted = texts(applications, ApplicationId::as_str).join(" ");
    conn.query_in(
        "SELECT membership_id, application_id, granted FROM token_families
         WHERE membership_id IN (@) AND ended_at IS NULL AND expires_at > $$1
           AND $$2 LIKE ('%' || application_id || '%')",
        &texts(members, MembershipId::as_str),
    )
    .bind(now.0)
    .bind(wanted)
    .all()
    .await
}

/// The applications at which some people are signed in, or of which they have live tokens, in whatever organisation.
///
/// # Errors
/// The database's.
pub async fn applications_of_users(
    conn: &mut Conn,
    users: &[UserId],
    now: UnixMillis,
) -> Result<BTreeSet<(UserId, ApplicationId)>> {
    let mut found = BTreeSet::new();
    for chunk in users.chunks(LIST) {
        for sql in [
            "SELECT DISTINCT user_id, application_id FROM token_families
             WHERE user_id IN (@) AND ended_at IS NULL AND expires_at > $$1",
            "SELECT DISTINCT e.user_id, a.application_id
             FROM session_entries e JOIN entry_applications a ON a.entry_id = e.id
             WHERE e.user_id IN (@) AND e.ended_at IS NULL AND e.expires_at > $$1",
        ] {
            let rows: Vec<(String, String)> =
                conn.query_in(sql, &texts(chunk, UserId::as_str)).bind(now.0).all().await?;
            let pair = |(user, application)| (UserId::trusted(user), ApplicationId::trusted(application));
            found.extend(rows.into_iter().map(pair));
        }
    }
    Ok(found)
}

/// The organisations that some sessions are of, by their `sid`; those of none are not in the answer. One whose entry is
/// gone already is found by the tokens that outlived it.
///
/// # Errors
/// The database's.
pub async fn orgs_of(conn: &mut Conn, sessions: &BTreeMap<EntryId, UserId>) -> Result<BTreeMap<EntryId, OrgId>> {
    let (mut found, mut without) = (BTreeMap::new(), sessions.clone());
    for chunk in texts(sessions.keys(), EntryId::as_str).chunks(LIST) {
        let rows: Vec<(String, Option<String>)> =
            conn.query_in("SELECT id, org_id FROM session_entries WHERE id IN (@)", chunk).all().await?;
        for (sid, org) in rows {
            let sid = EntryId::trusted(sid);
            without.remove(&sid);
            found.extend(org.map(|org| (sid, OrgId::trusted(org))));
        }
    }
    let users: BTreeSet<&UserId> = without.values().collect();
    for chunk in texts(users, UserId::as_str).chunks(LIST) {
        let rows: Vec<(String, String)> = conn
            .query_in(
                "SELECT DISTINCT sid, org_id FROM token_families WHERE user_id IN (@) AND org_id IS NOT NULL",
                chunk,
            )
            .all()
            .await?;
        let named = rows.into_iter().map(|(sid, org)| (EntryId::trusted(sid), OrgId::trusted(org)));
        found.extend(named.filter(|(sid, _)| without.contains_key(sid)));
    }
    Ok(found)
}

/// Whose a family is.
///
/// # Errors
/// The database's.
pub async fn of_family(conn: &mut Conn, family: &FamilyId) -> Result<Option<Farewell>> {
    conn.query("SELECT application_id, user_id, sid FROM token_families WHERE id = $1")
        .bind(family.as_str().to_owned())
        .optional()
        .await
}
