//! The grammar of filters and of the paths of PATCH (RFC 7644 §3.4.2.2, §3.5.2), and what clients write instead.
//!
//! `and` binds closer than `or`, `not` closest; keywords are read in any case. Beyond the RFC's letter: `not(` without
//! a space, values without quotes, no space between a closing bracket or quote and the next keyword, a comparison
//! behind the brackets of an attribute.
//!
//! # Why
//!
//! A filter comes from outside, so it can't cost what it likes: its length is looked at first, brackets and comparisons
//! are counted while they are read ([`Bounds`]), and what opened a bracket is never read a second time (`cut_err`). So
//! reading takes time in proportion to the length, and the stack grows with the allowed depth alone.

use std::mem;

use winnow::ascii::{Caseless, multispace0};
use winnow::combinator::{alt, cut_err, delimited, not, opt, peek, preceded, repeat, separated, terminated};
use winnow::error::{ContextError, ErrMode, ParseError, StrContext, StrContextValue};
use winnow::token::{any, literal, one_of, take_while};
use winnow::{ModalParser, ModalResult, Parser, Stateful};

use super::{Filter, Literal, MOST_BYTES, MOST_DEPTH, MOST_TERMS, Op};
use crate::domain::scim::path::AttrPath;

/// The text that is being read, and what was counted on the way.
pub type Input<'i> = Stateful<&'i str, Bounds>;

/// What was counted on the way.
#[derive(Debug, Default)]
pub struct Bounds {
    /// How many brackets are open.
    depth: usize,
    /// How many comparisons were read.
    terms: usize,
    /// Whether one of the open brackets is an attribute's.
    in_element: bool,
    /// Why nothing more is read, if it is not for the grammar.
    refused: Option<&'static str>,
}

/// Why a text was not read.
pub struct Fault {
    /// A sentence about it.
    pub detail: String,
    /// Whether it lies between brackets.
    pub in_brackets: bool,
}

impl Fault {
    fn of(what: &str, error: &ParseError<Input<'_>, ContextError>) -> Self {
        let Stateful { input: text, state: bounds } = error.input();
        let at = 1 + text.get(..error.offset()).map_or(0, |read| read.chars().count());
        let expected = error
            .inner()
            .context()
            .find_map(|context| if let StrContext::Expected(expected) = context { Some(expected) } else { None });
        let detail = match (bounds.refused, expected) {
            (Some(refused), _) => refused.to_owned(),
            (None, Some(expected)) => format!("The {what} can't be read from character {at} on: expected {expected}."),
            (None, None) => format!("The {what} can't be read from character {at} on."),
        };
        Self { detail, in_brackets: bounds.depth > 0 }
    }
}

/// Reads a whole text.
///
/// # Errors
/// It isn't what the parser takes, or is too large.
pub fn read<'i, O>(
    text: &'i str,
    what: &str,
    mut parser: impl ModalParser<Input<'i>, O, ContextError>,
) -> Result<O, Fault> {
    if text.len() > MOST_BYTES {
        return Err(Fault { detail: format!("A {what} has at most {MOST_BYTES} bytes."), in_brackets: false });
    }
    let input = Stateful { input: text, state: Bounds::default() };
    parser.parse(input).map_err(|error| Fault::of(what, &error))
}

/// A filter, and the space around it.
///
/// # Errors
/// There is none.
pub fn filter(input: &mut Input<'_>) -> ModalResult<Filter> {
    delimited(multispace0, separated(1.., cut_err(conjunction), keyword("or")), multispace0)
        .map(|all: Vec<Filter>| joined(all, Filter::Or))
        .parse_next(input)
}

/// The brackets of an attribute, and the filter of its elements between them.
///
/// # Errors
/// There are none.
pub fn element(input: &mut Input<'_>) -> ModalResult<Filter> {
    '['.parse_next(input)?;
    if mem::replace(&mut input.state.in_element, true) {
        return Err(refuse(input, "A filter in brackets can't hold another one in brackets."));
    }
    let found = cut_err(deeper(terminated(filter, ']'.context(symbol(']'))))).parse_next(input)?;
    input.state.in_element = false;
    Ok(found)
}

/// The name of an attribute, with its schema and with its part where they are given.
///
/// # Errors
/// There is none.
pub fn attribute(input: &mut Input<'_>) -> ModalResult<AttrPath> {
    take_while(1.., is_attribute)
        .verify_map(AttrPath::of_word)
        .context(expected("the name of an attribute"))
        .parse_next(input)
}

/// `.` and the name of a part.
///
/// # Errors
/// There is none.
pub fn part(input: &mut Input<'_>) -> ModalResult<String> {
    preceded('.', take_while(1.., is_name)).map(str::to_owned).parse_next(input)
}

fn conjunction(input: &mut Input<'_>) -> ModalResult<Filter> {
    separated(1.., cut_err(term), keyword("and")).map(|all: Vec<Filter>| joined(all, Filter::And)).parse_next(input)
}

