//! `[outbound]`: what Muster may reach by itself when it tells applications of a sign-out.

use std::path::PathBuf;

use serde::Deserialize;

use super::error::Faults;

/// What the guard on outgoing requests lets through besides public addresses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Outbound {
    /// `host` or `host:port` that may be reached though its address is not public.
    pub allow_hosts: Vec<String>,
    /// A PEM file with further certificate authorities to trust.
    pub extra_ca: Option<PathBuf>,
}

impl Outbound {
    pub(super) fn check(&self, faults: &mut Faults) {
        for host in &self.allow_hosts {
            if !is_host(host) {
                faults.add("outbound.allow_hosts", format!("{host:?} is no host or host:port"));
            }
        }
    }
}

/// Whether a text can be a host, with or without a port: no scheme, no path, no wildcard.
pub(super) fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_wildcard_is_no_host() {
        assert!(is_host("127.0.0.1:9000") && is_host("[::1]:9000") && is_host("shop.acme.test"));
        for text in ["", "*", "*.acme.test", "http://a", "a/b", "a b", "a\r\nb", "a@b"] {
            assert!(!is_host(text), "{text:?}");
        }
    }
}
