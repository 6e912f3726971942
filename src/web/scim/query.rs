//! A query's parameters: names in any case, `+` for a space, the last one counts, those that nobody knows are ignored.

use crate::domain::scim::error::ScimError;
use crate::domain::scim::project::Projection;

/// The parameters, in their order. Empty ones, such as a trailing `&` makes, are none.
///
/// # Errors
/// One holds a character that no database keeps.
pub fn pairs(query: Option<&str>) -> Result<Vec<(String, String)>, ScimError> {
    let parsed = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned();
    let pairs: Vec<(String, String)> = parsed.filter(|(name, _)| !name.is_empty()).collect();
    if pairs.iter().any(|(_, value)| value.contains('\0')) {
        return Err(ScimError::value("A parameter holds the character U+0000, which none may."));
    }
    Ok(pairs)
}

/// The value of a parameter.
fn value<'q>(pairs: &'q [(String, String)], name: &str) -> Option<&'q str> {
    pairs.iter().rev().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Which attributes an answer is to have, and whether anybody said so.
///
/// # Errors
/// The two parameters exclude each other, or can't be read.
pub fn projection(pairs: &[(String, String)]) -> Result<Projection, ScimError> {
    Projection::parse(value(pairs, "attributes"), value(pairs, "excludedAttributes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_its_senders_mean_it() {
        let pairs = pairs(Some("filter=userName+eq+%22ana%22&&count=1&COUNT=2&")).unwrap();
        assert_eq!(pairs.len(), 3);
        assert_eq!(value(&pairs, "FILTER"), Some("userName eq \"ana\""));
        assert_eq!(value(&pairs, "count"), Some("2"));
        assert_eq!(value(&pairs, "startIndex"), None);
    }

    #[test]
    fn a_character_that_no_database_keeps_is_refused() {
        assert_eq!(pairs(Some("filter=%00")).unwrap_err().status, 400);
        assert!(pairs(None).unwrap().is_empty());
    }
}
