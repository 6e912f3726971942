//! The headers of every answer: what a page may load and where its forms may end, what nobody may keep.
//!
//! A handler that says otherwise wins: a header that is set already stays. Whether an answer is a page is told by its content type.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, PRAGMA, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::response::Response;

/// Put into a page's response extensions: the origin besides our own at which its form may end.
///
/// # Why
/// Browsers hold `form-action` against redirects too, so a page whose POST ends in a redirect to an application
/// must name that application's verified origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormAction(pub String);

/// Put into a page's response extensions: the origins of what it loads in frames. Without it a page frames nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frames(pub Vec<String>);

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' https:; \
                      base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

static PAGE_POLICY: HeaderValue = HeaderValue::from_static(POLICY);
static NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
static NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
static NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
static SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
static DENY: HeaderValue = HeaderValue::from_static("DENY");
static ONE_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");
static OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Sets the headers of an answer; `https` says whether browsers reach us by it.
pub(super) fn set(response: &mut Response, https: bool) {
    let form_action = response.extensions_mut().remove::<FormAction>();
    let frames = response.extensions_mut().remove::<Frames>();
    let is_page = is_html(response.headers());
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF.clone());
    if https {
        headers.insert(STRICT_TRANSPORT_SECURITY, ONE_YEAR.clone());
    }
    keep_from_caches(headers);
    if is_page {
        page(headers, form_action.as_ref(), frames.as_ref());
    }
}

/// RFC 6749 §5.1: `no-store`, and `Pragma` for caches that know nothing else; a handler's own Cache-Control stays.
fn keep_from_caches(headers: &mut HeaderMap) {
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, NO_STORE.clone());
        headers.insert(PRAGMA, NO_CACHE.clone());
    }
}

fn page(headers: &mut HeaderMap, form_action: Option<&FormAction>, frames: Option<&Frames>) {
    headers.entry(CONTENT_SECURITY_POLICY).or_insert_with(|| match frames {
        Some(frames) => framing(policy(form_action), frames),
        None => policy(form_action),
    });
    headers.entry(REFERRER_POLICY).or_insert_with(|| SAME_ORIGIN.clone());
    headers.insert(&OPENER_POLICY, SAME_ORIGIN.clone());
    headers.insert(X_FRAME_OPTIONS, DENY.clone());
}

fn policy(form_action: Option<&FormAction>) -> HeaderValue {
    form_action
        .filter(|FormAction(origin)| is_source(origin))
        .and_then(|FormAction(origin)| HeaderValue::try_from(format!("{POLICY} {origin}")).ok())
        .unwrap_or_else(|| PAGE_POLICY.clone())
}

/// The policy of a page that loads something in frames: from those origins, and from nowhere else.
fn framing(policy: HeaderValue, Frames(origins): &Frames) -> HeaderValue {
    let mut sources: Vec<&str> = origins.iter().map(String::as_str).filter(|origin| is_source(origin)).collect();
    sources.sort_unstable();
    sources.dedup();
    let text = policy.to_str().unwrap_or(POLICY);
    match HeaderValue::try_from(format!("{text}; frame-src {}", sources.join(" "))) {
        Ok(framing) if !sources.is_empty() => framing,
        _ => policy,
    }
}

/// Whether a text is one source of a policy and nothing more: no second source, no second directive, no keyword.
fn is_source(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:/[]+".contains(&b))
}

fn is_html(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"))
}

#[cfg(test)]
mod tests {
    use axum::Json;
    use axum::response::{Html, IntoResponse};

    use super::*;

    fn header(response: &Response, name: impl AsRef<str>) -> Option<&str> {
        response.headers().get(name.as_ref()).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn a_page_may_load_nothing_foreign_and_be_framed_by_nobody() {
        let mut response = Html("<p>").into_response();
        set(&mut response, true);
        let policy = header(&response, CONTENT_SECURITY_POLICY).unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && policy.ends_with("; form-action 'self'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(header(&response, REFERRER_POLICY), Some("same-origin"));
        assert_eq!(header(&response, &OPENER_POLICY), Some("same-origin"));
        assert_eq!(header(&response, CACHE_CONTROL), Some("no-store"));
        assert!(header(&response, STRICT_TRANSPORT_SECURITY).unwrap().contains("max-age=31536000"));
    }

    #[test]
    fn a_form_may_end_at_the_verified_origin_and_the_text_can_add_no_directive() {
        let policy = |origin: &str| {
            let mut response = Html("<form>").into_response();
            response.extensions_mut().insert(FormAction(origin.to_owned()));
            set(&mut response, false);
            header(&response, CONTENT_SECURITY_POLICY).unwrap().to_owned()
        };
        assert!(policy("http://127.0.0.1:9000").ends_with("; form-action 'self' http://127.0.0.1:9000"));
        assert!(policy("com.acme.app:").ends_with("; form-action 'self' com.acme.app:"));
        for bad in [
            "",
            "*",
            "https://a.test; script-src *",
            "https://a.test https://b.test",
            "'unsafe-inline'",
            "https://a.test\r\nX: y",
        ] {
            assert_eq!(policy(bad), POLICY, "{bad:?}");
        }
    }

    #[test]
    fn a_page_frames_the_origins_that_it_was_given_and_no_others() {
        let policy = |origins: &[&str]| {
            let mut response = Html("<iframe>").into_response();
            response.extensions_mut().insert(Frames(origins.iter().map(|origin| (*origin).to_owned()).collect()));
            set(&mut response, false);
            header(&response, CONTENT_SECURITY_POLICY).unwrap().to_owned()
        };
        let two = policy(&["https://b.test", "https://a.test:8443", "https://b.test", "https://c.test; script-src *"]);
        assert_eq!(two, format!("{POLICY}; frame-src https://a.test:8443 https://b.test"));
        assert_eq!((policy(&[]), policy(&["*"])), (POLICY.to_owned(), POLICY.to_owned()));
    }

    #[test]
    fn an_api_answer_is_kept_by_nobody_unless_the_handler_says_so() {
        let mut response = Json(1).into_response();
        set(&mut response, false);
        assert_eq!((header(&response, CACHE_CONTROL), header(&response, PRAGMA)), (Some("no-store"), Some("no-cache")));
        assert_eq!(header(&response, X_CONTENT_TYPE_OPTIONS), Some("nosniff"));
        assert_eq!(
            (header(&response, CONTENT_SECURITY_POLICY), header(&response, STRICT_TRANSPORT_SECURITY)),
            (None, None)
        );

        let mut response = ([(CACHE_CONTROL, "public, max-age=300")], Json(1)).into_response();
        set(&mut response, false);
        assert_eq!((header(&response, CACHE_CONTROL), header(&response, PRAGMA)), (Some("public, max-age=300"), None));
    }
}
