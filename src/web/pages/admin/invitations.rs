//! `/o/{slug}/admin/invitations`: who was invited and what became of it; sending again, and taking back.
//!
//! No link is ever shown: whoever has one is whom it was mailed to.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use axum::response::Response;

use super::access::lines;
use super::moments::{ahead, moment};
use super::people::times;
use super::shell::{Act, Desk, Inviting, Viewing};
use super::wording;
use crate::domain::change::Mode;
use crate::domain::people::invitation::{Act as Deed, State, may_resend};
use crate::flows::change_access::Refusal;
use crate::flows::invite;
use crate::kernel::id::{GroupId, InvitationId, OrgId};
use crate::kernel::time::UnixMillis;
use crate::store::access_read;
use crate::store::db::{Conn, Result};
use crate::store::invitations::{self, Invitation};
use crate::store::orgs::{self, Project};
use crate::web::oidc::reply;
use crate::web::pages::error;
use crate::web::pages::view::admin::{Badge, CancelPage, Choice, Here, InvitationRow, InvitationsPage};

/// So many a page.
const PAGE: usize = 50;

/// A tab: its name in the address, its word, and the states under it.
struct Tab {
    name: &'static str,
    word: &'static str,
    states: &'static [State],
}

static TABS: [Tab; 5] = [
    Tab { name: "pending", word: "Pending", states: &[State::Processing, State::Pending] },
    Tab { name: "expired", word: "Expired", states: &[State::Expired] },
    Tab { name: "failed", word: "Failed", states: &[State::Failed] },
    Tab { name: "accepted", word: "Accepted", states: &[State::Accepted] },
    Tab { name: "cancelled", word: "Cancelled", states: &[State::Cancelled, State::Declined] },
];

/// A list under its tab.
pub async fn get(Viewing(desk): Viewing) -> Response {
    list(&desk, StatusCode::OK, String::new()).await
}

/// Sends an invitation again.
pub async fn resend(act: Act) -> Response {
    let desk = act.desk;
    let Some(id) = invitation(&desk) else {
        return desk.answer(error::not_found().await);
    };
    let done = invite::resend(&desk.app, &desk.actor, &desk.origin, &desk.org, &id, Mode::Act).await;
    after(&desk, done.map(|_| ()), "resent").await
}

/// Whether to take an invitation back.
pub async fn ask_cancel(Inviting(desk): Inviting) -> Response {
    let found = match read_one(&desk).await {
        Ok(found) => found,
        Err(fault) => return desk.failed(fault),
    };
    match found {
        Some(row) if row.may_cancel => {
            let view = CancelPage { shell: desk.shell(Here::Invitations, &[("Invitations", "invitations")]), row };
            desk.show(StatusCode::OK, &view)
        }
        Some(_) => desk.answer(reply::see_other(&desk.path("invitations?done=over"))),
        None => desk.answer(error::not_found().await),
    }
}

/// Takes an invitation back.
pub async fn cancel(act: Act) -> Response {
    let desk = act.desk;
    let Some(id) = invitation(&desk) else {
        return desk.answer(error::not_found().await);
    };
    let done = invite::cancel(&desk.app, &desk.actor, &desk.origin, &desk.org, &id, Mode::Act).await;
    after(&desk, done.map(|_| ()), "cancelled").await
}

fn invitation(desk: &Desk) -> Option<InvitationId> {
    desk.named("invitation").parse().ok()
}

/// The list again, with what was done or why it wasn't.
async fn after(desk: &Desk, done: std::result::Result<(), Refusal>, word: &str) -> Response {
    match done {
        Ok(()) if desk.may("users.read") => {
            desk.answer(reply::see_other(&desk.path(&format!("invitations?done={word}"))))
        }
        Ok(()) => desk.answer(reply::see_other(&desk.path("people/invite"))),
        Err(Refusal::NotFound(_)) => desk.answer(error::not_found().await),
        Err(why) => match wording::refusal(why, &["invitations"]) {
            Ok(said) if desk.may("users.read") => {
                list(desk, said.status, said.errors.of("invitations").unwrap_or_default().to_owned()).await
            }
            Ok(_) => desk.answer(error::not_found().await),
            Err(page) => desk.answer(*page),
        },
    }
}

