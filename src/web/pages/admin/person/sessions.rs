//! The tab "Sessions": where somebody is signed in to this organisation; ending one, or all.

use axum::response::Response;

use super::deed::{Deed, go, whom, wrong};
use super::{Desk, Form, Frame, Tab, called, is_own, shell};
use crate::domain::change::Change;
use crate::store::db::{Conn, Result};
use crate::store::orgs;
use crate::store::people_read::Person;
use crate::store::session_list::{self, Listed};
use crate::web::pages::admin::moments::moment;
use crate::web::pages::view::person::{SessionRow, SessionsPage};

/// Reads the tab.
///
/// # Errors
/// The database's.
pub async fn read(conn: &mut Conn, desk: &Desk, person: &Person, frame: Frame) -> Result<SessionsPage> {
    let (app, now) = (&desk.app, desk.app.now());
    let org = orgs::find(conn, &desk.org).await?;
    let idle = org.and_then(|org| org.session_idle).map_or(app.session_idle(), |own| own.min(app.session_idle()));
    let entries = session_list::of_member(conn, &person.member, now, now.minus(idle)).await?;
    let may_end = desk.may("sessions.write") || is_own(desk, person);
    Ok(SessionsPage { shell: shell(desk), frame, rows: entries.into_iter().map(row).collect(), may_end })
}

fn row(entry: Listed) -> SessionRow {
    SessionRow {
        id: entry.id.into_string(),
        device: entry.user_agent,
        address: entry.address,
        signed_in: moment(entry.auth_time),
        last_used: moment(entry.last_used_at),
        applications: entry.applications,
    }
}

/// Ends one session or all of them, with their tokens; the access stays.
pub async fn end(desk: &Desk, form: &Form) -> Response {
    let person = match whom(desk).await {
        Ok(person) => person,
        Err(page) => return page,
    };
    let (org, member, name) = (desk.org.clone(), person.member.clone(), called(&person).to_owned());
    let (title, button, done, change) = if form.sent("act") == "all" {
        let title = format!("End all sessions of {name} in this organisation?");
        (title, "End all sessions", "all-ended", Change::EndSessions { org, member })
    } else {
        let Ok(entry) = form.sent("session").parse() else {
            return wrong(desk, form, Tab::Sessions, "Choose a session").await;
        };
        (format!("End a session of {name}?"), "End the session", "ended", Change::EndSession { org, member, entry })
    };
    let deed = Deed { tab: Tab::Sessions, title, button, done, always_ask: true, changes: vec![change] };
    go(desk, form, &person, &deed).await
}
