//! The outbox: what must still be told to somebody outside. Rows are leased, so that several nodes can share the work.
//!
//! This file owns the rows and their leases; `held.rs` what waits for its receiver to fetch it, `settling.rs` what came of
//! attempts, and `ledger.rs` what an operator sees.
//!
//! # Why
//! `next_at` alone says whose turn it is: a leased row is due when its lease ends, a held one at the end of time. So the
//! workers' question is one look at the beginning of an index, however much waits.

mod held;
mod ledger;
mod settling;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::held::{
    Waiting, answered, count_waiting, give_up_waiting, hold, put_held, put_many_held, release, waiting_of,
};
pub use self::ledger::{Asked, Row, State, Weight, find, give_up, list, retry, retry_receiver, weigh};
pub use self::settling::{Note, Outcome, settle};
use super::db::{Cells, Conn, Database, LIST, Record, Result, Tx, corrupt};
use crate::domain::language::Language;
use crate::domain::mail::{Address, Mail, Template};
use crate::domain::ssf::event::SecurityEvent;
use crate::kernel::id::{ChangeId, EntryId, InvitationId, OutboxId, UserId};
use crate::kernel::time::UnixMillis;

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Message {
    /// A logout token (OpenID Connect Back-Channel Logout 1.0 §2.4) for one entry of one person.
    BackchannelLogout {
        /// The `sub`.
        user: UserId,
        /// The `sid`.
        sid: EntryId,
    },
    /// An event that a rule of alerts tells of by a signed POST.
    Webhook {
        /// What is posted.
        event: Value,
    },
    /// An event of a stream (RFC 8417).
    SecurityEvent(Box<SecurityEvent>),
    /// A message to a person, by mail or to a phone.
    Mail(Box<Mail>),
    /// What this build has no word for: a newer node's.
    #[serde(other)]
    Unknown,
}

impl Message {
    /// The word in the database.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::BackchannelLogout { .. } => "backchannel_logout",
            Self::Webhook { .. } => "webhook",
            Self::SecurityEvent(_) => "security_event",
            Self::Mail(_) => "mail",
            Self::Unknown => "unknown",
        }
    }

    /// What is kept of it once it is done: no link, no word that somebody typed, and of an event no more than what
    /// happened.
    fn done(&self) -> Option<Self> {
        match self {
            Self::Mail(mail) => {
                Some(Self::Mail(Box::new(Mail { values: BTreeMap::new(), sealed: None, ..Mail::clone(mail) })))
            }
            Self::SecurityEvent(event) => {
                let left = SecurityEvent { kind: event.kind, sub_id: Value::Null, body: Map::new() };
                Some(Self::SecurityEvent(Box::new(left)))
            }
            Self::BackchannelLogout { .. } | Self::Webhook { .. } | Self::Unknown => None,
        }
    }
}

/// A row to be written.
#[derive(Clone, Debug)]
pub struct NewRow {
    /// Its id; the logout token's `jti` is made of it and the attempt.
    pub id: OutboxId,
    /// Who is told: an application's id, a stream's, an alert's, or an address.
    pub receiver: String,
    /// The change that it comes from, if one.
    pub change: Option<ChangeId>,
    /// What is told.
    pub message: Message,
}

/// Writes a row, due at once.
///
/// # Errors
/// The database's.
pub async fn put(tx: &mut Tx, row: &NewRow, now: UnixMillis) -> Result<()> {
    insert(tx, row, None, now, now).await
}

/// So many characters has the id of a row, and that of an application or a stream: a prefix of four, and 26.
const ID: usize = 30;

/// Writes rows for applications or streams, due at once, however many with a few statements.
///
/// # Errors
/// The database's; a receiver that is no id of ours.
pub async fn put_many(tx: &mut Tx, rows: &[NewRow], now: UnixMillis) -> Result<()> {
    insert_many(tx, rows, now, now).await
}

