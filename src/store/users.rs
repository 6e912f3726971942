//! Accounts, for reading, and the one counter of failed sign-ins.

use super::db::{Cells, Conn, Record, Result, Tx, corrupt};
use super::failures;
use crate::domain::oidc::claims::Profile;
use crate::domain::people::factor::FactorKind;
use crate::domain::people::lockout::{self, Counter};
use crate::domain::people::user::{AccessType, Kind, UserState};
use crate::domain::settings::OrgSettings;
use crate::domain::source::Source;
use crate::kernel::fold;
use crate::kernel::id::{OrgId, UserId};
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// An account.
#[derive(Clone, Debug)]
pub struct User {
    /// Its id, the `sub` claim.
    pub id: UserId,
    /// Whose it is.
    pub kind: Kind,
    /// User name as typed.
    pub user_name: String,
    /// What people see.
    pub name: String,
    /// The standard claims.
    pub profile: Profile,
    /// Its state.
    pub state: UserState,
    /// Where it comes from.
    pub source: Source,
}

impl User {
    /// Whether an e-mail address, or a phone number, is the account's.
    #[must_use]
    pub fn is_at(&self, address: &str) -> bool {
        let Profile { email, phone_number, .. } = &self.profile;
        email.as_deref().is_some_and(|own| fold::key(own) == fold::key(address))
            || fold::looks_like_phone(address)
                && phone_number.as_deref().is_some_and(|own| fold::phone_key(own) == fold::phone_key(address))
    }

    /// Which kind of code goes to an address of the account's.
    #[must_use]
    pub fn code_at(&self, address: &str) -> FactorKind {
        let is_email = self.profile.email.as_deref().is_some_and(|own| fold::key(own) == fold::key(address));
        if is_email { FactorKind::Email } else { FactorKind::Sms }
    }
}

/// Whose account it is, from the columns `kind`, `org_id` and `project_id`.
pub(super) fn kind(word: &str, org: Option<String>, project: Option<String>) -> Result<Kind> {
    match (word, org, project) {
        ("managed", Some(org), None) => Ok(Kind::Managed(OrgId::trusted(org))),
        ("managed", Some(org), Some(project)) => {
            Ok(Kind::Service(OrgId::trusted(org), crate::kernel::id::ProjectId::trusted(project)))
        }
        ("own", None, None) => Ok(Kind::Own),
        ("operator", None, None) => Ok(Kind::Operator),
        _ => Err(corrupt("kind of a user")),
    }
}

impl Record for User {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let id = UserId::trusted(cells.take()?);
        let word: String = cells.take()?;
        let kind = kind(&word, cells.take()?, cells.take()?)?;
        Ok(Self {
            id,
            kind,
            user_name: cells.take()?,
            name: cells.take()?,
            profile: cells.json()?,
            state: cells.parse()?,
            source: cells.parse().map_err(|_: sqlx::Error| corrupt("source of a user"))?,
        })
    }
}

/// An account by its id, deleted ones included.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut Conn, id: &UserId) -> Result<Option<User>> {
    conn.query("SELECT id, kind, org_id, project_id, user_name, name, profile, state, source FROM users WHERE id = $1")
        .bind(id.as_str().to_owned())
        .optional()
        .await
}

/// How an account is used; `None` when it is not there.
///
/// # Errors
/// The database's.
pub async fn access_type(conn: &mut Conn, id: &UserId) -> Result<Option<AccessType>> {
    struct Row(AccessType);
    impl Record for Row {
        fn read(cells: &mut Cells<'_>) -> Result<Self> {
            Ok(Self(cells.parse()?))
        }
    }
    let row: Option<Row> =
        conn.query("SELECT access_type FROM users WHERE id = $1").bind(id.as_str().to_owned()).optional().await?;
    Ok(row.map(|row| row.0))
}

/// The account that an identifier names in a realm.
///
/// # Errors
/// The database's.
pub async fn by_identifier(conn: &mut Conn, realm: &str, key: &str) -> Result<Option<User>> {
    conn.query(
        "SELECT u.id, u.kind, u.org_id, u.project_id, u.user_name, u.name, u.profile, u.state, u.source
         FROM identifiers i JOIN users u ON u.id = i.user_id WHERE i.realm = $1 AND i.name_key = $2",
    )
    .bind(realm.to_owned())
    .bind(key.to_owned())
    .optional()
    .await
}

