//! One piece, applied to an object.

use serde_json::Value;

use super::super::Object;
use super::super::error::{ScimError, ScimType};
use super::super::normalize::{alone, merged, value_for};
use super::super::schema::{Attribute, Mutability};
use super::pieces::Piece;
use super::{Act, elements};
use crate::domain::connection::ScimProfile;

/// Changes what one piece says. What is left may have empty things in it until it is settled.
///
/// # Errors
/// `mutability`, `noTarget` and `invalidValue`.
pub fn piece(object: &mut Object, piece: &Piece<'_>, profile: ScimProfile) -> Result<(), ScimError> {
    let holder = match piece.extension {
        None => object,
        Some(extension) if piece.attribute.is_none() => {
            object.remove(extension.urn);
            return Ok(());
        }
        Some(extension) => {
            let empty = || Value::Object(Object::new());
            let holder = object.entry(extension.urn).or_insert_with(empty).as_object_mut();
            holder.ok_or_else(|| ScimError::value(format!("{} must be an object.", extension.urn)))?
        }
    };
    let Some(attribute) = piece.attribute else { return Ok(()) };
    let before = holder.remove(attribute.name).unwrap_or_default();
    let frozen = (attribute.mutability == Mutability::Immutable && !before.is_null()).then(|| before.clone());
    let after = changed(attribute, before, piece, profile)?;
    if frozen.is_some_and(|frozen| frozen != after) {
        return Err(ScimError::bad(ScimType::Mutability, format!("{} can't be changed.", attribute.name)));
    }
    if !after.is_null() {
        holder.insert(attribute.name.to_owned(), after);
    }
    Ok(())
}

fn changed(
    attribute: &'static Attribute,
    before: Value,
    piece: &Piece<'_>,
    profile: ScimProfile,
) -> Result<Value, ScimError> {
    if attribute.multi || piece.filter.is_some() {
        let list = match before {
            Value::Null => Vec::new(),
            Value::Array(list) => list,
            single => vec![single],
        };
        let mut list = elements::changed(attribute, list, piece, profile)?;
        return Ok(if attribute.multi { Value::Array(list) } else { list.pop().unwrap_or_default() });
    }
    if let Some(sub) = piece.sub {
        return part(attribute, sub, before, piece, profile);
    }
    if piece.takes_away() {
        // RFC 7644 §3.5.2.2.
        if attribute.required {
            return Err(ScimError::bad(ScimType::Mutability, format!("{} can't be taken away.", attribute.name)));
        }
        return Ok(Value::Null);
    }
    let value = piece.value();
    match before {
        Value::Object(before) if attribute.is_complex() => whole(attribute, before, value, profile),
        _ => value_for(attribute, value, profile),
    }
}

/// A singular complex attribute: what isn't given stays (§3.5.2.3), but another manager is another one altogether.
fn whole(
    attribute: &'static Attribute,
    before: Object,
    value: Value,
    profile: ScimProfile,
) -> Result<Value, ScimError> {
    let new = value_for(attribute, value.clone(), profile)?;
    if attribute.sub("value").is_some() && new.get("value") != before.get("value") {
        let says_value = |sent: &Object| sent.keys().any(|name| name.eq_ignore_ascii_case("value"));
        let is_said = !new.is_null() || alone(value, profile).as_object().is_none_or(says_value);
        return Ok(if is_said { new } else { Value::Object(before) });
    }
    match alone(value, profile) {
        Value::Object(sent) => Ok(Value::Object(merged(attribute, before, sent, profile)?)),
        _ => Ok(new),
    }
}

/// A part of a singular complex attribute, which comes to be if it isn't there.
fn part(
    attribute: &'static Attribute,
    sub: &'static Attribute,
    before: Value,
    piece: &Piece<'_>,
    profile: ScimProfile,
) -> Result<Value, ScimError> {
    let mut parts = match before {
        Value::Object(parts) => parts,
        Value::Null => Object::new(),
        _ => return Err(ScimError::value(format!("{} has no parts.", attribute.name))),
    };
    let new = match piece.act {
        Act::Remove => Value::Null,
        Act::Add | Act::Replace => value_for(sub, piece.value(), profile)?,
    };
    if sub.name == "value" && parts.get("value") != Some(&new) {
        // What was said besides was said of another one.
        parts.clear();
    }
    set(&mut parts, sub, new);
    Ok(if parts.is_empty() { Value::Null } else { Value::Object(parts) })
}

/// Puts a part in its place, or takes it away.
pub fn set(parts: &mut Object, sub: &Attribute, value: Value) {
    if value.is_null() {
        parts.remove(sub.name);
    } else {
        parts.insert(sub.name.to_owned(), value);
    }
}
