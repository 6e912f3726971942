//! What becomes of a group's members. They are rows: nothing here reads who is in.

use serde_json::Value;

use super::super::error::{ScimError, ScimType};
use super::super::filter::{Filter, Literal, Op};
use super::super::normalize::member_ids;
use super::pieces::Piece;
use super::{Act, MemberEdit};
use crate::domain::connection::ScimProfile;

/// The edits that one piece asks for.
///
/// # Errors
/// `invalidValue` for what names no users, `mutability` for changing who a member is.
pub fn edits(piece: &Piece<'_>, profile: ScimProfile) -> Result<Vec<MemberEdit>, ScimError> {
    match (&piece.filter, piece.sub) {
        (None, None) => whole(piece, profile),
        (Some(filter), None) => chosen(filter, piece, profile),
        (filter, Some(sub)) if sub.name == "value" => values(filter.as_ref(), piece, profile),
        // Names and types follow from who they are.
        (_, Some(_)) if !profile.is_strict() => Ok(Vec::new()),
        (_, Some(_)) => Err(immutable()),
    }
}

/// `members`: a remove with a list takes those away and nobody else, in every profile.
fn whole(piece: &Piece<'_>, profile: ScimProfile) -> Result<Vec<MemberEdit>, ScimError> {
    let value = piece.value.as_deref().unwrap_or(&Value::Null);
    Ok(vec![match piece.act {
        Act::Add => MemberEdit::Add(member_ids(value, profile)?),
        Act::Replace => MemberEdit::Set(member_ids(value, profile)?),
        Act::Remove if value.is_null() => MemberEdit::Set(Vec::new()),
        Act::Remove => MemberEdit::Remove(member_ids(value, profile)?),
    }])
}

/// `members[value eq "…"]`.
fn chosen(filter: &Filter, piece: &Piece<'_>, profile: ScimProfile) -> Result<Vec<MemberEdit>, ScimError> {
    if piece.takes_away() {
        return Ok(vec![removal(filter)]);
    }
    let added = MemberEdit::Add(member_ids(piece.value.as_deref().unwrap_or(&Value::Null), profile)?);
    Ok(match piece.act {
        Act::Replace => vec![removal(filter), added],
        Act::Add | Act::Remove => vec![added],
    })
}

/// `members.value` and `members[value eq "…"].value`.
fn values(filter: Option<&Filter>, piece: &Piece<'_>, profile: ScimProfile) -> Result<Vec<MemberEdit>, ScimError> {
    match filter {
        None if profile.is_strict() && piece.act != Act::Add => Err(immutable()),
        None => whole(piece, ScimProfile::Auto),
        Some(filter) if piece.takes_away() => Ok(vec![removal(filter)]),
        Some(_) => Err(immutable()),
    }
}

fn immutable() -> ScimError {
    ScimError::bad(ScimType::Mutability, "A member can't be changed; remove it and add another one.")
}

/// Where a filter only names users, their ids: no row must be read to find them.
fn removal(filter: &Filter) -> MemberEdit {
    named(filter).map_or_else(|| MemberEdit::RemoveWhere(filter.clone()), MemberEdit::Remove)
}

fn named(filter: &Filter) -> Option<Vec<String>> {
    match filter {
        Filter::Compare(attr, Op::Eq, literal) if attr.name.eq_ignore_ascii_case("value") && attr.sub.is_none() => {
            match literal {
                Literal::Text(id) => Some(vec![id.clone()]),
                Literal::Number(_) | Literal::Bool(_) | Literal::Null => None,
            }
        }
        Filter::Or(filters) => {
            let ids: Option<Vec<Vec<String>>> = filters.iter().map(named).collect();
            ids.map(|ids| ids.into_iter().flatten().collect())
        }
        Filter::Compare(..) | Filter::And(_) | Filter::Not(_) | Filter::Present(_) | Filter::Element { .. } => None,
    }
}

/// Adds an edit behind the others; one of the same kind as the last is added to it, for authentik sends each member in
/// an operation of its own.
pub fn push(edits: &mut Vec<MemberEdit>, mut edit: MemberEdit) {
    if let MemberEdit::Add(ids) | MemberEdit::Remove(ids) = &edit
        && ids.is_empty()
    {
        return;
    }
    match (edits.last_mut(), &mut edit) {
        (Some(MemberEdit::Add(all)), MemberEdit::Add(ids))
        | (Some(MemberEdit::Remove(all)), MemberEdit::Remove(ids)) => {
            all.append(ids);
        }
        _ => edits.push(edit),
    }
}
