//! A stream as its receiver asks for it and is shown it (SSF 1.0 §8.1.1).
//!
//! What nobody knows here is left aside, as §8.1.1 has it. What we say of a stream may be sent back to us; where it
//! says something else than we do, the request is refused.

use serde_json::{Map, Value, json};

use super::event::{EventType, delivered};
use super::{Malformed, remark};
use crate::domain::oauth::words;
use crate::kernel::id::StreamId;
use crate::kernel::time::SECOND;

/// So many streams one application has at most.
pub const MOST: usize = 5;
/// So many people one stream leaves out at most.
pub const MOST_LEFT_OUT: i64 = 50_000;
/// So long, in milliseconds, a receiver waits between two verifications.
pub const VERIFICATION_INTERVAL: i64 = 30 * SECOND;
/// So many pushes that are given up in a row pause a stream.
pub const MOST_GIVEN_UP: i64 = 10;

/// So many events are asked for at most; there are not nearly so many in all specifications.
const MOST_EVENTS: usize = 64;
const LONGEST_EVENT: usize = 512;
const LONGEST_DESCRIPTION: usize = 255;
const LONGEST_REASON: usize = 255;
const LONGEST_ENDPOINT: usize = 2_048;
const LONGEST_AUTHORIZATION: usize = 4_096;
const LONGEST_STATE: usize = 1_000;

words! {
    /// How a stream's events reach the receiver.
    pub enum Delivery {
        /// We post them (RFC 8935).
        Push = "push",
        /// The receiver fetches them (RFC 8936).
        Poll = "poll",
    }
}

impl Delivery {
    /// Its name on the wire.
    #[must_use]
    pub const fn urn(self) -> &'static str {
        match self {
            Self::Push => "urn:ietf:rfc:8935",
            Self::Poll => "urn:ietf:rfc:8936",
        }
    }
}

words! {
    /// Whether a stream tells.
    pub enum Status {
        /// It does.
        Enabled = "enabled",
        /// Its events are held.
        Paused = "paused",
        /// There are none.
        Disabled = "disabled",
    }
}

/// A member that may be absent, taken away, or set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Given {
    /// It isn't there.
    #[default]
    Absent,
    /// It is null, or empty.
    Taken,
    /// It has this text.
    Text(String),
}

/// How events shall reach the receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedDelivery {
    /// It fetches them; the address is ours to say.
    Poll,
    /// We post them.
    Push {
        /// Where to.
        endpoint: String,
        /// The `Authorization` header that goes with each.
        authorization: Given,
    },
}

/// What a receiver says of its stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What its people call it.
    pub description: Given,
    /// The events it would like.
    pub requested: Option<Vec<String>>,
    /// How they shall reach it.
    pub delivery: Option<WantedDelivery>,
}

impl Wanted {
    /// Reads the body of a request. `ours` is what we say of every stream of this application: the issuer and its
    /// `aud`.
    ///
    /// # Errors
    /// A member is of another type, too long, or says something else than we do.
    pub fn read(body: &Map<String, Value>, (issuer, audience): (&str, &str)) -> Result<Self, Malformed> {
        if body.get("iss").is_some_and(|iss| iss.as_str() != Some(issuer)) {
            return Err(Malformed::new("iss is not this transmitter's."));
        }
        let alone = |aud: &Value| aud.as_array().filter(|list| list.len() == 1).map_or(aud, |list| &list[0]).clone();
        if body.get("aud").is_some_and(|aud| alone(aud).as_str() != Some(audience)) {
            return Err(Malformed::new("aud is not this stream's."));
        }
        let description = match (body.contains_key("description"), remark(body, "description", LONGEST_DESCRIPTION)?) {
            (false, _) => Given::Absent,
            (true, Some(text)) if !text.is_empty() => Given::Text(text),
            (true, _) => Given::Taken,
        };
        Ok(Self { description, requested: requested(body)?, delivery: delivery(body)? })
    }
}

fn requested(body: &Map<String, Value>) -> Result<Option<Vec<String>>, Malformed> {
    let wrong = || Malformed::new(format!("events_requested is a list of at most {MOST_EVENTS} URIs."));
    let fit = |uri: &&str| (1..=LONGEST_EVENT).contains(&uri.len()) && uri.bytes().all(|byte| byte.is_ascii_graphic());
    match body.get("events_requested") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(list)) if list.len() <= MOST_EVENTS => {
            let uris = list.iter().map(|uri| uri.as_str().filter(fit).map(str::to_owned).ok_or_else(wrong));
            uris.collect::<Result<_, _>>().map(Some)
        }
        Some(_) => Err(wrong()),
    }
}