async fn insert_many(tx: &mut Tx, rows: &[NewRow], due: UnixMillis, now: UnixMillis) -> Result<()> {
    let mut groups: BTreeMap<(&str, Option<&str>), Vec<String>> = BTreeMap::new();
    for row in rows {
        if row.receiver.len() != ID || row.id.as_str().len() != ID {
            return Err(corrupt("a receiver that is no id"));
        }
        let text = format!("{}{}{}", row.id, row.receiver, text_of(&row.message)?);
        let change = row.change.as_ref().map(ChangeId::as_str);
        groups.entry((row.message.kind(), change)).or_default().push(text);
    }
    for ((kind, change), texts) in groups {
        for chunk in texts.chunks(LIST) {
            tx.query_in(
                "WITH given (v) AS (@)
                 INSERT INTO outbox (id, kind, receiver, change_id, payload, state, attempts, next_at, leased_until,
                   created_at)
                 SELECT SUBSTR(v, 1, 30), $$1, SUBSTR(v, 31, 30), $$2, SUBSTR(v, 61), 'waiting', 0, $$3, 0, $$4
                 FROM given",
                chunk,
            )
            .bind(kind.to_owned())
            .bind(change.map(str::to_owned))
            .bind(due.0)
            .bind(now.0)
            .execute()
            .await?;
        }
    }
    Ok(())
}

/// Writes a message to a person, due at once. What becomes of it is told to the invitation that it belongs to.
///
/// # Errors
/// The database's.
pub async fn put_mail(
    tx: &mut Tx,
    mail: Mail,
    change: Option<&ChangeId>,
    invitation: Option<&InvitationId>,
    now: UnixMillis,
) -> Result<OutboxId> {
    let row = NewRow {
        id: OutboxId::fresh(),
        receiver: mail.to.as_str().to_owned(),
        change: change.cloned(),
        message: Message::Mail(Box::new(mail)),
    };
    insert(tx, &row, invitation, now, now).await?;
    Ok(row.id)
}

async fn insert(
    tx: &mut Tx,
    row: &NewRow,
    invitation: Option<&InvitationId>,
    due: UnixMillis,
    now: UnixMillis,
) -> Result<()> {
    tx.query(
        "INSERT INTO outbox (id, kind, receiver, change_id, payload, state, attempts, next_at, leased_until, created_at,
           invitation_id)
         VALUES ($1, $2, $3, $4, $5, 'waiting', 0, $6, 0, $7, $8)",
    )
    .bind(row.id.as_str().to_owned())
    .bind(row.message.kind())
    .bind(row.receiver.clone())
    .bind(row.change.as_ref().map(|id| id.as_str().to_owned()))
    .bind(text_of(&row.message)?)
    .bind(due.0)
    .bind(now.0)
    .bind(invitation.map(|id| id.as_str().to_owned()))
    .execute()
    .await
    .map(|_| ())
}

fn text_of(message: &Message) -> Result<String> {
    serde_json::to_string(message).map_err(|e| corrupt(&e.to_string()))
}

/// How many mails wait for an address.
///
/// # Errors
/// The database's.
pub async fn waiting_mail(conn: &mut Conn, address: &str) -> Result<i64> {
    let (count,): (i64,) = conn
        .query("SELECT COUNT(*) FROM outbox WHERE receiver = $1 AND state = 'waiting' AND kind = 'mail'")
        .bind(address.to_owned())
        .one()
        .await?;
    Ok(count)
}

/// A leased row.
#[derive(Clone, Debug)]
pub struct Leased {
    /// Its id.
    pub id: OutboxId,
    /// Who is told: an application's id, a stream's, an alert's, or an address.
    pub receiver: String,
    /// What is told.
    pub message: Message,
    /// How often it was tried, this time included.
    pub attempts: i64,
    /// When it was written.
    pub created_at: UnixMillis,
    /// The invitation whose mail it is.
    pub invitation: Option<InvitationId>,
    /// The change that it comes from.
    pub change: Option<ChangeId>,
    /// When it was tried first; `None` the first time.
    pub first_sent_at: Option<UnixMillis>,
    /// When it was leased, by this node's clock.
    pub leased_at: UnixMillis,
}

