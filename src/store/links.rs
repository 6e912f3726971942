//! One-time links that are mailed or texted. The secret itself is nowhere, only its SHA-256.

use super::db::{Cells, Conn, Record, Result, Tx, corrupt};
use crate::domain::mail::Purpose;
use crate::kernel::id::{InvitationId, UserId};
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// A link.
#[derive(Clone, Debug)]
pub struct Link {
    /// What it is for.
    pub purpose: Purpose,
    /// The account that it is for, if it has one already.
    pub user: Option<UserId>,
    /// The invitation that it is for.
    pub invitation: Option<InvitationId>,
    /// Where it was sent.
    pub address: String,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it ends.
    pub expires_at: UnixMillis,
    /// When it ended before its time.
    pub ended_at: Option<UnixMillis>,
    /// Why: `used`, `replaced` or `withdrawn`.
    pub end_reason: Option<String>,
}

impl Link {
    /// Whether it is good for something at `now`.
    #[must_use]
    pub fn is_live(&self, now: UnixMillis) -> bool {
        self.ended_at.is_none() && now < self.expires_at
    }
}

impl Record for Link {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let word: String = cells.take()?;
        let purpose = Purpose::ALL.into_iter().find(|one| one.as_str() == word);
        Ok(Self {
            purpose: purpose.ok_or_else(|| corrupt("purpose of a link"))?,
            user: cells.take::<Option<String>>()?.map(UserId::trusted),
            invitation: cells.take::<Option<String>>()?.map(InvitationId::trusted),
            address: cells.take()?,
            created_at: UnixMillis(cells.take()?),
            expires_at: UnixMillis(cells.take()?),
            ended_at: cells.take::<Option<i64>>()?.map(UnixMillis),
            end_reason: cells.take()?,
        })
    }
}

/// The link with a secret, whatever became of it.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, link: Digest) -> Result<Option<Link>> {
    conn.query(
        "SELECT purpose, user_id, invitation_id, address, created_at, expires_at, ended_at, end_reason
         FROM links WHERE secret_hash = $1",
    )
    .bind(link.to_vec())
    .optional()
    .await
}

/// How many links were sent to an address since a moment.
///
/// # Errors
/// The database's.
pub async fn count_to(conn: &mut Conn, address: &str, since: UnixMillis) -> Result<i64> {
    let (count,): (i64,) = conn
        .query("SELECT COUNT(*) FROM links WHERE address = $1 AND created_at > $2")
        .bind(address.to_owned())
        .bind(since.0)
        .one()
        .await?;
    Ok(count)
}

/// How many links of a purpose were made for an account since a moment.
///
/// # Errors
/// The database's.
pub async fn count_of(conn: &mut Conn, user: &UserId, purpose: Purpose, since: UnixMillis) -> Result<i64> {
    let (count,): (i64,) = conn
        .query("SELECT COUNT(*) FROM links WHERE user_id = $1 AND purpose = $2 AND created_at > $3")
        .bind(user.as_str().to_owned())
        .bind(purpose.as_str())
        .bind(since.0)
        .one()
        .await?;
    Ok(count)
}

/// The newest link of a purpose for an account, whatever became of it.
///
/// # Errors
/// The database's.
pub async fn last_of(conn: &mut Conn, user: &UserId, purpose: Purpose) -> Result<Option<Link>> {
    conn.query(
        "SELECT purpose, user_id, invitation_id, address, created_at, expires_at, ended_at, end_reason
         FROM links WHERE user_id = $1 AND purpose = $2 ORDER BY created_at DESC LIMIT 1",
    )
    .bind(user.as_str().to_owned())
    .bind(purpose.as_str())
    .optional()
    .await
}

/// A link to be kept.
#[derive(Clone, Copy, Debug)]
pub struct NewRow<'a> {
    /// The secret's digest.
    pub digest: Digest,
    /// What it is for.
    pub purpose: Purpose,
    /// The account that it is for.
    pub user: Option<&'a UserId>,
    /// The invitation that it is for.
    pub invitation: Option<&'a InvitationId>,
    /// Where it is sent.
    pub address: &'a str,
    /// When it ends.
    pub expires_at: UnixMillis,
}

