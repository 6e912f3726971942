//! Which names requests may call us by (RFC 9110 §7.2, §7.4): the issuer's and those the settings add; others get 421.
//!
//! # Why
//! Nothing we answer is built from the Host header, but a foreign name that resolves here is a rebinding attack or a
//! wrong proxy, and both should stop at the door. Probes call by address, so the two health paths are let through.

use axum::http::{HeaderMap, Uri, header::HOST};

use crate::config::Config;

/// Paths whose answers are the same whatever the name is.
const NAMELESS: [&str; 2] = ["/healthz", "/readyz"];

/// The names that we answer to.
#[derive(Debug)]
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    /// The names out of the settings. A name without a port stands for the scheme's own port too.
    pub(super) fn new(config: &Config) -> Self {
        let port = if config.is_https() { 443 } else { 80 };
        let names =
            std::iter::once(config.issuer_authority()).chain(config.http.allowed_hosts.iter().map(String::as_str));
        Self(
            names
                .flat_map(|name| {
                    if has_port(name) { vec![name.to_owned()] } else { vec![name.to_owned(), format!("{name}:{port}")] }
                })
                .collect(),
        )
    }

    /// Whether a request calls us by one of our names: in its target, in its one Host header, or alike in both.
    pub(super) fn accept(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let target = uri.authority().map(|authority| authority.as_str().as_bytes());
        let mut hosts = headers.get_all(HOST).iter();
        let (first, second) = (hosts.next(), hosts.next());
        let named = match (target, first) {
            (Some(target), Some(host)) => self.knows(target) && self.knows(host.as_bytes()),
            (Some(name), None) => self.knows(name),
            (None, Some(host)) => self.knows(host.as_bytes()),
            (None, None) => false,
        };
        (named && second.is_none()) || NAMELESS.contains(&uri.path())
    }

    fn knows(&self, name: &[u8]) -> bool {
        self.0.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(name))
    }
}

/// Whether a name ends in a port; the colons inside an IPv6 literal are none.
fn has_port(name: &str) -> bool {
    name.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
        && (!name.starts_with('[') || name.contains("]:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(names: &[&str]) -> Hosts {
        let config = Config::load(
            None,
            [
                ("MUSTER_ISSUER".to_owned(), "https://id.acme.test".to_owned()),
                ("MUSTER_HTTP__ALLOWED_HOSTS".to_owned(), names.join(",")),
            ]
            .into_iter(),
            crate::config::Overrides::default(),
        );
        Hosts::new(&config.unwrap())
    }

    fn asks(uri: &str, names: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for name in names {
            headers.append(HOST, name.parse().unwrap());
        }
        hosts(&["10.0.0.5:8080", "[::1]"]).accept(&uri.parse().unwrap(), &headers)
    }

    #[test]
    fn the_issuer_and_the_added_names_are_answered() {
        for name in ["id.acme.test", "ID.Acme.Test", "id.acme.test:443", "10.0.0.5:8080", "[::1]", "[::1]:443"] {
            assert!(asks("/jwks", &[name]), "{name}");
        }
        assert!(asks("https://id.acme.test/jwks", &[]) && asks("https://id.acme.test/jwks", &["id.acme.test"]));
    }

    #[test]
    fn any_other_name_is_misdirected() {
        for name in [
            "evil.test",
            "id.acme.test.evil.test",
            "id.acme.test:8080",
            "10.0.0.5",
            "ana@id.acme.test",
            "",
            "id.acme.test.",
        ] {
            assert!(!asks("/jwks", &[name]), "{name}");
        }
        assert!(!asks("/jwks", &[]));
    }

    #[test]
    fn two_names_that_disagree_or_repeat_are_misdirected() {
        assert!(
            !asks("https://id.acme.test/jwks", &["evil.test"]) && !asks("https://evil.test/jwks", &["id.acme.test"])
        );
        assert!(!asks("/jwks", &["id.acme.test", "id.acme.test"]));
    }

    #[test]
    fn a_probe_may_call_by_address() {
        assert!(
            asks("/healthz", &["172.17.0.2:8080"]) && asks("/readyz", &[]) && !asks("/metrics", &["172.17.0.2:8080"])
        );
    }
}
