//! What ends soon and is to be announced: mailed links, invitations, access keys. Each is announced once, by one node.
//!
//! The announcement of a link is a new link, for nobody keeps the old one's secret; a guarded statement decides which
//! of two nodes sends it.

use super::db::{Conn, Result, Tx, corrupt};
use super::links::{self, NewRow};
use crate::domain::mail::NewLink;
use crate::kernel::id::{AccessKeyId, InvitationId, OrgId, UserId};
use crate::kernel::secret::Digest;
use crate::kernel::time::{DAY, UnixMillis};

/// A link or an invitation is announced so long before it ends, in milliseconds; …
pub const LINK_AHEAD: i64 = 2 * DAY;
/// … an access key so long.
pub const KEY_AHEAD: i64 = 7 * DAY;
/// What is younger was written about just now.
const YOUNG: i64 = DAY;

/// Whose link it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// An account that waits for its first password.
    Account(UserId),
    /// An open invitation.
    Invitation(OrgId, InvitationId),
}

/// A link that ends soon, or an invitation that does.
#[derive(Clone, Debug)]
pub struct Due {
    /// Whose.
    pub holder: Holder,
    /// The link that is to be replaced; `None` where it is the invitation that ends.
    pub link: Option<Digest>,
    /// When it ends: the new link ends then too.
    pub ends_at: UnixMillis,
}

/// What ends within two days and was not announced: links of accounts without a password, links of open invitations,
/// and open invitations whose last link ends at another time than they do.
///
/// # Errors
/// The database's.
pub async fn due(conn: &mut Conn, now: UnixMillis, limit: i64) -> Result<Vec<Due>> {
    let mut all = accounts(conn, now, limit).await?;
    all.extend(invitations_by_link(conn, now, limit).await?);
    all.extend(invitations_that_end(conn, now, limit).await?);
    Ok(all)
}

fn digest(bytes: &[u8]) -> Result<Digest> {
    Digest::from_slice(bytes).ok_or_else(|| corrupt("secret of a link"))
}

async fn accounts(conn: &mut Conn, now: UnixMillis, limit: i64) -> Result<Vec<Due>> {
    let rows: Vec<(String, Vec<u8>, i64)> = conn
        .query(
            "SELECT l.user_id, l.secret_hash, l.expires_at
             FROM links l JOIN users u ON u.id = l.user_id LEFT JOIN orgs o ON o.id = u.org_id
             WHERE l.expires_at > $1 AND l.expires_at <= $2 AND l.created_at <= $3 AND l.purpose = 'set_password'
               AND l.ended_at IS NULL AND l.reminded = FALSE AND u.state = 'pending' AND u.email IS NOT NULL
               AND COALESCE(o.state, 'active') = 'active'
             ORDER BY l.expires_at LIMIT $4",
        )
        .bind(now.0)
        .bind(now.plus(LINK_AHEAD).0)
        .bind(now.minus(YOUNG).0)
        .bind(limit)
        .all()
        .await?;
    let row = |(user, link, at): (String, Vec<u8>, i64)| -> Result<Due> {
        let holder = Holder::Account(UserId::trusted(user));
        Ok(Due { holder, link: Some(digest(&link)?), ends_at: UnixMillis(at) })
    };
    rows.into_iter().map(row).collect()
}

async fn invitations_by_link(conn: &mut Conn, now: UnixMillis, limit: i64) -> Result<Vec<Due>> {
    let rows: Vec<(String, String, Vec<u8>, i64)> = conn
        .query(
            "SELECT i.org_id, i.id, l.secret_hash, l.expires_at
             FROM links l JOIN invitations i ON i.id = l.invitation_id JOIN orgs o ON o.id = i.org_id
             WHERE l.expires_at > $1 AND l.expires_at <= $2 AND l.created_at <= $3 AND l.purpose = 'invitation'
               AND l.ended_at IS NULL AND l.reminded = FALSE AND i.state = 'pending' AND i.expires_at > $1
               AND o.state = 'active'
             ORDER BY l.expires_at LIMIT $4",
        )
        .bind(now.0)
        .bind(now.plus(LINK_AHEAD).0)
        .bind(now.minus(YOUNG).0)
        .bind(limit)
        .all()
        .await?;
    let row = |(org, id, link, at): (String, String, Vec<u8>, i64)| -> Result<Due> {
        let holder = Holder::Invitation(OrgId::trusted(org), InvitationId::trusted(id));
        Ok(Due { holder, link: Some(digest(&link)?), ends_at: UnixMillis(at) })
    };
    rows.into_iter().map(row).collect()
}

