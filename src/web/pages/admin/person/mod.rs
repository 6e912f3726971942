//! `/o/{slug}/admin/people/{member}`: one person, each tab an address of its own.
//!
//! What is shown is what the API shows under the same permissions. What is done goes through the door, from a state that
//! the page has shown: whoever looked at something else meanwhile is shown how it stands now ([`deed`]).

mod account;
mod applications;
mod deed;
mod groups;
mod held;
mod keys;
mod projects;
mod roles;
mod sessions;

use axum::http::StatusCode;
use axum::response::Response;

use super::form::Form;
use super::moments::moment;
use super::people;
use super::shell::of_providers::mapping_page;
use super::shell::{Desk, Posted, Viewing};
use crate::domain::change::Actor;
use crate::domain::connection::ConnectionState;
use crate::kernel::id::{ConnectionId, MembershipId};
use crate::store::db::{Conn, Result};
use crate::store::people_read::{self, Person};
use crate::store::{connections, users};
use crate::web::pages::error;
use crate::web::pages::view::admin::{Here, Shell};
use crate::web::pages::view::person::{Frame, Keeper, TabLink};
use crate::web::pages::view::web_address;

/// A page of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tab {
    Account,
    Roles,
    /// The checklist, which stands under [`Tab::Roles`].
    Groups,
    Projects,
    Applications,
    Keys,
    Sessions,
}

impl Tab {
    /// Those that stand in the row of tabs.
    const ALL: [Self; 6] = [Self::Account, Self::Roles, Self::Projects, Self::Applications, Self::Keys, Self::Sessions];

    const fn id(self) -> &'static str {
        match self {
            Self::Account => "tab-account",
            Self::Roles | Self::Groups => "tab-roles",
            Self::Projects => "tab-projects",
            Self::Applications => "tab-applications",
            Self::Keys => "tab-keys",
            Self::Sessions => "tab-sessions",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Account => "Account",
            Self::Roles => "Roles and groups",
            Self::Groups => "Groups",
            Self::Projects => "Projects",
            Self::Applications => "Applications",
            Self::Keys => "Access keys",
            Self::Sessions => "Sessions",
        }
    }

    /// Its address in the console.
    fn path(self, member: &MembershipId) -> String {
        let page = match self {
            Self::Account => "",
            Self::Roles => "/roles",
            Self::Groups => "/groups",
            Self::Projects => "/projects",
            Self::Applications => "/applications",
            Self::Keys => "/keys",
            Self::Sessions => "/sessions",
        };
        format!("people/{member}{page}")
    }

    /// The permission that it asks for besides that of seeing people, and what for.
    const fn needs(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Roles | Self::Projects => Some(("bindings.read", "see who holds what")),
            Self::Groups => Some(("groups.write", "put people into groups")),
            Self::Keys => Some(("keys.read", "see access keys")),
            Self::Account | Self::Applications | Self::Sessions => None,
        }
    }

    /// The page that says what is missing; `None` where the tab may be opened.
    fn shut(self, desk: &Desk, person: &Person) -> Option<Response> {
        let readers = desk.settings.readers_see_keys && desk.may("org.read");
        if self == Self::Keys && (readers || is_own(desk, person)) {
            return None;
        }
        self.needs().and_then(|(word, to)| desk.lacking(word, to))
    }
}

/// What a page says besides what it shows.
struct Saying<'a> {
    status: StatusCode,
    /// What went wrong; empty for nothing.
    alert: String,
    /// What was posted, so that it stays typed.
    form: Option<&'a Form>,
}

impl Saying<'_> {
    const fn nothing() -> Self {
        Self { status: StatusCode::OK, alert: String::new(), form: None }
    }
}

/// The tab "Account".
pub async fn account(Viewing(desk): Viewing) -> Response {
    show(&desk, Tab::Account, Saying::nothing()).await
}

/// Unlocks the account, or takes its second factors away.
pub async fn guard_account(posted: Posted) -> Response {
    match posted.freshly_by("users.write", "unlock people and reset their second factors").await {
        Ok((desk, form)) => account::act(&desk, &form).await,
        Err(page) => page,
    }
}

/// The tab "Account", with why something wasn't done.
pub async fn account_saying(desk: &Desk, status: StatusCode, alert: String) -> Response {
    show(desk, Tab::Account, Saying { status, alert, form: None }).await
}

/// The tab "Roles and groups".
pub async fn roles(Viewing(desk): Viewing) -> Response {
    show(&desk, Tab::Roles, Saying::nothing()).await
}

/// Gives roles, or takes them.
pub async fn change_roles(posted: Posted) -> Response {
    match posted.freshly_by("users.read", "see people").await {
        Ok((desk, form)) => roles::change(&desk, &form).await,
        Err(page) => page,
    }
}

/// The checklist of groups.
pub async fn groups(Viewing(desk): Viewing) -> Response {
    show(&desk, Tab::Groups, Saying::nothing()).await
}

/// Puts the person into the groups that are ticked.
pub async fn set_groups(posted: Posted) -> Response {
    match posted.freshly_by("groups.write", "put people into groups").await {
        Ok((desk, form)) => groups::set(&desk, &form).await,
        Err(page) => page,
    }
}

/// The tab "Projects".
pub async fn projects(Viewing(desk): Viewing) -> Response {
    show(&desk, Tab::Projects, Saying::nothing()).await
}

/// Takes the person out of a project.
pub async fn leave_project(posted: Posted) -> Response {
    match posted.by("users.read", "see people").await {
        Ok((desk, form)) => projects::leave(&desk, &form).await,
        Err(page) => page,
    }
}

