//! `GET /o/{slug}/admin/access-keys`: every access key of an organisation, ordered by any of its columns, never with a
//! secret; those whose time is over alone, if asked for.
//!
//! Names are ordered as people fold them, alike on both databases: so the order is made here and not by a statement.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;

use super::moments::moment;
use super::shell::Desk;
use super::shell::of_groups::SeeingKeys;
use crate::kernel::fold;
use crate::kernel::id::{OrgId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::access_keys::{self, AccessKey};
use crate::store::db::{Conn, Result};
use crate::store::{memberships, users};
use crate::web::pages::view::admin::{Badge, Here};
use crate::web::pages::view::groups::{Column, KeyRow, KeysPage};

/// So many keys a page.
const PAGE: usize = 50;

/// What the list can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Creator,
    Name,
    Id,
    Project,
    Expires,
}

/// The columns: their order, their name in the address, their heading.
const COLUMNS: [(Sort, &str, &str); 5] = [
    (Sort::Creator, "creator", "Creator"),
    (Sort::Name, "name", "Name"),
    (Sort::Id, "id", "Key ID"),
    (Sort::Project, "project", "Project"),
    (Sort::Expires, "expires", "Expires at"),
];

/// Which list is asked for.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    sort: Sort,
    descending: bool,
    expired: bool,
}

impl Wanted {
    /// What the address says; what it doesn't know is the usual: what ends first stands first.
    fn of(desk: &Desk) -> Self {
        let asked = desk.asked("sort").unwrap_or_default();
        let column = COLUMNS.iter().find(|(_, name, _)| *name == asked);
        Self {
            sort: column.map_or(Sort::Expires, |(sort, ..)| *sort),
            descending: desk.asked("order") == Some("desc"),
            expired: matches!(desk.asked("expired"), Some("1" | "true")),
        }
    }

    fn name(self) -> &'static str {
        COLUMNS.iter().find(|(sort, ..)| *sort == self.sort).map_or("", |(_, name, _)| *name)
    }

    const fn order(self) -> &'static str {
        if self.descending { "desc" } else { "asc" }
    }

    /// The address of this list, from behind a key on.
    fn address(self, desk: &Desk, after: &str) -> String {
        let expired = if self.expired { "1" } else { "" };
        let pairs = [("sort", self.name()), ("order", self.order()), ("expired", expired), ("after", after)];
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty()));
        desk.path(&format!("access-keys?{}", query.finish()))
    }

    /// A column's heading: the list in its order, or, where it has that, in the opposite one.
    fn column(self, desk: &Desk, (sort, name, title): (Sort, &'static str, &'static str)) -> Column {
        let is_this = sort == self.sort;
        let turned = Self { sort, descending: is_this && !self.descending, ..self };
        let order = match (is_this, self.descending) {
            (false, _) => "",
            (true, false) => "ascending",
            (true, true) => "descending",
        };
        Column { name, title, href: turned.address(desk, ""), order }
    }
}

/// A key with the name of who made it.
struct Made {
    creator: String,
    key: AccessKey,
}

impl Made {
    /// What it is ordered by.
    fn rank(&self, sort: Sort) -> String {
        match sort {
            Sort::Creator => fold::key(&self.creator),
            Sort::Name => fold::key(&self.key.name),
            Sort::Id => self.key.id.to_string(),
            Sort::Project => fold::key(&self.key.project_key),
            Sort::Expires => format!("{:020}", self.key.expires_at.0),
        }
    }
}

/// The list.
pub async fn get(SeeingKeys(desk): SeeingKeys) -> Response {
    match read(&desk).await {
        Ok(view) => desk.show(StatusCode::OK, &view),
        Err(fault) => desk.failed(fault),
    }
}

async fn read(desk: &Desk) -> Result<KeysPage> {
    let (wanted, now) = (Wanted::of(desk), desk.app.now());
    let mut conn = desk.app.db.read().await?;
    let page = access_keys::Page { expired_at: wanted.expired.then_some(now), after: None, limit: i64::MAX };
    let found = access_keys::of_org(&mut conn, &desk.org, &page).await?;
    let mut all = made(&mut conn, &desk.org, found).await?;
    all.sort_by_cached_key(|one| (one.rank(wanted.sort), one.key.id.clone()));
    if wanted.descending {
        all.reverse();
    }
    let count = all.len();
    let place = desk.asked("after").and_then(|id| all.iter().position(|one| one.key.id.as_str() == id));
    let from = place.map_or(0, |at| at + 1);
    let shown: Vec<Made> = all.into_iter().skip(from).take(PAGE).collect();
    let last = shown.last().filter(|_| count > from + PAGE);
    Ok(KeysPage {
        shell: desk.shell(Here::AccessKeys, &[]),
        columns: COLUMNS.into_iter().map(|column| wanted.column(desk, column)).collect(),
        next: last.map(|last| wanted.address(desk, last.key.id.as_str())).unwrap_or_default(),
        keys: shown.into_iter().map(|one| row(one, now)).collect(),
        count,
        expired: wanted.expired,
        sort: wanted.name(),
        order: wanted.order(),
        other: Wanted { expired: !wanted.expired, ..wanted }.address(desk, ""),
        first: wanted.address(desk, ""),
        later: from > 0,
    })
}

/// The account that a label of the record names, if it names one.
fn account(label: &str) -> Option<UserId> {
    let (kind, rest) = label.split_once(':')?;
    match kind {
        "user" | "operator" => rest.parse().ok(),
        "key" => rest.rsplit(':').next()?.parse().ok(),
        _ => None,
    }
}

/// Puts the name of who made it to each key, each looked up once.
async fn made(conn: &mut Conn, org: &OrgId, keys: Vec<AccessKey>) -> Result<Vec<Made>> {
    let mut names: BTreeMap<UserId, String> =
        keys.iter().map(|key| (key.user.clone(), key.user_name.clone())).collect();
    let mut all = Vec::with_capacity(keys.len());
    for key in keys {
        let creator = match account(&key.created_by) {
            Some(id) => {
                if !names.contains_key(&id) {
                    // Of whoever is no member (any more) only the id is told, as by the API.
                    let here = memberships::of_user(conn, org, &id).await?.is_some();
                    let user = if here { users::find(conn, &id).await? } else { None };
                    let name = user.map_or_else(|| id.to_string(), |user| user.user_name);
                    names.insert(id.clone(), name);
                }
                names.get(&id).cloned().unwrap_or_default()
            }
            None if key.created_by == "command_line" => "Command line".to_owned(),
            None => key.created_by.clone(),
        };
        all.push(Made { creator, key });
    }
    Ok(all)
}

fn row(Made { creator, key }: Made, now: UnixMillis) -> KeyRow {
    let badge = match key.state.as_str() {
        "ended" => Some(Badge { word: "Ended", class: "off" }),
        "disabled" => Some(Badge { word: "Disabled", class: "off" }),
        _ if key.expires_at <= now => Some(Badge { word: "Expired", class: "off" }),
        _ => None,
    };
    KeyRow {
        holder: if key.user_name == creator { String::new() } else { key.user_name },
        creator,
        name: key.name,
        id: key.id.into_string(),
        project: key.project_key,
        expires: moment(key.expires_at),
        badge,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_names_people_tools_and_what_is_neither() {
        let user = UserId::from_u128(7);
        for label in [format!("user:{user}"), format!("operator:{user}"), format!("key:ack_1:{user}")] {
            assert_eq!(account(&label), Some(user.clone()), "{label}");
        }
        assert!(account("command_line").is_none() && account("system:window_over").is_none());
    }
}
