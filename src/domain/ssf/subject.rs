//! Whom a receiver leaves out of its stream, or takes in again (SSF 1.0 §8.1.3), by an identifier of RFC 9493.

use serde_json::{Map, Value};

use super::Malformed;
use crate::domain::federation::security_event;
use crate::kernel::id::UserId;

/// Whom an identifier names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// A person, by the `sub` of their tokens.
    User(UserId),
    /// Whoever has this address.
    Email(String),
    /// Nobody whom we could know. No error: the answer must not tell who exists.
    Nobody,
}

/// Reads the subject of a request.
///
/// # Errors
/// It is no identifier at all, or lacks a member of its format.
pub fn read(body: &Map<String, Value>, issuer: &str) -> Result<Named, Malformed> {
    use security_event::Subject;
    let named = body.get("subject").ok_or_else(|| Malformed::new("subject is missing."))?;
    let by_sub = |sub: &str| sub.parse().map_or(Named::Nobody, Named::User);
    Ok(match security_event::read(named).map_err(Malformed::new)? {
        Some(Subject::IssSub(upstream)) if upstream.issuer == issuer => by_sub(&upstream.subject),
        Some(Subject::Opaque(id)) => by_sub(&id),
        Some(Subject::Email(address)) => Named::Email(address),
        // One session is less than a person; and another issuer's people are not ours.
        Some(Subject::Session { .. } | Subject::IssSub(_)) | None => Named::Nobody,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(subject: &Value) -> Result<Named, Malformed> {
        let body = json!({ "subject": subject });
        read(body.as_object().unwrap(), "https://id.example")
    }

    #[test]
    fn a_person_is_named_by_sub_by_an_opaque_id_or_by_an_address() {
        let ana = UserId::from_u128(7);
        let iss_sub = json!({ "format": "iss_sub", "iss": "https://id.example", "sub": ana });
        assert_eq!(named(&iss_sub), Ok(Named::User(ana.clone())));
        assert_eq!(named(&json!({ "format": "opaque", "id": ana })), Ok(Named::User(ana.clone())));
        assert_eq!(named(&json!({ "user": iss_sub })), Ok(Named::User(ana)));
        let email = json!({ "format": "email", "email": "ana@acme.test" });
        assert_eq!(named(&email), Ok(Named::Email("ana@acme.test".to_owned())));
    }

    #[test]
    fn whom_we_cannot_know_is_nobody_and_no_error() {
        for subject in [
            json!({ "format": "iss_sub", "iss": "https://other.example", "sub": UserId::from_u128(7) }),
            json!({ "format": "iss_sub", "iss": "https://id.example", "sub": "somebody" }),
            json!({ "format": "opaque", "id": "sid_1" }),
            json!({ "format": "phone_number", "phone_number": "+4900" }),
            json!({ "session": { "format": "opaque", "id": "sid_1" } }),
        ] {
            assert_eq!(named(&subject), Ok(Named::Nobody), "{subject}");
        }
    }

    #[test]
    fn what_is_no_identifier_is_malformed() {
        for subject in [json!(null), json!(7), json!({ "format": 7 }), json!({ "format": "email", "email": "ana" })] {
            assert!(named(&subject).is_err(), "{subject}");
        }
        assert!(read(&Map::new(), "https://id.example").is_err());
    }
}
