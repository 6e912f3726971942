//! Browser sessions for `tower-sessions`, over our own table, so that they can be listed and ended by user.
//!
//! The cookie's value is known here only as its SHA-256. What others ask of a session (whose, since when, how) stands
//! in columns; `save` only updates, so that a request in flight can't bring an ended session back.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};

use super::db::{self, Database};
use super::sessions_through;
use crate::domain::federation::Through;
use crate::domain::people::assurance::{self, Level, Method};
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
    /// When the account's password was set, as of the proof. A new session is kept while it is that one still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_at: Option<UnixMillis>,
    /// Through which connection it came; `None` for one that began with a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<Through>,
    /// By what means, in our own words; empty in sessions from before there were any.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub methods: BTreeSet<Method>,
    /// When a second factor or a passkey was shown last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor_at: Option<UnixMillis>,
    /// When one was shown on this device before, with the wish not to be asked there again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remembered_at: Option<UnixMillis>,
    /// When a recovery code was shown last: for a while after that the person may keep their own factors, whatever they lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered_at: Option<UnixMillis>,
}

impl Facts {
    /// The level reached. What a connection says in words of its own is worth no more than a password.
    #[must_use]
    pub fn level(&self) -> Level {
        Level::of_acr(&self.acr).unwrap_or(Level::Password)
    }

    /// Whether the person proved who they are so strongly, and so short a time ago, that something sensitive may be done.
    /// What needs a factor needs a fresh factor: a password that was typed anew freshens none.
    #[must_use]
    pub fn is_fresh(&self, needs: Level, now: UnixMillis) -> bool {
        self.is_as_fresh(needs, (now, assurance::FRESH))
    }

    /// As [`Self::is_fresh`], for a proof that may be older: at a moment so many milliseconds.
    #[must_use]
    pub fn is_as_fresh(&self, needs: Level, at_most: (UnixMillis, i64)) -> bool {
        let at = if needs > Level::Password { self.factor_at } else { Some(self.auth_time) };
        at.is_some_and(|at| assurance::is_as_fresh(self.level(), at, needs, at_most))
    }

    /// Whether a recovery code was shown so short a time ago that the person may take away what they lost, and make anew
    /// what takes its place.
    #[must_use]
    pub fn has_recovered(&self, now: UnixMillis) -> bool {
        self.recovered_at.is_some_and(|at| now.since(at) <= assurance::FRESH)
    }

    /// Whether the person may add, remove and rename their own factors, and make recovery codes: by a fresh proof as strong
    /// as their `best`, or by a recovery code, which stands in for what was lost. For nothing else that is sensitive: there
    /// [`Self::is_fresh`] alone decides.
    #[must_use]
    pub fn may_keep_factors(&self, best: Level, now: UnixMillis) -> bool {
        self.is_fresh(best, now) || self.has_recovered(now)
    }

