//! Whether a filter can be asked, and of what it holds (RFC 7644 §3.4.2.2).
//!
//! # Why
//!
//! Where the RFC says little: of an attribute with many values a comparison holds if it holds of one value, `ne` too;
//! without any value `ne` and `eq null` hold. An attribute that a type doesn't have has no value (§3.4.2.1). All that
//! is in brackets speaks of one element.

mod check;
mod compare;
#[cfg(test)]
mod tests;

pub use check::{check, check_element};
pub(super) use compare::{Comparable, moment, text_of};

use serde_json::Value;

use super::Object;
use super::filter::{Filter, Literal, Op};
use super::path::AttrPath;
use super::schema::{Attribute, ResourceType};
use super::target::{get, part, resolve};

use compare::holds;

/// Whether a filter holds of a complete resource: with id, meta and schemas, and with groups or members where the
/// filter [`names`] them.
#[must_use]
pub fn matches(kind: ResourceType, filter: &Filter, object: &Object) -> bool {
    match filter {
        Filter::And(all) => all.iter().all(|one| matches(kind, one, object)),
        Filter::Or(all) => all.iter().any(|one| matches(kind, one, object)),
        Filter::Not(inner) => !matches(kind, inner, object),
        Filter::Present(attr) => {
            resolve(kind, attr).is_some_and(|target| get(&target, object).into_iter().any(is_present))
        }
        Filter::Compare(attr, op, literal) => {
            let Some(target) = resolve(kind, attr) else {
                return compare(None, &[], *op, literal);
            };
            // No value at all is asked of the whole attribute, anything else of what stands for it.
            let (target, attribute) = match literal {
                Literal::Null => (Some(target), None),
                Literal::Text(_) | Literal::Number(_) | Literal::Bool(_) => target.compared().unzip(),
            };
            let values = target.map_or_else(Vec::new, |target| get(&target, object));
            compare(attribute, &values, *op, literal)
        }
        Filter::Element { attr, filter, rest } => {
            let target = resolve(kind, attr);
            let (Some(target), Some(attribute)) = (target, target.and_then(|target| target.leaf())) else {
                return ending_holds(None, &[], rest.as_ref());
            };
            let mut elements = get(&target, object);
            elements.retain(|element| element_matches(attribute, filter, element));
            ending_holds(Some(attribute), &elements, rest.as_ref())
        }
    }
}

/// Whether a filter in brackets holds of one element of an attribute.
#[must_use]
pub fn element_matches(attribute: &'static Attribute, filter: &Filter, value: &Value) -> bool {
    match filter {
        Filter::And(all) => all.iter().all(|one| element_matches(attribute, one, value)),
        Filter::Or(all) => all.iter().any(|one| element_matches(attribute, one, value)),
        Filter::Not(inner) => !element_matches(attribute, inner, value),
        Filter::Present(attr) => part_named(attribute, attr).is_some_and(|sub| part(value, sub.name()).any(is_present)),
        Filter::Compare(attr, op, literal) => match part_named(attribute, attr) {
            None => compare(None, &[], *op, literal),
            Some(sub) => {
                let values: Vec<&Value> = part(value, sub.name()).collect();
                compare(Some(sub.attribute()), &values, *op, literal)
            }
        },
        // The grammar knows no brackets in brackets.
        Filter::Element { .. } => false,
    }
}

/// Whether a filter mentions an attribute of the resource, whatever schema it says it is of.
#[must_use]
pub fn names(filter: &Filter, top: &str) -> bool {
    match filter {
        Filter::And(all) | Filter::Or(all) => all.iter().any(|one| names(one, top)),
        Filter::Not(inner) => names(inner, top),
        Filter::Present(attr) | Filter::Compare(attr, _, _) | Filter::Element { attr, .. } => {
            attr.name.eq_ignore_ascii_case(top)
        }
    }
}

/// What a name in brackets means.
#[derive(Clone, Copy)]
enum Part {
    /// A part of the element.
    Sub(&'static Attribute),
    /// The element itself, by the name `value`: it has no parts.
    Whole(&'static Attribute),
}

impl Part {
    fn attribute(self) -> &'static Attribute {
        match self {
            Self::Sub(attribute) | Self::Whole(attribute) => attribute,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sub(attribute) => attribute.name,
            Self::Whole(_) => "value",
        }
    }
}

fn part_named(attribute: &'static Attribute, attr: &AttrPath) -> Option<Part> {
    if attr.urn.is_some() || attr.sub.is_some() {
        return None;
    }
    let whole = !attribute.is_complex() && attr.name.eq_ignore_ascii_case("value");
    attribute.sub(&attr.name).map(Part::Sub).or_else(|| whole.then_some(Part::Whole(attribute)))
}

/// Whether what stands behind the brackets holds of the elements that satisfy them.
fn ending_holds(
    attribute: Option<&'static Attribute>,
    elements: &[&Value],
    rest: Option<&(String, Option<(Op, Literal)>)>,
) -> bool {
    let Some((name, ending)) = rest else {
        return !elements.is_empty();
    };
    let sub = attribute.and_then(|attribute| attribute.sub(name));
    let values: Vec<&Value> =
        sub.map_or_else(Vec::new, |sub| elements.iter().flat_map(|element| part(element, sub.name)).collect());
    match ending {
        None => values.into_iter().any(is_present),
        Some((op, literal)) => compare(sub, &values, *op, literal),
    }
}

/// Whether one of some values compares so; what they are is said by their attribute, unless it is no matter.
fn compare(attribute: Option<&Attribute>, values: &[&Value], op: Op, literal: &Literal) -> bool {
    let mut present = values.iter().copied().filter(|value| is_present(value)).peekable();
    match (present.peek().is_some(), literal) {
        (false, Literal::Null) => op == Op::Eq,
        (true, Literal::Null) => op == Op::Ne,
        (false, _) => op == Op::Ne,
        (true, _) => attribute.is_some_and(|attribute| present.any(|value| holds(attribute, value, op, literal))),
    }
}

/// Whether there is anything in a value (RFC 7643 §2.5).
fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => all.iter().any(is_present),
        Value::Object(parts) => parts.values().any(is_present),
    }
}
