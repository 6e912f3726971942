//! Who somebody is upstream, for reading. Only an access edit writes it.

use super::is_storable;
use crate::domain::federation::{Claims, Upstream};
use crate::kernel::id::{ConnectionId, IdentityId, MembershipId, OrgId, UserId};
use crate::kernel::time::UnixMillis;
use crate::store::db::{Cells, Conn, Record, Result};

/// An account's identity at a connection's provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its id.
    pub id: IdentityId,
    /// The connection.
    pub connection: ConnectionId,
    /// Its organisation.
    pub org: OrgId,
    /// Who, upstream.
    pub upstream: Upstream,
    /// The account here.
    pub user: UserId,
    /// Its membership in the organisation.
    pub member: MembershipId,
    /// Since when it is known.
    pub linked_at: UnixMillis,
    /// The label of whoever linked it.
    pub linked_by: String,
    /// When the person came through last.
    pub last_sign_in_at: Option<UnixMillis>,
}

impl Record for Identity {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: IdentityId::trusted(cells.take()?),
            connection: ConnectionId::trusted(cells.take()?),
            org: OrgId::trusted(cells.take()?),
            upstream: Upstream { issuer: cells.take()?, subject: cells.take()? },
            user: UserId::trusted(cells.take()?),
            member: MembershipId::trusted(cells.take()?),
            linked_at: UnixMillis(cells.take()?),
            linked_by: cells.take()?,
            last_sign_in_at: cells.take::<Option<i64>>()?.map(UnixMillis),
        })
    }
}

/// Who somebody upstream is here. Issuer and subject are compared byte by byte.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, connection: &ConnectionId, upstream: &Upstream) -> Result<Option<Identity>> {
    if !is_storable(&upstream.issuer) || !is_storable(&upstream.subject) {
        return Ok(None);
    }
    conn.query(
        "SELECT id, connection_id, org_id, issuer, subject, user_id, membership_id, linked_at, linked_by, last_sign_in_at
         FROM upstream_identities WHERE connection_id = $1 AND issuer = $2 AND subject = $3",
    )
    .bind(connection.as_str().to_owned())
    .bind(upstream.issuer.clone())
    .bind(upstream.subject.clone())
    .optional()
    .await
}

/// The identities of an account, in every organisation.
///
/// # Errors
/// The database's.
pub async fn of_user(conn: &mut Conn, user: &UserId) -> Result<Vec<Identity>> {
    conn.query(
        "SELECT id, connection_id, org_id, issuer, subject, user_id, membership_id, linked_at, linked_by, last_sign_in_at
         FROM upstream_identities WHERE user_id = $1 ORDER BY connection_id",
    )
    .bind(user.as_str().to_owned())
    .all()
    .await
}

/// The identities of an account at an organisation's connections.
///
/// # Errors
/// The database's.
pub async fn of_user_in(conn: &mut Conn, org: &OrgId, user: &UserId) -> Result<Vec<Identity>> {
    Ok(of_user(conn, user).await?.into_iter().filter(|found| found.org == *org).collect())
}

/// An identity by its id, in its organisation only.
///
/// # Errors
/// The database's.
pub async fn by_id(conn: &mut Conn, org: &OrgId, id: &IdentityId) -> Result<Option<Identity>> {
    conn.query(
        "SELECT id, connection_id, org_id, issuer, subject, user_id, membership_id, linked_at, linked_by, last_sign_in_at
         FROM upstream_identities WHERE id = $1 AND org_id = $2",
    )
    .bind(id.as_str().to_owned())
    .bind(org.as_str().to_owned())
    .optional()
    .await
}

/// What was said of an identity last; `None` when it is not there.
///
/// # Errors
/// The database's.
pub async fn claims(conn: &mut Conn, id: &IdentityId) -> Result<Option<Claims>> {
    struct Row(Claims);
    impl Record for Row {
        fn read(cells: &mut Cells<'_>) -> Result<Self> {
            Ok(Self(cells.json()?))
        }
    }
    let row: Option<Row> = conn
        .query("SELECT claims FROM upstream_identities WHERE id = $1")
        .bind(id.as_str().to_owned())
        .optional()
        .await?;
    Ok(row.map(|row| row.0))
}

/// So many identities of a connection behind an id (`""` is the beginning) that came through after a moment, in the order
/// of their ids, each with what was said of it last.
///
/// # Errors
/// The database's.
pub async fn recent(
    conn: &mut Conn,
    connection: &ConnectionId,
    since: UnixMillis,
    after: &str,
    limit: i64,
) -> Result<Vec<(Identity, Claims)>> {
    struct Row(Identity, Claims);
    impl Record for Row {
        fn read(cells: &mut Cells<'_>) -> Result<Self> {
            Ok(Self(Identity::read(cells)?, cells.json()?))
        }
    }
    let rows: Vec<Row> = conn
        .query(
            "SELECT id, connection_id, org_id, issuer, subject, user_id, membership_id, linked_at, linked_by,
               last_sign_in_at, claims
             FROM upstream_identities WHERE connection_id = $1 AND id > $2 AND last_sign_in_at > $3 ORDER BY id LIMIT $4",
        )
        .bind(connection.as_str().to_owned())
        .bind(after.to_owned())
        .bind(since.0)
        .bind(limit.max(0))
        .all()
        .await?;
    Ok(rows.into_iter().map(|Row(identity, claims)| (identity, claims)).collect())
}

/// The account that the same connection pushed with this `externalId`, and its membership; `None` unless it is exactly
/// one.
///
/// # Errors
/// The database's.
pub async fn pushed(
    conn: &mut Conn,
    connection: &ConnectionId,
    external_id: &str,
) -> Result<Option<(UserId, MembershipId)>> {
    if external_id.is_empty() || !is_storable(external_id) {
        return Ok(None);
    }
    let mut rows: Vec<(String, String)> = conn
        .query("SELECT user_id, membership_id FROM scim_users WHERE connection_id = $1 AND external_id = $2 LIMIT 2")
        .bind(connection.as_str().to_owned())
        .bind(external_id.to_owned())
        .all()
        .await?;
    let one = if rows.len() == 1 { rows.pop() } else { None };
    Ok(one.map(|(user, member)| (UserId::trusted(user), MembershipId::trusted(member))))
}
