//! What a receiver says when it fetches its events (RFC 8936 §2.4).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Malformed;
use crate::kernel::id::OutboxId;

/// So many events one answer has at most.
pub const MOST: i64 = 100;
/// So many events one request takes or refuses at most.
const MOST_TOLD: usize = 1_000;
/// The longest word for what is wrong with an event.
const LONGEST_WORD: usize = 64;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// How many events are wanted; none, where only something is to be told.
    pub most: i64,
    /// Whether the answer comes at once though nothing waits.
    pub at_once: bool,
    /// What became of events that were fetched before: `None` took it, a word says what was wrong. What is no id of
    /// ours is left out: nothing of that name waits.
    pub told: BTreeMap<OutboxId, Option<String>>,
}

/// Reads a request; without a body it is one that says nothing.
///
/// # Errors
/// A member is of another type or too long.
pub fn read(body: &[u8]) -> Result<Poll, Malformed> {
    let body = if body.is_empty() { Map::new() } else { super::object(body)? };
    let most = match body.get("maxEvents") {
        None | Some(Value::Null) => MOST,
        Some(count) => {
            let count = count.as_u64().ok_or_else(|| Malformed::new("maxEvents is a number, 0 or more."))?;
            i64::try_from(count).map_or(MOST, |count| count.min(MOST))
        }
    };
    let at_once = match body.get("returnImmediately") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(at_once)) => *at_once,
        Some(_) => return Err(Malformed::new("returnImmediately is true or false.")),
    };
    let mut told = BTreeMap::new();
    for jti in taken(&body)? {
        if let Ok(id) = jti.parse::<OutboxId>() {
            told.insert(id, None);
        }
    }
    // What is both taken and refused is refused.
    for (jti, error) in refused(&body)? {
        if let Ok(id) = jti.parse::<OutboxId>() {
            told.insert(id, Some(word(error)));
        }
    }
    Ok(Poll { most, at_once, told })
}

fn taken(body: &Map<String, Value>) -> Result<Vec<&str>, Malformed> {
    let wrong = || Malformed::new(format!("ack is a list of at most {MOST_TOLD} texts."));
    match body.get("ack") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) if list.len() <= MOST_TOLD => {
            list.iter().map(|jti| jti.as_str().ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

fn refused(body: &Map<String, Value>) -> Result<Vec<(&String, &Value)>, Malformed> {
    match body.get("setErrs") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(errors)) if errors.len() <= MOST_TOLD => Ok(errors.iter().collect()),
        Some(_) => Err(Malformed::new(format!("setErrs is an object of at most {MOST_TOLD} members."))),
    }
}

/// The word of RFC 8935 §2.4 in an error; what is no such word is `unspecified`.
#[must_use]
pub fn word(error: &Value) -> String {
    let plain = |word: &&str| {
        (1..=LONGEST_WORD).contains(&word.len())
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
    };
    error.get("err").and_then(Value::as_str).filter(plain).unwrap_or("unspecified").to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(body: &Value) -> Result<Poll, Malformed> {
        read(body.to_string().as_bytes())
    }

    #[test]
    fn a_request_that_says_nothing_waits_for_what_there_is() {
        let usual = Poll { most: MOST, at_once: false, told: BTreeMap::new() };
        assert_eq!(read(b""), Ok(usual.clone()));
        assert_eq!(of(&json!({ "unknown": 1 })), Ok(usual));
        let asked = of(&json!({ "maxEvents": 10, "returnImmediately": true })).unwrap();
        assert_eq!((asked.most, asked.at_once), (10, true));
        assert_eq!(of(&json!({ "maxEvents": u64::MAX })).unwrap().most, MOST);
        assert_eq!(of(&json!({ "maxEvents": 0 })).unwrap().most, 0);
    }

    #[test]
    fn what_became_of_events_is_read_by_their_ids() {
        let (one, two) = (OutboxId::from_u128(1), OutboxId::from_u128(2));
        let mut errors = Map::new();
        errors.insert(two.to_string(), json!({ "err": "invalid_key", "description": "x" }));
        let told = of(&json!({ "ack": [one, two, "never"], "setErrs": errors })).unwrap().told;
        assert_eq!(told, BTreeMap::from([(one, None), (two, Some("invalid_key".to_owned()))]));
    }

    #[test]
    fn a_word_is_a_word() {
        assert_eq!(word(&json!({ "err": "access_denied" })), "access_denied");
        for bad in
            [json!({}), json!(7), json!({ "err": "" }), json!({ "err": "a b" }), json!({ "err": "x".repeat(65) })]
        {
            assert_eq!(word(&bad), "unspecified", "{bad}");
        }
    }

    #[test]
    fn what_is_of_another_type_is_malformed() {
        for bad in [
            json!([]),
            json!({ "maxEvents": -1 }),
            json!({ "maxEvents": "1" }),
            json!({ "maxEvents": 1.5 }),
            json!({ "returnImmediately": 1 }),
            json!({ "ack": "x" }),
            json!({ "ack": [1] }),
            json!({ "ack": vec!["x"; MOST_TOLD + 1] }),
            json!({ "setErrs": [] }),
        ] {
            assert!(of(&bad).is_err(), "{bad}");
        }
    }
}
