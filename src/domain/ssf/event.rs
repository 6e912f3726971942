//! What a stream tells of, and the claims of the token that tells it (RFC 8417, SSF 1.0 §4).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::domain::oauth::words;
use crate::kernel::id::StreamId;
use crate::kernel::time::UnixMillis;

/// The `typ` of its JOSE header (RFC 8417 §2.3).
pub const TYP: &str = "secevent+jwt";

words! {
    /// What happened.
    pub enum EventType {
        /// A session is over (CAEP 1.0 §3.1).
        SessionRevoked = "session-revoked",
        /// Claims of tokens that are out are not what they were (CAEP 1.0 §3.2).
        TokenClaimsChange = "token-claims-change",
        /// What a person proves themself with has changed (CAEP 1.0 §3.3).
        CredentialChange = "credential-change",
        /// The receiver tries its stream (SSF 1.0 §8.1.4).
        Verification = "verification",
        /// We changed the stream's status (SSF 1.0 §8.1.5).
        StreamUpdated = "stream-updated",
    }
}

impl EventType {
    /// Those that a receiver may ask for, in the order in which they are offered.
    pub const OFFERED: [Self; 3] = [Self::SessionRevoked, Self::CredentialChange, Self::TokenClaimsChange];

    /// Its name on the wire.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::SessionRevoked => "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
            Self::TokenClaimsChange => "https://schemas.openid.net/secevent/caep/event-type/token-claims-change",
            Self::CredentialChange => "https://schemas.openid.net/secevent/caep/event-type/credential-change",
            Self::Verification => "https://schemas.openid.net/secevent/ssf/event-type/verification",
            Self::StreamUpdated => "https://schemas.openid.net/secevent/ssf/event-type/stream-updated",
        }
    }

    /// The one that is offered under a name.
    #[must_use]
    pub fn offered(uri: &str) -> Option<Self> {
        Self::OFFERED.into_iter().find(|event| event.uri() == uri)
    }
}

/// What of the events that were asked for is offered: each once, in the order of the asking.
#[must_use]
pub fn delivered(requested: &[String]) -> Vec<EventType> {
    let mut seen = BTreeSet::new();
    requested.iter().filter_map(|uri| EventType::offered(uri)).filter(|event| seen.insert(*event)).collect()
}

/// One event, as it waits in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityEvent {
    // The row of the outbox has a `kind` of its own beside it.
    /// What happened.
    #[serde(rename = "event_type")]
    pub kind: EventType,
    /// Whom or what it is about (RFC 9493).
    pub sub_id: Value,
    /// The event's own members.
    pub body: Map<String, Value>,
}

impl SecurityEvent {
    /// The receiver tries its stream, and wants to read `state` again.
    #[must_use]
    pub fn verification(stream: &StreamId, state: Option<&str>) -> Self {
        let body = state.map(|state| ("state".to_owned(), Value::from(state))).into_iter().collect();
        Self { kind: EventType::Verification, sub_id: about(stream), body }
    }

    /// The stream's status is another one, and not because the receiver said so.
    #[must_use]
    pub fn stream_updated(stream: &StreamId, status: &str, reason: &str) -> Self {
        let body = [("status", status), ("reason", reason)];
        let body = body.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
        Self { kind: EventType::StreamUpdated, sub_id: about(stream), body }
    }

    /// The claims to sign. There is no `sub` and no `exp` (SSF 1.0 §4.1): it must never pass for another token.
    #[must_use]
    pub fn claims(&self, of: &Issue<'_>) -> Map<String, Value> {
        let mut claims = Map::new();
        let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        put("iss", of.issuer.into());
        put("aud", of.audience.into());
        put("iat", of.at.seconds().into());
        put("jti", of.jti.into());
        if let Some(change) = of.change {
            put("txn", change.into());
        }
        put("sub_id", self.sub_id.clone());
        put("events", json!({ self.kind.uri(): self.body }));
        claims
    }
}

/// What a token says besides its event.
#[derive(Clone, Copy, Debug)]
pub struct Issue<'i> {
    /// The issuer.
    pub issuer: &'i str,
    /// The stream's `aud`: the application's client id.
    pub audience: &'i str,
    /// By which it is known when it comes again.
    pub jti: &'i str,
    /// When the event was written down: a token that is sent again is the same token.
    pub at: UnixMillis,
    /// The change that it comes from: what else has the same `txn` comes from it too.
    pub change: Option<&'i str>,
}

fn about(stream: &StreamId) -> Value {
    json!({ "format": "opaque", "id": stream.as_str() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_delivered_is_what_was_asked_for_and_is_offered_in_the_order_of_the_asking() {
        let uris = |events: &[EventType]| events.iter().map(|event| event.uri().to_owned()).collect::<Vec<_>>();
        let mut asked = uris(&[EventType::CredentialChange, EventType::SessionRevoked, EventType::CredentialChange]);
        asked.insert(1, "https://schemas.openid.net/secevent/caep/event-type/device-compliance-change".to_owned());
        assert_eq!(delivered(&asked), [EventType::CredentialChange, EventType::SessionRevoked]);
        assert!(delivered(&uris(&[EventType::Verification, EventType::StreamUpdated])).is_empty());
        assert_eq!(EventType::ALL.len(), EventType::OFFERED.len() + 2, "those of the stream itself nobody asks for");
    }

    #[test]
    fn a_token_has_exactly_its_claims() {
        let stream = StreamId::from_u128(1);
        let event = SecurityEvent::verification(&stream, Some("x\u{0}"));
        let at = UnixMillis(10_999);
        let issue = Issue { issuer: "https://id.example", audience: "shop", jti: "out_1", at, change: None };
        let expected = json!({
            "iss": "https://id.example", "aud": "shop", "iat": 10, "jti": "out_1",
            "sub_id": { "format": "opaque", "id": stream.as_str() },
            "events": { "https://schemas.openid.net/secevent/ssf/event-type/verification": { "state": "x\u{0}" } },
        });
        assert_eq!(Value::Object(event.claims(&issue)), expected);
        let of_change = event.claims(&Issue { change: Some("chg_1"), ..issue });
        assert_eq!(of_change["txn"], "chg_1");
        assert!(!of_change.contains_key("sub") && !of_change.contains_key("exp"));
    }

    #[test]
    fn a_verification_that_was_given_no_state_has_none() {
        let event = SecurityEvent::verification(&StreamId::from_u128(1), None);
        assert!(event.body.is_empty());
    }

    #[test]
    fn an_event_lies_beside_a_kind_of_another_sort() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        enum Row {
            Event(Box<SecurityEvent>),
        }
        let row = Row::Event(Box::new(SecurityEvent::stream_updated(&StreamId::from_u128(1), "paused", "it fails")));
        let text = serde_json::to_string(&row).unwrap();
        assert_eq!(text.matches("\"kind\"").count(), 1, "{text}");
        assert_eq!(serde_json::from_str::<Row>(&text).unwrap(), row);
    }
}