impl Record for Leased {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let id = OutboxId::trusted(cells.take()?);
        let receiver: String = cells.take()?;
        let payload: String = cells.take()?;
        let message = message_of(&receiver, &payload);
        let (attempts, created_at) = (cells.take()?, UnixMillis(cells.take()?));
        let invitation = cells.take::<Option<String>>()?.map(InvitationId::trusted);
        let change = cells.take::<Option<String>>()?.map(ChangeId::trusted);
        let first_sent_at = cells.take::<Option<i64>>()?.map(UnixMillis);
        let leased_at = UnixMillis::MIN;
        Ok(Self { id, receiver, message, attempts, created_at, invitation, change, first_sent_at, leased_at })
    }
}

/// What a row tells. One that can't be read holds up no other.
fn message_of(receiver: &str, payload: &str) -> Message {
    let Ok(payload) = serde_json::from_str::<Value>(payload) else { return Message::Unknown };
    match earlier(receiver, &payload) {
        Some(mail) => Message::Mail(Box::new(mail)),
        None => serde_json::from_value(payload).unwrap_or(Message::Unknown),
    }
}

/// The mail of an alert as it was written before there were templates: the rule's name and the event.
fn earlier(receiver: &str, payload: &Value) -> Option<Mail> {
    let rule = payload.get("rule").filter(|_| payload["kind"] == "mail")?.as_str()?;
    let event = &payload["event"];
    let words = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        _ => String::new(),
    };
    let named = [("event", "kinds"), ("actor", "actor"), ("action", "action"), ("outcome", "outcome"), ("at", "at")];
    let mut values: BTreeMap<String, String> =
        named.iter().map(|(name, key)| ((*name).to_owned(), words(&event[*key]))).collect();
    values.insert("rule".to_owned(), rule.to_owned());
    let org = event["org"].as_str().and_then(|id| id.parse().ok());
    let to = Address::Email(receiver.to_owned());
    Some(Mail { template: Template::Alert, to, language: Language::default(), org, values, sealed: None })
}

/// Which rows are leased: a mail server that is slow must not hold up what applications are to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Logout tokens and webhooks, the ones that are due longest.
    Calls,
    /// Events of streams: of each stream the oldest, and none while one of it is under way or put off. One that is held
    /// keeps none back: what is said of a paused stream is said at once.
    Events,
    /// Messages to people.
    Mail,
}

// What is to be leased is found first, and on PostgreSQL locked, passing over what another worker leases at this moment: so
// two of them share the work, and never wait for each other.

const LEASE_CALLS: &str = "WITH found AS (SELECT id FROM outbox
                    WHERE state = 'waiting' AND kind <> 'mail' AND kind <> 'security_event' AND next_at <= $$1
                      AND leased_until <= $$1 AND receiver NOT IN (@) ORDER BY next_at LIMIT $$2 [free])
     UPDATE outbox SET leased_until = $$3, next_at = $$3, attempts = attempts + 1
     WHERE id IN (SELECT id FROM found) AND state = 'waiting' AND next_at <= $$1 AND leased_until <= $$1
     RETURNING id, receiver, payload, attempts, created_at, invitation_id, change_id, first_sent_at";

// The inner statements are answered by an index alone, and the receivers with something under way are found once, not for
// each row: a stream may have very much waiting.
const LEASE_EVENTS: &str = "WITH found AS (SELECT b.id FROM outbox b
                    WHERE b.state = 'waiting' AND b.kind = 'security_event' AND b.next_at <= $$1 AND b.receiver NOT IN (@)
                      AND b.receiver NOT IN (SELECT w.receiver FROM outbox w
                        WHERE w.state = 'waiting' AND w.kind = 'security_event' AND w.next_at > $$1
                          AND w.next_at < 9223372036854775807)
                    ORDER BY b.id LIMIT $$2)
     UPDATE outbox SET leased_until = $$3, next_at = $$3, attempts = attempts + 1
     WHERE id IN (SELECT id FROM found) AND state = 'waiting' AND next_at <= $$1 AND leased_until <= $$1
     RETURNING id, receiver, payload, attempts, created_at, invitation_id, change_id, first_sent_at";

