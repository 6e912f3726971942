//! `GET /o/{slug}/admin/people`: the members, with those who are invited above them; and the link for a first password, sent
//! again.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;

use super::invitations::{read_open, row};
use super::moments::{ahead, moment};
use super::shell::{Act, Desk, Viewing};
use super::{access, person, wording};
use crate::domain::access::Subject;
use crate::domain::change::Mode;
use crate::domain::mail::Purpose;
use crate::domain::people::user::{AccessType, Kind, MembershipState, UserState};
use crate::domain::source::Source;
use crate::flows::change_access::Refusal;
use crate::flows::register;
use crate::kernel::id::{MembershipId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::db::{Conn, Result};
use crate::store::member_list::{self, Listed};
use crate::store::orgs::Project;
use crate::store::{connections, links, orgs, people_read};
use crate::web::oidc::reply;
use crate::web::pages::error;
use crate::web::pages::view::admin::{Badge, Here, InvitationRow, MailLine, PeoplePage, PersonRow};

/// So many members a page.
const PAGE: usize = 50;
/// So many open invitations stand above them.
const OPEN: usize = 10;

/// The list.
pub async fn get(Viewing(desk): Viewing) -> Response {
    list(&desk, StatusCode::OK, String::new()).await
}

/// Sends somebody who has no password yet the link again.
pub async fn send_link(act: Act) -> Response {
    let (desk, from_detail) = (act.desk, act.form.has("detail"));
    let Ok(member) = desk.named("member").parse::<MembershipId>() else {
        return desk.answer(error::not_found().await);
    };
    match register::send_link_again(&desk.app, &desk.actor, &desk.origin, &desk.org, &member, Mode::Act).await {
        Ok(_) if desk.may("users.read") && from_detail => {
            desk.answer(reply::see_other(&desk.path(&format!("people/{member}?done=link"))))
        }
        Ok(_) if desk.may("users.read") => desk.answer(reply::see_other(&desk.path("people?done=link"))),
        Ok(_) => desk.answer(reply::see_other(&desk.path("people/register"))),
        Err(Refusal::NotFound(_)) => desk.answer(error::not_found().await),
        Err(why) => match wording::refusal(why, &["people"]) {
            Ok(said) if desk.may("users.read") => {
                let alert = said.errors.of("people").unwrap_or_default().to_owned();
                if from_detail {
                    person::account_saying(&desk, said.status, alert).await
                } else {
                    list(&desk, said.status, alert).await
                }
            }
            Ok(_) => desk.answer(error::not_found().await),
            Err(page) => desk.answer(*page),
        },
    }
}

/// What was done just now, as the address says it: a word of ours.
fn notice(desk: &Desk) -> &'static str {
    match desk.asked("done") {
        Some("link") => "The link is on its way. The one before doesn't work any more.",
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

async fn read(desk: &Desk) -> Result<PeoplePage> {
    let mut conn = desk.app.db.read().await?;
    let conn = &mut conn;
    let search = desk.asked("q").unwrap_or_default().trim().to_owned();
    let place = desk.asked("after").and_then(|id| id.parse::<MembershipId>().ok());
    let after = place.map(|id| (desk.asked("key").unwrap_or_default().to_owned(), id));
    let later = after.is_some();
    let wanted = Some(search.as_str()).filter(|text| !text.is_empty());
    let page = member_list::Query { search: wanted, after, limit: PAGE + 1, people_only: true };
    let mut rows = member_list::page(conn, &desk.org, &page).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let next = rows.last().filter(|_| more).map(|last| next_page(desk, &search, last)).unwrap_or_default();
    let projects = orgs::projects(conn, &desk.org).await?;
    let (open, more_open) = if later { (Vec::new(), false) } else { open(conn, desk, &projects).await? };
    Ok(PeoplePage {
        shell: desk.shell(Here::People, &[]),
        notice: notice(desk),
        alert: String::new(),
        rows: open,
        more_open,
        first: desk.path(&format!("people?{}", query(&[("q", &search)]))),
        search,
        may_group: desk.may("groups.write"),
        people: show(conn, desk, rows, &projects).await?,
        next,
        later,
    })
}

fn query(pairs: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty()));
    query.finish()
}

fn next_page(desk: &Desk, search: &str, last: &Listed) -> String {
    let (key, member) = &last.cursor;
    desk.path(&format!("people?{}", query(&[("q", search), ("key", key), ("after", member.as_str())])))
}

/// The open invitations, the first few.
async fn open(conn: &mut Conn, desk: &Desk, projects: &[Project]) -> Result<(Vec<InvitationRow>, bool)> {
    let mut found = read_open(conn, &desk.org, None, OPEN + 1).await?;
    let more = found.len() > OPEN;
    found.truncate(OPEN);
    let names = super::invitations::group_names(conn, &found).await?;
    Ok((found.iter().map(|one| row(one, &names, projects, desk.app.now())).collect(), more))
}

