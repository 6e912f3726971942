//! Names of attributes, and the paths of PATCH (RFC 7644 §3.10, §3.5.2).

use std::fmt;

use winnow::ascii::multispace0;
use winnow::combinator::{opt, preceded};
use winnow::{ModalResult, Parser};

use super::error::{ScimError, ScimType};
use super::filter::Filter;
use super::filter::grammar::{self, Input};
use super::schema::ResourceType;

/// The name of an attribute, as it was written: `name.givenName`, `urn:…:User:manager.value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttrPath {
    /// The URN of its schema.
    pub urn: Option<String>,
    /// Its name; empty where the URN alone was written, which means all of an extension.
    pub name: String,
    /// The part of it that is meant.
    pub sub: Option<String>,
}

impl AttrPath {
    /// What a word means. URNs have colons and dots inside, and a dot stands between an extension and its attribute in
    /// paths of old (`urn:…:2.0:User.manager`), so the schemas that we know are looked for first.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        if is_schema(word) {
            return Some(Self::whole(word));
        }
        let ours = word.match_indices([':', '.']).map(|(at, _)| at).find(|at| is_schema(&word[..*at]));
        let split = ours.map(|at| (&word[..at], &word[at + 1..])).or_else(|| word.rsplit_once(':'));
        match split {
            None => Self::named(None, word),
            Some(("", _)) => None,
            // A schema that nobody knows, and nothing of it: `urn:example:2.0`, `http://example.com/schema`.
            Some((_, rest)) if ours.is_none() && rest.starts_with(|c: char| c.is_ascii_digit() || c == '/') => {
                Some(Self::whole(word))
            }
            Some((urn, rest)) => Self::named(Some(urn), rest),
        }
    }

    /// Whether a filter in brackets may follow.
    pub(super) const fn may_have_brackets(&self) -> bool {
        self.sub.is_none() && !self.name.is_empty()
    }

    fn whole(urn: &str) -> Self {
        Self { urn: Some(urn.to_owned()), name: String::new(), sub: None }
    }

    fn named(urn: Option<&str>, rest: &str) -> Option<Self> {
        let (name, sub) = rest.split_once('.').map_or((rest, None), |(name, sub)| (name, Some(sub)));
        let sound = is_name(name) && sub.is_none_or(is_name);
        sound.then(|| Self { urn: urn.map(str::to_owned), name: name.to_owned(), sub: sub.map(str::to_owned) })
    }
}

impl fmt::Display for AttrPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.urn {
            Some(urn) if self.name.is_empty() => f.write_str(urn)?,
            Some(urn) => write!(f, "{urn}:{}", self.name)?,
            None => f.write_str(&self.name)?,
        }
        self.sub.as_ref().map_or(Ok(()), |sub| write!(f, ".{sub}"))
    }
}

/// The path of a PATCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The attribute; without its part, if there is a filter.
    pub attr: AttrPath,
    /// Which of its elements are meant.
    pub filter: Option<Filter>,
    /// The part of those elements that is meant.
    pub sub: Option<String>,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.attr.fmt(f)?;
        if let Some(filter) = &self.filter {
            write!(f, "[{filter}]")?;
        }
        self.sub.as_ref().map_or(Ok(()), |sub| write!(f, ".{sub}"))
    }
}

/// Reads the path of a PATCH.
///
/// # Errors
/// 400 `invalidPath`; 400 `invalidFilter` if what stands in its brackets is at fault.
pub fn parse_path(text: &str) -> Result<Path, ScimError> {
    grammar::read(text, "path", path).map_err(|fault| {
        let kind = if fault.in_brackets { ScimType::InvalidFilter } else { ScimType::InvalidPath };
        ScimError::bad(kind, fault.detail)
    })
}

/// Reads the name of an attribute, as `attributes` and `sortBy` give it. Brackets are read over: some clients ask for
/// `emails[type eq "work"]`.
///
/// # Errors
/// 400 `invalidPath`.
pub fn parse_attr(text: &str) -> Result<AttrPath, ScimError> {
    let path =
        grammar::read(text, "name", path).map_err(|fault| ScimError::bad(ScimType::InvalidPath, fault.detail))?;
    Ok(AttrPath { sub: path.sub.or(path.attr.sub), ..path.attr })
}

fn path(input: &mut Input<'_>) -> ModalResult<Path> {
    let attr = preceded(multispace0, grammar::attribute).parse_next(input)?;
    let filter = if attr.may_have_brackets() { opt(grammar::element).parse_next(input)? } else { None };
    let sub = if filter.is_some() { opt(grammar::part).parse_next(input)? } else { None };
    multispace0.parse_next(input)?;
    Ok(Path { attr, filter, sub })
}

fn is_schema(urn: &str) -> bool {
    let of = |kind: ResourceType| kind.schema().urn.eq_ignore_ascii_case(urn) || kind.extension(urn).is_some();
    ResourceType::ALL.into_iter().any(of)
}

