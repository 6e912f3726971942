//! One group as its pages share it: that it is there, who keeps it, what stands above its tabs, and the way to the door.

use axum::http::StatusCode;
use axum::response::Response;

use crate::domain::change::{Change, Mode, Receipt};
use crate::domain::connection::ConnectionState;
use crate::domain::source::Source;
use crate::flows::change_access::{Refusal, change_access_from};
use crate::kernel::id::{ConnectionId, GroupId};
use crate::store::db::{Conn, Result};
use crate::store::groups::{self, Group};
use crate::store::{connections, orgs};
use crate::web::oidc::reply;
use crate::web::pages::admin::moments::moment;
use crate::web::pages::admin::shell::Desk;
use crate::web::pages::admin::shell::of_providers::mapping_page;
use crate::web::pages::error;
use crate::web::pages::view::Page;
use crate::web::pages::view::admin::{Choice, Here, Shell};
use crate::web::pages::view::groups::{GroupHead, Lock};

/// How often a plan is made anew that others keep overtaking.
const TRIES: usize = 20;

/// The tabs of a group: their page, and their word.
const TABS: [(&str, &str); 3] = [("members", "Members"), ("permissions", "Permissions"), ("settings", "Settings")];

/// A group with who keeps it.
pub struct Place {
    /// The group.
    pub group: Group,
    /// The connection that keeps it; `None` where it is kept here.
    pub lock: Option<Lock>,
    /// How many members it has.
    pub members: i64,
}

impl Place {
    /// The group that the address names; `None` when it isn't there.
    ///
    /// # Errors
    /// The database's.
    pub async fn find(conn: &mut Conn, desk: &Desk) -> Result<Option<Self>> {
        let Ok(id) = desk.named("group").parse::<GroupId>() else {
            return Ok(None);
        };
        let Some(group) = groups::find(conn, &desk.org, &id).await? else {
            return Ok(None);
        };
        let members = groups::count_members(conn, &group.id).await?;
        let lock = match group.source.connection() {
            Some(id) => Some(lock(conn, desk, id).await?),
            None => None,
        };
        Ok(Some(Self { group, lock, members }))
    }

    /// Whether it is predefined.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.group.source == Source::System
    }

    /// Whether the person at the desk may put people in and take them out here.
    #[must_use]
    pub fn may_change_members(&self, desk: &Desk) -> bool {
        self.lock.is_none() && desk.may("groups.write")
    }

    /// Whether the person at the desk may rename and delete it here.
    #[must_use]
    pub fn may_change(&self, desk: &Desk) -> bool {
        self.may_change_members(desk) && !self.is_system()
    }

    /// What stands around a group's pages.
    #[must_use]
    pub fn shell(desk: &Desk) -> Shell {
        desk.shell(Here::Groups, &[("Groups", "groups")])
    }

    /// What stands around the pages beneath its own.
    #[must_use]
    pub fn shell_beneath(&self, desk: &Desk) -> Shell {
        let page = path(&self.group.id, "");
        desk.shell(Here::Groups, &[("Groups", "groups"), (self.group.name.as_str(), page.as_str())])
    }

    /// What stands above one of its tabs.
    #[must_use]
    pub fn head(&self, desk: &Desk, tab: &str) -> GroupHead {
        let choice =
            |(page, word): (&str, &str)| Choice { value: page.to_owned(), label: word.to_owned(), chosen: page == tab };
        GroupHead {
            id: self.group.id.to_string(),
            name: self.group.name.clone(),
            description: self.group.description.clone(),
            source: source(&self.group.source),
            lock: self.lock.clone(),
            is_system: self.is_system(),
            members: self.members,
            tabs: TABS.into_iter().map(choice).collect(),
            notice: notice(desk).to_owned(),
            alert: String::new(),
        }
    }
}

/// Where a group comes from, in a word.
#[must_use]
pub const fn source(source: &Source) -> &'static str {
    match source {
        Source::Local | Source::Invitation(_) => "Local",
        Source::System => "System",
        Source::Scim(_) => "SCIM",
        Source::Oidc(_) => "Mapped",
    }
}

/// The page of a group, or one beneath it.
#[must_use]
pub fn path(group: &GroupId, page: &str) -> String {
    if page.is_empty() { format!("groups/{group}") } else { format!("groups/{group}/{page}") }
}

async fn lock(conn: &mut Conn, desk: &Desk, id: &str) -> Result<Lock> {
    let found = connections::by_id(conn, &ConnectionId::trusted(id.to_owned())).await?;
    Ok(match found {
        Some(connection) => Lock {
            mapping: mapping_page(desk, id).filter(|_| connection.state != ConnectionState::Deleted),
            name: connection.name,
            admin_url: connection.settings.admin_url.filter(|url| url.starts_with("https://")).unwrap_or_default(),
            last_sync: connection.last_sync_at.map(moment),
        },
        None => Lock { name: id.to_owned(), admin_url: String::new(), mapping: None, last_sync: None },
    })
}

/// What was done just now, as the address says it: a word of ours.
fn notice(desk: &Desk) -> &'static str {
    match desk.asked("done") {
        Some("created") => "The group is there and can be used.",
        Some("added") => "They are in the group, and hold its roles from their next token on.",
        Some("removed") => "They are out of the group, and what it gave them is gone.",
        Some("given") => "The group gives these roles now. Its members hold them from their next token on.",
        Some("taken") => "The group doesn't give these roles any more.",
        Some("saved") => "The changes are saved.",
        _ => "",
    }
}

/// A page of a group, or that there is none.
pub async fn shown<P: Page>(desk: &Desk, status: StatusCode, read: Result<Option<P>>) -> Response {
    match read {
        Ok(Some(view)) => desk.show(status, &view),
        Ok(None) => desk.answer(error::not_found().await),
        Err(fault) => desk.failed(fault),
    }
}

/// To a page of the console.
#[must_use]
pub fn go(desk: &Desk, page: &str) -> Response {
    desk.answer(reply::see_other(&desk.path(page)))
}

/// Sends changes through the door, as the person at the desk.
///
/// # Errors
/// The door's refusal.
pub async fn ask(desk: &Desk, changes: Vec<Change>, mode: Mode) -> std::result::Result<Receipt, Refusal> {
    change_access_from(&desk.app, &desk.actor, &desk.origin, changes, mode).await
}

/// Deletes a group that still has the name that was typed; `false` when it has another one by now.
///
/// # Errors
/// The door's refusal.
pub async fn delete_named(desk: &Desk, group: &GroupId, name: &str) -> std::result::Result<bool, Refusal> {
    for _ in 0..TRIES {
        let mut conn = desk.app.db.read().await?;
        // The version is read first: whatever is read after it and was edited meanwhile is found out under the lock.
        let version = orgs::access_version(&mut conn, &desk.org).await?.unwrap_or_default();
        let Some(found) = groups::find(&mut conn, &desk.org, group).await? else {
            return Err(Refusal::NotFound("The group".to_owned()));
        };
        drop(conn);
        if found.name != name {
            return Ok(false);
        }
        let changes = vec![
            Change::ExpectVersion { org: desk.org.clone(), version },
            Change::DeleteGroup { org: desk.org.clone(), group: group.clone() },
        ];
        match ask(desk, changes, Mode::Act).await {
            Err(Refusal::Stale) => {}
            outcome => return outcome.map(|_| true),
        }
    }
    Err(Refusal::Stale)
}
