//! PATCH: RFC 7644 §3.5.2, and what clients send instead.
//!
//! A request is read into operations ([`parse`]); each becomes one or more pieces, of which each concerns one attribute
//! (`pieces.rs`). Pieces are applied in order to a canonical object (`apply.rs`, `elements.rs`) that is then settled as
//! the body of a PUT is; those that concern a group's members become edits of rows (`members.rs`). What is given comes
//! back changed as a whole or not at all.

mod apply;
mod elements;
mod members;
mod pieces;

use serde_json::Value;

use super::Object;
use super::error::{ScimError, ScimType};
use super::filter::Filter;
use super::normalize::settle;
use super::path::{Path, parse_path};
use super::schema::ResourceType;
use crate::domain::connection::ScimProfile;

/// The schema of a PATCH.
pub const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// So many pieces a user's PATCH may have; members are edits of rows and have no such bound.
const MOST_PIECES: usize = 256;

/// So often a PATCH may say by a filter which members go: for each, all of the group's are looked at.
const MOST_FILTERS: usize = 16;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Adds a value to those that are there.
    Add,
    /// Puts a value in the place of what is there.
    Replace,
    /// Takes values away.
    Remove,
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchOp {
    /// What it does.
    pub act: Act,
    /// To what; without a path the value says it.
    pub path: Option<Path>,
    /// With what.
    pub value: Option<Value>,
}

/// A change of a group's members, by the ids of users.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberEdit {
    /// They come in; those who are in stay.
    Add(Vec<String>),
    /// They go; those who are not in are passed over.
    Remove(Vec<String>),
    /// Those go for whom it holds.
    RemoveWhere(Filter),
    /// They are the members, nobody else is.
    Set(Vec<String>),
}

/// Reads a PATCH.
///
/// # Errors
/// `invalidSyntax`, `invalidPath`, `invalidFilter` and `noTarget`, as RFC 7644 §3.12 has them.
pub fn parse(body: &Value, profile: ScimProfile) -> Result<Vec<PatchOp>, ScimError> {
    let request = body.as_object().ok_or_else(|| ScimError::syntax("The body must be a PatchOp."))?;
    let is_patch = |urn: &Value| urn.as_str().is_some_and(|urn| urn.eq_ignore_ascii_case(PATCH_OP));
    let schemas = member(request, "schemas").and_then(Value::as_array);
    if profile.is_strict() && !schemas.is_some_and(|schemas| schemas.iter().any(is_patch)) {
        return Err(ScimError::syntax(format!("schemas must name {PATCH_OP}.")));
    }
    let operations = match member(request, "Operations") {
        Some(Value::Array(operations)) => operations.as_slice(),
        Some(operation @ Value::Object(_)) if !profile.is_strict() => std::slice::from_ref(operation),
        _ => return Err(ScimError::syntax("Operations must be a list.")),
    };
    if operations.is_empty() && profile.is_strict() {
        return Err(ScimError::syntax("Operations must have one operation at least."));
    }
    operations.iter().map(|operation| read(operation, profile)).collect()
}

fn read(operation: &Value, profile: ScimProfile) -> Result<PatchOp, ScimError> {
    let operation = operation.as_object().ok_or_else(|| ScimError::syntax("An operation must be an object."))?;
    let word = member(operation, "op").and_then(Value::as_str).unwrap_or_default();
    let act = [("add", Act::Add), ("replace", Act::Replace), ("remove", Act::Remove)]
        .into_iter()
        .find_map(|(name, act)| name.eq_ignore_ascii_case(word).then_some(act));
    let act = act.ok_or_else(|| ScimError::syntax("op is one of add, replace and remove."))?;
    let path = match member(operation, "path") {
        None => None,
        Some(Value::Null) if !profile.is_strict() => None,
        Some(Value::String(path)) if path.trim().is_empty() && !profile.is_strict() => None,
        Some(Value::String(path)) => Some(parse_path(path)?),
        Some(_) => return Err(ScimError::bad(ScimType::InvalidPath, "path must be a text.")),
    };
    let value = member(operation, "value").cloned();
    match (act, &path, &value) {
        (Act::Remove, None, _) => Err(ScimError::bad(ScimType::NoTarget, "A remove needs its path.")),
        (Act::Add | Act::Replace, _, None) => Err(ScimError::value("An add or a replace needs its value.")),
        _ => Ok(PatchOp { act, path, value }),
    }
}

fn member<'o>(object: &'o Object, name: &str) -> Option<&'o Value> {
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// A canonical user after the operations.
///
/// # Errors
/// As RFC 7644 §3.12 has them; then nothing is to be changed.
pub fn apply_user(mut object: Object, operations: &[PatchOp], profile: ScimProfile) -> Result<Object, ScimError> {
    let mut count = 0;
    for operation in operations {
        for piece in pieces::of(ResourceType::User, operation, profile)? {
            count += 1;
            if count > MOST_PIECES {
                return Err(ScimError::value(format!("A PATCH changes at most {MOST_PIECES} things of a user.")));
            }
            apply::piece(&mut object, &piece, profile)?;
        }
    }
    settle(ResourceType::User, object, profile)
}

/// A canonical group after the operations, and what becomes of its members, in order.
///
/// # Errors
/// As RFC 7644 §3.12 has them; then nothing is to be changed.
pub fn apply_group(
    mut object: Object,
    operations: &[PatchOp],
    profile: ScimProfile,
) -> Result<(Object, Vec<MemberEdit>), ScimError> {
    let (mut edits, mut filters) = (Vec::new(), 0);
    for operation in operations {
        for piece in pieces::of(ResourceType::Group, operation, profile)? {
            if piece.is_members() {
                for edit in members::edits(&piece, profile)? {
                    filters += usize::from(matches!(edit, MemberEdit::RemoveWhere(_)));
                    if filters > MOST_FILTERS {
                        let detail = format!("A PATCH filters members at most {MOST_FILTERS} times; name them by id.");
                        return Err(ScimError::value(detail));
                    }
                    members::push(&mut edits, edit);
                }
            } else {
                apply::piece(&mut object, &piece, profile)?;
            }
        }
    }
    Ok((settle(ResourceType::Group, object, profile)?, edits))
}

#[cfg(test)]
mod client_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