const LEASE_MAIL: &str = "WITH found AS (SELECT id FROM outbox
                    WHERE state = 'waiting' AND kind = 'mail' AND next_at <= $$1 AND leased_until <= $$1
                      AND receiver NOT IN (@) ORDER BY next_at LIMIT $$2 [free])
     UPDATE outbox SET leased_until = $$3, next_at = $$3, attempts = attempts + 1
     WHERE id IN (SELECT id FROM found) AND state = 'waiting' AND next_at <= $$1 AND leased_until <= $$1
     RETURNING id, receiver, payload, attempts, created_at, invitation_id, change_id, first_sent_at";

/// What is to be leased.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Which rows.
    pub which: Which,
    /// How many at most.
    pub count: i64,
    /// Receivers of whom none is wanted now.
    pub without: Vec<String>,
    /// Until when nobody else gets them.
    pub until: UnixMillis,
}

/// Leases due rows, in the order of their writing; nobody else gets them before the lease ends.
///
/// # Errors
/// The database's.
pub async fn lease(db: &Database, claim: Claim, now: UnixMillis) -> Result<Vec<Leased>> {
    let leased: Result<Vec<Leased>> = db
        .write(move |tx| {
            Box::pin(async move {
                let sql = match claim.which {
                    Which::Calls => LEASE_CALLS,
                    Which::Mail => LEASE_MAIL,
                    Which::Events => {
                        // Two workers at once could each take a part of a stream: what was not committed yet is no
                        // earlier row for the other. So they take turns.
                        tx.query("UPDATE instance SET value = value WHERE name = 'outbox_turn'").execute().await?;
                        LEASE_EVENTS
                    }
                };
                // The guard stands outside the sub-select too: on PostgreSQL whoever waited for a row sees what became of
                // it meanwhile.
                tx.query_in(sql, &claim.without).bind(now.0).bind(claim.count).bind(claim.until.0).all().await
            })
        })
        .await;
    let mut rows = leased?;
    rows.sort_by(|one, other| one.id.cmp(&other.id));
    for row in &mut rows {
        row.leased_at = now;
    }
    Ok(rows)
}

/// How many rows wait, were sent, and were given up.
///
/// # Errors
/// The database's.
pub async fn counts(conn: &mut Conn) -> Result<(i64, i64, i64)> {
    let rows: Vec<(String, i64)> = conn.query("SELECT state, COUNT(*) FROM outbox GROUP BY state").all().await?;
    Ok(by_state(&rows))
}

/// The same of messages to people alone.
///
/// # Errors
/// The database's.
pub async fn counts_of_mail(conn: &mut Conn) -> Result<(i64, i64, i64)> {
    let rows: Vec<(String, i64)> =
        conn.query("SELECT state, COUNT(*) FROM outbox WHERE kind = 'mail' GROUP BY state").all().await?;
    Ok(by_state(&rows))
}

fn by_state(rows: &[(String, i64)]) -> (i64, i64, i64) {
    let of = |state: &str| rows.iter().find(|(s, _)| s == state).map_or(0, |(_, n)| *n);
    (of("waiting"), of("sent"), of("given_up"))
}

/// When the next row of each sort is due, if one waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// A logout token or a webhook.
    pub calls: Option<UnixMillis>,
    /// An event of a stream.
    pub events: Option<UnixMillis>,
    /// A message to a person.
    pub mail: Option<UnixMillis>,
}

/// When the next rows are due.
///
/// # Errors
/// The database's.
pub async fn next_due(conn: &mut Conn) -> Result<Due> {
    let (calls, events, mail): (Option<i64>, Option<i64>, Option<i64>) = conn
        .query(
            "SELECT (SELECT next_at FROM outbox WHERE state = 'waiting' AND kind <> 'mail' AND kind <> 'security_event'
                       ORDER BY next_at LIMIT 1),
                    (SELECT next_at FROM outbox WHERE state = 'waiting' AND kind = 'security_event'
                       ORDER BY next_at LIMIT 1),
                    (SELECT next_at FROM outbox WHERE state = 'waiting' AND kind = 'mail' ORDER BY next_at LIMIT 1)",
        )
        .one()
        .await?;
    Ok(Due { calls: calls.map(UnixMillis), events: events.map(UnixMillis), mail: mail.map(UnixMillis) })
}

