//! The tab "Applications": which ones somebody has signed in to lately, and which ones they are restricted to.

use std::collections::BTreeMap;

use super::{Desk, Frame, shell};
use crate::kernel::id::ApplicationId;
use crate::kernel::time::UnixMillis;
use crate::store::db::{Conn, Result};
use crate::store::people_read::Person;
use crate::store::{applications, used_applications};
use crate::web::pages::admin::moments::moment;
use crate::web::pages::view::admin::Badge;
use crate::web::pages::view::person::{ApplicationRow, ApplicationsPage};

/// Reads the tab.
///
/// # Errors
/// The database's.
pub async fn read(conn: &mut Conn, desk: &Desk, person: &Person, frame: Frame) -> Result<ApplicationsPage> {
    let mut last: BTreeMap<ApplicationId, Option<UnixMillis>> = BTreeMap::new();
    for (id, at) in used_applications::of_member(conn, &person.member).await? {
        last.insert(id, Some(at));
    }
    for id in person.restricted_to.iter().flatten() {
        last.entry(id.clone()).or_insert(None);
    }
    let mut rows = Vec::with_capacity(last.len());
    for (id, at) in last {
        let Some(found) = applications::find(conn, &id).await? else { continue };
        let open = person.restricted_to.as_ref().is_none_or(|list| list.contains(&id));
        rows.push(ApplicationRow {
            name: if desk.may("applications.read") { found.name } else { found.client_id.clone() },
            client_id: found.client_id,
            badge: if open { Badge { word: "May use", class: "good" } } else { Badge { word: "Barred", class: "off" } },
            last: at.map(moment),
        });
    }
    rows.sort_by(|one, other| one.client_id.cmp(&other.client_id));
    Ok(ApplicationsPage { shell: shell(desk), frame, restricted: person.restricted_to.is_some(), rows })
}