/// What sign-in needs to know of an account that an identifier may mean. One for keys alone, and one whose organisation
/// is not active, count as suspended.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The account.
    pub id: UserId,
    /// Whose it is.
    pub kind: Kind,
    /// Its state.
    pub state: UserState,
    /// Its password as a PHC string.
    pub password: Option<String>,
    /// Whether the password must be changed before anything else.
    pub must_change: bool,
    /// Its counter of failures.
    pub counter: Counter,
    /// When the password was set; the beginning of time where that was not written down.
    pub password_at: UnixMillis,
    /// Whether its organisation has its people come through a connection, and makes no exception for this one.
    pub barred: bool,
    /// What its organisation sets of the lock.
    pub lock: lockout::Settings,
}

impl Record for Candidate {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let id = UserId::trusted(cells.take()?);
        let word: String = cells.take()?;
        let kind = kind(&word, cells.take()?, cells.take()?)?;
        Ok(Self {
            id,
            kind,
            state: cells.parse()?,
            password: cells.take()?,
            must_change: cells.take()?,
            counter: Counter {
                failures: cells.take()?,
                since: UnixMillis(cells.take()?),
                locked_until: UnixMillis(cells.take()?),
                in_a_row: cells.take()?,
            },
            password_at: UnixMillis(cells.take()?),
            barred: cells.take()?,
            lock: cells.json::<OrgSettings>()?.lock,
        })
    }
}

/// What is read of a candidate, of rows `u` of accounts and `o` of their organisations.
macro_rules! candidate {
    () => {
        "SELECT u.id, u.kind, u.org_id, u.project_id,
           CASE WHEN u.access_type = 'key' OR COALESCE(o.state, 'active') <> 'active' THEN 'suspended' ELSE u.state END,
           u.password, u.must_change, u.failures, u.failures_since, u.locked_until, u.in_a_row,
           COALESCE(u.password_at, 0),
           EXISTS (SELECT 1 FROM sign_ins_upstream x JOIN connections c ON c.id = x.connection_id
             WHERE x.org_id = u.org_id AND x.stage = 'enforced' AND c.state = 'active')
           AND NOT EXISTS (SELECT 1 FROM memberships b
             WHERE b.user_id = u.id AND b.org_id = u.org_id AND b.break_glass = TRUE),
           COALESCE(o.settings, '{}') "
    };
}

/// Candidates by what identifiers `i` are asked for; where there is none, the account that never was which `$2` names, so that
/// the database does as much for a name that nobody has.
macro_rules! candidates_by {
    ($which:literal) => {
        concat!(
            candidate!(),
            "FROM (
               SELECT u.id, u.kind, u.org_id, u.project_id, u.access_type, u.state, u.password, u.must_change, u.failures,
                 u.failures_since, u.locked_until, u.in_a_row, u.password_at, i.realm
               FROM identifiers i JOIN users u ON u.id = i.user_id WHERE ",
            $which,
            " UNION ALL
               SELECT n.id, n.kind, n.org_id, n.project_id, n.access_type, n.state, n.password, n.must_change, n.failures,
                 n.failures_since, n.locked_until, n.in_a_row, n.password_at, n.realm
               FROM users n WHERE n.id = $2 AND NOT EXISTS (SELECT 1 FROM identifiers i WHERE ",
            $which,
            ")) u LEFT JOIN orgs o ON o.id = u.org_id ORDER BY u.realm LIMIT 16"
        )
    };
}

fn somebody(found: Vec<Candidate>) -> Vec<Candidate> {
    found.into_iter().filter(|candidate| !failures::is_nobody(&candidate.id)).collect()
}

/// The accounts that an identifier may mean, over all realms; at most 16, for more are ambiguous anyway.
///
/// # Errors
/// The database's.
pub async fn candidates(conn: &mut Conn, key: &str) -> Result<Vec<Candidate>> {
    conn.query(candidates_by!("i.name_key = $1"))
        .bind(key.to_owned())
        .bind(failures::nobody(Digest::of(key.as_bytes())).into_string())
        .all()
        .await
        .map(somebody)
}

/// The accounts that an identifier may mean in an organisation: its managed user, or an own account that is a member.
///
/// # Errors
/// The database's.
pub async fn candidates_in_org(conn: &mut Conn, org: &OrgId, key: &str) -> Result<Vec<Candidate>> {
    conn.query(candidates_by!(
        "i.name_key = $1 AND (i.realm = $3 OR (i.realm = 'own' AND EXISTS
           (SELECT 1 FROM memberships m WHERE m.user_id = i.user_id AND m.org_id = $3)))"
    ))
    .bind(key.to_owned())
    .bind(failures::nobody(Digest::of(key.as_bytes())).into_string())
    .bind(org.as_str().to_owned())
    .all()
    .await
    .map(somebody)
}

