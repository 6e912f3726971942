//! How single values compare: texts with regard to case or without, moments in time, numbers, flags.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::domain::scim::filter::{Literal, Op};
use crate::domain::scim::schema::{Attribute, Kind};
use crate::domain::scim::username;
use crate::kernel::fold;

/// A value in the form in which values of its attribute compare.
#[derive(Clone, Debug, PartialEq)]
pub enum Comparable {
    /// A text, or the key of one that compares without regard to case.
    Text(String),
    /// A moment, in nanoseconds since 1970.
    Moment(i128),
    /// A number.
    Number(f64),
    /// Whether.
    Flag(bool),
}

impl Comparable {
    /// The value that a text is for an attribute; none if it can't be one.
    pub fn of(attribute: &Attribute, text: &str) -> Option<Self> {
        match attribute.kind {
            Kind::String | Kind::Reference | Kind::Binary => Some(Self::Text(key(attribute, text))),
            Kind::DateTime => moment(text).map(Self::Moment),
            Kind::Decimal | Kind::Integer => {
                text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Self::Number)
            }
            Kind::Boolean => flag(text).map(Self::Flag),
            Kind::Complex => None,
        }
    }

    /// Which of two values of one attribute comes first.
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => Some(one.cmp(other)),
            (Self::Moment(one), Self::Moment(other)) => Some(one.cmp(other)),
            (Self::Number(one), Self::Number(other)) => one.partial_cmp(other),
            (Self::Flag(one), Self::Flag(other)) => Some(one.cmp(other)),
            _ => None,
        }
    }
}

/// The text of a simple value.
pub fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(true) => Some(Cow::Borrowed("true")),
        Value::Bool(false) => Some(Cow::Borrowed("false")),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A moment (`xsd:dateTime`), in nanoseconds since 1970. Without a zone it is taken as UTC; a space before the zone was
/// a `+` that got lost in a URL.
pub fn moment(text: &str) -> Option<i128> {
    let read = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp_nanos);
    let text = text.trim();
    let lost_plus = || text.rsplit_once(' ').and_then(|(at, zone)| read(&format!("{at}+{zone}")));
    read(text).or_else(lost_plus).or_else(|| read(&format!("{text}Z")))
}

/// Whether an operator goes with an attribute: order with what has one, parts of a text with texts.
pub fn goes_with(op: Op, attribute: &Attribute) -> bool {
    let ordered = matches!(op, Op::Gt | Op::Ge | Op::Lt | Op::Le);
    let in_text = matches!(op, Op::Co | Op::Sw | Op::Ew);
    match attribute.kind {
        Kind::String | Kind::Reference | Kind::DateTime => true,
        Kind::Binary => !ordered,
        Kind::Decimal | Kind::Integer => !in_text,
        Kind::Boolean => !ordered && !in_text,
        Kind::Complex => false,
    }
}

/// Whether a value compares so with a literal other than `null`.
pub fn holds(attribute: &Attribute, value: &Value, op: Op, literal: &Literal) -> bool {
    let (Some(value), Some(literal)) = (text_of(value), literal.text()) else {
        return op == Op::Ne;
    };
    let order = || Comparable::of(attribute, &value)?.order(&Comparable::of(attribute, &literal)?);
    match op {
        _ if !goes_with(op, attribute) => false,
        Op::Co => in_case(attribute, &value).contains(&*in_case(attribute, &literal)),
        Op::Sw => in_case(attribute, &value).starts_with(&*in_case(attribute, &literal)),
        Op::Ew => in_case(attribute, &value).ends_with(&*in_case(attribute, &literal)),
        Op::Eq => order() == Some(Ordering::Equal),
        Op::Ne => order() != Some(Ordering::Equal),
        Op::Gt => order() == Some(Ordering::Greater),
        Op::Ge => matches!(order(), Some(Ordering::Greater | Ordering::Equal)),
        Op::Lt => order() == Some(Ordering::Less),
        Op::Le => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
    }
}

/// `True` and `False` as texts, too: Entra sends them.
fn flag(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// What decides whether two texts are the same: the keys that unique columns and indexes hold.
fn key(attribute: &Attribute, text: &str) -> String {
    if attribute.case_exact {
        text.to_owned()
    } else if attribute.name == "userName" {
        username::key(text)
    } else {
        fold::key(text)
    }
}

/// A text in which others are looked for.
fn in_case<'t>(attribute: &Attribute, text: &'t str) -> Cow<'t, str> {
    if attribute.case_exact { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) }
}
