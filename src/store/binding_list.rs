//! Lists of bindings, as people read them: with the names of whom they are for, filtered, and in pages.
//!
//! # Why
//! As in `member_list`, a page is read in two steps, first its keys from one index, then the rows by their ids: neither
//! database has a plan to choose, however many bindings there are.

use super::db::{Cells, Conn, LIST, Record, Result};
use super::picture::BindingRow;
use crate::domain::access::{Binding, Role, Subject};
use crate::domain::source::Source;
use crate::kernel::id::{BindingId, OrgId, ProjectId, UserId};
use crate::kernel::time::UnixMillis;

/// A binding as lists show it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The binding.
    pub binding: Binding,
    /// Where it comes from.
    pub source: Source,
    /// Who gave it, as the audit record names actors; empty where that is not known.
    pub created_by: String,
    /// When it was given.
    pub created_at: UnixMillis,
    /// Whom it is for.
    pub holder: Holder,
}

/// Whom a binding is for, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A member.
    User {
        /// The account.
        user: UserId,
        /// Its user name.
        name: String,
    },
    /// A service account.
    ServiceAccount {
        /// The account.
        user: UserId,
        /// Its name.
        name: String,
    },
    /// A group.
    Group {
        /// Its name.
        name: String,
    },
}

impl Record for Listed {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let binding = BindingRow::read(cells)?.0;
        let (source, created_by) = (cells.parse()?, cells.take()?);
        let created_at = UnixMillis(cells.take()?);
        let (user, user_name): (Option<String>, Option<String>) = (cells.take()?, cells.take()?);
        let (project, group): (Option<String>, Option<String>) = (cells.take()?, cells.take()?);
        let name = user_name.unwrap_or_default();
        let holder = match user.map(UserId::trusted) {
            Some(user) if project.is_some() => Holder::ServiceAccount { user, name },
            Some(user) => Holder::User { user, name },
            None => Holder::Group { name: group.unwrap_or_default() },
        };
        Ok(Self { binding, source, created_by, created_at, holder })
    }
}

/// Which bindings are wanted; what is absent is not filtered by.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this role.
    pub role: Option<Role>,
    /// On this project; those on all projects are not among them.
    pub project: Option<ProjectId>,
    /// For this member or group, which is of the organisation.
    pub subject: Option<Subject>,
}

/// So many bindings of an organisation, those behind a binding's id, in the order of their ids.
///
/// # Errors
/// The database's.
pub async fn page(conn: &mut Conn, org: &OrgId, filter: &Filter, after: &str, limit: usize) -> Result<Vec<Listed>> {
    let limit = limit.min(LIST);
    let ids = match (&filter.subject, &filter.project) {
        (Some(subject), _) => ids_of_subject(conn, filter, subject, after, limit).await?,
        (None, Some(project)) => ids_of_project(conn, filter, project, after, limit).await?,
        (None, None) => ids_of_org(conn, org, filter, after, limit).await?,
    };
    rows(conn, org, &ids).await
}

/// The text of a role to filter by; empty is any.
fn role(filter: &Filter) -> String {
    filter.role.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// One member or group has few: all are read by its index, and sorted here.
async fn ids_of_subject(
    conn: &mut Conn,
    filter: &Filter,
    subject: &Subject,
    after: &str,
    limit: usize,
) -> Result<Vec<String>> {
    let (sql, id) = match subject {
        Subject::Member(id) => (
            "SELECT id FROM bindings
             WHERE membership_id = $1 AND ($2 = '' OR role = $2) AND ($3 = '' OR project_id = $3)",
            id.as_str(),
        ),
        Subject::Group(id) => (
            "SELECT id FROM bindings WHERE group_id = $1 AND ($2 = '' OR role = $2) AND ($3 = '' OR project_id = $3)",
            id.as_str(),
        ),
    };
    let project = filter.project.as_ref().map(ToString::to_string).unwrap_or_default();
    let rows: Vec<(String,)> = conn.query(sql).bind(id.to_owned()).bind(role(filter)).bind(project).all().await?;
    let mut ids: Vec<String> = rows.into_iter().map(|(id,)| id).filter(|id| id.as_str() > after).collect();
    ids.sort_unstable();
    ids.truncate(limit);
    Ok(ids)
}

async fn ids_of_project(
    conn: &mut Conn,
    filter: &Filter,
    project: &ProjectId,
    after: &str,
    limit: usize,
) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = conn
        .query(
            "SELECT id FROM bindings WHERE project_id = $1 AND id > $2 AND ($3 = '' OR role = $3)
             ORDER BY id LIMIT $4",
        )
        .bind(project.as_str().to_owned())
        .bind(after.to_owned())
        .bind(role(filter))
        .bind(count(limit))
        .all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

async fn ids_of_org(conn: &mut Conn, org: &OrgId, filter: &Filter, after: &str, limit: usize) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = match &filter.role {
        Some(role) => {
            conn.query("SELECT id FROM bindings WHERE org_id = $1 AND role = $2 AND id > $3 ORDER BY id LIMIT $4")
                .bind(org.as_str().to_owned())
                .bind(role.as_str().to_owned())
                .bind(after.to_owned())
                .bind(count(limit))
                .all()
                .await?
        }
        None => {
            conn.query("SELECT id FROM bindings WHERE org_id = $1 AND id > $2 ORDER BY id LIMIT $3")
                .bind(org.as_str().to_owned())
                .bind(after.to_owned())
                .bind(count(limit))
                .all()
                .await?
        }
    };
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// The bindings with these ids that are of the organisation, in the order of their ids.
///
/// # Errors
/// The database's.
pub async fn of_ids(conn: &mut Conn, org: &OrgId, ids: &[BindingId]) -> Result<Vec<Listed>> {
    let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
    rows(conn, org, &ids).await
}

/// A binding by its id, in its organisation only.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, org: &OrgId, id: &BindingId) -> Result<Option<Listed>> {
    Ok(of_ids(conn, org, std::slice::from_ref(id)).await?.pop())
}

/// The binding that gives the same role on the same scope to the same subject in the same window.
///
/// # Errors
/// The database's.
pub async fn same(conn: &mut Conn, org: &OrgId, binding: &Binding) -> Result<Option<Listed>> {
    let filter = Filter { role: Some(binding.role.clone()), project: None, subject: Some(binding.subject.clone()) };
    let all = page(conn, org, &filter, "", LIST).await?;
    Ok(all.into_iter().find(|found| found.binding.scope == binding.scope && found.binding.window == binding.window))
}

async fn rows(conn: &mut Conn, org: &OrgId, ids: &[String]) -> Result<Vec<Listed>> {
    let mut listed: Vec<Listed> = Vec::new();
    for chunk in ids.chunks(LIST) {
        let rows: Vec<Listed> = conn
            .query_in(
                "SELECT b.id, b.role, b.scope, b.project_id, b.membership_id, b.group_id, b.not_before, b.not_after,
                   b.source, b.created_by, b.created_at, u.id, u.user_name, u.project_id, g.name
                 FROM bindings b LEFT JOIN memberships m ON m.id = b.membership_id LEFT JOIN users u ON u.id = m.user_id
                 LEFT JOIN groups g ON g.id = b.group_id
                 WHERE b.id IN (@) AND b.org_id = $$1",
                chunk,
            )
            .bind(org.as_str().to_owned())
            .all()
            .await?;
        listed.extend(rows);
    }
    listed.sort_by(|one, other| one.binding.id.cmp(&other.binding.id));
    Ok(listed)
}
