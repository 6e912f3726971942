//! The outbox: what must still be told to somebody outside. Rows are leased, so that several nodes can share the work.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::db::{Cells, Conn, Database, Record, Result, Tx, corrupt};
use crate::domain::language::Language;
use crate::domain::mail::{Address, Mail, Template};
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
    /// A message to a person, by mail or to a phone.
    Mail(Box<Mail>),
}

impl Message {
    /// The word in the database.
    const fn kind(&self) -> &'static str {
        match self {
            Self::BackchannelLogout { .. } => "backchannel_logout",
            Self::Webhook { .. } => "webhook",
            Self::Mail(_) => "mail",
        }
    }

    /// What is kept of it once it is done: no link and no word that somebody typed.
    fn done(&self) -> Option<Self> {
        let Self::Mail(mail) = self else { return None };
        Some(Self::Mail(Box::new(Mail { values: BTreeMap::new(), sealed: None, ..Mail::clone(mail) })))
    }
}

/// A row to be written.
#[derive(Clone, Debug)]
pub struct NewRow {
    /// Its id; the logout token's `jti` is made of it and the attempt.
    pub id: OutboxId,
    /// Who is told: an application's id, an alert's id, or an address.
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
    insert(tx, row, None, now).await
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
    insert(tx, &row, invitation, now).await?;
    Ok(row.id)
}

async fn insert(tx: &mut Tx, row: &NewRow, invitation: Option<&InvitationId>, now: UnixMillis) -> Result<()> {
    tx.query(
        "INSERT INTO outbox (id, kind, receiver, change_id, payload, state, attempts, next_at, leased_until, created_at,
           invitation_id)
         VALUES ($1, $2, $3, $4, $5, 'waiting', 0, $6, 0, $6, $7)",
    )
    .bind(row.id.as_str().to_owned())
    .bind(row.message.kind())
    .bind(row.receiver.clone())
    .bind(row.change.as_ref().map(|id| id.as_str().to_owned()))
    .bind(text_of(&row.message)?)
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
    /// Who is told: an application's id, an alert's id, or an address.
    pub receiver: String,
    /// What is told.
    pub message: Message,
    /// How often it was tried, this time included.
    pub attempts: i64,
    /// When it was written.
    pub created_at: UnixMillis,
    /// The invitation whose mail it is.
    pub invitation: Option<InvitationId>,
}

impl Record for Leased {
    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        let id = OutboxId::trusted(cells.take()?);
        let receiver: String = cells.take()?;
        let payload: Value = cells.json()?;
        let message = match earlier(&receiver, &payload) {
            Some(mail) => Message::Mail(Box::new(mail)),
            None => serde_json::from_value(payload).map_err(|_| corrupt("payload of a row of the outbox"))?,
        };
        let (attempts, created_at) = (cells.take()?, UnixMillis(cells.take()?));
        let invitation = cells.take::<Option<String>>()?.map(InvitationId::trusted);
        Ok(Self { id, receiver, message, attempts, created_at, invitation })
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
    /// Logout tokens and webhooks.
    Calls,
    /// Messages to people.
    Mail,
}

/// Leases at most `count` due rows until `until`; nobody else gets them before.
///
/// # Errors
/// The database's.
pub async fn lease(db: &Database, which: Which, count: i64, now: UnixMillis, until: UnixMillis) -> Result<Vec<Leased>> {
    db.write(move |tx| {
        Box::pin(async move {
            // The guard stands outside the sub-select too: on PostgreSQL a second worker waits for the row, then sees
            // that it was leased meanwhile.
            tx.query(
                "UPDATE outbox SET leased_until = $3, attempts = attempts + 1
                 WHERE id IN (SELECT id FROM outbox WHERE state = 'waiting' AND (kind = 'mail') = $4 AND next_at <= $1
                                AND leased_until <= $1 ORDER BY next_at LIMIT $2)
                   AND state = 'waiting' AND leased_until <= $1
                 RETURNING id, receiver, payload, attempts, created_at, invitation_id",
            )
            .bind(now.0)
            .bind(count)
            .bind(until.0)
            .bind(which == Which::Mail)
            .all()
            .await
        })
    })
    .await
}

/// What came of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it.
    Sent(String),
    /// It is tried again at this moment.
    Later(UnixMillis, String),
    /// It is not tried again.
    GivenUp(String),
}

/// Notes what came of some deliveries. What a done message said is not kept.
///
/// # Errors
/// The database's.
pub async fn settle(db: &Database, outcomes: Vec<(Leased, Outcome)>, now: UnixMillis) -> Result<()> {
    db.write(move |tx| {
        Box::pin(async move {
            for (row, outcome) in outcomes {
                let (state, next_at, answer, done) = match outcome {
                    Outcome::Sent(answer) => ("sent", now, answer, Some(now.0)),
                    Outcome::Later(at, answer) => ("waiting", at, answer, None),
                    Outcome::GivenUp(answer) => ("given_up", now, answer, Some(now.0)),
                };
                let left = row.message.done().filter(|_| done.is_some());
                tx.query(
                    "UPDATE outbox SET state = $2, next_at = $3, last_answer = $4, done_at = $5, leased_until = 0,
                       payload = COALESCE($6, payload)
                     WHERE id = $1 AND state = 'waiting'",
                )
                .bind(row.id.into_string())
                .bind(state)
                .bind(next_at.0)
                .bind(answer)
                .bind(done)
                .bind(left.as_ref().map(text_of).transpose()?)
                .execute()
                .await?;
            }
            Ok(())
        })
    })
    .await
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

/// When the next row is due that nobody has leased, of each sort, if one waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// A logout token or a webhook.
    pub calls: Option<UnixMillis>,
    /// A message to a person.
    pub mail: Option<UnixMillis>,
}

/// When the next rows are due.
///
/// # Errors
/// The database's.
pub async fn next_due(conn: &mut Conn) -> Result<Due> {
    let row: Option<(Option<i64>, Option<i64>)> = conn
        .query(
            "SELECT MIN(CASE WHEN kind = 'mail' THEN NULL WHEN leased_until > next_at THEN leased_until ELSE next_at END),
                    MIN(CASE WHEN kind <> 'mail' THEN NULL WHEN leased_until > next_at THEN leased_until ELSE next_at END)
             FROM outbox WHERE state = 'waiting'",
        )
        .optional()
        .await?;
    let (calls, mail) = row.unwrap_or_default();
    Ok(Due { calls: calls.map(UnixMillis), mail: mail.map(UnixMillis) })
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
