//! The parameters of a request: `application/x-www-form-urlencoded`, each at most once (RFC 6749 §3.1, §3.2).
//!
//! # Why
//! The usual decoders replace bytes that are no UTF-8 and keep repeated names, so that two readers of one request
//! can see two different requests. Here both are refused before anybody looks at a value. What HTTP allows in
//! size is decided by the layers in front.

use std::collections::BTreeMap;
use std::fmt;

use crate::domain::oauth::error::{ErrorCode, OAuthError};

/// How many bytes the value of one parameter may have.
pub const MAX_VALUE: usize = 8 * 1024;
/// How many bytes the name of one parameter may have.
pub const MAX_NAME: usize = 256;
/// How many parameters a request may have.
pub const MAX_COUNT: usize = 128;

/// Why parameters were refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadParams {
    /// RFC 6749 §3.1: "parameters MUST NOT be included more than once".
    #[error("parameter {0} is there more than once")]
    Duplicate(String),
    /// A value (or a name) beyond our bounds.
    #[error("parameter {0} is too long")]
    TooLong(String),
    /// Bytes that are no UTF-8, or a NUL, which no database keeps in a text.
    #[error("parameter {0} is not text")]
    NotText(String),
    /// More parameters than any request needs.
    #[error("too many parameters")]
    TooMany,
}

impl From<BadParams> for OAuthError {
    fn from(bad: BadParams) -> Self {
        Self::new(ErrorCode::InvalidRequest, bad.to_string())
    }
}

/// Parameters that were decoded once, each with one value. Printing shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Params(BTreeMap<String, String>);

impl Params {
    /// Decodes a form body or the bytes of a query.
    ///
    /// # Errors
    /// [`BadParams`] for repeated names, text that isn't text, and sizes beyond our bounds.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadParams> {
        let mut found = BTreeMap::new();
        for pair in bytes.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let cut = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let name =
                form_decode(&pair[..cut], Malformed::Kept).ok_or_else(|| BadParams::NotText("name".to_owned()))?;
            if name.len() > MAX_NAME {
                return Err(BadParams::TooLong(name.chars().take(32).collect()));
            }
            let Some(value) = form_decode(pair.get(cut + 1..).unwrap_or_default(), Malformed::Kept) else {
                return Err(BadParams::NotText(name));
            };
            if value.len() > MAX_VALUE {
                return Err(BadParams::TooLong(name));
            }
            if found.contains_key(&name) {
                return Err(BadParams::Duplicate(name));
            }
            if found.len() == MAX_COUNT {
                return Err(BadParams::TooMany);
            }
            found.insert(name, value);
        }
        Ok(Self(found))
    }

    /// Decodes the query of a URL, without its `?`.
    ///
    /// # Errors
    /// As [`Params::parse`].
    pub fn from_query(query: &str) -> Result<Self, BadParams> {
        Self::parse(query.as_bytes())
    }

    /// A parameter's value. RFC 6749 §3.1: one without a value counts as omitted.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.sent(name).filter(|value| !value.is_empty())
    }

    /// A parameter's value as it was sent, empty or not: for those where empty must not pass for absent (PKCE).
    #[must_use]
    pub fn sent(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What becomes of a `%` that isn't followed by two hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Malformed {
    /// It stands for itself, as browsers have it.
    Kept,
    /// The text is refused.
    Refused,
}

/// Decodes one name or value of a form; `None` when it is no text.
pub(super) fn form_decode(raw: &[u8], malformed: Malformed) -> Option<String> {
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(byte) = raw.get(at) {
        match byte {
            b'+' => out.push(b' '),
            b'%' => match raw.get(at + 1..at + 3).and_then(escaped) {
                Some(decoded) => {
                    out.push(decoded);
                    at += 2;
                }
                None if malformed == Malformed::Refused => return None,
                None => out.push(b'%'),
            },
            other => out.push(*other),
        }
        at += 1;
    }
    String::from_utf8(out).ok().filter(|text| !text.contains('\0'))
}

fn escaped(digits: &[u8]) -> Option<u8> {
    let hex = |digit: u8| char::from(digit).to_digit(16);
    let value = hex(*digits.first()?)? * 16 + hex(*digits.get(1)?)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_decoded_exactly_once() {
        let params = Params::from_query("a=1+2%203&uri=https%3A%2F%2Fx%2F%252Fcb&&flag&=odd").expect("well formed");
        assert_eq!(params.get("a"), Some("1 2 3"));
        assert_eq!(params.get("uri"), Some("https://x/%2Fcb"));
        assert_eq!(params.get("absent"), None);
        assert_eq!(params.iter().count(), 4);
    }

    #[test]
    fn a_parameter_without_a_value_counts_as_omitted_but_can_be_seen() {
        let params = Params::from_query("state=&nonce").expect("well formed");
        assert_eq!((params.get("state"), params.get("nonce")), (None, None));
        assert_eq!((params.sent("state"), params.sent("nonce"), params.sent("x")), (Some(""), Some(""), None));
    }

    #[test]
    fn a_repeated_parameter_is_refused_even_when_unknown_or_empty_or_escaped() {
        for bad in ["a=1&a=1", "a=1&a=2", "a=&a=1", "a&a", "a=1&%61=1", "resource=x&resource=y"] {
            assert!(matches!(Params::from_query(bad), Err(BadParams::Duplicate(_))), "{bad}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_rather_than_replaced() {
        for bad in ["a=%FF", "a=%C3%28", "%FF=1", "a=%00", "a=x%00y"] {
            assert!(matches!(Params::from_query(bad), Err(BadParams::NotText(_))), "{bad}");
        }
        assert!(Params::parse(b"a=\xff").is_err());
    }

    #[test]
    fn a_lone_percent_sign_stands_for_itself_unless_it_must_not() {
        assert_eq!(Params::from_query("a=50%&b=%zz&c=%4").expect("kept").get("b"), Some("%zz"));
        for bad in ["50%", "%zz", "%4", "%+1"] {
            assert_eq!(form_decode(bad.as_bytes(), Malformed::Refused), None, "{bad}");
        }
        assert_eq!(form_decode(b"a%3Ab+c", Malformed::Refused).as_deref(), Some("a:b c"));
    }

    #[test]
    fn sizes_are_bounded() {
        let long = |size: usize| format!("a={}", "x".repeat(size));
        assert!(Params::from_query(&long(MAX_VALUE)).is_ok());
        assert_eq!(Params::from_query(&long(MAX_VALUE + 1)), Err(BadParams::TooLong("a".to_owned())));
        assert!(matches!(Params::from_query(&"n".repeat(MAX_NAME + 1)), Err(BadParams::TooLong(_))));
        let many: String = (0..=MAX_COUNT).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
        assert_eq!(Params::from_query(&many), Err(BadParams::TooMany));
    }

    #[test]
    fn values_do_not_print() {
        let params = Params::from_query("client_secret=hush").expect("well formed");
        assert_eq!(format!("{params:?}"), r#"{"client_secret"}"#);
    }

    #[test]
    fn bad_parameters_become_an_invalid_request() {
        let error = OAuthError::from(BadParams::Duplicate("\"x\"\n".to_owned()));
        assert_eq!(error.code, ErrorCode::InvalidRequest);
        assert!(!error.description.contains(['"', '\n']));
    }
}