fn delivery(body: &Map<String, Value>) -> Result<Option<WantedDelivery>, Malformed> {
    let delivery = match body.get("delivery") {
        None | Some(Value::Null) => return Ok(None),
        Some(delivery) => delivery.as_object().ok_or_else(|| Malformed::new("delivery is an object."))?,
    };
    let method = delivery.get("method").and_then(Value::as_str).unwrap_or_default();
    if method == Delivery::Poll.urn() {
        return Ok(Some(WantedDelivery::Poll));
    }
    if method != Delivery::Push.urn() {
        return Err(Malformed::new("delivery.method is urn:ietf:rfc:8935 or urn:ietf:rfc:8936."));
    }
    let endpoint = delivery.get("endpoint_url").and_then(Value::as_str);
    let fit = |url: &&str| url.len() <= LONGEST_ENDPOINT && url.bytes().all(|byte| byte.is_ascii_graphic());
    let endpoint = endpoint.filter(fit).ok_or_else(|| Malformed::new("delivery.endpoint_url is an https URL."))?;
    let authorization = match delivery.get("authorization_header") {
        None => Given::Absent,
        Some(Value::Null) => Given::Taken,
        Some(Value::String(text)) if text.is_empty() => Given::Taken,
        Some(Value::String(text)) if is_header(text) => Given::Text(text.clone()),
        Some(_) => return Err(Malformed::new("delivery.authorization_header is the value of one header.")),
    };
    Ok(Some(WantedDelivery::Push { endpoint: endpoint.to_owned(), authorization }))
}

/// Whether a text can be a header's value as it stands.
fn is_header(text: &str) -> bool {
    text.len() <= LONGEST_AUTHORIZATION && text == text.trim() && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// A status that a receiver asks for, and why.
///
/// # Errors
/// It is no status; the reason is no short text.
pub fn status(body: &Map<String, Value>) -> Result<(Status, Option<String>), Malformed> {
    let status = body.get("status").and_then(Value::as_str).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| Malformed::new("status is enabled, paused or disabled."))?;
    Ok((status, remark(body, "reason", LONGEST_REASON)?))
}

/// What a receiver wants to read again in the verification.
///
/// # Errors
/// It is no text, or too long.
pub fn state(body: &Map<String, Value>) -> Result<Option<String>, Malformed> {
    match body.get("state") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(state)) if state.len() <= LONGEST_STATE => Ok(Some(state.clone())),
        Some(_) => Err(Malformed::new(format!("state is a text of at most {LONGEST_STATE} bytes."))),
    }
}

/// A stream's settings, as they are kept. The header of its pushes is kept apart, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What its people call it.
    pub description: Option<String>,
    /// The events that were asked for.
    pub requested: Vec<String>,
    /// How they reach the receiver.
    pub delivery: Delivery,
    /// Where they are posted.
    pub endpoint: Option<String>,
}

impl Settings {
    /// What is made of a new stream that says nothing: everything that is offered, to be fetched.
    #[must_use]
    pub fn usual() -> Self {
        let requested = EventType::OFFERED.iter().map(|event| event.uri().to_owned()).collect();
        Self { description: None, requested, delivery: Delivery::Poll, endpoint: None }
    }

    /// The settings with what a receiver says put over them, and what becomes of the header that its pushes carry:
    /// `Absent` leaves the one before. It never goes to another address than the one that it was given for.
    #[must_use]
    pub fn with(mut self, wanted: Wanted) -> (Self, Given) {
        match wanted.description {
            Given::Absent => {}
            Given::Taken => self.description = None,
            Given::Text(text) => self.description = Some(text),
        }
        if let Some(requested) = wanted.requested {
            self.requested = requested;
        }
        let header = match wanted.delivery {
            None => Given::Absent,
            Some(WantedDelivery::Poll) => {
                (self.delivery, self.endpoint) = (Delivery::Poll, None);
                Given::Taken
            }
            Some(WantedDelivery::Push { endpoint, authorization }) => {
                let moved = self.endpoint.as_deref() != Some(endpoint.as_str());
                (self.delivery, self.endpoint) = (Delivery::Push, Some(endpoint));
                if moved && authorization == Given::Absent { Given::Taken } else { authorization }
            }
        };
        (self, header)
    }

