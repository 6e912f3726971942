//! What an operation concerns: one attribute, some of its elements, or a part of them.

use std::borrow::Cow;

use serde_json::Value;

use super::super::Object;
use super::super::error::{ScimError, ScimType};
use super::super::evaluate::check_element;
use super::super::filter::{Filter, Literal};
use super::super::normalize::{alone, is_members};
use super::super::path::{AttrPath, Path, parse_path};
use super::super::schema::{Attribute, Kind, Mutability, ResourceType, Schema};
use super::super::target::resolve;
use super::{Act, PatchOp};
use crate::domain::connection::ScimProfile;

/// A part of an operation that concerns one attribute, or the whole of an extension.
pub struct Piece<'a> {
    /// Of which resource.
    kind: ResourceType,
    /// What it does.
    pub act: Act,
    /// The extension in which the attribute is.
    pub extension: Option<&'static Schema>,
    /// The attribute; none means all of the extension, which can only be removed.
    pub attribute: Option<&'static Attribute>,
    /// Which elements of it.
    pub filter: Option<Filter>,
    /// Which part of them.
    pub sub: Option<&'static Attribute>,
    /// With what. Of an add or replace it is not absent.
    pub value: Option<Cow<'a, Value>>,
}

impl Piece<'_> {
    /// With what; null, if with nothing.
    pub fn value(&self) -> Value {
        self.value.as_deref().cloned().unwrap_or_default()
    }

    /// Whether it concerns a group's members.
    pub fn is_members(&self) -> bool {
        self.attribute.is_some_and(|attribute| is_members(self.kind, attribute))
    }

    /// Whether the elements or parts go: a remove, or a replace by null (RFC 7643 §2.5).
    pub fn takes_away(&self) -> bool {
        self.act == Act::Remove || matches!(self.value.as_deref(), None | Some(Value::Null))
    }
}

/// What is said with an operation: its path's words, and whether it is the key of a value.
struct Said<'a> {
    path: Path,
    act: Act,
    value: Option<Cow<'a, Value>>,
    in_value: bool,
}

/// The pieces of an operation, in order. What no schema knows makes none, outside the strict profile.
///
/// # Errors
/// `invalidPath` for a path that means nothing, `mutability` for one that is not for clients to write, `invalidValue`
/// for a value that can't stand where it does.
pub fn of(kind: ResourceType, operation: &PatchOp, profile: ScimProfile) -> Result<Vec<Piece<'_>>, ScimError> {
    let PatchOp { act, path, value } = operation;
    if let Some(path) = path {
        let value = value.as_ref().map(Cow::Borrowed);
        return aimed(kind, Said { path: path.clone(), act: *act, value, in_value: false }, profile);
    }
    let members = match (value, value.as_ref().and_then(Value::as_array).map(Vec::as_slice)) {
        (Some(Value::Object(members)), _) => members,
        (_, Some([Value::Object(members)])) if !profile.is_strict() => members,
        _ => return Err(ScimError::value("An operation without a path needs an object as its value.")),
    };
    let mut pieces = Vec::new();
    for (key, value) in members {
        let Some(path) = key_path(kind, key, profile)? else { continue };
        // Whole resources come with nulls in them; nobody empties a group that way.
        let is_idle = *act == Act::Add || key.eq_ignore_ascii_case("members");
        if value.is_null() && is_idle && !profile.is_strict() {
            continue;
        }
        let said = Said { path, act: *act, value: Some(Cow::Borrowed(value)), in_value: true };
        pieces.extend(aimed(kind, said, profile)?);
    }
    Ok(pieces)
}

/// A key of a value, which is the name of an attribute or, as Entra and others send it, a path. Okta and authentik send
/// along what is Muster's to say.
fn key_path(kind: ResourceType, key: &str, profile: ScimProfile) -> Result<Option<Path>, ScimError> {
    if ["id", "schemas", "meta"].iter().any(|name| name.eq_ignore_ascii_case(key)) {
        return Ok(None);
    }
    if kind.attribute(key).is_some() {
        return Ok(Some(plain(None, key, None)));
    }
    match parse_path(key) {
        Ok(path) => Ok(Some(path)),
        Err(error) if profile.is_strict() => Err(error),
        Err(_) => Ok(None),
    }
}

fn plain(urn: Option<&str>, name: &str, sub: Option<String>) -> Path {
    Path { attr: AttrPath { urn: urn.map(str::to_owned), name: name.to_owned(), sub }, filter: None, sub: None }
}

