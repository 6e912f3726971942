//! What a list is narrowed by and where its page begins: names that may mean nothing here, and cursors.

use std::str::FromStr;

use super::asked::Room;
use super::gate::sees_project;
use super::paging;
use super::problem::Problem;
use crate::kernel::id::OrgId;
use crate::store::db::Conn;
use crate::store::memberships::{self, Membership};
use crate::store::orgs::{self, Project};

/// A member by the account's id or the membership's; another organisation's is none.
///
/// # Errors
/// The database's.
pub async fn member(conn: &mut Conn, org: &OrgId, text: &str) -> Result<Option<Membership>, Problem> {
    if let Ok(id) = text.parse() {
        return Ok(memberships::find(conn, org, &id).await?);
    }
    match text.parse() {
        Ok(user) => Ok(memberships::of_user(conn, org, &user).await?),
        Err(_) => Ok(None),
    }
}

/// A project by its id or key, if whoever asks may know that it is there.
///
/// # Errors
/// The database's.
pub async fn project(conn: &mut Conn, room: &Room, text: &str) -> Result<Option<Project>, Problem> {
    let all = orgs::projects(conn, &room.id).await?;
    let found = all.into_iter().find(|found| found.id.as_str() == text || found.key == text);
    Ok(found.filter(|found| sees_project(&room.reach, &found.id)))
}

/// Where a page begins whose cursors are made of one part: the last row's id, or its number.
///
/// # Errors
/// It is no cursor of such a list.
pub fn after<T: FromStr>(cursor: Option<&str>) -> Result<Option<T>, Problem> {
    let Some(text) = paging::after(cursor, 1)?.and_then(|mut parts| parts.pop()) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| no_cursor())
}

/// 400 for a cursor that belongs to no list, or to another one.
#[must_use]
pub fn no_cursor() -> Problem {
    Problem::invalid("cursor", "Use the `next` of a page, unchanged, with the same filters.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::id::{AccessKeyId, AlertId};

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let id = AccessKeyId::fresh();
        let cursor = paging::cursor(&[id.as_str()]);
        assert_eq!(after::<AccessKeyId>(Some(&cursor)).unwrap(), Some(id));
        assert!(after::<AlertId>(Some(&cursor)).is_err() && after::<i64>(Some(&cursor)).is_err());
        assert_eq!(after::<i64>(Some(&paging::cursor(&["7"]))).unwrap(), Some(7));
        assert_eq!(after::<i64>(None).unwrap(), None);
    }
}
