//! Many values: which of them a piece means, and what becomes of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::Object;
use super::super::error::{ScimError, ScimType};
use super::super::evaluate::element_matches;
use super::super::filter::{Filter, Literal, Op};
use super::super::normalize::{besides, identity, merged, one, value_for};
use super::super::schema::{Attribute, Mutability};
use super::Act;
use super::apply::set;
use super::pieces::Piece;
use crate::domain::connection::ScimProfile;

/// So many elements there may be while a PATCH is applied.
const MOST: usize = 2048;

/// The elements after a piece.
///
/// # Errors
/// `noTarget` when none is meant that could be changed or made; `invalidValue`.
pub fn changed(
    attribute: &'static Attribute,
    elements: Vec<Value>,
    piece: &Piece<'_>,
    profile: ScimProfile,
) -> Result<Vec<Value>, ScimError> {
    let elements = match (&piece.filter, piece.sub) {
        (None, None) => all(attribute, elements, piece, profile)?,
        (None, Some(sub)) => unchosen(attribute, sub, elements, piece, profile)?,
        (Some(filter), _) => chosen(attribute, filter, elements, piece, profile)?,
    };
    if elements.len() > MOST {
        return Err(ScimError::value(format!("{} has too many values.", attribute.name)));
    }
    Ok(elements)
}

fn listed(attribute: &'static Attribute, value: Value, profile: ScimProfile) -> Result<Vec<Value>, ScimError> {
    match value_for(attribute, value, profile)? {
        Value::Array(elements) => Ok(elements),
        _ => Ok(Vec::new()),
    }
}

/// The attribute itself: `emails`.
fn all(
    attribute: &'static Attribute,
    elements: Vec<Value>,
    piece: &Piece<'_>,
    profile: ScimProfile,
) -> Result<Vec<Value>, ScimError> {
    let value = piece.value();
    match piece.act {
        Act::Replace => listed(attribute, value, profile),
        Act::Add => Ok(added(attribute, elements, listed(attribute, value, profile)?)),
        Act::Remove if value.is_null() => Ok(Vec::new()),
        // Only those that are listed: Entra, authentik and JumpCloud mean so.
        Act::Remove => {
            let gone = listed(attribute, value, profile)?;
            let gone: Vec<_> = gone.iter().map(|element| identity(attribute, element)).collect();
            let is_gone = |element: &Value| {
                let (value, kind) = identity(attribute, element);
                gone.iter().any(|(one, of)| *one == value && (of.is_none() || *of == kind))
            };
            Ok(elements.into_iter().filter(|element| !is_gone(element)).collect())
        }
    }
}

/// New elements behind those that are there; of one that is there, what is said besides is added to it.
fn added(attribute: &'static Attribute, mut elements: Vec<Value>, new: Vec<Value>) -> Vec<Value> {
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut kinds: Vec<Option<String>> = Vec::new();
    for (place, element) in elements.iter().enumerate() {
        let (value, kind) = identity(attribute, element);
        places.entry(value).or_default().push(place);
        kinds.push(kind);
    }
    let mut primary = None;
    for element in new {
        let is_primary = is_primary(&element);
        let (value, kind) = identity(attribute, &element);
        let among = places.entry(value).or_default();
        let same = among.iter().copied().find(|place| kinds[*place] == kind);
        let known = same.or_else(|| among.first().copied().filter(|_| kind.is_none()));
        let place = known.unwrap_or(elements.len());
        if known.is_none() {
            among.push(place);
            kinds.push(kind);
            elements.push(element);
        } else if let (Value::Object(known), Value::Object(element)) = (&mut elements[place], element) {
            known.extend(besides(element));
        }
        if is_primary {
            primary = Some(place);
        }
    }
    if let Some(place) = primary {
        claim(&mut elements, place);
    }
    elements
}

/// A part without a choice: `emails.value`. Outside the strict profile the one element that stands for all is meant.
fn unchosen(
    attribute: &'static Attribute,
    sub: &'static Attribute,
    mut elements: Vec<Value>,
    piece: &Piece<'_>,
    profile: ScimProfile,
) -> Result<Vec<Value>, ScimError> {
    let value = if piece.takes_away() { Value::Null } else { value_for(sub, piece.value(), profile)? };
    if value.is_null() {
        for element in elements.iter_mut().filter_map(Value::as_object_mut) {
            element.remove(sub.name);
        }
        return Ok(elements);
    }
    if profile.is_strict() {
        if elements.is_empty() {
            return Err(no_target(attribute));
        }
        for element in elements.iter_mut().filter_map(Value::as_object_mut) {
            set(element, sub, value.clone());
        }
        return Ok(elements);
    }
    let place = elements.iter().position(is_primary).unwrap_or(0);
    if elements.is_empty() {
        elements.push(Value::Object(Object::new()));
    }
    put(&mut elements, place, sub, &value);
    Ok(elements)
}

