//! The issuer: the one address that Muster says it is (OIDC Discovery 1.0 §3, RFC 8414 §2).
//!
//! # Why
//! Applications compare it byte by byte. So only the canonical spelling is accepted, and what is accepted is an origin:
//! every path of the product hangs directly under it.

use url::{Host, Url};

/// Checks an issuer; the reason says what is wrong with it.
pub(super) fn check(issuer: &str, allow_loopback_http: bool) -> Result<(), String> {
    let url = Url::parse(issuer).map_err(|error| format!("{issuer:?} is no URL: {error}"))?;
    let local = url.scheme() == "http" && is_loopback(&url);
    if url.scheme() != "https" && !local {
        return Err(format!("{issuer:?} must begin with https://"));
    }
    if local && !allow_loopback_http {
        return Err(format!("{issuer:?} is plain http: set http.allow_loopback_http = true to develop with it"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or a password".to_owned());
    }
    let canonical = url.origin().ascii_serialization();
    if issuer == canonical {
        Ok(())
    } else {
        Err(format!("{issuer:?} must be written {canonical:?}: no path, query, fragment or slash at the end"))
    }
}

/// Whether the host is this machine by a literal address or by the name `localhost`.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// What follows the scheme: the host, with the port where it isn't the scheme's own.
pub(super) fn authority(issuer: &str) -> &str {
    issuer.split_once("://").map_or(issuer, |(_, authority)| authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_https_origin_in_its_canonical_spelling() {
        for good in ["https://id.acme.test", "https://id.acme.test:8443", "https://[2001:db8::1]"] {
            assert_eq!(check(good, false), Ok(()), "{good}");
        }
        for bad in [
            "",
            "id.acme.test",
            "https://",
            "https://id.acme.test/",
            "https://id.acme.test/auth",
            "https://id.acme.test?x",
            "https://id.acme.test#x",
            "https://ID.acme.test",
            "https://id.acme.test:443",
            "https://ana@id.acme.test",
            "https://ana:pw@id.acme.test",
            "ftp://id.acme.test",
            "https:\\\\id.acme.test",
            " https://id.acme.test",
            "https://id.acme.test\r\nX: y",
        ] {
            assert!(check(bad, true).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn plain_http_is_for_the_loopback_and_only_when_allowed() {
        for local in ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"] {
            assert_eq!(check(local, true), Ok(()));
            assert!(check(local, false).unwrap_err().contains("allow_loopback_http"));
        }
        for far in ["http://id.acme.test", "http://10.0.0.1", "http://localhost.acme.test"] {
            assert!(check(far, true).is_err(), "{far}");
        }
    }

    #[test]
    fn the_authority_keeps_a_port_that_is_named() {
        assert_eq!(authority("https://id.acme.test"), "id.acme.test");
        assert_eq!(authority("http://[::1]:8080"), "[::1]:8080");
    }
}
