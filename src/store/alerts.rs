//! Rules of alerts, for reading; an access edit writes them. Signing secrets are here sealed only.

use super::db::{Cells, Conn, Record, Result};
use crate::domain::alert::{Channel, Rule};
use crate::kernel::id::{AlertId, OrgId, UserId};
use crate::kernel::time::UnixMillis;

/// A rule, as lists show it: never its secret.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// What people call it.
    pub name: String,
    /// Whether it tells.
    pub active: bool,
    /// Which events, and how.
    pub rule: Rule,
    /// The label of whoever made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: UnixMillis,
}

impl Record for Alert {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let id = AlertId::trusted(cells.take()?);
        let name = cells.take()?;
        let state: String = cells.take()?;
        let rule = cells.json()?;
        let (created_by, created_at) = (cells.take()?, UnixMillis(cells.take()?));
        Ok(Self { id, name, active: state == "active", rule, created_by, created_at })
    }
}

/// A rule by its id, in its organisation only.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, org: &OrgId, id: &AlertId) -> Result<Option<Alert>> {
    conn.query("SELECT id, name, state, rule, created_by, created_at FROM alert_rules WHERE org_id = $1 AND id = $2")
        .bind(org.as_str().to_owned())
        .bind(id.as_str().to_owned())
        .optional()
        .await
}

/// The rules of an organisation, the oldest first; there are few.
///
/// # Errors
/// The database's.
pub async fn of_org(conn: &mut Conn, org: &OrgId) -> Result<Vec<Alert>> {
    conn.query("SELECT id, name, state, rule, created_by, created_at FROM alert_rules WHERE org_id = $1 ORDER BY id")
        .bind(org.as_str().to_owned())
        .all()
        .await
}

/// The rules of an organisation that tell.
///
/// # Errors
/// The database's.
pub async fn active(conn: &mut Conn, org: &OrgId) -> Result<Vec<Alert>> {
    conn.query(
        "SELECT id, name, state, rule, created_by, created_at FROM alert_rules WHERE org_id = $1 AND state = 'active'
         ORDER BY id",
    )
    .bind(org.as_str().to_owned())
    .all()
    .await
}

/// How many rules an organisation has.
///
/// # Errors
/// The database's.
pub async fn count(conn: &mut Conn, org: &OrgId) -> Result<i64> {
    let (count,): (i64,) =
        conn.query("SELECT COUNT(*) FROM alert_rules WHERE org_id = $1").bind(org.as_str().to_owned()).one().await?;
    Ok(count)
}

/// The sealed signing secret of a rule, if it has one.
///
/// # Errors
/// The database's.
pub async fn sealed(conn: &mut Conn, id: &AlertId) -> Result<Option<Vec<u8>>> {
    let row: Option<(Option<Vec<u8>>,)> =
        conn.query("SELECT sealed FROM alert_rules WHERE id = $1").bind(id.as_str().to_owned()).optional().await?;
    Ok(row.and_then(|(sealed,)| sealed))
}

/// Where a message goes, and what it is signed with.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The address.
    pub url: String,
    /// The signing secret, sealed and bound to the rule's id.
    pub sealed: Vec<u8>,
}

/// The webhook of a rule that tells; `None` when the rule is gone, disabled, or tells in another way.
///
/// # Errors
/// The database's.
pub async fn webhook(conn: &mut Conn, id: &AlertId) -> Result<Option<Webhook>> {
    struct Row(Rule, Option<Vec<u8>>);
    impl Record for Row {
        fn read(cells: &mut Cells<'_>) -> Result<Self> {
            Ok(Self(cells.json()?, cells.take()?))
        }
    }
    let row: Option<Row> = conn
        .query("SELECT rule, sealed FROM alert_rules WHERE id = $1 AND state = 'active'")
        .bind(id.as_str().to_owned())
        .optional()
        .await?;
    Ok(row.and_then(|Row(rule, sealed)| match rule.channel {
        Channel::Webhook { url } => sealed.map(|sealed| Webhook { url, sealed }),
        Channel::Mail { .. } => None,
    }))
}

/// Everyone who holds `iam.admin` or `org.admin` at a moment, the owner among them, with an address, at most `most`: who
/// hears of what concerns the organisation's identities.
///
/// # Errors
/// The database's.
pub async fn managers(conn: &mut Conn, org: &OrgId, at: UnixMillis, most: i64) -> Result<Vec<(UserId, String)>> {
    let rows: Vec<(String, String)> = conn
        .query(
            "SELECT u.id, u.email FROM bindings b
             LEFT JOIN group_members e ON e.group_id = b.group_id
             JOIN memberships m ON m.id = COALESCE(b.membership_id, e.membership_id)
             JOIN users u ON u.id = m.user_id
             WHERE b.org_id = $1 AND b.role IN ('iam.admin', 'org.admin')
               AND (e.expires_at IS NULL OR e.expires_at > $2) AND b.scope = 'org' AND b.not_before <= $2
               AND b.not_after > $2 AND m.org_id = $1 AND m.state = 'active' AND u.state = 'active'
               AND u.project_id IS NULL AND u.email IS NOT NULL AND u.email <> ''
             UNION
             SELECT u.id, u.email FROM orgs o JOIN memberships m ON m.id = o.owner_id JOIN users u ON u.id = m.user_id
             WHERE o.id = $1 AND m.state = 'active' AND u.state = 'active' AND u.email IS NOT NULL AND u.email <> ''
             ORDER BY 1 LIMIT $3",
        )
        .bind(org.as_str().to_owned())
        .bind(at.0)
        .bind(most)
        .all()
        .await?;
    Ok(rows.into_iter().map(|(id, email)| (UserId::trusted(id), email)).collect())
}

/// The addresses of everyone who holds `alert.admin` at a moment, at most `most`: whom a rule tells that names nobody.
///
/// # Errors
/// The database's.
pub async fn addresses_of_admins(conn: &mut Conn, org: &OrgId, at: UnixMillis, most: i64) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = conn
        .query(
            "SELECT DISTINCT u.email FROM bindings b
             LEFT JOIN group_members e ON e.group_id = b.group_id
             JOIN memberships m ON m.id = COALESCE(b.membership_id, e.membership_id)
             JOIN users u ON u.id = m.user_id
             WHERE b.org_id = $1 AND b.role = 'alert.admin'
               AND (e.expires_at IS NULL OR e.expires_at > $2) AND b.scope = 'org' AND b.not_before <= $2
               AND b.not_after > $2 AND m.org_id = $1 AND m.state = 'active' AND u.state = 'active'
               AND u.project_id IS NULL AND u.email IS NOT NULL AND u.email <> ''
             ORDER BY u.email LIMIT $3",
        )
        .bind(org.as_str().to_owned())
        .bind(at.0)
        .bind(most)
        .all()
        .await?;
    Ok(rows.into_iter().map(|(email,)| email).collect())
}
