//! Second factors that are no passkeys, for reading, and the newest code of an app that was taken.
//!
//! What an account has is written by an [`AccessEdit`](super::access_edit::AccessEdit) alone.

use super::db::{Cells, Conn, Record, Result, Tx, corrupt};
use crate::domain::oidc::claims::Profile;
use crate::domain::people::factor::{FactorKind, Held, why_no_codes};
use crate::kernel::id::{FactorId, UserId};
use crate::kernel::time::UnixMillis;

/// A factor, without what makes it one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: FactorId,
    /// Its kind.
    pub kind: FactorKind,
    /// Since when.
    pub created_at: UnixMillis,
    /// When it was shown last.
    pub last_used_at: Option<UnixMillis>,
}

impl Record for Stored {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let id = FactorId::trusted(cells.take()?);
        let kind = cells.parse().map_err(|_: sqlx::Error| corrupt("kind of a factor"))?;
        let (created_at, last_used_at): (i64, Option<i64>) = (cells.take()?, cells.take()?);
        Ok(Self { id, kind, created_at: UnixMillis(created_at), last_used_at: last_used_at.map(UnixMillis) })
    }
}

/// The factors of an account, at most three, whether they count now or not.
///
/// # Errors
/// The database's.
pub async fn of_user(conn: &mut Conn, user: &UserId) -> Result<Vec<Stored>> {
    conn.query("SELECT id, kind, created_at, last_used_at FROM factors WHERE user_id = $1 ORDER BY kind")
        .bind(user.as_str().to_owned())
        .all()
        .await
}

/// What an account has, as it counts now: codes by mail and to the phone only while both addresses are known to be the
/// person's (H23). Somebody who is not there has nothing.
///
/// # Errors
/// The database's.
pub async fn held(conn: &mut Conn, user: &UserId) -> Result<Held> {
    Ok(counted(conn, user).await?.0)
}

/// As [`held`], but what does beside the account's password as it is now: no code by the way by which the link came that it
/// was set with, and in its place one by the other way.
///
/// # Errors
/// The database's.
pub async fn usable(conn: &mut Conn, user: &UserId) -> Result<Held> {
    let (held, by) = counted(conn, user).await?;
    Ok(match by {
        Some(by) => held.beside(by),
        None => held,
    })
}

/// What an account has, and by which way the link came that its password was set with.
async fn counted(conn: &mut Conn, user: &UserId) -> Result<(Held, Option<FactorKind>)> {
    struct Row([i64; 5], Profile, Option<FactorKind>);
    impl Record for Row {
        fn read(cells: &mut Cells<'_>) -> Result<Self> {
            let counts = [cells.take()?, cells.take()?, cells.take()?, cells.take()?, cells.take()?];
            Ok(Self(counts, cells.json()?, cells.parse_optional()?))
        }
    }
    let row: Option<Row> = conn
        .query(
            "SELECT (SELECT COUNT(*) FROM factors f WHERE f.user_id = u.id AND f.kind = 'totp'),
               (SELECT COUNT(*) FROM factors f WHERE f.user_id = u.id AND f.kind = 'email'),
               (SELECT COUNT(*) FROM factors f WHERE f.user_id = u.id AND f.kind = 'sms'),
               (SELECT COUNT(*) FROM passkeys p WHERE p.user_id = u.id),
               (SELECT COUNT(*) FROM recovery_codes r WHERE r.user_id = u.id AND r.used_at IS NULL), u.profile,
               u.password_by
             FROM users u WHERE u.id = $1",
        )
        .bind(user.as_str().to_owned())
        .optional()
        .await?;
    let Some(Row([totp, email, sms, passkeys, recovery], profile, by)) = row else {
        return Ok((Held::default(), None));
    };
    let codes = why_no_codes(&profile).is_none();
    let there = [
        (FactorKind::Totp, totp > 0),
        (FactorKind::Passkey, passkeys > 0),
        (FactorKind::Email, email > 0 && codes),
        (FactorKind::Sms, sms > 0 && codes),
    ];
    let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    let held = Held {
        kinds: there.into_iter().filter(|(_, there)| *there).map(|(kind, _)| kind).collect(),
        passkeys: count(passkeys),
        recovery_left: count(recovery),
    };
    Ok((held, by))
}

/// An app that shows codes: its id and its sealed seed. It has no `Debug`.
pub struct Totp {
    /// Its id, which the seed is bound to.
    pub id: FactorId,
    /// The seed, sealed.
    pub sealed: Vec<u8>,
}

/// The app of an account, if it has one.
///
/// # Errors
/// The database's.
pub async fn totp(conn: &mut Conn, user: &UserId) -> Result<Option<Totp>> {
    let row: Option<(String, Option<Vec<u8>>)> = conn
        .query("SELECT id, sealed FROM factors WHERE user_id = $1 AND kind = 'totp'")
        .bind(user.as_str().to_owned())
        .optional()
        .await?;
    row.map(|(id, sealed)| {
        let sealed = sealed.ok_or_else(|| corrupt("an app's factor without a seed"))?;
        Ok(Totp { id: FactorId::trusted(id), sealed })
    })
    .transpose()
}

/// Takes the code of a time step, if none of it or of a later one was taken: of many who come together with one code, one
/// comes through.
///
/// # Errors
/// The database's.
pub async fn take_step(tx: &mut Tx, id: &FactorId, step: i64, now: UnixMillis) -> Result<bool> {
    let rows = tx
        .query("UPDATE factors SET last_step = $2, last_used_at = $3 WHERE id = $1 AND last_step < $2")
        .bind(id.as_str().to_owned())
        .bind(step)
        .bind(now.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Notes that a factor of a kind was shown; whether the account still has it, or another that it stands in for (see
/// [`usable`]).
///
/// # Errors
/// The database's.
pub async fn note_use(tx: &mut Tx, user: &UserId, kind: FactorKind, now: UnixMillis) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE factors SET last_used_at = $3 WHERE user_id = $1 AND kind =
               (SELECT CASE WHEN u.password_by = $2 THEN 'none'
                  WHEN u.password_by IS NULL OR $2 NOT IN ('email', 'sms') THEN $2
                  WHEN EXISTS (SELECT 1 FROM factors f WHERE f.user_id = u.id AND f.kind = $2) THEN $2
                  ELSE u.password_by END
                FROM users u WHERE u.id = $1)",
        )
        .bind(user.as_str().to_owned())
        .bind(kind.as_str())
        .bind(now.0)
        .execute()
        .await?;
    Ok(rows == 1)
}
