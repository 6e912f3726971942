//! Shared Signals (SSF 1.0): streams of security events to applications, in pure values.
//!
//! [`event`] is what is told (RFC 8417), [`stream`] what a receiver asks of its stream, [`subject`] whom it leaves out
//! (RFC 9493), [`poll`] what it says when it fetches (RFC 8936), [`metadata`] where all of this is.

pub mod caep;
pub mod event;
pub mod metadata;
pub mod poll;
pub mod stream;
pub mod subject;

use serde_json::{Map, Value};

/// What is wrong with a request: a sentence for the receiver's maker. It holds nothing that was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

impl Malformed {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// The members of a request's body.
///
/// # Errors
/// It is no JSON object.
pub fn object(body: &[u8]) -> Result<Map<String, Value>, Malformed> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Malformed::new("Send a JSON object.")),
    }
}

/// The stream that a body names; what it says may be the id of none.
///
/// # Errors
/// `stream_id` is missing or no text.
pub fn stream_id(body: &Map<String, Value>) -> Result<&str, Malformed> {
    body.get("stream_id").and_then(Value::as_str).ok_or_else(|| Malformed::new("stream_id is missing or no text."))
}

/// A text for people under a name, if there is one; null is none.
fn remark(body: &Map<String, Value>, name: &str, most: usize) -> Result<Option<String>, Malformed> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= most && !text.chars().any(char::is_control) => {
            Ok(Some(text.clone()))
        }
        Some(_) => Err(Malformed::new(format!("{name} is a text of at most {most} characters on one line."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_an_object_and_names_its_stream() {
        for bad in [&b";{ broken"[..], b"", b"[]", b"null", b"1", b"\xff", b"{\"a\":1}x"] {
            assert!(object(bad).is_err(), "{bad:?}");
        }
        let body = object(br#"{"stream_id":"ssf_1"}"#).unwrap();
        assert_eq!(stream_id(&body), Ok("ssf_1"));
        for bad in ["{}", r#"{"stream_id":null}"#, r#"{"stream_id":7}"#] {
            assert!(stream_id(&object(bad.as_bytes()).unwrap()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_remark_is_one_short_line() {
        let body = |text: &str| object(text.as_bytes()).unwrap();
        assert_eq!(remark(&body(r#"{"reason":"é"}"#), "reason", 1), Ok(Some("é".to_owned())));
        assert_eq!(remark(&body(r#"{"reason":null}"#), "reason", 1), Ok(None));
        for bad in [r#"{"reason":"ab"}"#, r#"{"reason":"\n"}"#, r#"{"reason":"\u0000"}"#, r#"{"reason":1}"#] {
            assert!(remark(&body(bad), "reason", 1).is_err(), "{bad}");
        }
    }
}
