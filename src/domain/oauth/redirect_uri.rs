//! Redirect URIs: which are fit to be registered, and whether a request's is one of them (RFC 9700 §4.1.3, RFC 8252 §7).
//!
//! # Why
//! Validators that parse and consumers that parse differently have sent codes to strangers for years. Here a URI
//! is compared as bytes; one that two parsers could read in two ways isn't fit to be registered or asked for.
//! A [`VerifiedRedirect`] is the only thing an answer can be sent to, and only [`verify`] makes one.

use form_urlencoded::byte_serialize;
use serde::{Deserialize, Serialize};
use url::Url;

const MAX_LENGTH: usize = 2048;
const LOOPBACK_LITERALS: [&str; 2] = ["127.0.0.1", "[::1]"];

/// Why a request's redirect URI was refused. Always a page, never a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectFault {
    /// OpenID Connect Core §3.1.2.1: REQUIRED, even where only one is registered.
    #[error("The request names no redirect_uri.")]
    Missing,
    /// It could be read in two ways.
    #[error("The redirect_uri of the request is malformed.")]
    Malformed,
    /// It isn't, byte for byte, one of the registered.
    #[error("The redirect_uri of the request is not registered for this application.")]
    Unregistered,
}

impl RedirectFault {
    /// What the error page says.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "The request names no redirect_uri.",
            Self::Malformed => "The redirect_uri of the request is malformed.",
            Self::Unregistered => "The redirect_uri of the request is not registered for this application.",
        }
    }
}

/// A redirect URI that is registered for the application that asked.
///
/// It is deserialised only from what we sealed ourselves; even so it must be well formed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct VerifiedRedirect(String);

/// The request's redirect URI, if it is one of the registered, byte for byte.
///
/// RFC 8252 §7.3: the port of a loopback literal may vary, nothing else. `localhost` is no literal.
///
/// # Errors
/// [`RedirectFault`] when it is missing, malformed or not registered.
pub fn verify(registered: &[String], given: Option<&str>) -> Result<VerifiedRedirect, RedirectFault> {
    let given = given.filter(|uri| !uri.is_empty()).ok_or(RedirectFault::Missing)?;
    well_formed(given).map_err(|_| RedirectFault::Malformed)?;
    let matches =
        |uri: &String| uri == given || loopback_parts(uri).is_some_and(|parts| loopback_parts(given) == Some(parts));
    if registered.iter().any(matches) {
        Ok(VerifiedRedirect(given.to_owned()))
    } else {
        Err(RedirectFault::Unregistered)
    }
}

/// Host and rest of an `http` URI on a loopback literal, without its port.
fn loopback_parts(uri: &str) -> Option<(&str, &str)> {
    let after = uri.strip_prefix("http://")?;
    let host = LOOPBACK_LITERALS.into_iter().find(|host| after.starts_with(host))?;
    let rest = &after[host.len()..];
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (port, rest) = rest.split_at(end);
    let port_ok = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    port_ok.then_some((host, rest))
}

impl VerifiedRedirect {
    /// The URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its origin; of a private-use scheme the scheme and its colon.
    #[must_use]
    pub fn origin(&self) -> String {
        match Shape::of(&self.0) {
            Ok(Shape { scheme, authority: Some(authority), kind: Kind::Web | Kind::Loopback }) => {
                format!("{scheme}://{authority}")
            }
            Ok(Shape { scheme, .. }) => format!("{scheme}:"),
            Err(_) => "'none'".to_owned(),
        }
    }

    /// What a Content-Security-Policy's `form-action` must name for a form to end here.
    ///
    /// CSP 3 §2.3.1 has no words for an IPv6 literal, so that `[::1]` can only be named by its scheme.
    #[must_use]
    pub fn form_action(&self) -> String {
        if self.0.starts_with("http://[") { "http:".to_owned() } else { self.origin() }
    }

