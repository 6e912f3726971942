//! Filters (RFC 7644 §3.4.2.2): what they say, how they are read, and how they are written down again.

pub(super) mod grammar;
#[cfg(test)]
pub(in crate::domain) mod tests;

use std::borrow::Cow;
use std::fmt;

use serde_json::Number;

use super::error::{ScimError, ScimType};
use super::path::AttrPath;

/// The longest filter or path, in bytes.
pub const MOST_BYTES: usize = 4 * 1024;
/// So deep brackets may stand in one another.
pub const MOST_DEPTH: usize = 16;
/// So many comparisons a filter may make.
pub const MOST_TERMS: usize = 64;

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Is equal.
    Eq,
    /// Is not equal; also holds of an attribute without a value.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Is greater, or later.
    Gt,
    /// Is greater, later, or equal.
    Ge,
    /// Is less, or earlier.
    Lt,
    /// Is less, earlier, or equal.
    Le,
}

impl Op {
    /// All of them.
    pub const ALL: [Self; 9] =
        [Self::Eq, Self::Ne, Self::Co, Self::Sw, Self::Ew, Self::Gt, Self::Ge, Self::Lt, Self::Le];

    /// The word in a filter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }

    /// The operator that a word names, in any case.
    fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.as_str().eq_ignore_ascii_case(word))
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// With what a value is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// A text, in quotes or a bare word.
    Text(String),
    /// A number.
    Number(Number),
    /// `true` or `false`.
    Bool(bool),
    /// `null`: no value.
    Null,
}

impl Literal {
    /// What a word without quotes means: `true`, `false`, `null`, a number, else itself.
    ///
    /// A number that would be written differently (`007`, `1.50`) stays a text, so that nothing of it is lost where
    /// the attribute is one.
    fn of_word(word: &str) -> Self {
        let number = |word: &str| serde_json::from_str::<Number>(word).ok().filter(|number| number.to_string() == word);
        match word {
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            "null" => Self::Null,
            _ => number(word).map_or_else(|| Self::Text(word.to_owned()), Self::Number),
        }
    }

    /// The literal as a text; none for `null`.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::Bool(true) => Some(Cow::Borrowed("true")),
            Self::Bool(false) => Some(Cow::Borrowed("false")),
            Self::Null => None,
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?),
            Self::Number(number) => number.fmt(f),
            Self::Bool(flag) => flag.fmt(f),
            Self::Null => f.write_str("null"),
        }
    }
}

/// A filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All of them hold.
    And(Vec<Self>),
    /// One of them holds.
    Or(Vec<Self>),
    /// It doesn't hold.
    Not(Box<Self>),
    /// The attribute has a value (`pr`).
    Present(AttrPath),
    /// A value of the attribute compares so.
    Compare(AttrPath, Op, Literal),
    /// One element of the attribute satisfies all that stands in brackets.
    Element {
        /// The attribute.
        attr: AttrPath,
        /// What holds of the element; names are those of its parts.
        filter: Box<Self>,
        /// A part of such an element, and how it compares (`None`: `pr`), as Entra asks: `emails[…].value eq "…"`.
        rest: Option<(String, Option<(Op, Literal)>)>,
    },
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(all) => join(f, all, " and ", |one| matches!(one, Self::And(_) | Self::Or(_))),
            Self::Or(all) => join(f, all, " or ", |one| matches!(one, Self::Or(_))),
            Self::Not(inner) => write!(f, "not ({inner})"),
            Self::Present(attr) => write!(f, "{attr} pr"),
            Self::Compare(attr, op, literal) => write!(f, "{attr} {op} {literal}"),
            Self::Element { attr, filter, rest } => {
                write!(f, "{attr}[{filter}]")?;
                match rest {
                    None => Ok(()),
                    Some((sub, None)) => write!(f, ".{sub} pr"),
                    Some((sub, Some((op, literal)))) => write!(f, ".{sub} {op} {literal}"),
                }
            }
        }
    }
}

/// Writes filters with a word in between; those that would be read otherwise stand in brackets.
fn join(f: &mut fmt::Formatter<'_>, all: &[Filter], word: &str, in_brackets: fn(&Filter) -> bool) -> fmt::Result {
    for (number, one) in all.iter().enumerate() {
        if number > 0 {
            f.write_str(word)?;
        }
        if in_brackets(one) {
            write!(f, "({one})")?;
        } else {
            fmt::Display::fmt(one, f)?;
        }
    }
    Ok(())
}

/// Reads a filter.
///
/// # Errors
/// 400 `invalidFilter`: it is none, or larger than [`MOST_BYTES`], [`MOST_DEPTH`] and [`MOST_TERMS`] allow.
pub fn parse_filter(text: &str) -> Result<Filter, ScimError> {
    grammar::read(text, "filter", grammar::filter)
        .map_err(|fault| ScimError::bad(ScimType::InvalidFilter, fault.detail))
}