fn term(input: &mut Input<'_>) -> ModalResult<Filter> {
    alt((negation, group, comparison)).parse_next(input)
}

fn negation(input: &mut Input<'_>) -> ModalResult<Filter> {
    preceded((literal(Caseless("not")), multispace0, peek('(')), cut_err(group))
        .map(|inner| Filter::Not(Box::new(inner)))
        .parse_next(input)
}

fn group(input: &mut Input<'_>) -> ModalResult<Filter> {
    preceded('(', cut_err(deeper(terminated(filter, ')'.context(symbol(')')))))).parse_next(input)
}

fn comparison(input: &mut Input<'_>) -> ModalResult<Filter> {
    let attr = attribute.parse_next(input)?;
    if attr.may_have_brackets()
        && let Some(filter) = opt(element).parse_next(input)?
    {
        let rest = opt((part, ending)).parse_next(input)?;
        return Ok(Filter::Element { attr, filter: Box::new(filter), rest });
    }
    Ok(match ending(input)? {
        None => Filter::Present(attr),
        Some((op, literal)) => Filter::Compare(attr, op, literal),
    })
}

/// What follows an attribute: `pr` (`None`), or an operator and a value.
fn ending(input: &mut Input<'_>) -> ModalResult<Option<(Op, Literal)>> {
    input.state.terms += 1;
    if input.state.terms > MOST_TERMS {
        return Err(refuse(input, "A filter has at most 64 comparisons."));
    }
    let found = cut_err(alt((keyword("pr").value(None), (operator, value).map(Some)))).parse_next(input)?;
    if let Some((op, Literal::Null)) = &found
        && !matches!(op, Op::Eq | Op::Ne)
    {
        return Err(refuse(input, "Only eq and ne compare with null."));
    }
    Ok(found)
}

fn operator(input: &mut Input<'_>) -> ModalResult<Op> {
    preceded(multispace0, take_while(1.., is_name).verify_map(Op::of_word))
        .context(expected("one of eq, ne, co, sw, ew, gt, ge, lt, le and pr"))
        .parse_next(input)
}

fn value(input: &mut Input<'_>) -> ModalResult<Literal> {
    preceded(multispace0, alt((quoted.map(Literal::Text), bare))).context(expected("a value")).parse_next(input)
}

/// A text as JSON writes it.
fn quoted(input: &mut Input<'_>) -> ModalResult<String> {
    let plain = take_while(1.., |c: char| c != '"' && c != '\\').void();
    let escaped = ('\\', any).void();
    delimited('"', repeat::<_, _, (), _, _>(0.., alt((plain, escaped))), '"')
        .take()
        .verify_map(|json: &str| serde_json::from_str(json).ok())
        .parse_next(input)
}

/// A value without quotes: the RFC's own example has one, and clients follow it. One in single quotes is none, lest
/// the quotes be taken for a part of it and nobody found.
fn bare(input: &mut Input<'_>) -> ModalResult<Literal> {
    take_while(1.., is_bare).verify(|word: &str| !word.starts_with('\'')).map(Literal::of_word).parse_next(input)
}

/// A keyword in any case, and the space around it; not the beginning of a longer word.
fn keyword<'i>(word: &'static str) -> impl ModalParser<Input<'i>, (), ContextError> {
    (multispace0, literal(Caseless(word)), not(one_of(is_name)), multispace0).void()
}

/// What stands behind an opening bracket, if there may be one more.
fn deeper<'i, O>(
    mut parser: impl ModalParser<Input<'i>, O, ContextError>,
) -> impl ModalParser<Input<'i>, O, ContextError> {
    move |input: &mut Input<'i>| {
        if input.state.depth == MOST_DEPTH {
            return Err(refuse(input, "Brackets stand in one another 16 deep at most."));
        }
        input.state.depth += 1;
        let found = parser.parse_next(input)?;
        input.state.depth -= 1;
        Ok(found)
    }
}

fn refuse(input: &mut Input<'_>, why: &'static str) -> ErrMode<ContextError> {
    input.state.refused = Some(why);
    ErrMode::Cut(ContextError::new())
}

fn joined(mut all: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    if all.len() == 1 { all.swap_remove(0) } else { join(all) }
}

const fn expected(what: &'static str) -> StrContext {
    StrContext::Expected(StrContextValue::Description(what))
}

const fn symbol(what: char) -> StrContext {
    StrContext::Expected(StrContextValue::CharLiteral(what))
}

/// What names consist of; `$` for `$ref`.
fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '$')
}

/// What names with a URN before them and a part behind them consist of.
fn is_attribute(c: char) -> bool {
    is_name(c) || matches!(c, '.' | ':' | '/' | '%')
}

fn is_bare(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, '"' | '(' | ')' | '[' | ']')
}