/// A letter, or the `$` of `$ref`; then also digits, `-` and `_` (RFC 7643 §2.1).
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '$'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::scim::filter::{Literal, Op};
    use crate::domain::scim::schema::{ENTERPRISE_URN, USER_URN};

    fn attr(urn: Option<&str>, name: &str, sub: Option<&str>) -> AttrPath {
        AttrPath { urn: urn.map(str::to_owned), name: name.to_owned(), sub: sub.map(str::to_owned) }
    }

    #[test]
    fn names_are_read_with_their_schema_and_part_in_every_form_that_clients_send() {
        const OLD: &str = "urn:scim:schemas:extension:enterprise:1.0";
        let upper = ENTERPRISE_URN.to_uppercase();
        let cases: [(String, AttrPath); 15] = [
            ("userName".into(), attr(None, "userName", None)),
            (" name.givenName ".into(), attr(None, "name", Some("givenName"))),
            ("members.$ref".into(), attr(None, "members", Some("$ref"))),
            ("x-vendor_1".into(), attr(None, "x-vendor_1", None)),
            (ENTERPRISE_URN.into(), attr(Some(ENTERPRISE_URN), "", None)),
            (format!("{USER_URN}:userName"), attr(Some(USER_URN), "userName", None)),
            (format!("{USER_URN}:name.familyName"), attr(Some(USER_URN), "name", Some("familyName"))),
            (format!("{ENTERPRISE_URN}:manager.value"), attr(Some(ENTERPRISE_URN), "manager", Some("value"))),
            (format!("{ENTERPRISE_URN}.manager"), attr(Some(ENTERPRISE_URN), "manager", None)),
            (format!("{ENTERPRISE_URN}.manager.value"), attr(Some(ENTERPRISE_URN), "manager", Some("value"))),
            (format!("{upper}:department"), attr(Some(upper.as_str()), "department", None)),
            (format!("{OLD}.department"), attr(Some(OLD), "department", None)),
            (
                "urn:example:a.b:2.0:Thing:size.unit".into(),
                attr(Some("urn:example:a.b:2.0:Thing"), "size", Some("unit")),
            ),
            ("urn:example:2.0".into(), attr(Some("urn:example:2.0"), "", None)),
            ("http://example.com/scim/2.0/Group".into(), attr(Some("http://example.com/scim/2.0/Group"), "", None)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_attr(&text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_no_path() {
        let trailing = [format!("{ENTERPRISE_URN}:"), format!("{ENTERPRISE_URN}:manager.value.more")];
        let wrong = ["", " ", ".", "a.", ".a", "a.b.c", "1a", "a b", "a[", "a]", ":a", "a:", "a,b", "né", "a.b[c pr]"];
        for text in wrong.into_iter().chain(trailing.iter().map(String::as_str)) {
            let error = parse_path(text).unwrap_err();
            let kind = if text == "a[" { ScimType::InvalidFilter } else { ScimType::InvalidPath };
            assert_eq!((error.status, error.kind), (400, Some(kind)), "{text}");
        }
        assert_eq!(parse_path(&"a".repeat(5_000)).unwrap_err().kind, Some(ScimType::InvalidPath));
    }

    #[test]
    fn paths_choose_elements_and_their_parts() {
        let work = Filter::Compare(attr(None, "type", None), Op::Eq, Literal::Text("work".to_owned()));
        let emails = attr(None, "emails", None);
        let path = Path { attr: emails.clone(), filter: Some(work.clone()), sub: Some("value".to_owned()) };
        assert_eq!(parse_path(r#"emails[type eq "work"].value"#), Ok(path.clone()));
        assert_eq!(parse_path(r#"emails[ TYPE EQ "work" ]"#).map(|path| path.sub), Ok(None));
        assert_eq!(path.to_string(), r#"emails[type eq "work"].value"#);
        let urn = format!(r#"{USER_URN}:emails[type eq "work"].value"#);
        assert_eq!(parse_path(&urn).map(|path| path.to_string()), Ok(urn));
        assert_eq!(parse_attr(r#"emails[type eq "work"]"#), Ok(emails));
        let roles = parse_path(r#"roles[primary eq "True"].display"#).unwrap();
        let primary = Filter::Compare(attr(None, "primary", None), Op::Eq, Literal::Text("True".to_owned()));
        assert_eq!((roles.filter, roles.sub.as_deref()), (Some(primary), Some("display")));
    }

    #[test]
    fn a_wrong_filter_in_a_path_is_the_filters_fault_and_a_wrong_path_is_the_paths() {
        for text in
            ["emails[]", "emails[type]", "emails[type eq \"work\"", "emails[a[b eq 1] eq 2]", "emails[type is 1]"]
        {
            assert_eq!(parse_path(text).unwrap_err().kind, Some(ScimType::InvalidFilter), "{text}");
        }
        for text in
            ["emails[type eq \"work\"]value", "emails[type eq 1].", "emails[type eq 1].a.b", "emails[a pr][b pr]"]
        {
            assert_eq!(parse_path(text).unwrap_err().kind, Some(ScimType::InvalidPath), "{text}");
        }
    }
}
