//! Applications: their registration as JSON, their secrets as digests.

use super::db::{Cells, Conn, Record, Result, Tx, corrupt};
use super::feed;
use crate::domain::oauth::application::Application;
use crate::kernel::id::{ApplicationId, MembershipId, OrgId};
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// The state of a registration that may be cached: what is asked of the database at every use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When the row was written.
    pub updated_at: UnixMillis,
    /// Whether the application, and the organisation that it belongs to, are active.
    pub active: bool,
    /// Tokens that it got for itself before this moment are refused.
    pub tokens_from: UnixMillis,
}

/// The stamp of an application, by its client id: one point select, however often the registration was read before.
///
/// # Errors
/// The database's.
pub async fn stamp(conn: &mut Conn, client_id: &str) -> Result<Option<Stamp>> {
    conn.query(
        "SELECT a.updated_at, a.state, o.state, a.tokens_from, o.tokens_from
         FROM applications a LEFT JOIN orgs o ON o.id = a.org_id WHERE a.client_id = $1",
    )
    .bind(client_id.to_owned())
    .optional()
    .await
}

impl Record for Stamp {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let updated_at = UnixMillis(cells.take()?);
        let (own, orgs): (String, Option<String>) = (cells.take()?, cells.take()?);
        let (own_from, orgs_from): (i64, Option<i64>) = (cells.take()?, cells.take()?);
        Ok(Self {
            updated_at,
            active: own == "active" && orgs.is_none_or(|state| state == "active"),
            tokens_from: UnixMillis(own_from.max(orgs_from.unwrap_or(0))),
        })
    }
}

struct Row(Application);

impl Record for Row {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let mut application: Application = cells.json()?;
        let secrets: Vec<Vec<u8>> = cells.json()?;
        application.secrets = secrets.iter().filter_map(|bytes| Digest::from_slice(bytes)).collect();
        application.state = cells.parse()?;
        Ok(Self(application))
    }
}

/// An application by its client id.
///
/// # Errors
/// The database's.
pub async fn by_client_id(conn: &mut Conn, client_id: &str) -> Result<Option<Application>> {
    let row: Option<Row> = conn
        .query("SELECT registration, secrets, state FROM applications WHERE client_id = $1")
        .bind(client_id.to_owned())
        .optional()
        .await?;
    Ok(row.map(|row| row.0))
}

/// An application by its id.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, id: &ApplicationId) -> Result<Option<Application>> {
    let row: Option<Row> = conn
        .query("SELECT registration, secrets, state FROM applications WHERE id = $1")
        .bind(id.as_str().to_owned())
        .optional()
        .await?;
    Ok(row.map(|row| row.0))
}

/// Every application, by client id.
///
/// # Errors
/// The database's.
pub async fn all(conn: &mut Conn) -> Result<Vec<Application>> {
    let rows: Vec<Row> =
        conn.query("SELECT registration, secrets, state FROM applications ORDER BY client_id").all().await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Has registrations take turns, whosever they are: a row that each of them writes until it is committed.
///
/// # Errors
/// The database's.
pub async fn take_turns(tx: &mut Tx) -> Result<()> {
    tx.query("UPDATE instance SET value = value WHERE name = 'schema'").execute().await.map(|_| ())
}

/// Makes a member answer for an application, or nobody.
///
/// # Errors
/// The database's.
pub async fn set_owner(tx: &mut Tx, id: &ApplicationId, owner: Option<&MembershipId>) -> Result<()> {
    tx.query("UPDATE applications SET owner_id = $2 WHERE id = $1")
        .bind(id.as_str().to_owned())
        .bind(owner.map(|id| id.as_str().to_owned()))
        .execute()
        .await
        .map(|_| ())
}

/// Writes a registration, new or instead of the one before; `updated_at` always moves on.
///
/// # Errors
/// The database's; another application has the client id.
pub async fn put(tx: &mut Tx, application: &Application, now: UnixMillis) -> Result<()> {
    let secrets: Vec<Vec<u8>> = application.secrets.iter().map(|digest| digest.to_vec()).collect();
    tx.query(
        "INSERT INTO applications (id, client_id, org_id, state, registration, secrets, created_at, updated_at, tokens_from)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7, CASE WHEN $4 = 'disabled' THEN $7 ELSE 0 END)
         ON CONFLICT (id) DO UPDATE SET org_id = excluded.org_id, state = excluded.state,
           registration = excluded.registration, secrets = excluded.secrets,
           tokens_from = CASE WHEN excluded.state = 'disabled' THEN excluded.created_at ELSE applications.tokens_from END,
           updated_at = CASE WHEN applications.updated_at >= excluded.updated_at THEN applications.updated_at + 1
                             ELSE excluded.updated_at END",
    )
    .bind(application.id.as_str().to_owned())
    .bind(application.client_id.clone())
    .bind(application.org.as_ref().map(|id| OrgId::as_str(id).to_owned()))
    .bind(application.state.as_str())
    .bind(serde_json::to_string(application).map_err(|e| corrupt(&e.to_string()))?)
    .bind(serde_json::to_string(&secrets).map_err(|e| corrupt(&e.to_string()))?)
    .bind(now.0)
    .execute()
    .await?;
    put_origins(tx, application).await
}

async fn put_origins(tx: &mut Tx, application: &Application) -> Result<()> {
    let id = application.id.as_str();
    tx.query("DELETE FROM application_origins WHERE application_id = $1").bind(id.to_owned()).execute().await?;
    for origin in application.page_origins() {
        tx.query("INSERT INTO application_origins (origin, application_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(origin)
            .bind(id.to_owned())
            .execute()
            .await?;
    }
    Ok(())
}

/// Whether the pages of an active public application come from this origin.
///
/// # Errors
/// The database's.
pub async fn has_origin(conn: &mut Conn, origin: &str) -> Result<bool> {
    let row: Option<(String,)> = conn
        .query(
            "SELECT o.origin FROM application_origins o JOIN applications a ON a.id = o.application_id
             LEFT JOIN orgs g ON g.id = a.org_id
             WHERE o.origin = $1 AND a.state = 'active' AND (g.id IS NULL OR g.state = 'active') LIMIT 1",
        )
        .bind(origin.to_owned())
        .optional()
        .await?;
    Ok(row.is_some())
}

/// Removes an application with all that hangs on it; that its tokens are over is left behind for the feed.
///
/// # Errors
/// The database's.
pub async fn remove(tx: &mut Tx, id: &ApplicationId, now: UnixMillis) -> Result<()> {
    feed::note_application(tx, id, now).await?;
    for sql in [
        "DELETE FROM application_origins WHERE application_id = $1",
        "DELETE FROM entry_applications WHERE application_id = $1",
        "DELETE FROM consents WHERE application_id = $1",
        "DELETE FROM used_assertions WHERE application_id = $1",
        "DELETE FROM device_grants WHERE application_id = $1",
        "DELETE FROM token_families WHERE application_id = $1",
        "DELETE FROM stream_exclusions WHERE stream_id IN (SELECT id FROM streams WHERE application_id = $1)",
        "DELETE FROM streams WHERE application_id = $1",
        "DELETE FROM applications WHERE id = $1",
    ] {
        tx.query(sql).bind(id.as_str().to_owned()).execute().await?;
    }
    Ok(())
}