    /// Adds what the person showed just now to what they did before in this session; whether that changed it. What is
    /// weaker than the session's level renews nothing: it would lend its moment to a stronger proof of long ago (F8). A
    /// recovery code is noted all the same.
    #[must_use]
    pub fn show(&mut self, method: Method, at: UnixMillis) -> bool {
        if method == Method::Recovery {
            (self.recovered_at, self.remembered_at) = (Some(at), None);
        }
        let alone = if method == Method::Passkey {
            Level::PhishingResistant
        } else if method.is_factor() {
            Level::TwoFactor
        } else {
            Level::Password
        };
        if alone < self.level() {
            return method == Method::Recovery;
        }
        if self.methods.is_empty() {
            self.methods.insert(if self.through.is_some() { Method::Federated } else { Method::Password });
        }
        self.methods.insert(method);
        let reached = assurance::of_methods(&self.methods);
        if reached > Level::Password {
            reached.acr().clone_into(&mut self.acr);
        }
        for word in assurance::amr(&self.methods) {
            if !self.amr.contains(&word) {
                self.amr.push(word);
            }
        }
        self.auth_time = at;
        if method.is_factor() {
            self.factor_at = Some(at);
        }
        true
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::time::MINUTE;

    fn signed_in(methods: &[Method], acr: &str) -> Facts {
        Facts {
            id: SessionId::from_u128(1),
            user: UserId::from_u128(2),
            auth_time: UnixMillis(0),
            acr: acr.to_owned(),
            amr: assurance::amr(&methods.iter().copied().collect()),
            user_agent: String::new(),
            address: String::new(),
            created_at: UnixMillis(0),
            expires_at: UnixMillis::MAX,
            last_used_at: None,
            password_at: None,
            through: None,
            methods: methods.iter().copied().collect(),
            factor_at: methods.iter().any(|method| method.is_factor()).then_some(UnixMillis(0)),
            remembered_at: None,
            recovered_at: None,
        }
    }

    #[test]
    fn a_recovery_code_lets_the_person_keep_their_factors_for_ten_minutes_and_is_no_stronger_proof() {
        let (late, best) = (UnixMillis(30 * MINUTE), Level::PhishingResistant);
        let mut by_app = signed_in(&[Method::Password, Method::Totp], assurance::ACR_TWO_FACTOR);
        assert!(by_app.show(Method::Totp, late) && !by_app.may_keep_factors(best, late), "an app is no passkey");
        assert!(by_app.show(Method::Recovery, late));
        assert!(by_app.may_keep_factors(best, late.plus(assurance::FRESH)) && !by_app.is_fresh(best, late));
        assert!(!by_app.may_keep_factors(best, late.plus(assurance::FRESH + 1)));
        // In a session that a passkey opened it renews nothing, and does all the same.
        let mut by_passkey = signed_in(&[Method::Passkey], assurance::ACR_PHISHING_RESISTANT);
        by_passkey.remembered_at = Some(UnixMillis(1));
        assert!(by_passkey.show(Method::Recovery, late) && by_passkey.may_keep_factors(best, late));
        assert_eq!((by_passkey.auth_time, by_passkey.factor_at), (UnixMillis(0), Some(UnixMillis(0))));
        assert!(!by_passkey.is_fresh(Level::TwoFactor, late) && by_passkey.remembered_at.is_none());
        assert!(by_passkey.show(Method::Passkey, late) && by_passkey.is_fresh(best, late));
    }

    // F8
    #[test]
    fn a_weaker_proof_freshens_no_stronger_one() {
        let late = UnixMillis(30 * MINUTE);
        let mut facts = signed_in(&[Method::Passkey], assurance::ACR_PHISHING_RESISTANT);
        assert!(!facts.show(Method::Totp, late) && !facts.show(Method::Password, late));
        assert!(!facts.is_fresh(Level::PhishingResistant, late) && !facts.is_fresh(Level::Password, late));
        assert!(facts.show(Method::Passkey, late) && facts.is_fresh(Level::PhishingResistant, late));
    }

    #[test]
    fn a_factor_raises_the_level_and_is_told() {
        let late = UnixMillis(30 * MINUTE);
        let mut facts = signed_in(&[Method::Password], assurance::ACR_PASSWORD);
        assert!(!facts.is_fresh(Level::TwoFactor, UnixMillis(1)) && facts.is_fresh(Level::Password, UnixMillis(1)));
        assert!(facts.show(Method::Totp, late));
        assert_eq!((facts.level(), facts.auth_time, facts.factor_at), (Level::TwoFactor, late, Some(late)));
        assert_eq!(facts.amr, ["pwd", "otp", "mfa"]);
    }

    #[test]
    fn a_session_from_before_there_were_methods_reads_as_what_it_was() {
        let mut text = serde_json::to_value(signed_in(&[], assurance::ACR_PASSWORD)).unwrap();
        assert!(text.as_object_mut().unwrap().remove("methods").is_none());
        let mut facts: Facts = serde_json::from_value(text).unwrap();
        assert!(facts.show(Method::Totp, UnixMillis(5)));
        assert_eq!(facts.level(), Level::TwoFactor);
    }
}
