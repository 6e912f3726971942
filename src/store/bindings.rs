//! Bindings and an organisation's own roles. The writing functions are the access edit's alone.

use std::collections::BTreeSet;

use super::db::{Cells, Conn, Record, Result, Tx};
use super::picture::{BindingRow, bindings_where};
use crate::domain::access::{Binding, Scope, Subject};
use crate::kernel::id::{BindingId, GroupId, OrgId, ProjectId, RoleId};
use crate::kernel::time::UnixMillis;

/// A binding by its id, in its organisation only.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, org: &OrgId, id: &BindingId) -> Result<Option<Binding>> {
    let row: Option<BindingRow> = conn
        .query(bindings_where!("WHERE org_id = $1 AND id = $2"))
        .bind(org.as_str().to_owned())
        .bind(id.as_str().to_owned())
        .optional()
        .await?;
    Ok(row.map(|row| row.0))
}

/// All bindings of an organisation.
///
/// # Errors
/// The database's.
pub async fn of_org(conn: &mut Conn, org: &OrgId) -> Result<Vec<Binding>> {
    let rows: Vec<BindingRow> =
        conn.query(bindings_where!("WHERE org_id = $1 ORDER BY id")).bind(org.as_str().to_owned()).all().await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// The bindings on one project.
///
/// # Errors
/// The database's.
pub async fn of_project(conn: &mut Conn, org: &OrgId, project: &ProjectId) -> Result<Vec<Binding>> {
    let rows: Vec<BindingRow> = conn
        .query(bindings_where!("WHERE org_id = $1 AND project_id = $2 ORDER BY id"))
        .bind(org.as_str().to_owned())
        .bind(project.as_str().to_owned())
        .all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// The bindings of one group.
///
/// # Errors
/// The database's.
pub async fn of_group(conn: &mut Conn, org: &OrgId, group: &GroupId) -> Result<Vec<Binding>> {
    let rows: Vec<BindingRow> = conn
        .query(bindings_where!("WHERE group_id = $2 AND org_id = $1 ORDER BY id"))
        .bind(org.as_str().to_owned())
        .bind(group.as_str().to_owned())
        .all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// The bindings of one role.
///
/// # Errors
/// The database's.
pub async fn of_role(conn: &mut Conn, org: &OrgId, role: &str) -> Result<Vec<Binding>> {
    let rows: Vec<BindingRow> = conn
        .query(bindings_where!("WHERE org_id = $1 AND role = $2 ORDER BY id"))
        .bind(org.as_str().to_owned())
        .bind(role.to_owned())
        .all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// The bindings of an organisation whose windows are over.
///
/// # Errors
/// The database's.
pub async fn due(conn: &mut Conn, org: &OrgId, now: UnixMillis) -> Result<Vec<Binding>> {
    let rows: Vec<BindingRow> = conn
        .query(bindings_where!("WHERE org_id = $1 AND not_after <= $2 ORDER BY id"))
        .bind(org.as_str().to_owned())
        .bind(now.0)
        .all()
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Whether the same role on the same scope is bound to the same subject in the same window.
///
/// # Errors
/// The database's.
pub async fn same(conn: &mut Conn, org: &OrgId, binding: &Binding) -> Result<bool> {
    let (member, group) = subject(&binding.subject);
    let subject = member.or(group).unwrap_or_default();
    let row: Option<(String,)> = conn
        .query(
            "SELECT id FROM bindings WHERE org_id = $1 AND role = $2 AND scope = $3 AND COALESCE(project_id, '') = $4
             AND COALESCE(membership_id, group_id) = $5 AND not_before = $6 AND not_after = $7
             AND (membership_id = $5 OR group_id = $5) LIMIT 1",
        )
        .bind(org.as_str().to_owned())
        .bind(binding.role.as_str().to_owned())
        .bind(scope(&binding.scope).0)
        .bind(scope(&binding.scope).1.unwrap_or_default())
        .bind(subject)
        .bind(binding.window.not_before.0)
        .bind(binding.window.not_after.0)
        .optional()
        .await?;
    Ok(row.is_some())
}

pub(super) async fn insert(tx: &mut Tx, org: &OrgId, binding: &Binding, at: UnixMillis, author: &str) -> Result<()> {
    let (scope, project) = scope(&binding.scope);
    let (member, group) = subject(&binding.subject);
    tx.query(
        "INSERT INTO bindings (id, org_id, role, scope, project_id, membership_id, group_id, not_before, not_after, source,
         created_at, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'local', $10, $11)",
    )
    .bind(binding.id.as_str().to_owned())
    .bind(org.as_str().to_owned())
    .bind(binding.role.as_str().to_owned())
    .bind(scope)
    .bind(project)
    .bind(member)
    .bind(group)
    .bind(binding.window.not_before.0)
    .bind(binding.window.not_after.0)
    .bind(at.0)
    .bind(author.to_owned())
    .execute()
    .await
    .map(|_| ())
}

pub(super) async fn delete(tx: &mut Tx, id: &BindingId) -> Result<()> {
    tx.query("DELETE FROM bindings WHERE id = $1").bind(id.as_str().to_owned()).execute().await.map(|_| ())
}

fn scope(scope: &Scope) -> (&'static str, Option<String>) {
    match scope {
        Scope::Org => ("org", None),
        Scope::AllProjects => ("all_projects", None),
        Scope::Project(id) => ("project", Some(id.as_str().to_owned())),
    }
}

fn subject(subject: &Subject) -> (Option<String>, Option<String>) {
    match subject {
        Subject::Member(id) => (Some(id.as_str().to_owned()), None),
        Subject::Group(id) => (None, Some(id.as_str().to_owned())),
    }
}

/// A role of the organisation's own.
#[derive(Clone, Debug)]
pub struct OwnRole {
    /// Its id.
    pub id: RoleId,
    /// Its key, which never changes.
    pub key: String,
    /// Its name.
    pub name: String,
    /// What it is made of.
    pub permissions: BTreeSet<String>,
}

impl Record for OwnRole {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: RoleId::trusted(cells.take()?),
            key: cells.take()?,
            name: cells.take()?,
            permissions: cells.json()?,
        })
    }
}

/// An own role by its id, in its organisation only.
///
/// # Errors
/// The database's.
pub async fn own_role(conn: &mut Conn, org: &OrgId, id: &RoleId) -> Result<Option<OwnRole>> {
    conn.query("SELECT id, role_key, name, permissions FROM roles WHERE org_id = $1 AND id = $2")
        .bind(org.as_str().to_owned())
        .bind(id.as_str().to_owned())
        .optional()
        .await
}

/// The own roles of an organisation, by key.
///
/// # Errors
/// The database's.
pub async fn own_roles(conn: &mut Conn, org: &OrgId) -> Result<Vec<OwnRole>> {
    conn.query("SELECT id, role_key, name, permissions FROM roles WHERE org_id = $1 ORDER BY role_key")
        .bind(org.as_str().to_owned())
        .all()
        .await
}
