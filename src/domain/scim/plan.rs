//! How the store finds what a filter may match: the most selective part of it that an index answers.
//!
//! What is found so is a superset; [`super::evaluate::matches`] then decides. So a lookup needs every match, and may
//! have more.

#[cfg(test)]
mod tests;

use super::evaluate::moment;
use super::filter::{Filter, Literal, Op};
use super::path::AttrPath;
use super::schema::ResourceType;
use super::target::{Target, resolve};
use super::username;
use crate::kernel::fold;

/// What an index is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Nothing: everything is looked at.
    Scan,
    /// The resource with this id.
    Id(String),
    /// The user with this key of a user name.
    UserName(String),
    /// The resources with this external id.
    ExternalId(String),
    /// The users with an e-mail address.
    Email {
        /// The key of its type, where one is asked for.
        kind: Option<String>,
        /// The key of the address.
        value: String,
    },
    /// The group with this key of a name.
    DisplayName(String),
    /// The groups with this member; of users, those in this group.
    Member(String),
    /// The resources that changed at this millisecond or later.
    ModifiedSince(i64),
}

impl Lookup {
    /// The fewer it finds, the lower.
    const fn rank(&self) -> u8 {
        match self {
            Self::Id(_) => 0,
            Self::UserName(_) => 1,
            Self::DisplayName(_) => 2,
            Self::ExternalId(_) => 3,
            Self::Email { kind: Some(_), .. } => 4,
            Self::Email { kind: None, .. } => 5,
            Self::Member(_) => 6,
            Self::ModifiedSince(_) => 7,
            Self::Scan => 8,
        }
    }

    /// The one of two that finds fewer, if either is enough.
    fn better(self, other: Self) -> Self {
        match (&self, &other) {
            // The later moment leaves less.
            (Self::ModifiedSince(one), Self::ModifiedSince(since)) if since > one => other,
            _ if other.rank() < self.rank() => other,
            _ => self,
        }
    }
}

/// What to ask an index for so that everything that the filter matches is found.
#[must_use]
pub fn lookup(kind: ResourceType, filter: &Filter) -> Lookup {
    match filter {
        Filter::And(all) => all.iter().map(|one| lookup(kind, one)).fold(Lookup::Scan, Lookup::better),
        Filter::Compare(attr, op, literal) => {
            resolve(kind, attr).map_or(Lookup::Scan, |target| of_comparison(kind, &target, *op, literal))
        }
        Filter::Element { attr, filter, rest } => {
            resolve(kind, attr).map_or(Lookup::Scan, |target| of_element(kind, &target, filter, rest.as_ref()))
        }
        Filter::Or(_) | Filter::Not(_) | Filter::Present(_) => Lookup::Scan,
    }
}

fn of_comparison(kind: ResourceType, target: &Target, op: Op, literal: &Literal) -> Lookup {
    let (Some(text), Some((target, _)), None) = (literal.text(), target.compared(), target.extension) else {
        return Lookup::Scan;
    };
    let name = target.attribute.map_or("", |attribute| attribute.name);
    let part = target.sub.map(|sub| sub.name);
    match (op, kind, name, part) {
        (Op::Eq, _, "id", None) => Lookup::Id(text.into_owned()),
        (Op::Eq, _, "externalId", None) => Lookup::ExternalId(text.into_owned()),
        (Op::Eq, ResourceType::User, "userName", None) => Lookup::UserName(username::key(&text)),
        (Op::Eq, ResourceType::User, "emails", Some("value")) => Lookup::Email { kind: None, value: fold::key(&text) },
        (Op::Eq, ResourceType::Group, "displayName", None) => Lookup::DisplayName(fold::key(&text)),
        (Op::Eq, ResourceType::Group, "members", Some("value")) => Lookup::Member(text.into_owned()),
        (Op::Eq, ResourceType::User, "groups", Some("value")) => Lookup::Member(text.into_owned()),
        (Op::Eq | Op::Gt | Op::Ge, _, "meta", Some("lastModified")) => since(&text),
        _ => Lookup::Scan,
    }
}

/// One element has to satisfy all of it, what stands behind the brackets too.
fn of_element(
    kind: ResourceType,
    target: &Target,
    filter: &Filter,
    rest: Option<&(String, Option<(Op, Literal)>)>,
) -> Lookup {
    // These hold where no element satisfies the brackets.
    if matches!(rest, Some((_, Some((Op::Ne, _) | (Op::Eq, Literal::Null))))) {
        return Lookup::Scan;
    }
    let mut equal = Vec::new();
    conjuncts(filter, &mut equal);
    if let Some((sub, Some((Op::Eq, literal)))) = rest {
        equal.push((sub, literal));
    }
    let text_of = |name: &str| {
        let found = equal.iter().find(|(part, literal)| part.eq_ignore_ascii_case(name) && literal.text().is_some());
        found.and_then(|(_, literal)| literal.text())
    };
    let (Some(value), Some(attribute), None) = (text_of("value"), target.attribute, target.extension) else {
        return Lookup::Scan;
    };
    match (kind, attribute.name) {
        (ResourceType::User, "emails") => {
            Lookup::Email { kind: text_of("type").map(|kind| fold::key(&kind)), value: fold::key(&value) }
        }
        (ResourceType::Group, "members") | (ResourceType::User, "groups") => Lookup::Member(value.into_owned()),
        _ => Lookup::Scan,
    }
}

/// What parts of an element have to be equal to.
fn conjuncts<'f>(filter: &'f Filter, into: &mut Vec<(&'f String, &'f Literal)>) {
    match filter {
        Filter::And(all) => all.iter().for_each(|one| conjuncts(one, into)),
        Filter::Compare(AttrPath { urn: None, name, sub: None }, Op::Eq, literal) => into.push((name, literal)),
        Filter::Compare(..) | Filter::Or(_) | Filter::Not(_) | Filter::Present(_) | Filter::Element { .. } => {}
    }
}

/// The millisecond in which a moment lies: what changed later within it is found, too.
fn since(text: &str) -> Lookup {
    let millis = moment(text).and_then(|nanos| i64::try_from(nanos.div_euclid(1_000_000)).ok());
    millis.map_or(Lookup::Scan, Lookup::ModifiedSince)
}