/// The elements that a filter chooses, or a part of them; one is made where none is there (`emails[type eq "work"]`).
fn chosen(
    attribute: &'static Attribute,
    filter: &Filter,
    mut elements: Vec<Value>,
    piece: &Piece<'_>,
    profile: ScimProfile,
) -> Result<Vec<Value>, ScimError> {
    let mut places: Vec<usize> = Vec::new();
    for (place, element) in elements.iter().enumerate() {
        if element_matches(attribute, filter, element) {
            places.push(place);
        }
    }
    if places.is_empty() && profile.is_strict() {
        return Err(no_target(attribute));
    }
    if piece.takes_away() {
        return Ok(without(elements, &places, piece.sub));
    }
    let value = match piece.sub {
        Some(sub) => value_for(sub, piece.value(), profile)?,
        None => one(attribute, piece.value(), profile)?,
    };
    if value.is_null() {
        return Ok(without(elements, &places, piece.sub));
    }
    let terms = terms(attribute, filter, profile);
    if places.is_empty() {
        let element = terms.clone().ok_or_else(|| no_target(attribute))?;
        places.push(elements.len());
        elements.push(Value::Object(element));
    }
    match (piece.sub, value) {
        (Some(sub), value) => {
            for place in places.iter().rev() {
                put(&mut elements, *place, sub, &value);
            }
        }
        (None, Value::Object(new)) => {
            let terms = terms.unwrap_or_default();
            for place in &places {
                let Some(element) = elements.get_mut(*place).and_then(Value::as_object_mut) else { continue };
                let before = std::mem::take(element);
                *element = match piece.act {
                    Act::Add => merged(attribute, before, new.clone(), profile)?,
                    Act::Replace | Act::Remove if profile.is_strict() => new.clone(),
                    Act::Replace | Act::Remove => replaced(&before, new.clone(), &terms),
                };
            }
        }
        (None, _) => return Err(ScimError::value(format!("An element of {} must be an object.", attribute.name))),
    }
    // Of those that were meant, the first that is primary stays so.
    if let Some(place) = places.iter().find(|place| elements.get(**place).is_some_and(is_primary)) {
        claim(&mut elements, *place);
    }
    Ok(elements)
}

/// The elements without those, or those without a part.
fn without(mut elements: Vec<Value>, places: &[usize], sub: Option<&'static Attribute>) -> Vec<Value> {
    let Some(sub) = sub else {
        let kept = elements.into_iter().enumerate().filter(|(place, _)| places.binary_search(place).is_err());
        return kept.map(|(_, element)| element).collect();
    };
    for place in places {
        if let Some(element) = elements.get_mut(*place).and_then(Value::as_object_mut) {
            element.remove(sub.name);
        }
    }
    elements
}

/// The new element instead of the old one (§3.5.2.3). What it was chosen by stays true of it unless it says otherwise,
/// and so does that it is the primary one.
fn replaced(before: &Object, mut new: Object, terms: &Object) -> Object {
    let primary = before.get_key_value("primary");
    for (name, value) in terms.iter().chain(primary) {
        if !new.contains_key(name) {
            new.insert(name.clone(), value.clone());
        }
    }
    new
}

/// What a filter says that an element must be, if it says it without alternatives.
fn terms(attribute: &'static Attribute, filter: &Filter, profile: ScimProfile) -> Option<Object> {
    match filter {
        Filter::And(filters) => {
            let mut all = Object::new();
            for filter in filters {
                all.extend(terms(attribute, filter, profile)?);
            }
            Some(all)
        }
        Filter::Compare(attr, Op::Eq, literal) if attr.sub.is_none() => {
            let sub = attribute.sub(&attr.name).filter(|sub| sub.mutability != Mutability::ReadOnly)?;
            let value = match literal {
                Literal::Text(text) => text.clone().into(),
                Literal::Number(number) => number.clone().into(),
                Literal::Bool(flag) => (*flag).into(),
                Literal::Null => return Some(Object::new()),
            };
            let value = value_for(sub, value, profile).ok().filter(|value| !value.is_null())?;
            Some(Object::from_iter([(sub.name.to_owned(), value)]))
        }
        Filter::Present(_) => Some(Object::new()),
        Filter::Compare(..) | Filter::Or(_) | Filter::Not(_) | Filter::Element { .. } => None,
    }
}

fn put(elements: &mut [Value], place: usize, sub: &Attribute, value: &Value) {
    if let Some(element) = elements.get_mut(place).and_then(Value::as_object_mut) {
        set(element, sub, value.clone());
    }
    if sub.name == "primary" && *value == Value::Bool(true) {
        claim(elements, place);
    }
}

/// Makes one element the primary one, and no other (§3.5.2).
fn claim(elements: &mut [Value], primary: usize) {
    for (place, element) in elements.iter_mut().enumerate() {
        if place != primary && is_primary(element) {
            element["primary"] = false.into();
        }
    }
}

fn is_primary(element: &Value) -> bool {
    element.get("primary").and_then(Value::as_bool) == Some(true)
}

fn no_target(attribute: &Attribute) -> ScimError {
    ScimError::bad(ScimType::NoTarget, format!("No value of {} is meant by the path.", attribute.name))
}
