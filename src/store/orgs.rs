//! Organisations and their projects, for reading.

use super::db::{Cells, Conn, Record, Result};
use crate::domain::access::{Policy, Role};
use crate::domain::people::user::OrgState;
use crate::domain::settings::OrgSettings;
use crate::kernel::id::{GroupId, MembershipId, OrgId, ProjectId};
use crate::kernel::time::UnixMillis;

/// An organisation.
#[derive(Clone, Debug)]
pub struct Org {
    /// Its id.
    pub id: OrgId,
    /// Its place in addresses.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: OrgState,
    /// Its rule for losses.
    pub policy: Policy,
    /// The membership that owns it.
    pub owner: Option<MembershipId>,
    /// How long a session entry may stand idle, in milliseconds; `None` is the instance's.
    pub session_idle: Option<i64>,
    /// How long a session entry lives at most, in milliseconds; `None` is the instance's.
    pub session_absolute: Option<i64>,
}

impl Record for Org {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: OrgId::trusted(cells.take()?),
            slug: cells.take()?,
            name: cells.take()?,
            state: cells.parse()?,
            policy: cells.parse()?,
            owner: cells.take::<Option<String>>()?.map(MembershipId::trusted),
            session_idle: cells.take()?,
            session_absolute: cells.take()?,
        })
    }
}

/// An organisation by its id.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, id: &OrgId) -> Result<Option<Org>> {
    conn.query(
        "SELECT id, slug, name, state, policy, owner_id, session_idle_ms, session_absolute_ms FROM orgs WHERE id = $1",
    )
    .bind(id.as_str().to_owned())
    .optional()
    .await
}

/// An organisation by its slug.
///
/// # Errors
/// The database's.
pub async fn by_slug(conn: &mut Conn, slug: &str) -> Result<Option<Org>> {
    conn.query(
        "SELECT id, slug, name, state, policy, owner_id, session_idle_ms, session_absolute_ms FROM orgs WHERE slug = $1",
    )
    .bind(slug.to_owned())
    .optional()
    .await
}

/// An organisation's settings; the defaults when it is not there.
///
/// # Errors
/// The database's.
pub async fn settings(conn: &mut Conn, id: &OrgId) -> Result<OrgSettings> {
    struct Row(OrgSettings);
    impl Record for Row {
        fn read(cells: &mut Cells<'_>) -> Result<Self> {
            Ok(Self(cells.json()?))
        }
    }
    let row: Option<Row> =
        conn.query("SELECT settings FROM orgs WHERE id = $1").bind(id.as_str().to_owned()).optional().await?;
    Ok(row.map(|row| row.0).unwrap_or_default())
}

/// The version of an organisation's access: it rises with every edit.
///
/// # Errors
/// The database's.
pub async fn access_version(conn: &mut Conn, id: &OrgId) -> Result<Option<i64>> {
    let row: Option<(i64,)> =
        conn.query("SELECT access_version FROM orgs WHERE id = $1").bind(id.as_str().to_owned()).optional().await?;
    Ok(row.map(|(version,)| version))
}

/// When an organisation was deleted; `None` while it is not.
///
/// # Errors
/// The database's.
pub async fn deleted_at(conn: &mut Conn, id: &OrgId) -> Result<Option<UnixMillis>> {
    let row: Option<(Option<i64>,)> =
        conn.query("SELECT deleted_at FROM orgs WHERE id = $1").bind(id.as_str().to_owned()).optional().await?;
    Ok(row.and_then(|(at,)| at).map(UnixMillis))
}

/// The active organisations that suspend members who are not seen for some days: each with how many.
///
/// # Errors
/// The database's.
pub async fn suspending_unused(conn: &mut Conn) -> Result<Vec<(OrgId, u32)>> {
    struct Row(OrgId, OrgSettings);
    impl Record for Row {
        fn read(cells: &mut Cells<'_>) -> Result<Self> {
            Ok(Self(OrgId::trusted(cells.take()?), cells.json()?))
        }
    }
    let rows: Vec<Row> = conn
        .query("SELECT id, settings FROM orgs WHERE state = 'active' AND settings <> '{}' ORDER BY id")
        .all()
        .await?;
    Ok(rows.into_iter().filter_map(|Row(id, settings)| Some((id, settings.disable_unused_days?))).collect())
}

/// A group that every organisation has from its first day: its members can change, its name and its role can't.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predefined {
    /// Its id, made from the organisation's, so that it can be named before it is there.
    pub id: GroupId,
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// The role that it gives on the organisation.
    pub role: Role,
}

/// The predefined groups of an organisation.
#[must_use]
pub fn predefined_groups(org: &OrgId) -> [Predefined; 2] {
    let of_org = org.as_str().strip_prefix(OrgId::PREFIX).unwrap_or(org.as_str());
    // An id of today begins with 0, for its first bits are the time's; 7 is free for the second group.
    let rest = of_org.get(1..).unwrap_or_default();
    [
        Predefined {
            id: GroupId::trusted(format!("{}{of_org}", GroupId::PREFIX)),
            name: "Organization Admins",
            description: "Administer the organisation.",
            role: Role::OrgAdmin,
        },
        Predefined {
            id: GroupId::trusted(format!("{}7{rest}", GroupId::PREFIX)),
            name: "Organization Readers",
            description: "See the organisation and change nothing.",
            role: Role::OrgReader,
        },
    ]
}

/// A project as administrators see it.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Its key.
    pub key: String,
    /// Its name.
    pub name: String,
}

impl Record for Project {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self { id: ProjectId::trusted(cells.take()?), key: cells.take()?, name: cells.take()? })
    }
}

/// The projects of an organisation, by key.
///
/// # Errors
/// The database's.
pub async fn projects(conn: &mut Conn, org: &OrgId) -> Result<Vec<Project>> {
    conn.query("SELECT id, project_key, name FROM projects WHERE org_id = $1 ORDER BY project_key")
        .bind(org.as_str().to_owned())
        .all()
        .await
}

/// The organisations in which a window, or a place in a group, is over and not swept, at most 100.
///
/// # Errors
/// The database's.
pub async fn with_windows_over(conn: &mut Conn, now: UnixMillis) -> Result<Vec<OrgId>> {
    let rows: Vec<(String,)> = conn
        .query(
            "SELECT org_id FROM bindings WHERE not_after <= $1
             UNION SELECT g.org_id FROM group_members e CROSS JOIN groups g
               WHERE e.expires_at <= $1 AND g.id = e.group_id
             LIMIT 100",
        )
        .bind(now.0)
        .all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| OrgId::trusted(id)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predefined_groups_have_ids_of_their_own_that_only_this_organisation_yields() {
        let (acme, beta) = (OrgId::fresh(), OrgId::fresh());
        let ids: std::collections::BTreeSet<GroupId> =
            [acme, beta].iter().flat_map(predefined_groups).map(|group| group.id).collect();
        assert_eq!(ids.len(), 4);
        assert!(ids.iter().all(|id| id.as_str().parse::<GroupId>().is_ok()));
    }
}
