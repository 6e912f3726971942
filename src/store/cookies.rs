//! Browser sessions for `tower-sessions`, over our own table, so that they can be listed and ended by user.
//!
//! The cookie's value is known here only as its SHA-256. What others ask of a session (whose, since when, how) stands
//! in columns; `save` only updates, so that a request in flight can't bring an ended session back.

use std::collections::HashMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};

use super::db::{self, Database};
use super::sessions_through;
use crate::domain::federation::Through;
use crate::kernel::id::{SessionId, UserId};
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// The key of the record's data under which [`Facts`] lie.
pub const FACTS: &str = "facts";

/// What a signed-in session is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Its id, for lists; never the cookie.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// When the person proved who they are.
    pub auth_time: UnixMillis,
    /// The level reached.
    pub acr: String,
    /// By what means.
    pub amr: Vec<String>,
    /// The browser, as it names itself, cut at 200 characters.
    pub user_agent: String,
    /// The address, as the outermost trusted proxy saw it.
    pub address: String,
    /// When it began.
    pub created_at: UnixMillis,
    /// When it runs out at the latest.
    pub expires_at: UnixMillis,
    /// When it was used last, as of loading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<UnixMillis>,
    /// When the password was set that the person proved. A new session is kept while it is that one still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_at: Option<UnixMillis>,
    /// Through which connection it came; `None` for one that began with a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<Through>,
}

/// The store that `tower-sessions` works with.
#[derive(Clone, Debug)]
pub struct CookieStore {
    db: Database,
    clock: std::sync::Arc<dyn crate::kernel::time::Clock>,
    idle: i64,
}

impl CookieStore {
    /// A store in which a session that stands idle for `idle` milliseconds is over.
    #[must_use]
    pub fn new(db: Database, clock: std::sync::Arc<dyn crate::kernel::time::Clock>, idle: i64) -> Self {
        Self { db, clock, idle }
    }
}

fn hash(id: &Id) -> Vec<u8> {
    Digest::of(&id.0.to_be_bytes()).to_vec()
}

fn backend(error: &sqlx::Error) -> Error {
    tracing::error!(%error, "the session table can't be used");
    Error::Backend("the session table can't be used".to_owned())
}

fn facts(record: &Record) -> Result<Facts> {
    let value =
        record.data.get(FACTS).ok_or_else(|| Error::Encode("a session without facts is not kept".to_owned()))?;
    serde_json::from_value(value.clone()).map_err(|e| Error::Encode(e.to_string()))
}

#[async_trait]
impl SessionStore for CookieStore {
    async fn create(&self, record: &mut Record) -> Result<()> {
        let (facts, now) = (facts(record)?, self.clock.now());
        for _ in 0..3 {
            let (cookie, data, facts) = (hash(&record.id), text(&record.data)?, facts.clone());
            let written = self
                .db
                .write(move |tx| Box::pin(async move { insert(tx, (cookie, data), &facts, now).await }))
                .await
                .map_err(|e: sqlx::Error| backend(&e))?;
            match written {
                Kept::Yes => return Ok(()),
                Kept::Outworn => return Err(Error::Backend("what was proven does not count any more".to_owned())),
                Kept::Taken => record.id = Id::default(),
            }
        }
        Err(Error::Backend("three session ids in a row were taken".to_owned()))
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let (cookie, data) = (hash(&record.id), text(&record.data)?);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.query("UPDATE sessions SET data = $2 WHERE cookie_hash = $1 AND ended_at IS NULL")
                        .bind(cookie)
                        .bind(data)
                        .execute()
                        .await
                        .map(|_| ())
                })
            })
            .await
            .map_err(|e: sqlx::Error| backend(&e))
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let now = self.clock.now();
        let mut conn = self.db.read().await.map_err(|e| backend(&e))?;
        let row: Option<(String, i64, i64)> = conn
            .query(
                "SELECT s.data, s.expires_at, s.last_used_at FROM sessions s JOIN users u ON u.id = s.user_id
                 LEFT JOIN orgs o ON o.id = u.org_id LEFT JOIN connections c ON c.id = s.connection_id
                 LEFT JOIN upstream_identities i ON i.id = s.identity_id
                 WHERE s.cookie_hash = $1 AND s.ended_at IS NULL AND s.expires_at > $2 AND s.last_used_at > $3
                   AND u.state = 'active' AND COALESCE(o.state, 'active') = 'active'
                   AND (s.connection_id IS NULL OR (c.state = 'active' AND i.id IS NOT NULL))",
            )
            .bind(hash(id))
            .bind(now.0)
            .bind(now.minus(self.idle).0)
            .optional()
            .await
            .map_err(|e| backend(&e))?;
        let Some((data, expires_at, last_used_at)) = row else {
            return Ok(None);
        };
        let mut data: HashMap<String, serde_json::Value> =
            serde_json::from_str(&data).map_err(|e| Error::Decode(e.to_string()))?;
        if let Some(serde_json::Value::Object(facts)) = data.get_mut(FACTS) {
            facts.insert("last_used_at".to_owned(), last_used_at.into());
        }
        let expiry_date = OffsetDateTime::from_unix_timestamp(UnixMillis(expires_at).seconds())
            .map_err(|e| Error::Decode(e.to_string()))?;
        Ok(Some(Record { id: *id, data, expiry_date }))
    }

    /// Takes the cookie away from its session, which stays: a person who proves themselves again gets a new cookie for
    /// the same session (see [`insert`]). What ends a session is `flows::sign_out` and the door.
    async fn delete(&self, id: &Id) -> Result<()> {
        let cookie = hash(id);
        let detached = Digest::of(&[b"detached".as_slice(), &cookie].concat()).to_vec();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.query("UPDATE sessions SET cookie_hash = $2 WHERE cookie_hash = $1")
                        .bind(cookie)
                        .bind(detached)
                        .execute()
                        .await
                        .map(|_| ())
                })
            })
            .await
            .map_err(|e: sqlx::Error| backend(&e))
    }
}

