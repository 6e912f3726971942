//! Media types: what a body may be sent as, and what a client says it understands (RFC 7644 §3.8).

use axum::http::{HeaderMap, HeaderValue, header};

/// What every answer is.
pub const SCIM_JSON: &str = "application/scim+json";
/// What many clients say instead.
const JSON: &str = "application/json";

/// Whether a body is said to be JSON of ours, in UTF-8 and not packed. A client that says nothing is believed unless the
/// RFC is to be kept to the letter.
#[must_use]
pub fn is_readable(headers: &HeaderMap, strict: bool) -> bool {
    let packed =
        headers.get(header::CONTENT_ENCODING).is_some_and(|kind| !kind.as_bytes().eq_ignore_ascii_case(b"identity"));
    let said = headers.get(header::CONTENT_TYPE);
    let fits = match said.map(HeaderValue::to_str) {
        None => !strict,
        Some(Ok(text)) => is_ours(text),
        Some(Err(_)) => false,
    };
    fits && !packed
}

/// Whether a content type is one of the two, with no charset but UTF-8.
fn is_ours(text: &str) -> bool {
    let mut parts = text.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let charset =
        parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    let utf8 = charset.is_none_or(|(_, value)| value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8"));
    (kind.eq_ignore_ascii_case(SCIM_JSON) || kind.eq_ignore_ascii_case(JSON)) && utf8
}

/// Whether a client understands what we answer. Without an `Accept` it does.
#[must_use]
pub fn is_understood(headers: &HeaderMap) -> bool {
    let mut said = headers.get_all(header::ACCEPT).iter().peekable();
    if said.peek().is_none() {
        return true;
    }
    said.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(takes)
}

/// Whether one range of an `Accept` covers our answers.
fn takes(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let covered = [SCIM_JSON, JSON, "application/*", "*/*"].iter().any(|ours| kind.eq_ignore_ascii_case(ours));
    let weight = parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    covered && weight.is_none_or(|(_, weight)| weight.trim().parse::<f32>().is_ok_and(|weight| weight > 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn both_types_are_read_with_utf8_or_no_charset() {
        for good in [
            "application/scim+json",
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/scim+json;charset=\"utf-8\"; x=y",
        ] {
            assert!(is_readable(&with(&[(header::CONTENT_TYPE, good)]), true), "{good}");
        }
        for bad in
            ["text/plain", "application/json; charset=utf-16", "application/json-patch+json", "application/xml", ""]
        {
            assert!(!is_readable(&with(&[(header::CONTENT_TYPE, bad)]), false), "{bad}");
        }
        let packed = with(&[(header::CONTENT_TYPE, JSON), (header::CONTENT_ENCODING, "gzip")]);
        assert!(!is_readable(&packed, false));
    }

    #[test]
    fn a_body_without_a_type_is_read_unless_the_rfc_is_kept_to_the_letter() {
        assert!(is_readable(&HeaderMap::new(), false) && !is_readable(&HeaderMap::new(), true));
    }

    #[test]
    fn an_accept_is_met_by_either_type_or_a_range_that_covers_it() {
        for good in [
            "application/scim+json",
            "application/scim+json; charset=utf-8",
            "text/html, application/json;q=0.1",
            "*/*",
            "application/*",
        ] {
            assert!(is_understood(&with(&[(header::ACCEPT, good)])), "{good}");
        }
        for bad in ["text/html", "application/xml, text/*", "application/scim+json;q=0", ""] {
            assert!(!is_understood(&with(&[(header::ACCEPT, bad)])), "{bad}");
        }
        assert!(is_understood(&HeaderMap::new()));
    }
}