/// Whether something that a change has to tell waits still.
///
/// # Errors
/// The database's.
pub async fn waits(conn: &mut Conn, change: &ChangeId) -> Result<bool> {
    let row: Option<(String,)> = conn
        .query("SELECT id FROM outbox WHERE change_id = $1 AND state = 'waiting' LIMIT 1")
        .bind(change.as_str().to_owned())
        .optional()
        .await?;
    Ok(row.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail() -> Mail {
        Mail {
            template: Template::Invitation,
            to: Address::Email("ana@acme.test".to_owned()),
            language: Language::Ko,
            org: Some("org_00000000000000000000000000".parse().unwrap()),
            values: BTreeMap::from([("name".to_owned(), "Ana".to_owned())]),
            sealed: Some("sealed".to_owned()),
        }
    }

    #[test]
    fn a_message_is_read_as_it_was_written_and_a_done_one_keeps_no_word_of_it() {
        let message = Message::Mail(Box::new(mail()));
        let text = text_of(&message).unwrap();
        // A change's deliveries are found by this piece of text.
        assert!(text.contains("\"org\":\"org_00000000000000000000000000\""), "{text}");
        let payload: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(earlier("ana@acme.test", &payload), None);
        assert_eq!(serde_json::from_value::<Message>(payload).unwrap(), message);
        let left = text_of(&message.done().unwrap()).unwrap();
        assert!(!left.contains("sealed\":\"") && !left.contains("Ana") && left.contains("org_0000"), "{left}");
    }

    #[test]
    fn an_event_keeps_nobody_once_it_is_done_and_what_is_not_understood_holds_up_nothing() {
        let event = SecurityEvent {
            kind: crate::domain::ssf::event::EventType::SessionRevoked,
            sub_id: serde_json::json!({ "format": "opaque", "id": "usr_1" }),
            body: Map::from_iter([("reason_admin".to_owned(), Value::from("Ana left"))]),
        };
        let message = Message::SecurityEvent(Box::new(event));
        let text = text_of(&message).unwrap();
        assert_eq!(message_of("ssf_1", &text), message);
        let left = text_of(&message.done().unwrap()).unwrap();
        assert!(left.contains("session") && !left.contains("usr_1") && !left.contains("Ana"), "{left}");
        for strange in ["{\"kind\":\"fax\",\"to\":1}", "{\"kind\":\"webhook\"}", "no JSON", "[]"] {
            assert_eq!(message_of("app_1", strange), Message::Unknown, "{strange}");
        }
    }

    #[test]
    fn ids_are_as_long_as_the_statement_that_writes_many_rows_takes_them_to_be() {
        use crate::kernel::id::{ApplicationId, StreamId};
        assert_eq!(OutboxId::fresh().as_str().len(), ID);
        assert_eq!((ApplicationId::fresh().as_str().len(), StreamId::fresh().as_str().len()), (ID, ID));
    }

    #[test]
    fn an_alert_from_before_there_were_templates_is_still_understood() {
        let event = serde_json::json!({
            "type": "org.audit", "org": "org_00000000000000000000000000", "at": "2025-05-03T14:00:00Z",
            "kinds": ["group.delete", "group.put"], "actor": "user:ana", "action": "group deleted", "outcome": "accepted",
        });
        let payload = serde_json::json!({ "kind": "mail", "rule": "watch", "event": event });
        let mail = earlier("ops@acme.test", &payload).unwrap();
        assert_eq!((mail.template, mail.to.as_str()), (Template::Alert, "ops@acme.test"));
        assert_eq!(mail.values["rule"], "watch");
        assert_eq!(mail.values["event"], "group.delete, group.put");
        assert!(mail.org.is_some());
    }
}