    /// The URI with parameters added to its query; the registered query stays (RFC 6749 §3.1.2).
    #[must_use]
    pub fn with_query(&self, parameters: &[(&str, &str)]) -> String {
        let mut uri = self.0.clone();
        for (name, value) in parameters {
            match uri.bytes().next_back() {
                Some(b'?' | b'&') => {}
                _ => uri.push(if uri.contains('?') { '&' } else { '?' }),
            }
            uri.extend(byte_serialize(name.as_bytes()));
            uri.push('=');
            uri.extend(byte_serialize(value.as_bytes()));
        }
        uri
    }
}

impl TryFrom<String> for VerifiedRedirect {
    type Error = &'static str;

    fn try_from(uri: String) -> Result<Self, Self::Error> {
        well_formed(&uri).map(|()| Self(uri))
    }
}

impl From<VerifiedRedirect> for String {
    fn from(redirect: VerifiedRedirect) -> Self {
        redirect.0
    }
}

/// Whether a URI may be registered to redirect to: `https`, `http` on loopback, or a private-use scheme with a dot.
///
/// # Errors
/// What is wrong with it, for the one who registers.
pub fn well_formed(uri: &str) -> Result<(), &'static str> {
    Shape::of(uri).map(drop)
}

/// Whether a URI may be registered to be shown or called: `https`, or `http` on loopback.
///
/// # Errors
/// What is wrong with it, for the one who registers.
pub fn well_formed_web(uri: &str) -> Result<(), &'static str> {
    match Shape::of(uri)?.kind {
        Kind::Web | Kind::Loopback => Ok(()),
        Kind::Private => Err("must be https, or http on loopback"),
    }
}

/// Whether a program other than the application could take what is sent here: loopback or a private-use scheme.
#[must_use]
pub fn is_unverifiable(uri: &str) -> bool {
    Shape::of(uri).map_or(true, |shape| shape.kind != Kind::Web)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Web,
    Loopback,
    Private,
}

/// What a URI's text says, taken from the text itself and not from a parser that mends it.
#[derive(Debug)]
struct Shape<'a> {
    kind: Kind,
    scheme: &'a str,
    authority: Option<&'a str>,
}

impl<'a> Shape<'a> {
    fn of(uri: &'a str) -> Result<Self, &'static str> {
        plain(uri)?;
        let (scheme, rest) = uri.split_once(':').ok_or("must be an absolute URI")?;
        let authority = rest.strip_prefix("//").map(|rest| &rest[..rest.find(['/', '?']).unwrap_or(rest.len())]);
        if authority.is_some_and(|authority| authority.contains('@')) {
            return Err("must not carry user information");
        }
        let parsed = Url::parse(uri).map_err(|_| "must be an absolute URI")?;
        let kind = match (scheme, authority) {
            ("https", Some(authority)) => web_host(authority, &parsed).map(|_| Kind::Web)?,
            ("http", Some(authority)) => match web_host(authority, &parsed)? {
                "127.0.0.1" | "[::1]" | "localhost" => Kind::Loopback,
                _ => return Err("must be https, or http on loopback"),
            },
            ("https" | "http", None) => return Err("must have a host"),
            (private, _) if is_private_use(private) && !rest.is_empty() => Kind::Private,
            _ => {
                return Err("must be https, http on loopback, or a private-use scheme with a dot in it");
            }
        };
        Ok(Self { kind, scheme, authority })
    }
}

/// Only characters that every parser takes for what they are.
fn plain(uri: &str) -> Result<(), &'static str> {
    if uri.is_empty() || uri.len() > MAX_LENGTH {
        return Err("must have 1 to 2048 characters");
    }
    if !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("must have no spaces, control characters or non-ASCII characters");
    }
    if uri.contains('#') {
        return Err("must not carry a fragment");
    }
    if uri.contains('*') {
        return Err("must not carry a wildcard");
    }
    if uri.contains(['\\', '"', '<', '>', '^', '`', '{', '|', '}']) {
        return Err("must not carry characters that no URI has");
    }
    Ok(())
}

