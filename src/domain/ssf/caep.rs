//! The events of CAEP 1.0 that are sent, and whom they are about (RFC 9493, SSF 1.0 §3).

use serde_json::{Map, Value, json};

use super::event::{EventType, SecurityEvent};
use crate::domain::oauth::words;
use crate::kernel::id::{EntryId, OrgId, UserId};
use crate::kernel::time::UnixMillis;

/// So many characters of a reason are told.
const LONGEST_REASON: usize = 200;

words! {
    /// Who brought an event about (CAEP 1.0 §2, `initiating_entity`).
    pub enum Initiator {
        /// An administrator, or a tool of one.
        Admin = "admin",
        /// The person whom it is about.
        User = "user",
        /// A rule: a time that is over, a limit that is reached.
        Policy = "policy",
        /// A program: Muster itself, a directory, an application.
        System = "system",
    }
}

words! {
    /// What became of a credential (CAEP 1.0 §3.3.1, `change_type`).
    pub enum ChangeType {
        /// There was none, and now there is one.
        Create = "create",
        /// It is good for nothing any more, though it is there.
        Revoke = "revoke",
        /// Another took its place.
        Update = "update",
        /// It is gone.
        Delete = "delete",
    }
}

words! {
    /// What kind of credential (CAEP 1.0 §3.3.1, `credential_type`; the last two are our own words).
    pub enum Credential {
        /// A password.
        Password = "password",
        /// An app that shows codes.
        App = "app",
        /// A passkey, wherever its authenticator keeps it.
        Passkey = "fido2-roaming",
        /// Codes that are sent to a phone.
        PhoneSms = "phone-sms",
        /// Codes that are mailed.
        Email = "email",
        /// Recovery codes.
        RecoveryCode = "recovery-code",
    }
}

/// What every event says besides (CAEP 1.0 §2).
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// When it happened.
    pub at: UnixMillis,
    /// Who brought it about.
    pub initiator: Initiator,
    /// Why, for the application's administrators.
    pub reason: Option<&'f str>,
}

impl Facts<'_> {
    fn put(&self, mut body: Map<String, Value>) -> Map<String, Value> {
        body.insert("event_timestamp".to_owned(), self.at.seconds().into());
        body.insert("initiating_entity".to_owned(), self.initiator.as_str().into());
        if let Some(reason) = self.reason.filter(|reason| !reason.is_empty()) {
            let reason: String = reason.chars().take(LONGEST_REASON).collect();
            body.insert("reason_admin".to_owned(), json!({ "en": reason }));
        }
        body
    }
}

/// A person, wherever they are signed in.
#[must_use]
pub fn person(issuer: &str, user: &UserId) -> Value {
    json!({ "format": "iss_sub", "iss": issuer, "sub": user.as_str() })
}

/// A person in an organisation.
#[must_use]
pub fn member(issuer: &str, user: &UserId, org: &OrgId) -> Value {
    json!({ "format": "complex", "user": person(issuer, user), "tenant": opaque(org.as_str()) })
}

/// One session of a person, by its `sid`; in an organisation, if it is of one.
#[must_use]
pub fn session(issuer: &str, user: &UserId, sid: &EntryId, org: Option<&OrgId>) -> Value {
    let mut subject = json!({ "format": "complex", "user": person(issuer, user), "session": opaque(sid.as_str()) });
    if let Some(org) = org {
        subject["tenant"] = opaque(org.as_str());
    }
    subject
}

fn opaque(id: &str) -> Value {
    json!({ "format": "opaque", "id": id })
}

/// A session is over (CAEP 1.0 §3.1).
#[must_use]
pub fn session_revoked(sub_id: Value, facts: &Facts<'_>) -> SecurityEvent {
    SecurityEvent { kind: EventType::SessionRevoked, sub_id, body: facts.put(Map::new()) }
}

/// Tokens that are out say something else by now; `claims` is what the next ones say (CAEP 1.0 §3.2).
#[must_use]
pub fn token_claims_change(sub_id: Value, claims: Map<String, Value>, facts: &Facts<'_>) -> SecurityEvent {
    let body = Map::from_iter([("claims".to_owned(), Value::Object(claims))]);
    SecurityEvent { kind: EventType::TokenClaimsChange, sub_id, body: facts.put(body) }
}

/// A person's credential is another one, the first one, or gone (CAEP 1.0 §3.3).
#[must_use]
pub fn credential_change(
    sub_id: Value,
    credential: Credential,
    change: ChangeType,
    facts: &Facts<'_>,
) -> SecurityEvent {
    let body = [("credential_type", credential.as_str()), ("change_type", change.as_str())];
    let body = body.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    SecurityEvent { kind: EventType::CredentialChange, sub_id, body: facts.put(body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts<'_> =
        Facts { at: UnixMillis(1_700_000_000_999), initiator: Initiator::Admin, reason: Some("remove member") };

    #[test]
    fn a_session_is_named_by_person_sid_and_organisation() {
        let (user, sid, org) = (UserId::from_u128(1), EntryId::from_u128(2), OrgId::from_u128(3));
        let subject = session("https://id.example", &user, &sid, Some(&org));
        let expected = json!({
            "format": "complex",
            "user": { "format": "iss_sub", "iss": "https://id.example", "sub": user },
            "session": { "format": "opaque", "id": sid },
            "tenant": { "format": "opaque", "id": org },
        });
        assert_eq!(subject, expected);
        assert!(session("https://id.example", &user, &sid, None).get("tenant").is_none());
    }

    #[test]
    fn an_event_says_when_who_and_why_in_the_words_of_caep() {
        let event = session_revoked(person("https://id.example", &UserId::from_u128(1)), &FACTS);
        let expected = json!({
            "event_timestamp": 1_700_000_000, "initiating_entity": "admin", "reason_admin": { "en": "remove member" },
        });
        assert_eq!((event.kind, Value::Object(event.body)), (EventType::SessionRevoked, expected));
        for silent in [None, Some("")] {
            let event = session_revoked(Value::Null, &Facts { reason: silent, ..FACTS });
            assert!(!event.body.contains_key("reason_admin"));
        }
        let long = "é".repeat(LONGEST_REASON + 1);
        let event = session_revoked(Value::Null, &Facts { reason: Some(&long), ..FACTS });
        assert_eq!(event.body["reason_admin"]["en"].as_str().map(|text| text.chars().count()), Some(LONGEST_REASON));
    }

    #[test]
    fn a_password_and_claims_are_told_with_what_the_standard_requires() {
        let event = credential_change(Value::Null, Credential::Password, ChangeType::Update, &FACTS);
        assert_eq!(event.kind, EventType::CredentialChange);
        assert_eq!(
            (&event.body["credential_type"], &event.body["change_type"]),
            (&json!("password"), &json!("update"))
        );
        let claims = Map::from_iter([("org_roles".to_owned(), json!([]))]);
        let event = token_claims_change(Value::Null, claims, &FACTS);
        assert_eq!((event.kind, &event.body["claims"]), (EventType::TokenClaimsChange, &json!({ "org_roles": [] })));
    }
}
