//! Who holds what through what, for reading: bindings with who gave them, and who is on a project.

use std::collections::{BTreeMap, BTreeSet};

use super::db::{Cells, Conn, LIST, Record, Result};
use super::picture::{BindingRow, bindings_where};
use crate::domain::access::{Binding, Subject};
use crate::kernel::id::{BindingId, GroupId, MembershipId, OrgId, ProjectId};
use crate::kernel::time::UnixMillis;

/// A binding that reaches a member, and who gave it.
#[derive(Clone, Debug)]
pub struct Given {
    /// The binding.
    pub binding: Binding,
    /// The label of whoever gave it; empty when that was not written down.
    pub by: String,
    /// Since when it is there.
    pub since: UnixMillis,
    /// Who put the member into the group through which it comes, and when.
    pub joined: Option<(String, UnixMillis)>,
}

impl Record for Given {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let BindingRow(binding) = BindingRow::read(cells)?;
        let (by, since) = (cells.take()?, UnixMillis(cells.take()?));
        let joined: (Option<String>, Option<i64>) = (cells.take()?, cells.take()?);
        let joined = joined.0.zip(joined.1.map(UnixMillis));
        Ok(Self { binding, by, since, joined })
    }
}

/// The bindings that reach a member, directly or through a group, live or not. One that comes through a group ends with
/// the member's place in it, if that is sooner.
///
/// # Errors
/// The database's.
pub async fn reaching(conn: &mut Conn, member: &MembershipId) -> Result<Vec<Given>> {
    conn.query(
        "SELECT b.id, b.role, b.scope, b.project_id, b.membership_id, b.group_id, b.not_before, b.not_after,
           b.created_by, b.created_at, CAST(NULL AS TEXT), CAST(NULL AS BIGINT)
         FROM bindings b WHERE b.membership_id = $1
         UNION ALL
         SELECT b.id, b.role, b.scope, b.project_id, b.membership_id, b.group_id, b.not_before,
           CASE WHEN g.expires_at < b.not_after THEN g.expires_at ELSE b.not_after END,
           b.created_by, b.created_at, g.created_by, g.created_at
         FROM group_members g JOIN bindings b ON b.group_id = g.group_id WHERE g.membership_id = $1",
    )
    .bind(member.as_str().to_owned())
    .all()
    .await
}

/// The names of some groups.
///
/// # Errors
/// The database's.
pub async fn group_names(conn: &mut Conn, groups: &BTreeSet<GroupId>) -> Result<BTreeMap<GroupId, String>> {
    let ids: Vec<String> = groups.iter().map(|id| id.as_str().to_owned()).collect();
    let mut names = BTreeMap::new();
    for chunk in ids.chunks(LIST) {
        let rows: Vec<(String, String)> =
            conn.query_in("SELECT id, name FROM groups WHERE id IN (@)", chunk).all().await?;
        names.extend(rows.into_iter().map(|(id, name)| (GroupId::trusted(id), name)));
    }
    Ok(names)
}

/// Who gave some bindings, and since when they are there.
///
/// # Errors
/// The database's.
pub async fn givers(conn: &mut Conn, ids: &BTreeSet<BindingId>) -> Result<BTreeMap<BindingId, (String, UnixMillis)>> {
    let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
    let mut found = BTreeMap::new();
    for chunk in ids.chunks(LIST) {
        let rows: Vec<(String, String, i64)> =
            conn.query_in("SELECT id, created_by, created_at FROM bindings WHERE id IN (@)", chunk).all().await?;
        found.extend(rows.into_iter().map(|(id, by, at)| (BindingId::trusted(id), (by, UnixMillis(at)))));
    }
    Ok(found)
}

/// The bindings of an organisation on all its projects.
///
/// # Errors
/// The database's.
async fn on_all_projects(conn: &mut Conn, org: &OrgId) -> Result<Vec<Binding>> {
    let rows: Vec<BindingRow> = conn
        .query(bindings_where!("WHERE org_id = $1 AND scope = 'all_projects' ORDER BY id"))
        .bind(org.as_str().to_owned())
        .all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// So many members whom a binding on the project, or on all projects, reaches: those behind a membership, by their ids.
///
/// # Errors
/// The database's.
pub async fn members_on(
    conn: &mut Conn,
    org: &OrgId,
    project: &ProjectId,
    after: &str,
    limit: usize,
) -> Result<Vec<MembershipId>> {
    let mut on_it = super::bindings::of_project(conn, org, project).await?;
    on_it.extend(on_all_projects(conn, org).await?);
    let mut members: BTreeSet<String> = BTreeSet::new();
    let mut groups: BTreeSet<String> = BTreeSet::new();
    for binding in on_it {
        match binding.subject {
            Subject::Member(id) if id.as_str() > after => {
                members.insert(id.into_string());
            }
            Subject::Member(_) => {}
            Subject::Group(id) => {
                groups.insert(id.into_string());
            }
        }
    }
    let groups: Vec<String> = groups.into_iter().collect();
    for chunk in groups.chunks(LIST) {
        let rows: Vec<(String,)> = conn
            .query_in(
                "SELECT DISTINCT membership_id FROM group_members WHERE group_id IN (@) AND membership_id > $$1
                 ORDER BY membership_id LIMIT $$2",
                chunk,
            )
            .bind(after.to_owned())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .all()
            .await?;
        members.extend(rows.into_iter().map(|(id,)| id));
    }
    Ok(members.into_iter().take(limit).map(MembershipId::trusted).collect())
}
