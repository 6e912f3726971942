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
        let facts = facts(record)?;
        for _ in 0..3 {
            let (cookie, data, facts) = (hash(&record.id), text(&record.data)?, facts.clone());
            let written = self
                .db
                .write(move |tx| Box::pin(async move { insert(tx, cookie, data, &facts).await }))
                .await
                .map_err(|e: sqlx::Error| backend(&e))?;
            match written {
                Kept::Yes => return Ok(()),
                Kept::Outworn => return Err(Error::Backend("the password was changed meanwhile".to_owned())),
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
                 LEFT JOIN orgs o ON o.id = u.org_id
                 WHERE s.cookie_hash = $1 AND s.ended_at IS NULL AND s.expires_at > $2 AND s.last_used_at > $3
                   AND u.state = 'active' AND COALESCE(o.state, 'active') = 'active'",
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
    /// The account has another password by now, or is barred.
    Outworn,
}

/// Gives a cookie to the session: a live one of the same person with this id, else a new one.
async fn insert(tx: &mut db::Tx, cookie: Vec<u8>, data: String, facts: &Facts) -> db::Result<Kept> {
    let again = tx
        .query(
            "UPDATE sessions SET cookie_hash = $2, data = $3, auth_time = $4, acr = $5, amr = $6, last_used_at = $7
             WHERE id = $1 AND user_id = $8 AND ended_at IS NULL AND expires_at > $7",
        )
        .bind(facts.id.as_str().to_owned())
        .bind(cookie.clone())
        .bind(data.clone())
        .bind(facts.auth_time.0)
        .bind(facts.acr.clone())
        .bind(facts.amr.join(" "))
        .bind(facts.auth_time.0)
        .bind(facts.user.as_str().to_owned())
        .execute()
        .await?;
    if again == 1 {
        return Ok(Kept::Yes);
    }
    if let Some(set_at) = facts.password_at {
        // Written to be locked: whoever sets another password at this moment has ended every session before, and there
        // is none, or comes after, and ends this one with the others.
        let still = tx
            .query(
                "UPDATE users SET failures = failures
                 WHERE id = $1 AND state = 'active' AND COALESCE(password_at, 0) = $2",
            )
            .bind(facts.user.as_str().to_owned())
            .bind(set_at.0)
            .execute()
            .await?;
        if still == 0 {
            return Ok(Kept::Outworn);
        }
    }
    let rows = tx
        .query(
            "INSERT INTO sessions (cookie_hash, id, user_id, data, auth_time, acr, amr, user_agent, address, created_at,
               last_used_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11) ON CONFLICT DO NOTHING",
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
        .execute()
        .await?;
    Ok(if rows == 1 { Kept::Yes } else { Kept::Taken })
}
