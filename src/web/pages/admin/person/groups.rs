//! The checklist of somebody's groups: what is ticked is the whole of it, one change with one receipt.

use std::collections::BTreeSet;

use axum::response::Response;

use super::deed::{Deed, go, seen, whom, wrong};
use super::held::Picture;
use super::{Desk, Form, Frame, Tab, called, shell};
use crate::domain::change::Change;
use crate::kernel::id::{GroupId, MembershipId};
use crate::store::db::{Conn, Result};
use crate::store::groups;
use crate::store::people_read::{GroupName, Person};
use crate::web::pages::admin::access::{Chosen, Offer};
use crate::web::pages::view::person::GroupsPage;

/// Reads the checklist.
///
/// # Errors
/// The database's.
pub async fn read(
    conn: &mut Conn,
    desk: &Desk,
    person: &Person,
    frame: Frame,
    form: Option<&Form>,
) -> Result<GroupsPage> {
    // The tag is read first: what is edited between is found out when the page is posted.
    let seen = seen(conn, &person.member).await?;
    let picture = Picture::read(conn, desk, person).await?;
    let offered = Offer::read(conn, desk).await?.form(&Chosen::default(), false);
    let held = |id: &str| picture.places.iter().find(|place| place.id.as_str() == id);
    let is_kept = |place: &GroupName| place.source.connection().is_some();
    let mut groups = offered.groups;
    // A place that a connection gave is the connection's, whoever the group belongs to.
    groups.retain(|group| !held(&group.id).is_some_and(is_kept));
    for group in &mut groups {
        group.chosen = match form {
            Some(form) => form.all("group").any(|id| id == group.id),
            None => held(&group.id).is_some(),
        };
    }
    let listed: BTreeSet<&str> = groups.iter().map(|group| group.id.as_str()).collect();
    let fixed = picture.places(|place| !listed.contains(place.id.as_str()));
    Ok(GroupsPage { shell: shell(desk), frame, seen, more: offered.more_groups, fixed, groups })
}

/// So many groups are listed, and set, at once.
const MOST: usize = 300;

/// Puts the person into the groups that are ticked; those that the page didn't show stay.
pub async fn set(desk: &Desk, form: &Form) -> Response {
    let person = match whom(desk).await {
        Ok(person) => person,
        Err(page) => return page,
    };
    let (Some(ticked), Some(shown)) = (ids(form, "group"), ids(form, "shown")) else {
        return wrong(desk, form, Tab::Groups, "One of the groups is none. Choose again").await;
    };
    if ticked.len() > MOST || shown.len() > MOST {
        return wrong(desk, form, Tab::Groups, "These are too many groups at once. Choose fewer").await;
    }
    let held = match held(desk, &person.member).await {
        Ok(held) => held,
        Err(fault) => return desk.failed(fault),
    };
    let groups: BTreeSet<GroupId> = held.difference(&shown).cloned().chain(ticked).collect();
    let deed = Deed {
        tab: Tab::Groups,
        title: format!("Change the groups of {}?", called(&person)),
        button: "Change the groups",
        done: "groups",
        always_ask: false,
        changes: vec![Change::SetGroupsOf { org: desk.org.clone(), member: person.member.clone(), groups }],
    };
    go(desk, form, &person, &deed).await
}

/// The groups that a field names; `None` where one of them is no group's id.
fn ids(form: &Form, field: &str) -> Option<BTreeSet<GroupId>> {
    form.all(field).map(|id| id.parse().ok()).collect()
}

async fn held(desk: &Desk, member: &MembershipId) -> Result<BTreeSet<GroupId>> {
    let mut conn = desk.app.db.read().await?;
    groups::ids_of_member(&mut conn, member).await
}
