//! Ends exactly the sessions and token families that a change or a logout ends, and enqueues who is told: by logout
//! tokens, and by the security events that [`super::tell`] finds.

use std::collections::{BTreeMap, BTreeSet};

use super::tell::{self, By};
use crate::domain::access::Verdict;
use crate::domain::change::{Ended, Told};
use crate::domain::mail::Mail;
use crate::kernel::id::{ApplicationId, ConnectionId, InvitationId, MembershipId, OrgId, OutboxId, SessionId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::access_edit::Settled;
use crate::store::db::{LIST, Result, Tx};
use crate::store::federation;
use crate::store::sessions::{self, EndedEntry, Farewell};
use crate::store::{applications, other_sessions, outbox, sessions_through};

/// What a change ends, and sends, besides what follows from the members whom it touched.
#[derive(Debug, Default)]
pub struct Aside {
    /// Accounts that end everywhere, outside organisations too, and why.
    pub users: BTreeMap<UserId, &'static str>,
    /// Accounts of which every session but one ends, and why.
    pub others: BTreeMap<UserId, (Option<SessionId>, &'static str)>,
    /// Applications whose tokens die.
    pub applications: BTreeSet<ApplicationId>,
    /// Single session entries.
    pub entries: Vec<EndedEntry>,
    /// Entries that were ended already as what came through a connection, and the families that were.
    pub ended: Vec<EndedEntry>,
    /// Whom to tell of those families.
    pub farewells: Vec<Farewell>,
    /// Organisations that have people come through a connection from now on: what did not, ends.
    pub enforced: BTreeMap<OrgId, ConnectionId>,
    /// Accounts that are made together with a break-glass membership.
    pub break_glass: BTreeSet<UserId>,
    /// Whether somebody who came through a connection is turned away, and only loses what its mapping gave.
    pub turned_away: bool,
    /// The connection that asks, if one does: it may write what it owns.
    pub connection: Option<ConnectionId>,
    /// Whether Muster or a connection takes people away: then the owner is not spared.
    pub deprovisioning: bool,
    /// Organisations whose owner a connection has taken away.
    pub owner_barred: BTreeSet<OrgId>,
    /// Mails that carry links, each with the invitation that hears what became of it.
    pub mails: Vec<(Mail, Option<InvitationId>)>,
}

/// Ends what the verdicts and the rest of a change end.
///
/// # Errors
/// The database's.
pub async fn after_change(
    tx: &mut Tx,
    by: &By,
    settled: &Settled,
    aside: &Aside,
    now: UnixMillis,
) -> Result<(Ended, Vec<Told>)> {
    let members: Vec<MembershipId> =
        settled.outcomes.iter().filter(|o| o.verdict == Verdict::End).map(|o| o.member.clone()).collect();
    let mut entries = Vec::new();
    let mut families = Vec::new();
    if !members.is_empty() {
        entries.extend(sessions::end_entries_of_members(tx, &members, now).await?);
        families.extend(sessions::end_families_of_members(tx, &members, "access_lost", now).await?);
    }
    for (user, reason) in &aside.users {
        entries.extend(sessions::end_entries_of_user(tx, user, now).await?);
        families.extend(sessions::end_families_of_user(tx, user, reason, now).await?);
        sessions::end_sessions_of_user(tx, user, now).await?;
    }
    for (user, (keep, reason)) in &aside.others {
        let (ended, farewells) = others_of(tx, user, keep.as_ref(), reason, now).await?;
        entries.extend(ended);
        families.extend(farewells);
    }
    if !aside.entries.is_empty() {
        let ended = sessions::end_entries(tx, &aside.entries, now).await?;
        families.extend(sessions::end_families_of_entries(tx, &ended, "session_ended", now).await?);
        entries.extend(ended);
    }
    families.extend(sessions::end_families_of_entries(tx, &aside.ended, "session_ended", now).await?);
    entries.extend(aside.ended.iter().cloned());
    families.extend(aside.farewells.iter().cloned());
    for (org, connection) in &aside.enforced {
        let (ended, farewells) = not_through(tx, org, connection, now).await?;
        entries.extend(ended);
        families.extend(farewells);
    }
    for application in &aside.applications {
        families.extend(sessions::end_families_of_application(tx, application, now).await?);
    }
    let (ended, told) = finish(tx, by, (entries, families), settled, now).await?;
    Ok((Ended { access_keys: settled.access_keys, ..ended }, told))
}

/// Ends what is open in an organisation and did not come through the connection that it enforces; what is offline too.
/// Those who may come in without it keep theirs.
async fn not_through(
    tx: &mut Tx,
    org: &OrgId,
    connection: &ConnectionId,
    now: UnixMillis,
) -> Result<(Vec<EndedEntry>, Vec<Farewell>)> {
    let spare = federation::break_glass_of(tx, org).await?;
    let ended = sessions_through::end_entries_not_through(tx, org, connection, &spare, now).await?;
    let mut families =
        sessions_through::end_families_not_through(tx, (org, connection), &spare, "not_through", now).await?;
    families.extend(sessions::end_families_of_entries(tx, &ended, "not_through", now).await?);
    Ok((ended, families))
}

/// Ends what an account has open but for one browser session: the other sessions, every family that did not come from
/// the one that stays, offline ones too, and the API tokens that were made from access keys.
async fn others_of(
    tx: &mut Tx,
    user: &UserId,
    keep: Option<&SessionId>,
    reason: &'static str,
    now: UnixMillis,
) -> Result<(Vec<EndedEntry>, Vec<Farewell>)> {
    let entries = other_sessions::end_entries(tx, user, keep, now).await?;
    let families = other_sessions::end_families(tx, user, keep, reason, now).await?;
    other_sessions::end_sessions(tx, user, keep, now).await?;
    other_sessions::end_api_tokens(tx, user, now).await?;
    Ok((entries, families))
}

/// Ends a whole browser session: its entries, and the families within it. Offline access outlives it.
///
/// # Errors
/// The database's.
pub async fn of_browser(tx: &mut Tx, by: &By, session: &SessionId, now: UnixMillis) -> Result<(Ended, Vec<Told>)> {
    let entries = sessions::end_entries_of_session(tx, session, now).await?;
    let families = sessions::end_families_of_entries(tx, &entries, "signed_out", now).await?;
    sessions::end_session(tx, session, now).await?;
    finish(tx, by, (entries, families), &Settled::default(), now).await
}

/// Ends some entries with the families within them.
///
/// # Errors
/// The database's.
pub async fn of_entries(
    tx: &mut Tx,
    by: &By,
    entries: &[EndedEntry],
    reason: &'static str,
    now: UnixMillis,
) -> Result<(Ended, Vec<Told>)> {
    let entries = sessions::end_entries(tx, entries, now).await?;
    let families = sessions::end_families_of_entries(tx, &entries, reason, now).await?;
    finish(tx, by, (entries, families), &Settled::default(), now).await
}

/// Tells of families that were ended already, and of entries that an application was taken out of.
///
/// # Errors
/// The database's.
pub async fn of_families(tx: &mut Tx, by: &By, ended: Vec<Farewell>, now: UnixMillis) -> Result<(Ended, Vec<Told>)> {
    finish(tx, by, (Vec::new(), ended), &Settled::default(), now).await
}

async fn finish(
    tx: &mut Tx,
    by: &By,
    (entries, families): (Vec<EndedEntry>, Vec<Farewell>),
    settled: &Settled,
    now: UnixMillis,
) -> Result<(Ended, Vec<Told>)> {
    let ended = Ended { sessions: entries.len() as u64, token_families: families.len() as u64, access_keys: 0 };
    let emptied: BTreeSet<SessionId> = entries.iter().map(|entry| entry.session.clone()).collect();
    sessions::end_emptied(tx, &emptied, now).await?;
    let mut farewells: BTreeSet<Farewell> = sessions::farewells(tx, &entries).await?.into_iter().collect();
    farewells.extend(families);
    let mut told = logout_tokens(tx, by, &farewells, now).await?;
    for (application, (client_id, count)) in tell::events(tx, by, &farewells, settled, now).await? {
        let line = told.entry(application).or_insert(Told { client_id, logout_tokens: 0, security_events: 0 });
        line.security_events += count;
    }
    Ok((ended, told.into_values().collect()))
}

/// One outbox row for each application with a back-channel logout address and each session of it.
async fn logout_tokens(
    tx: &mut Tx,
    by: &By,
    farewells: &BTreeSet<Farewell>,
    now: UnixMillis,
) -> Result<BTreeMap<ApplicationId, Told>> {
    let mut told: BTreeMap<ApplicationId, Option<Told>> = BTreeMap::new();
    let mut rows = Vec::new();
    for Farewell { application, user, sid } in farewells {
        if !told.contains_key(application) {
            let found = applications::find(tx, application).await?.filter(|a| a.backchannel_logout_uri.is_some());
            let line = found.map(|a| Told { client_id: a.client_id, logout_tokens: 0, security_events: 0 });
            told.insert(application.clone(), line);
        }
        let Some(Some(line)) = told.get_mut(application) else {
            continue;
        };
        line.logout_tokens += 1;
        rows.push(outbox::NewRow {
            id: OutboxId::fresh(),
            receiver: application.as_str().to_owned(),
            change: by.change().cloned(),
            message: outbox::Message::BackchannelLogout { user: user.clone(), sid: sid.clone() },
        });
        if rows.len() >= LIST {
            outbox::put_many(tx, &std::mem::take(&mut rows), now).await?;
        }
    }
    outbox::put_many(tx, &rows, now).await?;
    Ok(told.into_iter().filter_map(|(application, line)| line.map(|line| (application, line))).collect())
}
