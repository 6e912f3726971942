//! Appends to the audit record, and puts a message into the outbox for every alert rule that the row fits.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Refusal;
use crate::domain::alert::{Channel, Seen};
use crate::domain::change::Change;
use crate::domain::language::Language;
use crate::domain::mail::{Address, Mail, Template};
use crate::flows::audit::moment;
use crate::kernel::id::{AuditId, OrgId, OutboxId};
use crate::outside::relying_party::{RelyingParty, SendError};
use crate::store::alerts;
use crate::store::audit::{self, Entry};
use crate::store::db::{Result, Tx};
use crate::store::outbox::{self, Message, NewRow};

/// So many holders of `alert.admin` are told by mail at most.
const MOST_RECIPIENTS: i64 = 100;
/// So many mails wait for one address at most.
const MOST_WAITING: i64 = 20;

/// Refuses a webhook at an address that may not be called. No name is looked up here: that is done at each call.
pub fn check_address(relying_party: &RelyingParty, change: &Change) -> std::result::Result<(), Refusal> {
    let Change::PutAlert { alert, .. } = change else { return Ok(()) };
    let Channel::Webhook { url } = &alert.rule.channel else { return Ok(()) };
    relying_party.may_call(url).map_err(|error| {
        let reason = match error {
            SendError::Refused => "Use an https address on the public internet; the operator can list others.",
            _ => "Write an https address without a user name in it.",
        };
        Refusal::Invalid { field: "channel.url", reason: reason.to_owned() }
    })
}

/// Appends a row and rings whom the organisation's rules name.
///
/// # Errors
/// The database's.
pub async fn append(tx: &mut Tx, entry: &Entry<'_>) -> Result<()> {
    ring(tx, entry).await.map(|_| ())
}

/// As [`append`], for what somebody must hear of whatever the rules say: those who hold `alert.admin` get a mail, and
/// where nobody does, those who manage the organisation's identities. Whom a rule has told is not told twice.
///
/// # Errors
/// The database's.
pub async fn append_alarm(tx: &mut Tx, entry: &Entry<'_>) -> Result<()> {
    let told = ring(tx, entry).await?;
    let Some(org) = entry.org else { return Ok(()) };
    let mut to = alerts::addresses_of_admins(tx, org, entry.at, MOST_RECIPIENTS).await?;
    if to.is_empty() {
        let managers = alerts::managers(tx, org, entry.at, MOST_RECIPIENTS).await?;
        to = managers.into_iter().map(|(_, email)| email).collect();
    }
    write_to(tx, to.into_iter().filter(|address| !told.contains(address)).collect(), ("", org), entry).await
}

/// Appends a row and rings whom the rules name; the addresses that get a mail.
async fn ring(tx: &mut Tx, entry: &Entry<'_>) -> Result<BTreeSet<String>> {
    let mut told = BTreeSet::new();
    let (Some(id), Some(org)) = (audit::append(tx, entry).await?, entry.org) else {
        return Ok(told);
    };
    let seen = Seen { kinds: entry.kinds, accepted: entry.accepted, actor: entry.actor, targets: entry.targets };
    for alert in alerts::active(tx, org).await? {
        if !alert.rule.filter.fits(&seen) {
            continue;
        }
        match alert.rule.channel {
            Channel::Webhook { .. } => {
                let message = Message::Webhook { event: event(&id, org, entry) };
                let receiver = alert.id.into_string();
                let row = NewRow { id: OutboxId::fresh(), receiver, change: entry.change.cloned(), message };
                outbox::put(tx, &row, entry.at).await?;
            }
            Channel::Mail { mut to } => {
                if to.is_empty() {
                    to = alerts::addresses_of_admins(tx, org, entry.at, MOST_RECIPIENTS).await?;
                }
                told.extend(to.iter().cloned());
                write_to(tx, to, (alert.name.as_str(), org), entry).await?;
            }
        }
    }
    Ok(told)
}

async fn write_to(tx: &mut Tx, to: Vec<String>, (rule, org): (&str, &OrgId), entry: &Entry<'_>) -> Result<()> {
    for address in to {
        if outbox::waiting_mail(tx, &address).await? >= MOST_WAITING {
            continue; // whoever has not got the twenty before is not helped by one more
        }
        outbox::put_mail(tx, mail(rule, address, org, entry), entry.change, None, entry.at).await?;
    }
    Ok(())
}

/// What somebody is told by mail; without a rule's name where none fitted. Its language is the organisation's, which is
/// read when it is sent.
fn mail(rule: &str, address: String, org: &OrgId, entry: &Entry<'_>) -> Mail {
    let said = [
        ("rule", rule.to_owned()),
        ("event", entry.kinds.join(", ")),
        ("actor", entry.actor.to_owned()),
        ("action", entry.action.to_owned()),
        ("outcome", entry.outcome().to_owned()),
        ("at", entry.at.to_string()),
    ];
    let values: BTreeMap<String, String> = said.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let (to, language) = (Address::Email(address), Language::default());
    Mail { template: Template::Alert, to, language, org: Some(org.clone()), values, sealed: None }
}

/// What is told of a row: what happened and to whom, and where to read more.
fn event(id: &AuditId, org: &OrgId, entry: &Entry<'_>) -> Value {
    json!({
        "type": "org.audit",
        "id": id,
        "org": org,
        "at": moment(entry.at),
        "kinds": entry.kinds,
        "actor": entry.actor,
        "action": entry.action,
        "outcome": entry.outcome(),
        "targets": entry.targets,
        "change": entry.change,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::domain::audit::{ALARMS, KINDS, REQUEST_DENIED};

    /// The words that `describe::kind` has, read from its text: a change can't be made of nothing.
    #[test]
    fn every_kind_of_change_is_one_that_a_rule_can_name() {
        let text = include_str!("describe.rs");
        let body = text.split("fn kind(").nth(1).and_then(|rest| rest.split("\n}").next()).unwrap();
        let arms = body.lines().filter_map(|line| line.trim().strip_suffix("\",")?.rsplit_once("=> \""));
        let said: BTreeSet<&str> = arms.map(|(_, kind)| kind).collect();
        let mut listed: BTreeSet<&str> = KINDS.iter().copied().collect();
        assert_eq!(listed.len(), KINDS.len(), "each once");
        assert!(listed.remove(REQUEST_DENIED));
        assert!(ALARMS.iter().all(|alarm| listed.remove(alarm)));
        // What is done to a delivery alters nobody's access.
        assert!(["delivery.retry", "delivery.give_up"].iter().all(|kind| listed.remove(kind)));
        // What only expects a version is not recorded as done.
        listed.insert("org.expect_version");
        listed.insert("group.expect_version");
        assert_eq!(said, listed);
    }
}