/// What was done just now, as the address says it: a word of ours.
fn notice(desk: &Desk) -> &'static str {
    match desk.asked("done") {
        Some("resent") => "The invitation is on its way again. The link before doesn't work any more.",
        Some("cancelled") => "The invitation is cancelled. Its link doesn't work any more.",
        Some("over") => "This invitation can't be cancelled any more.",
        _ => "",
    }
}

async fn list(desk: &Desk, status: StatusCode, alert: String) -> Response {
    match read(desk).await {
        Ok(mut view) => {
            view.alert = alert;
            desk.show(status, &view)
        }
        Err(fault) => desk.failed(fault),
    }
}

async fn read(desk: &Desk) -> Result<InvitationsPage> {
    let mut conn = desk.app.db.read().await?;
    let conn = &mut conn;
    let asked = desk.asked("state").unwrap_or_default();
    let tab = TABS.iter().find(|tab| tab.name == asked).unwrap_or(&TABS[0]);
    let from = desk.asked("after").and_then(|id| id.parse::<InvitationId>().ok());
    let mut found = of_states(conn, &desk.org, tab.states, from.as_ref(), PAGE + 1).await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let page = format!("invitations?state={}", tab.name);
    let last = found.last().filter(|_| more);
    let next = last.map(|last| desk.path(&format!("{page}&after={}", last.id))).unwrap_or_default();
    let names = group_names(conn, &found).await?;
    let projects = orgs::projects(conn, &desk.org).await?;
    let choice = |one: &Tab| Choice { value: one.name.into(), label: one.word.into(), chosen: one.name == tab.name };
    Ok(InvitationsPage {
        shell: desk.shell(Here::Invitations, &[]),
        notice: notice(desk),
        alert: String::new(),
        tabs: TABS.iter().map(choice).collect(),
        tab: tab.word,
        rows: found.iter().map(|one| row(one, &names, &projects, desk.app.now())).collect(),
        first: desk.path(&page),
        next,
        later: from.is_some(),
    })
}

async fn read_one(desk: &Desk) -> Result<Option<InvitationRow>> {
    let Some(id) = invitation(desk) else { return Ok(None) };
    let mut conn = desk.app.db.read().await?;
    let Some(found) = invitations::find(&mut conn, &desk.org, &id).await? else {
        return Ok(None);
    };
    let names = group_names(&mut conn, std::slice::from_ref(&found)).await?;
    let projects = orgs::projects(&mut conn, &desk.org).await?;
    Ok(Some(row(&found, &names, &projects, desk.app.now())))
}

/// The open invitations behind one of them, in the order of their making.
///
/// # Errors
/// The database's.
pub async fn read_open(
    conn: &mut Conn,
    org: &OrgId,
    after: Option<&InvitationId>,
    limit: usize,
) -> Result<Vec<Invitation>> {
    of_states(conn, org, TABS[0].states, after, limit).await
}

/// A page of the invitations in some states. Each state has an order of its own, by the same ids.
async fn of_states(
    conn: &mut Conn,
    org: &OrgId,
    states: &[State],
    after: Option<&InvitationId>,
    limit: usize,
) -> Result<Vec<Invitation>> {
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut found = Vec::new();
    for state in states {
        found.extend(invitations::list(conn, org, Some(*state), after, most).await?);
    }
    found.sort_by(|one, other| one.id.cmp(&other.id));
    found.truncate(limit);
    Ok(found)
}

/// The names of the groups that some invitations bring.
///
/// # Errors
/// The database's.
pub async fn group_names(conn: &mut Conn, found: &[Invitation]) -> Result<BTreeMap<GroupId, String>> {
    let ids: BTreeSet<GroupId> = found.iter().flat_map(|one| one.access.groups.iter().cloned()).collect();
    access_read::group_names(conn, &ids).await
}