/// Keeps a new link; false when its secret is another's already.
///
/// # Errors
/// The database's.
pub async fn put(tx: &mut Tx, row: &NewRow<'_>, at: UnixMillis) -> Result<bool> {
    let rows = tx
        .query(
            "INSERT INTO links (secret_hash, purpose, user_id, invitation_id, address, created_at, expires_at, reminded)
             VALUES ($1, $2, $3, $4, $5, $6, $7, FALSE) ON CONFLICT DO NOTHING",
        )
        .bind(row.digest.to_vec())
        .bind(row.purpose.as_str())
        .bind(row.user.map(|id| id.as_str().to_owned()))
        .bind(row.invitation.map(|id| id.as_str().to_owned()))
        .bind(row.address.to_owned())
        .bind(at.0)
        .bind(row.expires_at.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Uses a link up, if it is good for this purpose at `at`; true for exactly one caller.
///
/// # Errors
/// The database's.
pub async fn use_up(tx: &mut Tx, link: Digest, purpose: Purpose, at: UnixMillis) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE links SET ended_at = $3, end_reason = 'used'
             WHERE secret_hash = $1 AND purpose = $2 AND ended_at IS NULL AND expires_at > $3",
        )
        .bind(link.to_vec())
        .bind(purpose.as_str())
        .bind(at.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Notes that the reminder of a link was sent; whether it was this call that noted it.
///
/// # Errors
/// The database's.
pub async fn note_reminded(tx: &mut Tx, link: Digest) -> Result<bool> {
    let noted = tx
        .query("UPDATE links SET reminded = TRUE WHERE secret_hash = $1 AND reminded = FALSE")
        .bind(link.to_vec())
        .execute()
        .await?;
    Ok(noted > 0)
}

/// Ends the links of an account, whatever they are for.
///
/// # Errors
/// The database's.
pub async fn end_of_user(tx: &mut Tx, user: &UserId, reason: &'static str, at: UnixMillis) -> Result<()> {
    tx.query("UPDATE links SET ended_at = $3, end_reason = $2 WHERE user_id = $1 AND ended_at IS NULL")
        .bind(user.as_str().to_owned())
        .bind(reason)
        .bind(at.0)
        .execute()
        .await
        .map(|_| ())
}

/// Ends the links of one purpose of an account: a new one takes their place.
///
/// # Errors
/// The database's.
pub async fn replace_of_user(tx: &mut Tx, user: &UserId, purpose: Purpose, at: UnixMillis) -> Result<()> {
    tx.query(
        "UPDATE links SET ended_at = $3, end_reason = 'replaced' WHERE user_id = $1 AND purpose = $2 AND ended_at IS NULL",
    )
    .bind(user.as_str().to_owned())
    .bind(purpose.as_str())
    .bind(at.0)
    .execute()
    .await
    .map(|_| ())
}

/// Ends the links of an invitation.
///
/// # Errors
/// The database's.
pub async fn end_of_invitation(
    tx: &mut Tx,
    invitation: &InvitationId,
    reason: &'static str,
    at: UnixMillis,
) -> Result<()> {
    tx.query("UPDATE links SET ended_at = $3, end_reason = $2 WHERE invitation_id = $1 AND ended_at IS NULL")
        .bind(invitation.as_str().to_owned())
        .bind(reason)
        .bind(at.0)
        .execute()
        .await
        .map(|_| ())
}

/// Ends the links to an address that has no account yet: a new one takes their place, or there is an account now.
///
/// # Errors
/// The database's.
pub async fn end_registrations(tx: &mut Tx, address: &str, at: UnixMillis) -> Result<()> {
    tx.query(
        "UPDATE links SET ended_at = $2, end_reason = 'replaced'
         WHERE address = $1 AND purpose = 'confirm_account' AND ended_at IS NULL",
    )
    .bind(address.to_owned())
    .bind(at.0)
    .execute()
    .await
    .map(|_| ())
}

/// Forgets where the links of an account were sent: the account is deleted.
///
/// # Errors
/// The database's.
pub async fn forget_addresses(tx: &mut Tx, user: &UserId) -> Result<()> {
    tx.query("UPDATE links SET address = '' WHERE user_id = $1")
        .bind(user.as_str().to_owned())
        .execute()
        .await
        .map(|_| ())
}