/// The tab "Applications".
pub async fn applications(Viewing(desk): Viewing) -> Response {
    show(&desk, Tab::Applications, Saying::nothing()).await
}

/// The tab "Access keys".
pub async fn keys(Viewing(desk): Viewing) -> Response {
    show(&desk, Tab::Keys, Saying::nothing()).await
}

/// The tab "Sessions".
pub async fn sessions(Viewing(desk): Viewing) -> Response {
    show(&desk, Tab::Sessions, Saying::nothing()).await
}

/// Ends one session, or all.
pub async fn end_sessions(posted: Posted) -> Response {
    match posted.by("users.read", "see people").await {
        Ok((desk, form)) => sessions::end(&desk, &form).await,
        Err(page) => page,
    }
}

/// The person whom the address names; `None` where it names nobody of this organisation, or a service account.
async fn found(conn: &mut Conn, desk: &Desk) -> Result<Option<Person>> {
    let Ok(member) = desk.named("member").parse::<MembershipId>() else {
        return Ok(None);
    };
    let person = people_read::find(conn, &desk.org, &member).await?;
    Ok(person.filter(|person| person.kind.project().is_none()))
}

/// What people see of somebody.
fn called(person: &Person) -> &str {
    if person.name.is_empty() { &person.user_name } else { &person.name }
}

/// Whether somebody looks at themselves.
fn is_own(desk: &Desk, person: &Person) -> bool {
    matches!(&desk.actor, Actor::User(id) if *id == person.user)
}

async fn show(desk: &Desk, tab: Tab, saying: Saying<'_>) -> Response {
    match page_of(desk, tab, saying).await {
        Ok(Some(page)) => page,
        Ok(None) => desk.answer(error::not_found().await),
        Err(fault) => desk.failed(fault),
    }
}

async fn page_of(desk: &Desk, tab: Tab, saying: Saying<'_>) -> Result<Option<Response>> {
    let mut conn = desk.app.db.read().await?;
    let conn = &mut conn;
    let Some(person) = found(conn, desk).await? else {
        return Ok(None);
    };
    if let Some(page) = tab.shut(desk, &person) {
        return Ok(Some(page));
    }
    let (status, form) = (saying.status, saying.form);
    let frame = frame(conn, desk, &person, tab, saying.alert).await?;
    Ok(Some(match tab {
        Tab::Account => desk.show(status, &account::read(conn, desk, &person, frame).await?),
        Tab::Roles => desk.show(status, &roles::read(conn, desk, &person, frame, form).await?),
        Tab::Groups => desk.show(status, &groups::read(conn, desk, &person, frame, form).await?),
        Tab::Projects => desk.show(status, &projects::read(conn, desk, &person, frame).await?),
        Tab::Applications => desk.show(status, &applications::read(conn, desk, &person, frame).await?),
        Tab::Keys => desk.show(status, &keys::read(conn, desk, &person, frame).await?),
        Tab::Sessions => desk.show(status, &sessions::read(conn, desk, &person, frame).await?),
    }))
}

/// What stands around a page of somebody.
fn shell(desk: &Desk) -> Shell {
    desk.shell(Here::People, &[("People", "people")])
}

async fn frame(conn: &mut Conn, desk: &Desk, person: &Person, tab: Tab, alert: String) -> Result<Frame> {
    let open = Tab::ALL.into_iter().filter(|one| one.shut(desk, person).is_none());
    let link = |one: Tab| TabLink {
        id: one.id(),
        word: one.word(),
        href: desk.path(&one.path(&person.member)),
        here: one.id() == tab.id(),
    };
    let tabs = open.map(link).collect();
    let candidate = users::candidate(conn, &person.user).await?;
    let is_locked = candidate.is_some_and(|found| desk.app.now() < found.counter.locked_until);
    let is_kept_here = person.source.connection().is_none();
    Ok(Frame {
        member: person.member.to_string(),
        name: called(person).to_owned(),
        word: tab.word(),
        tabs,
        badge: people::standing(is_kept_here, (person.user_state, person.member_state), is_locked),
        keeper: match person.source.connection() {
            Some(id) => Some(keeper(conn, desk, id).await?),
            None => None,
        },
        notice: if alert.is_empty() { notice(desk) } else { "" },
        alert,
    })
}

/// The connection that keeps an account. One whose row is gone is called by its id.
async fn keeper(conn: &mut Conn, desk: &Desk, id: &str) -> Result<Keeper> {
    let known = match id.parse::<ConnectionId>() {
        Ok(id) => connections::by_id(conn, &id).await?,
        Err(_) => None,
    };
    Ok(match known {
        Some(found) => Keeper {
            mapping: mapping_page(desk, id).filter(|_| found.state != ConnectionState::Deleted),
            name: found.name,
            admin_url: web_address(found.settings.admin_url.as_deref()).map(str::to_owned),
            last_sync: found.last_sync_at.map(moment),
        },
        None => Keeper { name: id.to_owned(), admin_url: None, mapping: None, last_sync: None },
    })
}

/// What was done just now, as the address says it: a word of ours.
fn notice(desk: &Desk) -> &'static str {
    match desk.asked("done") {
        Some("link") => "The link is on its way. The one before doesn't work any more.",
        Some("groups") => "The groups are saved.",
        Some("given") => "The roles are given.",
        Some("taken") => "The roles are removed.",
        Some("left") => "The person is no longer on this project. The account stays as it is.",
        Some("ended") => "The session is ended.",
        Some("unlocked") => "The account is unlocked.",
        Some("factors-reset") => "The second factors are gone, all sessions are ended, and the person is told by mail.",
        Some("all-ended") => "All sessions in this organisation are ended.",
        _ => "",
    }
}
