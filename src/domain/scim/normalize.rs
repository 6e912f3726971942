//! What clients send, brought into canonical form: POST and PUT (RFC 7643 §2, RFC 7644 §3.3 and §3.5.1).
//!
//! Names get their schemas' spelling and order, extensions stand under their URNs, null and empty things go, what is
//! Muster's to say (`id`, `meta`, `groups`) and passwords are dropped, at most one element is primary, and none stands
//! twice. A group's members are taken out: they are rows of their own. PATCH ends with the same step, so that a
//! resource has one form, whichever way it came about.

mod members;
mod values;

use serde_json::Value;

pub(super) use members::ids as member_ids;
pub use values::value_for;
pub(super) use values::{alone, besides, identity, merged, one};

use super::Object;
use super::error::ScimError;
use super::schema::{Attribute, Mutability, ResourceType, Schema};
use crate::domain::connection::ScimProfile;

/// A resource that a client sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// Its attributes in canonical form.
    pub object: Object,
    /// A group's members, by the ids of users; `None` when nothing was said of them.
    pub members: Option<Vec<String>>,
    /// Whether it says if the user is active.
    pub has_active: bool,
    /// Whether it says what the client's own id is.
    pub has_external_id: bool,
}

/// Reads the body of a POST or PUT.
///
/// # Errors
/// `invalidSyntax` when it is no object, or says a thing twice; `invalidValue` for a value that its attribute can't
/// have, for a required one that is missing and, in the strict profile, for what no schema knows.
pub fn incoming(kind: ResourceType, body: &Value, profile: ScimProfile) -> Result<Incoming, ScimError> {
    let sent = body.as_object().ok_or_else(|| ScimError::syntax("The body must be a JSON object."))?;
    if profile.is_strict() {
        check_schemas(kind, sent)?;
    }
    let mut named = Object::new();
    let mut members = None;
    for (name, value) in sent {
        if let Some(schema) = kind.extension(name) {
            put(&mut named, schema.urn, extension(schema, value, profile)?)?;
        } else if let Some(attribute) = kind.attribute(name) {
            if is_members(kind, attribute) {
                if members.is_some() {
                    return Err(twice(attribute.name));
                }
                members = said_members(value, profile)?;
            } else if is_written(attribute) {
                put(&mut named, attribute.name, value.clone())?;
            }
        } else if profile.is_strict() {
            return Err(unknown(name));
        }
    }
    let object = settle(kind, named, profile)?;
    let (has_active, has_external_id) = (object.contains_key("active"), object.contains_key("externalId"));
    Ok(Incoming { object, members, has_active, has_external_id })
}

/// Null says as much as nothing (RFC 7643 §2.5); only to the letter does it empty a group.
fn said_members(value: &Value, profile: ScimProfile) -> Result<Option<Vec<String>>, ScimError> {
    if value.is_null() && !profile.is_strict() {
        return Ok(None);
    }
    member_ids(value, profile).map(Some)
}

/// The canonical form of an object whose names are canonical already.
///
/// # Errors
/// `invalidValue`, as for [`incoming`].
pub(super) fn settle(kind: ResourceType, mut object: Object, profile: ScimProfile) -> Result<Object, ScimError> {
    let mut settled = Object::new();
    for attribute in kind.attribute("externalId").into_iter().chain(kind.schema().attributes) {
        if !is_written(attribute) || is_members(kind, attribute) {
            continue;
        }
        if let Some(value) = object.remove(attribute.name) {
            keep(&mut settled, attribute.name, value_for(attribute, value, profile)?);
        }
        // Every user is active or not. Who doesn't say which leaves it to us: a new one is, another stays what it was.
        let is_left_to_us = attribute.name == "active";
        if attribute.required && !is_left_to_us && !settled.contains_key(attribute.name) {
            return Err(ScimError::value(format!("{} is required.", attribute.name)));
        }
    }
    for schema in kind.extensions() {
        let Some(Value::Object(mut sent)) = object.remove(schema.urn) else { continue };
        let mut parts = Object::new();
        for attribute in schema.attributes.iter().filter(|attribute| is_written(attribute)) {
            if let Some(value) = sent.remove(attribute.name) {
                keep(&mut parts, attribute.name, value_for(attribute, value, profile)?);
            }
        }
        if !parts.is_empty() {
            settled.insert(schema.urn.to_owned(), Value::Object(parts));
        }
    }
    Ok(settled)
}

fn keep(object: &mut Object, name: &str, value: Value) {
    if !value.is_null() {
        object.insert(name.to_owned(), value);
    }
}

/// Whether clients write it and it is kept.
fn is_written(attribute: &Attribute) -> bool {
    matches!(attribute.mutability, Mutability::ReadWrite | Mutability::Immutable)
}

pub(super) fn is_members(kind: ResourceType, attribute: &Attribute) -> bool {
    kind == ResourceType::Group && attribute.name == "members"
}

fn extension(schema: &Schema, value: &Value, profile: ScimProfile) -> Result<Value, ScimError> {
    let sent = match value {
        Value::Null => return Ok(Value::Null),
        Value::Object(sent) => sent,
        _ => return Err(ScimError::value(format!("{} must be an object.", schema.urn))),
    };
    let mut named = Object::new();
    for (name, value) in sent {
        match schema.attribute(name) {
            Some(attribute) => put(&mut named, attribute.name, value.clone())?,
            None if profile.is_strict() => return Err(unknown(name)),
            None => {}
        }
    }
    Ok(Value::Object(named))
}

fn put(object: &mut Object, name: &str, value: Value) -> Result<(), ScimError> {
    // Names compare without regard to case: of two spellings nobody could say which is meant.
    if object.insert(name.to_owned(), value).is_some() { Err(twice(name)) } else { Ok(()) }
}

fn twice(name: &str) -> ScimError {
    let name: String = name.chars().take(100).collect();
    ScimError::syntax(format!("{name} is given twice."))
}

fn unknown(name: &str) -> ScimError {
    let name: String = name.chars().take(100).collect();
    ScimError::value(format!("No schema of this resource has {name}."))
}

/// RFC 7643 §3: `schemas` is required, and names schemas of the resource's type alone.
fn check_schemas(kind: ResourceType, sent: &Object) -> Result<(), ScimError> {
    let schemas = sent.iter().find(|(name, _)| name.eq_ignore_ascii_case("schemas")).map(|(_, value)| value);
    let schemas = schemas.and_then(Value::as_array).ok_or_else(|| ScimError::value("schemas is required."))?;
    let core = kind.schema().urn;
    let mut has_core = false;
    for urn in schemas {
        let urn = urn.as_str().ok_or_else(|| ScimError::value("schemas must be a list of texts."))?;
        has_core |= urn.eq_ignore_ascii_case(core);
        if !urn.eq_ignore_ascii_case(core) && kind.extension(urn).is_none() {
            return Err(ScimError::value(format!("schemas names a schema that a {} doesn't have.", kind.name())));
        }
    }
    if has_core { Ok(()) } else { Err(ScimError::value(format!("schemas must name {core}."))) }
}

#[cfg(test)]
mod tests;