/// An invitation as lists show it, with what may be done about it now.
#[must_use]
pub fn row(
    one: &Invitation,
    groups: &BTreeMap<GroupId, String>,
    projects: &[Project],
    now: UnixMillis,
) -> InvitationRow {
    let state = one.state_at(now);
    let resend = state.allows(Deed::Resend);
    let from = may_resend(one.last_sent_at, one.sent_since, one.sent_in_a_day, now).err();
    InvitationRow {
        id: one.id.to_string(),
        email: one.email.clone(),
        name: one.name.clone(),
        badge: badge(state),
        reason: reason(state, &one.reason),
        access: lines(&one.access, groups, projects),
        sent: times(one.sent),
        last_sent: moment(one.last_sent_at),
        ends_in: if state.is_open() { ahead(one.expires_at, now) } else { String::new() },
        ends: moment(one.expires_at),
        may_resend: resend && from.is_none(),
        resend_from: from.filter(|_| resend).map(moment),
        may_cancel: state.allows(Deed::Cancel),
    }
}

const fn badge(state: State) -> Badge {
    match state {
        State::Processing => Badge { word: "Being sent", class: "wait" },
        State::Pending => Badge { word: "Pending", class: "wait" },
        State::Accepted => Badge { word: "Accepted", class: "good" },
        State::Declined => Badge { word: "Declined", class: "off" },
        State::Cancelled => Badge { word: "Cancelled", class: "off" },
        State::Expired => Badge { word: "Expired", class: "off" },
        State::Failed => Badge { word: "Failed", class: "off" },
    }
}

/// Why it ended, as far as something was written down.
fn reason(state: State, reason: &str) -> String {
    match (state, reason) {
        (_, "inviter_gone") => "Whoever sent it is no longer here.".to_owned(),
        (State::Failed, "") => "The mail could not be delivered.".to_owned(),
        (_, other) => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::language::Language;
    use crate::domain::people::invitation::Access;
    use crate::kernel::time::{DAY, MINUTE};

    fn sent(state: State) -> Invitation {
        Invitation {
            id: InvitationId::from_u128(1),
            org: OrgId::from_u128(1),
            email: "ana@acme.test".to_owned(),
            name: "Ana Lee".to_owned(),
            given_name: "Ana".to_owned(),
            family_name: "Lee".to_owned(),
            language: Language::En,
            state,
            reason: String::new(),
            access: Access::default(),
            created_by: String::new(),
            inviter: None,
            sent: 3,
            sent_since: UnixMillis(0),
            sent_in_a_day: 3,
            last_sent_at: UnixMillis(0),
            link_expires_at: UnixMillis(7 * DAY),
            expires_at: UnixMillis(30 * DAY),
            user: None,
            member: None,
            created_at: UnixMillis(0),
            decided_at: None,
        }
    }

    // I24 I25
    #[test]
    fn what_may_be_done_is_what_the_state_allows_now() {
        let shown = |state: State, at: i64| row(&sent(state), &BTreeMap::new(), &[], UnixMillis(at));
        let can = |row: &InvitationRow| (row.may_resend, row.resend_from.is_some(), row.may_cancel);
        assert_eq!(can(&shown(State::Processing, MINUTE)), (false, false, true));
        assert_eq!(can(&shown(State::Pending, MINUTE)), (true, false, true));
        assert_eq!(can(&shown(State::Pending, MINUTE - 1)), (false, true, true), "a minute apart, and it says when");
        assert_eq!(can(&shown(State::Pending, 30 * DAY)), (true, false, false), "it is over by then");
        assert_eq!(can(&shown(State::Cancelled, MINUTE)), (false, false, false));
        let pending = shown(State::Pending, DAY);
        assert_eq!((pending.sent.as_str(), pending.ends_in.as_str()), ("Resent 2 times", "in 29 days"));
    }

    #[test]
    fn every_state_stands_under_one_tab() {
        for state in State::ALL {
            assert_eq!(TABS.iter().filter(|tab| tab.states.contains(&state)).count(), 1, "{state}");
        }
    }
}