async fn show(conn: &mut Conn, desk: &Desk, rows: Vec<Listed>, projects: &[Project]) -> Result<Vec<PersonRow>> {
    let members: Vec<MembershipId> = rows.iter().map(|row| row.member.clone()).collect();
    let mut groups = people_read::groups_of(conn, &members).await?;
    let direct = people_read::direct_of(conn, &members).await?;
    let mut people = Vec::with_capacity(rows.len());
    let mut keepers: BTreeMap<String, String> = BTreeMap::new();
    for row in rows {
        let own = direct.iter().filter(|binding| binding.subject == Subject::Member(row.member.clone()));
        let roles = own.filter_map(|binding| access::role_line(&binding.role, &binding.scope, projects)).collect();
        let waits = row.user_state == UserState::Pending && row.access_type == AccessType::Password;
        let mail = if waits { mail(conn, &row.user, desk.app.now()).await? } else { None };
        let keeper = match row.source.connection() {
            Some(id) => keeper(conn, &mut keepers, id).await?,
            None => String::new(),
        };
        people.push(PersonRow {
            groups: groups.remove(&row.member).unwrap_or_default().into_iter().map(|group| group.name).collect(),
            roles,
            badge: standing(
                row.source.connection().is_none(),
                (row.user_state, row.member_state),
                desk.app.now() < row.locked_until,
            ),
            keeper,
            source: source(&row.kind, &row.source),
            may_send: waits && row.email.is_some() && row.source.connection().is_none(),
            mail,
            member: row.member.into_string(),
            name: row.name,
            user_name: row.user_name,
            email: row.email.unwrap_or_default(),
        });
    }
    Ok(people)
}

/// The name of the connection that keeps something, looked up once.
///
/// # Errors
/// The database's.
pub async fn keeper(conn: &mut Conn, known: &mut BTreeMap<String, String>, id: &str) -> Result<String> {
    if let Some(name) = known.get(id) {
        return Ok(name.clone());
    }
    let name = connections::name_of(conn, id).await?.unwrap_or_else(|| id.to_owned());
    known.insert(id.to_owned(), name.clone());
    Ok(name)
}

/// What was mailed to somebody who has no password yet.
///
/// # Errors
/// The database's.
pub async fn mail(conn: &mut Conn, user: &UserId, now: UnixMillis) -> Result<Option<MailLine>> {
    let Some(last) = links::last_of(conn, user, Purpose::SetPassword).await? else {
        return Ok(None);
    };
    let sent = links::count_of(conn, user, Purpose::SetPassword, UnixMillis::MIN).await?;
    Ok(Some(MailLine {
        ends_in: if last.is_live(now) { ahead(last.expires_at, now) } else { String::new() },
        ends: moment(last.expires_at),
        sent: times(sent),
        last_sent: moment(last.created_at),
    }))
}

/// How often something was sent.
#[must_use]
pub fn times(sent: i64) -> String {
    match sent {
        ..=1 => "Sent once".to_owned(),
        2 => "Resent once".to_owned(),
        more => format!("Resent {} times", more - 1),
    }
}

/// How somebody stands, by the states of account and membership. What a connection keeps has no password here that could
/// be missing or guessed at.
#[must_use]
pub fn standing(is_kept_here: bool, states: (UserState, MembershipState), is_locked: bool) -> Badge {
    let (user, member) = states;
    match badge(user, member) {
        Badge { class: "good", .. } if is_kept_here && is_locked => Badge { word: "Locked", class: "wait" },
        _ if !is_kept_here && user == UserState::Pending => Badge { word: "Not active yet", class: "wait" },
        other => other,
    }
}

/// What counts of the account's state and the membership's: the first that bars.
fn badge(user: UserState, member: MembershipState) -> Badge {
    match (user, member) {
        (UserState::Active, MembershipState::Active) => Badge { word: "Active", class: "good" },
        (UserState::Pending, _) => Badge { word: "Pending · no password yet", class: "wait" },
        (UserState::Active, MembershipState::Pending) => Badge { word: "Pending", class: "wait" },
        (UserState::Suspended, _) | (UserState::Active, MembershipState::Suspended) => {
            Badge { word: "Suspended", class: "off" }
        }
        (UserState::Deactivated, _) | (UserState::Active, MembershipState::Deactivated) => {
            Badge { word: "Deactivated by its provider", class: "off" }
        }
        (UserState::Deleted, _) => Badge { word: "Deleted", class: "off" },
    }
}

/// Where an account comes from, in words.
#[must_use]
pub fn source(kind: &Kind, source: &Source) -> &'static str {
    match (kind, source) {
        (Kind::Own, _) => "Own account",
        (_, Source::Local | Source::System) => "Registered here",
        (_, Source::Scim(_)) => "SCIM",
        (_, Source::Oidc(_)) => "Identity provider",
        (_, Source::Invitation(_)) => "Invitation",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_of_mails_is_said_in_words_and_a_state_is_the_first_that_bars() {
        assert_eq!([1, 2, 4].map(times), ["Sent once", "Resent once", "Resent 3 times"]);
        assert_eq!(badge(UserState::Suspended, MembershipState::Active).word, "Suspended");
        assert_eq!(badge(UserState::Active, MembershipState::Suspended).class, "off");
        assert_eq!(badge(UserState::Active, MembershipState::Active).class, "good");
    }
}