fn aimed(kind: ResourceType, said: Said<'_>, profile: ScimProfile) -> Result<Vec<Piece<'_>>, ScimError> {
    let Some(target) = resolve(kind, &said.path.attr) else { return nothing(&said.path, profile) };
    let Some(attribute) = target.attribute else {
        return match target.extension {
            Some(extension) => of_extension(kind, extension, said, profile),
            None => nothing(&said.path, profile),
        };
    };
    let sub = match &said.path.sub {
        None => target.sub,
        Some(name) => match attribute.sub(name) {
            Some(sub) => Some(sub),
            None => return nothing(&said.path, profile),
        },
    };
    if !is_for_clients(attribute, sub, said.in_value && !profile.is_strict())? {
        return Ok(Vec::new());
    }
    if said.act == Act::Add && said.value.as_deref().is_none_or(Value::is_null) {
        return Err(ScimError::value(format!("There is nothing to add to {}.", attribute.name)));
    }
    if said.path.filter.is_some() && (!attribute.is_complex() || (!attribute.multi && profile.is_strict())) {
        let detail = format!("{} has no elements to choose from.", attribute.name);
        return Err(ScimError::bad(ScimType::InvalidPath, detail));
    }
    let filter = match said.path.filter {
        Some(filter) if !profile.is_strict() => Some(coerced(attribute, filter)),
        filter => filter,
    };
    if let Some(filter) = &filter {
        check_element(attribute, filter, profile.is_strict())?;
    }
    let extension = target.extension;
    Ok(vec![Piece { kind, act: said.act, extension, attribute: Some(attribute), filter, sub, value: said.value }])
}

fn nothing<'a>(path: &Path, profile: ScimProfile) -> Result<Vec<Piece<'a>>, ScimError> {
    if profile.is_strict() {
        let path: String = path.to_string().chars().take(200).collect();
        return Err(ScimError::bad(ScimType::InvalidPath, format!("No schema of this resource has {path}.")));
    }
    Ok(Vec::new())
}

/// Whether clients write it. A password is taken and dropped; `schemas` follows from what is there; among the keys of a
/// value, what is Muster's to say is passed over where `lenient`.
fn is_for_clients(
    attribute: &'static Attribute,
    sub: Option<&'static Attribute>,
    lenient: bool,
) -> Result<bool, ScimError> {
    if attribute.name == "schemas" || attribute.mutability == Mutability::WriteOnly {
        return Ok(false);
    }
    let read_only = |one: &&Attribute| one.mutability == Mutability::ReadOnly;
    match [Some(attribute), sub].into_iter().flatten().find(read_only) {
        None => Ok(true),
        Some(_) if lenient => Ok(false),
        Some(one) => Err(ScimError::bad(ScimType::Mutability, format!("{} is read-only.", one.name))),
    }
}

/// All of an extension: its value has the attributes, with or without their parts.
fn of_extension<'a>(
    kind: ResourceType,
    extension: &'static Schema,
    said: Said<'a>,
    profile: ScimProfile,
) -> Result<Vec<Piece<'a>>, ScimError> {
    let value = said.value.map(|value| alone(value.into_owned(), profile));
    match (said.act, value) {
        (Act::Remove, _) | (Act::Replace, Some(Value::Null)) => {
            let (act, extension) = (Act::Remove, Some(extension));
            Ok(vec![Piece { kind, act, extension, attribute: None, filter: None, sub: None, value: None }])
        }
        (_, Some(Value::Object(parts))) => of_parts(kind, extension, said.act, parts, profile),
        _ => Err(ScimError::value(format!("{} must be an object.", extension.urn))),
    }
}

fn of_parts<'a>(
    kind: ResourceType,
    extension: &'static Schema,
    act: Act,
    parts: Object,
    profile: ScimProfile,
) -> Result<Vec<Piece<'a>>, ScimError> {
    let mut pieces = Vec::new();
    for (key, value) in parts {
        // Whole resources name their schemas in their extensions, too.
        let is_ours = key.eq_ignore_ascii_case("schemas");
        if is_ours || act == Act::Add && value.is_null() && !profile.is_strict() {
            continue;
        }
        let (name, sub) = key.split_once('.').map_or((key.as_str(), None), |(name, sub)| (name, Some(sub.to_owned())));
        let path = plain(Some(extension.urn), name, sub);
        if extension.attribute(name).is_none() {
            pieces.extend(nothing(&path, profile)?);
            continue;
        }
        pieces.extend(aimed(kind, Said { path, act, value: Some(Cow::Owned(value)), in_value: true }, profile)?);
    }
    Ok(pieces)
}

/// The filter with `primary eq "True"` meant as it is sent: Entra compares a boolean with a text.
fn coerced(attribute: &'static Attribute, filter: Filter) -> Filter {
    let all = |filters: Vec<Filter>| filters.into_iter().map(|filter| coerced(attribute, filter)).collect();
    match filter {
        Filter::And(filters) => Filter::And(all(filters)),
        Filter::Or(filters) => Filter::Or(all(filters)),
        Filter::Not(filter) => Filter::Not(Box::new(coerced(attribute, *filter))),
        Filter::Compare(attr, op, Literal::Text(text)) => {
            let is_flag = attribute.sub(&attr.name).is_some_and(|sub| sub.kind == Kind::Boolean);
            let flag = text.to_ascii_lowercase().parse::<bool>().ok().filter(|_| is_flag);
            Filter::Compare(attr, op, flag.map_or(Literal::Text(text), Literal::Bool))
        }
        filter @ (Filter::Present(_) | Filter::Compare(..) | Filter::Element { .. }) => filter,
    }
}
