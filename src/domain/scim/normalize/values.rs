//! The canonical value of one attribute (RFC 7643 §2.3 to §2.5).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::connection::ScimProfile;
use crate::domain::scim::Object;
use crate::domain::scim::error::ScimError;
use crate::domain::scim::schema::{Attribute, Kind, Mutability};

/// As long as a text may be, in characters; one of base64, in bytes.
const LONGEST: usize = 4096;
const LONGEST_BINARY: usize = 32 * 1024;
/// So many values an attribute may have.
const MOST_VALUES: usize = 1024;

/// The canonical value of an attribute: a list where it has many, null where it has none.
///
/// # Errors
/// `invalidValue`: the attribute can't have it.
pub fn value_for(attribute: &'static Attribute, value: Value, profile: ScimProfile) -> Result<Value, ScimError> {
    if !attribute.multi {
        return one(attribute, value, profile);
    }
    let values = match value {
        Value::Null => return Ok(Value::Null),
        Value::Array(values) => values,
        // OneLogin sends a single object.
        value @ (Value::Object(_) | Value::String(_)) if !profile.is_strict() => vec![value],
        _ => return Err(ScimError::value(format!("{} must be a list.", attribute.name))),
    };
    if values.len() > MOST_VALUES {
        return Err(ScimError::value(format!("{} has at most {MOST_VALUES} values.", attribute.name)));
    }
    let mut elements = Vec::with_capacity(values.len());
    for value in values {
        let element = one(attribute, value, profile)?;
        if !says_nothing(attribute, &element, profile) {
            elements.push(element);
        }
    }
    let elements = one_primary(attribute, each_once(attribute, elements), profile)?;
    Ok(if elements.is_empty() { Value::Null } else { Value::Array(elements) })
}

/// The canonical form of a single value, or of one element of many; null where there is none.
///
/// # Errors
/// `invalidValue`: the attribute can't have it.
pub fn one(attribute: &'static Attribute, value: Value, profile: ScimProfile) -> Result<Value, ScimError> {
    let value = alone(value, profile);
    match (attribute.kind, value) {
        (_, Value::Null) => Ok(Value::Null),
        (Kind::Complex, Value::Object(sent)) => complex(attribute, sent, profile),
        // A manager, a role or an address may come as the bare text.
        (Kind::Complex, value @ Value::String(_)) if !profile.is_strict() && attribute.sub("value").is_some() => {
            complex(attribute, Object::from_iter([("value".to_owned(), value)]), profile)
        }
        (Kind::Boolean, Value::Bool(flag)) => Ok(flag.into()),
        (Kind::Boolean, Value::String(text)) if !profile.is_strict() => flag(attribute, text.trim()),
        (Kind::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(number.into()),
        (Kind::Decimal, Value::Number(number)) => Ok(number.into()),
        (Kind::String | Kind::DateTime | Kind::Reference | Kind::Binary, Value::String(text)) => {
            checked(attribute, text, profile)
        }
        _ => Err(wrong(attribute)),
    }
}

/// The only element of a list that should be none; outside the strict profile it stands for itself.
pub fn alone(value: Value, profile: ScimProfile) -> Value {
    match value {
        Value::Array(mut values) if !profile.is_strict() && values.len() <= 1 => values.pop().unwrap_or_default(),
        value => value,
    }
}

fn wrong(attribute: &Attribute) -> ScimError {
    ScimError::value(format!("{} is not of type {}.", attribute.name, attribute.kind.as_str()))
}

/// Entra's default mode sends `"True"` and `"False"`.
fn flag(attribute: &Attribute, text: &str) -> Result<Value, ScimError> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true.into()),
        "false" => Ok(false.into()),
        "" => Ok(Value::Null),
        _ => Err(wrong(attribute)),
    }
}

fn checked(attribute: &Attribute, text: String, profile: ScimProfile) -> Result<Value, ScimError> {
    let name = attribute.name;
    if !profile.is_strict() && text.trim().is_empty() {
        return Ok(Value::Null);
    }
    if attribute.kind == Kind::Binary {
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=\r\n".contains(&byte);
        if text.len() > LONGEST_BINARY || !text.bytes().all(is_base64) {
            return Err(ScimError::value(format!("{name} must be base64 of at most {LONGEST_BINARY} bytes.")));
        }
    } else if text.chars().count() > LONGEST {
        return Err(ScimError::value(format!("{name} has at most {LONGEST} characters.")));
    }
    // Databases can't hold it.
    if text.contains('\0') {
        return Err(ScimError::value(format!("{name} can't have a null character.")));
    }
    Ok(text.into())
}