    /// The stream as its receiver is shown it. The header of its pushes is never shown again.
    #[must_use]
    pub fn shown(&self, id: &StreamId, (issuer, audience): (&str, &str), poll_at: &str) -> Value {
        let uris = |events: &[EventType]| events.iter().map(|event| event.uri()).collect::<Vec<_>>();
        let endpoint = self.endpoint.clone().unwrap_or_else(|| poll_at.to_owned());
        let mut shown = json!({
            "stream_id": id,
            "iss": issuer,
            "aud": audience,
            "events_supported": uris(&EventType::OFFERED),
            "events_requested": self.requested,
            "events_delivered": uris(&delivered(&self.requested)),
            "delivery": { "method": self.delivery.urn(), "endpoint_url": endpoint },
            "min_verification_interval": VERIFICATION_INTERVAL / SECOND,
        });
        if let Some(description) = &self.description {
            shown["description"] = description.as_str().into();
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: (&str, &str) = ("https://id.example", "shop");

    fn read(body: &Value) -> Result<Wanted, Malformed> {
        Wanted::read(body.as_object().unwrap(), OURS)
    }

    fn push(endpoint: &str) -> Value {
        json!({ "delivery": { "method": "urn:ietf:rfc:8935", "endpoint_url": endpoint } })
    }

    #[test]
    fn a_stream_that_is_asked_for_without_a_word_gets_everything_and_is_fetched() {
        let (settings, header) = Settings::usual().with(read(&json!({})).unwrap());
        assert_eq!((settings.clone(), header), (Settings::usual(), Given::Absent));
        let id = StreamId::from_u128(1);
        let shown = settings.shown(&id, OURS, "https://id.example/ssf/poll/1");
        assert_eq!(shown["events_supported"], shown["events_delivered"]);
        assert_eq!(shown["delivery"]["endpoint_url"], "https://id.example/ssf/poll/1");
        assert_eq!((&shown["stream_id"], &shown["description"]), (&json!(id), &Value::Null));
        // What we say may be sent back as it is.
        let (again, _) = Settings::usual().with(read(&shown).unwrap());
        assert_eq!(again, settings);
    }

    #[test]
    fn what_we_say_of_a_stream_nobody_else_sets() {
        assert!(read(&json!({ "iss": "https://id.example", "aud": ["shop"] })).is_ok());
        let others =
            [("iss", json!("https://other")), ("aud", json!("x")), ("aud", json!(["shop", "x"])), ("aud", json!(1))];
        for (name, other) in others {
            assert!(read(&json!({ name: other })).is_err(), "{name}");
        }
    }

    #[test]
    fn a_header_stays_at_its_address_and_goes_to_no_other() {
        let mut first = push("https://rp.example/a");
        first["delivery"]["authorization_header"] = "Bearer x".into();
        let (settings, header) = Settings::usual().with(read(&first).unwrap());
        assert_eq!(header, Given::Text("Bearer x".to_owned()));
        let with = |body: &Value| settings.clone().with(read(body).unwrap());
        assert_eq!(with(&push("https://rp.example/a")).1, Given::Absent);
        assert_eq!(with(&push("https://rp.example/b")).1, Given::Taken);
        assert_eq!(with(&json!({ "description": "x" })).1, Given::Absent);
        let (fetched, header) = with(&json!({ "delivery": { "method": "urn:ietf:rfc:8936" } }));
        assert_eq!((fetched.delivery, fetched.endpoint, header), (Delivery::Poll, None, Given::Taken));
        first["delivery"]["authorization_header"] = "".into();
        assert_eq!(with(&first).1, Given::Taken);
    }

    #[test]
    fn a_description_is_set_and_taken_away() {
        let (settings, _) = Settings::usual().with(read(&json!({ "description": "Shop" })).unwrap());
        assert_eq!(settings.description.as_deref(), Some("Shop"));
        let with = |body: &Value| settings.clone().with(read(body).unwrap()).0.description;
        assert_eq!(with(&json!({})).as_deref(), Some("Shop"));
        assert_eq!(with(&json!({ "description": null })), None);
    }

    #[test]
    fn what_is_of_another_type_or_too_much_is_malformed() {
        let mut header = push("https://rp.example/a");
        header["delivery"]["authorization_header"] = "a\r\nb: c".into();
        for bad in [
            json!({ "description": 7 }),
            json!({ "description": "x".repeat(256) }),
            json!({ "events_requested": "x" }),
            json!({ "events_requested": [7] }),
            json!({ "events_requested": ["a b"] }),
            json!({ "events_requested": vec!["x"; 65] }),
            json!({ "delivery": "push" }),
            json!({ "delivery": {} }),
            json!({ "delivery": { "method": "urn:ietf:rfc:8935" } }),
            json!({ "delivery": { "method": "carrier-pigeon", "endpoint_url": "https://rp.example" } }),
            push("https://rp.example/a b"),
            header,
        ] {
            assert!(read(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_status_is_one_of_three_words_and_a_state_a_text() {
        let of = |body: Value| status(body.as_object().unwrap());
        assert_eq!(of(json!({ "status": "paused", "reason": "x" })), Ok((Status::Paused, Some("x".to_owned()))));
        for bad in [json!({}), json!({ "status": "Enabled" }), json!({ "status": "paused", "reason": 7 })] {
            assert!(of(bad).is_err());
        }
        let of = |body: Value| state(body.as_object().unwrap());
        assert_eq!(of(json!({ "state": "é\u{0}" })), Ok(Some("é\u{0}".to_owned())));
        assert!(of(json!({ "state": 7 })).is_err() && of(json!({ "state": "x".repeat(1_001) })).is_err());
    }
}
