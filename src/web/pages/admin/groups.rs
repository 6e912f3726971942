//! `GET /o/{slug}/admin/groups`: the groups of an organisation, searched and paged here, with where each comes from.

pub(super) mod impact;
pub mod members;
mod named;
pub(super) mod place;
pub mod removal;
pub mod roles;
pub mod settings;
pub mod wizard;

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;

use super::access;
use super::shell::Desk;
use super::shell::of_groups::Seeing;
use crate::kernel::fold;
use crate::kernel::id::GroupId;
use crate::store::db::{Conn, Result};
use crate::store::groups::{self, Group};
use crate::store::{bindings, connections, orgs};
use crate::web::pages::view::admin::Here;
use crate::web::pages::view::groups::{GroupRow, GroupsPage};

/// So many groups a page.
const PAGE: usize = 50;

/// The list.
pub async fn get(Seeing(desk): Seeing) -> Response {
    match read(&desk).await {
        Ok(view) => desk.show(StatusCode::OK, &view),
        Err(fault) => desk.failed(fault),
    }
}

async fn read(desk: &Desk) -> Result<GroupsPage> {
    let mut conn = desk.app.db.read().await?;
    let search = desk.asked("q").unwrap_or_default().trim().to_owned();
    let mut all = groups::of_org(&mut conn, &desk.org).await?;
    let wanted = fold::key(&search);
    all.retain(|group| fold::key(&group.name).contains(&wanted));
    let place = desk.asked("after").and_then(|id| all.iter().position(|group| group.id.as_str() == id));
    let from = place.map_or(0, |at| at + 1);
    let more = all.len() > from + PAGE;
    let page: Vec<Group> = all.into_iter().skip(from).take(PAGE).collect();
    let next = page.last().filter(|_| more).map(|last| address(desk, &search, last.id.as_str()));
    Ok(GroupsPage {
        shell: desk.shell(Here::Groups, &[]),
        notice: match desk.asked("done") {
            Some("deleted") => "The group is deleted, with every role that it gave.",
            _ => "",
        },
        alert: String::new(),
        first: address(desk, &search, ""),
        search,
        groups: rows(&mut conn, desk, page).await?,
        may_change: desk.may("groups.write"),
        next: next.unwrap_or_default(),
        later: from > 0,
    })
}

fn address(desk: &Desk, search: &str, after: &str) -> String {
    let pairs = [("q", search), ("after", after)];
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty()));
    desk.path(&format!("groups?{}", query.finish()))
}

async fn rows(conn: &mut Conn, desk: &Desk, page: Vec<Group>) -> Result<Vec<GroupRow>> {
    let projects = orgs::projects(conn, &desk.org).await?;
    let ids: Vec<GroupId> = page.iter().map(|group| group.id.clone()).collect();
    let counts: BTreeMap<GroupId, i64> = groups::count_members_of(conn, &ids).await?.into_iter().collect();
    let mut keepers: BTreeMap<String, String> = BTreeMap::new();
    let mut rows = Vec::with_capacity(page.len());
    for group in page {
        if let Some(id) = group.source.connection().filter(|id| !keepers.contains_key(*id)) {
            let name = connections::name_of(conn, id).await?;
            keepers.insert(id.to_owned(), name.unwrap_or_else(|| id.to_owned()));
        }
        let keeper = group.source.connection().and_then(|id| keepers.get(id));
        let given = bindings::of_group(conn, &desk.org, &group.id).await?;
        let roles = given.iter().filter_map(|one| access::role_line(&one.role, &one.scope, &projects));
        rows.push(GroupRow {
            source: place::source(&group.source),
            keeper: keeper.cloned().unwrap_or_default(),
            members: counts.get(&group.id).copied().unwrap_or_default(),
            roles: roles.collect(),
            id: group.id.into_string(),
            name: group.name,
            description: group.description,
        });
    }
    Ok(rows)
}