fn complex(attribute: &'static Attribute, sent: Object, profile: ScimProfile) -> Result<Value, ScimError> {
    let mut parts = Object::new();
    let mut emptied = false;
    for (name, value) in sent {
        let Some(sub) = part(attribute, &name, profile)? else { continue };
        let value = value_for(sub, value, profile)?;
        emptied |= sub.name == "value" && value.is_null();
        if parts.insert(sub.name.to_owned(), value).is_some() {
            return Err(ScimError::syntax(format!("{}.{} is given twice.", attribute.name, sub.name)));
        }
    }
    // `{"value":""}` is how Entra takes a manager away.
    if emptied && !profile.is_strict() {
        return Ok(Value::Null);
    }
    parts.retain(|_, value| !value.is_null());
    Ok(if parts.is_empty() { Value::Null } else { Value::Object(ordered(attribute, parts)) })
}

/// The part of a complex attribute that a name means; none, if it is to be passed over.
fn part(
    attribute: &'static Attribute,
    name: &str,
    profile: ScimProfile,
) -> Result<Option<&'static Attribute>, ScimError> {
    match attribute.sub(name) {
        Some(sub) if sub.mutability == Mutability::ReadOnly => Ok(None),
        Some(sub) => Ok(Some(sub)),
        None if profile.is_strict() => {
            Err(ScimError::value(format!("{} has a part that no schema knows.", attribute.name)))
        }
        None => Ok(None),
    }
}

/// A complex value with the given parts of another in the place of its own: what isn't given stays (RFC 7644 §3.5.2.3).
///
/// # Errors
/// `invalidValue`: a part can't have its value.
pub fn merged(
    attribute: &'static Attribute,
    mut base: Object,
    sent: Object,
    profile: ScimProfile,
) -> Result<Object, ScimError> {
    for (name, value) in sent {
        let Some(sub) = part(attribute, &name, profile)? else { continue };
        match value_for(sub, value, profile)? {
            Value::Null => base.remove(sub.name),
            value => base.insert(sub.name.to_owned(), value),
        };
    }
    Ok(ordered(attribute, base))
}

fn ordered(attribute: &'static Attribute, mut parts: Object) -> Object {
    let names = attribute.sub.iter().map(|sub| sub.name);
    names.filter_map(|name| Some((name.to_owned(), parts.remove(name)?))).collect()
}

/// Whether an element has lost its value: what is left says what it would be for.
fn says_nothing(attribute: &'static Attribute, element: &Value, profile: ScimProfile) -> bool {
    match element {
        Value::Null => true,
        Value::Object(parts) if !profile.is_strict() && attribute.sub("value").is_some() => {
            parts.keys().all(|name| matches!(name.as_str(), "type" | "primary"))
        }
        _ => false,
    }
}

/// By what an element is known: its value and its type; where it has no value, all but whether it is primary.
pub fn identity(attribute: &'static Attribute, element: &Value) -> (String, Option<String>) {
    let Some(value) = element.get("value").and_then(Value::as_str) else {
        let mut parts = element.as_object().cloned().unwrap_or_default();
        parts.remove("primary");
        return (Value::Object(ordered(attribute, parts)).to_string(), None);
    };
    let exact = attribute.sub("value").is_some_and(|sub| sub.case_exact);
    let value = if exact { value.to_owned() } else { value.to_lowercase() };
    (value, element.get("type").and_then(Value::as_str).map(str::to_lowercase))
}

/// What an element says besides that by which it is known. That it is not primary takes nothing from one that is.
pub fn besides(element: Object) -> impl Iterator<Item = (String, Value)> {
    element.into_iter().filter(|(name, value)| match name.as_str() {
        "value" | "type" => false,
        "primary" => *value == Value::Bool(true),
        _ => true,
    })
}

/// RFC 7643 §2.4: the same value of the same type stands there once. What later ones say besides is added to the first.
fn each_once(attribute: &'static Attribute, elements: Vec<Value>) -> Vec<Value> {
    let mut places = BTreeMap::new();
    let mut kept: Vec<Value> = Vec::with_capacity(elements.len());
    for element in elements {
        let place = *places.entry(identity(attribute, &element)).or_insert(kept.len());
        if place == kept.len() {
            kept.push(element);
        } else if let (Value::Object(first), Value::Object(later)) = (&mut kept[place], element) {
            first.extend(besides(later));
            *first = ordered(attribute, std::mem::take(first));
        }
    }
    kept
}

/// RFC 7643 §2.4: at most one is primary. Outside the strict profile the last that says so is.
fn one_primary(attribute: &Attribute, mut elements: Vec<Value>, profile: ScimProfile) -> Result<Vec<Value>, ScimError> {
    let is_primary = |element: &Value| element.get("primary").and_then(Value::as_bool) == Some(true);
    let primaries = elements.iter().filter(|element| is_primary(element)).count();
    if primaries > 1 && profile.is_strict() {
        return Err(ScimError::value(format!("{} has more than one primary value.", attribute.name)));
    }
    for element in elements.iter_mut().filter(|element| is_primary(element)).take(primaries.saturating_sub(1)) {
        element["primary"] = false.into();
    }
    Ok(elements)
}
