//! Passkeys, for reading, their counters, and the challenges that they are to answer.
//!
//! Which passkeys an account has is written by an [`AccessEdit`](super::access_edit::AccessEdit) alone.

use super::db::{Cells, Conn, Record, Result, Tx, corrupt};
use crate::domain::oauth::words;
use crate::kernel::id::{ChallengeId, PasskeyId, UserId};
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// A passkey, as its person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: PasskeyId,
    /// What the person calls it.
    pub name: String,
    /// Since when.
    pub created_at: UnixMillis,
    /// When it was used last.
    pub last_used_at: Option<UnixMillis>,
}

impl Record for Listed {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let (id, name) = (PasskeyId::trusted(cells.take()?), cells.take()?);
        let (created_at, last_used_at): (i64, Option<i64>) = (cells.take()?, cells.take()?);
        Ok(Self { id, name, created_at: UnixMillis(created_at), last_used_at: last_used_at.map(UnixMillis) })
    }
}

/// A passkey, as an answer is compared with it.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its id.
    pub id: PasskeyId,
    /// Whose.
    pub user: UserId,
    /// What the person calls it.
    pub name: String,
    /// What the authenticator calls it.
    pub credential: Vec<u8>,
    /// The public key and what belongs to it, as JSON.
    pub content: String,
}

impl Record for Found {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let (id, user) = (PasskeyId::trusted(cells.take()?), UserId::trusted(cells.take()?));
        Ok(Self { id, user, name: cells.take()?, credential: cells.take()?, content: cells.take()? })
    }
}

/// The passkeys of an account, the oldest first.
///
/// # Errors
/// The database's.
pub async fn of_user(conn: &mut Conn, user: &UserId) -> Result<Vec<Listed>> {
    conn.query("SELECT id, name, created_at, last_used_at FROM passkeys WHERE user_id = $1 ORDER BY id")
        .bind(user.as_str().to_owned())
        .all()
        .await
}

/// The same with their public keys.
///
/// # Errors
/// The database's.
pub async fn with_keys(conn: &mut Conn, user: &UserId) -> Result<Vec<Found>> {
    conn.query("SELECT id, user_id, name, credential_id, content FROM passkeys WHERE user_id = $1 ORDER BY id")
        .bind(user.as_str().to_owned())
        .all()
        .await
}

/// The passkey that its authenticator calls so.
///
/// # Errors
/// The database's.
pub async fn by_credential(conn: &mut Conn, credential: &[u8]) -> Result<Option<Found>> {
    conn.query("SELECT id, user_id, name, credential_id, content FROM passkeys WHERE credential_id = $1")
        .bind(credential.to_vec())
        .optional()
        .await
}

/// Notes a use with what the authenticator counted; false where the counter did not go on, or the passkey is gone. One
/// that counts nothing stays at 0.
///
/// # Errors
/// The database's.
pub async fn note_use(tx: &mut Tx, id: &PasskeyId, (counter, content): (i64, &str), now: UnixMillis) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE passkeys SET counter = $2, content = $3, last_used_at = $4
             WHERE id = $1 AND (counter < $2 OR (counter = 0 AND $2 = 0))",
        )
        .bind(id.as_str().to_owned())
        .bind(counter)
        .bind(content.to_owned())
        .bind(now.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Whether a passkey is there.
///
/// # Errors
/// The database's.
pub async fn is_there(conn: &mut Conn, id: &PasskeyId) -> Result<bool> {
    let row: Option<(String,)> =
        conn.query("SELECT id FROM passkeys WHERE id = $1").bind(id.as_str().to_owned()).optional().await?;
    Ok(row.is_some())
}

/// Notes a sign-in with a passkey, which no lock holds up and which lifts none; `None` when the account is not active, else
/// when its password was set (the beginning of time for one without): a session is kept only while that is so still.
///
/// # Errors
/// The database's.
pub async fn note_sign_in(tx: &mut Tx, user: &UserId, now: UnixMillis) -> Result<Option<UnixMillis>> {
    let row: Option<(i64,)> = tx
        .query(
            "UPDATE users SET last_sign_in_at = $2 WHERE id = $1 AND state = 'active'
             RETURNING COALESCE(password_at, 0)",
        )
        .bind(user.as_str().to_owned())
        .bind(now.0)
        .optional()
        .await?;
    Ok(row.map(|(at,)| UnixMillis(at)))
}

words! {
    /// What a challenge is for. One of one purpose is good for nothing else.
    pub enum Purpose {
        /// To add a passkey.
        Register = "register",
        /// To sign in without a name.
        SignIn = "sign_in",
        /// To prove who one is, whose account is known.
        Prove = "prove",
    }
}

/// A challenge that begins.
#[derive(Clone, Debug)]
pub struct NewChallenge {
    /// Its id.
    pub id: ChallengeId,
    /// What it is for.
    pub purpose: Purpose,
    /// Whose; none for a sign-in without a name.
    pub user: Option<UserId>,
    /// The digest of what the browser is known by.
    pub binding: Digest,
    /// What the answer is compared with, sealed.
    pub sealed: Vec<u8>,
    /// When it is over.
    pub expires_at: UnixMillis,
}

/// A challenge that was under way: it is gone from the table.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// Its id.
    pub id: ChallengeId,
    /// Whose; none for a sign-in without a name.
    pub user: Option<UserId>,
    /// The digest of what the browser was known by.
    pub binding: Digest,
    /// What the answer is compared with, sealed.
    pub sealed: Vec<u8>,
}

impl Record for Challenge {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let id = ChallengeId::trusted(cells.take()?);
        let user = cells.take::<Option<String>>()?.map(UserId::trusted);
        let binding: Vec<u8> = cells.take()?;
        let binding = Digest::from_slice(&binding).ok_or_else(|| corrupt("binding of a challenge"))?;
        Ok(Self { id, user, binding, sealed: cells.take()? })
    }
}

/// Keeps a challenge that begins.
///
/// # Errors
/// The database's.
pub async fn put_challenge(tx: &mut Tx, new: &NewChallenge) -> Result<()> {
    tx.query(
        "INSERT INTO webauthn_challenges (id, purpose, user_id, binding_hash, sealed, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(new.id.as_str().to_owned())
    .bind(new.purpose.as_str())
    .bind(new.user.as_ref().map(|user| user.as_str().to_owned()))
    .bind(new.binding.to_vec())
    .bind(new.sealed.clone())
    .bind(new.expires_at.0)
    .execute()
    .await
    .map(|_| ())
}

/// Takes a challenge: there for exactly one caller, and for none once its time is over. Whether it is this browser's, and
/// this account's, the caller judges; a wrong one has used it up all the same.
///
/// # Errors
/// The database's.
pub async fn take_challenge(
    tx: &mut Tx,
    id: &ChallengeId,
    purpose: Purpose,
    now: UnixMillis,
) -> Result<Option<Challenge>> {
    tx.query(
        "DELETE FROM webauthn_challenges WHERE id = $1 AND purpose = $2 AND expires_at > $3
         RETURNING id, user_id, binding_hash, sealed",
    )
    .bind(id.as_str().to_owned())
    .bind(purpose.as_str())
    .bind(now.0)
    .optional()
    .await
}
