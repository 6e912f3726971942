//! Lists of applications, as people read them: those of one organisation or of the instance, in pages.

use super::db::{Cells, Conn, Record, Result};
use crate::domain::oauth::application::Application;
use crate::kernel::id::{ApplicationId, MembershipId, OrgId};
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// An application as lists show it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its registration.
    pub application: Application,
    /// The membership that answers for it.
    pub owner: Option<MembershipId>,
    /// When it was registered.
    pub created_at: UnixMillis,
    /// When its registration was last written.
    pub updated_at: UnixMillis,
}

impl Record for Listed {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let mut application: Application = cells.json()?;
        let secrets: Vec<Vec<u8>> = cells.json()?;
        application.secrets = secrets.iter().filter_map(|bytes| Digest::from_slice(bytes)).collect();
        application.state = cells.parse()?;
        Ok(Self {
            application,
            owner: cells.take::<Option<String>>()?.map(MembershipId::trusted),
            created_at: UnixMillis(cells.take()?),
            updated_at: UnixMillis(cells.take()?),
        })
    }
}

/// So many applications of an organisation, or of the instance itself, those behind a client id, by client id.
///
/// # Errors
/// The database's.
pub async fn page(conn: &mut Conn, org: Option<&OrgId>, after: &str, limit: usize) -> Result<Vec<Listed>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    match org {
        Some(org) => {
            conn.query(
                "SELECT registration, secrets, state, owner_id, created_at, updated_at FROM applications
                 WHERE org_id = $1 AND client_id > $2 ORDER BY client_id LIMIT $3",
            )
            .bind(org.as_str().to_owned())
            .bind(after.to_owned())
            .bind(limit)
            .all()
            .await
        }
        None => {
            conn.query(
                "SELECT registration, secrets, state, owner_id, created_at, updated_at FROM applications
                 WHERE org_id IS NULL AND client_id > $1 ORDER BY client_id LIMIT $2",
            )
            .bind(after.to_owned())
            .bind(limit)
            .all()
            .await
        }
    }
}

/// An application by its id or its client id, of the organisation, or of the instance itself.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, org: Option<&OrgId>, named: &str) -> Result<Option<Listed>> {
    let by_id: Option<Listed> = match named.parse::<ApplicationId>() {
        Ok(id) => {
            conn.query(
                "SELECT registration, secrets, state, owner_id, created_at, updated_at FROM applications WHERE id = $1",
            )
            .bind(id.into_string())
            .optional()
            .await?
        }
        Err(_) => None,
    };
    let here = |found: &Listed| found.application.org.as_ref() == org;
    if let Some(found) = by_id.filter(here) {
        return Ok(Some(found));
    }
    let by_client_id: Option<Listed> = conn
        .query(
            "SELECT registration, secrets, state, owner_id, created_at, updated_at FROM applications
             WHERE client_id = $1",
        )
        .bind(named.to_owned())
        .optional()
        .await?;
    Ok(by_client_id.filter(here))
}