/// What sign-in needs to know of the account with this id.
///
/// # Errors
/// The database's.
pub async fn candidate(conn: &mut Conn, id: &UserId) -> Result<Option<Candidate>> {
    conn.query(concat!(candidate!(), "FROM users u LEFT JOIN orgs o ON o.id = u.org_id WHERE u.id = $1"))
        .bind(id.as_str().to_owned())
        .optional()
        .await
}

/// Counts a success, with which the counter begins anew: true when it counts, false when the account was locked or left
/// its state meanwhile.
///
/// # Errors
/// The database's.
pub async fn count_success(tx: &mut Tx, id: &UserId, now: UnixMillis) -> Result<bool> {
    let rows = tx
        .query(
            "UPDATE users SET failures = 0, in_a_row = 0, last_sign_in_at = $2
             WHERE id = $1 AND locked_until <= $2 AND state = 'active'",
        )
        .bind(id.as_str().to_owned())
        .bind(now.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Notes a sign-in that a lock does not hold up, if the account is active: the lock stays as it is for
/// everybody else, and guesses are in a row from here on.
///
/// # Errors
/// The database's.
pub async fn note_past_lock(tx: &mut Tx, id: &UserId, now: UnixMillis) -> Result<bool> {
    let rows = tx
        .query("UPDATE users SET in_a_row = 0, last_sign_in_at = $2 WHERE id = $1 AND state = 'active'")
        .bind(id.as_str().to_owned())
        .bind(now.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Whether an account is active and not locked, or active at all where `past_lock`. Nothing is reset. Written to be locked:
/// guesses that come together take turns.
///
/// # Errors
/// The database's.
pub async fn is_open(tx: &mut Tx, id: &UserId, past_lock: bool, now: UnixMillis) -> Result<bool> {
    let latest = if past_lock { UnixMillis::MAX } else { now };
    let rows = tx
        .query("UPDATE users SET failures = failures WHERE id = $1 AND locked_until <= $2 AND state = 'active'")
        .bind(id.as_str().to_owned())
        .bind(latest.0)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Opens a locked account, and its counter begins anew; how many rows were written: none where nothing was counted.
///
/// # Errors
/// The database's.
pub async fn unlock(tx: &mut Tx, id: &UserId) -> Result<u64> {
    tx.query(
        "UPDATE users SET failures = 0, in_a_row = 0, locked_until = 0
         WHERE id = $1 AND (failures > 0 OR in_a_row > 0 OR locked_until > 0)",
    )
    .bind(id.as_str().to_owned())
    .execute()
    .await
}

/// What is known of an account's password.
#[derive(Clone, Debug)]
pub struct PasswordFacts {
    /// Its hash; `None` when there is none.
    pub password: Option<String>,
    /// When it was set; `None` where that was not written down.
    pub set_at: Option<UnixMillis>,
    /// Whether it must be changed before anything else.
    pub must_change: bool,
}

impl Record for PasswordFacts {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            password: cells.take()?,
            set_at: cells.take::<Option<i64>>()?.map(UnixMillis),
            must_change: cells.take()?,
        })
    }
}

/// What is known of an account's password; `None` when the account is not there.
///
/// # Errors
/// The database's.
pub async fn password_facts(conn: &mut Conn, id: &UserId) -> Result<Option<PasswordFacts>> {
    conn.query("SELECT password, password_at, must_change FROM users WHERE id = $1")
        .bind(id.as_str().to_owned())
        .optional()
        .await
}

/// By which way the link came that an account's password was set with; `None` for any other password.
///
/// # Errors
/// The database's.
pub async fn password_by(conn: &mut Conn, id: &UserId) -> Result<Option<FactorKind>> {
    let row: Option<(Option<String>,)> =
        conn.query("SELECT password_by FROM users WHERE id = $1").bind(id.as_str().to_owned()).optional().await?;
    let word = row.and_then(|(word,)| word);
    word.map(|word| word.parse::<FactorKind>().map_err(|_| corrupt("way of a password"))).transpose()
}

/// Forgets by which way the link came that this password was set with, if it still is the account's.
///
/// # Errors
/// The database's.
pub async fn forget_password_by(tx: &mut Tx, id: &UserId, password: &str) -> Result<()> {
    tx.query("UPDATE users SET password_by = NULL WHERE id = $1 AND password = $2")
        .bind(id.as_str().to_owned())
        .bind(password.to_owned())
        .execute()
        .await
        .map(|_| ())
}

/// The hashes of the passwords that an account had before its present one, the newest first, at most `most`.
///
/// # Errors
/// The database's.
pub async fn password_history(conn: &mut Conn, id: &UserId, most: i64) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = conn
        .query("SELECT password FROM password_history WHERE user_id = $1 ORDER BY set_at DESC LIMIT $2")
        .bind(id.as_str().to_owned())
        .bind(most)
        .all()
        .await?;
    Ok(rows.into_iter().map(|(password,)| password).collect())
}

/// So many passwords that an account had before are kept.
const KEPT_PASSWORDS: i64 = 24;

/// Keeps the hash of an account's present password among those that it had before: another takes its place. Whether the
/// account has one.
pub(super) async fn keep_password(tx: &mut Tx, id: &UserId, at: UnixMillis) -> Result<bool> {
    // Two within one millisecond keep their order.
    let kept = tx
        .query(
            "INSERT INTO password_history (user_id, set_at, password)
             SELECT u.id,
               CASE WHEN COALESCE((SELECT MAX(h.set_at) FROM password_history h WHERE h.user_id = $1), 0) >= $2
                 THEN (SELECT MAX(h.set_at) FROM password_history h WHERE h.user_id = $1) + 1 ELSE $2 END, u.password
             FROM users u WHERE u.id = $1 AND u.password IS NOT NULL",
        )
        .bind(id.as_str().to_owned())
        .bind(at.0)
        .execute()
        .await?;
    tx.query(
        "DELETE FROM password_history WHERE user_id = $1 AND set_at NOT IN
           (SELECT h.set_at FROM password_history h WHERE h.user_id = $1 ORDER BY h.set_at DESC LIMIT $2)",
    )
    .bind(id.as_str().to_owned())
    .bind(KEPT_PASSWORDS)
    .execute()
    .await
    .map(|_| kept > 0)
}

/// Locks an account's row until the transaction ends, so that those who come together take turns. PostgreSQL holds the
/// row from here to the commit; SQLite has one writer.
///
/// # Errors
/// The database's.
pub async fn take_turns(tx: &mut Tx, id: &UserId) -> Result<()> {
    tx.query("UPDATE users SET failures = failures WHERE id = $1")
        .bind(id.as_str().to_owned())
        .execute()
        .await
        .map(|_| ())
}

/// Replaces a password's hash by one with today's cost, unless it was changed meanwhile; whether it did. It is the same
/// password: nothing of its history or its age changes.
///
/// # Errors
/// The database's.
pub async fn rehash(tx: &mut Tx, id: &UserId, old: &str, new: &str) -> Result<bool> {
    tx.query("UPDATE users SET password = $3 WHERE id = $1 AND password = $2")
        .bind(id.as_str().to_owned())
        .bind(old.to_owned())
        .bind(new.to_owned())
        .execute()
        .await
        .map(|rows| rows == 1)
}

/// Whether an operator exists.
///
/// # Errors
/// The database's.
pub async fn an_operator_exists(conn: &mut Conn) -> Result<bool> {
    let row: Option<(String,)> = conn
        .query("SELECT id FROM users WHERE realm = 'operator' AND kind = 'operator' AND state = 'active' LIMIT 1")
        .optional()
        .await?;
    Ok(row.is_some())
}

/// Whether an account is the one active operator.
///
/// # Errors
/// The database's.
pub async fn is_last_operator(conn: &mut Conn, id: &UserId) -> Result<bool> {
    let rows: Vec<(String,)> = conn
        .query("SELECT id FROM users WHERE realm = 'operator' AND kind = 'operator' AND state = 'active' LIMIT 2")
        .all()
        .await?;
    Ok(rows.len() == 1 && rows[0].0 == id.as_str())
}

/// The profile as the database keeps it.
#[must_use]
pub fn profile_json(profile: &Profile) -> String {
    serde_json::to_string(profile).unwrap_or_else(|_| "{}".to_owned())
}

/// Whether two profiles say the same, `updated_at` aside.
#[must_use]
pub fn same_profile(left: &Profile, right: &Profile) -> bool {
    let bare = |profile: &Profile| profile_json(&Profile { updated_at: 0, ..profile.clone() });
    bare(left) == bare(right)
}
