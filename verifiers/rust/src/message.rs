//! One message of the feed: a signed JWT of the type `muster-revocations+jwt`, read.

use serde_json::{Map, Value};

/// The `typ` of its JOSE header.
pub(crate) const TYP: &str = "muster-revocations+jwt";

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// When it was signed, in seconds since 1970.
    pub issued_at: i64,
    /// Another one means that what was known so far no longer counts.
    pub generation: String,
    /// It continues what was told up to here.
    pub from: u64,
    /// It reaches up to here.
    pub to: u64,
    /// Whether there was nothing more when it was signed.
    pub head: bool,
    /// Whether it begins anew, with the oldest that is kept.
    pub reset: bool,
    /// What no longer counts.
    pub entries: Vec<Entry>,
}

/// Something that no longer counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Tokens of a person in an organisation with a lower `acv`.
    Member { subject: String, org: String, least: i64 },
    /// Tokens that were made from this: a family of tokens, or an access key.
    Family(String),
    /// One token.
    Token(String),
    /// Tokens of an application that were issued before.
    Application { client_id: String, before: i64 },
    /// All tokens that were issued before.
    All { before: i64 },
}

/// Why a message is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MessageError {
    /// It is another issuer's.
    #[error("the message is another issuer's")]
    Issuer,
    /// It is for another application.
    #[error("the message is for another application")]
    Audience,
    /// It can't be read, or has an entry of a kind that this version doesn't know.
    #[error("the message can't be read")]
    Malformed,
}

impl Message {
    /// Reads the claims of a message whose signature and type hold.
    pub fn read(claims: &Map<String, Value>, issuer: &str, client_id: &str) -> Result<Self, MessageError> {
        if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
            return Err(MessageError::Issuer);
        }
        if claims.get("aud").and_then(Value::as_str) != Some(client_id) {
            return Err(MessageError::Audience);
        }
        Self::fields(claims).ok_or(MessageError::Malformed)
    }

    fn fields(claims: &Map<String, Value>) -> Option<Self> {
        let flag = |name: &str| match claims.get(name) {
            None => Some(false),
            Some(value) => value.as_bool(),
        };
        let (from, to) = (claims.get("from")?.as_u64()?, claims.get("to")?.as_u64()?);
        let entries: Option<Vec<Entry>> = claims.get("entries")?.as_array()?.iter().map(entry).collect();
        let message = Self {
            issued_at: claims.get("iat")?.as_i64()?,
            generation: claims.get("generation")?.as_str()?.to_owned(),
            from,
            to,
            head: flag("head")?,
            reset: flag("reset")?,
            entries: entries?,
        };
        (from <= to).then_some(message)
    }
}

/// An entry of an unknown kind is no entry: to pass over it would be to honour what it takes away.
fn entry(value: &Value) -> Option<Entry> {
    let parts = value.as_array()?;
    let text = |place: usize| parts.get(place).and_then(Value::as_str).map(str::to_owned);
    let number = |place: usize| parts.get(place).and_then(Value::as_i64);
    match (parts.first()?.as_str()?, parts.len()) {
        ("m", 4) => Some(Entry::Member { subject: text(1)?, org: text(2)?, least: number(3)? }),
        ("f", 2) => Some(Entry::Family(text(1)?)),
        ("t", 2) => Some(Entry::Token(text(1)?)),
        ("c", 3) => Some(Entry::Application { client_id: text(1)?, before: number(2)? }),
        ("all", 2) => Some(Entry::All { before: number(1)? }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(change: impl FnOnce(&mut Value)) -> Result<Message, MessageError> {
        let mut claims = json!({
            "iss": "https://id.example", "aud": "orders", "iat": 1000, "generation": "g1", "from": 3, "to": 8, "head": true,
            "entries": [["m", "usr_1", "org_1", 7], ["f", "fam_1"], ["t", "fam_2.ab"], ["c", "shop", 900], ["all", 800]],
        });
        change(&mut claims);
        Message::read(claims.as_object().expect("an object"), "https://id.example", "orders")
    }

    #[test]
    fn every_kind_of_entry_is_read() {
        let message = read(|_| {}).expect("it can be read");
        assert_eq!((message.from, message.to, message.head, message.reset), (3, 8, true, false));
        let expected = [
            Entry::Member { subject: "usr_1".to_owned(), org: "org_1".to_owned(), least: 7 },
            Entry::Family("fam_1".to_owned()),
            Entry::Token("fam_2.ab".to_owned()),
            Entry::Application { client_id: "shop".to_owned(), before: 900 },
            Entry::All { before: 800 },
        ];
        assert_eq!(message.entries, expected);
    }

    #[test]
    fn another_issuers_and_another_applications_message_is_refused() {
        assert_eq!(read(|claims| claims["iss"] = json!("https://id.example.net")), Err(MessageError::Issuer));
        assert_eq!(read(|claims| claims["aud"] = json!("billing")), Err(MessageError::Audience));
        assert_eq!(read(|claims| claims["aud"] = json!(["orders"])), Err(MessageError::Audience));
    }

    #[test]
    fn what_is_not_understood_is_not_passed_over() {
        for entry in [json!(["x", "y"]), json!([]), json!("m"), json!(["m", "usr_1", "org_1"]), json!(["f", "a", "b"])]
        {
            assert_eq!(read(|claims| claims["entries"] = json!([entry])), Err(MessageError::Malformed), "{entry}");
        }
        for (name, value) in
            [("from", json!(9)), ("to", json!(-1)), ("head", json!("yes")), ("generation", json!(null))]
        {
            assert_eq!(read(|claims| claims[name] = value), Err(MessageError::Malformed), "{name}");
        }
    }
}
