//! The members that a client names.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::domain::connection::ScimProfile;
use crate::domain::scim::Object;
use crate::domain::scim::error::ScimError;

const NESTED: &str = "Groups as members are not supported; push their members.";

/// The ids in a list of members, each once, in the order in which they were named.
///
/// A member is an object with a `value`; `type` is User when it isn't said. Outside the strict profile a single member
/// may stand without its list, and a bare text for its `value`.
///
/// # Errors
/// `invalidValue`: it is no list of members, or a member is a group.
pub fn ids(value: &Value, profile: ScimProfile) -> Result<Vec<String>, ScimError> {
    let strict = profile.is_strict();
    let members = match value {
        Value::Null => &[][..],
        Value::Array(members) => members.as_slice(),
        Value::Object(_) | Value::String(_) if !strict => std::slice::from_ref(value),
        _ => return Err(ScimError::value("members must be a list of objects.")),
    };
    let mut seen = BTreeSet::new();
    let mut ids = Vec::with_capacity(members.len());
    for member in members {
        let id = match member {
            Value::Object(member) => of_object(member, strict)?,
            Value::String(id) if !strict => id.as_str(),
            _ => return Err(ScimError::value("A member must be an object.")),
        };
        if id.is_empty() {
            return Err(ScimError::value("A member needs its value: the id of a user."));
        }
        if seen.insert(id) {
            ids.push(id.to_owned());
        }
    }
    Ok(ids)
}

fn of_object(member: &Object, strict: bool) -> Result<&str, ScimError> {
    let part = |name: &str| {
        let any_case = || member.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        member.get(name).or_else(any_case)
    };
    let reference = part("$ref").and_then(Value::as_str);
    let kind = part("type").and_then(Value::as_str).unwrap_or("User");
    if kind.eq_ignore_ascii_case("Group") || reference.is_some_and(|address| address.contains("/Groups/")) {
        return Err(ScimError::value(NESTED));
    }
    if strict && kind != "User" {
        return Err(ScimError::value("A member's type is User."));
    }
    match part("value") {
        Some(Value::String(id)) => Ok(id),
        Some(Value::Null) | None => {
            let last = reference.filter(|_| !strict).and_then(|address| address.rsplit('/').next());
            last.ok_or_else(|| ScimError::value("A member needs its value: the id of a user."))
        }
        Some(_) => Err(ScimError::value("A member's value must be a text.")),
    }
}