/// The host of an authority, if the parser sees the very same one.
fn web_host<'a>(authority: &'a str, parsed: &Url) -> Result<&'a str, &'static str> {
    let end = match authority.strip_prefix('[') {
        Some(_) => authority.find(']').map_or(authority.len(), |place| place + 1),
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(end);
    let same_host = parsed.host_str().is_some_and(|seen| seen.eq_ignore_ascii_case(host));
    if host.is_empty() || host.contains('%') || !same_host {
        return Err("must have a host written plainly");
    }
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return Err("must have a port from 1 to 65535, or none");
    }
    Ok(host)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// RFC 8252 §7.1: a reversed domain name. So `javascript`, `data`, `blob` and `file` can't be one.
fn is_private_use(scheme: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    scheme.contains('.') && scheme.starts_with(|first: char| first.is_ascii_lowercase()) && scheme.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered(uris: &[&str]) -> Vec<String> {
        uris.iter().map(|uri| (*uri).to_owned()).collect()
    }

    const HOSTILE: &[&str] = &[
        "https://app.example@x@evil/cb",
        "https://app.example\\@evil",
        "https://app.example%40evil",
        "https://user:pw@app.example/cb",
        "https://app.example/cb#frag",
        "https://app.example/\tcb",
        "https://app.example/\0cb",
        " https://app.example/cb",
        "https://app.example/cb\n",
        "https://app.example*",
        "https://*.app.example/cb",
        "https:/app.example/cb",
        "https:app.example/cb",
        "https:///app.example/cb",
        "https://",
        "https://:443/cb",
        "https://app.example:99999/cb",
        "https://app.example:/cb",
        "HTTPS://app.example/cb",
        "//app.example/cb",
        "/cb",
        "",
        "http://app.example/cb",
        "http://127.0.0.1.evil/cb",
        "http://localhost@evil/",
        "http://localhost.evil/cb",
        "http://2130706433/cb",
        "http://0x7f.1/cb",
        "http://127.1/cb",
        "http://[::ffff:127.0.0.1]/cb",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "blob:https://app.example/x",
        "file:///etc/passwd",
        "myapp:/cb",
        "com..example:/cb",
        "com.example.:/cb",
        "Com.Example:/cb",
        "com.example.app:",
        "com.example.app://a@b/cb",
    ];

    #[test]
    fn what_two_parsers_could_read_in_two_ways_is_neither_registered_nor_verified() {
        for uri in HOSTILE {
            assert!(well_formed(uri).is_err(), "{uri:?}");
            assert!(verify(&registered(&[uri]), Some(uri)).is_err(), "{uri:?}");
        }
    }

    #[test]
    fn honest_uris_are_well_formed() {
        for uri in [
            "https://app.example/cb",
            "https://app.example",
            "https://App.Example:8443/cb?a=b&c=d",
            "https://xn--bcher-kva.example/cb",
            "https://app.example/%2Fcb",
            "https://[2001:db8::1]/cb",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:9000/cb",
            "http://[::1]:9000/cb",
            "http://localhost:9000/cb",
            "com.example.app:/cb",
            "com.example.app://cb",
        ] {
            assert_eq!(well_formed(uri), Ok(()), "{uri}");
        }
        assert!(well_formed_web("com.example.app:/cb").is_err());
        assert_eq!(well_formed_web("https://app.example/logo.png"), Ok(()));
    }

    #[test]
    fn comparison_is_of_bytes() {
        let list = registered(&["https://foo.example.com/cb", "https://app.example/cb?x=1"]);
        assert!(verify(&list, Some("https://foo.example.com/cb")).is_ok());
        assert!(verify(&list, Some("https://app.example/cb?x=1")).is_ok());
        for other in [
            "https://fooaexample.com/cb",
            "https://foo.example.com/cb/",
            "https://foo.example.com/CB",
            "https://FOO.example.com/cb",
            "https://foo.example.com:443/cb",
            "https://foo.example.com/cb?added=1",
            "https://foo.example.com/x/../cb",
            "https://foo.example.com/%63b",
            "https://foo.example.com/cb.evil",
            "https://foo.example.com.evil/cb",
            "https://app.example/cb?x=2",
            "https://app.example/cb",
        ] {
            assert_eq!(verify(&list, Some(other)), Err(RedirectFault::Unregistered), "{other}");
        }
    }

    #[test]
    fn an_empty_list_allows_nothing_and_a_missing_uri_is_a_fault() {
        assert_eq!(verify(&[], Some("https://app.example/cb")), Err(RedirectFault::Unregistered));
        let one = registered(&["https://app.example/cb"]);
        assert_eq!(verify(&one, None), Err(RedirectFault::Missing));
        assert_eq!(verify(&one, Some("")), Err(RedirectFault::Missing));
    }

    #[test]
    fn of_a_loopback_literal_the_port_may_vary_and_nothing_else() {
        let list = registered(&["http://127.0.0.1/cb", "http://[::1]:1/cb?a=b", "http://localhost:9000/cb"]);
        for good in [
            "http://127.0.0.1/cb",
            "http://127.0.0.1:49152/cb",
            "http://[::1]:2/cb?a=b",
            "http://[::1]/cb?a=b",
            "http://localhost:9000/cb",
        ] {
            assert!(verify(&list, Some(good)).is_ok(), "{good}");
        }
        for bad in [
            "http://127.0.0.1:49152/other",
            "http://127.0.0.1:49152/cb?x",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:65536/cb",
            "http://127.0.0.1:1@evil/cb",
            "http://127.0.0.1.evil/cb",
            "http://127.0.0.12/cb",
            "https://127.0.0.1/cb",
            "http://[::1]:2/cb",
            "http://localhost:9001/cb",
            "http://localhost/cb",
            "http://localhost@evil/",
        ] {
            assert!(verify(&list, Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_uri_is_decoded_by_nobody() {
        let list = registered(&["https://app.example/%2Fcb"]);
        assert!(verify(&list, Some("https://app.example/%2Fcb")).is_ok());
        assert!(verify(&list, Some("https://app.example//cb")).is_err());
        assert!(verify(&list, Some("https://app.example/%252Fcb")).is_err());
    }

    #[test]
    fn the_registered_query_is_kept() {
        let redirect = |uri: &str| verify(&registered(&[uri]), Some(uri)).expect("registered");
        let answer = [("code", "a b&c"), ("state", "é=+")];
        assert_eq!(
            redirect("https://a.example/cb").with_query(&answer),
            "https://a.example/cb?code=a+b%26c&state=%C3%A9%3D%2B"
        );
        assert_eq!(
            redirect("https://a.example/cb?dummy1=lorem&dummy2=ipsum").with_query(&[("iss", "x")]),
            "https://a.example/cb?dummy1=lorem&dummy2=ipsum&iss=x"
        );
        assert_eq!(redirect("https://a.example/cb?").with_query(&[("iss", "x")]), "https://a.example/cb?iss=x");
        assert_eq!(redirect("com.example.app:/cb").with_query(&[("iss", "x")]), "com.example.app:/cb?iss=x");
        assert_eq!(redirect("https://a.example/cb?x=1").with_query(&[]), "https://a.example/cb?x=1");
    }

    #[test]
    fn the_origin_is_what_a_policy_can_name() {
        let redirect = |uri: &str| verify(&registered(&[uri]), Some(uri)).expect("registered");
        assert_eq!(redirect("https://a.example:8443/cb?x=y").origin(), "https://a.example:8443");
        assert_eq!(redirect("https://a.example?x=y").form_action(), "https://a.example");
        assert_eq!(redirect("com.example.app:/cb").origin(), "com.example.app:");
        assert_eq!(redirect("com.example.app://host/cb").origin(), "com.example.app:");
        assert_eq!(redirect("http://[::1]:9/cb").origin(), "http://[::1]:9");
        assert_eq!(redirect("http://[::1]:9/cb").form_action(), "http:");
        assert_eq!(redirect("http://127.0.0.1:9/cb").form_action(), "http://127.0.0.1:9");
    }

    #[test]
    fn even_a_sealed_redirect_must_be_well_formed() {
        assert!(serde_json::from_str::<VerifiedRedirect>(r#""https://a.example/cb""#).is_ok());
        assert!(serde_json::from_str::<VerifiedRedirect>(r#""javascript:x""#).is_err());
    }
}