fn text(data: &HashMap<String, serde_json::Value>) -> Result<String> {
    serde_json::to_string(data).map_err(|e| Error::Encode(e.to_string()))
}

/// What became of a session that was to be kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Yes,
    /// Its cookie, or its id, is another's.
    Taken,
    /// The account has another password by now, or is barred; or what it came through is closed, or ended it.
    Outworn,
}

/// The columns of what a session came through.
struct Came {
    connection: Option<String>,
    identity: Option<String>,
    sid: Option<Vec<u8>>,
}

impl Came {
    fn of(facts: &Facts) -> Self {
        let through = facts.through.as_ref();
        Self {
            connection: through.map(|through| through.connection.as_str().to_owned()),
            identity: through.map(|through| through.identity.as_str().to_owned()),
            sid: through.and_then(|through| through.sid.as_deref()).map(sessions_through::sid_digest),
        }
    }
}

/// Gives a cookie to the session: a live one of the same person with this id that came through the same connection, or
/// through none as this one; else a new one.
async fn insert(
    tx: &mut db::Tx,
    (cookie, data): (Vec<u8>, String),
    facts: &Facts,
    now: UnixMillis,
) -> db::Result<Kept> {
    if let Some(through) = &facts.through
        && !sessions_through::may_begin(tx, through, facts.created_at).await?
    {
        return Ok(Kept::Outworn);
    }
    if again(tx, (cookie.clone(), data.clone()), facts, now).await? {
        return Ok(Kept::Yes);
    }
    if let Some(set_at) = facts.password_at
        && !is_password_of(tx, facts, set_at).await?
    {
        return Ok(Kept::Outworn);
    }
    let Came { connection, identity, sid } = Came::of(facts);
    let rows = tx
        .query(
            "INSERT INTO sessions (cookie_hash, id, user_id, data, auth_time, acr, amr, user_agent, address, created_at,
               last_used_at, expires_at, connection_id, identity_id, upstream_sid)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING",
        )
        .bind(cookie)
        .bind(facts.id.as_str().to_owned())
        .bind(facts.user.as_str().to_owned())
        .bind(data)
        .bind(facts.auth_time.0)
        .bind(facts.acr.clone())
        .bind(facts.amr.join(" "))
        .bind(facts.user_agent.clone())
        .bind(facts.address.clone())
        .bind(facts.created_at.0)
        .bind(facts.expires_at.0)
        .bind(connection)
        .bind(identity)
        .bind(sid)
        .execute()
        .await?;
    Ok(if rows == 1 { Kept::Yes } else { Kept::Taken })
}

/// Gives the cookie to the live session with this id, if there is one; it is used at this moment, whenever the person
/// proved who they are.
async fn again(tx: &mut db::Tx, (cookie, data): (Vec<u8>, String), facts: &Facts, now: UnixMillis) -> db::Result<bool> {
    let Came { connection, identity, sid } = Came::of(facts);
    let rows = tx
        .query(
            "UPDATE sessions SET cookie_hash = $2, data = $3, auth_time = $4, acr = $5, amr = $6, last_used_at = $7,
               identity_id = $10, upstream_sid = $11
             WHERE id = $1 AND user_id = $8 AND ended_at IS NULL AND expires_at > $7
               AND COALESCE(connection_id, '') = $9",
        )
        .bind(facts.id.as_str().to_owned())
        .bind(cookie)
        .bind(data)
        .bind(facts.auth_time.0)
        .bind(facts.acr.clone())
        .bind(facts.amr.join(" "))
        .bind(now.0)
        .bind(facts.user.as_str().to_owned())
        .bind(connection.unwrap_or_default())
        .bind(identity)
        .bind(sid)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Whether the account still has the password that was set at a moment, and is active. Written to be locked: whoever sets
/// another password at this moment has ended every session before, and there is none, or comes after, and ends this one
/// with the others.
async fn is_password_of(tx: &mut db::Tx, facts: &Facts, set_at: UnixMillis) -> db::Result<bool> {
    let rows = tx
        .query(
            "UPDATE users SET failures = failures
             WHERE id = $1 AND state = 'active' AND COALESCE(password_at, 0) = $2",
        )
        .bind(facts.user.as_str().to_owned())
        .bind(set_at.0)
        .execute()
        .await?;
    Ok(rows == 1)
}