async fn invitations_that_end(conn: &mut Conn, now: UnixMillis, limit: i64) -> Result<Vec<Due>> {
    // The states stand there twice so that the embedded database sees that its partial index serves.
    let rows: Vec<(String, String, i64)> = conn
        .query(
            "SELECT i.org_id, i.id, i.expires_at FROM invitations i JOIN orgs o ON o.id = i.org_id
             WHERE i.expires_at > $1 AND i.expires_at <= $2 AND i.state IN ('processing', 'pending')
               AND i.state = 'pending' AND i.link_expires_at <> i.expires_at AND i.last_sent_at <= $3
               AND o.state = 'active'
             ORDER BY i.expires_at LIMIT $4",
        )
        .bind(now.0)
        .bind(now.plus(LINK_AHEAD).0)
        .bind(now.minus(YOUNG).0)
        .bind(limit)
        .all()
        .await?;
    let row = |(org, id, at): (String, String, i64)| {
        let holder = Holder::Invitation(OrgId::trusted(org), InvitationId::trusted(id));
        Due { holder, link: None, ends_at: UnixMillis(at) }
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Puts a new link in the place of one that ends soon; false when another node did, or the old one is not good any
/// more. It counts as announced itself, and not as sent again.
///
/// # Errors
/// The database's.
pub async fn replace(tx: &mut Tx, due: &Due, new: &NewLink, now: UnixMillis) -> Result<bool> {
    let taken = match (&due.link, &due.holder) {
        (Some(old), _) => end_link(tx, old, now).await?,
        (None, Holder::Invitation(_, id)) => end_links_of(tx, id, now).await?,
        (None, Holder::Account(_)) => false,
    };
    if !taken {
        return Ok(false);
    }
    let (user, invitation) = match &due.holder {
        Holder::Account(user) => (Some(user), None),
        Holder::Invitation(_, id) => (None, Some(id)),
    };
    let row = NewRow {
        digest: new.digest,
        purpose: new.purpose,
        user,
        invitation,
        address: new.mail.to.as_str(),
        expires_at: new.expires_at,
    };
    Ok(links::put(tx, &row, now).await? && links::note_reminded(tx, new.digest).await?)
}

async fn end_link(tx: &mut Tx, link: &Digest, now: UnixMillis) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE links SET reminded = TRUE, ended_at = $2, end_reason = 'replaced'
             WHERE secret_hash = $1 AND reminded = FALSE AND ended_at IS NULL AND expires_at > $2",
        )
        .bind(link.to_vec())
        .bind(now.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// From now on the invitation's link ends when the invitation does; its links before are dead.
async fn end_links_of(tx: &mut Tx, invitation: &InvitationId, now: UnixMillis) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE invitations SET link_expires_at = expires_at
             WHERE id = $1 AND state = 'pending' AND link_expires_at <> expires_at AND expires_at > $2",
        )
        .bind(invitation.as_str().to_owned())
        .bind(now.0)
        .execute()
        .await?;
    if rows == 1 {
        links::end_of_invitation(tx, invitation, "replaced", now).await?;
    }
    Ok(rows == 1)
}

/// The active access keys that end within seven days and were not announced.
///
/// # Errors
/// The database's.
pub async fn keys_due(conn: &mut Conn, now: UnixMillis, limit: i64) -> Result<Vec<(OrgId, AccessKeyId)>> {
    let rows: Vec<(String, String)> = conn
        .query(
            "SELECT org_id, id FROM access_keys
             WHERE expires_at > $1 AND expires_at <= $2 AND state = 'active' AND warned_at IS NULL AND created_at <= $3
             ORDER BY expires_at LIMIT $4",
        )
        .bind(now.0)
        .bind(now.plus(KEY_AHEAD).0)
        .bind(now.minus(YOUNG).0)
        .bind(limit)
        .all()
        .await?;
    Ok(rows.into_iter().map(|(org, key)| (OrgId::trusted(org), AccessKeyId::trusted(key))).collect())
}

/// Notes that a key's end is announced; false when another node did.
///
/// # Errors
/// The database's.
pub async fn key_warned(tx: &mut Tx, key: &AccessKeyId, now: UnixMillis) -> Result<bool> {
    let rows = tx
        .query("UPDATE access_keys SET warned_at = $2 WHERE id = $1 AND warned_at IS NULL AND state = 'active'")
        .bind(key.as_str().to_owned())
        .bind(now.0)
        .execute()
        .await?;
    Ok(rows == 1)
}
