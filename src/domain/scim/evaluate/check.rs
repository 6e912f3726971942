//! Whether a filter can be asked at all. What can't be compared is refused and never answered with an empty list:
//! clients would take that for "no such user" and make another.

use super::compare::{Comparable, goes_with};
use super::part_named;
use crate::domain::scim::error::{ScimError, ScimType};
use crate::domain::scim::filter::{Filter, Literal, Op};
use crate::domain::scim::path::AttrPath;
use crate::domain::scim::schema::{Attribute, Kind, ResourceType, Returned};
use crate::domain::scim::target::{Target, resolve};

/// Looks whether a filter can be asked of some types of resources.
///
/// `strict` also refuses what the RFC has no meaning for: an attribute that the one type doesn't have, a text where an
/// attribute is true or false.
///
/// # Errors
/// 400 `invalidFilter`.
pub fn check(kinds: &[ResourceType], filter: &Filter, strict: bool) -> Result<(), ScimError> {
    match filter {
        Filter::And(all) | Filter::Or(all) => all.iter().try_for_each(|one| check(kinds, one, strict)),
        Filter::Not(inner) => check(kinds, inner, strict),
        Filter::Present(attr) => targets(kinds, attr, strict).map(|_| ()),
        Filter::Compare(attr, op, literal) => targets(kinds, attr, strict)?.iter().try_for_each(|target| {
            if matches!(literal, Literal::Null) {
                return Ok(());
            }
            let (_, compared) = target.compared().ok_or_else(|| no_value(attr))?;
            fits(compared, *op, literal, strict)
        }),
        Filter::Element { attr, filter, rest } => targets(kinds, attr, strict)?.iter().try_for_each(|target| {
            let attribute = target.leaf().ok_or_else(|| no_value(attr))?;
            check_element(attribute, filter, strict)?;
            match rest {
                None => Ok(()),
                Some((name, ending)) => match (attribute.sub(name), ending) {
                    (None, _) => unknown(name, strict),
                    (Some(_), None) => Ok(()),
                    (Some(sub), Some((op, literal))) => fits(sub, *op, literal, strict),
                },
            }
        }),
    }
}

/// Looks whether a filter can be asked of the elements of an attribute.
///
/// # Errors
/// 400 `invalidFilter`.
pub fn check_element(attribute: &'static Attribute, filter: &Filter, strict: bool) -> Result<(), ScimError> {
    match filter {
        Filter::And(all) | Filter::Or(all) => all.iter().try_for_each(|one| check_element(attribute, one, strict)),
        Filter::Not(inner) => check_element(attribute, inner, strict),
        Filter::Present(attr) => part_named(attribute, attr).map_or_else(|| unknown(&attr.name, strict), |_| Ok(())),
        Filter::Compare(attr, op, literal) => match part_named(attribute, attr) {
            None => unknown(&attr.name, strict),
            Some(part) => fits(part.attribute(), *op, literal, strict),
        },
        Filter::Element { .. } => Err(refused("A filter in brackets can't hold another one in brackets.")),
    }
}

/// What a name means for each type that has it.
fn targets(kinds: &[ResourceType], attr: &AttrPath, strict: bool) -> Result<Vec<Target>, ScimError> {
    let found: Vec<Target> = kinds.iter().filter_map(|kind| resolve(*kind, attr)).collect();
    let secret = |target: &Target| target.leaf().is_some_and(|attribute| attribute.returned == Returned::Never);
    if attr.name.eq_ignore_ascii_case("password") || found.iter().any(secret) {
        return Err(refused("Nothing can be looked for by its password."));
    }
    // Where several types are asked, an attribute that some don't have is no mistake (RFC 7644 §3.4.2.1).
    if found.is_empty() && kinds.len() == 1 {
        unknown(&attr.to_string(), strict)?;
    }
    Ok(found)
}

/// Whether an attribute compares so with such a value.
fn fits(attribute: &Attribute, op: Op, literal: &Literal, strict: bool) -> Result<(), ScimError> {
    let Some(text) = literal.text() else {
        return Ok(());
    };
    let (name, kind) = (attribute.name, attribute.kind.as_str());
    if !goes_with(op, attribute) {
        return Err(refused(format!("{op} does not go with {name}: it is of the type {kind}.")));
    }
    let in_text = matches!(op, Op::Co | Op::Sw | Op::Ew);
    let loose = strict && attribute.kind == Kind::Boolean && !matches!(literal, Literal::Bool(_));
    if loose || (!in_text && Comparable::of(attribute, &text).is_none()) {
        return Err(refused(format!("{name} is of the type {kind}; it can't be compared with that value.")));
    }
    Ok(())
}

fn unknown(name: &str, strict: bool) -> Result<(), ScimError> {
    if strict { Err(refused(format!("There is no attribute {name}."))) } else { Ok(()) }
}

fn no_value(attr: &AttrPath) -> ScimError {
    refused(format!("{attr} has no value of its own; compare one of its parts."))
}

fn refused(detail: impl Into<String>) -> ScimError {
    ScimError::bad(ScimType::InvalidFilter, detail)
}
